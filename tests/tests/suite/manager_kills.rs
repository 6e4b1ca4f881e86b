//! `kill -9` of a manager under load, again and again: what it acknowledged is there, once, and nothing that was
//! under way is run a second time, since drones say what they hold before it hands anything out.

use std::time::Duration;

use skep_queue::admin::State;
use skep_tests::plan::Plan;

use super::{
    managers::{Manager, Pushers, busy},
    process::Process,
    scene::{Scene, assert_sound},
    wait::{BOUND, Chance, moment, short_or_long},
};

/// More than a manager is away.
const TTL: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_manager_loses_nothing_and_runs_nothing_twice() {
    let kills = short_or_long(6, 50);
    let chance = Chance::new("manager_kills");
    let mut scene = Scene::new().await;
    let (mut manager, network) = Manager::open(scene.dir.path(), "manager", &scene.url).await;
    // Half of everybody comes over the network.
    let urls = [manager.url(), network];
    let mut drones = Vec::new();
    for (name, url) in ["one", "two"].into_iter().zip(&urls) {
        let plan = Plan { queue: url.clone(), ttl: TTL, parting: BOUND, ..scene.plan(name) };
        drones.push(Process::start(&plan).ready().await);
    }
    let pushers = Pushers::start(&scene, &urls);
    for _ in 0..kills {
        busy(&scene, 100).await;
        moment(chance.within(0..300)).await;
        manager.kill();
        moment(chance.within(0..1000)).await;
        manager.again().await;
    }
    busy(&scene, 100).await;
    let acknowledged = pushers.stop(&mut scene).await;
    scene.only_drones(&["one", "two"]).await;
    for drone in drones {
        assert!(drone.drained().await.success(), "nothing is left in an outbox");
    }
    let (_, verdict) = scene.check(&format!("manager_kills: {kills} kills, {acknowledged} told")).await;
    assert_sound(&scene.path("queue.db"));
    assert_eq!((verdict.lost, verdict.unexplained), (0, 0));
    assert_eq!(verdict.again, 0, "no drone was killed, and no lease ran out");
    assert!(verdict.states.get(&State::Completed).is_some_and(|n| *n >= acknowledged));
}
