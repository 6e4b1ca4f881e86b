//! Servers that cannot do what they are asked: a hot standby, which only reads, one that stands still, and one
//! where somebody makes room for the tasks of another day.

mod fixture;

use std::time::Duration;

use fixture::{connection_to, queue, run};
use skep_pgserver::Server;
use skep_postgres::{Config, PgQueue, operate, schema};
use skep_queue::{
    Admin, Beat, Block, ClaimId, Clock, Demand, DroneFacts, Ending, Error, Incarnation, Outcome, Pump, Queue,
    QueueName, Result, Settlement, Submission, Submitted, TaskType,
    admin::{Act, Setting, State},
    clock::{SystemClock, SystemRandom},
    health::Verdict,
    testing::TestClock,
};

const DATABASE: &str = "postgres";
/// How long anything may take that is waited for.
const BOUND: Duration = Duration::from_secs(30);

fn task_type() -> TaskType {
    "mail".parse().expect("a type")
}

fn one() -> Block {
    Block::one(task_type(), "1", &SystemClock, &SystemRandom)
}

async fn submitted(queue: &PgQueue, block: Block) -> Result<Submitted> {
    queue.submit(Submission::whole(vec![block])).await.map(|answers| answers.into_iter().next().expect("one"))
}

fn pump(drone: Incarnation, claim: ClaimId) -> Pump {
    Pump {
        drone,
        claim,
        queue: QueueName::default(),
        demands: vec![Demand { task_type: task_type(), room: 1 }],
    }
}

fn beat(drone: Incarnation, leaving: bool) -> Beat {
    let (ttl, held, facts) = (Duration::from_secs(60), Vec::new(), DroneFacts::default());
    Beat { drone, queue: QueueName::default(), ttl, held, facts, leaving }
}

fn done(claim: ClaimId, block: &Block) -> Settlement {
    Settlement {
        claim,
        block: block.id,
        endings: vec![Ending { members: block.mask(), outcome: Outcome::done() }],
    }
}

/// What is asked of a queue, again and again under the same ids.
struct Asked {
    new: Block,
    claim: ClaimId,
}

impl Asked {
    fn new() -> Self {
        Self { new: one(), claim: ClaimId::new(&SystemRandom) }
    }

    /// What every call says, each with its name: all at once.
    async fn all(&self, place: &Place, queue: &PgQueue) -> Vec<(&'static str, Result<()>)> {
        let (drone, task, capacity) = (place.drone, place.held.id.task(0), Setting::Capacity(Some(7)));
        let (other, others) = (Incarnation::new(&SystemRandom), ClaimId::new(&SystemRandom));
        // Of what a standby that lags has not heard of it must not say that it is gone.
        let of_another = vec![done(others, &one())];
        let answers = tokio::join!(
            submitted(queue, self.new.clone()),
            queue.pump(pump(drone, self.claim)),
            queue.settle(vec![done(place.claim, &place.held)]),
            queue.settle(of_another),
            queue.beat(beat(drone, false)),
            queue.beat(beat(other, true)),
            queue.act(Act::Retry, vec![task]),
            queue.set(QueueName::default(), None, capacity),
            queue.drain(drone),
        );
        vec![
            ("submit", answers.0.map(drop)),
            ("pump", answers.1.map(drop)),
            ("settle", answers.2.map(drop)),
            ("settle of another", answers.3.map(drop)),
            ("beat", answers.4.map(drop)),
            ("goodbye", answers.5.map(drop)),
            ("act", answers.6.map(drop)),
            ("set", answers.7),
            ("drain", answers.8.map(drop)),
        ]
    }
}

/// A bounded queue on a server of its own, with one task that waits and one that a drone holds.
struct Place {
    server: Server,
    queue: PgQueue,
    waits: Block,
    held: Block,
    drone: Incarnation,
    claim: ClaimId,
}

impl Place {
    async fn new(parameters: &str) -> Self {
        let server = Server::start(&["fsync = off"]).expect("a server");
        let url = server.url(DATABASE);
        schema::up(&mut connection_to(&url).await, "skep").await.expect("up");
        let queue = queue(&format!("{url}{parameters}"), &TestClock::new());
        queue.set(QueueName::default(), None, Setting::Capacity(Some(100))).await.expect("a capacity");
        let (held, waits) = (one(), one());
        let (drone, claim) = (Incarnation::new(&SystemRandom), ClaimId::new(&SystemRandom));
        assert_eq!(submitted(&queue, held.clone()).await.expect("it is taken"), Submitted::Accepted);
        assert_eq!(queue.pump(pump(drone, claim)).await.expect("it is claimed").len(), 1);
        assert_eq!(submitted(&queue, waits.clone()).await.expect("it is taken"), Submitted::Accepted);
        Self { server, queue, waits, held, drone, claim }
    }
}

async fn state(queue: &PgQueue, block: &Block) -> State {
    queue.task(block.id.task(0)).await.expect("it answers").expect("it is there").view.state
}

