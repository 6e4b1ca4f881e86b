//! Everything at once: three drones over replies that get lost, killed, frozen and cut off by chance, while
//! more work comes in. Then the weather clears, and every promise must hold.

use rustix::process::Signal;
use skep_queue::{Clock, admin::State, clock::SystemClock};
use skep_tests::plan::{Job, Plan};

use super::{
    process::Process,
    scene::Scene,
    wait::{BOUND, Chance, moment, short_or_long},
};

const DRONES: usize = 3;

/// A drone's place in the storm.
struct Place {
    plan: Plan,
    drone: Option<Process>,
    frozen: bool,
    cut: bool,
}

impl Place {
    /// Back to a drone that runs and hears.
    async fn heal(&mut self) {
        let Some(drone) = &mut self.drone else {
            self.drone = Some(Process::start(&self.plan).ready().await);
            return;
        };
        if std::mem::take(&mut self.frozen) {
            drone.signal(Signal::CONT);
        }
        if std::mem::take(&mut self.cut) {
            drone.cut(false).await;
        }
    }

    /// Heals what ails it; if nothing did, something does from now on.
    async fn strike(&mut self, chance: &Chance, scene: &mut Scene) -> &'static str {
        let well = self.drone.is_some() && !self.frozen && !self.cut;
        if !well {
            self.heal().await;
            return "healed";
        }
        let Some(mut drone) = self.drone.take() else { return "healed" };
        match chance.within(0..4) {
            0 => {
                drone.freeze(&self.plan.queue).await;
                (self.frozen, self.drone) = (true, Some(drone));
                "frozen"
            }
            1 => {
                drone.cut(true).await;
                (self.cut, self.drone) = (true, Some(drone));
                "cut off"
            }
            _ => {
                let pid = drone.kill();
                scene.killed(pid);
                "killed"
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_storm_every_promise_holds() {
    let chance = Chance::new("storm");
    let length = std::time::Duration::from_secs(short_or_long(10, 120));
    let mut scene = Scene::new().await;
    let mut places: Vec<Place> = (0..DRONES as u64)
        .map(|n| {
            let plan = scene.plan(&format!("drone-{n}"));
            let plan = Plan { faults: 30, seed: chance.within(0..u64::MAX >> 12), hands: 4, ..plan };
            Place { plan, drone: None, frozen: false, cut: false }
        })
        .collect();
    let (mut counts, begun) = (std::collections::BTreeMap::new(), SystemClock.elapsed());
    while SystemClock.elapsed().saturating_sub(begun) < length {
        let jobs = (0..chance.within(0..200)).map(|_| Job { millis: chance.within(0..6), ..Job::default() });
        let jobs: Vec<Job> = jobs.collect();
        scene.submit("work", jobs).await;
        let place = &mut places[chance.within(0..DRONES as u64) as usize];
        *counts.entry(place.strike(&chance, &mut scene).await).or_insert(0) += 1;
        moment(chance.within(0..300)).await;
    }
    for place in &mut places {
        place.heal().await;
    }
    scene.empty(BOUND * 2).await;
    scene.only_drones(&["drone-0", "drone-1", "drone-2"]).await;
    let (_, verdict) = scene.check(&format!("storm {counts:?}")).await;
    assert_eq!((verdict.lost, verdict.unexplained), (0, 0));
    let ended = [State::Completed, State::Discarded].map(|state| verdict.states.get(&state).copied());
    eprintln!(
        "storm: completed {:?}, discarded {:?} (three losses, or crashes while alone)",
        ended[0], ended[1]
    );
}
