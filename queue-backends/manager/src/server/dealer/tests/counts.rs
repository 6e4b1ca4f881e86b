//! What each drone is counted to have, and how fast it is.

use super::*;

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
