//! Callers hear of the end of their task, once, however it ends, and of how it gets on.
#![expect(clippy::unwrap_used, reason = "tests")]

mod desk;

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;
use desk::{BOUND, Desk, Heard, Line, call, collect, drone, quiet, take, task};
use skep_manager::wire::{Answer, End, Request};
use skep_queue::{
    Block, Cause, ClaimId, Mask, Options, Outcome, Progress, Submitted, TaskId,
    admin::{Act, Acted, Setting, State},
    block::OnLost,
    clock::{SystemClock, SystemRandom},
    testing::bench::{Drone, Handed, cancel, discard, kind, retry},
};

fn over(state: State, error: Option<&str>, cause: Option<Cause>) -> End {
    End::Over { state, result: None, error: error.map(str::to_owned), cause }
}

fn well(result: &'static str) -> (Outcome, End) {
    let result = Some(Bytes::from_static(result.as_bytes()));
    let end = End::Over { state: State::Completed, result: result.clone(), error: None, cause: None };
    (Outcome::Complete { result, submit: Vec::new() }, end)
}

/// A call that is under way, and its task in the hands of a drone.
async fn called(line: &mut Line, drone: &Drone) -> (u32, Handed) {
    let (request, id) = call();
    let number = line.say(&request);
    let task = take(drone).await;
    assert_eq!(task.id, id);
    (number, task)
}

/// The manager lives by a clock that stands still: whatever ends here is told, and never found by a look.
#[tokio::test]
async fn an_end_that_passes_through_is_told() {
    let desk = Desk::new();
    let manager = desk.still(quiet());
    let (bench, mut line) = (desk.bench(&manager), desk.line(&manager).await);
    // Nothing is kept, so that there is nothing to be found either.
    bench.set(Setting::Retention(Duration::ZERO)).await;
    let drone = drone(&bench, 1).await;

    let (number, task) = called(&mut line, &drone).await;
    let (outcome, end) = well(r#"{"sum":3}"#);
    drone.end(&task, outcome).await;
    let (notes, answer) = line.answer(number).await;
    assert_eq!((notes, answer), (vec![], Answer::Called { submitted: Submitted::Accepted, end }));

    let (number, task) = called(&mut line, &drone).await;
    drone.end(&task, retry(0)).await;
    let again = take(&drone).await;
    drone.end(&again, discard()).await;
    assert_eq!(line.end(number).await, over(State::Discarded, Some("hopeless"), Some(Cause::Failed)));

    let (number, task) = called(&mut line, &drone).await;
    drone.end(&task, cancel()).await;
    assert_eq!(line.end(number).await, over(State::Cancelled, Some("asked to stop"), Some(Cause::Cancelled)));
    assert_eq!(line.status().await.callers, 0);
}

#[tokio::test]
async fn an_operators_word_and_a_rescue_are_told() {
    let desk = Desk::new();
    let manager = desk.still(quiet());
    let (bench, mut line) = (desk.bench(&manager), desk.line(&manager).await);
    let mut other = desk.line(&manager).await;

    let (request, id) = call();
    let waiting = line.say(&request);
    line.callers(1).await;
    desk.until("it is there", async || bench.detail(id).await.is_some()).await;
    assert_eq!(bench.act(Act::Cancel, id).await, Acted::Done);
    let End::Over { state: State::Cancelled, cause, .. } = line.end(waiting).await else { panic!() };
    assert_eq!(cause, Some(Cause::Cancelled));

    // A claimed one is cancelled by what its drone does: here it only gives it back.
    let drone = drone(&bench, 1).await;
    let (number, task) = called(&mut line, &drone).await;
    assert_eq!(bench.act(Act::Cancel, task.id).await, Acted::Requested);
    drone.end(&task, Outcome::Release).await;
    let End::Over { state: State::Cancelled, .. } = line.end(number).await else { panic!() };

    let options = Options { on_lost: OnLost::Fail, ..Options::default() };
    let block = Block { options: Arc::new(options), ..desk::task() };
    let number = line.say(&Request::Call { block, wait: BOUND });
    take(&drone).await;
    assert_eq!(other.ask(Request::Rescue { drone: drone.incarnation }).await, Answer::Known(true));
    let End::Over { state: State::Discarded, cause, .. } = line.end(number).await else { panic!() };
    assert_eq!(cause, Some(Cause::Lost));
}

/// A drone whose link is lost, and that does not come back, fails its tasks within a heartbeat.
#[tokio::test]
async fn a_lost_link_is_told() {
    let desk = Desk::new();
    let manager =
        desk.lively(skep_manager::server::Config { heartbeat: Duration::from_millis(200), ..quiet() });
    let (killed, kept) = (desk.bench(&manager), desk.bench(&manager));
    let mut line = desk.line(&manager).await;
    let drone = drone(&killed, 1).await;
    let options = Options { on_lost: OnLost::Fail, ..Options::default() };
    let block = Block { options: Arc::new(options), ..task() };
    let number = line.say(&Request::Call { block, wait: BOUND });
    take(&drone).await;
    drop((drone, killed));
    let pings = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            kept.queue("default").await;
        }
    };
    let ping = line.say(&Request::Ping);
    let end = tokio::select! { end = line.end(number) => end, () = pings => unreachable!() };
    assert!(matches!(end, End::Over { state: State::Discarded, cause: Some(Cause::Lost), .. }), "{end:?}");
    line.answer(ping).await;
}

