//! The client over the model, with time that passes at once.

mod backend;
mod sharing;
mod spool;

use std::{sync::Arc, time::Duration};

use skep_queue::{
    Admin, Reason,
    admin::{Act, Setting},
    block::OnConflict,
    testing::{TestClock, TestRandom},
};

pub(crate) use self::backend::Told;
use super::*;

pub(crate) fn client(backend: &Arc<Told>) -> Client {
    Client::new(backend.clone(), TestClock::new(), TestRandom::new(7))
}

fn task(n: u32) -> NewTask {
    NewTask::new("t", &n).unwrap()
}

async fn capacity(backend: &Told, n: u64) {
    backend.set("default".parse().unwrap(), None, Setting::Capacity(Some(n))).await.unwrap();
}

#[tokio::test]
async fn a_task_arrives_with_all_it_was_given() {
    let backend = Told::new();
    let id: TaskId = "00000000-0000-4000-8000-00000000ffff".parse().unwrap();
    let new = task(1)
        .queue("q".parse().unwrap())
        .priority("high".parse().unwrap())
        .after(Duration::from_secs(60))
        .max_attempts(3)
        .unique("key", OnConflict::Reject)
        .postback("back".parse().unwrap())
        .meta("trace", "x")
        .id(id);
    let receipt = client(&backend).submit(new.clone()).await.unwrap();
    assert_eq!(receipt, Receipt { id, landed: Landed::Accepted });
    let kept = backend.task(id).await.unwrap().unwrap();
    assert_eq!((kept.view.queue.as_str(), kept.view.priority.number()), ("q", 2));
    assert_eq!((kept.view.state, kept.view.max_attempts), (State::Scheduled, Some(3)));
    assert_eq!(client(&backend).submit(new.clone()).await.unwrap().landed, Landed::Existing);
    let other = client(&backend).submit(task(2).queue("q".parse().unwrap()).id(id)).await;
    assert_eq!(other, Err(Error::Conflict { holder: id }), "the same id with another payload");
}

#[tokio::test]
async fn a_key_that_is_taken_conflicts_or_is_skipped() {
    let backend = Told::new();
    let client = client(&backend);
    let first = client.submit(task(1).unique("k", OnConflict::Reject)).await.unwrap();
    let second = client.submit(task(2).unique("k", OnConflict::Reject)).await;
    assert_eq!(second, Err(Error::Conflict { holder: first.id }));
    let third = client.submit(task(3).unique("k", OnConflict::Skip)).await.unwrap();
    assert_eq!(third, Receipt { id: first.id, landed: Landed::Skipped });
}

#[tokio::test]
async fn what_is_no_task_is_told_before_anything_is_sent() {
    assert!(NewTask::new("No Name", &1).unwrap_err().to_string().contains("is not a name"));
    let error = NewTask::json("t".parse().unwrap(), "{").unwrap_err();
    assert!(error.to_string().starts_with("the payload is not JSON"), "{error}");
    assert!(task(1).again("}").is_err());
    assert!(NewTask::bytes("t".parse().unwrap(), "\0").again("}").is_ok());
}

#[tokio::test]
async fn a_call_of_many_is_all_or_nothing_unless_partial() {
    let backend = Told::new();
    capacity(&backend, 200).await;
    let tasks: Vec<_> = (0..300).map(task).collect();
    let whole = client(&backend).submit_many(&tasks, false).await.unwrap();
    assert!(
        whole
            .iter()
            .all(|answer| matches!(answer, Err(Error::Rejected(no)) if no.reason == Reason::QueueFull))
    );
    assert_eq!(backend.queues().await.unwrap()[0].depth, 0);
    let partly = client(&backend).submit_many(&tasks, true).await.unwrap();
    assert_eq!(partly.iter().take_while(|answer| answer.is_ok()).count(), 200);
    assert_eq!(partly.iter().filter(|answer| answer.is_ok()).count(), 200, "a beginning");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_room_ends_when_room_comes() {
    let backend = Told::new();
    capacity(&backend, 1).await;
    let client = client(&backend).on_full(OnFull::Wait(Duration::from_secs(60)));
    let first = client.submit(task(1)).await.unwrap();
    let (second, ()) = tokio::join!(client.submit(task(2)), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        backend.act(Act::Cancel, vec![first.id]).await.unwrap();
    });
    assert_eq!(second.unwrap().landed, Landed::Accepted);
    assert!((3..10).contains(&backend.calls()), "it waited longer each time: {}", backend.calls());
}

