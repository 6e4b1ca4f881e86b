//! The spool between a submitter and the model.

mod damage;
mod deliver;

use skep_queue::{
    Admin, Block, BlockId, Queue, Random, Submission, block,
    testing::{Model, TestClock, TestRandom},
};
use tempfile::TempDir;

use super::{
    deliver::{Delivered, Delivery, End},
    *,
};

const URL: &str = "model://user:hunter2@host/db?token=hunter3";

/// A spool in a folder of its own, and a queue.
struct Place {
    folder: TempDir,
    clock: Arc<TestClock>,
    random: Arc<TestRandom>,
    queue: Arc<Model>,
    spool: Spool,
}

impl Place {
    fn new() -> Self {
        Self::bounded(Bounds::default())
    }

    fn bounded(bounds: Bounds) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
        let config = Config { bounds: Some(bounds), ..Config::at(folder.path().join("deep/spool.db")) };
        let spool = Spool::new(config, clock.clone());
        let queue = Arc::new(Model::new(clock.clone()));
        Self { folder, clock, random: TestRandom::new(3), queue, spool }
    }

    /// Another process's handle.
    fn other(&self) -> Spool {
        Spool::new(Config::at(self.spool.path()), self.clock.clone())
    }

    fn block(&self, task_type: &str, payload: &str) -> Block {
        Block::one(task_type.parse().unwrap(), payload, self.clock.as_ref(), self.random.as_ref())
    }

    /// Blocks of many tasks, whose payloads are their numbers.
    fn many(&self, n: usize) -> Vec<Block> {
        let payloads: Vec<String> = (0..n).map(|i| i.to_string()).collect();
        let like = self.block("t", "");
        block::pack(&like, &payloads, || BlockId::new(self.clock.as_ref(), self.random.as_ref()))
    }

    async fn keep(&self, blocks: Vec<Block>, partial: bool) -> Vec<Held> {
        self.spool.keep(&Key::of(URL), &Submission { blocks, partial }).await.unwrap()
    }

    async fn keeps(&self, blocks: Vec<Block>, partial: bool) {
        let held = self.keep(blocks, partial).await;
        assert!(held.iter().all(|held| *held == Held::Kept), "{held:?}");
    }

    fn delivery(&self) -> Delivery {
        Delivery { spool: self.spool.clone(), key: Key::of(URL), queue: self.queue.clone() }
    }

    async fn deliver(&self) -> Delivered {
        self.delivery().some(usize::MAX).await.unwrap()
    }

    async fn depth(&self) -> u64 {
        self.queue.queues().await.unwrap().iter().map(|queue| queue.depth).sum()
    }

    async fn set(&self, task_type: Option<&str>, setting: skep_queue::admin::Setting) {
        let task_type = task_type.map(|name| name.parse().unwrap());
        self.queue.set(QueueName::default(), task_type, setting).await.unwrap();
    }

    /// Every member is there under its own id, with its own payload.
    async fn has(&self, blocks: &[Block]) {
        for block in blocks {
            for ordinal in block.mask().iter() {
                let task = self.queue.task(block.id.task(ordinal)).await.unwrap().expect("it is there");
                assert_eq!(task.payload, block.payloads.get(ordinal));
            }
        }
    }
}

fn done(tasks: usize, refused: usize) -> Delivered {
    Delivered { tasks, refused, end: End::Empty }
}

#[tokio::test]
async fn under_one_id_there_is_one_submission() {
    let place = Place::new();
    let block = place.block("t", "1");
    for _ in 0..2 {
        assert_eq!(place.keep(vec![block.clone()], true).await, [Held::Kept]);
    }
    let other = Block { payloads: place.block("t", "2").payloads, ..block.clone() };
    assert_eq!(place.keep(vec![other], true).await, [Held::Conflict { holder: block.id.task(0) }]);
    let listed = place.spool.list().await.unwrap();
    assert_eq!((listed.len(), listed[0].id, listed[0].tasks), (1, block.id.task(0), 1));
    assert_eq!(listed[0].backend, "model://host/db");
}