#[tokio::test]
async fn an_end_that_came_elsewhere_is_found() {
    let desk = Desk::new();
    let (manager, another) = (desk.lively(quiet()), desk.lively(quiet()));
    let mut line = desk.line(&manager).await;
    let drone = drone(&desk.bench(&another), 1).await;
    let (number, task) = called(&mut line, &drone).await;
    let (outcome, end) = well("[1]");
    drone.end(&task, retry(0)).await;
    let again = take(&drone).await;
    drone.end(&again, outcome).await;
    assert_eq!(line.end(number).await, end, "what went wrong before is no part of it");
}

#[tokio::test]
async fn a_call_that_was_not_awaited_is_collected() {
    let desk = Desk::new();
    let manager = desk.still(quiet());
    let (bench, mut line) = (desk.bench(&manager), desk.line(&manager).await);
    let drone = drone(&bench, 1).await;
    let block = task();
    let id = block.id.task(0);
    let short = Request::Call { block: block.clone(), wait: Duration::from_millis(20) };
    let submitted = Submitted::Accepted;
    assert_eq!(line.ask(short).await, Answer::Called { submitted, end: End::Waiting });
    let only_look = |id| Request::Collect { id, wait: Duration::ZERO };
    assert_eq!(line.ask(only_look(id)).await, Answer::Collected(End::Waiting));
    assert_eq!(line.ask(only_look(task().id.task(0))).await, Answer::Collected(End::NotKept));

    let waiting = line.say(&collect(id));
    let held = take(&drone).await;
    let (outcome, end) = well("7");
    drone.end(&held, outcome).await;
    assert_eq!(line.end(waiting).await, end);
    assert_eq!(line.ask(only_look(id)).await, Answer::Collected(end.clone()));
    assert_eq!(line.ask(collect(id)).await, Answer::Collected(end.clone()));
    // The same call again, as after a link was lost before its answer.
    let submitted = Submitted::Existing;
    assert_eq!(line.ask(Request::Call { block, wait: BOUND }).await, Answer::Called { submitted, end });
}

