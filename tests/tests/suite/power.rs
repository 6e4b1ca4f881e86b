//! Power cuts under a whole installation: the disk with the queue and the drone's file stops in the middle
//! of everything, and forgets what was not synced. What was promised before is still so; what was not may
//! run again.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};

use skep_queue::{
    Admin, QueueName, TaskId,
    admin::{Filter, Setting, State},
};
use skep_sqlite::Connection;
use skep_tests::{
    backend,
    journal::{self, Entry, Journal, Verdict},
    plan::{Plan, Pusher, Way},
};
use tempfile::TempDir;

use super::{
    capacity,
    mains::{Cutter, Disk},
    process::Process,
    scene::{self, Scene, assert_sound, open},
    wait::{BOUND, Chance, moment, short_or_long, skip},
};

/// Keeps what is left at the end to a size that drains soon.
const CAPACITY: u64 = 1_000;

/// What was promised, and to whom, in all cycles so far.
struct Cuts {
    disk: Disk,
    plan: Plan,
    /// How much of the journal has been read.
    read: u64,
    /// All of it, but for settles answered after a cut.
    entries: Vec<Entry>,
    times: Vec<u64>,
    killed: HashMap<u32, u64>,
    offered: HashSet<TaskId>,
    acknowledged: HashSet<TaskId>,
    /// Not acknowledged, and yet found after a cut.
    found: HashSet<TaskId>,
    settled: HashSet<TaskId>,
    /// Claimed since the last cut, and not settled.
    held: HashSet<TaskId>,
    undone: usize,
}

/// A submitter; killed when dropped.
struct Pushing(Child);

impl Pushing {
    fn start(folder: &Path, queue: String, way: Way) -> Self {
        let pusher = Pusher {
            queue,
            answers: folder.join("answers"),
            length: Duration::from_secs(600),
            way,
            bound: 0,
            journal: Some(folder.join("journal")),
        };
        let log = File::options().create(true).append(true).open(folder.join("pusher.log")).unwrap();
        Self(capacity::command(&pusher).stderr(log).spawn().unwrap())
    }

    fn kill(mut self) -> u32 {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        self.0.id()
    }
}

impl Drop for Pushing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Cuts {
    async fn new(folder: &Path, disk: Disk) -> Self {
        let file = disk.path("queue.db");
        let plan = scene::plan(folder, backend::sqlite(&file), "victim");
        let (ttl, beat) = (Duration::from_millis(600), Duration::from_millis(100));
        let plan = Plan { local: disk.path("local.db"), ttl, beat, ..plan };
        drop(Journal::open(&plan.journal).unwrap());
        let queue = open(&file);
        let capacity = Setting::Capacity(Some(CAPACITY));
        queue.set(QueueName::default(), None, capacity).await.unwrap();
        queue.close().await;
        Self {
            disk,
            plan,
            read: 0,
            entries: Vec::new(),
            times: Vec::new(),
            killed: HashMap::new(),
            offered: HashSet::new(),
            acknowledged: HashSet::new(),
            found: HashSet::new(),
            settled: HashSet::new(),
            held: HashSet::new(),
            undone: 0,
        }
    }

    async fn cycle(&mut self, folder: &Path, chance: &Chance) {
        let cutter = Cutter::start(&self.disk, &self.plan.journal).await;
        let mut pushing = Pushing::start(folder, self.plan.queue.clone(), Way::Queue);
        let mut drone = Process::start(&self.plan);
        // While the drone starts, and reckons with the last cut; while it works; or after longer than a
        // lease. What its own file forgot stays claimed by the dead until somebody rescues it.
        let kind = chance.within(0..3);
        if kind > 0 {
            drone = drone.ready().await;
        }
        let range = [0..60, 0..600, 800..2_000][kind as usize].clone();
        moment(chance.within(range)).await;
        assert!(pushing.0.try_wait().unwrap().is_none(), "the submitter gave up before the cut: pusher.log");
        let mark = cutter.cut().await.unwrap();
        for pid in [drone.kill(), pushing.kill()] {
            self.killed.insert(pid, journal::now());
        }
        self.times.push(journal::now());
        self.note(Some(mark));
        self.disk.again().await;
        self.look().await;
    }

    /// Reads on in the journal; what comes after the mark, if there is one, was answered without power.
    fn note(&mut self, mark: Option<u64>) {
        let (mut file, mut bytes) = (File::open(&self.plan.journal).unwrap(), Vec::new());
        file.seek(SeekFrom::Start(self.read)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        let whole = mark.map_or(bytes.len(), |mark| {
            let before = &bytes[..usize::try_from(mark - self.read).unwrap()];
            // The last line may have been under way.
            before.iter().rposition(|byte| *byte == b'\n').unwrap_or(0)
        });
        self.read += bytes.len() as u64;
        let (promised, _) = journal::parse(&bytes[..whole]);
        let (mut void, _) = journal::parse(&bytes[whole..]);
        for entry in promised.iter().chain(&void) {
            if let Entry::Offered { task } = entry {
                self.offered.insert(*task);
            }
        }
        promised.iter().for_each(|entry| self.promise(entry));
        void.retain(|entry| !matches!(entry, Entry::Settled(_)));
        self.entries.extend(promised.into_iter().chain(void));
    }

    fn file(&self) -> PathBuf {
        self.disk.path("queue.db")
    }

    fn promise(&mut self, entry: &Entry) {
        match entry {
            Entry::Submitted { task } => drop(self.acknowledged.insert(*task)),
            Entry::Claimed { task, .. } => drop(self.held.insert(*task)),
            Entry::Settled(settled) => {
                self.held.remove(&settled.task);
                if settled.is_terminal() && settled.verdict != Verdict::Late {
                    self.settled.insert(settled.task);
                }
            }
            Entry::Begin(_) | Entry::End(_) | Entry::Offered { .. } => {}
        }
    }

    /// How many files of the drone were taken for damaged.
    fn aside(&self) -> usize {
        let names = std::fs::read_dir(self.disk.path("")).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().contains(".corrupt-")).count()
    }

