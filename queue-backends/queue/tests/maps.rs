//! What crosses the seam also crosses a socket: each word has named fields, survives the way there and
//! back, and may leave out what it does not say.

use std::{fmt::Debug, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use skep_queue::{
    Beat, Block, Cause, ClaimId, Claimed, Demand, DroneFacts, Error, Failure, Incarnation, Mask, Orders,
    Outcome, Payloads, Priority, Pump, QueueName, Reason, Rejection, Settled, Submission, Submitted, TaskId,
    Timestamp,
    admin::{Act, Acted, Filter, Intake, Setting, State},
    clock::{SystemClock, SystemRandom},
};
use uuid::Uuid;

fn there_and_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(word: &T) -> Value {
    let said = serde_json::to_value(word).expect("it is said");
    let heard: T = serde_json::from_value(said.clone()).unwrap_or_else(|error| panic!("{said}: {error}"));
    assert_eq!(heard, *word);
    said
}

fn block() -> Block {
    let one = Block::one("resize".parse().expect("a name"), "", &SystemClock, &SystemRandom);
    Block { payloads: Payloads::new(&[&b"{}"[..], b"\0\xff"]), ..one }
}

fn claimed(block: &Block) -> Claimed {
    Claimed {
        claim: ClaimId(Uuid::from_u128(7)),
        block: block.id,
        live: Mask::one(1) | Mask::one(127),
        queue: QueueName::default(),
        task_type: block.task_type.clone(),
        priority: Priority::default(),
        attempts: 1,
        losses: 2,
        interruptions: 3,
        fence: 4,
        suspect: 0,
        options: block.options.clone(),
        created_at: Timestamp::from_micros(1),
        payloads: block.payloads.clone(),
    }
}

#[test]
fn what_is_submitted_and_its_answers() {
    let said = there_and_back(&Submission { blocks: vec![block()], partial: true });
    assert!(said["blocks"].is_array() && said["partial"] == json!(true));
    let rejection = Rejection::full(Reason::QueueFull, 10, 10);
    let partly = there_and_back(&Submitted::Partly { accepted: 3, rejection: rejection.clone() });
    assert_eq!(partly["partly"]["accepted"], 3);
    assert_eq!(there_and_back(&Submitted::Accepted), "accepted");
    there_and_back(&Submitted::Skipped { holder: TaskId(Uuid::from_u128(1)) });
    there_and_back(&Submitted::Rejected(rejection));
}

#[test]
fn what_a_drone_says_and_hears() {
    let drone = Incarnation(Uuid::from_u128(9));
    let (queue, block) = (QueueName::default(), block());
    let demands = vec![Demand { task_type: block.task_type.clone(), room: 5 }];
    there_and_back(&Pump { drone, claim: ClaimId(Uuid::from_u128(7)), queue: queue.clone(), demands });
    let said = there_and_back(&claimed(&block));
    assert_eq!((&said["queue"], &said["fence"]), (&json!("default"), &json!(4)));
    let facts = DroneFacts { name: "d".into(), ..DroneFacts::default() };
    there_and_back(&Beat { drone, queue, ttl: Duration::from_secs(60), held: vec![], facts, leaving: false });
    let cancel = vec![TaskId(Uuid::from_u128(3))];
    there_and_back(&Orders { cancel, drain: true, ..Orders::default() });
    there_and_back(&Settled { accepted: Mask::first(128), ..Settled::default() });
    let failure = Failure::new(Cause::Failed, "no luck");
    there_and_back(&Outcome::Retry { failure, after: Duration::from_millis(1500) });
}

#[test]
fn what_an_operator_says_and_hears() {
    for act in [Act::Cancel, Act::Retry, Act::Discard] {
        there_and_back(&act);
    }
    for setting in [
        Setting::Paused(true),
        Setting::Capacity(None),
        Setting::Capacity(Some(5)),
        Setting::Intake(Intake::Draining),
        Setting::Retention(Duration::from_secs(1)),
        Setting::MaxPayload(1024),
        Setting::PromoteAfter(None),
        Setting::PromoteAfter(Some(Duration::from_micros(1_500_001))),
    ] {
        there_and_back(&setting);
    }
    assert_eq!(there_and_back(&Acted::Unchanged(State::Claimed)), json!({"unchanged": "claimed"}));
    assert_eq!(there_and_back(&Acted::NotFound), "not_found");
    there_and_back(&Filter { states: vec![State::Discarded], limit: 3, ..Filter::default() });
    assert_eq!(there_and_back(&Error::Unavailable("away".into())), json!({"unavailable": "away"}));
}

#[test]
fn what_is_not_said_is_nothing() {
    assert_eq!(serde_json::from_value::<Orders>(json!({})).unwrap(), Orders::default());
    assert_eq!(serde_json::from_value::<Filter>(json!({})).unwrap(), Filter::default());
    assert_eq!(serde_json::from_value::<Settled>(json!({})).unwrap(), Settled::default());
    assert_eq!(serde_json::from_value::<Outcome>(json!({"complete": {}})).unwrap(), Outcome::done());
    let rejection = json!({"rejected": {"reason": "draining", "depth": 0, "limit": 0}});
    let rejected = serde_json::from_value::<Submitted>(rejection).unwrap();
    assert_eq!(
        rejected,
        Submitted::Rejected(Rejection { retry_after: None, ..Rejection::invalid(Reason::Draining, "") })
    );
}
