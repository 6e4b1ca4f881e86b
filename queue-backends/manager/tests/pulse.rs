//! Links that say nothing, and links that take their time.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use skep_manager::{
    server::{Address, Config, Listener},
    wire::{self, Answer, Frame, Frames, Reply, Request, frame::cut},
};
use skep_queue::{
    Block, Submission, Submitted,
    clock::{SystemClock, SystemRandom},
    testing::Model,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};
use tokio_util::{
    codec::{Decoder, Encoder},
    sync::CancellationToken,
    task::TaskTracker,
};

use fixture::{Serving, raw::LONG, server, unbounded};

const HEARTBEAT: Duration = Duration::from_millis(40);

/// A manager with a short heartbeat, and a connection on which nothing pings.
async fn quiet() -> (Serving, UnixStream) {
    let serving = Serving { stop: CancellationToken::new(), folder: tempfile::tempdir().unwrap() };
    let path = serving.folder.path().join("skep.sock");
    let listener = Listener::bind(&Address::Unix(path.clone())).unwrap();
    let config = Config { heartbeat: HEARTBEAT, ..unbounded() };
    let server = server(Arc::new(Model::new(Arc::new(SystemClock))), config);
    TaskTracker::new().spawn(server.serve(listener, serving.stop.clone()));
    (serving, UnixStream::connect(path).await.unwrap())
}

fn bytes(id: u32, request: &Request) -> BytesMut {
    let mut bytes = BytesMut::new();
    for frame in cut(id, 0, wire::encode(request).unwrap()) {
        Frames.encode(frame, &mut bytes).unwrap();
    }
    bytes
}

/// The next message; none when the link has ended.
async fn next(stream: &mut UnixStream, received: &mut BytesMut) -> Option<Frame> {
    loop {
        if let Some(frame) = Frames.decode(received).unwrap() {
            return Some(frame);
        }
        if timeout(LONG, stream.read_buf(received)).await.unwrap().unwrap_or(0) == 0 {
            return None;
        }
    }
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_left_and_one_that_has_spoken_hears_that_the_server_lives() {
    let ((_serving, mut mute), mut received) = (quiet().await, BytesMut::new());
    assert_eq!(next(&mut mute, &mut received).await, None, "nothing is said to who said nothing");
    let (_serving, mut stream) = quiet().await;
    stream.write_all(&bytes(1, &Request::Ping)).await.unwrap();
    let mut ids = Vec::new();
    while let Some(frame) = next(&mut stream, &mut received).await {
        assert_eq!(wire::decode::<Reply>(&frame.bytes).unwrap(), Reply::Ok(Answer::Done));
        ids.push(frame.id);
    }
    assert_eq!(ids[0], 1);
    assert!((2..=4).contains(&ids[1..].len()) && ids[1..].iter().all(|id| *id == 0), "{ids:?}");
}

#[tokio::test]
async fn a_message_that_is_long_on_its_way_is_no_silence() {
    let ((_serving, mut stream), mut received) = (quiet().await, BytesMut::new());
    let block =
        Block::one("a".parse().unwrap(), format!("{:?}", "x".repeat(200)), &SystemClock, &SystemRandom);
    for byte in bytes(7, &Request::Submit(Submission::whole(vec![block]))) {
        stream.write_all(&[byte]).await.unwrap();
        tokio::time::sleep(HEARTBEAT / 20).await;
    }
    while let Some(frame) = next(&mut stream, &mut received).await {
        if frame.id == 7 {
            let answer = Reply::Ok(Answer::Submitted(vec![Submitted::Accepted]));
            return assert_eq!(wire::decode::<Reply>(&frame.bytes).unwrap(), answer);
        }
    }
    panic!("the link was left");
}