/// Waits until a number on a server is this.
async fn reaches(url: &str, sql: &'static str, wanted: i64) {
    let mut connection = connection_to(url).await;
    for _ in 0..BOUND.as_millis() / 10 {
        let number: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a number");
        if number == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {wanted}: {sql}");
}

#[tokio::test]
async fn a_hot_standby_says_so_and_a_promoted_one_goes_on() {
    let mut place = Place::new("").await;
    let standby = Server::standby_of(&place.server).expect("a standby");
    let (url, bare) = (standby.url(DATABASE), standby.url("template1"));
    let there = "select count(*) from skep.tasks where held = (claim is not null)";
    reaches(&url, there, 2).await;
    let there = queue(&url, &TestClock::new());
    let asked = Asked::new();
    for (what, answer) in asked.all(&place, &there).await {
        let told = matches!(&answer, Err(Error::Unavailable(why)) if why.contains("name the primary, or promote it"));
        assert!(told, "{what}: {answer:?}");
    }
    // It may be looked at.
    assert!(there.task(place.held.id.task(0)).await.expect("it answers").is_some());
    assert_eq!(there.queues().await.expect("it answers").len(), 1);
    assert_eq!(there.drones().await.expect("it answers").len(), 1);
    let up = operate::up(&Config::new(&bare)).await.expect_err("nothing can be set up");
    assert!(up.to_string().contains("name the primary, or promote it"), "{up}");
    assert!(operate::up(&Config::new(&url)).await.is_ok_and(|done| done.is_empty()), "nothing is to be done");
    assert!(operate::status(&Config::new(&url)).await.expect("it is read").is_good());
    let found = operate::doctor(&Config::new(&url), &SystemClock).await.expect("it looks");
    let bad: Vec<_> = found.iter().filter(|finding| finding.verdict == Verdict::Bad).collect();
    assert!(bad.iter().any(|finding| finding.words.contains("it is a standby, and read-only")), "{found:#?}");
    assert!(found.iter().all(|finding| !finding.words.contains("cannot look")), "{found:#?}");
    // Nothing of that reached the primary. When it is gone for good, the same queue goes on with all there was.
    assert_eq!(state(&place.queue, &place.held).await, State::Claimed);
    assert_eq!(place.queue.queues().await.expect("it answers")[0].depth, 2);
    place.server.stop();
    standby.promote().expect("it is told");
    reaches(&url, "select pg_is_in_recovery()::int::bigint", 0).await;
    for (what, answer) in asked.all(&place, &there).await {
        assert!(answer.is_ok(), "{what}: {answer:?}");
    }
    assert_eq!(state(&there, &place.held).await, State::Completed);
    let claimed = there.pump(pump(place.drone, asked.claim)).await.expect("the same again");
    assert_eq!(claimed.iter().map(|claimed| claimed.block).collect::<Vec<_>>(), [place.waits.id]);
}

#[tokio::test]
async fn a_server_that_stands_still_is_given_up_in_time_and_goes_on() {
    let place = Place::new("&answer_timeout=1&connect_timeout=1").await;
    let clock = SystemClock;
    // The first time on connections that were there; then no new one can be had either.
    place.queue.beat(beat(place.drone, false)).await.expect("it is heard");
    for _ in 0..2 {
        let asked = Asked::new();
        place.server.freeze();
        let begun = clock.elapsed();
        let answers = asked.all(&place, &place.queue).await;
        let took = clock.elapsed().saturating_sub(begun);
        for (what, answer) in answers {
            let words = ["no answer for 1 s", "no connection within 1 s", "every connection is busy for 1 s"];
            let told = |why: &str| words.iter().any(|words| why.contains(words));
            assert!(matches!(&answer, Err(Error::Unavailable(why)) if told(why)), "{what}: {answer:?}");
        }
        assert!(took < Duration::from_secs(3), "{took:?}");
        let config = Config::new(format!("{}&connect_timeout=1", place.server.url(DATABASE)));
        let looked = operate::doctor(&config, &clock).await.expect_err("it cannot be asked").to_string();
        assert!(looked.contains("no connection within 1 s"), "{looked}");
        place.server.thaw();
        // What it had heard it may do now: asked again under the same ids, it is there once.
        for (what, answer) in asked.all(&place, &place.queue).await {
            assert!(answer.is_ok(), "{what}: {answer:?}");
        }
        assert_eq!(place.queue.pump(pump(place.drone, asked.claim)).await.expect("the same").len(), 1);
    }
    assert_eq!(state(&place.queue, &place.held).await, State::Completed);
    assert_eq!(place.queue.queues().await.expect("it answers")[0].depth, 3);
}

#[tokio::test]
async fn an_ending_that_meets_the_making_of_its_day_is_taken() {
    let place = Place::new("").await;
    let url = place.server.url(DATABASE);
    let mut other = connection_to(&url).await;
    run(&mut other, "begin; select skep.maintain()").await;
    let made = async {
        reaches(&url, "select count(*) from pg_stat_activity where wait_event_type = 'Lock'", 1).await;
        run(&mut other, "commit").await;
    };
    let (settled, ()) = tokio::join!(place.queue.settle(vec![done(place.claim, &place.held)]), made);
    assert_eq!(settled.expect("it is taken")[0].accepted, place.held.mask());
    assert_eq!(state(&place.queue, &place.held).await, State::Completed);
}
