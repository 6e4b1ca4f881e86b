//! A manager in a flood: three times as much is offered as its drone can do. What exceeds the bound is refused,
//! so that what is accepted waits no longer than the bound allows, and when the flood is over so is the backlog.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use skep_drone::{Context, Drone, HandlerError, Settings, Stopper, backend::Backends};
use skep_manager::{
    Manager, Server,
    client::Place,
    server::{Address, Bound, Config, Limits, Listener},
    wire::End,
};
use skep_queue::{
    Backend, Block, Clock, QueueName, Reason, Rejection, Submitted, TaskType,
    admin::State,
    clock::{SystemClock, SystemRandom},
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::wait::{BOUND, eventually, short_or_long};

const CLIENTS: u32 = 64;
const HANDS: u32 = 8;
const RUN: Duration = Duration::from_millis(50);
/// Most calls that one client has under way: a machine that is short of time is not asked for more and more.
const UNDER_WAY: usize = 4;
/// Half as many again as can run at once.
const CAPACITY: u64 = 12;
/// How soon all is over when the flood is.
const RECOVERY: Duration = Duration::from_secs(2);

fn kind() -> TaskType {
    "work".parse().unwrap()
}

fn client(socket: &Path) -> Arc<Manager> {
    let places = vec![Place::Unix(socket.to_owned())];
    Arc::new(Manager::new(places, Arc::new(SystemClock), Arc::new(SystemRandom)))
}

fn drone(folder: &Path, socket: &Path, tasks: &TaskTracker) -> Stopper {
    let work = |(): (), _: Context| async {
        tokio::time::sleep(RUN).await;
        Ok::<_, HandlerError>(())
    };
    let drone = Drone::builder()
        .name("worker")
        .queue("main", QueueName::default(), client(socket))
        .local_path(folder.join("local"))
        .handler(kind(), HANDS as usize, Settings::default(), work)
        .build()
        .unwrap();
    let stopper = Stopper::default();
    let stop = stopper.clone();
    tasks.spawn(async move { drone.run(stop).await.unwrap() });
    stopper
}

/// What became of what was offered.
#[derive(Default)]
struct Told {
    offered: AtomicU64,
    refused: Mutex<Vec<Rejection>>,
    /// How long accepted calls took.
    took: Mutex<Vec<Duration>>,
}

impl Told {
    async fn call(&self, client: &Manager) {
        self.offered.fetch_add(1, Relaxed);
        let (begun, block) = (SystemClock.elapsed(), Block::one(kind(), "null", &SystemClock, &SystemRandom));
        let (submitted, end) = client.call(block, BOUND, |_| {}).await.unwrap();
        match (submitted, end) {
            (Submitted::Accepted, End::Over { state: State::Completed, .. }) => {
                self.took.lock().unwrap().push(SystemClock.elapsed().saturating_sub(begun));
            }
            (Submitted::Rejected(rejection), End::NotKept) => self.refused.lock().unwrap().push(rejection),
            other => panic!("neither done nor refused: {other:?}"),
        }
    }

    /// Each client offers its part, evenly, whatever becomes of it.
    async fn offer(self: &Arc<Self>, clients: &[Arc<Manager>], part: f64, length: Duration) {
        let whole = f64::from(HANDS) / RUN.as_secs_f64() * part;
        let each = Duration::from_secs_f64(f64::from(CLIENTS) / whole);
        let calls = TaskTracker::new();
        let begun = SystemClock.elapsed();
        let offering = (0..).zip(clients).map(|(nth, client)| {
            let (told, client, calls) = (Arc::clone(self), Arc::clone(client), calls.clone());
            tokio::time::timeout(length, async move {
                tokio::time::sleep(each * nth / CLIENTS).await;
                let (mut ticks, places) = (tokio::time::interval(each), Arc::new(Semaphore::new(UNDER_WAY)));
                loop {
                    ticks.tick().await;
                    let (told, client) = (Arc::clone(&told), Arc::clone(&client));
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    calls.spawn(async move {
                        told.call(&client).await;
                        drop(place);
                    });
                }
            })
        });
        let offering: Vec<_> = offering.map(|offer| calls.spawn(offer)).collect();
        for offer in offering {
            assert!(offer.await.unwrap().is_err(), "it goes on until its time is over");
        }
        calls.close();
        calls.wait().await;
        let taken = SystemClock.elapsed().saturating_sub(begun);
        eprintln!("  all answered after {:.1} s", taken.as_secs_f64());
    }

    /// The times that half, and all but a hundredth, did not exceed.
    fn times(&self) -> [Duration; 2] {
        let mut took = self.took.lock().unwrap();
        took.sort_unstable();
        [2, 100].map(|nth| took[took.len() - 1 - took.len() / nth])
    }

    fn report(&self, what: &str, length: Duration) -> [Duration; 2] {
        let (offered, accepted) = (self.offered.load(Relaxed), self.took.lock().unwrap().len());
        let [p50, p99] = self.times();
        let rate = accepted as f64 / length.as_secs_f64();
        eprintln!("{what}: offered {offered}, accepted {accepted} ({rate:.0}/s), p50 {p50:?}, p99 {p99:?}");
        [p50, p99]
    }
}

/// Looks at the depth as often as it can, until told to stop; answers the most, and how often it looked.
async fn observe(store: Arc<dyn Backend>, over: Arc<AtomicBool>) -> (u64, u64) {
    let (mut most, mut looks) = (0, 0);
    while !over.load(Relaxed) {
        let depth: u64 = store.queues().await.unwrap().iter().map(|queue| queue.depth).sum();
        assert!(depth <= CAPACITY, "{depth} tasks, at most {CAPACITY} are allowed");
        (most, looks) = (depth.max(most), looks + 1);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (most, looks)
}

/// A manager, its drone, and those who flood it.
struct River {
    store: Arc<dyn Backend>,
    clients: Vec<Arc<Manager>>,
    stopper: Stopper,
    stop: CancellationToken,
    tasks: TaskTracker,
    _folder: tempfile::TempDir,
}

impl River {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("skep.sock");
        let url = format!("sqlite:{}/q.db", folder.path().display());
        let store = Backends::builtin().open(&url).await.unwrap();
        let limits = Limits { capacity: Some(Bound::Tasks(CAPACITY)), ..Limits::default() };
        // Links outlive a machine that is short of time.
        let config = Config { limits, heartbeat: Duration::from_secs(20), ..Config::default() };
        let server = Server::new(Arc::clone(&store), config, Arc::new(SystemClock));
        let listener = Listener::bind(&Address::Unix(socket.clone())).unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(server.serve(listener, stop.clone()));
        let stopper = drone(folder.path(), &socket, &tasks);
        let clients: Vec<Arc<Manager>> = (0..CLIENTS).map(|_| client(&socket)).collect();
        for client in &clients {
            eventually("a client is connected", BOUND, async || client.ping().await.ok()).await;
        }
        eventually("the drone is there", BOUND, async || {
            clients[0].status().await.is_ok_and(|status| status.drones.len() == 1).then_some(())
        })
        .await;
        Self { store, clients, stopper, stop, tasks, _folder: folder }
    }

    /// How long it took until nothing was left, and a call was answered.
    async fn recover(&self) -> Duration {
        let ended = SystemClock.elapsed();
        eventually("all is done", RECOVERY, async || {
            self.store.queues().await.unwrap().iter().all(|queue| queue.depth == 0).then_some(())
        })
        .await;
        let after = Told::default();
        after.call(&self.clients[0]).await;
        assert_eq!(after.took.lock().unwrap().len(), 1, "a call is taken again");
        SystemClock.elapsed().saturating_sub(ended)
    }

    async fn end(self) {
        self.stopper.stop();
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Every refusal says the same of the bound, and something of the wait; answers how many there were.
fn typed(told: &Told) -> u64 {
    let refused = told.refused.lock().unwrap();
    for rejection in &*refused {
        assert_eq!((rejection.reason, rejection.limit), (Reason::QueueFull, CAPACITY));
        assert_eq!(rejection.depth, CAPACITY);
        let wait = rejection.retry_after.unwrap();
        assert!((Duration::from_millis(100)..=Duration::from_secs(300)).contains(&wait), "{wait:?}");
    }
    refused.len() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_refused_and_leaves_nothing_behind() {
    let length = Duration::from_secs(short_or_long(5, 60));
    let river = River::begin().await;
    let over = Arc::new(AtomicBool::new(false));
    let observer = river.tasks.spawn(observe(Arc::clone(&river.store), Arc::clone(&over)));

    let (half, flood) = (Arc::new(Told::default()), Arc::new(Told::default()));
    half.offer(&river.clients, 0.5, length / 2).await;
    let calm = half.report("half load", length / 2);
    flood.offer(&river.clients, 3.0, length).await;
    let recovered = river.recover().await;
    assert!(recovered < RECOVERY, "{recovered:?}");
    over.store(true, Relaxed);
    let (most, looks) = observer.await.unwrap();
    assert!(most > CAPACITY / 2, "{most}: it was nearly full");

    let stormy = flood.report("flood", length);
    let refused = [typed(&half), typed(&flood)];
    let status = river.clients[0].status().await.unwrap();
    assert_eq!(status.refused["queue_full"], refused[0] + refused[1]);
    assert_eq!((status.callers, status.queues[0].depth), (0, 0));
    let ratio = |i: usize| stormy[i].as_secs_f64() / calm[i].as_secs_f64();
    eprintln!("most {most} in {looks} looks; refused {}; recovered in {recovered:?}", refused[1]);
    eprintln!("p50 {:.2} times, p99 {:.2} times that of half load", ratio(0), ratio(1));
    assert!(
        ratio(1) <= short_or_long(f64::INFINITY, 2.0),
        "accepted calls wait no longer than the bound allows"
    );
    river.end().await;
}
