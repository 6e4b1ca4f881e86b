//! A queue that promotes who waits long, and a drone that never runs out of what is more urgent.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration};

use skep_drone::{Context, Drone, HandlerError, Settings, Stopper};
use skep_queue::{
    Admin, Block, Priority, Queue, QueueName, Submission, TaskId,
    admin::{Filter, Setting, State},
    clock::{SystemClock, SystemRandom},
    testing::Model,
};

async fn submit(queue: &Model, number: u8) -> TaskId {
    let like = Block::one("t".parse().unwrap(), "0", &SystemClock, &SystemRandom);
    let block = Block { priority: Priority::try_from(number).unwrap(), ..like };
    let id = block.id.task(0);
    queue.submit(Submission::whole(vec![block])).await.unwrap();
    id
}

/// Keeps urgent tasks waiting until `low` has ended; answers how many were completed by then.
async fn crowd(model: &Model, low: TaskId) -> Option<usize> {
    for _ in 0..3_000 {
        let waiting = model.queues().await.unwrap()[0].available;
        for _ in waiting..40 {
            submit(model, 1).await;
        }
        if model.task(low).await.unwrap().unwrap().view.state == State::Completed {
            let completed = Filter { states: vec![State::Completed], limit: 100_000, ..Filter::default() };
            return Some(model.find(completed).await.unwrap().len());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    None
}

/// Not only the queue: what the drone has buffered must not stand in the way either.
#[tokio::test(flavor = "multi_thread")]
async fn the_least_urgent_task_runs_while_urgent_ones_keep_coming() {
    let (folder, model) = (tempfile::tempdir().unwrap(), Arc::new(Model::new(Arc::new(SystemClock))));
    let every = Setting::PromoteAfter(Some(Duration::from_millis(50)));
    model.set(QueueName::default(), None, Setting::Retention(Duration::from_secs(60))).await.unwrap();
    model.set(QueueName::default(), None, every).await.unwrap();
    for _ in 0..40 {
        submit(&model, 1).await;
    }
    let low = submit(&model, 5).await;
    let work = |_: u64, _: Context| async {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok::<_, HandlerError>(())
    };
    let drone = Drone::builder()
        .name("test")
        .queue("model:", QueueName::default(), model.clone())
        .local_path(folder.path().join("local.db"))
        .handler("t".parse().unwrap(), 1, Settings::default(), work)
        .build()
        .unwrap();
    let stop = Stopper::default();
    let look = async {
        let completed = crowd(&model, low).await;
        model.set(QueueName::default(), None, Setting::Paused(true)).await.unwrap();
        stop.stop();
        completed
    };
    let (report, completed) = tokio::join!(drone.run(stop.clone()), look);
    report.unwrap();
    // It counts as the first after 200 ms, in which there is time for a hundred of the others.
    assert!(completed.is_some_and(|n| (40..300).contains(&n)), "it ran, after others: {completed:?}");
}
