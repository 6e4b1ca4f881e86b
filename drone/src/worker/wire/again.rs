//! `"retry": true | false | "30s"`.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::{duration::text::Text, worker::Retry};

pub(super) struct Again(pub(super) Retry);

struct Answer;

impl Default for Again {
    fn default() -> Self {
        Self(Retry::Policy)
    }
}

impl<'de> Deserialize<'de> for Again {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Answer).map(Self)
    }
}

impl de::Visitor<'_> for Answer {
    type Value = Retry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, or a delay like \"30s\"")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Retry, E> {
        Ok(Retry::Policy)
    }

    fn visit_bool<E: de::Error>(self, again: bool) -> Result<Retry, E> {
        Ok(if again { Retry::Policy } else { Retry::Never })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Retry, E> {
        Text.visit_str(text).map(Retry::After)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Retry, E> {
        Text.visit_u64(seconds).map(Retry::After)
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Retry, E> {
        Text.visit_i64(seconds).map(Retry::After)
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Retry, E> {
        Text.visit_f64(seconds).map(Retry::After)
    }
}
