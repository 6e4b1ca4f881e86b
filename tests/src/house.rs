//! The rules of the house, held by a machine: who may import whom, where SQL and clocks may be, and how long
//! things may get. Each rule looks at one file and answers findings with their line.

mod imports;
mod lexer;
mod sizes;
mod words;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

pub use imports::{backends_named, driver, manifest, steps};
pub use lexer::Lexed;
pub use sizes::{LONG_FILE, LONG_FUNCTION, Sizes, sizes};
pub use words::{buckets, clocks, machine_paths, sql, unfinished, unsafe_code};

/// A file of the source tree.
#[derive(Debug, Clone)]
pub struct Source {
    /// From the root of the workspace, with `/`.
    pub path: String,
    /// As it is.
    pub text: String,
    /// Without its comments and literals; only of Rust.
    pub lexed: Lexed,
}

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl Source {
    /// A file with this content.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        let lexed = if path.ends_with(".rs") { Lexed::new(text) } else { Lexed::default() };
        Self { path: path.to_owned(), text: text.to_owned(), lexed }
    }

    /// Whether it is Rust.
    #[must_use]
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it is there for tests only.
    #[must_use]
    pub fn is_test(&self) -> bool {
        let under = |folder: &str| self.path.split('/').rev().skip(1).any(|part| part == folder);
        under("tests") || under("benches") || under("testing") || self.path.ends_with("/tests.rs")
    }

    /// Whether it lies below one of these.
    #[must_use]
    pub fn below(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }
}

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Every text file of the project below `root`, by path; not what is built or hidden.
///
/// # Errors
/// When a folder cannot be read.
pub fn sources(root: &Path) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    walk(root, root, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hidden = name.starts_with('.') || ["target", "node_modules"].contains(&name.as_str());
        if path.is_dir() && !hidden {
            walk(root, &path, found)?;
        } else if path.is_file() && is_text(&name) {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.push(Source::new(&relative, &fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

fn is_text(name: &str) -> bool {
    ["rs", "toml", "sql", "md", "py", "sh", "pl", "mjs"]
        .iter()
        .any(|kind| name.ends_with(&format!(".{kind}")))
}
