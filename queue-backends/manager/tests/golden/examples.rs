//! One message of every kind.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use skep_manager::wire::{
    Answer, End, Hello, Note, Reply, Request, Welcome,
    view::{Detail, Hands, Load, Status, TypeLoad, View},
};
use skep_queue::{
    Beat, Block, BlockId, Cause, ClaimId, Claimed, Content, Demand, DroneFacts, Due, Ending, Error, Failure,
    Incarnation, Mask, Options, Orders, Outcome, Payloads, Priority, Progress, Pump, Reason, Rejection,
    Settled, Settlement, Submission, Submitted, TaskId, TaskType, Timestamp,
    admin::{Act, Acted, DroneView, Event, Filter, Intake, QueueView, Setting, State, TypeView, Waits},
};

/// 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

macro_rules! id {
    ($type:ident, $text:literal) => {
        $text.parse::<$type>().unwrap()
    };
}

fn block_id() -> BlockId {
    id!(BlockId, "019b7600-0000-7000-8000-000000010000")
}

fn task() -> TaskId {
    block_id().task(0)
}

fn claim() -> ClaimId {
    id!(ClaimId, "11111111-2222-4333-8444-555555555555")
}

fn drone() -> Incarnation {
    id!(Incarnation, "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")
}

fn resize() -> TaskType {
    id!(TaskType, "resize")
}

fn block() -> Block {
    Block {
        id: block_id(),
        queue: "default".parse().unwrap(),
        task_type: resize(),
        priority: Priority::default(),
        due: Due::Now,
        options: Arc::default(),
        payloads: Payloads::new(&["{\"n\":1}", "{\"n\":2}"]),
    }
}

fn later() -> Block {
    let options = Options {
        max_attempts: Some(3),
        unique_key: Some("order-42".into()),
        postback: Some("done".parse().unwrap()),
        ..Options::default()
    };
    let due = Due::In(Duration::from_millis(1_500));
    Block { options: Arc::new(options), due, payloads: Payloads::new(&["{}"]), ..block() }
}

fn facts() -> DroneFacts {
    DroneFacts {
        name: "worker-7".into(),
        host: "east".into(),
        pid: 4711,
        version: "0.1.0".into(),
        started_at: NOW,
        types: vec![resize()],
        hands: 8,
        held: 3,
        running: 2,
        degraded: vec![],
    }
}

fn failure() -> Failure {
    Failure::new(Cause::Failed, "no such picture").detailed(Some("NotFound"), None)
}

fn settlement() -> Settlement {
    let complete = Outcome::Complete { result: Some(Bytes::from("true")), submit: vec![] };
    let retry = Outcome::Retry { failure: failure(), after: Duration::from_secs(2) };
    let endings = [(0, complete), (1, retry)];
    let endings = endings.map(|(ordinal, outcome)| Ending { members: Mask::one(ordinal), outcome });
    Settlement { claim: claim(), block: block_id(), endings: endings.into() }
}

fn rejection() -> Rejection {
    Rejection {
        retry_after: Some(Duration::from_secs(3)),
        ..Rejection::full(Reason::QueueFull, 10_000, 10_000)
    }
}

fn view() -> View {
    View {
        id: task(),
        task_type: resize(),
        queue: "default".parse().unwrap(),
        state: State::Completed,
        priority: Priority::default(),
        run_at: NOW,
        attempts: 1,
        losses: 0,
        interruptions: 0,
        max_attempts: None,
        worker: Some("worker-7".into()),
        error: None,
        result: Some(Bytes::from("true")),
        created_at: NOW,
        finished_at: Some(NOW),
    }
}

/// By name, in the order of the document.
pub fn requests() -> Vec<(&'static str, Request)> {
    let (queue, wait) = ("default".parse().unwrap(), Duration::from_secs(30));
    let setting = Setting::Capacity(Some(10_000));
    let filter = Filter { states: vec![State::Available], limit: 100, ..Filter::default() };
    vec![
        ("hello", Request::Hello(Hello { versions: vec![1], software: "skep 0.1.0".into() })),
        ("ping", Request::Ping),
        ("submit", Request::Submit(Submission { blocks: vec![block()], partial: false })),
        ("pump", {
            let demands = vec![Demand { task_type: resize(), room: 16 }];
            Request::Pump(Pump { drone: drone(), claim: claim(), queue, demands })
        }),
        ("settle", Request::Settle { settlements: vec![settlement()] }),
        ("beat", {
            let (queue, ttl) = ("default".parse().unwrap(), Duration::from_secs(60));
            let held = vec![claim()];
            Request::Beat(Beat { drone: drone(), queue, ttl, held, facts: facts(), leaving: false })
        }),
        ("arrival", Request::Arrival { types: vec![resize()] }),
        ("progress", Request::Progress { notes: vec![progress()] }),
        ("call", Request::Call { block: later(), wait }),
        ("collect", Request::Collect { id: task(), wait }),
        ("forget", Request::Forget { id: 7 }),
        ("status", Request::Status),
        ("queues", Request::Queues),
        ("find", Request::Find(filter)),
        ("task", Request::Task { id: task() }),
        ("act", Request::Act { act: Act::Retry, ids: vec![task()] }),
        ("set", Request::Set { queue: "default".parse().unwrap(), task_type: Some(resize()), setting }),
        ("drones", Request::Drones),
        ("drain", Request::Drain { drone: drone() }),
        ("rescue", Request::Rescue { drone: drone() }),
    ]
}

