//! Claims do not wait for the disk. A crash of the server undoes those that had not reached it, and then they are
//! their drones' again before anything is handed out to others.

mod fixture;
#[path = "crash/lazily.rs"]
mod lazily;

use std::{process::Command, time::Duration};

use fixture::{connection_to, queue, run};
use skep_pgserver::{Pooler, Server};
use skep_postgres::{PgQueue, schema};
use skep_queue::{
    Admin, Beat, Block, BlockId, ClaimId, Claimed, Demand, DroneFacts, Ending, Error, Incarnation, Mask,
    Orders, Outcome, Pump, Queue, QueueName, Result, Settled, Settlement, Submission, Submitted,
    admin::{Act, Acted, State},
    block,
    clock::{SystemClock, SystemRandom},
    testing::TestClock,
};
use sqlx::{AssertSqlSafe, PgConnection};

const DATABASE: &str = "postgres";
/// Nothing of the log reaches the disk but by a commit that waits for it.
const SETTINGS: [&str; 5] = [
    "fsync = off",
    "restart_after_crash = on",
    "autovacuum = off",
    "bgwriter_lru_maxpages = 0",
    "checkpoint_timeout = 1d",
];

/// A server that is made to crash.
struct Place {
    server: Server,
}

/// A drone in a process of its own.
struct Drone {
    queue: PgQueue,
    incarnation: Incarnation,
}

impl Place {
    async fn new() -> Self {
        let server = Server::start(&SETTINGS).expect("a server");
        schema::up(&mut connection_to(&server.url(DATABASE)).await, "skep").await.expect("up");
        Self { server }
    }

    /// A drone that has beaten, with a lease of a minute.
    async fn drone(&self) -> Drone {
        Drone::start(&self.server.url(DATABASE)).await
    }

    async fn submit(&self, tasks: usize) -> Block {
        let block = block(tasks);
        let queue = queue(&self.server.url(DATABASE), &TestClock::new());
        let answers = queue.submit(Submission::whole(vec![block.clone()])).await.expect("an answer");
        assert_eq!(answers, [Submitted::Accepted]);
        block
    }

    /// From now on nobody but a commit writes the log: the process that does it now and then stands still.
    fn hold_the_log(&self) {
        self.signal_log_writer("STOP");
    }

