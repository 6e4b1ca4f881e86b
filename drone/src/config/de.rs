//! Reads serde types from a tree, and collects everything that does not fit.

use serde::{
    Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

use super::{
    source::Problems,
    tree::{Node, Value},
    wrong::Wrong,
};

/// Reads a `T`, taking out of the tree what does not fit. Answers it, and the paths of what was taken out.
pub(super) fn read<T: DeserializeOwned + Default>(
    tree: &mut Node,
    problems: &mut Problems,
) -> (T, Vec<Vec<String>>) {
    let mut taken = Vec::new();
    loop {
        let wrong = match T::deserialize(&*tree) {
            Ok(value) => return (value, taken),
            Err(wrong) => wrong,
        };
        problems.add(wrong.at.as_ref().unwrap_or(&tree.at), wrong.words());
        if !tree.remove(&wrong.path) {
            return (T::default(), taken);
        }
        taken.push(wrong.path);
    }
}

impl<'de> Deserializer<'de> for &Node {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.value {
            Value::Table(table) => visitor.visit_map(Entries { rest: table.iter(), value: None }),
            Value::List(list) => visitor.visit_seq(Items { rest: list.iter().enumerate() }),
            Value::Scalar(scalar) | Value::Env(scalar, _) => match scalar {
                toml::Value::String(text) => visitor.visit_str(text),
                toml::Value::Integer(number) => visitor.visit_i64(*number),
                toml::Value::Float(number) => visitor.visit_f64(*number),
                toml::Value::Boolean(truth) => visitor.visit_bool(*truth),
                other => visitor.visit_string(other.to_string()),
            },
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.value {
            // SKEP_DRONE__NAME=7 is a name, and SKEP_DRONE__NAME='"seven"' is one too.
            Value::Env(toml::Value::String(text), _) => visitor.visit_str(text),
            Value::Env(_, text) => visitor.visit_str(text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let example = || de::Error::custom(format!("expected one of {}", known.join(", ")));
        match (&self.value, self.str()) {
            (_, Some(word)) => visitor.visit_enum(StrDeserializer::<Wrong>::new(word)),
            (Value::Table(table), _) => match table.iter().next() {
                Some((key, node)) if table.len() == 1 => visitor.visit_enum(Variant { key, node }),
                Some(_) => Err(de::Error::custom(format!("only one of {} at a time", known.join(", ")))),
                None => Err(example()),
            },
            _ => Err(example()),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Entries<'a> {
    rest: std::collections::btree_map::Iter<'a, String, Node>,
    value: Option<(&'a String, &'a Node)>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.value = self.rest.next();
        let Some((key, node)) = self.value else { return Ok(None) };
        let text: StrDeserializer<'_, Wrong> = key.as_str().into_deserializer();
        seed.deserialize(text).map(Some).map_err(|wrong| wrong.within(key, &node.key_at))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        let Some((key, node)) = self.value else { return Err(de::Error::custom("a value without a key")) };
        seed.deserialize(node).map_err(|wrong| wrong.within(key, &node.at))
    }
}

struct Items<'a> {
    rest: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Wrong;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        let Some((index, node)) = self.rest.next() else { return Ok(None) };
        seed.deserialize(node).map(Some).map_err(|wrong| wrong.within(&index.to_string(), &node.at))
    }
}

struct Variant<'a> {
    key: &'a str,
    node: &'a Node,
}

impl<'de, 'a> de::EnumAccess<'de> for Variant<'a> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Wrong> {
        let text: StrDeserializer<'_, Wrong> = self.key.into_deserializer();
        match seed.deserialize(text) {
            Ok(value) => Ok((value, self)),
            Err(wrong) => Err(wrong.within(self.key, &self.node.key_at)),
        }
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        Err(de::Error::custom("expected a word"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Wrong> {
        seed.deserialize(self.node).map_err(|wrong| wrong.within(self.key, &self.node.at))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.node.deserialize_any(visitor).map_err(|wrong| wrong.within(self.key, &self.node.at))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.tuple_variant(0, visitor)
    }
}
