//! A drone of several queues that lie in one store: what it holds of one is no business of the other.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use skep_drone::{Builder, Context, Drone, HandlerError, Life, Settings, Stopper};
use skep_queue::{
    Admin, Block, Queue, QueueName, Submission, TaskType,
    admin::{Filter, Setting, State, TaskView},
    clock::{SystemClock, SystemRandom},
    testing::model::Model,
};
use tempfile::TempDir;

/// Several beats.
const LONG: Duration = Duration::from_millis(600);

/// A store, and how often each task of it ran.
struct Scene {
    folder: TempDir,
    store: Arc<Model>,
    ran: Arc<Mutex<HashMap<String, usize>>>,
}

fn kind() -> TaskType {
    "t".parse().unwrap()
}

fn queue(name: &str) -> QueueName {
    name.parse().unwrap()
}

impl Scene {
    fn new() -> Self {
        let store = Arc::new(Model::new(Arc::new(SystemClock)));
        Self { folder: tempfile::tempdir().unwrap(), store, ran: Arc::default() }
    }

    async fn submit(&self, name: &str, tasks: usize) {
        let one = || Block { queue: queue(name), ..Block::one(kind(), "0", &SystemClock, &SystemRandom) };
        self.store.submit(Submission::whole((0..tasks).map(|_| one()).collect())).await.unwrap();
    }

    /// Pumps `a` and `b`; a run takes so long.
    fn drone(&self, takes: Duration, until_empty: bool) -> Builder {
        let ran = Arc::clone(&self.ran);
        let handler = move |_: u64, context: Context| {
            *ran.lock().unwrap().entry(context.task().id.to_string()).or_default() += 1;
            async move {
                tokio::time::sleep(takes).await;
                Ok::<_, HandlerError>(())
            }
        };
        Drone::builder()
            .name("test")
            .queue("model:#a", queue("a"), self.store.clone())
            .queue("model:#b", queue("b"), self.store.clone())
            .local_path(self.folder.path().join("local.db"))
            .life(Life { until_empty, beat: Duration::from_millis(100), ..Life::default() })
            .handler(kind(), 2, Settings::default(), handler)
    }

    async fn tasks(&self, name: &str) -> Vec<TaskView> {
        let all = self.store.find(Filter { limit: 1000, ..Filter::default() }).await.unwrap();
        all.into_iter().filter(|task| task.queue == queue(name)).collect()
    }

    async fn count(&self, name: &str, state: State) -> usize {
        self.tasks(name).await.iter().filter(|task| task.state == state).count()
    }

    async fn until(&self, name: &str, state: State, tasks: usize) {
        while self.count(name, state).await < tasks {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Everything ended well, and ran once.
    async fn ran_once(&self, tasks: usize) {
        let all = [self.tasks("a").await, self.tasks("b").await].concat();
        assert!(all.iter().all(|task| task.state == State::Completed && task.losses == 0), "{all:?}");
        let ran = self.ran.lock().unwrap();
        assert_eq!((all.len(), ran.len()), (tasks, tasks));
        assert!(ran.values().all(|runs| *runs == 1), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_task_runs_once_however_many_beats_it_takes() {
    let scene = Scene::new();
    scene.submit("a", 4).await;
    scene.submit("b", 4).await;
    scene.drone(LONG, true).build().unwrap().run(Stopper::default()).await.unwrap();
    scene.ran_once(8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_done_with_one_keeps_what_it_has_of_the_other() {
    let scene = Scene::new();
    scene.submit("b", 1).await;
    let stopper = Stopper::default();
    let drone = scene.drone(LONG, false).build().unwrap();
    let stops = async {
        scene.until("b", State::Claimed, 1).await;
        // It leaves `a` at once, and `b` when the task has ended.
        stopper.stop();
    };
    tokio::join!(drone.run(stopper.clone()), stops).0.unwrap();
    scene.ran_once(1).await;
    assert!(scene.store.drones().await.unwrap().is_empty(), "it has left both");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_is_paused_in_one_goes_on_in_the_other() {
    let scene = Scene::new();
    scene.submit("a", 3).await;
    scene.submit("b", 3).await;
    let pause = |paused| scene.store.set(queue("a"), Some(kind()), Setting::Paused(paused));
    pause(true).await.unwrap();
    let drone = scene.drone(Duration::ZERO, true).build().unwrap();
    let resumes = async {
        scene.until("b", State::Completed, 3).await;
        // Several beats of the other, which say that nothing is paused there.
        tokio::time::sleep(LONG).await;
        assert_eq!(scene.count("a", State::Available).await, 3);
        pause(false).await.unwrap();
    };
    tokio::join!(drone.run(Stopper::default()), resumes).0.unwrap();
    scene.ran_once(6).await;
}
