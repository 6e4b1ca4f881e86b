//! A client beside a queue that does not take everything.

use skep_queue::{Clock, QueueName};
use tempfile::TempDir;

use super::*;
use crate::spool::{Bounds, Config, Spool, deliver::End};

struct Place {
    _folder: TempDir,
    backend: Arc<Told>,
    clock: Arc<TestClock>,
    spool: Spool,
}

impl Place {
    fn new() -> Self {
        Self::bounded(Bounds::default())
    }

    fn bounded(bounds: Bounds) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
        let config = Config { bounds: Some(bounds), ..Config::at(folder.path().join("spool.db")) };
        let spool = Spool::new(config, clock.clone());
        Self { _folder: folder, backend: Told::with(clock.clone()), clock, spool }
    }

    fn client(&self) -> Client {
        let client = Client::new(self.backend.clone(), self.clock.clone(), TestRandom::new(7));
        client.spool(self.spool.clone(), "model:")
    }

    async fn depth(&self) -> u64 {
        self.backend.queues().await.unwrap().iter().map(|queue| queue.depth).sum()
    }

    async fn listed(&self) -> Vec<TaskId> {
        self.spool.list().await.unwrap().iter().map(|entry| entry.id).collect()
    }
}

#[tokio::test]
async fn a_queue_that_is_down_means_the_spool_and_then_the_same_task() {
    let place = Place::new();
    let client = place.client().on_down(OnDown::Spool);
    place.backend.lose_replies(1);
    let spooled = client.submit(task(1)).await.unwrap();
    assert_eq!((spooled.landed, place.listed().await), (Landed::Spooled, vec![spooled.id]));
    assert_eq!(place.depth().await, 1, "it had arrived, only the answer was lost");
    let done = client.flush(100).await.unwrap();
    assert_eq!((done.tasks, done.end, place.depth().await), (1, End::Empty, 1));
    assert!(client.result(spooled.id).await.unwrap().is_some());
    assert_eq!(place.listed().await, []);
}

#[tokio::test]
async fn a_queue_that_was_down_just_now_is_not_asked_again_at_once() {
    let place = Place::new();
    let client = place.client().on_down(OnDown::Spool);
    place.backend.lose_replies(1);
    for n in 0..5 {
        assert_eq!(client.submit(task(n)).await.unwrap().landed, Landed::Spooled);
    }
    assert_eq!((place.backend.calls(), place.listed().await.len()), (1, 5));
    place.clock.advance(Duration::from_secs(2));
    assert_eq!(client.submit(task(9)).await.unwrap().landed, Landed::Accepted);
}

#[tokio::test]
async fn a_queue_that_hangs_is_down() {
    let place = Place::new();
    let client = place.client().on_down(OnDown::Spool);
    place.backend.close();
    let spooled = client.submit(task(1)).await.unwrap();
    assert_eq!(spooled.landed, Landed::Spooled);
    place.backend.open();
    assert_eq!(client.flush(100).await.unwrap().tasks, 1);
    assert_eq!(place.depth().await, 1);
}

#[tokio::test]
async fn a_full_queue_means_the_spool_when_asked_to() {
    let place = Place::new();
    capacity(&place.backend, 2).await;
    let client = place.client().on_full(OnFull::Spool);
    let landed = |answers: Vec<Result<Receipt>>| {
        answers.into_iter().map(|answer| answer.unwrap().landed).collect::<Vec<_>>()
    };
    let three: Vec<NewTask> = (0..3).map(task).collect();
    assert_eq!(
        landed(client.submit_many(&three, true).await.unwrap()),
        [Landed::Accepted, Landed::Accepted, Landed::Spooled]
    );
    assert_eq!(landed(client.submit_many(&three, false).await.unwrap()), [Landed::Spooled; 3]);
    let one = client.submit(task(7)).await.unwrap();
    assert_eq!(one.landed, Landed::Spooled);
    let stuck = client.flush(100).await.unwrap();
    assert!(stuck.tasks == 0 && matches!(stuck.end, End::Full(_)), "{stuck:?}");
    capacity(&place.backend, 100).await;
    assert_eq!(client.flush(100).await.unwrap().tasks, 5);
    assert!(client.result(one.id).await.unwrap().is_some());
    let hopeless = client.submit(NewTask::bytes("t".parse().unwrap(), vec![0; 300_000])).await;
    assert!(matches!(hopeless, Err(Error::Rejected(no)) if no.reason == Reason::PayloadTooLarge));
}

