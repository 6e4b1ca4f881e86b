//! Three drones on one server, killed at random. Who comes back with his file goes on where he was; who never
//! does is rescued when his lease has run out, and not much later.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use skep_queue::{Cause, Clock, TaskId, admin::State, clock::SystemClock};
use skep_tests::{
    check::Record,
    journal::{self, Entry},
    plan::{Job, Plan},
    work::TYPES,
};

use super::{
    process::Process,
    server::Fleet,
    wait::{BOUND, Chance, eventually, moment, short_or_long, until},
};

const NAMES: [&str; 3] = ["one", "two", "three"];
/// What a rescue may take beyond the lease: a beat of the rescuer, and a loaded machine.
const SLACK: Duration = Duration::from_secs(5);

/// A drone that is killed from time to time.
struct Place {
    plan: Plan,
    drone: Process,
}

impl Place {
    async fn start(plan: Plan) -> Self {
        let drone = Process::start(&plan).ready().await;
        Self { plan, drone }
    }

    /// Killed, and back at once with its file: what it held it runs under the same claim, before any lease
    /// could have run out. Answers how long that took, if it held anything.
    async fn returns(self, fleet: &mut Fleet) -> (Self, Option<Duration>) {
        let pid = self.drone.kill();
        fleet.scene.killed(pid);
        let back = journal::now();
        let place = Self::start(self.plan).await;
        // Not before: reading so long a journal may take longer than the lease.
        let held = waiting(&fleet.scene.entries(), pid);
        if held.is_empty() {
            return (place, None);
        }
        let now = place.drone.pid();
        let mut resumed = None;
        until("it goes on with what it held", || {
            resumed = fleet.scene.entries().iter().find_map(|entry| match entry {
                Entry::Begin(run) if run.pid == now && held.get(&run.task) == Some(&run.fence) => {
                    Some(run.at)
                }
                _ => None,
            });
            resumed.is_some()
        })
        .await;
        let took = Duration::from_micros(resumed.unwrap() - back);
        assert!(took < place.plan.ttl, "it did not wait for its own lease: {took:?}");
        (place, Some(took))
    }

    /// Killed, and its file gone: others rescue what it held. Answers how long that took, and a new one.
    async fn never_returns(self, fleet: &mut Fleet, n: usize) -> (Self, Duration) {
        let pid = self.drone.pid();
        let known = || async { fleet.scene.incarnation(pid).await };
        let dead = eventually("the queue knows it", BOUND, known).await;
        fleet.scene.killed(self.drone.kill());
        let died = SystemClock.elapsed();
        let rescued = || async { (!fleet.scene.knows(dead).await).then_some(()) };
        eventually("its tasks are rescued", self.plan.ttl + SLACK, rescued).await;
        let took = SystemClock.elapsed().saturating_sub(died);
        let local = fleet.scene.path(&format!("{}-{n}.local.db", self.plan.name));
        (Self::start(Plan { local, ..self.plan }).await, took)
    }
}

/// What a process was granted, and had not begun: with the fences.
fn waiting(entries: &[Entry], pid: u32) -> HashMap<TaskId, u32> {
    let mut held = HashMap::new();
    for entry in entries {
        match entry {
            Entry::Claimed { task, fence, pid: whose, .. } if *whose == pid => {
                held.insert(*task, *fence);
            }
            Entry::Begin(run) => drop(held.remove(&run.task)),
            _ => {}
        }
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn three_drones_on_a_server_are_killed_and_lose_nothing() {
    let Some(mut fleet) = Fleet::start("kills of drones on a server").await else { return };
    let (tasks, kills, longest) = short_or_long((5_000, 4, 80), (100_000, 20, 24));
    let chance = Chance::new("pg_kills");
    for task_type in TYPES {
        let job = |_| Job { millis: chance.within(0..longest), ..Job::default() };
        fleet.scene.submit(task_type, (0..tasks / TYPES.len()).map(job)).await;
    }
    let mut places = Vec::new();
    for name in NAMES {
        places.push(Place::start(fleet.scene.plan(name)).await);
    }
    let (mut resumed, mut rescued) = (Vec::new(), Vec::new());
    for kill in 0..kills {
        moment(chance.within(100..600)).await;
        assert!(fleet.scene.depth().await > 0, "there is work to the last kill");
        let place = places.swap_remove(chance.within(0..NAMES.len() as u64) as usize);
        let place = if kill % 2 == 0 {
            let (place, took) = place.returns(&mut fleet).await;
            resumed.extend(took);
            place
        } else {
            let (place, took) = place.never_returns(&mut fleet, kill).await;
            rescued.push(took);
            place
        };
        places.push(place);
    }
    fleet.drain(&["one", "three", "two"]).await;
    let hands = places[0].plan.hands;
    for place in places {
        assert!(place.drone.drained().await.success());
    }
    let (history, verdict) = fleet.check("pg_kills").await;
    eprintln!("pg_kills: resumed after {resumed:?}, rescued after {rescued:?}");
    assert_eq!(verdict.states.get(&State::Completed), Some(&tasks));
    assert!(!resumed.is_empty(), "somebody came back to what it held");
    let lost = |record: &&Record| record.events.iter().any(|(cause, _)| *cause == Cause::Lost);
    let lost: HashSet<TaskId> = history.tasks.iter().filter(lost).map(|record| record.id).collect();
    let (mut cut, mut starved): (HashMap<u32, HashSet<TaskId>>, usize) = Default::default();
    for runs in history.runs().into_values() {
        let (_, before) = runs.split_last().unwrap();
        for (run, ended) in before {
            // On a machine that is starved of time a drone may live, and miss its lease of two seconds.
            let killed = history.killed.contains_key(&run.pid);
            starved += usize::from(!killed);
            assert!(killed || lost.contains(&run.task), "run again, and its drone had its lease: {run:?}");
            if ended.is_none() {
                cut.entry(run.pid).or_default().insert(run.task);
            }
        }
    }
    eprintln!("pg_kills: run again since a drone that lived had missed its lease: {starved}");
    assert!(cut.values().all(|cut| cut.len() <= hands), "more was cut short than there are hands: {cut:?}");
}
