//! The messages, byte by byte, as docs/wire-protocol.md shows them.
//!
//! `SKEP_GOLDEN=write cargo test -p skep-manager --test golden` writes the document's examples anew. A change of one that
//! was there breaks peers of another version, unless it only adds fields.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "golden/examples.rs"]
mod examples;
#[path = "golden/handshake.rs"]
mod handshake;
#[path = "golden/notation.rs"]
mod notation;

use std::{collections::BTreeMap, fmt::Debug, fs, path::PathBuf};

use notation::{Value, plain_hex};
use serde::de::DeserializeOwned;
use skep_manager::wire::{self, Answer, Note, Reply, Request};

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/wire-protocol.md")
}

/// Every message by its name in the document.
fn messages() -> BTreeMap<String, Vec<u8>> {
    let mut messages = BTreeMap::new();
    for (name, request) in examples::requests() {
        messages.insert(format!("request {name}"), wire::encode(&request).unwrap().to_vec());
    }
    for (name, reply) in examples::replies() {
        messages.insert(format!("reply {name}"), wire::encode(&reply).unwrap().to_vec());
    }
    messages.insert("note".into(), wire::encode(&examples::note()).unwrap().to_vec());
    messages
}

/// What stands between the fences, by its name.
fn examples() -> BTreeMap<String, String> {
    let messages = messages().into_iter();
    let shown = |bytes: Vec<u8>| format!("{}\n{}", Value::read(&mut &*bytes), lines(&bytes));
    let mut examples = messages.map(|(name, bytes)| (name, shown(bytes))).collect::<BTreeMap<_, _>>();
    let packets = handshake::packets();
    examples.insert("handshake".into(), packets.map(|packet| lines(&packet)).join("\n"));
    examples
}

fn lines(bytes: &[u8]) -> String {
    let hex = plain_hex(bytes);
    hex.as_bytes().chunks(96).map(|line| format!("{}\n", str::from_utf8(line).unwrap())).collect()
}

#[test]
fn the_document_shows_these_bytes() {
    let text = fs::read_to_string(document()).unwrap();
    let (mut written, mut found) = (String::new(), Vec::new());
    let mut parts = text.split("```golden ");
    written.push_str(parts.next().unwrap());
    let examples = examples();
    for part in parts {
        let (name, rest) = part.split_once('\n').unwrap();
        let (example, after) = rest.split_once("```").unwrap();
        let right = examples.get(name).unwrap_or_else(|| panic!("the document shows {name:?}"));
        written.push_str(&format!("```golden {name}\n{right}```{after}"));
        found.push(name.to_owned());
        if std::env::var_os("SKEP_GOLDEN").is_none() {
            assert_eq!(example, right, "{name}");
        }
    }
    found.sort_unstable();
    assert_eq!(found, examples.into_keys().collect::<Vec<_>>(), "each is shown once");
    if text != written {
        fs::write(document(), written).unwrap();
    }
}

/// Its place in the enum: a verb without an example does not pass by.
const fn place(request: &Request) -> usize {
    match request {
        Request::Hello(_) => 0,
        Request::Ping => 1,
        Request::Submit(_) => 2,
        Request::Pump(_) => 3,
        Request::Settle { .. } => 4,
        Request::Beat(_) => 5,
        Request::Arrival { .. } => 6,
        Request::Progress { .. } => 7,
        Request::Call { .. } => 8,
        Request::Collect { .. } => 9,
        Request::Forget { .. } => 10,
        Request::Status => 11,
        Request::Queues => 12,
        Request::Find(_) => 13,
        Request::Task { .. } => 14,
        Request::Act { .. } => 15,
        Request::Set { .. } => 16,
        Request::Drones => 17,
        Request::Drain { .. } => 18,
        Request::Rescue { .. } => 19,
    }
}

/// The same of the answers; the last is an error.
const fn place_of_reply(reply: &Reply) -> usize {
    match reply {
        Reply::Ok(answer) => match answer {
            Answer::Welcome(_) => 0,
            Answer::Done => 1,
            Answer::Submitted(_) => 2,
            Answer::Claimed(_) => 3,
            Answer::Settled(_) => 4,
            Answer::Orders(_) => 5,
            Answer::Called { .. } => 6,
            Answer::Collected(_) => 7,
            Answer::Known(_) => 8,
            Answer::Status(_) => 9,
            Answer::Queues(_) => 10,
            Answer::Found(_) => 11,
            Answer::Task(_) => 12,
            Answer::Acted(_) => 13,
            Answer::Drones(_) => 14,
        },
        Reply::Error(_) => 15,
    }
}

#[test]
fn there_is_an_example_of_everything() {
    let requests = examples::requests();
    assert!(requests.iter().enumerate().all(|(at, (_, request))| place(request) == at));
    let replies = examples::replies();
    assert!(replies.iter().enumerate().all(|(at, (_, reply))| place_of_reply(reply) == at));
    assert_eq!((requests.len(), replies.len()), (20, 16));
}

/// Fields that a peer does not know are nothing to it: in how many maps of the message they were tried.
fn takes_more<T: DeserializeOwned + PartialEq + Debug>(message: &T, bytes: &[u8]) -> usize {
    let value = Value::read(&mut &*bytes);
    let mut taken = 0;
    for at in 0.. {
        let Some((more, map)) = value.with_more(at) else { return taken };
        let mut bytes = Vec::new();
        more.write(&mut bytes);
        match wire::decode::<T>(&bytes) {
            Ok(decoded) if decoded == *message => taken += 1,
            decoded => {
                // The name of a variant stands alone; a duration has two fields for ever; and options that are not
                // understood are not left out.
                let Value::Map(pairs) = &map else { unreachable!() };
                let alone = pairs.len() == 1;
                let options =
                    ["max_attempts", "nanos", "queue_full"].iter().any(|name| map.to_string().contains(name));
                assert!(alone || options || pairs.is_empty(), "{map}: {decoded:?}");
            }
        }
    }
    unreachable!()
}

#[test]
fn an_old_peer_and_a_new_one_talk() {
    let mut taken = 0;
    for (name, request) in examples::requests() {
        let bytes = wire::encode(&request).unwrap();
        assert_eq!(wire::decode::<Request>(&bytes).unwrap(), request);
        let maps = takes_more(&request, &bytes);
        let bare = matches!(request, Request::Ping | Request::Status | Request::Queues | Request::Drones);
        assert!(bare || maps > 0, "{name} takes no new fields");
        taken += maps;
    }
    for (_, reply) in examples::replies() {
        let bytes = wire::encode(&reply).unwrap();
        assert_eq!(wire::decode::<Reply>(&bytes).unwrap(), reply);
        taken += takes_more(&reply, &bytes);
    }
    let bytes = wire::encode(&examples::note()).unwrap();
    assert_eq!(wire::decode::<Note>(&bytes).unwrap(), examples::note());
    taken += takes_more(&examples::note(), &bytes);
    assert!(taken > 40, "{taken} maps");
}

/// What is not known is refused in words, and nothing of it is done.
#[test]
fn an_unknown_verb_is_refused() {
    for bytes in [&b"\xa6dance\x00"[..], b"\xa5dance", b"\x81\xa5dance\x80", b"\xc0", b"", b"\xc1"] {
        let error = wire::decode::<Request>(bytes).unwrap_err().to_string();
        assert!(error.contains("not understood"), "{error}");
    }
    let ping = wire::encode(&Request::Ping).unwrap();
    let error = wire::decode::<Request>(&[&ping[..], &[0]].concat()).unwrap_err().to_string();
    assert!(error.contains("left over"), "{error}");
}
