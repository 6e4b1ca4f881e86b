//! `kill -9` of a drone at random moments: nothing is lost, nothing runs twice that had not been running,
//! and the history says exactly what had.

use std::collections::{BTreeSet, HashMap};

use skep_queue::{Cause, TaskId, admin::State};
use skep_tests::{check::History, plan::Job};

use super::{
    process::Process,
    scene::Scene,
    wait::{BOUND, Chance, moment, short_or_long},
};

/// In-process tasks at once.
const HANDS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_drone_loses_nothing_and_says_what_was_running() {
    let (tasks, kills) = short_or_long((3_000, 10), (10_000, 30));
    let chance = Chance::new("kills");
    let mut scene = Scene::new().await;
    let jobs: Vec<Job> = (0..tasks).map(|_| Job { millis: chance.within(0..4), ..Job::default() }).collect();
    scene.submit("work", jobs).await;
    let plan = skep_tests::plan::Plan { hands: HANDS, ..scene.plan("victim") };
    for _ in 0..kills {
        let mut drone = Process::start(&plan);
        // Every third one dies while it starts, in the middle of reckoning with its predecessor's end.
        let early = chance.within(0..3) == 0;
        if !early {
            drone = drone.ready().await;
        }
        moment(chance.within(0..if early { 30 } else { 200 })).await;
        let pid = drone.kill();
        scene.killed(pid);
    }
    let drone = Process::start(&plan).ready().await;
    scene.empty(BOUND).await;
    scene.only_drones(&["victim"]).await;
    assert!(drone.drained().await.success());
    let (history, verdict) = scene.check("kills").await;
    super::scene::assert_sound(&plan.local);
    assert_eq!((verdict.lost, verdict.unexplained), (0, 0));
    assert_eq!(verdict.states.get(&State::Completed), Some(&(tasks as usize)));
    let crashes = Crashes::of(&history);
    eprintln!("kills: {crashes:?}");
    crashes.assert_told();
}

/// What kills met, by the journal and by the history of the tasks.
#[derive(Default)]
struct Crashes {
    /// Began, and did not end: (task, attempt), by the process that was killed.
    cut: HashMap<u32, BTreeSet<(TaskId, u16)>>,
    /// Ended in the journal, in a process that was killed.
    ended: BTreeSet<(TaskId, u16)>,
    /// Began at all.
    begun: BTreeSet<(TaskId, u16)>,
    /// Said to have crashed.
    told: BTreeSet<(TaskId, u16)>,
}

impl Crashes {
    fn of(history: &History) -> Self {
        let mut crashes = Self::default();
        for (run, ended) in history.runs().into_values().flatten() {
            let key = (run.task, run.attempt);
            crashes.begun.insert(key);
            match (history.killed.contains_key(&run.pid), ended) {
                (true, None) => drop(crashes.cut.entry(run.pid).or_default().insert(key)),
                (true, Some(_)) => drop(crashes.ended.insert(key)),
                (false, _) => {}
            }
        }
        for task in &history.tasks {
            let told = task.events.iter().filter(|(cause, _)| *cause == Cause::Crashed);
            crashes.told.extend(told.map(|(_, attempt)| (task.id, *attempt)));
        }
        crashes
    }

    /// "Running" is: marked as started on the drone's file, with no outcome on it. Seen from the handlers:
    ///
    /// * whatever began and did not end was running: it must be told as crashed;
    /// * what is told as crashed either began and did not end; or ended so late that its outcome was not yet
    ///   on file; or was marked as started, and had not begun. Of the last there are at most as many as hands
    ///   at each kill. What ran in a drone that was not killed is never told.
    fn assert_told(&self) {
        let cut: BTreeSet<(TaskId, u16)> = self.cut.values().flatten().copied().collect();
        let untold: Vec<_> = cut.difference(&self.told).collect();
        assert!(untold.is_empty(), "began, did not end, and is not told as crashed: {untold:?}");
        assert!(self.cut.values().all(|cut| cut.len() <= HANDS), "more ran than there are hands");
        let unborn = self.told.difference(&self.begun).count();
        assert!(unborn <= HANDS * self.cut.len().max(1), "{unborn} told that never began");
        let unexplained: Vec<_> = self
            .told
            .iter()
            .filter(|key| !cut.contains(key) && !self.ended.contains(key) && self.begun.contains(key))
            .collect();
        assert!(unexplained.is_empty(), "told as crashed, and ended well: {unexplained:?}");
    }
}

impl std::fmt::Debug for Crashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut = self.cut.values().map(BTreeSet::len).sum::<usize>();
        let late = self.told.iter().filter(|key| self.ended.contains(key)).count();
        let unborn = self.told.difference(&self.begun).count();
        let told = self.told.len();
        write!(
            f,
            "told as crashed {told}: cut short {cut}, ended with no outcome on file {late}, not begun {unborn}"
        )
    }
}