#[tokio::test(start_paused = true)]
async fn waiting_for_room_ends_in_time_all_the_same() {
    let backend = Told::new();
    capacity(&backend, 1).await;
    let client = client(&backend).on_full(OnFull::Wait(Duration::from_secs(10)));
    client.submit(task(1)).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "the paused clock of the runtime")]
    let begun = tokio::time::Instant::now();
    let answer = client.submit(task(2)).await;
    assert!(matches!(answer, Err(Error::Rejected(no)) if (no.depth, no.limit) == (1, 1)));
    assert_eq!(begun.elapsed().as_secs(), 10);
    let hopeless = client.submit(NewTask::bytes("t".parse().unwrap(), vec![0; 300_000])).await;
    assert!(matches!(hopeless, Err(Error::Rejected(no)) if no.reason == Reason::PayloadTooLarge));
    assert_eq!(begun.elapsed().as_secs(), 10, "nobody waits for what will not pass");
}

#[tokio::test(start_paused = true)]
async fn however_short_the_wait_there_is_a_second_try() {
    let backend = Told::new();
    capacity(&backend, 0).await;
    let client = client(&backend).on_full(OnFull::Wait(Duration::from_millis(700)));
    let (answer, ()) = tokio::join!(client.submit(task(1)), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        capacity(&backend, 1).await;
    });
    assert!(answer.is_ok(), "a pause is longer than that, the time is not");
}

#[tokio::test(start_paused = true)]
async fn partial_waiting_sends_only_the_rest_again() {
    let backend = Told::new();
    capacity(&backend, 2).await;
    let client = client(&backend).on_full(OnFull::Wait(Duration::from_secs(60)));
    let tasks: Vec<_> = (0..3).map(task).collect();
    let (answers, ()) = tokio::join!(client.submit_many(&tasks, true), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        capacity(&backend, 3).await;
    });
    assert!(
        answers.unwrap().iter().all(|answer| matches!(answer, Ok(Receipt { landed: Landed::Accepted, .. })))
    );
    assert_eq!(backend.queues().await.unwrap()[0].depth, 3);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_comes_back_has_each_task_once() {
    let backend = Told::new();
    let patient = client(&backend).on_down(OnDown::Wait(Duration::from_secs(60)));
    backend.lose_replies(3);
    let receipt = patient.submit(task(1)).await.unwrap();
    assert_eq!(receipt.landed, Landed::Existing, "it had arrived, only the answer was lost");
    assert_eq!(backend.queues().await.unwrap()[0].depth, 1);
    backend.lose_replies(1);
    let hasty = client(&backend).submit(task(2)).await;
    assert!(matches!(hasty, Err(Error::Queue(skep_queue::Error::Unavailable(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_call_answers_with_the_result_or_says_why_not() {
    let backend = Told::new();
    let client = client(&backend);
    let second = Duration::from_secs(1);
    let (value, ()) = tokio::join!(client.call(task(20), second), backend.work("t", Ok("41")));
    assert_eq!(value.unwrap().unwrap().get(), "41");
    let (value, ()) = tokio::join!(client.call(task(21), second), backend.work("t", Err("boom")));
    let Err(Error::Failed { state: State::Discarded, error, .. }) = value else { panic!("{value:?}") };
    assert_eq!(error, "boom");
    let Err(Error::TimedOut { id }) = client.call(task(22), second).await else { panic!("nobody works") };
    assert_eq!(client.result(id).await.unwrap().unwrap().state, State::Available);
    let (view, ()) = tokio::join!(client.wait(id, second), backend.work("t", Ok("43")));
    assert_eq!(view.unwrap().state, State::Completed);
    let stranger = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    assert_eq!(client.wait(stranger, second).await.unwrap_err(), Error::NotFound { id: stranger });
}
