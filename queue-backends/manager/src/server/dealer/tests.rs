//! Dealing, without a server: drones that a test moves, and fleets in a time that is its own.

mod counts;
mod fleet;

use std::time::Duration;

use skep_queue::{
    Beat, BlockId, ClaimId, Claimed, Demand, DroneFacts, Incarnation, MAX_BLOCK, Mask, Orders, Payloads,
    Priority, Pump, QueueName, Reason, Rejection, Submitted, TaskType, Timestamp,
};
use tokio::sync::oneshot::Receiver;
use uuid::Uuid;

use super::{
    Flow,
    ledger::Ended,
    table::{PATIENCE, Table},
};

fn kind() -> TaskType {
    "a".parse().unwrap()
}

fn drone(n: u128) -> Incarnation {
    Incarnation(Uuid::from_u128(n))
}

fn claim(n: u128) -> ClaimId {
    ClaimId(Uuid::from_u128(n))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// So many tasks of a claim.
fn tasks(claim: ClaimId, n: usize) -> Vec<Claimed> {
    let block = |size: usize| Claimed {
        claim,
        block: BlockId(Uuid::nil()),
        live: Mask::first(size),
        queue: QueueName::default(),
        task_type: kind(),
        priority: Priority::default(),
        attempts: 0,
        losses: 0,
        interruptions: 0,
        fence: 1,
        suspect: 0,
        options: Default::default(),
        created_at: Timestamp::default(),
        payloads: Payloads::new(&[""; 0]),
    };
    (0..n.div_ceil(MAX_BLOCK)).map(|i| block((n - i * MAX_BLOCK).min(MAX_BLOCK))).collect()
}

fn beat(of: Incarnation, hands: usize, held: &[ClaimId]) -> Beat {
    let facts = DroneFacts { name: of.to_string(), types: vec![kind()], hands, ..DroneFacts::default() };
    let (queue, ttl, held) = (QueueName::default(), ms(60_000), held.to_vec());
    Beat { drone: of, queue, ttl, held, facts, leaving: false }
}

/// An open table at which drones of so many hands have beaten.
fn table(hands: &[usize]) -> Table {
    let mut table = Table::default();
    table.open = true;
    for (i, &hands) in hands.iter().enumerate() {
        let turn = table.ledger.next_turn();
        table.ledger.beaten(&beat(drone(i as u128), hands, &[]), &Orders::default(), turn, ms(0));
    }
    table
}

fn wait(table: &mut Table, of: u128) -> Receiver<()> {
    table.wait(drone(of), &[kind()]).1
}

fn came(table: &mut Table, tasks: usize, now: Duration) {
    table.came(&(QueueName::default(), kind()), tasks);
    table.deal(now);
}

/// A task is being submitted; whether it counts as come.
fn expects(table: &mut Table, now: Duration) -> bool {
    let expected = table.expects(&[((QueueName::default(), kind()), 1)]);
    table.deal(now);
    expected
}

fn arrived(table: &mut Table, answer: Submitted, counted: bool, now: Duration) {
    table.arrived(&[((QueueName::default(), kind()), 1)], &[answer], counted);
    table.deal(now);
}

/// A drone with this room pumps; the queue has this many. Answers how many it got.
fn pump(table: &mut Table, of: u128, id: u128, room: usize, there: usize, now: Duration) -> usize {
    let demands = vec![Demand { task_type: kind(), room }];
    let mut pump = Pump { drone: drone(of), claim: claim(id), queue: QueueName::default(), demands };
    let grant = table.grant(&mut pump);
    let given = pump.demands.first().map_or(0, |demand| demand.room).min(there);
    table.handed(&grant, Some(&tasks(claim(id), given)), now);
    table.deal(now);
    given
}

fn end(table: &mut Table, id: u128, runs: usize, now: Duration) {
    table.ledger.end(None, &[Ended { claim: claim(id), tasks: runs, runs }], now);
    table.deal(now);
}

fn assigned(table: &Table) -> Vec<usize> {
    table.ledger.hands().iter().map(|row| row.assigned).collect()
}

fn is_told(woken: &mut Receiver<()>) -> bool {
    woken.try_recv().is_ok()
}

#[test]
fn a_small_burst_is_shared_by_those_that_idle() {
    let mut table = table(&[5, 5]);
    let (mut a, mut b) = (wait(&mut table, 0), wait(&mut table, 1));
    came(&mut table, 10, ms(0));
    assert!(is_told(&mut a) && is_told(&mut b), "ten tasks are more than five hands");
    assert_eq!(pump(&mut table, 0, 1, 100, 10, ms(1)), 5);
    assert_eq!(pump(&mut table, 1, 2, 100, 5, ms(1)), 5);
    assert_eq!(assigned(&table), [5, 5]);
}

#[test]
fn one_task_wakes_one_drone_the_most_available() {
    let mut table = table(&[2, 8, 4]);
    let mut waits: Vec<_> = (0..3).map(|of| wait(&mut table, of)).collect();
    came(&mut table, 1, ms(0));
    assert_eq!(waits.iter_mut().map(is_told).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(pump(&mut table, 1, 1, 8, 1, ms(1)), 1);
    assert_eq!(waits.iter_mut().map(is_told).collect::<Vec<_>>(), [false; 3], "there was no more");
}

#[test]
fn who_was_told_and_does_not_come_makes_way() {
    let mut table = table(&[8, 4]);
    let (mut a, mut b) = (wait(&mut table, 0), wait(&mut table, 1));
    came(&mut table, 1, ms(0));
    assert!(is_told(&mut a));
    assert_eq!(table.late(ms(1)), Some(PATIENCE));
    assert!(!is_told(&mut b));
    table.late(PATIENCE);
    assert!(is_told(&mut b));
    assert_eq!(pump(&mut table, 1, 1, 100, 100, PATIENCE), 4, "the first may have room soon");
}

#[test]
fn a_word_that_its_drone_did_not_hear_is_over_when_it_waits_again() {
    let mut table = table(&[2]);
    // It stopped waiting to pump for other room, and the word crossed with that.
    let mut unheard = wait(&mut table, 0);
    came(&mut table, 1, ms(0));
    assert!(is_told(&mut unheard));
    let mut again = wait(&mut table, 0);
    table.deal(ms(1));
    assert!(is_told(&mut again), "at once, not when it is late");
}

#[test]
fn a_drone_is_told_on_all_its_waits() {
    let mut table = table(&[2]);
    // The first is over, and not yet taken away.
    let (mut over, mut lives) = (wait(&mut table, 0), wait(&mut table, 0));
    came(&mut table, 1, ms(0));
    assert!(is_told(&mut over) && is_told(&mut lives));
}

#[test]
fn a_drone_alone_takes_all_that_it_has_room_for() {
    let mut table = table(&[2]);
    let mut a = wait(&mut table, 0);
    came(&mut table, 1000, ms(0));
    assert!(is_told(&mut a));
    assert_eq!(pump(&mut table, 0, 1, 700, 1000, ms(1)), 700);
    assert_eq!(pump(&mut table, 0, 2, 700, 300, ms(1)), 300);
}

#[test]
fn who_serves_a_type_no_more_takes_nothing_from_others() {
    let mut table = table(&[2, 2]);
    let (_a, _b) = (wait(&mut table, 0), wait(&mut table, 1));
    came(&mut table, 1000, ms(0));
    assert_eq!(pump(&mut table, 1, 1, 700, 1000, ms(1)), 2);
    table.stocks.serves(drone(0), &[kind()]);
    assert_eq!(pump(&mut table, 1, 2, 700, 998, ms(1)), 1);
    table.stocks.serves(drone(0), &["b".parse().unwrap()]);
    assert_eq!(pump(&mut table, 1, 3, 700, 997, ms(1)), 700);
}

#[test]
fn a_deep_backlog_of_short_tasks_is_soon_taken_in_whole_rooms() {
    let mut table = table(&[4, 4]);
    let (mut a, mut b) = (wait(&mut table, 0), wait(&mut table, 1));
    came(&mut table, 1_000_000, ms(0));
    assert!(is_told(&mut a) && is_told(&mut b));
    let mut rounds = 0;
    for round in 1..20 {
        let now = ms(round as u64);
        let given = pump(&mut table, 0, round * 2, 1000, 100_000, now);
        assert_eq!(pump(&mut table, 1, round * 2 + 1, 1000, 100_000, now), given, "they are alike");
        for of in [0, 1] {
            wait(&mut table, of);
            end(&mut table, round * 2 + of, given, now + Duration::from_micros(given as u64));
        }
        rounds = round;
        if given == 1000 {
            break;
        }
        assert_eq!(given, 4 << (round - 1), "what its hands can begin, then twice as much each time");
    }
    assert_eq!(rounds, 9);
    // The backlog ends: the next burst is shared again.
    assert_eq!(pump(&mut table, 0, 90, 1000, 10, ms(40)), 10);
    end(&mut table, 90, 10, ms(41));
    assert_eq!(pump(&mut table, 0, 91, 1000, 10, ms(42)), 4);
}

#[test]
fn without_history_nobody_is_given_more_than_it_can_begin() {
    let mut table = table(&[2, 2]);
    let (_a, _b) = (wait(&mut table, 0), wait(&mut table, 1));
    came(&mut table, 100, ms(0));
    assert_eq!(pump(&mut table, 0, 1, 50, 100, ms(1)), 2);
    assert_eq!(pump(&mut table, 1, 2, 50, 98, ms(1)), 2);
    let (mut a, mut b) = (wait(&mut table, 0), wait(&mut table, 1));
    assert!(!is_told(&mut a) && !is_told(&mut b), "nobody has a free hand");
    end(&mut table, 1, 1, ms(11));
    assert!(is_told(&mut a) && !is_told(&mut b));
}

#[test]
fn who_asks_unasked_is_given_one() {
    let mut table = table(&[2, 2]);
    let (_a, _b) = (wait(&mut table, 0), wait(&mut table, 1));
    came(&mut table, 100, ms(0));
    assert_eq!(pump(&mut table, 0, 1, 50, 100, ms(1)), 2);
    assert_eq!(pump(&mut table, 0, 2, 50, 98, ms(2)), 1, "though it has no free hand, as far as is known");
}

#[test]
fn nothing_is_handed_out_before_the_gate_opens() {
    let mut table = table(&[4]);
    table.open = false;
    let mut a = wait(&mut table, 0);
    came(&mut table, 5, ms(0));
    assert!(!is_told(&mut a));
    assert_eq!(pump(&mut table, 0, 1, 50, 5, ms(1)), 0);
    table.open = true;
    table.deal(ms(2));
    assert!(is_told(&mut a));
    assert_eq!(pump(&mut table, 0, 2, 50, 5, ms(3)), 5);
}

#[test]
fn what_a_lost_drone_had_is_dealt_again() {
    let mut table = table(&[4, 4]);
    came(&mut table, 3, ms(0));
    assert_eq!(pump(&mut table, 0, 1, 4, 3, ms(1)), 3);
    let mut b = wait(&mut table, 1);
    table.away(drone(0));
    table.deal(ms(2));
    assert!(!is_told(&mut b));
    table.gone(drone(0));
    table.deal(ms(3));
    assert!(is_told(&mut b));
    assert_eq!(assigned(&table), [0]);
}

#[test]
fn who_has_nothing_is_told_of_what_is_being_submitted() {
    let mut table = table(&[2]);
    assert!(!expects(&mut table, ms(0)), "nobody waits");
    let mut told = wait(&mut table, 0);
    assert!(expects(&mut table, ms(1)));
    assert!(told.try_recv().is_ok());
    assert!(!expects(&mut table, ms(1)), "there is something already");
    assert_eq!(pump(&mut table, 0, 1, 2, 1, ms(2)), 1);
    let mut told = wait(&mut table, 0);
    arrived(&mut table, Submitted::Accepted, true, ms(3));
    assert!(told.try_recv().is_err(), "it has it");
    arrived(&mut table, Submitted::Accepted, false, ms(4));
    assert!(told.try_recv().is_ok(), "another, that did not count before");
}

#[test]
fn after_a_refusal_nobody_is_told_before_the_answer() {
    let mut table = table(&[2]);
    let _told = wait(&mut table, 0);
    let full = || Submitted::Rejected(Rejection::full(Reason::QueueFull, 1, 1));
    assert!(expects(&mut table, ms(1)));
    arrived(&mut table, full(), true, ms(2));
    assert_eq!(pump(&mut table, 0, 1, 2, 0, ms(3)), 0);
    let mut told = wait(&mut table, 0);
    assert!(!expects(&mut table, ms(4)));
    arrived(&mut table, full(), false, ms(5));
    assert!(told.try_recv().is_err());
    assert!(!expects(&mut table, ms(6)));
    arrived(&mut table, Submitted::Accepted, false, ms(7));
    assert!(told.try_recv().is_ok());
    assert_eq!(pump(&mut table, 0, 2, 2, 1, ms(8)), 1);
    let _told = wait(&mut table, 0);
    assert!(expects(&mut table, ms(9)), "one was accepted");
}