    /// Power is back: is all there that was promised?
    async fn look(&mut self) {
        assert_sound(&self.file());
        if self.plan.local.exists() {
            assert_sound(&self.plan.local);
        }
        assert_eq!(self.aside(), 0, "a cut damages no file of a drone");
        let queue = open(&self.file());
        let filter = Filter { limit: usize::MAX >> 1, ..Filter::default() };
        let tasks = queue.find(filter).await.unwrap();
        queue.close().await;
        let there: HashMap<TaskId, State> = tasks.into_iter().map(|view| (view.id, view.state)).collect();
        let lost: Vec<_> = self.acknowledged.iter().filter(|id| !there.contains_key(id)).collect();
        assert!(lost.is_empty(), "{} acknowledged, and gone after the cut: {:?}", lost.len(), lost.first());
        let terminal = |id: &&TaskId| there.get(*id).is_some_and(|state| state.is_terminal());
        let open: Vec<_> = self.settled.iter().filter(|id| !terminal(id)).collect();
        assert!(open.is_empty(), "{} settled, and open after the cut: {:?}", open.len(), open.first());
        let held = self.held.drain();
        self.undone += held.filter(|id| there.get(id) == Some(&State::Available)).count();
        self.found.extend(self.offered.iter().filter(|id| there.contains_key(id)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_promised_outlives_power_cuts() {
    let mut dir = tempfile::tempdir().unwrap();
    let disk = match Disk::make(dir.path()).await {
        Ok(disk) => disk,
        Err(why) => return skip("power cuts", &why),
    };
    let chance = Chance::new("power");
    eprintln!("power: kept when a cycle fails: {}", dir.path().display());
    dir.disable_cleanup(true);
    let mut cuts = Cuts::new(dir.path(), disk).await;
    for _ in 0..short_or_long(6, 100) {
        cuts.cycle(dir.path(), &chance).await;
    }
    dir.disable_cleanup(false);
    judge(dir, cuts).await;
}

async fn judge(dir: TempDir, cuts: Cuts) {
    let mut scene = Scene::at(dir, cuts.plan.queue.clone()).await;
    // Dropped, and so unmounted, before the folder goes.
    let mut cuts = cuts;
    scene.killed.clone_from(&cuts.killed);
    scene.acknowledged(cuts.acknowledged.union(&cuts.found).copied());
    let drone = Process::start(&cuts.plan).ready().await;
    scene.empty(BOUND).await;
    scene.only_drones(&["victim"]).await;
    assert!(drone.drained().await.success());
    cuts.note(None);
    let mut history = scene.history().await;
    history.entries = std::mem::take(&mut cuts.entries);
    history.cuts = std::mem::take(&mut cuts.times);
    let verdict = history.check();
    eprintln!(
        "power: cuts {}, acknowledged {}, unanswered and there {}, settled {}, claims undone {}, {verdict}",
        history.cuts.len(),
        cuts.acknowledged.len(),
        cuts.found.difference(&cuts.acknowledged).count(),
        cuts.settled.len(),
        cuts.undone,
    );
    assert!(verdict.broken.is_empty(), "{verdict}");
    assert_eq!((verdict.lost, verdict.unexplained), (0, 0));
    assert!(!cuts.acknowledged.is_empty() && !cuts.settled.is_empty(), "something was promised");
    assert_sound(&cuts.file());
    assert_sound(&cuts.plan.local);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_wait_for_the_disk_loses_what_it_promised() {
    let dir = tempfile::tempdir().unwrap();
    let disk = match Disk::make(dir.path()).await {
        Ok(disk) => disk,
        Err(why) => return skip("power cuts, the control", &why),
    };
    let chance = Chance::new("power, the control");
    let (journal, mut kept, mut lost) = (dir.path().join("journal"), 0, 0);
    for cut in 1..=20 {
        File::create(&journal).unwrap();
        let cutter = Cutter::start(&disk, &journal).await;
        let pushing = Pushing::start(dir.path(), disk.path("lazy.db").display().to_string(), Way::Lazy);
        moment(chance.within(200..600)).await;
        let acknowledged = cutter.cut().await.unwrap();
        pushing.kill();
        disk.again().await;
        let there = rows(&disk.path("lazy.db"));
        lost += acknowledged.saturating_sub(there.saturating_sub(kept));
        kept = there;
        if lost > 0 {
            eprintln!("power, the control: lost {lost} of {acknowledged} acknowledged rows at cut {cut}");
            return;
        }
    }
    panic!("the control never lost a row: the cuts prove nothing");
}

fn rows(path: &Path) -> u64 {
    let connection = Connection::open(path).unwrap();
    // No table: not even that was kept.
    let count: Option<i64> = connection.query_row("select count(*) from tasks", [], |row| row.get(0)).ok();
    count.unwrap_or(0).cast_unsigned()
}
