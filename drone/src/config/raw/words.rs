//! The values of a configuration that have a form of their own.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{duration, worker::launch::size};

/// A duration: "30s", "5m", "1h30m", or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(#[serde(with = "duration::text")] pub Duration);

/// A size: "64KiB", "512MiB", or a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// How many processes: a number, or a range.
#[derive(Debug, Clone, PartialEq)]
pub enum Processes {
    /// So many.
    Fixed(usize),
    /// Between two numbers.
    Range(Range),
}

/// `{ min = 1, max = 8, idle = "30s" }`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Range {
    /// As many stay; 1 when absent. In this version as many as `max` stay.
    pub min: Option<usize>,
    /// Never more; `min` when absent.
    pub max: Option<usize>,
    /// How long one that is too many stays idle before it ends. In this version it stays.
    pub idle: Option<Time>,
}

/// A key that is reserved for a later version: any value is an error that says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Later;

// === impl Time ===

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration: \"30s\", \"5m\", \"1h30m\", or a number of seconds.",
            "type": ["string", "number"],
            "minimum": 0
        })
    }
}

// === impl Size ===

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(size::deserialize(from)?.unwrap_or_default()))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.iter().find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((unit, name)) => to.collect_str(&format_args!("{}{name}", self.0 / unit)),
            None => self.0.serialize(to),
        }
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size: \"64KiB\", \"512MiB\", or a number of bytes.",
            "type": ["string", "integer"],
            "minimum": 0
        })
    }
}

// === impl Processes ===

impl Processes {
    /// The least and the most.
    #[must_use]
    pub fn bounds(&self) -> (usize, usize) {
        match self {
            Self::Fixed(count) => (*count, *count),
            Self::Range(Range { min, max, .. }) => {
                let least = min.unwrap_or(1);
                (least, max.unwrap_or(least))
            }
        }
    }
}

impl Serialize for Processes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(count) => count.serialize(to),
            Self::Range(range) => range.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Processes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Count)
    }
}

struct Count;

impl<'de> de::Visitor<'de> for Count {
    type Value = Processes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or a table, as in { min = 1, max = 8, idle = \"30s\" }")
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<Processes, E> {
        let number = usize::try_from(count);
        number.map(Processes::Fixed).map_err(|_| E::invalid_value(de::Unexpected::Signed(count), &self))
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Processes, E> {
        let number = usize::try_from(count);
        number.map(Processes::Fixed).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(count), &self))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Processes, A::Error> {
        Range::deserialize(de::value::MapAccessDeserializer::new(map)).map(Processes::Range)
    }
}

impl JsonSchema for Processes {
    fn schema_name() -> Cow<'static, str> {
        "Processes".into()
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let range = schemas.subschema_for::<Range>();
        json_schema!({
            "description": "How many processes: a number, or a range.",
            "anyOf": [{ "type": "integer", "minimum": 1 }, range]
        })
    }
}

// === impl Later ===

impl<'de> Deserialize<'de> for Later {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("comes in a later version; use run.process or run.exec"))
    }
}
