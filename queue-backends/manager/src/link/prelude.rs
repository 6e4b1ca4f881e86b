//! What a client says before anything is encrypted: all of it goes into the handshake's transcript, so that
//! nobody on the way can change it.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `skeplnk1` |
//! | 1 | how many bytes follow, the handshake's first message included |
//! | 1 + 2n | how many versions (1 to 8), and each as u16, little-endian, the most wanted first |
//! | 8 | the key's id |
//! | 1 | the role asked for: 0 submit, 1 drone, 2 view, 3 admin |
//! | 1 + n | how many bytes (1 to 64), and what the client calls the manager |
//! | 48 | the handshake's first message |

use crate::key::{KeyId, Role};

/// The first bytes of a link.
const MAGIC: &[u8; 8] = b"skeplnk1";
/// Bytes of the magic and the length.
pub const BEGINNING: usize = MAGIC.len() + 1;
/// Bytes of either message of the handshake: a public key and a tag.
pub const MESSAGE: usize = 32 + 16;
/// Most versions that are listed.
pub const MOST_VERSIONS: usize = 8;
/// Longest name of a manager.
pub const LONGEST_NAME: usize = 64;
const SHORTEST: usize = 1 + 2 + 8 + 1 + 1 + 1 + MESSAGE;
const LONGEST: usize = SHORTEST + 2 * (MOST_VERSIONS - 1) + LONGEST_NAME - 1;
/// Most bytes of the first packet.
pub const PACKET: usize = BEGINNING + LONGEST;

/// Who comes, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prelude {
    /// What it speaks.
    pub versions: Vec<u16>,
    /// Under which key.
    pub key: KeyId,
    /// As what.
    pub role: Role,
    /// To the manager of this name.
    pub server: String,
}

/// How many bytes follow a [`BEGINNING`]; none when it begins no link.
pub fn rest(beginning: &[u8; BEGINNING]) -> Option<usize> {
    let length = usize::from(beginning.strip_prefix(MAGIC)?[0]);
    (SHORTEST..=LONGEST).contains(&length).then_some(length)
}

/// Whether a manager may be called this: 1 to 64 ASCII letters, digits, `.`, `_` and `-`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(fine)
}

impl Prelude {
    /// The packet without the handshake's first message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PACKET);
        bytes.extend_from_slice(MAGIC);
        bytes.push((SHORTEST + 2 * (self.versions.len() - 1) + self.server.len() - 1) as u8);
        bytes.push(self.versions.len() as u8);
        bytes.extend(self.versions.iter().flat_map(|version| version.to_le_bytes()));
        bytes.extend_from_slice(&self.key.0);
        bytes.push(self.role as u8);
        bytes.push(self.server.len() as u8);
        bytes.extend_from_slice(self.server.as_bytes());
        bytes
    }

    /// From the packet after its [`BEGINNING`], and the handshake's message behind it.
    #[must_use]
    pub fn from_bytes(rest: &[u8]) -> Option<(Self, &[u8; MESSAGE])> {
        let (&listed, rest) = rest.split_first()?;
        if !(1..=MOST_VERSIONS).contains(&usize::from(listed)) {
            return None;
        }
        let (versions, rest) = rest.split_at_checked(2 * usize::from(listed))?;
        let (key, rest) = rest.split_first_chunk::<8>()?;
        let (&role, rest) = rest.split_first()?;
        let (&length, rest) = rest.split_first()?;
        let (server, message) = rest.split_at_checked(usize::from(length))?;
        let server = str::from_utf8(server).ok().filter(|name| is_name(name))?;
        let prelude = Self {
            versions: versions.chunks_exact(2).map(|v| u16::from_le_bytes([v[0], v[1]])).collect(),
            key: KeyId(*key),
            role: Role::ALL.into_iter().find(|known| *known as u8 == role)?,
            server: server.into(),
        };
        Some((prelude, message.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prelude(versions: usize, name: usize) -> Prelude {
        Prelude {
            versions: (0..versions).map(|v| v as u16 * 300 + 1).collect(),
            key: KeyId([1, 2, 3, 4, 5, 6, 7, 8]),
            role: Role::Drone,
            server: "n".repeat(name),
        }
    }

    fn packet(prelude: &Prelude) -> Vec<u8> {
        [prelude.to_bytes(), vec![9; MESSAGE]].concat()
    }

    #[test]
    fn it_comes_out_as_it_went_in() {
        for (versions, name) in [(1, 1), (1, LONGEST_NAME), (MOST_VERSIONS, 1), (MOST_VERSIONS, LONGEST_NAME)]
        {
            let packet = packet(&prelude(versions, name));
            assert!(packet.len() <= PACKET && PACKET + 19 <= 256, "what a stranger may send");
            let (beginning, rest_of_it) = packet.split_first_chunk().unwrap();
            assert_eq!(rest(beginning), Some(rest_of_it.len()));
            let (read, message) = Prelude::from_bytes(rest_of_it).unwrap();
            assert_eq!((read, message), (prelude(versions, name), &[9; MESSAGE]));
        }
    }

    #[test]
    fn nothing_else_is_one() {
        let good = packet(&prelude(2, 4));
        for length in BEGINNING..good.len() {
            assert_eq!(Prelude::from_bytes(&good[BEGINNING..length]), None, "{length} bytes");
        }
        assert_eq!(Prelude::from_bytes(&[&good[BEGINNING..], &[0]].concat()), None, "one byte more");
        let changed = |at: usize, to: u8| {
            let mut bytes = good.clone();
            bytes[at] = to;
            Prelude::from_bytes(&bytes[BEGINNING..]).is_none()
        };
        assert!(changed(9, 0) && changed(9, 9) && changed(9, 255), "versions");
        assert!(changed(22, 4) && changed(22, 255), "the role");
        assert!(changed(23, 0) && changed(23, 5) && changed(23, 255), "the name's length");
        assert!(changed(24, b'/') && changed(24, 0xff) && changed(24, 0), "the name");
        for length in [0, SHORTEST - 1, LONGEST + 1, 255] {
            let mut beginning = *good.first_chunk::<BEGINNING>().unwrap();
            beginning[8] = length as u8;
            assert_eq!(rest(&beginning), None);
        }
        assert_eq!(rest(b"skeplnk2\x60"), None);
    }
}
