//! From the text of a file to a tree.

use std::sync::Arc;

use serde::de::Error as _;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    source::{Origin, Problems},
    tree::{Node, Table, Value},
};

/// Reads a file's text; nothing when its form is wrong: then all of what is wrong goes to `problems`.
pub(super) fn parse(file: &Arc<str>, text: &str, problems: &mut Problems) -> Option<Node> {
    let place = |offset| Origin::in_file(file, text, offset);
    let (spanned, mut errors) = DeTable::parse_recoverable(text);
    // The second pass reads the numbers.
    let plain = toml::from_str::<toml::Table>(text).map_err(|error| {
        if errors.is_empty() {
            errors.push(error);
        }
    });
    for error in &errors {
        let at = place(error.span().map_or(0, |span| span.start));
        problems.add(&at, error.message().replace('\n', ": "));
    }
    let value = table(spanned.get_ref(), plain.ok()?, &place);
    Some(Node::new(place(0), value))
}

fn table(spanned: &DeTable<'_>, mut plain: toml::Table, place: &impl Fn(usize) -> Origin) -> Value {
    let mut table = Table::new();
    for (key, value) in spanned {
        let name = key.get_ref().to_string();
        if let Some(plain) = plain.remove(&name) {
            let key_at = place(key.span().start);
            table.insert(name, Node { key_at, ..node(value, plain, place) });
        }
    }
    Value::Table(table)
}

fn node(spanned: &Spanned<DeValue<'_>>, plain: toml::Value, place: &impl Fn(usize) -> Origin) -> Node {
    let value = match (spanned.get_ref(), plain) {
        (DeValue::Table(spanned), toml::Value::Table(plain)) => table(spanned, plain, place),
        (DeValue::Array(spanned), toml::Value::Array(plain)) => Value::List(
            spanned.iter().zip(plain).map(|(spanned, plain)| node(spanned, plain, place)).collect(),
        ),
        (_, plain) => Value::Scalar(plain),
    };
    Node::new(place(spanned.span().start), value)
}

/// Reads a value of the environment: TOML when it is, a text otherwise.
pub(super) fn value(text: &str) -> Result<toml::Value, toml::de::Error> {
    let mut table: toml::Table = toml::from_str(&format!("value = {text}"))?;
    // A value with a line break could bring keys along.
    let alone = table.len() == 1;
    table.remove("value").filter(|_| alone).ok_or_else(|| toml::de::Error::custom("not one value"))
}
