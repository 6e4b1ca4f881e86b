//! The operations, small enough to be read when they have shrunk.

use std::{sync::Arc, time::Duration};

use proptest::{
    bool::weighted,
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
};
use uuid::Uuid;

use crate::{
    Block, BlockId, Cause, Clock, Due, Failure, Options, Outcome, Payloads, Priority, QueueName, TaskType,
    admin::Act,
    block::{OnConflict, OnLost},
    testing::bench::kind,
};

/// An operation, whether its reply is lost and it is asked again, and whether another process does it.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub op: Op,
    pub lost: bool,
    pub other: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Op {
    Submit {
        blocks: Vec<Spec>,
        partial: bool,
    },
    Pump {
        drone: usize,
        rooms: [usize; 3],
    },
    /// Asks again for a claim that is current.
    PumpAgain {
        claim: usize,
    },
    /// Settles tasks that were handed out, however long ago.
    Settle {
        tasks: Vec<usize>,
        how: How,
    },
    /// Settles all that was handed out of one block under one claim.
    SettleBlock {
        task: usize,
        how: How,
    },
    Beat {
        drone: usize,
        list: List,
    },
    /// Dies, and comes back as another incarnation that lists what it had.
    Restart {
        drone: usize,
        list: List,
    },
    Leave {
        drone: usize,
    },
    /// One drone beats for so long, the others are silent.
    Watch {
        drone: usize,
        seconds: u64,
    },
    Act {
        act: Act,
        task: usize,
    },
    Pause {
        task_type: Option<usize>,
        paused: bool,
    },
    Capacity {
        task_type: Option<usize>,
        capacity: Option<u64>,
    },
    Intake {
        open: bool,
    },
    Promote {
        seconds: Option<u64>,
    },
    /// An operator takes a drone for gone. It goes on, and does not know.
    Rescue {
        drone: usize,
    },
    Pass {
        seconds: u64,
    },
    StepWall {
        seconds: i64,
    },
}

/// A block: everything follows from the number, unless it is twisted.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub number: u16,
    pub twist: Twist,
    pub due: When,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Twist {
    None,
    Payload,
    Longer,
    Type,
    NotJson,
}

#[derive(Debug, Clone)]
pub(super) enum When {
    Now,
    In(u64),
    Past(u64),
}

#[derive(Debug, Clone)]
pub(super) enum How {
    Complete,
    CompleteWith(u16),
    Retry(u64),
    Discard,
    Cancel,
    Snooze(u64),
    Release,
    Interrupt,
}

#[derive(Debug, Clone)]
pub(super) enum List {
    All,
    None,
    EveryOther,
}

pub(super) const TYPES: [&str; 3] = ["a", "b", "post"];
pub(super) const QUEUES: [&str; 2] = ["default", "forgetful"];
const NUMBERS: u16 = 56;

impl Spec {
    pub(super) fn plain(number: u16) -> Self {
        Self { number, twist: Twist::None, due: When::Now }
    }

    /// There are fourteen kinds of block.
    fn class(&self) -> usize {
        usize::from(self.number % 14)
    }

    fn key(&self) -> Option<String> {
        (self.class() < 4).then(|| format!("k{}", self.class() % 2))
    }

    pub(super) fn block(&self, clock: &dyn Clock) -> Block {
        let (class, number) = (self.class(), self.number);
        let members =
            [1, 1, 1, 1, 2, 3, 5, 9, 1, 1, 1, 1, 3, 2][class] + usize::from(self.twist == Twist::Longer);
        let payload = |member| match self.twist {
            Twist::Payload => format!("\"other {member}\""),
            Twist::NotJson => "not json".to_owned(),
            _ => format!("[{number},{member}]"),
        };
        let payloads: Vec<String> = (0..members).map(payload).collect();
        let task_type = if self.twist == Twist::Type { "b" } else { TYPES[class % 2] };
        Block {
            id: BlockId(Uuid::from_u128(
                0x018f_0000_0000_7000_8000_0000_0000_0000 | u128::from(number) << 16,
            )),
            queue: queue(usize::from(class >= 11)),
            task_type: kind(task_type),
            priority: Priority::try_from((class * 7 % 5) as u8 + 1).expect("1 to 5"),
            due: match self.due {
                When::Now => Due::Now,
                When::In(seconds) => Due::In(Duration::from_secs(seconds)),
                When::Past(seconds) => Due::At(clock.now() - Duration::from_secs(seconds)),
            },
            options: Arc::new(self.options()),
            payloads: Payloads::new(&payloads),
        }
    }

    fn options(&self) -> Options {
        use OnConflict::{Reject, Replace, Skip};
        let class = self.class();
        Options {
            unique_key: self.key(),
            on_conflict: [Reject, Skip, Replace, Replace].get(class).copied().unwrap_or_default(),
            postback: (class % 3 == 2).then(|| kind("post")),
            on_lost: if class % 5 == 4 { OnLost::Fail } else { OnLost::Retry },
            ..Options::default()
        }
    }
}

