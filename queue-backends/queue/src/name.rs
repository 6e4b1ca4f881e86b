//! Names of queues and task types: `[a-z0-9][a-z0-9_.:-]{0,63}`, checked once, at the entrance.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Longest name, in bytes.
pub const MAX_NAME: usize = 64;

/// A name that does not match the rule; the message repeats the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name: use 1 to 64 of a-z 0-9 _ . : - and begin with a letter or digit")]
pub struct NameError(String);

/// Names the queue a task waits in; `default` unless said otherwise.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueName(Arc<str>);

/// Names the kind of work, and so the worker that gets it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskType(Arc<str>);

impl Default for QueueName {
    fn default() -> Self {
        Self("default".into())
    }
}

fn check(name: &str) -> Result<Arc<str>, NameError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    let good = bytes.len() <= MAX_NAME
        && bytes.first().is_some_and(|&b| plain(b))
        && bytes.iter().all(|&b| plain(b) || b"_.:-".contains(&b));
    // A hostile name may be megabytes long: quote only its beginning.
    if good { Ok(name.into()) } else { Err(NameError(name.chars().take(80).collect())) }
}

macro_rules! name {
    ($type:ident) => {
        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                check(name).map(Self)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                name.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(QueueName);
name!(TaskType);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_holds_at_its_edges() {
        for good in ["a", "0", "image.resize:v2-x_y", &"a".repeat(64)] {
            assert_eq!(good.parse::<TaskType>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", ".a", "A", "ä", "a b", "a/b", "a\0", "a'; drop table x", &"a".repeat(65)] {
            let error = bad.parse::<TaskType>().unwrap_err().to_string();
            assert!(error.contains("is not a name"), "{error}");
        }
        assert!("x".repeat(1 << 20).parse::<QueueName>().unwrap_err().to_string().len() < 300);
    }
}
