//! Frames: `length` as u32, then `id` as u32 and `flags` as u8, then bytes; all little-endian. The length counts
//! what follows it. A message is the bytes of one frame, or of several with the same id one after the other,
//! all but the last with [`MORE`].

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// Most bytes of a frame, header and length left out.
pub const MAX_FRAME: usize = 1 << 20;
/// Most bytes of a message: the largest payload that any queue takes, and room for what is around it.
pub const MAX_MESSAGE: usize = skep_queue::block::CEILING_MAX_PAYLOAD + (4 << 20);
/// Most bytes of an answer: those of a manager are trusted, and one to a pump has as many payloads as there was
/// room for.
pub const MAX_ANSWER: usize = 1 << 30;
/// The message goes on in the next frame.
pub const MORE: u8 = 1;
/// The message says something on the way to the answer with the same id.
pub const NOTE: u8 = 2;

const LENGTH: usize = 4;
const HEADER: usize = 5;
const LONGEST: usize = MAX_FRAME + HEADER;

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Of the request that it belongs to; made by whoever asked.
    pub id: u32,
    /// [`MORE`] and [`NOTE`]; others are an error.
    pub flags: u8,
    /// The piece.
    pub bytes: Bytes,
}

/// Tells frames from bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Frames;

/// Why bytes are not frames. The link is of no use afterwards.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A length that no frame has.
    #[error("a frame of {0} bytes: at least {HEADER}, and at most {LONGEST} are allowed")]
    Length(u32),
    /// Flags that version 1 does not know.
    #[error("a frame with unknown flags {0:#04x}")]
    Flags(u8),
    /// A frame of another message within one.
    #[error("a frame of message {found} within message {within}")]
    Torn {
        /// The message that was not complete.
        within: u32,
        /// Whose frame came.
        found: u32,
    },
    /// Too long a message.
    #[error("a message of more than {0} bytes")]
    TooLong(usize),
    /// The link itself failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Decoder for Frames {
    type Item = Frame;
    type Error = FrameError;

    /// Memory follows what was received, not what was announced.
    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(length) = source.first_chunk::<LENGTH>() else { return Ok(None) };
        let announced = u32::from_le_bytes(*length);
        let length = announced as usize;
        if !(HEADER..=LONGEST).contains(&length) {
            return Err(FrameError::Length(announced));
        }
        if source.len() < LENGTH + length {
            return Ok(None);
        }
        source.advance(LENGTH);
        let mut frame = source.split_to(length);
        let (id, flags) = (frame.get_u32_le(), frame.get_u8());
        if flags & !(MORE | NOTE) != 0 {
            return Err(FrameError::Flags(flags));
        }
        Ok(Some(Frame { id, flags, bytes: frame.freeze() }))
    }
}

impl Encoder<Frame> for Frames {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, target: &mut BytesMut) -> Result<(), FrameError> {
        target.reserve(LENGTH + HEADER + frame.bytes.len());
        target.put_u32_le((HEADER + frame.bytes.len()) as u32);
        target.put_u32_le(frame.id);
        target.put_u8(frame.flags);
        target.extend_from_slice(&frame.bytes);
        Ok(())
    }
}

/// A message's frames, in order.
pub fn cut(id: u32, flags: u8, message: Bytes) -> impl Iterator<Item = Frame> {
    let pieces = message.len().div_ceil(MAX_FRAME).max(1);
    (0..pieces).map(move |piece| {
        let (from, to) = (piece * MAX_FRAME, ((piece + 1) * MAX_FRAME).min(message.len()));
        let more = if piece + 1 < pieces { MORE } else { 0 };
        Frame { id, flags: flags | more, bytes: message.slice(from..to) }
    })
}

/// Puts frames together again.
#[derive(Debug)]
pub struct Assembly {
    begun: Option<Frame>,
    bytes: BytesMut,
    most: usize,
}

impl Default for Assembly {
    fn default() -> Self {
        Self::of(MAX_MESSAGE)
    }
}

impl Assembly {
    /// Of messages that are not longer than this.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self { begun: None, bytes: BytesMut::new(), most }
    }

    /// Whether no message has begun that is not complete.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.begun.is_none()
    }

    /// Takes a frame; answers the message that it completes.
    ///
    /// # Errors
    /// [`FrameError::Torn`] and [`FrameError::TooLong`].
    pub fn add(&mut self, frame: Frame) -> Result<Option<Frame>, FrameError> {
        let more = frame.flags & MORE != 0;
        let Some(begun) = &self.begun else {
            if more {
                self.bytes.extend_from_slice(&frame.bytes);
                self.begun = Some(Frame { bytes: Bytes::new(), ..frame });
                return Ok(None);
            }
            return Ok(Some(frame));
        };
        if frame.id != begun.id {
            return Err(FrameError::Torn { within: begun.id, found: frame.id });
        }
        if self.bytes.len() + frame.bytes.len() > self.most {
            return Err(FrameError::TooLong(self.most));
        }
        self.bytes.extend_from_slice(&frame.bytes);
        if more {
            return Ok(None);
        }
        self.begun = None;
        Ok(Some(Frame { bytes: std::mem::take(&mut self.bytes).freeze(), ..frame }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out when the bytes arrive in pieces of this size.
    fn through(messages: &[(u32, usize)], step: usize) -> Vec<(u32, usize)> {
        let mut bytes = BytesMut::new();
        for &(id, size) in messages {
            for frame in cut(id, 0, Bytes::from(vec![7; size])) {
                Frames.encode(frame, &mut bytes).unwrap();
            }
        }
        let (mut assembly, mut received, mut whole) = (Assembly::default(), BytesMut::new(), Vec::new());
        for piece in bytes.chunks(step) {
            received.extend_from_slice(piece);
            while let Some(frame) = Frames.decode(&mut received).unwrap() {
                if let Some(message) = assembly.add(frame).unwrap() {
                    whole.push((message.id, message.bytes.len()));
                }
            }
        }
        assert!(received.is_empty());
        whole
    }

    #[test]
    fn messages_come_out_as_they_went_in_however_they_arrive() {
        let messages = [(1, 0), (2, 1), (3, MAX_FRAME), (4, MAX_FRAME + 1), (5, 3 * MAX_FRAME), (6, 9)];
        for step in [4096, 65_537, usize::MAX >> 1] {
            assert_eq!(through(&messages, step), messages);
        }
        assert_eq!(through(&[(1, 0), (2, 300)], 1), [(1, 0), (2, 300)]);
    }

    #[test]
    fn what_is_no_frame_ends_the_link() {
        for length in [0, 4, (LONGEST + 1) as u32, u32::MAX] {
            let mut bytes = BytesMut::from(&length.to_le_bytes()[..]);
            assert!(matches!(Frames.decode(&mut bytes), Err(FrameError::Length(l)) if l == length));
        }
        let mut flags = BytesMut::from(&[5, 0, 0, 0, 1, 0, 0, 0, 4][..]);
        assert!(matches!(Frames.decode(&mut flags), Err(FrameError::Flags(4))));
        let frame = |id, flags| Frame { id, flags, bytes: Bytes::new() };
        let mut torn = Assembly::default();
        assert!(torn.add(frame(1, MORE)).unwrap().is_none());
        assert!(matches!(torn.add(frame(2, 0)), Err(FrameError::Torn { within: 1, found: 2 })));
    }
}