impl How {
    pub(super) fn outcome(&self, clock: &dyn Clock) -> Outcome {
        let failure = |cause| Failure::new(cause, format!("told: {cause:?}"));
        let after = |seconds: u64| Duration::from_secs(seconds);
        match self {
            Self::Complete => Outcome::done(),
            Self::CompleteWith(number) => {
                let result = Some(bytes::Bytes::from(format!("{{\"next\": {number}}}")));
                Outcome::Complete { result, submit: vec![Spec::plain(*number).block(clock)] }
            }
            Self::Retry(seconds) => Outcome::Retry {
                failure: Failure { suspect: (*seconds % 3) as u8, ..failure(Cause::Exited) },
                after: after(*seconds),
            },
            Self::Discard => Outcome::Discard { failure: failure(Cause::TimedOut) },
            Self::Cancel => Outcome::Cancel { failure: failure(Cause::Cancelled) },
            Self::Snooze(seconds) => Outcome::Snooze { after: after(*seconds) },
            Self::Release => Outcome::Release,
            Self::Interrupt => Outcome::Interrupt,
        }
    }
}

pub(super) fn queue(index: usize) -> QueueName {
    QUEUES[index].parse().expect("a name")
}

pub(super) fn types() -> Vec<TaskType> {
    TYPES.iter().map(|name| kind(name)).collect()
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let (lost, other) = (weighted(0.15), weighted(0.3));
    (op(), lost, other).prop_map(|(op, lost, other)| Step { op, lost, other })
}

fn op() -> impl Strategy<Value = Op> {
    let list = || prop_oneof![4 => Just(List::All), 1 => Just(List::None), 1 => Just(List::EveryOther)];
    let act = prop_oneof![Just(Act::Cancel), Just(Act::Retry), Just(Act::Discard)];
    let of_type = || prop_oneof![Just(None), (0..2usize).prop_map(Some)];
    let capacity = prop_oneof![Just(None), (0..24u64).prop_map(Some)];
    let promote = prop_oneof![1 => Just(None), 3 => (1..40u64).prop_map(Some)];
    prop_oneof![
        10 => (vec(spec(), 1..4), any::<bool>()).prop_map(|(blocks, partial)| Op::Submit { blocks, partial }),
        9 => (0..3usize, [0..7usize, 0..7, 0..3]).prop_map(|(drone, rooms)| Op::Pump { drone, rooms }),
        2 => (0..8usize).prop_map(|claim| Op::PumpAgain { claim }),
        9 => (vec(0..24usize, 1..4), how()).prop_map(|(tasks, how)| Op::Settle { tasks, how }),
        4 => (0..24usize, how()).prop_map(|(task, how)| Op::SettleBlock { task, how }),
        4 => (0..3usize, list()).prop_map(|(drone, list)| Op::Beat { drone, list }),
        1 => (0..3usize, list()).prop_map(|(drone, list)| Op::Restart { drone, list }),
        1 => (0..3usize).prop_map(|drone| Op::Leave { drone }),
        2 => (0..3usize, 5..10u64).prop_map(|(drone, tens)| Op::Watch { drone, seconds: tens * 10 }),
        5 => (act, 0..64usize).prop_map(|(act, task)| Op::Act { act, task }),
        2 => (of_type(), any::<bool>()).prop_map(|(task_type, paused)| Op::Pause { task_type, paused }),
        2 => (of_type(), capacity).prop_map(|(task_type, capacity)| Op::Capacity { task_type, capacity }),
        1 => any::<bool>().prop_map(|open| Op::Intake { open }),
        2 => promote.prop_map(|seconds| Op::Promote { seconds }),
        1 => (0..3usize).prop_map(|drone| Op::Rescue { drone }),
        4 => (1..40u64).prop_map(|seconds| Op::Pass { seconds }),
        2 => (-3600..3600i64).prop_map(|seconds| Op::StepWall { seconds }),
    ]
}

fn spec() -> impl Strategy<Value = Spec> {
    let twist = prop_oneof![
        20 => Just(Twist::None),
        1 => Just(Twist::Payload),
        1 => Just(Twist::Longer),
        1 => Just(Twist::Type),
        1 => Just(Twist::NotJson),
    ];
    let due = prop_oneof![
        4 => Just(When::Now),
        1 => (0..60u64).prop_map(When::In),
        1 => (0..60u64).prop_map(When::Past),
    ];
    (0..NUMBERS, twist, due).prop_map(|(number, twist, due)| Spec { number, twist, due })
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Complete),
        2 => (0..NUMBERS).prop_map(How::CompleteWith),
        3 => (0..30u64).prop_map(How::Retry),
        1 => Just(How::Discard),
        1 => Just(How::Cancel),
        1 => (0..30u64).prop_map(How::Snooze),
        2 => Just(How::Release),
        1 => Just(How::Interrupt),
    ]
}
