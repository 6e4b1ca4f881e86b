//! What enters with an ending: follow-ups and postbacks.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    Block, BlockId, Mask, Outcome, Payloads, Reason, TaskId,
    admin::{Act, Acted, Intake, Setting, State},
    block::{OnConflict, OnLost},
    outcome::{MAX_INTERRUPTIONS, MAX_LOSSES},
    testing::{
        Bench, Drone, Handed, Verdict,
        bench::{cancel, discard, followed_by, kind, retry},
    },
};

async fn with_postback(bench: &Bench) -> TaskId {
    bench.accept(&bench.with("a", |o| o.postback = Some(kind("b")))).await.task(0)
}

/// The postback of a task, checked; `None` when there is none.
async fn posted(bench: &Bench, parent: TaskId) -> Option<Value> {
    let id = BlockId::derived(parent, u32::MAX).task(0);
    let detail = bench.detail(id).await?;
    assert_eq!((detail.view.task_type, detail.view.state), (kind("b"), State::Available));
    let payload: Value = serde_json::from_slice(&detail.payload).expect("JSON");
    assert_eq!((&payload["id"], &payload["task_type"]), (&json!(parent), &json!("a")));
    Some(payload)
}

async fn refused(drone: &Drone, task: &Handed, outcome: Outcome) -> Reason {
    match drone.settle(task, outcome).await {
        Verdict::Refused(Some(rejection)) => rejection.reason,
        other => panic!("expected a refusal with its reason, not {other:?}"),
    }
}

/// Follow-ups enter in the same transaction as the ending.
pub async fn follow_ups_enter_with_the_ending(bench: Bench) {
    let drone = bench.drone("d").await;
    let parent = bench.one("a").await;
    let task = drone.take("a").await;
    let follow_up = Block { id: BlockId::derived(parent, 0), ..bench.many("b", 3) };
    drone.end(&task, followed_by(vec![follow_up.clone(), bench.many("c", 1)])).await;
    assert_eq!(bench.state(parent).await, State::Completed);
    assert_eq!(bench.state(follow_up.id.task(2)).await, State::Available);
    assert_eq!(drone.settle(&task, followed_by(vec![follow_up])).await, Verdict::Already);
    assert_eq!(bench.depth().await, 4);
}

/// The parent leaves first, so that a full queue has room for one follow-up.
pub async fn the_parent_makes_room_first(bench: Bench) {
    bench.set(Setting::Capacity(Some(1))).await;
    let drone = bench.drone("d").await;
    bench.one("a").await;
    let task = drone.take("a").await;
    drone.end(&task, followed_by(vec![bench.many("b", 1)])).await;
    assert_eq!(bench.depth().await, 1);
}

/// .. or the ending is `refused`, and nothing of it happened.
pub async fn no_room_refuses_the_ending(bench: Bench) {
    bench.set(Setting::Capacity(Some(2))).await;
    let drone = bench.drone("d").await;
    let block = bench.accept(&bench.many("a", 2)).await;
    let tasks = drone.pump("a", 2).await;
    let outcome = followed_by(vec![bench.many("b", 1), bench.many("c", 1)]);
    assert_eq!(refused(&drone, &tasks[0], outcome.clone()).await, Reason::QueueFull);
    assert_eq!(bench.all().await.len(), 2, "not even the follow-up that fits");
    assert_eq!(bench.state(block.task(0)).await, State::Claimed);
    drone.complete(&tasks[1]).await;
    drone.end(&tasks[0], outcome).await;
    assert_eq!(bench.depth().await, 2);
}

/// A follow-up that conflicts refuses the ending too.
pub async fn a_conflict_refuses_the_ending(bench: Bench) {
    let drone = bench.drone("d").await;
    let known = bench.many("b", 1);
    bench.accept(&known).await;
    let parent = bench.one("a").await;
    let task = drone.take("a").await;
    let other = Block { payloads: Payloads::new(&["\"other\""]), ..known };
    refused(&drone, &task, followed_by(vec![bench.many("c", 1), other])).await;
    assert_eq!(bench.state(parent).await, State::Claimed);
    assert_eq!(bench.depth().await, 2);
    drone.complete(&task).await;
}

