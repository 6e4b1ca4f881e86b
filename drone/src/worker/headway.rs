//! How a run gets on.

use bytes::Bytes;
use serde::Serialize;

/// How a run gets on, as its worker tells it: a hint for whoever watches.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Headway {
    /// How far it is, in a unit of its own.
    pub n: Option<f64>,
    /// Where that ends.
    pub of: Option<f64>,
    /// For people; at most 1 KiB of it is told.
    pub note: Option<String>,
    /// JSON text: a part of what the task makes, for programs. Unlike the rest, of which the last is told, parts
    /// are told one by one, as long as there is room: 64 a task and 1 MiB wait, and the oldest are dropped.
    pub data: Option<Bytes>,
}

impl Headway {
    /// So far, of so much.
    #[must_use]
    pub fn at(n: impl Into<f64>, of: impl Into<f64>) -> Self {
        Self { n: Some(n.into()), of: Some(of.into()), ..Self::default() }
    }

    /// With words for people.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// With a part of what the task makes.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn data<D: Serialize>(mut self, data: &D) -> Result<Self, serde_json::Error> {
        self.data = Some(serde_json::to_vec(data)?.into());
        Ok(self)
    }
}
