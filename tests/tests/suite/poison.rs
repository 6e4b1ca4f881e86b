//! A handler that takes the whole drone down: it ends as poison, and its neighbours do not suffer for it.

use skep_queue::{Cause, admin::State};
use skep_tests::{journal::Entry, plan::Job};

use super::{
    process::{Process, tail},
    scene::Scene,
    wait::BOUND,
};

/// The drone's default is two solitary crashes, so three in all.
const CRASHES: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_discarded_and_its_neighbours_complete() {
    let mut scene = Scene::new().await;
    let neighbour = Job { millis: 20, ..Job::default() };
    let mut neighbours = scene.submit("work", vec![neighbour; 100]).await;
    let poison = scene.submit("work", [Job { abort: true, ..Job::default() }]).await[0];
    neighbours.extend(scene.submit("work", vec![neighbour; 100]).await);
    let plan = scene.plan("victim");
    let mut crashes = 0;
    // More than enough starts; a drone that lives on has outlived its poison.
    for _ in 0..10 {
        let mut drone = Process::start(&plan);
        let mut died = None;
        tokio::select! {
            status = drone.ended() => died = Some(status),
            () = scene.empty(BOUND) => {}
        }
        match died {
            Some(status) => {
                assert!(!status.success(), "it was aborted: {status}");
                crashes += 1;
                scene.killed(drone.pid());
            }
            None => {
                assert!(drone.drained().await.success(), "{}", tail(&scene.path("victim.log")));
                break;
            }
        }
    }
    let (history, verdict) = scene.check("poison").await;
    let runs = history.entries.iter().filter(|e| matches!(e, Entry::Begin(run) if run.task == poison));
    assert_eq!((crashes, runs.count()), (CRASHES, CRASHES), "three crashes in all");
    let ended = history.tasks.iter().find(|task| task.id == poison).unwrap();
    assert_eq!(ended.state, State::Discarded);
    let causes: Vec<Cause> = ended.events.iter().map(|(cause, _)| *cause).collect();
    assert_eq!(causes, [Cause::Crashed, Cause::Crashed, Cause::Poison]);
    let done = history.tasks.iter().filter(|task| task.state == State::Completed);
    assert_eq!((done.count(), verdict.unexplained), (neighbours.len(), 0), "every neighbour completes");
}
