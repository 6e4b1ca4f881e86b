//! The bodies of the fuzz targets, with bytes of chance and with good messages gone bad.

use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use skep_queue::{
    Beat, Block, BlockId, ClaimId, Demand, DroneFacts, Ending, Incarnation, Mask, Outcome, Payloads,
    Progress, Pump, QueueName, Settlement, Submission, TaskId, TaskType,
    admin::{Act, Filter, Setting},
    clock::SystemRandom,
};

use super::*;
use crate::wire::Hello;

/// Gives the body so many byte strings, or as many as `SKEP_CASES` says.
fn all(most: u32, bytes: &impl Strategy<Value = Vec<u8>>, body: fn(&[u8])) {
    let cases = std::env::var("SKEP_CASES").ok().and_then(|cases| cases.parse().ok());
    let config =
        ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases.unwrap_or(most)) };
    let run = |bytes: Vec<u8>| {
        body(&bytes);
        Ok(())
    };
    TestRunner::new(config).run(bytes, run).unwrap();
}

/// One request of every kind, about the same few things.
fn requests() -> Vec<Request> {
    let (queue, task_type) = (QueueName::default(), "a".parse::<TaskType>().unwrap());
    let block = |n: u128, members: usize| Block {
        id: BlockId::from_bytes(&(n << 16).to_be_bytes()).unwrap(),
        payloads: Payloads::new(&vec!["1"; members]),
        ..Block::one(task_type.clone(), "1", &SystemClock, &SystemRandom)
    };
    let task: TaskId = block(1, 2).id.task(0);
    let (drone, claim) = (Incarnation::new(&SystemRandom), ClaimId::new(&SystemRandom));
    let demands = vec![Demand { task_type: task_type.clone(), room: 3 }];
    let outcome = Outcome::Complete { result: None, submit: vec![block(3, 1)] };
    let endings = vec![Ending { members: Mask::first(2), outcome }];
    let facts = DroneFacts { types: vec![task_type.clone()], hands: 2, ..DroneFacts::default() };
    let wait = Duration::from_millis(1);
    vec![
        Request::Hello(Hello { versions: vec![1], software: "x".into() }),
        Request::Submit(Submission::whole(vec![block(1, 2), block(2, 1)])),
        Request::Submit(Submission { blocks: vec![block(1, 2)], partial: true }),
        Request::Beat(Beat {
            drone,
            queue: queue.clone(),
            ttl: wait,
            held: vec![claim],
            facts,
            leaving: false,
        }),
        Request::Pump(Pump { drone, claim, queue: queue.clone(), demands }),
        Request::Settle { settlements: vec![Settlement { claim, block: block(1, 2).id, endings }] },
        Request::Arrival { types: vec![task_type.clone()] },
        Request::Progress {
            notes: vec![Progress { task, claim, n: None, of: None, note: None, data: None }],
        },
        Request::Call { block: block(4, 1), wait },
        Request::Collect { id: task, wait },
        Request::Forget { id: 3 },
        Request::Status,
        Request::Queues,
        Request::Find(Filter { limit: 3, ..Filter::default() }),
        Request::Task { id: task },
        Request::Act { act: Act::Cancel, ids: vec![task] },
        Request::Set { queue, task_type: Some(task_type), setting: Setting::Capacity(Some(1)) },
        Request::Drones,
        Request::Drain { drone },
        Request::Rescue { drone },
    ]
}

/// A good message, or one in which a few bytes are others, or are missing.
fn message(good: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..8_u8);
    (select(good), vec(change, 0..4)).prop_map(|(mut bytes, changes)| {
        for (at, byte, how) in changes {
            let at = at.index(bytes.len().max(1));
            match how {
                0 => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), byte),
                _ => bytes.get_mut(at).into_iter().for_each(|there| *there = byte),
            }
        }
        bytes
    })
}

#[test]
fn frames_of_any_bytes() {
    let frame =
        (0..40_u32, any::<u32>(), 0..5_u8, vec(any::<u8>(), 0..40)).prop_map(|(length, id, flags, bytes)| {
            // Most lengths are right, and few flags are wrong.
            let length = if length < 36 { bytes.len() as u32 + 5 } else { length };
            [&length.to_le_bytes()[..], &(id % 3).to_le_bytes(), &[flags], &bytes].concat()
        });
    let stream =
        (any::<u8>(), vec(frame, 0..8)).prop_map(|(size, frames)| [vec![size], frames.concat()].concat());
    all(2_000, &stream, frames);
    all(500, &vec(any::<u8>(), 0..300), frames);
}

#[test]
fn handshakes_of_any_bytes() {
    let server = "skep".to_owned();
    let prelude = Prelude { versions: vec![1], key: KeyId([7; 8]), role: Role::Drone, server };
    let good = [prelude.to_bytes(), vec![9; MESSAGE]].concat();
    all(300, &message(vec![good]), handshake);
    all(100, &vec(any::<u8>(), 0..300), handshake);
}

#[test]
fn verbs_of_any_bytes() {
    let good = requests().iter().map(|request| wire::encode(request).unwrap().to_vec()).collect();
    let framed = |bytes: Vec<u8>| [&(bytes.len() as u16).to_le_bytes()[..], &bytes].concat();
    let stream = vec(message(good).prop_map(framed), 1..8).prop_map(|messages| messages.concat());
    all(400, &stream, verbs);
    all(100, &vec(any::<u8>(), 0..300), verbs);
}
