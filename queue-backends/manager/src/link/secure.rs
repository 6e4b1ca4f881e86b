//! The encrypted stream. Each message is its length as u16, big-endian, and so many bytes of ciphertext; the
//! plaintext is a byte of flags and then the stream's bytes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use skep_queue::Clock;
use snow::TransportState;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// The messages after this one are under the next key.
const REKEY: u8 = 1;
/// Most messages under one key.
const MESSAGES: u32 = 1 << 16;
/// How long one key is used.
const HOUR: Duration = Duration::from_secs(3600);
/// The ciphertext's tag.
const TAG: usize = 16;
/// Most bytes of the stream in one message.
const CHUNK: usize = 65_535 - TAG - 1;
/// About how much is encrypted ahead of the pipe.
const AHEAD: usize = 4 * CHUNK;
/// Bytes of an empty message, its length included.
const EMPTY: usize = 2 + 1 + TAG;
/// The least room for one read, and the most.
const ROOM: (usize, usize) = (4 << 10, 128 << 10);

/// An encrypted stream over a pipe. Whatever does not decrypt ends it.
pub struct Secure<S> {
    pipe: S,
    noise: TransportState,
    clock: Arc<dyn Clock>,
    incoming: Incoming,
    outgoing: Outgoing,
}

#[derive(Default)]
struct Incoming {
    sealed: BytesMut,
    room: usize,
    plain: BytesMut,
    /// Under the present key.
    messages: u32,
    broken: bool,
}

struct Outgoing {
    sealed: BytesMut,
    scratch: Vec<u8>,
    /// Under the present key.
    messages: u32,
    since: Duration,
}

impl<S> Secure<S> {
    pub(super) fn new(pipe: S, noise: TransportState, clock: Arc<dyn Clock>) -> Self {
        let since = clock.elapsed();
        let outgoing = Outgoing { sealed: BytesMut::new(), scratch: Vec::new(), messages: 0, since };
        Self { pipe, noise, clock, incoming: Incoming { room: ROOM.0, ..Incoming::default() }, outgoing }
    }

    /// What it goes through.
    pub const fn get_ref(&self) -> &S {
        &self.pipe
    }

    /// Encrypts at most [`CHUNK`] bytes, to be written.
    fn seal(&mut self, bytes: &[u8]) -> io::Result<()> {
        let out = &mut self.outgoing;
        let now = self.clock.elapsed();
        out.messages += 1;
        let last = out.messages == MESSAGES || now.saturating_sub(out.since) >= HOUR;
        out.scratch.clear();
        out.scratch.push(if last { REKEY } else { 0 });
        out.scratch.extend_from_slice(bytes);
        let (begin, length) = (out.sealed.len(), out.scratch.len() + TAG);
        out.sealed.extend_from_slice(&(length as u16).to_be_bytes());
        out.sealed.resize(begin + 2 + length, 0);
        self.noise.write_message(&out.scratch, &mut out.sealed[begin + 2..]).map_err(broken)?;
        if last {
            self.noise.rekey_outgoing();
            (out.messages, out.since) = (0, now);
        }
        Ok(())
    }

    /// Decrypts the next message into `plain`, if all of it is there.
    fn open(&mut self) -> io::Result<bool> {
        let incoming = &mut self.incoming;
        let Some(length) = incoming.sealed.first_chunk::<2>() else { return Ok(false) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length < 1 + TAG {
            return Err(broken("too short a message"));
        }
        let Some(sealed) = incoming.sealed.get(2..2 + length) else { return Ok(false) };
        incoming.plain.resize(length - TAG, 0);
        self.noise.read_message(sealed, &mut incoming.plain).map_err(broken)?;
        incoming.sealed.advance(2 + length);
        incoming.messages += 1;
        match incoming.plain.get_u8() {
            REKEY => {
                self.noise.rekey_incoming();
                incoming.messages = 0;
            }
            0 if incoming.messages < MESSAGES => {}
            0 => return Err(broken("too many messages under one key")),
            flags => return Err(broken(format!("unknown flags {flags:#04x}"))),
        }
        Ok(true)
    }
}

impl<S: AsyncRead + Unpin> Secure<S> {
    /// Gets more from the pipe; false at its end.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let Incoming { sealed, room, .. } = &mut self.incoming;
        let begin = sealed.len();
        sealed.resize(begin + *room, 0);
        let mut into = ReadBuf::new(&mut sealed[begin..]);
        let polled = Pin::new(&mut self.pipe).poll_read(cx, &mut into);
        let read = into.filled().len();
        sealed.truncate(begin + read);
        ready!(polled)?;
        // Room follows what comes, so that a quiet link is a small one.
        *room = if read == *room { (*room * 2).min(ROOM.1) } else { *room };
        if read == 0 && begin > 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(Ok(read > 0))
    }

    fn readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.incoming.broken {
            return Poll::Ready(Err(broken("it has failed before")));
        }
        while self.incoming.plain.is_empty() {
            if self.open()? {
                if self.incoming.plain.is_empty() {
                    return Poll::Ready(Err(broken("an empty message")));
                }
            } else if !ready!(self.fill(cx))? {
                return Poll::Ready(Ok(false));
            }
        }
        Poll::Ready(Ok(true))
    }
}

impl<S: AsyncWrite + Unpin> Secure<S> {
    /// Writes out what is encrypted.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.sealed.is_empty() {
            let written = ready!(Pin::new(&mut self.pipe).poll_write(cx, &self.outgoing.sealed))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.sealed.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Secure<S> {
    /// Sends the empty message that ends the client's part of a handshake: only who has followed it can make one.
    pub(super) async fn confirm(&mut self) -> io::Result<()> {
        self.seal(&[])?;
        self.flush().await
    }

    /// Receives it, and nothing beyond it.
    pub(super) async fn confirmed(&mut self) -> io::Result<()> {
        let mut sealed = [0; EMPTY];
        self.pipe.read_exact(&mut sealed).await?;
        self.incoming.sealed.extend_from_slice(&sealed);
        if self.open()? && self.incoming.plain.is_empty() { Ok(()) } else { Err(broken("no confirmation")) }
    }
}

fn broken(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the encryption is broken: {what}"))
}

impl<S: AsyncRead + Unpin> AsyncRead for Secure<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match ready!(this.readable(cx)) {
            Ok(true) => {
                let size = this.incoming.plain.len().min(into.remaining());
                into.put_slice(&this.incoming.plain.split_to(size));
                Poll::Ready(Ok(()))
            }
            Ok(false) => Poll::Ready(Ok(())),
            Err(error) => {
                this.incoming.broken = true;
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Secure<S> {
    /// Encrypts a few messages ahead; what is taken here is written here, or by the next write or flush.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.drain(cx))?;
        let taken = bytes.len().min(AHEAD);
        for chunk in bytes[..taken].chunks(CHUNK) {
            this.seal(chunk)?;
        }
        match this.drain(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