/// Follow-ups that are there already are fine: a second run submits the same.
pub async fn follow_ups_that_exist_are_fine(bench: Bench) {
    bench.set(Setting::Capacity(Some(3))).await;
    let drone = bench.drone("d").await;
    let follow_up = bench.many("b", 2);
    bench.accept(&follow_up).await;
    bench.one("a").await;
    drone.end(&drone.take("a").await, followed_by(vec![follow_up])).await;
    assert_eq!(bench.depth().await, 2);
}

/// Intake binds submitters only: a queue that is being emptied still ends its tasks.
pub async fn intake_binds_submitters_only(bench: Bench) {
    let drone = bench.drone("d").await;
    let parent = with_postback(&bench).await;
    let task = drone.take("a").await;
    bench.set(Setting::Intake(Intake::Draining)).await;
    drone.end(&task, followed_by(vec![bench.many("c", 1)])).await;
    assert!(posted(&bench, parent).await.is_some());
    assert_eq!(bench.depth().await, 2);
}

/// An ending that is not accepted submits nothing.
pub async fn a_stale_ending_submits_nothing(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.one("a").await;
    let task = drone.take("a").await;
    drone.end(&task, discard()).await;
    assert_eq!(drone.settle(&task, followed_by(vec![bench.many("b", 1)])).await, Verdict::Stale);
    assert_eq!(bench.all().await.len(), 1);
}

/// A postback follows every terminal ending, under an id derived from the parent's.
pub async fn a_postback_follows_every_terminal_ending(bench: Bench) {
    let drone = bench.drone("d").await;
    let result = Some(Bytes::from_static(b"{\"n\":1}"));
    let endings = [
        (Outcome::Complete { result, submit: Vec::new() }, "completed", json!({"n": 1}), Value::Null),
        (discard(), "discarded", Value::Null, json!("hopeless")),
        (cancel(), "cancelled", Value::Null, json!("asked to stop")),
    ];
    for (outcome, state, result, error) in endings {
        let parent = with_postback(&bench).await;
        let task = drone.take("a").await;
        drone.end(&task, outcome.clone()).await;
        let payload = posted(&bench, parent).await.expect("a postback");
        assert_eq!(
            (&payload["state"], &payload["result"], &payload["error"]),
            (&json!(state), &result, &error)
        );
        assert_eq!(drone.settle(&task, outcome).await, Verdict::Already);
    }
    assert_eq!(bench.depth().await, 3, "one each");
}

/// .. an operator's word,
pub async fn a_postback_follows_an_operator(bench: Bench) {
    for (act, state) in [(Act::Cancel, "cancelled"), (Act::Discard, "discarded")] {
        let parent = with_postback(&bench).await;
        assert_eq!(bench.act(act, parent).await, Acted::Done);
        assert_eq!(posted(&bench, parent).await.expect("a postback")["state"], json!(state));
    }
    let parent = with_postback(&bench).await;
    bench.set_type("b", Setting::Capacity(Some(2))).await;
    assert!(
        matches!(bench.act(Act::Cancel, parent).await, Acted::Rejected(r) if r.reason == Reason::TypeFull)
    );
    assert_eq!(bench.state(parent).await, State::Available, "no room, no cancel");
}

/// .. and the last loss; without room for it the task stays lost until the next look.
pub async fn a_postback_follows_the_last_loss(bench: Bench) {
    let (lost, watcher) = (bench.drone("lost").await, bench.drone("watcher").await);
    let block = bench.with("a", |o| {
        o.postback = Some(kind("b"));
        o.on_lost = OnLost::Fail;
    });
    let parent = bench.accept(&block).await.task(0);
    lost.take("a").await;
    bench.set_type("b", Setting::Capacity(Some(0))).await;
    bench.watch(&watcher, &[], 80).await;
    assert_eq!(bench.state(parent).await, State::Claimed, "no room for its postback");
    bench.set_type("b", Setting::Capacity(None)).await;
    bench.watch(&watcher, &[], 10).await;
    assert_eq!(bench.state(parent).await, State::Discarded);
    assert_eq!(posted(&bench, parent).await.expect("a postback")["state"], json!("discarded"));
    let often = with_postback(&bench).await;
    for n in 0..MAX_LOSSES {
        assert!(posted(&bench, often).await.is_none(), "after {n} losses");
        bench.drone("lost").await.take("a").await;
        bench.watch(&watcher, &[], 70).await;
    }
    assert_eq!(posted(&bench, often).await.expect("a postback")["state"], json!("discarded"));
}

