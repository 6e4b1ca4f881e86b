//! Where a value was said, and what is wrong with it.

use std::{fmt, sync::Arc};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody said it.
    Default,
    /// A file, by line and column, from 1.
    File {
        /// As it was named.
        file: Arc<str>,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// An environment variable.
    Env(Arc<str>),
    /// An option of the command line.
    Flag(&'static str),
}

/// Something wrong, or worth knowing, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it was said.
    pub at: Origin,
    /// What, and what to do.
    pub text: String,
}

/// All that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(pub Vec<Problem>);

// === impl Origin ===

impl Origin {
    /// The place of byte `offset` in a file.
    pub(super) fn in_file(file: &Arc<str>, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count() + 1;
        Self::File { file: Arc::clone(file), line: before.matches('\n').count() + 1, column }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Env(name) => write!(f, "env {name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

// === impl Problems ===

impl Problems {
    pub(super) fn add(&mut self, at: &Origin, text: impl Into<String>) {
        let problem = Problem { at: at.clone(), text: text.into() };
        // A wrong default is wrong in each worker that it reaches; once is enough.
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of the files' lines.
    pub(super) fn sorted(mut self) -> Self {
        self.0.sort();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Origin::Default => f.write_str(&self.text),
            at => write!(f, "{at}: {}", self.text),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            let newline = if i > 0 { "\n" } else { "" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
