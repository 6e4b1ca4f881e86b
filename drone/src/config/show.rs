//! The values that hold, as TOML.

use std::fmt::Write;

use super::{
    layers,
    source::Origin,
    tree::{Node, Table, Value},
    url::Url,
};

pub(super) fn show(tree: &Node, origin: bool) -> String {
    let mut page = Page { text: String::new(), origin };
    let Some(root) = tree.table() else { return page.text };
    for (key, node) in root.iter().filter(|(key, _)| *key != "workers") {
        match &node.value {
            Value::List(tables) if key == "queue" => {
                tables.iter().for_each(|table| page.section("[[queue]]", table));
            }
            Value::Table(_) => page.section(&format!("[{key}]"), node),
            _ => page.line(key, node),
        }
    }
    for (name, node) in root.get("workers").and_then(Node::table).into_iter().flatten() {
        // They are in each worker by now.
        if !layers::is_for_all(name) {
            page.section(&format!("[workers.{}]", quoted(name)), node);
        }
    }
    page.text
}

struct Page {
    text: String,
    origin: bool,
}

impl Page {
    fn section(&mut self, head: &str, node: &Node) {
        let newline = if self.text.is_empty() { "" } else { "\n" };
        self.text += &format!("{newline}{head}\n");
        node.table().into_iter().for_each(|table| self.table("", table));
    }

    /// Tables below a section are written with dots, so that each line stands for itself.
    fn table(&mut self, above: &str, table: &Table) {
        for (key, node) in table {
            let key = format!("{above}{}", quoted(key));
            match node.table() {
                Some(table) if !table.is_empty() => self.table(&format!("{key}."), table),
                _ => self.line(&key, node),
            }
        }
    }

    fn line(&mut self, key: &str, node: &Node) {
        let written = match key {
            "url" => toml::Value::String(Url::new(node.str().unwrap_or_default()).to_string()),
            _ => value(node),
        };
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{key} = {written}");
        if self.origin {
            let _ = write!(self.text, "  # {}", place(node));
        }
        self.text.push('\n');
    }
}

/// The line is enough to find it.
fn place(node: &Node) -> String {
    match &node.key_at {
        Origin::File { file, line, .. } => format!("{file}:{line}"),
        other => other.to_string(),
    }
}

fn value(node: &Node) -> toml::Value {
    match &node.value {
        Value::Table(table) => {
            toml::Value::Table(table.iter().map(|(key, node)| (key.clone(), value(node))).collect())
        }
        Value::List(list) => toml::Value::Array(list.iter().map(value).collect()),
        Value::Scalar(scalar) | Value::Env(scalar, _) => scalar.clone(),
    }
}

fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { key.to_owned() } else { toml::Value::String(key.to_owned()).to_string() }
}
