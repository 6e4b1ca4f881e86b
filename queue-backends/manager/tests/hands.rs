//! Who gets work from a manager, and what becomes of who loses its link.
#![expect(clippy::unwrap_used, reason = "tests")]

mod scene;

use std::{path::Path, sync::atomic::Ordering::Relaxed, time::Duration};

use scene::{BOUND, Drone, Line, Scene, one};
use skep_manager::{
    server::Config,
    wire::{Answer, End, Request, view::Hands},
};
use skep_queue::{
    Admin, BlockId, Cause, ClaimId, Ending, Mask, Orders, Outcome, Settlement, Submission, Submitted, TaskId,
    admin::{Act, State},
    block::OnLost,
    clock::SystemRandom,
};

/// So short that a test need not wait, so long that a test's own drone is in time.
const HEARTBEAT: Duration = Duration::from_millis(300);

fn config() -> Config {
    Config { heartbeat: HEARTBEAT, ..Config::default() }
}

#[tokio::test]
async fn a_drone_that_waits_gets_work_the_moment_it_arrives() {
    let scene = Scene::new();
    let manager = scene.manager(Config::default());
    let (mut line, mut client) = (scene.line(&manager).await, scene.line(&manager).await);
    let mut drone = Drone::new(2);
    drone.beat(&mut line).await;
    assert_eq!(drone.pump(&mut line, 10).await, []);
    for _ in 0..20 {
        let waits = drone.wait(&line);
        let pumps = scene.store.pumps.load(Relaxed);
        let ids = scene.submit(&mut client, 1, OnLost::Retry).await;
        // The store never says that work arrived: only the manager does.
        line.hear(waits).await;
        assert_eq!(drone.pump(&mut line, 10).await, ids);
        assert_eq!(scene.store.pumps.load(Relaxed), pumps + 1, "nobody polled");
    }
}

#[tokio::test]
async fn a_drone_that_waits_is_on_its_way_before_the_submit_is_answered() {
    let scene = Scene::new();
    let manager = scene.manager(Config::default());
    let (mut drone, mut line, mut waits) = waiting(&scene, &manager, 2).await;
    let mut client = scene.line(&manager).await;
    for _ in 0..20 {
        let block = one();
        let (id, pumps) = (block.id.task(0), scene.store.pumps.load(Relaxed));
        let answers = scene.store.answers.acquire().await.unwrap();
        let submit = client.say(&Request::Submit(Submission::whole(vec![block])));
        line.hear(waits).await;
        assert_eq!(drone.pump(&mut line, 10).await, [id]);
        waits = drone.wait(&line);
        drop(answers);
        assert_eq!(client.hear(submit).await, Answer::Submitted(vec![Submitted::Accepted]));
        assert_eq!(line.hands().await.len(), 1);
        assert_eq!(scene.store.pumps.load(Relaxed), pumps + 1, "nobody was told of it twice");
    }
}

#[tokio::test]
async fn what_is_told_of_a_call_is_durable() {
    let scene = Scene::new();
    let manager = scene.manager(Config::default());
    let (mut drone, mut line, waits) = waiting(&scene, &manager, 2).await;
    let mut client = scene.line(&manager).await;
    let call = client.say(&Request::Call { block: one(), wait: BOUND });
    line.hear(waits).await;
    let tasks = drone.pump(&mut line, 10).await;
    assert!(scene.store.fleeting.load(Relaxed), "nobody has been told anything of it");
    let outcome = Outcome::Complete { result: None, submit: Vec::new() };
    let endings = vec![Ending { members: Mask::one(0), outcome }];
    let settlement = Settlement { claim: drone.held[0], block: BlockId(tasks[0].0), endings };
    line.ask(Request::Settle { settlements: vec![settlement] }).await;
    assert!(matches!(client.hear(call).await, Answer::Called { end: End::Over { .. }, .. }));
    assert!(!scene.store.fleeting.load(Relaxed), "its end");

    let short = Request::Call { block: one(), wait: Duration::from_millis(20) };
    assert!(matches!(client.ask(short).await, Answer::Called { end: End::Waiting, .. }));
    assert!(!scene.store.fleeting.load(Relaxed), "that it waits");

    let block = one();
    let id = block.id.task(0);
    let call = client.say(&Request::Call { block, wait: BOUND });
    scene.until("it is there", async || scene.store.task(id).await.unwrap().is_some()).await;
    client.ask(Request::Act { act: Act::Cancel, ids: vec![id] }).await;
    assert!(matches!(client.hear(call).await, Answer::Called { end: End::Over { .. }, .. }));
    assert!(!scene.store.fleeting.load(Relaxed), "an operator's word");
}

/// A drone that waits, having found nothing.
async fn waiting(scene: &Scene, manager: &Path, hands: usize) -> (Drone, Line, u32) {
    let (mut drone, mut line) = (Drone::new(hands), scene.line(manager).await);
    drone.beat(&mut line).await;
    assert_eq!(drone.pump(&mut line, 100).await, []);
    let waits = drone.wait(&line);
    (drone, line, waits)
}

