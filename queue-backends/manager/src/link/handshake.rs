//! Noise `NNpsk0`: who knows the key gets an encrypted stream, anybody else gets silence.

use std::{io, sync::Arc};

use skep_queue::Clock;
use snow::{Builder, HandshakeState};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{
    Secure,
    prelude::{BEGINNING, MESSAGE, PACKET, Prelude, rest},
};
use crate::{
    key::{Key, Secret},
    wire::VERSIONS,
};

/// The handshake and its ciphers. There is no other, and none without.
const NOISE: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";

/// Why there is no encrypted link.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The other side hung up before it said anything.
    #[error(
        "it hung up without a word: it does not know key {key}, or has revoked it, or is not called {server:?}"
    )]
    Silent {
        /// Under which key.
        key: crate::key::KeyId,
        /// What it was called.
        server: String,
    },
    /// What it said does not prove that it holds the key, or is no handshake at all.
    #[error("what answers there is not the manager that holds this key")]
    Impostor,
    /// A name that no manager has.
    #[error("{0:?} is no name of a manager: 1 to 64 letters, digits, '.', '_' and '-'")]
    Name(String),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The client's side: proves that it holds the key, and has it proven.
///
/// # Errors
/// See [`HandshakeError`]; the pipe is of no use then. No time limit: that is the caller's.
pub async fn dial<S: AsyncRead + AsyncWrite + Unpin>(
    mut pipe: S,
    key: &Key,
    server: &str,
    clock: Arc<dyn Clock>,
) -> Result<Secure<S>, HandshakeError> {
    if !super::prelude::is_name(server) {
        return Err(HandshakeError::Name(server.into()));
    }
    let (versions, server) = (VERSIONS.to_vec(), server.to_owned());
    let mut packet = Prelude { versions, key: key.id, role: key.role, server: server.clone() }.to_bytes();
    let mut noise = begin(&key.secret, &packet, true)?;
    let mut message = [0; MESSAGE];
    noise.write_message(&[], &mut message).map_err(io::Error::other)?;
    packet.extend_from_slice(&message);
    let answered = async {
        pipe.write_all(&packet).await?;
        pipe.flush().await?;
        pipe.read_exact(&mut message).await
    };
    if answered.await.is_err() {
        return Err(HandshakeError::Silent { key: key.id, server });
    }
    noise.read_message(&message, &mut []).map_err(|_| HandshakeError::Impostor)?;
    let noise = noise.into_transport_mode().map_err(|_| HandshakeError::Impostor)?;
    let mut secure = Secure::new(pipe, noise, clock);
    secure.confirm().await?;
    Ok(secure)
}

/// The server's side. `secret` is asked once, for the key of who comes; it answers another secret, of nobody,
/// when there is none, so that the same is done for both. `fresh` tells whether a handshake's first message,
/// which was good, was never there before. Nothing is written before both have been asked.
///
/// # Errors
/// Whoever does not prove that he holds the key; he has been told nothing.
pub async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    mut pipe: S,
    secret: impl FnOnce(&Prelude) -> Secret,
    fresh: impl FnOnce(&[u8; MESSAGE]) -> bool,
    clock: Arc<dyn Clock>,
) -> Result<(Secure<S>, Prelude), HandshakeError> {
    let mut packet = [0; PACKET];
    let (beginning, after) = packet.split_at_mut(BEGINNING);
    pipe.read_exact(beginning).await?;
    let length = beginning.first_chunk().and_then(rest).ok_or(HandshakeError::Impostor)?;
    pipe.read_exact(&mut after[..length]).await?;
    let (prelude, message) = Prelude::from_bytes(&after[..length]).ok_or(HandshakeError::Impostor)?;
    let message = *message;
    let mut noise = begin(&secret(&prelude), &packet[..BEGINNING + length - MESSAGE], false)?;
    noise.read_message(&message, &mut []).map_err(|_| HandshakeError::Impostor)?;
    if !fresh(&message) {
        return Err(HandshakeError::Impostor);
    }
    let mut answer = [0; MESSAGE];
    noise.write_message(&[], &mut answer).map_err(io::Error::other)?;
    pipe.write_all(&answer).await?;
    pipe.flush().await?;
    let noise = noise.into_transport_mode().map_err(io::Error::other)?;
    let mut secure = Secure::new(pipe, noise, clock);
    secure.confirmed().await?;
    Ok((secure, prelude))
}

fn begin(secret: &Secret, prologue: &[u8], client: bool) -> io::Result<HandshakeState> {
    let builder = NOISE.parse().map(Builder::new);
    let builder = builder.and_then(|builder| builder.psk(0, secret.bytes())?.prologue(prologue));
    let state = builder.and_then(|b| if client { b.build_initiator() } else { b.build_responder() });
    state.map_err(io::Error::other)
}
