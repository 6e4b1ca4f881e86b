//! An encrypted link against whoever stands in the middle, and a manager against whoever has no key.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use fixture::{
    raw::{LONG, Raw, rest, secure},
    tcp::{Fort, key},
};
use skep_manager::{
    Grant, Key, Role,
    link::{
        HandshakeError, Secure,
        handshake::{dial, receive},
        prelude::{MESSAGE, Prelude},
    },
    server::Config,
    wire::Request,
};
use skep_queue::clock::SystemClock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::TcpStream,
    time::timeout,
};

/// As long as a manager waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which of the bits on the way are turned round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flip {
    None,
    ToServer(usize),
    ToClient(usize),
}

/// What came of a handshake with somebody in the middle, and what went through his hands.
struct Met {
    client: Result<Secure<DuplexStream>, HandshakeError>,
    server: Result<(Secure<DuplexStream>, Prelude), HandshakeError>,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// How often the server asked for a secret, and whether a message was fresh.
    asked: (usize, usize),
}

/// A handshake of `theirs` with a server that knows `ours`.
async fn meet(theirs: &Key, ours: &Key, flip: Flip) -> Met {
    let (client, mut near) = duplex(1024);
    let (mut far, server) = duplex(1024);
    let (secrets, fresh) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let known = |_: &Prelude| {
        secrets.fetch_add(1, Relaxed);
        ours.secret.clone()
    };
    let news = |_: &[u8; MESSAGE]| fresh.fetch_add(1, Relaxed) == 0;
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let middle = async {
        let (mut up, mut down) = ([0; 512], [0; 512]);
        loop {
            tokio::select! {
                read = near.read(&mut up) => match read.unwrap() {
                    0 => break,
                    read => pass(&up[..read], &mut far, &mut to_server, flip, Flip::ToServer).await,
                },
                read = far.read(&mut down) => match read.unwrap() {
                    0 => break,
                    read => pass(&down[..read], &mut near, &mut to_client, flip, Flip::ToClient).await,
                },
            }
        }
        drop((near, far));
    };
    let clock = Arc::new(SystemClock);
    let both = async {
        let dialled = dial(client, theirs, "skep", clock.clone());
        // What is missing where a length has grown is waited for, for so long.
        let received = timeout(PATIENCE, receive(server, known, news, clock.clone()));
        let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
        let (dialled, received) = tokio::join!(dialled, received);
        (dialled, received.unwrap_or_else(late))
    };
    let (client, server) = timeout(LONG, async {
        tokio::pin!(both);
        tokio::select! {
            met = &mut both => met,
            () = middle => both.await,
        }
    })
    .await
    .expect("a handshake ends");
    Met { client, server, to_server, to_client, asked: (secrets.into_inner(), fresh.into_inner()) }
}

async fn pass(bytes: &[u8], to: &mut DuplexStream, seen: &mut Vec<u8>, flip: Flip, way: fn(usize) -> Flip) {
    let mut bytes = bytes.to_vec();
    for (at, byte) in bytes.iter_mut().enumerate() {
        for bit in 0..8 {
            if flip == way((seen.len() + at) * 8 + bit) {
                *byte ^= 1 << bit;
            }
        }
    }
    seen.extend_from_slice(&bytes);
    let _ = to.write_all(&bytes).await;
}

fn keys() -> (Key, Key) {
    let folder = tempfile::tempdir().unwrap();
    let new = || Key::clone(&key(folder.path(), Grant::of(Role::Drone)));
    (new(), new())
}

/// The first packet of a link, as it went over the wire.
async fn recorded(key: &Key) -> Vec<u8> {
    let (other, _) = keys();
    let first = meet(key, &other, Flip::None).await.to_server;
    assert!(first.len() < 256);
    first
}

