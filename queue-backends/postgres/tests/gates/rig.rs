//! A queue on a server of its own, whose costs can be read.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use skep_pgserver::Server;
use skep_postgres::{Config, PgMeter, PgQueue, schema};
use skep_queue::{
    Admin, Block, BlockId, ClaimId, Claimed, Demand, Ending, Incarnation, Meter, Outcome, Pump, Queue,
    QueueName, Settlement, Submission, Submitted, TaskType,
    admin::Setting,
    block,
    clock::{SystemClock, SystemRandom},
    meter::Reading,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::{Mutex, MutexGuard};

/// Nothing runs beside the measurement: no vacuum, and no checkpoint, after which pages are logged whole.
const SETTINGS: [&str; 6] = [
    "fsync = off",
    "synchronous_commit = off",
    "autovacuum = off",
    "checkpoint_timeout = 1d",
    "max_wal_size = 8GB",
    "shared_buffers = 256MB",
];
/// Tasks in one submit.
const CALL: usize = 8192;

pub static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(&SETTINGS).unwrap());
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The log and the processor are the server's: one measures at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

pub struct Rig {
    pub url: String,
    queue: PgQueue,
    drone: Incarnation,
    _alone: MutexGuard<'static, ()>,
}

pub async fn run(connection: &mut PgConnection, sql: impl Into<String>) {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(connection).await.unwrap();
}

pub fn task_type() -> TaskType {
    "work".parse().unwrap()
}

fn config(url: &str) -> Config {
    Config { url: url.to_owned(), schema: "skep".into(), application: "skep gate".into() }
}

fn open(url: &str) -> PgQueue {
    PgQueue::new(&config(url), Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
}

/// 100 bytes of JSON that do not compress to less than their letters' worth.
fn payload(n: usize) -> String {
    let mut state = n as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(
            b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[(state >> 40) as usize & 63],
        )
    };
    format!("{{\"pad\":\"{}\"}}", (0..90).map(letter).collect::<String>())
}

impl Rig {
    /// An empty queue that keeps nothing of what ends.
    pub async fn new() -> Self {
        let alone = ALONE.lock().await;
        let name = format!("g{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&SERVER.url("postgres")).await.unwrap();
        run(&mut admin, format!("create database {name}")).await;
        let url = SERVER.url(&name);
        schema::up(&mut PgConnection::connect(&url).await.unwrap(), "skep").await.unwrap();
        let rig = Self { queue: open(&url), url, drone: Incarnation::new(&SystemRandom), _alone: alone };
        rig.queue.set(QueueName::default(), None, Setting::Retention(Duration::ZERO)).await.unwrap();
        rig
    }

    /// From now on who waits long is promoted.
    pub async fn promote(&self, every: Duration) {
        self.queue.set(QueueName::default(), None, Setting::PromoteAfter(Some(every))).await.unwrap();
    }

    /// Closes the queue's connections, and makes new ones when it is asked again.
    pub fn reopen(&mut self) {
        self.queue = open(&self.url);
    }

    pub async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    pub fn meter(&self) -> PgMeter {
        PgMeter::new(&config(&self.url), Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
    }

    pub async fn submit(&self, tasks: usize, single: bool) {
        let like = Block::one(task_type(), "0", &SystemClock, &SystemRandom);
        let id = || BlockId::new(&SystemClock, &SystemRandom);
        for from in (0..tasks).step_by(CALL) {
            let payloads: Vec<String> = (from..tasks.min(from + CALL)).map(payload).collect();
            let blocks = match single {
                true => payloads.chunks(1).flat_map(|one| block::pack(&like, one, id)).collect(),
                false => block::pack(&like, &payloads, id),
            };
            let answers = self.queue.submit(Submission::whole(blocks)).await.unwrap();
            assert!(answers.iter().all(|answer| *answer == Submitted::Accepted));
        }
    }

    pub async fn pump(&self, room: usize) -> Vec<Claimed> {
        let demands = vec![Demand { task_type: task_type(), room }];
        let claim = ClaimId::new(&SystemRandom);
        let pump = Pump { drone: self.drone, claim, queue: QueueName::default(), demands };
        self.queue.pump(pump).await.unwrap()
    }

    pub async fn settle(&self, claims: &[Claimed]) {
        let settlement = |claimed: &Claimed| {
            let endings = vec![Ending { members: claimed.live, outcome: Outcome::done() }];
            Settlement { claim: claimed.claim, block: claimed.block, endings }
        };
        let settled = self.queue.settle(claims.iter().map(settlement).collect()).await.unwrap();
        assert!(settled.iter().zip(claims).all(|(settled, claimed)| settled.accepted == claimed.live));
    }

    /// Claims and settles everything, `room` tasks at a time.
    pub async fn drain(&self, room: usize) {
        loop {
            let claims = self.pump(room).await;
            if claims.is_empty() {
                return;
            }
            self.settle(&claims).await;
        }
    }
}

/// Dead rows that wait for a vacuum, those of large values among them: an update in place leaves one that the
/// next visitor of the page may clean up, and then it is not counted any more.
const DEAD: &str = "\
    with own as (select oid, reltoastrelid from pg_class where relnamespace = 'skep'::regnamespace) \
    select coalesce(sum(n_dead_tup), 0)::bigint from pg_stat_all_tables \
    where relid in (select oid from own union all select reltoastrelid from own)";

/// What it costs to submit, claim and settle so many tasks on a warm queue.
pub async fn cost(mut rig: Rig, tasks: usize, single: bool) -> Reading {
    rig.submit(1000, single).await;
    rig.drain(1024).await;
    let before = rig.read().await;
    rig.submit(tasks, single).await;
    rig.drain(1024).await;
    rig.read().await.since(before)
}

impl Rig {
    /// The meter, with the dead rows that are there instead of all that there ever were.
    async fn read(&mut self) -> Reading {
        self.reopen();
        let reading = self.meter().read().await.unwrap();
        let dead: i64 = sqlx::query(DEAD).fetch_one(&mut self.connection().await).await.unwrap().get(0);
        Reading { dead_rows: dead.cast_unsigned(), ..reading }
    }
}
