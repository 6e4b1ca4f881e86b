//! A link: an authenticated connection that carries whole messages, each way by itself.

pub mod handshake;
pub mod prelude;
mod secure;

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};
use tokio_util::codec::{Decoder, Encoder};

pub use handshake::HandshakeError;
pub use secure::Secure;

use crate::wire::{
    Frame, Frames,
    frame::{Assembly, FrameError, MAX_ANSWER, cut},
};

/// How long a peer may leave what is written to it unread.
pub const WRITE: Duration = Duration::from_secs(10);
/// The least room for one read, and the most: it follows what comes, so that a quiet link is a small one.
const ROOM: (usize, usize) = (4 << 10, 256 << 10);
/// How much is put into one write, about.
const GULP: usize = 256 << 10;

/// What bytes go through: a Unix socket, or an encrypted connection.
pub trait Pipe: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<P: AsyncRead + AsyncWrite + Send + Unpin + 'static> Pipe for P {}

/// A pipe of any kind.
pub type AnyPipe = Box<dyn Pipe>;

/// The reading half.
pub struct Receiver {
    pipe: ReadHalf<AnyPipe>,
    received: BytesMut,
    assembly: Assembly,
    /// For the next read.
    room: usize,
    heard: u64,
}

/// The way to the writing half, which is a task of its own. What is sent arrives in the order given, or the
/// link ends.
#[derive(Clone)]
pub struct Sender(mpsc::UnboundedSender<Sending>);

/// A message on its way out, and what it holds until it has been written.
struct Sending {
    frame: Frame,
    _permit: Option<Arc<OwnedSemaphorePermit>>,
}

/// Writes what is sent. To be run beside the reader; ends when every [`Sender`] is gone, or with the link.
pub struct Writer {
    pipe: WriteHalf<AnyPipe>,
    outgoing: mpsc::UnboundedReceiver<Sending>,
    patience: Duration,
}

/// Makes a link of a pipe whose peer is known.
#[must_use]
pub fn link(pipe: AnyPipe) -> (Receiver, Sender, Writer) {
    let (reader, writer) = tokio::io::split(pipe);
    let (sender, outgoing) = mpsc::unbounded_channel();
    let (received, assembly) = (BytesMut::new(), Assembly::default());
    let receiver = Receiver { pipe: reader, received, assembly, room: ROOM.0, heard: 0 };
    (receiver, Sender(sender), Writer { pipe: writer, outgoing, patience: WRITE })
}

impl Receiver {
    /// Of answers, which may be longer than requests.
    #[must_use]
    pub fn of_answers(self) -> Self {
        Self { assembly: Assembly::of(MAX_ANSWER), ..self }
    }

    /// The next message, its flags in front; `None` when the peer has closed the link between two messages.
    /// May be dropped while it waits: nothing of what was received is lost.
    ///
    /// # Errors
    /// What is no frame, and a link that fails: it is of no use afterwards.
    pub async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            while let Some(frame) = Frames.decode(&mut self.received)? {
                if let Some(message) = self.assembly.add(frame)? {
                    return Ok(Some(message));
                }
            }
            self.received.reserve(self.room);
            let room = self.received.capacity() - self.received.len();
            let read = self.pipe.read_buf(&mut self.received).await?;
            self.heard += read as u64;
            self.room =
                if read == room { self.room * 2 } else { self.room.min(read * 2) }.clamp(ROOM.0, ROOM.1);
            if read == 0 {
                let clean = self.received.is_empty() && self.assembly.is_empty();
                let torn = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return if clean { Ok(None) } else { Err(torn.into()) };
            }
        }
    }

    /// How many bytes came so far. A peer whose long message is still on its way is not silent.
    #[must_use]
    pub const fn heard(&self) -> u64 {
        self.heard
    }
}

impl Sender {
    /// Sends a message; false when the link has ended. The permit is held until it has been written, which is
    /// what bounds the memory of a link whose peer does not read.
    pub fn send(&self, id: u32, flags: u8, bytes: Bytes, permit: Option<Arc<OwnedSemaphorePermit>>) -> bool {
        self.0.send(Sending { frame: Frame { id, flags, bytes }, _permit: permit }).is_ok()
    }

    /// Returns when nothing that is sent arrives any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

impl Writer {
    /// With another time than [`WRITE`].
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Writes until every sender is gone, or the link fails or is not read for so long.
    ///
    /// # Errors
    /// What the link said.
    pub async fn run(mut self) -> Result<(), FrameError> {
        let mut gulp = BytesMut::new();
        while let Some(sending) = self.outgoing.recv().await {
            let mut held = vec![sending];
            let mut size = held[0].frame.bytes.len();
            while size < GULP
                && let Ok(sending) = self.outgoing.try_recv()
            {
                size += sending.frame.bytes.len();
                held.push(sending);
            }
            for sending in &mut held {
                let bytes = std::mem::take(&mut sending.frame.bytes);
                for frame in cut(sending.frame.id, sending.frame.flags, bytes) {
                    Frames.encode(frame, &mut gulp)?;
                }
            }
            let write = async {
                self.pipe.write_all(&gulp).await?;
                self.pipe.flush().await
            };
            timeout(self.patience, write)
                .await
                .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
            gulp.clear();
        }
        let _ = timeout(self.patience, self.pipe.shutdown()).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        task::{Context, Poll},
    };

    use tokio::io::ReadBuf;

    use super::*;

    /// Has as much to say as is asked for, and counts how often it is asked.
    struct Eager(Bytes, Arc<AtomicUsize>);

    impl AsyncRead for Eager {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.1.fetch_add(1, Relaxed);
            let size = self.0.len().min(into.remaining());
            into.put_slice(&self.0.split_to(size));
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Eager {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn much_is_read_in_few_gulps() {
        for size in [100, 10_000, 1_000_000] {
            let (mut bytes, messages) = (BytesMut::new(), 20_000_000 / size);
            for id in 0..messages as u32 {
                let frame = Frame { id, flags: 0, bytes: Bytes::from(vec![7; size]) };
                Frames.encode(frame, &mut bytes).unwrap();
            }
            let reads = Arc::new(AtomicUsize::new(0));
            let (mut receiver, ..) = link(Box::new(Eager(bytes.freeze(), Arc::clone(&reads))));
            for id in 0..messages as u32 {
                assert_eq!(receiver.next().await.unwrap().unwrap().id, id);
            }
            assert!(receiver.next().await.unwrap().is_none());
            let reads = reads.load(Relaxed);
            assert!(reads < 200, "{reads} reads for messages of {size} bytes");
        }
    }
}
