use skep_queue::clock::{SystemClock, Timestamp};
use tokio::io::{DuplexStream, duplex};

use super::*;
use crate::{
    key::{Key, KeyId, Role, Secret},
    link::handshake::{dial, receive},
};

/// The two ends of one stream.
async fn pair(clock: Arc<dyn Clock>) -> [Secure<DuplexStream>; 2] {
    let key = Key { id: KeyId([1; 8]), role: Role::Drone, secret: Secret::random().unwrap() };
    let (near, far) = duplex(100_000);
    let received = receive(far, |_| key.secret.clone(), |_| true, Arc::clone(&clock));
    let (client, server) = tokio::join!(dial(near, &key, "skep", clock), received);
    [client.unwrap(), server.unwrap().0]
}

/// Sends so many messages of this size one way, each read at the other end before the next.
async fn send([from, to]: [&mut Secure<DuplexStream>; 2], messages: u32, size: usize) {
    let mut read = vec![0; size];
    for message in 0..messages {
        let sent = vec![message as u8; size];
        let write = async {
            from.write_all(&sent).await.unwrap();
            from.flush().await.unwrap();
        };
        tokio::join!(write, async { to.read_exact(&mut read).await.unwrap() });
        assert_eq!(read, sent, "message {message}");
    }
}

#[tokio::test]
async fn bytes_come_out_as_they_went_in() {
    let [mut client, mut server] = pair(Arc::new(SystemClock)).await;
    for size in [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, AHEAD, AHEAD + 1, 3_000_000] {
        send([&mut client, &mut server], 1, size).await;
        send([&mut server, &mut client], 1, size).await;
    }
}

#[tokio::test]
async fn keys_change_by_count() {
    let [mut client, mut server] = pair(Arc::new(SystemClock)).await;
    // The confirmation was the first.
    send([&mut client, &mut server], MESSAGES - 2, 1).await;
    assert_eq!((client.outgoing.messages, server.incoming.messages), (MESSAGES - 1, MESSAGES - 1));
    send([&mut client, &mut server], 1, 1).await;
    assert_eq!((client.outgoing.messages, server.incoming.messages), (0, 0));
    send([&mut client, &mut server], 3, 1).await;
    assert_eq!((client.outgoing.messages, server.incoming.messages), (3, 3));
    assert_eq!((server.outgoing.messages, client.incoming.messages), (0, 0), "each way by itself");
    send([&mut server, &mut client], 3, 1).await;
}

#[tokio::test]
async fn a_key_that_is_used_too_long_ends_the_stream() {
    let [mut client, mut server] = pair(Arc::new(SystemClock)).await;
    send([&mut client, &mut server], MESSAGES - 2, 1).await;
    client.outgoing.messages = 0;
    client.write_all(&[1]).await.unwrap();
    let error = server.read_u8().await.unwrap_err().to_string();
    assert!(error.contains("too many messages under one key"), "{error}");
    assert!(server.read_u8().await.is_err(), "for ever");
}

/// Passes forty minutes at each look.
struct Fast(std::sync::atomic::AtomicU64);

impl Clock for Fast {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(2_400 * self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
}

#[tokio::test]
async fn keys_change_by_the_hour() {
    let [mut client, mut server] = pair(Arc::new(Fast(0.into()))).await;
    let mut changes = 0;
    for _ in 0..12 {
        send([&mut client, &mut server], 1, 1).await;
        changes += u32::from(client.outgoing.messages == 0);
        assert_eq!(client.outgoing.messages, server.incoming.messages);
    }
    assert!((4..=8).contains(&changes), "{changes} changes in eight hours");
}

#[tokio::test]
async fn an_empty_message_or_an_odd_one_ends_the_stream() {
    for odd in [&[][..], &[0x40], &[REKEY | 2, 1]] {
        let [mut client, mut server] = pair(Arc::new(SystemClock)).await;
        let mut sealed = vec![0; 2 + odd.len() + TAG];
        let length = client.noise.write_message(odd, &mut sealed[2..]).unwrap();
        sealed[..2].copy_from_slice(&(length as u16).to_be_bytes());
        client.pipe.write_all(&sealed).await.unwrap();
        assert!(server.read_u8().await.is_err(), "{odd:?}");
    }
    let [mut client, mut server] = pair(Arc::new(SystemClock)).await;
    client.confirm().await.unwrap();
    let error = server.read_u8().await.unwrap_err().to_string();
    assert!(error.contains("an empty message"), "{error}");
}

#[tokio::test]
async fn what_is_cut_off_is_no_end() {
    let [mut client, mut server] = pair(Arc::new(SystemClock)).await;
    client.seal(b"whole").unwrap();
    let half = client.outgoing.sealed.split_to(9);
    client.pipe.write_all(&half).await.unwrap();
    drop(client);
    let error = server.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let [mut client, mut server] = pair(Arc::new(SystemClock)).await;
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
}