/// A drone that has tasks, and has lost its link.
async fn lost(scene: &Scene, manager: &Path, on_lost: OnLost) -> (Drone, Vec<TaskId>) {
    let (mut drone, mut line) = (Drone::new(2), scene.line(manager).await);
    drone.beat(&mut line).await;
    let ids = scene.submit(&mut line, 2, on_lost).await;
    assert_eq!(drone.pump(&mut line, 2).await, ids);
    drone.beat(&mut line).await;
    (drone, ids)
}

async fn all_are(scene: &Scene, ids: &[TaskId], state: State) -> bool {
    for id in ids {
        if scene.state(*id).await != state {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn two_that_idle_share_a_burst() {
    let scene = Scene::new();
    let manager = scene.manager(Config::default());
    let (mut a, mut line_a, waits_a) = waiting(&scene, &manager, 5).await;
    let (mut b, mut line_b, waits_b) = waiting(&scene, &manager, 5).await;
    let mut client = scene.line(&manager).await;
    scene.submit(&mut client, 10, OnLost::Retry).await;
    line_a.hear(waits_a).await;
    line_b.hear(waits_b).await;
    assert_eq!(a.pump(&mut line_a, 100).await.len(), 5);
    assert_eq!(b.pump(&mut line_b, 100).await.len(), 5);
}

#[tokio::test]
async fn the_next_is_told_when_the_first_does_not_come() {
    let scene = Scene::new();
    let manager = scene.manager(Config::default());
    let (_a, mut line_a, waits_a) = waiting(&scene, &manager, 8).await;
    let (mut b, mut line_b, waits_b) = waiting(&scene, &manager, 4).await;
    let mut client = scene.line(&manager).await;
    let ids = scene.submit(&mut client, 1, OnLost::Retry).await;
    line_a.hear(waits_a).await;
    line_b.hear(waits_b).await;
    assert_eq!(b.pump(&mut line_b, 100).await, ids);
}

#[tokio::test]
async fn what_is_handed_back_or_follows_is_dealt_at_once() {
    let scene = Scene::new();
    let manager = scene.manager(Config::default());
    let (mut drone, mut line, waits) = waiting(&scene, &manager, 2).await;
    let (mut other, mut other_line, others) = waiting(&scene, &manager, 2).await;
    let ids = scene.submit(&mut line, 1, OnLost::Retry).await;
    line.hear(waits).await;
    assert_eq!(drone.pump(&mut line, 10).await, ids);
    let settlement = |outcome| Settlement {
        claim: drone.held[0],
        block: BlockId(ids[0].0),
        endings: vec![Ending { members: Mask::one(0), outcome }],
    };
    line.ask(Request::Settle { settlements: vec![settlement(Outcome::Release)] }).await;
    other_line.hear(others).await;
    assert_eq!(other.pump(&mut other_line, 10).await, ids);
}

#[tokio::test]
async fn a_drone_on_two_links_or_a_new_one_counts_once() {
    let scene = Scene::new();
    let manager = scene.manager(Config::default());
    let (mut line, mut client) = (scene.line(&manager).await, scene.line(&manager).await);
    let mut drone = Drone::new(4);
    drone.beat(&mut line).await;
    scene.submit(&mut client, 3, OnLost::Retry).await;
    // The reply is lost, and the claim is asked for again on another link.
    let claim = ClaimId::new(&SystemRandom);
    assert_eq!(drone.pump_again(&mut line, claim, 5).await.len(), 3);
    let mut again = scene.line(&manager).await;
    assert_eq!(drone.pump_again(&mut again, claim, 5).await.len(), 3);
    drone.held.push(claim);
    drone.beat(&mut again).await;
    let counted = |rows: &[Hands]| rows.iter().map(|row| (row.hands, row.assigned)).collect::<Vec<_>>();
    assert_eq!(counted(&client.hands().await), [(4, 3)]);
    drop(line);
    drone.beat(&mut again).await;
    assert_eq!(counted(&client.hands().await), [(4, 3)]);
    drop(again);
    scene.until("it is not shown without a link", async || client.hands().await.is_empty()).await;
    let mut line = scene.line(&manager).await;
    drone.beat(&mut line).await;
    assert_eq!(counted(&client.hands().await), [(4, 3)]);
    drone.leave(&mut line).await;
    assert_eq!(client.hands().await, []);
}

#[tokio::test]
async fn what_a_drone_had_that_does_not_come_back_fails_or_runs_elsewhere() {
    let scene = Scene::new();
    let manager = scene.manager(config());
    let (_, fail) = lost(&scene, &manager, OnLost::Fail).await;
    scene.until("they are lost", async || all_are(&scene, &fail, State::Discarded).await).await;
    let detail = scene.store.task(fail[0]).await.unwrap().unwrap();
    assert_eq!(detail.history.last().unwrap().cause, Cause::Lost);

    let (mut other, mut line, waits) = waiting(&scene, &manager, 4).await;
    let (mut drone, mut dying) = (Drone::new(2), scene.line(&manager).await);
    drone.beat(&mut dying).await;
    let retry = scene.submit(&mut dying, 2, OnLost::Retry).await;
    assert_eq!(drone.pump(&mut dying, 2).await.len(), 2, "who asks first is given");
    drop(dying);
    line.hear(waits).await;
    let mut got = other.pump(&mut line, 4).await;
    if got.is_empty() {
        // Told when the tasks were submitted, and too late for them.
        let waits = other.wait(&line);
        line.hear(waits).await;
        got = other.pump(&mut line, 4).await;
    }
    assert_eq!(got, retry);
}

#[tokio::test]
async fn who_comes_back_within_the_heartbeat_loses_nothing() {
    let scene = Scene::new();
    let manager = scene.manager(config());
    let (drone, ids) = lost(&scene, &manager, OnLost::Fail).await;
    let mut line = scene.line(&manager).await;
    assert_eq!(drone.beat(&mut line).await, Orders::default());
    // By the time that one who lost its link later is given up, so would have been the first.
    let (_, others) = lost(&scene, &manager, OnLost::Fail).await;
    scene.until("the other is lost", async || all_are(&scene, &others, State::Discarded).await).await;
    assert!(all_are(&scene, &ids, State::Claimed).await);
    assert_eq!(drone.beat(&mut line).await, Orders::default());
}

#[tokio::test]
async fn who_comes_back_to_another_manager_of_the_store_loses_nothing() {
    let scene = Scene::new();
    let (one, two) = (scene.manager(config()), scene.manager(config()));
    let (drone, ids) = lost(&scene, &one, OnLost::Fail).await;
    let mut line = scene.line(&two).await;
    assert_eq!(drone.beat(&mut line).await, Orders::default());
    let (_, others) = lost(&scene, &one, OnLost::Fail).await;
    scene.until("the other is lost", async || all_are(&scene, &others, State::Discarded).await).await;
    assert!(all_are(&scene, &ids, State::Claimed).await);
}

#[tokio::test]
async fn a_successor_that_lists_the_claims_saves_them() {
    let scene = Scene::new();
    let manager = scene.manager(config());
    let (drone, ids) = lost(&scene, &manager, OnLost::Fail).await;
    let successor = Drone { held: drone.held.clone(), ..Drone::new(2) };
    let mut line = scene.line(&manager).await;
    assert_eq!(successor.beat(&mut line).await, Orders::default());
    let (_, others) = lost(&scene, &manager, OnLost::Fail).await;
    scene.until("the other is lost", async || all_are(&scene, &others, State::Discarded).await).await;
    assert!(all_are(&scene, &ids, State::Claimed).await);
    assert_eq!(line.hands().await.iter().map(|row| row.assigned).collect::<Vec<_>>(), [2]);
}

/// A store with tasks that wait, and a drone that has some.
async fn held(scene: &Scene) -> Drone {
    let other = scene.manager(Config::default());
    let (mut drone, mut line) = (Drone::new(2), scene.line(&other).await);
    drone.beat(&mut line).await;
    scene.submit(&mut line, 5, OnLost::Fail).await;
    assert_eq!(drone.pump(&mut line, 2).await.len(), 2);
    drone
}

#[tokio::test]
async fn nothing_is_handed_out_before_the_drones_have_said_what_they_hold() {
    let scene = Scene::new();
    let drone = held(&scene).await;
    let manager = scene.manager(Config { reannounce: Some(BOUND * 100), ..Config::default() });
    let (mut other, mut line, waits) = waiting(&scene, &manager, 1).await;
    // What it was given before it may have again.
    let mut back = scene.line(&manager).await;
    assert_eq!(drone.pump_again(&mut back, drone.held[0], 2).await.len(), 2);
    assert_eq!(other.pump(&mut line, 10).await, []);
    drone.beat(&mut back).await;
    line.hear(waits).await;
    assert_eq!(other.pump(&mut line, 10).await.len(), 3);
}

#[tokio::test]
async fn who_beats_elsewhere_has_said_so_too() {
    let scene = Scene::new();
    let drone = held(&scene).await;
    let manager = scene.manager(Config { reannounce: Some(BOUND * 100), ..Config::default() });
    let (mut other, mut line, waits) = waiting(&scene, &manager, 1).await;
    drone.beat_at(&scene.store).await;
    line.hear(waits).await;
    assert_eq!(other.pump(&mut line, 10).await.len(), 3);
}

#[tokio::test]
async fn who_does_not_come_is_not_waited_for_long() {
    let scene = Scene::new();
    let _gone = held(&scene).await;
    let manager = scene.manager(Config { reannounce: Some(HEARTBEAT), ..Config::default() });
    let (mut other, mut line, waits) = waiting(&scene, &manager, 1).await;
    line.hear(waits).await;
    assert_eq!(other.pump(&mut line, 10).await.len(), 3);
}