fn progress() -> Progress {
    let note = Some("pages".to_owned());
    Progress { task: task(), claim: claim(), n: Some(3.0), of: Some(12.0), note, data: None }
}

/// What is said on the way to an answer.
pub fn note() -> Note {
    progress().into()
}

/// By name, in the order of the document.
pub fn replies() -> Vec<(&'static str, Reply)> {
    let heartbeat = Duration::from_secs(2);
    let welcome = Welcome { version: 1, software: "skep 0.1.0".into(), heartbeat };
    let result = Some(Bytes::from("true"));
    let over = End::Over { state: State::Completed, result, error: None, cause: None };
    let mut answers = vec![
        ("welcome", Answer::Welcome(welcome)),
        ("done", Answer::Done),
        ("submitted", Answer::Submitted(vec![Submitted::Accepted, Submitted::Rejected(rejection())])),
        ("claimed", Answer::Claimed(vec![claimed()])),
        ("settled", {
            let settled = Settled { accepted: Mask::first(2), ..Settled::default() };
            Answer::Settled(vec![settled])
        }),
        (
            "orders",
            Answer::Orders(Orders { cancel: vec![task()], paused: vec![resize()], ..Orders::default() }),
        ),
        ("called", Answer::Called { submitted: Submitted::Accepted, end: over }),
        ("collected", Answer::Collected(End::Waiting)),
        ("known", Answer::Known(true)),
    ];
    answers.extend(shown());
    let mut replies = answers.into_iter().map(|(name, answer)| (name, Reply::Ok(answer))).collect::<Vec<_>>();
    let why = "key 0123456789abcdef (viewer) may not submit: it may look at counts and states";
    replies.push(("error", Reply::Error(Error::Refused(why.into()))));
    replies
}

fn claimed() -> Claimed {
    let block = block();
    Claimed {
        claim: claim(),
        block: block.id,
        live: block.mask(),
        queue: block.queue,
        task_type: block.task_type,
        priority: block.priority,
        attempts: 0,
        losses: 0,
        interruptions: 0,
        fence: 1,
        suspect: 0,
        options: block.options,
        created_at: NOW,
        payloads: block.payloads,
    }
}

/// What operators see.
fn shown() -> Vec<(&'static str, Answer)> {
    let event = Event {
        at: NOW,
        cause: Cause::Failed,
        attempts: 1,
        worker: Some("worker-7".into()),
        error: "no such picture".into(),
    };
    let detail = Detail {
        view: view(),
        payload: Bytes::from("{\"n\":1}"),
        content: Content::Json,
        history: vec![event],
    };
    let queue = QueueView {
        name: "default".parse().unwrap(),
        depth: 12,
        capacity: Some(10_000),
        scheduled: 2,
        available: 7,
        claimed: 3,
        paused: false,
        intake: Intake::Open,
        retention: 1_800,
        promote_after: Some(Duration::from_secs(30)),
        waiting_since: Some(NOW),
        waits: Waits { under_1s: 5, under_1m: 2, ..Waits::default() },
        types: vec![TypeView { name: resize(), depth: 12, capacity: None, paused: false, served: true }],
    };
    let drone = DroneView {
        incarnation: drone(),
        queue: "default".parse().unwrap(),
        beat_at: NOW,
        silent: false,
        draining: false,
        facts: facts(),
    };
    vec![
        ("status", Answer::Status(Box::new(status()))),
        ("queues", Answer::Queues(vec![queue])),
        ("found", Answer::Found(vec![view()])),
        ("task", Answer::Task(Some(detail))),
        ("acted", Answer::Acted(vec![Acted::Done, Acted::Unchanged(State::Claimed)])),
        ("drones", Answer::Drones(vec![drone])),
    ]
}

fn status() -> Status {
    let hands = Hands {
        name: "worker-7".into(),
        queue: "default".into(),
        hands: 8,
        assigned: 3,
        run_time: Some(0.25),
    };
    let of =
        TypeLoad { name: "resize".into(), depth: 12, limit: Some(24), bound: Some("3x".into()), hands: 8 };
    let load = Load {
        name: "default".into(),
        depth: 12,
        limit: Some(10_000),
        bound: Some("10000".into()),
        scheduled: 2,
        available: 7,
        claimed: 3,
        hands: 8,
        waiting: Some(0.5),
        mean_wait: None,
        expected_wait: Some(0.25),
        types: vec![of],
    };
    Status {
        started_at: NOW,
        open: true,
        drones: vec![hands],
        queues: vec![load],
        links: 4,
        callers: 1,
        refused: BTreeMap::from([("queue_full".to_owned(), 9)]),
    }
}
