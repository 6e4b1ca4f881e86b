//! What handlers tell of how they get on, and what of it arrives at the queue.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, sync::Arc, time::Duration};

use skep_drone::{Context, Drone, HandlerError, Headway, Life, Settings, Stopper};
use skep_queue::{
    Backend, Block, Progress, Queue, QueueName, Submission, TaskId,
    clock::{SystemClock, SystemRandom},
    testing::{Faults, Flaky, Model},
};
use tokio::sync::Notify;

/// Tells a thousand times how far it is and in between three parts, then waits until it may end.
async fn talk(_: u64, context: Context, end: Arc<Notify>) -> Result<(), HandlerError> {
    for n in 1..=1000 {
        context.progress(Headway::at(n, 1000).note(format!("page {n}")));
        if n % 400 == 0 || n == 1 {
            context.progress(Headway::default().data(&[n])?);
        }
    }
    end.notified().await;
    Ok(())
}

async fn submit(queue: &Model) -> TaskId {
    let block = Block::one("t".parse().unwrap(), "0", &SystemClock, &SystemRandom);
    let id = block.id.task(0);
    queue.submit(Submission::whole(vec![block])).await.unwrap();
    id
}

fn drone(folder: &Path, queue: Arc<dyn Backend>, end: &Arc<Notify>) -> Drone {
    let end = Arc::clone(end);
    Drone::builder()
        .name("test")
        .queue("model:", QueueName::default(), queue)
        .local_path(folder.join("local.db"))
        .life(Life { until_empty: true, beat: Duration::from_millis(100), ..Life::default() })
        .handler("t".parse().unwrap(), 2, Settings::default(), move |n, context| {
            talk(n, context, Arc::clone(&end))
        })
        .build()
        .unwrap()
}

/// Waits until the queue was told something like this.
async fn told(model: &Model, what: &str, like: impl Fn(&Progress) -> bool) {
    for _ in 0..2_000 {
        if model.told().iter().flatten().any(&like) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain for {what}: {:?}", model.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_note_and_every_part_arrive_in_few_calls() {
    let (folder, end) = (tempfile::tempdir().unwrap(), Arc::new(Notify::new()));
    let model = Arc::new(Model::new(Arc::new(SystemClock)));
    let tasks = [submit(&model).await, submit(&model).await];
    let run = drone(folder.path(), model.clone(), &end).run(Stopper::default());
    let look = async {
        for task in tasks {
            told(&model, "the last note", |p| p.task == task && p.n == Some(1000.0)).await;
        }
        let calls = model.told();
        assert!(calls.len() < 20, "{} calls", calls.len());
        for call in &calls {
            let mut plain: Vec<TaskId> = call.iter().filter(|p| p.data.is_none()).map(|p| p.task).collect();
            plain.sort_unstable();
            plain.dedup();
            assert_eq!(plain.len(), call.iter().filter(|p| p.data.is_none()).count(), "once a call");
        }
        for task in tasks {
            let of_task = || calls.iter().flatten().filter(|p| p.task == task);
            let parts: Vec<&[u8]> = of_task().filter_map(|p| p.data.as_deref()).collect();
            assert_eq!(parts, [&b"[1]"[..], b"[400]", b"[800]"]);
            let last = of_task().last().unwrap();
            assert_eq!((last.of, last.note.as_deref()), (Some(1000.0), Some("page 1000")));
        }
        end.notify_waiters();
    };
    let (report, ()) = tokio::join!(run, look);
    assert_eq!(report.unwrap().unreported, 0);
}

/// What cannot be sent is not kept, and harms nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_listen_does_no_harm() {
    let (folder, end) = (tempfile::tempdir().unwrap(), Arc::new(Notify::new()));
    let model = Arc::new(Model::new(Arc::new(SystemClock)));
    let deaf = Faults { before: 0.2, ..Faults::default() };
    let flaky = Arc::new(Flaky::new(Arc::clone(&model), 3, deaf));
    for _ in 0..10 {
        submit(&model).await;
    }
    let drone = drone(folder.path(), flaky, &end);
    let done = async {
        // Each run waits to be let go.
        loop {
            end.notify_waiters();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let report = tokio::select! {
        report = drone.run(Stopper::default()) => report.unwrap(),
        () = done => unreachable!("it goes on for ever"),
        () = tokio::time::sleep(Duration::from_secs(60)) => panic!("the drone does not end"),
    };
    assert_eq!(report.unreported, 0);
}
