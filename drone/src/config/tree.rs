//! A configuration before it has types: every value with the place where it was said. Layers are merged
//! here, so that a message, and `config show --origin`, can name the place.

use std::collections::BTreeMap;

use super::source::Origin;

/// A value, where its key stands, and where the value does.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) key_at: Origin,
    pub(super) at: Origin,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Table(Table),
    List(Vec<Node>),
    Scalar(toml::Value),
    /// From the environment: what it is as TOML, and the text itself, for a key that wants a string.
    Env(toml::Value, String),
}

pub(super) type Table = BTreeMap<String, Node>;

// === impl Node ===

impl Node {
    pub(super) fn new(at: Origin, value: Value) -> Self {
        Self { key_at: at.clone(), at, value }
    }

    /// A value that was said in one place, as a whole.
    pub(super) fn plain(value: toml::Value, at: &Origin) -> Self {
        let value = match value {
            toml::Value::Table(table) => {
                Value::Table(table.into_iter().map(|(key, value)| (key, Self::plain(value, at))).collect())
            }
            toml::Value::Array(list) => {
                Value::List(list.into_iter().map(|value| Self::plain(value, at)).collect())
            }
            scalar => Value::Scalar(scalar),
        };
        Self::new(at.clone(), value)
    }

    pub(super) fn empty() -> Self {
        Self::new(Origin::Default, Value::Table(Table::new()))
    }

    pub(super) fn table(&self) -> Option<&Table> {
        if let Value::Table(table) = &self.value { Some(table) } else { None }
    }

    pub(super) fn table_mut(&mut self) -> Option<&mut Table> {
        if let Value::Table(table) = &mut self.value { Some(table) } else { None }
    }

    pub(super) fn list_mut(&mut self) -> Option<&mut Vec<Self>> {
        if let Value::List(list) = &mut self.value { Some(list) } else { None }
    }

    pub(super) fn str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(toml::Value::String(text)) | Value::Env(toml::Value::String(text), _) => Some(text),
            Value::Env(_, text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn get(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| match &node.value {
            Value::Table(table) => table.get(*key),
            Value::List(list) => list.get(key.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Where the value of `path` was said: that of the nearest table above, when nobody said it.
    pub(super) fn origin(&self, path: &[&str]) -> Origin {
        match self.get(path) {
            Some(node) => node.at.clone(),
            None => path.split_last().map_or(self.at.clone(), |(_, above)| self.origin(above)),
        }
    }

    /// Lays `over` on top: tables merge key by key, all else is replaced.
    pub(super) fn merge(&mut self, over: Self) {
        let (key_at, at) = (over.key_at, over.at);
        match (&mut self.value, over.value) {
            (Value::Table(below), Value::Table(above)) => {
                for (key, node) in above {
                    match below.get_mut(&key) {
                        // A variant is one or the other: `run.exec` does not add to `run.process`.
                        Some(old) if key != "run" => old.merge(node),
                        _ => _ = below.insert(key, node),
                    }
                }
            }
            (value, above) => *value = above,
        }
        (self.key_at, self.at) = (key_at, at);
    }

    /// Takes out what is at `path`, and the tables that are empty then: a variant without its table would be
    /// wrong once more. A wrong element takes its whole list with it, so that no index shifts.
    pub(super) fn remove(&mut self, path: &[String]) -> bool {
        let Some((key, rest)) = path.split_first() else { return false };
        match &mut self.value {
            Value::Table(table) => {
                let Some(child) = table.get_mut(key) else { return false };
                let gone = rest.is_empty() || !child.remove(rest) || child.is_hollow();
                if gone {
                    table.remove(key);
                }
                true
            }
            Value::List(list) => {
                let child = key.parse::<usize>().ok().and_then(|at| list.get_mut(at));
                !rest.is_empty() && child.is_some_and(|child| child.remove(rest))
            }
            _ => false,
        }
    }

    fn is_hollow(&self) -> bool {
        self.table().is_some_and(Table::is_empty)
    }
}