/// A postback without room refuses the ending.
pub async fn a_postback_without_room_refuses(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.set_type("b", Setting::Capacity(Some(0))).await;
    let parent = with_postback(&bench).await;
    let task = drone.take("a").await;
    for outcome in [Outcome::done(), discard(), cancel()] {
        assert_eq!(refused(&drone, &task, outcome).await, Reason::TypeFull);
        assert_eq!(bench.state(parent).await, State::Claimed);
    }
    let view = bench.view(parent).await;
    assert_eq!((view.attempts, view.error), (0, None), "nothing of it happened");
    bench.set_type("b", Setting::Capacity(Some(1))).await;
    drone.complete(&task).await;
    assert!(posted(&bench, parent).await.is_some());
}

/// An ending that is not terminal posts nothing.
pub async fn a_retry_posts_nothing(bench: Bench) {
    let drone = bench.drone("d").await;
    let parent = with_postback(&bench).await;
    for outcome in [retry(0), Outcome::Release, Outcome::Interrupt] {
        drone.end(&drone.take("a").await, outcome).await;
    }
    assert!(posted(&bench, parent).await.is_none());
    assert_eq!(bench.depth().await, 1);
}

/// .. whatever made the task terminal: a replacement, a cancel on the way, the last interruption.
pub async fn a_postback_follows_every_other_end(bench: Bench) {
    let drone = bench.drone("d").await;
    let block = |key: Option<&str>| {
        bench.with("a", |o| {
            o.postback = Some(kind("b"));
            o.unique_key = key.map(str::to_owned);
            o.on_conflict = OnConflict::Replace;
        })
    };
    let replaced = bench.accept(&block(Some("k"))).await.task(0);
    let heir = bench.accept(&block(Some("k"))).await.task(0);
    assert_eq!(posted(&bench, replaced).await.expect("a postback")["state"], json!("cancelled"));
    let task = drone.take("a").await;
    bench.act(Act::Cancel, heir).await;
    drone.end(&task, retry(0)).await;
    assert_eq!(posted(&bench, heir).await.expect("a postback")["state"], json!("cancelled"));
    let cut = bench.accept(&block(None)).await.task(0);
    for _ in 0..MAX_INTERRUPTIONS {
        assert!(posted(&bench, cut).await.is_none());
        drone.end(&drone.take("a").await, Outcome::Interrupt).await;
    }
    assert_eq!(posted(&bench, cut).await.expect("a postback")["state"], json!("discarded"));
}

/// An ending of several members submits its follow-ups once, and a postback for each.
pub async fn members_end_together_with_one_follow_up(bench: Bench) {
    let drone = bench.drone("d").await;
    let three = bench.with("a", |o| o.postback = Some(kind("b")));
    let block = bench.accept(&Block { payloads: Payloads::new(&["1", "2", "3"]), ..three }).await;
    let claim = drone.pump("a", 3).await[0].claim;
    let outcome = followed_by(vec![bench.many("c", 2)]);
    bench.set_type("b", Setting::Capacity(Some(2))).await;
    let settled = drone.settle_all(claim, block, Mask::first(3), outcome.clone()).await;
    assert_eq!(settled.refused, Mask::first(3), "two postbacks fit: all or nothing");
    assert_eq!((bench.depth().await, bench.all().await.len()), (3, 3));
    bench.set_type("b", Setting::Capacity(Some(3))).await;
    let settled = drone.settle_all(claim, block, Mask::first(3), outcome).await;
    assert_eq!(settled.accepted, Mask::first(3));
    assert_eq!(bench.depth().await, 5);
}
