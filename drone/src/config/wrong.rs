//! What serde says of a value, in words for people.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::source::Origin;

/// A value that does not fit; the innermost reader names the place.
#[derive(Debug)]
pub(super) struct Wrong {
    text: String,
    /// The text names the key already.
    complete: bool,
    pub(super) at: Option<Origin>,
    pub(super) path: Vec<String>,
}

impl Wrong {
    /// One level up.
    pub(super) fn within(mut self, key: &str, at: &Origin) -> Self {
        self.at.get_or_insert_with(|| at.clone());
        self.path.insert(0, key.to_owned());
        self
    }

    /// The whole sentence.
    pub(super) fn words(&self) -> String {
        let Some(key) = self.path.iter().rfind(|key| key.parse::<usize>().is_err()) else {
            return self.text.clone();
        };
        match self.path.as_slice() {
            _ if self.complete => self.text.clone(),
            [queue] if queue == "queue" => format!("`queue`: {}: write [[queue]]", self.text),
            _ => format!("`{key}`: {}", self.text),
        }
    }

    fn complete(text: String) -> Self {
        Self { text, complete: true, at: None, path: Vec::new() }
    }
}

impl de::Error for Wrong {
    fn custom<T: Display>(text: T) -> Self {
        Self { text: text.to_string(), complete: false, at: None, path: Vec::new() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("expected {}, found {}", wanted(expected), kind(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::complete(format!("unknown key `{field}`: {}", advice(field, known)))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::custom(format!("{variant:?} is not known here: {}", advice(variant, known)))
    }
}

/// What to write instead of an unknown word.
pub(super) fn advice(word: &str, known: &[&str]) -> String {
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(word, known), *known)).min();
    match near {
        Some((distance, known)) if distance <= (known.len() / 3).max(1) => format!("did you mean `{known}`?"),
        _ => format!("known here are {}", known.join(", ")),
    }
}

/// The type in words, with an example.
fn wanted(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    let words = match expected.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, as in 5",
        "a boolean" => "true or false",
        "a sequence" => "a list, as in [\"a\", \"b\"]",
        "a string" | "path string" => "a text, as in \"text\"",
        "a map" => "a table, as in { NAME = \"text\" }",
        _ if expected.starts_with("struct ") => "a table, as in { key = value }",
        other => other,
    };
    words.to_owned()
}

/// What was found. Never a text itself: it may be a URL with a password, in the wrong place.
fn kind(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(_) => "a text".into(),
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a table".into(),
        other => other.to_string(),
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())
    }
}

impl std::error::Error for Wrong {}
