//! What travels over a link. Messages are cut into frames; a message is a [`Request`] or a [`Reply`], as a
//! MessagePack map with named fields, so that a peer skips what it does not know.

pub mod frame;
pub mod verbs;
pub mod view;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use skep_queue::Error;

pub use frame::{Frame, Frames};
pub use verbs::{Answer, End, Hello, Note, Reply, Request, Welcome};

/// The versions that this crate speaks, newest first.
pub const VERSIONS: &[u16] = &[1];

/// As it travels.
///
/// # Errors
/// `Refused` when the value has no such form, which no value of this crate's types lacks.
pub fn encode<T: Serialize>(value: &T) -> Result<Bytes, Error> {
    let bytes = rmp_serde::to_vec_named(value);
    bytes.map(Bytes::from).map_err(|error| Error::Refused(format!("this cannot travel: {error}")))
}

/// Back from what travelled. Bytes that are left over are an error, as everything else that is not expected.
///
/// # Errors
/// `Refused`, in words for whoever sent it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut rest = bytes;
    let value = rmp_serde::from_read(&mut rest)
        .map_err(|error| Error::Refused(format!("the message is not understood: {error}")))?;
    if rest.is_empty() { Ok(value) } else { Err(Error::Refused("the message has bytes left over".into())) }
}
