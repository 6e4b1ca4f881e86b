//! What fuzzers do to the bytes that others send: bodies that must not panic, whatever they are given. The targets in
//! `fuzz/` call them for as long as one likes, the tests here some hundred times.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use skep_queue::{
    Backend,
    clock::SystemClock,
    testing::{Model, TestClock},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::{Builder, Runtime},
    time::timeout,
};
use tokio_util::{codec::Decoder, codec::Encoder, task::TaskTracker};

use crate::{
    Server,
    key::{Key, KeyId, Role, Secret},
    link::{
        AnyPipe,
        handshake::{dial, receive},
        link,
        prelude::{MESSAGE, Prelude},
    },
    server::Config,
    wire::{
        self, Frame, Frames, Reply, Request,
        frame::{Assembly, FrameError, MAX_MESSAGE},
    },
};

/// More than anything here takes.
const LONG: Duration = Duration::from_secs(10);

fn runtime() -> Runtime {
    #[expect(clippy::expect_used, reason = "a fuzzer that cannot begin is of no use")]
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A stream of frames, in pieces of a size that its first byte says.
///
/// # Panics
/// When what comes out is not what went in.
pub fn frames(bytes: &[u8]) {
    let Some((&size, stream)) = bytes.split_first() else { return };
    let (mut received, mut again) = (BytesMut::new(), BytesMut::new());
    let (mut assembly, mut out) = (Assembly::default(), 0);
    for piece in stream.chunks(usize::from(size).max(1)) {
        received.extend_from_slice(piece);
        loop {
            match Frames.decode(&mut received) {
                Ok(Some(frame)) => {
                    assert!(Frames.encode(frame.clone(), &mut again).is_ok());
                    match assembly.add(frame) {
                        Ok(Some(message)) => out += message.bytes.len(),
                        Ok(None) => assert!(!assembly.is_empty()),
                        Err(FrameError::Torn { .. } | FrameError::TooLong(_)) => return,
                        Err(error) => panic!("{error}"),
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    assert!(stream.starts_with(&again), "frames are what was received");
    assert!(out <= stream.len() && out <= stream.len() / 9 * MAX_MESSAGE);
    assert_eq!(again.len() + received.len(), stream.len());
}

/// Bytes from a stranger to a manager, and from an impostor to a client: neither is ever taken for somebody. A
/// manager says nothing, unless the first message is one that a holder of the key has made.
///
/// # Panics
/// When one is.
pub fn handshake(bytes: &[u8]) {
    let key = Key { id: KeyId([7; 8]), role: Role::Drone, secret: Secret::of([7; 32]) };
    runtime().block_on(async {
        let (near, far) = duplex(1 << 16);
        let secret = |_: &Prelude| key.secret.clone();
        let received = receive(near, secret, |_: &[u8; MESSAGE]| true, Arc::new(SystemClock));
        let (received, told) = tokio::join!(received, say(far, bytes));
        assert!(received.is_err() && told.is_empty(), "a stranger was let in, or told {told:?}");

        let (near, far) = duplex(1 << 16);
        let dialled = dial(near, &key, "skep", Arc::new(SystemClock));
        let (dialled, told) = tokio::join!(dialled, say(far, bytes));
        assert!(dialled.is_err(), "an impostor was believed");
        assert!(told.len() <= 256, "and told {told:?}");
    });
}

/// Says so much and no more; answers what is said in return.
async fn say(mut pipe: DuplexStream, bytes: &[u8]) -> Vec<u8> {
    let _ = pipe.write_all(bytes).await;
    let _ = pipe.shutdown().await;
    let mut told = Vec::new();
    let _ = pipe.read_to_end(&mut told).await;
    told
}

/// Messages, each after its length in one byte or two: read as a request, a reply and a note, and asked of a manager,
/// which answers each, and still answers after the last.
///
/// # Panics
/// When it does not, or when a message does not survive being written and read.
pub fn verbs(bytes: &[u8]) {
    let messages = messages(bytes);
    for message in &messages {
        same::<Request>(message);
        same::<Reply>(message);
        same::<wire::Note>(message);
    }
    runtime().block_on(asked(&messages));
}

fn messages(mut bytes: &[u8]) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (message, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        messages.push(Bytes::copy_from_slice(message));
        bytes = rest;
    }
    messages
}

/// What is understood is written and understood again.
fn same<T: serde::Serialize + serde::de::DeserializeOwned>(message: &[u8]) {
    let Ok(value) = wire::decode::<T>(message) else { return };
    let written = wire::encode(&value);
    let again = written.as_ref().ok().and_then(|bytes| wire::decode::<T>(bytes).ok());
    let rewritten = again.and_then(|again| wire::encode(&again).ok());
    assert!(rewritten.is_some() && rewritten == written.ok());
}

/// What is asked by others is answered, and no task of the manager fails at it.
async fn asked(messages: &[Bytes]) {
    let backend: Arc<dyn Backend> = Arc::new(Model::new(TestClock::new()));
    let config = Config { reannounce: Some(Duration::ZERO), ..Config::default() };
    let server = Server::new(backend, config, Arc::new(SystemClock));
    let (near, far) = duplex(1 << 20);
    let tasks = TaskTracker::new();
    let hosted = tasks.spawn(server.host_admin(Box::new(far)));
    let (mut receiver, sender, writer) = link(Box::new(near) as AnyPipe);
    tasks.spawn(writer.run());
    let last = messages.len() as u32 + 1;
    let mut owed = vec![last];
    for (message, id) in messages.iter().zip(1..) {
        let request = wire::decode::<Request>(message);
        if !request.is_ok_and(|request| request.waits() || matches!(request, Request::Forget { .. })) {
            owed.push(id);
        }
        sender.send(id, 0, message.clone(), None);
    }
    sender.send(last, 0, wire::encode(&Request::Ping).unwrap_or_default(), None);
    while !owed.is_empty() {
        match timeout(LONG, receiver.next()).await {
            Ok(Ok(Some(Frame { id, .. }))) => owed.retain(|one| *one != id),
            other => panic!("{owed:?} are not answered: {other:?}"),
        }
    }
    drop((sender, receiver));
    assert!(timeout(LONG, hosted).await.is_ok_and(|hosted| hosted.is_ok()), "the link ends");
}
