//! What a look at a backend's health found, for people and for scripts.

use serde::Serialize;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and could work better, or will not for ever.
    Warn,
    /// It does not work, or not as it is promised.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it is.
    pub verdict: Verdict,
    /// What was looked at, in a word or two.
    pub subject: &'static str,
    /// What was found, and what to do about it.
    pub words: String,
}

impl Finding {
    /// As it should be.
    #[must_use]
    pub fn ok(subject: &'static str, words: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, subject, words: words.into() }
    }

    /// It could be better.
    #[must_use]
    pub fn warn(subject: &'static str, words: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, subject, words: words.into() }
    }

    /// It must not stay so.
    #[must_use]
    pub fn bad(subject: &'static str, words: impl Into<String>) -> Self {
        Self { verdict: Verdict::Bad, subject, words: words.into() }
    }
}