    /// The server loses a process, throws all others out, and recovers from what is on disk.
    async fn crash(&self) -> PgConnection {
        let recovered = || self.server.log().matches("ready to accept connections").count();
        let before = recovered();
        self.signal_log_writer("KILL");
        for _ in 0..3000 {
            if recovered() > before {
                return connection_to(&self.server.url(DATABASE)).await;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server does not come back");
    }

    fn signal_log_writer(&self, signal: &str) {
        let sql = "select pid from pg_stat_activity where backend_type = 'walwriter'";
        let pid = self.server.sql(DATABASE, sql).expect("it answers");
        let sent = Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("kill runs");
        assert!(sent.success());
    }
}

impl Drone {
    async fn start(url: &str) -> Self {
        let drone =
            Self { queue: queue(url, &TestClock::new()), incarnation: Incarnation::new(&SystemRandom) };
        drone.beat(&[]).await;
        drone
    }

    fn pump(&self, claim: ClaimId, room: usize) -> Pump {
        let demands = vec![Demand { task_type: "mail".parse().expect("a type"), room }];
        Pump { drone: self.incarnation, claim, queue: QueueName::default(), demands }
    }

    async fn claim(&self, room: usize) -> Result<Vec<Claimed>> {
        self.queue.pump(self.pump(ClaimId::new(&SystemRandom), room)).await
    }

    /// One row, under a claim that is now only in memory.
    async fn take(&self, room: usize) -> Claimed {
        self.claim(room).await.expect("an answer").pop().expect("a row")
    }

    async fn beat(&self, held: &[ClaimId]) -> Orders {
        let beat = Beat {
            drone: self.incarnation,
            queue: QueueName::default(),
            ttl: Duration::from_secs(60),
            held: held.to_vec(),
            facts: DroneFacts::default(),
            leaving: false,
        };
        self.queue.beat(beat).await.expect("it is heard")
    }

    async fn complete(&self, claimed: &Claimed, members: Mask) -> Settled {
        self.queue.settle(vec![done(claimed, members)]).await.expect("an answer").pop().expect("one")
    }

    /// It must not claim yet.
    async fn waits(&self) {
        let answer = self.claim(100).await;
        let waits = |why: &str| why.contains("before every drone has said what it holds: 1 have not");
        assert!(matches!(&answer, Err(Error::Unavailable(why)) if waits(why)), "{answer:?}");
    }

    async fn state(&self, block: &Block, ordinal: u8) -> State {
        let detail = self.queue.task(block.id.task(ordinal)).await.expect("an answer");
        detail.expect("it is kept").view.state
    }
}

fn done(claimed: &Claimed, members: Mask) -> Settlement {
    let endings = vec![Ending { members, outcome: Outcome::done() }];
    Settlement { claim: claimed.claim, block: claimed.block, endings }
}

fn block(tasks: usize) -> Block {
    let like = Block::one("mail".parse().expect("a type"), "1", &SystemClock, &SystemRandom);
    block::pack(&like, &vec!["1"; tasks], || BlockId::new(&SystemClock, &SystemRandom)).remove(0)
}

async fn number(own: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(own).await.expect("a number")
}

/// The claims that the server knows.
async fn claims(own: &mut PgConnection) -> i64 {
    number(own, "select count(*) from skep.claims").await
}

#[tokio::test]
async fn whoever_reports_first_is_believed_and_nothing_is_handed_out_before() {
    let place = Place::new().await;
    let (one, two) = (place.drone().await, place.drone().await);
    let block = place.submit(1).await;
    place.hold_the_log();
    let task = one.take(1).await;
    let mut own = place.crash().await;
    assert_eq!(claims(&mut own).await, 0, "the crash undid the claim");
    assert_eq!(number(&mut own, "select count(*) from skep.tasks where not held and fence = 0").await, 1);
    two.waits().await;
    assert_eq!(one.complete(&task, task.live).await.accepted, task.live, "its outcome is not dropped");
    assert_eq!(two.claim(1).await, Ok(vec![]), "it is not run twice, and nobody is waited for any more");
    assert_eq!(one.state(&block, 0).await, State::Completed);
    assert_eq!(number(&mut own, "select count(*) from skep.recovery where over").await, 1);
}

#[tokio::test]
async fn a_beat_takes_back_what_is_held() {
    let place = Place::new().await;
    let (one, two) = (place.drone().await, place.drone().await);
    place.submit(3).await;
    place.submit(1).await;
    place.hold_the_log();
    let (first, second) = (one.take(3).await, one.take(1).await);
    let mut own = place.crash().await;
    assert_eq!(claims(&mut own).await, 0, "the crash undid the claims");
    two.waits().await;
    assert!(one.beat(&[first.claim, second.claim]).await.lost.is_empty(), "what it holds is not lost");
    assert_eq!(claims(&mut own).await, 2);
    let there = one.queue.pump(one.pump(first.claim, 0)).await.expect("an answer");
    assert_eq!(there, std::slice::from_ref(&first), "as it was handed out");
    assert_eq!(two.claim(10).await, Ok(vec![]));
    for task in [first, second] {
        assert_eq!(one.complete(&task, task.live).await.accepted, task.live);
    }
    assert_eq!(claims(&mut own).await, 0);
}

#[tokio::test]
async fn whoever_never_comes_back_is_waited_for_as_long_as_his_lease() {
    let place = Place::new().await;
    let (one, two) = (place.drone().await, place.drone().await);
    place.submit(1).await;
    place.hold_the_log();
    let task = one.take(1).await;
    let mut own = place.crash().await;
    two.waits().await;
    let asked = two.queue.pump(Pump { demands: vec![], ..two.pump(ClaimId::new(&SystemRandom), 0) }).await;
    assert_eq!(asked, Ok(vec![]), "what is left of a claim is answered");
    run(&mut own, "update skep.recovery set since = since - interval '50 seconds'").await;
    two.waits().await;
    run(&mut own, "update skep.recovery set since = since - interval '10 seconds'").await;
    let again = two.take(1).await;
    assert_eq!((again.block, again.fence), (task.block, task.fence), "as if it had never been handed out");
    // He does come back, too late: he may go on, but the task is another's.
    let late = one.complete(&task, task.live).await;
    assert_eq!((late.accepted, late.stale), (Mask::EMPTY, task.live));
    assert_eq!(one.beat(&[task.claim]).await.lost, [task.claim]);
    assert_eq!(two.complete(&again, again.live).await.accepted, again.live);
    assert_eq!(one.claim(1).await, Ok(vec![]));
}

#[tokio::test]
async fn what_was_cancelled_meanwhile_stays_so() {
    let place = Place::new().await;
    let (one, two) = (place.drone().await, place.drone().await);
    let block = place.submit(2).await;
    place.hold_the_log();
    let task = one.take(2).await;
    let mut own = place.crash().await;
    let acted = two.queue.act(Act::Cancel, vec![block.id.task(0)]).await.expect("an answer");
    assert_eq!(acted, [Acted::Done]);
    let settled = one.complete(&task, task.live).await;
    assert_eq!((settled.accepted, settled.stale), (Mask::one(1), Mask::one(0)));
    assert_eq!(one.state(&block, 0).await, State::Cancelled);
    assert_eq!(one.state(&block, 1).await, State::Completed);
    assert_eq!(claims(&mut own).await, 0);
}

#[tokio::test]
async fn of_a_block_only_the_part_that_was_handed_out_is_taken_back() {
    let place = Place::new().await;
    let (one, two) = (place.drone().await, place.drone().await);
    place.submit(10).await;
    place.hold_the_log();
    let part = one.take(3).await;
    let mut own = place.crash().await;
    assert_eq!(number(&mut own, "select n::bigint from skep.tasks").await, 10, "not split any more");
    let first = part.live.take(1);
    assert_eq!(one.complete(&part, first).await.accepted, first);
    let rest = two.take(100).await;
    assert_eq!((rest.live.len(), rest.live & part.live), (7, Mask::EMPTY));
    let others = part.live - first;
    assert_eq!(one.complete(&part, others).await.accepted, others);
    assert_eq!(two.complete(&rest, rest.live).await.accepted, rest.live);
    assert_eq!(number(&mut own, "select count(*) from skep.tasks").await, 0);
}

#[tokio::test]
async fn a_claim_is_on_disk_after_the_next_beat_or_when_its_url_says_so() {
    let place = Place::new().await;
    let url = format!("{}&claims=durable", place.server.url(DATABASE));
    let (one, two) = (place.drone().await, Drone::start(&url).await);
    for _ in 0..3 {
        place.submit(1).await;
    }
    place.hold_the_log();
    let second = two.take(1).await;
    let first = one.take(1).await;
    one.beat(&[first.claim]).await;
    let third = one.take(1).await;
    let mut own = place.crash().await;
    assert_eq!(claims(&mut own).await, 2, "one of three was undone");
    for (drone, task) in [(&one, third), (&two, second), (&one, first)] {
        assert_eq!(drone.complete(&task, task.live).await.accepted, task.live);
    }
}

#[tokio::test]
async fn what_was_taken_back_outlives_the_next_crash() {
    let place = Place::new().await;
    let one = place.drone().await;
    place.submit(1).await;
    place.hold_the_log();
    let task = one.take(1).await;
    let mut own = place.crash().await;
    place.hold_the_log();
    assert_eq!(claims(&mut own).await, 0, "the crash undid the claim");
    assert!(one.beat(&[task.claim]).await.lost.is_empty());
    let mut own = place.crash().await;
    assert_eq!(claims(&mut own).await, 1, "it was on disk when the beat was heard");
    assert_eq!(one.complete(&task, task.live).await.accepted, task.live);
}

/// Asks until there is an answer that says something else than that the pooler has lost the server.
async fn answered<T, F: Future<Output = Result<T>>>(mut ask: impl FnMut() -> F) -> Result<T> {
    for _ in 0..600 {
        match ask().await {
            Err(Error::Unavailable(why)) if !why.contains("what it holds") => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answer => return answer,
        }
    }
    panic!("the pooler does not find the server again");
}

#[tokio::test]
async fn behind_a_pooler_it_is_the_same() {
    let place = Place::new().await;
    let Some(pooler) = Pooler::start(&place.server, &[], &["postgres"]).expect("it starts") else {
        return fixture::skipped("a crash behind a pooler: no pgbouncer");
    };
    let url = format!("{}&pooler=transaction", pooler.url_as("postgres", DATABASE));
    let (one, two) = (Drone::start(&url).await, Drone::start(&url).await);
    place.submit(2).await;
    place.hold_the_log();
    let task = one.take(1).await;
    let mut own = place.crash().await;
    assert_eq!(claims(&mut own).await, 0, "the crash undid the claim");
    let early = answered(|| two.claim(2)).await;
    assert!(matches!(&early, Err(Error::Unavailable(why)) if why.contains("1 have not")), "{early:?}");
    let settled = answered(|| one.queue.settle(vec![done(&task, task.live)])).await.expect("an answer");
    assert_eq!(settled[0].accepted, task.live);
    let rest = answered(|| two.claim(2)).await.expect("an answer");
    assert_eq!(rest.iter().map(|row| row.live.len()).sum::<usize>(), 1);
}
