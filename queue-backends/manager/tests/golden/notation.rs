//! MessagePack as a tree, and in words: JSON with `h'..'` for bytes.

use std::fmt;

/// What a MessagePack value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Anything without parts, as it was written.
    Plain(Vec<u8>, String),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

impl Value {
    /// The value at the beginning of these bytes, which it takes.
    pub fn read(bytes: &mut &[u8]) -> Self {
        let whole = *bytes;
        let first = take(bytes, 1)[0];
        let text = match first {
            0x00..=0x7f => first.to_string(),
            0x80..=0x8f => return map(bytes, usize::from(first & 15)),
            0x90..=0x9f => return array(bytes, usize::from(first & 15)),
            0xa0..=0xbf => string(take(bytes, usize::from(first & 31))),
            0xc0 => "null".into(),
            0xc2 => "false".into(),
            0xc3 => "true".into(),
            0xc4..=0xc6 => {
                let length = number(bytes, 1 << (first - 0xc4));
                hex(take(bytes, length))
            }
            0xcb => f64::from_be_bytes(take(bytes, 8).try_into().unwrap()).to_string(),
            0xcc..=0xcf => number(bytes, 1 << (first - 0xcc)).to_string(),
            0xd3 => i64::from_be_bytes(take(bytes, 8).try_into().unwrap()).to_string(),
            0xd9..=0xdb => {
                let length = number(bytes, 1 << (first - 0xd9));
                string(take(bytes, length))
            }
            0xdc | 0xdd => {
                let length = number(bytes, 2 << (first - 0xdc));
                return array(bytes, length);
            }
            0xde | 0xdf => {
                let length = number(bytes, 2 << (first - 0xde));
                return map(bytes, length);
            }
            other => panic!("{other:#04x} is in no message"),
        };
        Self::Plain(whole[..whole.len() - bytes.len()].to_vec(), text)
    }

    /// As MessagePack.
    pub fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Plain(bytes, _) => to.extend_from_slice(bytes),
            Self::Array(values) => {
                to.push(0xdc);
                to.extend_from_slice(&(values.len() as u16).to_be_bytes());
                values.iter().for_each(|value| value.write(to));
            }
            Self::Map(pairs) => {
                to.push(0xde);
                to.extend_from_slice(&(pairs.len() as u16).to_be_bytes());
                for (key, value) in pairs {
                    key.write(to);
                    value.write(to);
                }
            }
        }
    }

    /// The same with a field that nobody knows in its `at`-th map, counted from the outside; and which map that is,
    /// when there are so many.
    pub fn with_more(&self, at: usize) -> Option<(Self, Self)> {
        let (mut more, mut left, mut which) = (self.clone(), at, None);
        more.add(&mut left, &mut which);
        which.map(|which| (more, which))
    }

    fn add(&mut self, left: &mut usize, which: &mut Option<Self>) {
        let before = self.clone();
        match self {
            Self::Plain(..) => {}
            Self::Array(values) => values.iter_mut().for_each(|value| value.add(left, which)),
            Self::Map(pairs) if *left == 0 && which.is_none() => {
                let name = |name: &str| {
                    let mut bytes = vec![0xa0 | name.len() as u8];
                    bytes.extend_from_slice(name.as_bytes());
                    Self::Plain(bytes, String::new())
                };
                pairs.push((name("of_tomorrow"), Self::Array(vec![Self::Map(vec![(name("a"), name("b"))])])));
                *which = Some(before);
            }
            Self::Map(pairs) => {
                *left = left.saturating_sub(1);
                pairs.iter_mut().for_each(|(_, value)| value.add(left, which));
            }
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

fn number(bytes: &mut &[u8], length: usize) -> usize {
    take(bytes, length).iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

fn array(bytes: &mut &[u8], length: usize) -> Value {
    Value::Array((0..length).map(|_| Value::read(bytes)).collect())
}

fn map(bytes: &mut &[u8], length: usize) -> Value {
    Value::Map((0..length).map(|_| (Value::read(bytes), Value::read(bytes))).collect())
}

fn string(bytes: &[u8]) -> String {
    format!("{:?}", std::str::from_utf8(bytes).unwrap())
}

pub fn hex(bytes: &[u8]) -> String {
    format!("h'{}'", plain_hex(bytes))
}

pub fn plain_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_, text) => f.write_str(text),
            Self::Array(values) => {
                let values = values.iter().map(Self::to_string).collect::<Vec<_>>();
                write!(f, "[{}]", values.join(", "))
            }
            Self::Map(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>();
                write!(f, "{{{}}}", pairs.join(", "))
            }
        }
    }
}