#[tokio::test]
async fn what_is_not_taken_is_answered_at_once() {
    let desk = Desk::new();
    let manager = desk.still(desk::bounded("0"));
    let mut line = desk.line(&manager).await;
    let (request, id) = call();
    match line.ask(request).await {
        Answer::Called { submitted: Submitted::Rejected(rejection), end: End::NotKept } => {
            assert_eq!((rejection.depth, rejection.limit), (0, 0));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(line.ask(collect(id)).await, Answer::Collected(End::NotKept));
    let several = desk.store().many("a", 2);
    let number = line.say(&Request::Call { block: several, wait: BOUND });
    assert!(matches!(line.hear(number).await, Heard::Answer(Err(skep_queue::Error::Refused(_)))));
    assert_eq!(line.status().await.callers, 0);
}

#[tokio::test]
async fn who_goes_leaves_nothing() {
    let desk = Desk::new();
    let manager = desk.still(quiet());
    let (mut line, mut looker) = (desk.line(&manager).await, desk.line(&manager).await);
    let forgotten = line.say(&call().0);
    line.say(&call().0);
    looker.callers(2).await;
    line.say(&Request::Forget { id: forgotten });
    looker.callers(1).await;
    assert_eq!(looker.status().await.links, 2);
    drop(line);
    looker.callers(0).await;
    desk.until("the link is gone", async || looker.status().await.links == 1).await;
    assert_eq!(desk.store().depth().await, 2, "the tasks stay");
}

/// Ten thousand on one link, of which a request takes no room while it waits.
#[tokio::test]
async fn ten_thousand_callers_hear_of_one_end_once_each() {
    const CALLERS: usize = 10_000;
    let desk = Desk::new();
    let manager = desk.still(quiet());
    let (bench, mut line) = (desk.bench(&manager), desk.line(&manager).await);
    let drone = drone(&bench, 1).await;
    let id = bench.one("a").await;
    let mut waiting: HashSet<u32> = (0..CALLERS).map(|_| line.say(&collect(id))).collect();
    desk.line(&manager).await.callers(CALLERS).await;
    let held = take(&drone).await;
    let (outcome, end) = well(r#""all""#);
    drone.end(&held, outcome).await;
    for _ in 0..CALLERS {
        let (number, heard) = line.any().await;
        assert!(waiting.remove(&number), "{number} is answered once");
        assert!(matches!(heard, Heard::Answer(Ok(Answer::Collected(told))) if told == end));
    }
    assert_eq!(line.status().await.callers, 0);
}

fn progress(task: TaskId, claim: ClaimId, n: u32) -> Progress {
    let data = Some(Bytes::from(format!("[{n}]")));
    Progress { task, claim, n: Some(f64::from(n)), of: Some(100.0), note: None, data }
}

#[tokio::test]
async fn notes_arrive_in_order_and_before_the_end() {
    let desk = Desk::new();
    let manager = desk.still(quiet());
    let (bench, mut line) = (desk.bench(&manager), desk.line(&manager).await);
    let mut late = desk.line(&manager).await;
    let drone = drone(&bench, 1).await;
    let (number, task) = called(&mut line, &drone).await;
    let (id, claim) = (task.id, task.claim);
    let mut worker = desk.line(&manager).await;
    for batch in 0..20 {
        let notes = (0..5).map(|i| progress(id, claim, batch * 5 + i)).collect();
        worker.say(&Request::Progress { notes });
    }
    // Of a claim that has it no more, and of a task that nobody waits for.
    let stale = ClaimId::new(&SystemRandom);
    let notes = vec![progress(id, stale, 200), progress(desk::task().id.task(0), claim, 201)];
    worker.ask(Request::Progress { notes }).await;
    let after = late.say(&collect(id));
    let Heard::Note(last) = late.hear(after).await else { panic!("the last note comes at once") };
    assert_eq!(last.n, Some(99.0));
    // The settle follows the last note without a pause between.
    let (outcome, end) = well("100");
    worker.say(&Request::Progress { notes: vec![progress(id, claim, 100)] });
    let endings = vec![skep_queue::Ending { members: Mask::first(1), outcome }];
    let settlement = skep_queue::Settlement { claim, block: task.block, endings };
    worker.say(&Request::Settle { settlements: vec![settlement] });
    let (notes, answer) = line.answer(number).await;
    assert_eq!(answer, Answer::Called { submitted: Submitted::Accepted, end: end.clone() });
    assert_eq!(notes.iter().map(|note| note.n.unwrap()).collect::<Vec<_>>(), numbers(0..=100));
    assert!(notes.iter().all(|note| note.task == id));
    assert_eq!(notes[100].data.as_deref(), Some(&b"[100]"[..]));
    let (notes, answer) = late.answer(after).await;
    assert_eq!((notes.len(), answer), (1, Answer::Collected(end)));
}

fn numbers(range: impl Iterator<Item = u32>) -> Vec<f64> {
    range.map(f64::from).collect()
}

/// A caller that does not read loses notes, and the manager's memory does not grow with what it was told.
#[tokio::test]
async fn who_does_not_keep_up_loses_notes_and_not_the_end() {
    const NOTES: u32 = 400;
    let desk = Desk::new();
    let manager = desk.still(quiet());
    let (bench, mut line) = (desk.bench(&manager), desk.line(&manager).await);
    let drone = drone(&bench, 1).await;
    let (number, task) = called(&mut line, &drone).await;
    let mut worker = desk.line(&manager).await;
    let data = Bytes::from(format!("\"{}\"", "x".repeat(64 << 10)));
    for n in 0..NOTES {
        let note = Progress { data: Some(data.clone()), ..progress(task.id, task.claim, n) };
        worker.ask(Request::Progress { notes: vec![note] }).await;
    }
    let (outcome, end) = well("1");
    drone.end(&task, outcome).await;
    let (notes, answer) = line.answer(number).await;
    assert_eq!(answer, Answer::Called { submitted: Submitted::Accepted, end });
    let heard: Vec<f64> = notes.iter().map(|note| note.n.unwrap()).collect();
    assert!(heard.len() > 10 && heard.len() < NOTES as usize, "{} notes heard", heard.len());
    assert!(heard.is_sorted_by(|a, b| a < b));
}

#[tokio::test]
async fn a_key_that_is_held_is_no_call() {
    let desk = Desk::new();
    let manager = desk.still(quiet());
    let (bench, mut line) = (desk.bench(&manager), desk.line(&manager).await);
    let holder = bench.accept(&bench.keyed("a", "k")).await.task(0);
    let block = bench.with("a", |options| {
        options.unique_key = Some("k".into());
        options.on_conflict = skep_queue::block::OnConflict::Skip;
    });
    let submitted = Submitted::Skipped { holder };
    let answer = Answer::Called { submitted, end: End::NotKept };
    assert_eq!(line.ask(Request::Call { block, wait: BOUND }).await, answer);
    let other = Block::one(kind("a"), "2", &SystemClock, &SystemRandom);
    let taken = Block { payloads: other.payloads, ..bench.keyed("a", "k") };
    let answer = line.ask(Request::Call { block: taken, wait: BOUND }).await;
    assert!(matches!(answer, Answer::Called { submitted: Submitted::Conflict { .. }, end: End::NotKept }));
}
