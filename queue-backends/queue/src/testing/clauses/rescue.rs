//! A drone that an operator takes for gone.

use crate::{
    Cause, Incarnation, Outcome,
    admin::{Act, Setting, State},
    block::OnLost,
    outcome::MAX_LOSSES,
    testing::{Bench, Drone, Verdict},
};

/// Takes a drone for gone that must be known.
async fn rescue(bench: &Bench, drone: &Drone) {
    assert_eq!(bench.backend.rescue(drone.incarnation).await, Ok(true));
}

async fn is_known(bench: &Bench, drone: &Drone) -> bool {
    let drones = bench.backend.drones().await.expect("listed");
    drones.iter().any(|view| view.incarnation == drone.incarnation)
}

/// Its tasks are rescued at once, whatever its lease says, each with one more loss; and it is forgotten.
pub async fn a_word_rescues_at_once(bench: Bench) {
    let (gone, other) = (bench.drone("gone").await, bench.drone("other").await);
    let block = bench.accept(&bench.many("a", 5)).await;
    let old = gone.pump("a", 3).await;
    let kept = other.take("a").await;
    rescue(&bench, &gone).await;
    assert!(!is_known(&bench, &gone).await && is_known(&bench, &other).await);
    for task in &old {
        let view = bench.view(task.id).await;
        assert_eq!((view.state, view.attempts, view.losses), (State::Available, 0, 1));
        let history = bench.history(task.id).await;
        assert_eq!(history.len(), 1);
        assert_eq!((history[0].cause, history[0].worker.as_deref()), (Cause::Lost, Some("gone")));
    }
    let again = other.pump("a", 9).await;
    assert_eq!(again.len(), 4);
    assert_eq!(again.iter().map(|task| task.fence).collect::<Vec<_>>(), [2, 2, 2, 1]);
    assert_eq!(kept.block, block);
    other.complete(&kept).await;
}

/// .. in the place where they stood.
pub async fn a_word_leaves_tasks_their_place(bench: Bench) {
    let (gone, other) = (bench.drone("gone").await, bench.drone("other").await);
    let id = bench.one("a").await;
    let run_at = bench.view(id).await.run_at;
    gone.take("a").await;
    bench.pass(1);
    let later = bench.one("a").await;
    rescue(&bench, &gone).await;
    assert_eq!(bench.view(id).await.run_at, run_at);
    assert_eq!([other.take("a").await.id, other.take("a").await.id], [id, later]);
}

/// False when there is no such drone: one that was never there, has left, or was rescued.
pub async fn a_rescue_of_nobody_is_false(bench: Bench) {
    let drone = bench.drone("d").await;
    let nobody = Incarnation::new(&*bench.random);
    assert_eq!(bench.backend.rescue(nobody).await, Ok(false));
    rescue(&bench, &drone).await;
    assert_eq!(bench.backend.rescue(drone.incarnation).await, Ok(false));
    let left = bench.drone("left").await;
    left.leave().await;
    assert_eq!(bench.backend.rescue(left.incarnation).await, Ok(false));
}

/// What must not be repeated is discarded, and so is a task at the limit of losses.
pub async fn a_word_discards_as_silence_does(bench: Bench) {
    let gone = bench.drone("gone").await;
    let once = bench.accept(&bench.with("b", |o| o.on_lost = OnLost::Fail)).await.task(0);
    gone.take("b").await;
    rescue(&bench, &gone).await;
    assert_eq!(bench.state(once).await, State::Discarded);
    assert_eq!(bench.history(once).await.last().map(|event| event.cause), Some(Cause::Lost));
    let id = bench.one("a").await;
    for n in 1..=MAX_LOSSES {
        let gone = bench.drone("gone").await;
        let task = gone.take("a").await;
        rescue(&bench, &gone).await;
        let view = bench.view(id).await;
        let state = if n < MAX_LOSSES { State::Available } else { State::Discarded };
        assert_eq!((view.state, view.losses), (state, n));
        if n == MAX_LOSSES {
            assert_eq!(gone.settle(&task, Outcome::done()).await, Verdict::Stale, "too late");
        }
    }
}

/// A task whose cancel was requested is cancelled, with its postback.
pub async fn a_word_cancels_what_was_to_stop(bench: Bench) {
    let (gone, other) = (bench.drone("gone").await, bench.drone("other").await);
    let postback = Some("b".parse().expect("a name"));
    let id = bench.accept(&bench.with("a", |o| o.postback = postback)).await.task(0);
    gone.take("a").await;
    bench.act(Act::Cancel, id).await;
    rescue(&bench, &gone).await;
    assert_eq!(bench.state(id).await, State::Cancelled);
    let post: serde_json::Value = serde_json::from_slice(&other.take("b").await.payload).expect("JSON");
    assert_eq!(post["state"], "cancelled");
}

/// While a postback has no room its task stays claimed, and the drone known; the rest is rescued.
pub async fn a_rescue_without_room_is_finished_later(bench: Bench) {
    let gone = bench.drone("gone").await;
    let postback = Some("b".parse().expect("a name"));
    let block = bench.with("a", |o| (o.postback, o.on_lost) = (postback.clone(), OnLost::Fail));
    let stuck = bench.accept(&block).await.task(0);
    let free = bench.one("a").await;
    gone.pump("a", 2).await;
    bench.set_type("b", Setting::Capacity(Some(0))).await;
    rescue(&bench, &gone).await;
    let view = bench.view(stuck).await;
    assert_eq!((view.state, view.losses), (State::Claimed, 0));
    assert_eq!(bench.state(free).await, State::Available);
    assert!(is_known(&bench, &gone).await);
    bench.set_type("b", Setting::Capacity(None)).await;
    rescue(&bench, &gone).await;
    assert_eq!(bench.state(stuck).await, State::Discarded);
    assert!(!is_known(&bench, &gone).await);
    assert_eq!(bench.view(free).await.losses, 1, "once");
}

/// Who comes back begins anew: it is told what it lost, and has a whole lease.
pub async fn who_comes_back_from_a_rescue_begins_anew(bench: Bench) {
    let (gone, watcher) = (bench.drone("gone").await, bench.drone("watcher").await);
    let (first, second) = (bench.one("a").await, bench.one("b").await);
    let (late, lost) = (gone.take("a").await, gone.take("b").await);
    bench.watch(&watcher, &[], 50).await;
    rescue(&bench, &gone).await;
    let again = watcher.take("b").await;
    let mut claims = gone.beat(&[late.claim, lost.claim]).await.lost;
    claims.sort_unstable();
    let mut both = [late.claim, lost.claim];
    both.sort_unstable();
    assert_eq!(claims, both);
    assert!(is_known(&bench, &gone).await);
    assert_eq!(gone.settle(&lost, Outcome::done()).await, Verdict::Stale);
    gone.complete(&late).await;
    assert_eq!(bench.state(first).await, State::Completed, "late but unclaimed");
    watcher.complete(&again).await;
    assert_eq!(bench.state(second).await, State::Completed);
    let id = bench.one("a").await;
    gone.take("a").await;
    bench.watch(&watcher, &[], 50).await;
    assert_eq!((bench.state(id).await, bench.view(id).await.losses), (State::Claimed, 0));
}
