//! Fleets that work off a backlog, a millisecond at a time: who does how much of it.

use std::collections::VecDeque;

use tokio::sync::oneshot::Receiver;

use super::{Table, end, ms, pump, table, wait};

/// A drone as the pump step is: it asks when half its room is free, waits for types that had nothing, and
/// comes when it is told.
struct Body {
    hands: usize,
    /// What it holds at most.
    bound: usize,
    /// Milliseconds a task.
    run: u64,
    held: VecDeque<u128>,
    /// When each busy hand is done, and with what.
    busy: Vec<(u64, u128)>,
    waits: Option<Receiver<()>>,
    dry: bool,
    done: usize,
}

struct Fleet {
    table: Table,
    bodies: Vec<Body>,
    backlog: usize,
    claims: u128,
    pumps: usize,
}

fn fleet(bodies: &[(usize, usize, u64)], backlog: usize) -> Fleet {
    let hands: Vec<usize> = bodies.iter().map(|body| body.0).collect();
    let body = |&(hands, prefetch, run): &(usize, usize, u64)| Body {
        hands,
        bound: hands + prefetch,
        run,
        held: VecDeque::new(),
        busy: Vec::new(),
        waits: None,
        dry: false,
        done: 0,
    };
    let mut fleet = Fleet {
        table: table(&hands),
        bodies: bodies.iter().map(body).collect(),
        backlog: 0,
        claims: 0,
        pumps: 0,
    };
    // They were here before the work.
    for of in 0..fleet.bodies.len() {
        fleet.bodies[of].dry = true;
        fleet.look(of, 0);
    }
    fleet.backlog = backlog;
    super::came(&mut fleet.table, backlog, ms(0));
    fleet
}

impl Fleet {
    /// One pass of a drone's pump step. It takes a millisecond to come when told.
    fn look(&mut self, of: usize, now: u64) {
        let body = &mut self.bodies[of];
        if body.waits.as_mut().is_some_and(super::is_told) {
            (body.waits, body.dry) = (None, false);
            return;
        }
        let room = body.bound - body.held.len() - body.busy.len();
        if !body.dry && room * 2 >= body.bound {
            body.waits = None;
            self.claims += 1;
            self.pumps += 1;
            let given = pump(&mut self.table, of as u128, self.claims, room, self.backlog, ms(now));
            self.backlog -= given;
            let body = &mut self.bodies[of];
            body.held.extend(std::iter::repeat_n(self.claims, given));
            body.dry = given < room;
        } else if body.dry && body.waits.is_none() {
            self.bodies[of].waits = Some(wait(&mut self.table, of as u128));
            self.table.deal(ms(now));
        }
    }

    fn work(&mut self, of: usize, now: u64) {
        let body = &mut self.bodies[of];
        let (over, busy): (Vec<_>, Vec<_>) = body.busy.iter().partition(|(until, _)| *until <= now);
        body.busy = busy;
        body.done += over.len();
        while body.busy.len() < body.hands
            && let Some(claim) = body.held.pop_front()
        {
            body.busy.push((now + body.run, claim));
        }
        for (_, claim) in over {
            end(&mut self.table, claim, 1, ms(now));
        }
    }

    /// Works until all is done. Answers how much each did, and how long it took in all.
    fn run(&mut self) -> (Vec<usize>, u64) {
        let backlog = self.backlog;
        for now in 1..1_000_000 {
            for of in 0..self.bodies.len() {
                self.work(of, now);
                self.look(of, now);
            }
            self.table.late(ms(now));
            let done: Vec<usize> = self.bodies.iter().map(|body| body.done).collect();
            if done.iter().sum::<usize>() == backlog {
                return (done, now);
            }
        }
        panic!("it is not worked off");
    }
}

#[test]
fn who_is_three_times_as_fast_does_three_times_the_work_whatever_the_prefetch() {
    for prefetch in [0, 1, 4, 15, 100, 1000] {
        for hands in [1, 4] {
            let mut fleet = fleet(&[(hands, prefetch, 20), (hands, prefetch, 60)], 400);
            let (done, took) = fleet.run();
            let ratio = done[0] as f64 / done[1] as f64;
            assert!((2.5..3.6).contains(&ratio), "prefetch {prefetch}, {hands} hands: {done:?}");
            // Both together do 4 tasks a hand in 60 ms.
            let best = 400 * 60 / 4 / hands as u64;
            assert!(took < best + best / 5 + 100, "prefetch {prefetch}, {hands} hands: {took} ms for {best}");
        }
    }
}

#[test]
fn equals_share_equally_and_a_deep_backlog_takes_few_pumps() {
    let mut fleet = fleet(&[(4, 500, 1), (4, 500, 1), (4, 500, 1)], 30_000);
    let (done, took) = fleet.run();
    assert!(done.iter().all(|n| (8_000..12_000).contains(n)), "{done:?}");
    assert!(took < 3_000, "{took} ms where 2,500 would do");
    assert!(fleet.pumps < 250, "{} pumps", fleet.pumps);
}

#[test]
fn a_slow_drone_does_not_keep_a_fast_one_waiting_for_the_last_tasks() {
    // Ten seconds a task: what the slow one holds ahead would be done by the other meanwhile.
    let mut fleet = fleet(&[(2, 50, 100), (2, 50, 10_000)], 60);
    let (done, took) = fleet.run();
    assert_eq!(done, [58, 2]);
    assert!(took < 10_100, "{took}");
}
