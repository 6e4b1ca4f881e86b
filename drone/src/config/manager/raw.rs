//! The tables of a manager's file, as they are written.

use std::{borrow::Cow, collections::BTreeMap, fmt, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::config::{
    Url,
    raw::{LogTable, Time},
};

/// A manager's configuration file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// The manager itself.
    pub manager: ManagerTable,
    /// The queue that it stands in front of.
    pub backend: BackendTable,
    /// What it says of itself.
    pub log: LogTable,
    /// What holds for every queue that says nothing else.
    pub all_queues: QueueTable,
    /// Single queues, by name.
    pub queues: BTreeMap<String, QueueTable>,
    /// Users of this machine who may come through a socket file, by name or number, beside the manager's own and
    /// root, who may everything.
    pub users: BTreeMap<String, UserTable>,
}

/// `[manager]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ManagerTable {
    /// What clients must call it: a key of one manager is of no use to another.
    pub name: Option<String>,
    /// Where it listens: `unix:PATH`, `tcp:HOST:PORT`.
    pub listen: Option<Vec<String>>,
    /// The key ring, which `skep key` writes.
    pub keys: Option<PathBuf>,
    /// How often each side of a link says something, at least. Who is silent for three times as long is gone.
    pub heartbeat: Option<Time>,
    /// How long, after a start, drones have to announce what they hold before anything is handed out; three
    /// heartbeats, at least 5 s, when absent.
    pub reannounce: Option<Time>,
}

/// `[backend]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BackendTable {
    /// The queue: `sqlite:PATH`, or `postgres://..`.
    pub url: Option<Url>,
    /// A file that holds the URL, when it has a password.
    pub url_file: Option<PathBuf>,
    /// A file that holds the password of a postgres: URL; read again at each connection.
    pub password_file: Option<PathBuf>,
}

/// `[queues.NAME]`, `[all_queues]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueTable {
    /// The most tasks that have not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Word>,
    /// What a task must have waited to count as one priority sooner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promote_after: Option<Word>,
    /// How long tasks that have ended are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Time>,
    /// Its task types, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, TypeTable>,
}

/// `[queues.NAME.types.TYPE]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TypeTable {
    /// The most tasks of the type that have not ended.
    pub capacity: Option<Word>,
}

/// `[users.NAME]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserTable {
    /// What he may do: `submit`, `drone`, `view` or `admin`.
    pub role: Option<String>,
    /// Only these task types: names, or beginnings with `*`; all when absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Only these queues, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<String>,
}

/// A number, or a text with a unit: 10000, "3x", "30s", "none".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(pub String);

// === impl Word ===

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.parse::<i64>() {
            Ok(number) => number.serialize(to),
            Err(_) => self.0.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl de::Visitor<'_> for Either {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a text with a unit, as in 10000, \"3x\" or \"30s\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.trim().to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }
        }

        from.deserialize_any(Either)
    }
}

impl JsonSchema for Word {
    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, or a text with a unit: 10000, \"3x\", \"30s\", \"none\".",
            "type": ["string", "integer"],
            "minimum": 0
        })
    }
}
