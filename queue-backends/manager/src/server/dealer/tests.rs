//! Dealing, without a server: drones that a test moves, and fleets in a time that is its own.

mod fleet;

use std::time::Duration;

use skep_queue::{
    Beat, BlockId, ClaimId, Claimed, Demand, DroneFacts, Incarnation, MAX_BLOCK, Mask, Orders, Payloads,
    Priority, Pump, QueueName, TaskType, Timestamp,
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
fn a_drone_alone_takes_all_that_it_has_room_for() {
    let mut table = table(&[2]);
    let mut a = wait(&mut table, 0);
    came(&mut table, 1000, ms(0));
    assert!(is_told(&mut a));
    assert_eq!(pump(&mut table, 0, 1, 700, 1000, ms(1)), 700);
    assert_eq!(pump(&mut table, 0, 2, 700, 300, ms(1)), 300);
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
fn a_claim_asked_for_again_is_neither_cut_nor_counted_twice() {
    let mut table = table(&[4, 4]);
    let (_a, _b) = (wait(&mut table, 0), wait(&mut table, 1));
    came(&mut table, 100, ms(0));
    assert_eq!(pump(&mut table, 0, 1, 50, 100, ms(1)), 4);
    end(&mut table, 1, 1, ms(2));
    let demands = vec![Demand { task_type: kind(), room: 50 }];
    let mut again = Pump { drone: drone(0), claim: claim(1), queue: QueueName::default(), demands };
    let grant = table.grant(&mut again);
    assert_eq!(again.demands[0].room, 50);
    table.handed(&grant, Some(&tasks(claim(1), 3)), ms(3));
    assert_eq!(assigned(&table), [3, 0]);
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
fn a_beat_corrects_what_is_counted() {
    let mut table = table(&[]);
    let held = |table: &mut Table, claims: &[ClaimId], held: usize, orders: Orders| {
        let mut beat = beat(drone(0), 4, claims);
        beat.facts.held = held;
        let turn = table.ledger.next_turn();
        table.ledger.beaten(&beat, &orders, turn, ms(2));
        assigned(table)[0]
    };
    // Before the manager started it was given claim 3: what it has of that it says itself.
    assert_eq!(held(&mut table, &[claim(3)], 6, Orders::default()), 6);
    pump(&mut table, 0, 1, 5, 5, ms(1));
    pump(&mut table, 0, 2, 4, 4, ms(1));
    assert_eq!(assigned(&table), [15]);
    let all = [claim(1), claim(2), claim(3)];
    assert_eq!(held(&mut table, &all, 13, Orders::default()), 13, "two of the old ones have ended");
    let lost = Orders { lost: vec![claim(2)], ..Orders::default() };
    assert_eq!(held(&mut table, &all, 13, lost), 9);
    // Another that is not in the ledger is being asked for.
    assert_eq!(held(&mut table, &[claim(1), claim(4)], 7, Orders::default()), 7);
    assert_eq!(held(&mut table, &[claim(1)], 5, Orders::default()), 5);
    assert_eq!(held(&mut table, &[claim(1), claim(5)], 8, Orders::default()), 5);
    // What it does not list any more is settled, unless it was handed out meanwhile.
    let turn = table.ledger.next_turn();
    pump(&mut table, 0, 6, 2, 2, ms(3));
    table.ledger.beaten(&beat(drone(0), 4, &[]), &Orders::default(), turn, ms(3));
    assert_eq!(assigned(&table), [2]);
}

#[test]
fn a_successor_that_lists_the_claims_has_them() {
    let mut table = table(&[4]);
    came(&mut table, 5, ms(0));
    pump(&mut table, 0, 1, 5, 5, ms(1));
    let turn = table.ledger.next_turn();
    let former = table.ledger.beaten(&beat(drone(7), 4, &[claim(1)]), &Orders::default(), turn, ms(2));
    assert_eq!(former.into_iter().collect::<Vec<_>>(), [drone(0)]);
    table.away(drone(0));
    assert_eq!(assigned(&table), [5], "the former has no link, and is not shown");
    end(&mut table, 1, 2, ms(3));
    assert_eq!(assigned(&table), [3]);
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
fn the_flow_is_that_of_the_drones_that_serve_a_type() {
    let mut table = table(&[1, 1]);
    let queue = QueueName::default();
    assert_eq!(table.ledger.flow(&queue, Some(&kind())), Flow { hands: 2, mean: None });
    assert_eq!(table.ledger.flow(&queue, Some(&"b".parse().unwrap())), Flow::default());
    came(&mut table, 2, ms(0));
    pump(&mut table, 0, 1, 1, 1, ms(0));
    pump(&mut table, 1, 2, 1, 1, ms(0));
    end(&mut table, 1, 1, ms(20));
    end(&mut table, 2, 1, ms(60));
    let mean = table.ledger.flow(&queue, None).mean.unwrap();
    assert!((mean - 0.030).abs() < 1e-6, "two hands do 4 tasks in 60 ms: {mean}");
}
