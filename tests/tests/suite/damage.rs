//! The local file deleted or damaged between two runs: it is a cache of leases and an outbox, so that this
//! costs duplicates at most.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use skep_queue::{Cause, admin::State};
use skep_sqlite::Connection;
use skep_tests::plan::Job;

use super::{
    process::Process,
    scene::Scene,
    wait::{BOUND, Chance, eventually, short_or_long},
};

const TASKS: usize = 600;
/// The numbers by which SQLite's header says whose file it is: with others it is somebody else's, and refused.
const OWNER: std::ops::Range<u64> = 60..72;

/// What befalls the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Deleted,
    /// Only the database; its log stays.
    DeletedWithoutLog,
    Emptied,
    Halved,
    Zeroed,
    Garbage,
    /// The log, where all that is recent lies.
    LogHalved,
    LogFlipped,
    /// So many bytes, anywhere but in the owner's mark.
    Flipped(u64),
}

/// Whether the drone must have noticed, and set the file aside.
fn noticed(damage: Damage) -> bool {
    matches!(damage, Damage::Halved | Damage::Zeroed | Damage::Garbage)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

impl Damage {
    fn strike(self, path: &Path, chance: &Chance) {
        let log = beside(path, "-wal");
        if !matches!(self, Self::DeletedWithoutLog | Self::LogHalved | Self::LogFlipped) {
            // Otherwise all of it would be in the log, which mends the database.
            let connection = Connection::open(path).unwrap();
            connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
        }
        let length = fs::metadata(path).unwrap().len();
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        match self {
            Self::Deleted | Self::DeletedWithoutLog => fs::remove_file(path).unwrap(),
            Self::Emptied => file.set_len(0).unwrap(),
            Self::Halved => file.set_len(length / 2).unwrap(),
            Self::Zeroed => fs::write(path, vec![0; usize::try_from(length).unwrap()]).unwrap(),
            Self::Garbage => fs::write(path, "no database at all\n".repeat(1000)).unwrap(),
            Self::LogHalved => {
                let half = fs::metadata(&log).unwrap().len() / 2;
                OpenOptions::new().write(true).open(&log).unwrap().set_len(half).unwrap();
            }
            Self::LogFlipped => flip(&log, 5, chance),
            Self::Flipped(bytes) => flip(path, bytes, chance),
        }
    }
}

fn flip(path: &Path, bytes: u64, chance: &Chance) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    for _ in 0..bytes {
        let (at, mut byte) = (chance.within(0..length), [0]);
        if !OWNER.contains(&at) {
            file.read_exact_at(&mut byte, at).unwrap();
            byte[0] ^= 1 << chance.within(0..8);
            file.write_all_at(&byte, at).unwrap();
        }
    }
}

async fn survives(damage: Damage) {
    let chance = Chance::new(&format!("damage {damage:?}"));
    let mut scene = Scene::new().await;
    scene.submit("work", vec![Job { millis: 2, ..Job::default() }; TASKS]).await;
    let plan = scene.plan("victim");
    let drone = Process::start(&plan).ready().await;
    let some = || async { (scene.depth().await < TASKS as u64 * 9 / 10).then_some(()) };
    eventually("some tasks are done", BOUND, some).await;
    let pid = drone.kill();
    scene.killed(pid);
    damage.strike(&plan.local, &chance);
    let drone = Process::start(&plan).ready().await;
    scene.empty(BOUND).await;
    scene.only_drones(&["victim"]).await;
    assert!(drone.drained().await.success());
    judge(&scene, damage).await;
    let folder = fs::read_dir(scene.dir.path()).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let aside = names.filter(|name| name.starts_with("victim.local.db.corrupt-")).count();
    assert!(aside == 1 || aside == 0 && !noticed(damage), "{damage:?}: {aside} files set aside");
}

/// Duplicates are allowed without a reason on record: what would have been the record was damaged.
async fn judge(scene: &Scene, damage: Damage) {
    let verdict = scene.history().await.check();
    eprintln!("damage {damage:?}: {verdict}");
    let grave: Vec<_> =
        verdict.broken.iter().filter(|broken| !["I5", "I8"].contains(&broken.invariant)).collect();
    assert!(grave.is_empty(), "{damage:?}: {grave:?}");
    assert_eq!((verdict.lost, verdict.states.get(&State::Completed)), (0, Some(&TASKS)), "{damage:?}");
    if matches!(damage, Damage::Deleted | Damage::Zeroed | Damage::Garbage) {
        assert!(verdict.causes.contains_key(Cause::Lost.as_str()), "what was held came back by rescue");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_damaged_local_file_costs_duplicates_never_tasks() {
    use Damage::{
        Deleted, DeletedWithoutLog, Emptied, Flipped, Garbage, Halved, LogFlipped, LogHalved, Zeroed,
    };
    let mut all = vec![Deleted, DeletedWithoutLog, Emptied, Halved, Zeroed, Garbage, LogHalved, LogFlipped];
    all.extend((0..short_or_long(6, 60)).map(|i| Flipped(1 + i % 6 * 4)));
    // A few at once: they mostly wait for a lease to run out.
    for some in all.chunks(4) {
        let mut running = tokio::task::JoinSet::new();
        some.iter().for_each(|damage| drop(running.spawn(survives(*damage))));
        let all = tokio::time::timeout(Duration::from_secs(120), running.join_all());
        all.await.expect("the damaged drones come to an end");
    }
}