/// Sends these bytes as a stranger; answers what comes back before the connection ends.
async fn answered(fort: &Fort, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(fort.at).await.unwrap();
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

/// The manager goes on for those who may.
async fn lives(fort: &Fort) {
    Raw::tcp(fort.at, &fort.key).await.ask(&Request::Ping).await.unwrap();
}

#[tokio::test]
async fn a_handshake_is_three_packets_of_known_lengths() {
    let (key, _) = keys();
    let met = meet(&key, &key, Flip::None).await;
    let (_, prelude) = met.server.unwrap();
    assert_eq!((prelude.key, prelude.role, prelude.server.as_str()), (key.id, Role::Drone, "skep"));
    assert!(met.client.is_ok());
    assert_eq!(met.to_server.len(), prelude.to_bytes().len() + MESSAGE + 19);
    assert_eq!(met.to_client.len(), MESSAGE);
}

#[tokio::test]
async fn an_unknown_key_is_met_as_a_wrong_one() {
    let (theirs, ours) = keys();
    // For a server both are the same: it asks for a secret once, and gets one that does not fit.
    let wrong = meet(&theirs, &ours, Flip::None).await;
    assert!(matches!(wrong.client, Err(HandshakeError::Silent { .. })));
    assert!(wrong.server.is_err());
    assert_eq!((wrong.to_client.len(), wrong.asked), (0, (1, 0)));
    assert_eq!(meet(&ours, &ours, Flip::None).await.asked, (1, 1));

    let fort = Fort::new(Config::default());
    let elsewhere = Key { id: fort.key.id, ..theirs.clone() };
    for stranger in [&theirs, &elsewhere] {
        let error = secure(fort.at, stranger).await.err().unwrap();
        assert!(error.to_string().contains(&format!("does not know key {}", stranger.id)), "{error}");
        assert_eq!(answered(&fort, &recorded(stranger).await).await, b"");
    }
    lives(&fort).await;
}

#[tokio::test]
async fn a_key_is_for_the_manager_of_its_name() {
    let fort = Fort::new(Config { name: "east".into(), ..Config::default() });
    let error = secure(fort.at, &fort.key).await.err().unwrap();
    assert!(error.to_string().contains("not called \"skep\""), "{error}");
    let stream = TcpStream::connect(fort.at).await.unwrap();
    dial(stream, &fort.key, "east", Arc::new(SystemClock)).await.unwrap();
    let stream = TcpStream::connect(fort.at).await.unwrap();
    let odd = dial(stream, &fort.key, "no name", Arc::new(SystemClock)).await;
    assert!(matches!(odd, Err(HandshakeError::Name(_))));
}

#[tokio::test]
async fn a_first_message_that_is_said_again_is_answered_with_silence() {
    let fort = Fort::new(Config::default());
    let first = recorded(&fort.key).await;
    // Whoever says it first, even who only repeats it, hears the second message, and can do nothing with it.
    let mut stream = TcpStream::connect(fort.at).await.unwrap();
    stream.write_all(&first).await.unwrap();
    let mut second = [0; MESSAGE];
    timeout(LONG, stream.read_exact(&mut second)).await.unwrap().unwrap();
    assert_eq!(rest(&mut stream).await, b"", "and is let go after two seconds");
    for _ in 0..3 {
        assert_eq!(answered(&fort, &first).await, b"");
    }
    lives(&fort).await;
}

#[tokio::test]
async fn no_bit_of_a_handshake_can_be_turned_round() {
    let (key, _) = keys();
    let whole = meet(&key, &key, Flip::None).await;
    let first = whole.to_server.len() - 19;
    for bit in 0..whole.to_server.len() * 8 {
        let met = meet(&key, &key, Flip::ToServer(bit)).await;
        assert!(met.server.is_err(), "bit {bit} to the server");
        if bit < first * 8 {
            assert_eq!(met.to_client, b"", "bit {bit} to the server");
            assert!(met.client.is_err(), "bit {bit} to the server");
        }
    }
    for bit in 0..MESSAGE * 8 {
        let met = meet(&key, &key, Flip::ToClient(bit)).await;
        assert!(matches!(met.client, Err(HandshakeError::Impostor)), "bit {bit} to the client");
        assert!(met.server.is_err(), "bit {bit} to the client");
        assert_eq!(met.to_server.len(), first, "bit {bit}: nothing more is said");
    }
}

#[tokio::test]
async fn a_manager_says_nothing_to_whom_it_hears_badly() {
    let fort = Fort::new(Config::default());
    let first = recorded(&fort.key).await;
    let (prelude, message) = Prelude::from_bytes(&first[9..]).unwrap();
    for versions in [vec![2], vec![1, 2], vec![0], vec![1, 1]] {
        assert_ne!(prelude.versions, versions);
        let edited = Prelude { versions, ..prelude.clone() };
        assert_eq!(answered(&fort, &[&edited.to_bytes()[..], message].concat()).await, b"");
    }
    let role = Prelude { role: Role::View, ..prelude.clone() };
    assert_eq!(answered(&fort, &[&role.to_bytes()[..], message].concat()).await, b"");
    for bit in 0..first.len() * 8 {
        let mut first = first.clone();
        first[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(answered(&fort, &first).await, b"", "bit {bit}");
    }
    lives(&fort).await;
}

#[tokio::test]
async fn what_does_not_decrypt_ends_the_link() {
    let fort = Fort::new(Config::default());
    let handshake = recorded(&fort.key).await.len() + 19;
    let hello = b"\x0a\0\0\0\x01\0\0\0\0\xa4ping";
    for at in [1, 2, 20, 31] {
        let (key, at) = (&fort.key, handshake + at);
        let (client, mut near) = duplex(4096);
        let mut far = TcpStream::connect(fort.at).await.unwrap();
        let middle = async move {
            let (mut up, mut down, mut passed) = ([0; 1024], [0; 1024], 0);
            loop {
                tokio::select! {
                    read = near.read(&mut up) => {
                        let Ok(read @ 1..) = read else { return };
                        if (passed..passed + read).contains(&at) {
                            up[at - passed] ^= 0x10;
                        }
                        passed += read;
                        far.write_all(&up[..read]).await.unwrap();
                    },
                    read = far.read(&mut down) => {
                        let Ok(read @ 1..) = read else { return };
                        near.write_all(&down[..read]).await.unwrap();
                    },
                }
            }
        };
        let asked = async {
            let mut secure = dial(client, key, "skep", Arc::new(SystemClock)).await.unwrap();
            secure.write_all(hello).await.unwrap();
            secure.flush().await.unwrap();
            rest(secure).await
        };
        let (answer, ()) = tokio::join!(asked, middle);
        assert_eq!(answer, b"", "byte {at}");
    }
    lives(&fort).await;
}

#[tokio::test]
async fn lengths_that_no_frame_has_end_the_link() {
    let fort = Fort::new(Config::default());
    for length in [0, 4, (1 << 20) + 5 + 1, u32::MAX] {
        let mut secure = secure(fort.at, &fort.key).await.unwrap();
        secure.write_all(&length.to_le_bytes()).await.unwrap();
        secure.flush().await.unwrap();
        assert_eq!(rest(secure).await, b"", "{length}");
        assert_eq!(answered(&fort, &length.to_le_bytes().repeat(3)).await, b"", "{length}, from a stranger");
    }
    lives(&fort).await;
}
