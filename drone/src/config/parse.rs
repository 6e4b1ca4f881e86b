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

/// Reads a file's text; what is wrong with its form goes to `problems`, all of it.
pub(super) fn parse(file: &Arc<str>, text: &str, problems: &mut Problems) -> Node {
    let place = |offset| Origin::in_file(file, text, offset);
    let mut complain = |error: &toml::de::Error| {
        let at = place(error.span().map_or(0, |span| span.start));
        problems.add(&at, error.message().replace('\n', ": "));
    };
    let (spanned, errors) = DeTable::parse_recoverable(text);
    errors.iter().for_each(&mut complain);
    let plain = match toml::from_str::<toml::Table>(text) {
        Ok(plain) if errors.is_empty() => plain,
        // Numbers are read by the second pass only.
        Err(error) if errors.is_empty() => {
            complain(&error);
            toml::Table::new()
        }
        _ => toml::Table::new(),
    };
    let value = table(spanned.get_ref(), plain, &place);
    Node::new(place(0), value)
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