#[tokio::test]
async fn a_full_spool_is_told_with_the_queues_own_reason() {
    let place = Place::bounded(Bounds { tasks: 1, bytes: 1 << 20 });
    let client = place.client().on_down(OnDown::Spool).on_full(OnFull::Spool);
    place.backend.lose_replies(1);
    client.submit(task(1)).await.unwrap();
    let down = client.submit(task(2)).await.unwrap_err();
    assert!(
        matches!(&down, Error::SpoolFull { depth: 1, limit: 1, why, .. } if matches!(**why, Error::Queue(_))),
        "{down:?}"
    );
    assert!(down.to_string().starts_with("spool_full: 1 of 1 tasks; the queue cannot be reached"), "{down}");
    place.clock.advance(Duration::from_secs(2));
    capacity(&place.backend, 1).await;
    let full = client.submit(task(3)).await.unwrap_err();
    assert!(matches!(&full, Error::SpoolFull { why, .. } if matches!(**why, Error::Rejected(_))), "{full:?}");
    assert_eq!(place.listed().await.len(), 1);
}

#[tokio::test]
async fn without_a_spool_or_with_a_bad_one_it_is_said() {
    let place = Place::new();
    let none = client(&place.backend).on_down(OnDown::Spool).submit(task(1)).await;
    assert!(none.unwrap_err().to_string().contains("Client::spool"));
    let bad = Spool::new(Config::at("/proc/no/such/spool.db"), place.clock.clone());
    let client = client(&place.backend).spool(bad, "model:").on_down(OnDown::Spool);
    place.backend.lose_replies(1);
    let error = client.submit(task(2)).await.unwrap_err();
    assert!(matches!(&error, Error::Spool { .. }), "{error:?}");
    assert!(error.to_string().contains("/proc/no/such/spool.db"), "{error}");
}

#[tokio::test]
async fn nobody_waits_for_the_result_of_what_is_spooled() {
    let place = Place::new();
    let client = place.client().on_down(OnDown::Spool);
    place.backend.lose_replies(1);
    let called = client.call(task(1), Duration::from_secs(3_600)).await;
    let Err(Error::Spooled { id }) = called else { panic!("{called:?}") };
    assert_eq!(place.listed().await, [id]);
}

/// Many who wait for the same queue do not come back together.
#[tokio::test]
async fn waiting_clients_come_back_one_by_one() {
    let pauses: Vec<u64> = (0..50)
        .map(|seed| patience::pause(3, TestRandom::new(seed).as_ref()).as_millis() as u64 / 20)
        .collect();
    let different: std::collections::HashSet<u64> = pauses.iter().copied().collect();
    assert!(different.len() > 20, "spread over a second, in slots of 20 ms: {pauses:?}");
    assert!(
        pauses.iter().all(|pause| (104..158).contains(pause)),
        "1 + ln 3, and half of it more: {pauses:?}"
    );
}

/// The embedding program has only the queue's name to say where its tasks go: the spool keeps that, too.
#[tokio::test]
async fn another_queue_of_the_same_backend_is_its_own() {
    let place = Place::new();
    let q: QueueName = "q".parse().unwrap();
    let client = place.client().on_down(OnDown::Spool);
    place.backend.lose_replies(1);
    let spooled = client.submit(task(1).queue(q.clone()).after(Duration::from_secs(60))).await.unwrap();
    assert_eq!(place.spool.list().await.unwrap()[0].queue, "q");
    assert_eq!(client.flush(100).await.unwrap().tasks, 1);
    let view = client.result(spooled.id).await.unwrap().unwrap();
    assert_eq!((view.queue, view.run_at.since(place.clock.now()).as_secs()), (q, 60));
}