#[tokio::test]
async fn it_holds_so_much_and_no_more() {
    let place = Place::bounded(Bounds { tasks: 5, bytes: 3_000 });
    place.keeps(place.many(3), false).await;
    let full = Held::Full(Full { depth: 3, limit: 5, unit: "tasks" });
    assert_eq!(place.keep(place.many(3), false).await, [full], "a whole is kept as a whole or not at all");
    let blocks: Vec<Block> = ["1", "2", "3"].map(|payload| place.block("t", payload)).into();
    let last = Held::Full(Full { depth: 5, limit: 5, unit: "tasks" });
    assert_eq!(place.keep(blocks.clone(), true).await, [Held::Kept, Held::Kept, last.clone()]);
    assert_eq!(
        place
            .other()
            .keep(&Key::of("other:"), &Submission::whole(vec![place.block("t", "4")]))
            .await
            .unwrap(),
        [last],
        "whoever comes, and for whom"
    );
    assert_eq!(place.keep(vec![blocks[0].clone()], true).await, [Held::Kept], "what is there needs no room");
    place.spool.discard(vec![blocks[0].id.task(0), blocks[1].id.task(0)]).await.unwrap();
    let large = place.block("t", &format!("\"{}\"", "x".repeat(3_000)));
    let held = place.keep(vec![large], true).await;
    assert!(matches!(held[..], [Held::Full(Full { unit: "bytes", limit: 3_000, .. })]), "{held:?}");
}

#[tokio::test]
async fn several_keep_at_once_and_none_exceeds_the_bound() {
    let place = Place::bounded(Bounds { tasks: 50, bytes: 1 << 20 });
    place.spool.say_bounds().await.unwrap();
    let others: Vec<Spool> = (0..4).map(|_| place.other()).collect();
    let key = Key::of(URL);
    let keep = |spool: Spool| {
        let (key, blocks) =
            (key.clone(), (0..20).map(|n| place.block("t", &n.to_string())).collect::<Vec<_>>());
        async move {
            let mut kept = 0;
            for block in blocks {
                let held = spool.keep(&key, &Submission::whole(vec![block])).await.unwrap();
                kept += usize::from(held == [Held::Kept]);
            }
            kept
        }
    };
    let kept: Vec<usize> = futures_util::future::join_all(others.into_iter().map(keep)).await;
    assert_eq!(kept.iter().sum::<usize>(), 50);
    assert_eq!(place.spool.tally().await.unwrap()[0].tasks, 50);
}

#[tokio::test]
async fn a_look_makes_nothing() {
    let place = Place::new();
    assert_eq!(place.spool.tally().await.unwrap(), []);
    assert_eq!(place.spool.list().await.unwrap(), []);
    assert_eq!(place.spool.discard(vec![place.block("t", "1").id.task(0)]).await.unwrap(), [false]);
    assert_eq!(place.deliver().await, done(0, 0));
    assert_eq!(std::fs::read_dir(place.folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn no_secret_of_the_url_is_in_the_file_and_nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.keeps(vec![place.block("t", "\"needle\"")], true).await;
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(place.spool.path().parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        seen.extend(std::fs::read(&path).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
    let holds = |text: &str| seen.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(holds("needle") && holds("model://host/db"), "it looks at the right files");
    assert!(!holds("hunter") && !holds("user"), "a secret is on file");
}

#[test]
fn it_lies_where_state_lies() {
    let path = |state: Option<&str>, home: Option<&str>| {
        let path = default_path(|name| if name == "HOME" { home } else { state }.map(Into::into));
        path.display().to_string()
    };
    assert_eq!(path(Some("/s"), Some("/h")), "/s/skep/spool.db");
    assert_eq!(path(Some("relative"), Some("/h")), "/h/.local/state/skep/spool.db");
    assert_eq!(path(None, None), "/var/lib/skep/spool.db");
}
