//! The handshake with keys that are known, made by Noise itself and not by the code that it tests.

use std::{fs, os::unix::fs::OpenOptionsExt, sync::Arc};

use skep_manager::{
    Key, Role,
    link::{
        handshake::receive,
        prelude::{MESSAGE, Prelude},
    },
};
use skep_queue::clock::SystemClock;
use snow::Builder;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const ID: &str = "0123456789abcdef";

fn bytes(from: u8) -> [u8; 32] {
    std::array::from_fn(|at| from + at as u8)
}

/// The first, the second and the third.
pub fn packets() -> [Vec<u8>; 3] {
    let (secret, server) = (bytes(0), "skep".to_owned());
    let prelude =
        Prelude { versions: vec![1], key: ID.parse().unwrap(), role: Role::Drone, server }.to_bytes();
    let (near, far) = (bytes(0x20), bytes(0x40));
    let builder = |ephemeral| {
        let builder = Builder::new("Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s".parse().unwrap());
        let builder = builder.psk(0, &secret).unwrap().prologue(&prelude).unwrap();
        builder.fixed_ephemeral_key_for_testing_only(ephemeral)
    };
    let mut client = builder(&near).build_initiator().unwrap();
    let mut manager = builder(&far).build_responder().unwrap();
    let (mut first, mut second) = ([0; MESSAGE], [0; MESSAGE]);
    client.write_message(&[], &mut first).unwrap();
    manager.read_message(&first, &mut []).unwrap();
    manager.write_message(&[], &mut second).unwrap();
    client.read_message(&second, &mut []).unwrap();
    let mut third = vec![0; 19];
    third[1] = 17;
    client.into_transport_mode().unwrap().write_message(&[0], &mut third[2..]).unwrap();
    [[&prelude[..], &first].concat(), second.to_vec(), third]
}

/// The first packet is one for our side, and no other with the same key would be.
#[tokio::test]
async fn the_first_packet_of_the_document_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    fs::write(&path, format!("skep-key-1 drone {ID} AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"))
        .unwrap();
    let key = Key::load(&path).unwrap();
    let [first, second, _] = packets();
    for (packet, answered) in [(first.clone(), second.len()), ([&first[..70], &[0; 4]].concat(), 0)] {
        let (mut near, far) = duplex(1024);
        near.write_all(&packet).await.unwrap();
        let received = receive(far, |_| key.secret.clone(), |_| true, Arc::new(SystemClock));
        let mut answer = Vec::new();
        let reading = async {
            let _ = near.shutdown().await;
            near.read_to_end(&mut answer).await
        };
        let (received, _) = tokio::join!(received, reading);
        assert!(received.is_err(), "without a confirmation");
        assert_eq!(answer.len(), answered);
    }
}
