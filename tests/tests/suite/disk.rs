//! Full disks: of the drone's own file, in the middle of its work; and of the queue's, in the middle of a
//! submit. Small file systems in memory, which only root can mount.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use skep_queue::{
    Block, Error, Queue, QueueName, Submission, Submitted,
    admin::{Setting, State},
    clock::{SystemClock, SystemRandom},
};
use skep_tests::plan::{Job, Plan};

use super::{
    process::Process,
    scene::{Scene, assert_sound, open},
    wait::{BOUND, eventually, moment, skip, until},
};

/// A small file system in memory; unmounted when dropped.
pub struct Small(PathBuf);

impl Small {
    /// Mounts one, or says why not.
    pub fn mount(at: PathBuf, options: &str) -> Result<Self, String> {
        fs::create_dir_all(&at).unwrap();
        let mut command = Command::new("mount");
        let output = command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&at).output();
        match output {
            Ok(output) if output.status.success() => Ok(Self(at)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(format!("mount: {error}")),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Takes all the room there is, to the last byte.
    fn fill(&self) -> PathBuf {
        let hog = self.path("hog");
        let mut file = File::create(&hog).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            // As often as a file system of some mebibytes has room for.
            for _ in 0..100_000 {
                if file.write(&vec![7; size]).is_err() {
                    break;
                }
            }
        }
        hog
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_outlives_a_full_disk() {
    const TASKS: usize = 3_000;
    let mut scene = Scene::new().await;
    let small = match Small::mount(scene.path("small"), "size=24m") {
        Ok(small) => small,
        Err(why) => return skip("a full disk under the drone's file", &why),
    };
    scene.submit("work", vec![Job { millis: 2, ..Job::default() }; TASKS]).await;
    let plan = Plan { local: small.path("local.db"), prefetch: 200, ..scene.plan("cramped") };
    let drone = Process::start(&plan).ready().await;
    let some = || async { (scene.depth().await < (TASKS - 300) as u64).then_some(()) };
    eventually("some tasks are done", BOUND, some).await;
    let hog = small.fill();
    until("the drone notices", || {
        let log = drone.log();
        log.contains("cannot be written") || log.contains("nearly full")
    })
    .await;
    moment(1_000).await;
    let (stuck, full) = (scene.depth().await, drone.log().contains("cannot be written"));
    fs::remove_file(hog).unwrap();
    // Shorter than what would hand back the work, and so hide that nobody takes it up.
    scene.empty(Duration::from_secs(20)).await;
    assert!(drone.drained().await.success());
    let test = format!("full disk, at a depth of {stuck}, writes failed: {full}");
    let (_, verdict) = scene.check(&test).await;
    assert_eq!(verdict.states.get(&State::Completed), Some(&TASKS));
    assert_eq!(verdict.again, 0, "what ran is known, by the ballast");
    assert_sound(&plan.local);
}

/// The same with nothing under way that would be written later, and so wake those who wait.
#[tokio::test(flavor = "multi_thread")]
async fn idle_hands_find_their_work_when_the_disk_has_room_again() {
    const TASKS: usize = 500;
    let mut scene = Scene::new().await;
    let small = match Small::mount(scene.path("small"), "size=24m") {
        Ok(small) => small,
        Err(why) => return skip("a full disk under an idle drone", &why),
    };
    let queue = Arc::clone(&scene.queue);
    let pause = |paused| queue.set(QueueName::default(), None, Setting::Paused(paused));
    let plan = Plan { local: small.path("local.db"), hands: 2, prefetch: 200, ..scene.plan("idle") };
    let drone = Process::start(&plan).ready().await;
    let quiet = || async {
        let drones = queue.drones().await.unwrap();
        drones.iter().all(|drone| drone.facts.running == 0 && drone.facts.held > 0).then_some(())
    };
    scene.submit("work", vec![Job { millis: 20, ..Job::default() }; TASKS]).await;
    until("it has begun", || !scene.entries().is_empty()).await;
    pause(true).await.unwrap();
    eventually("it holds work, and runs none", BOUND, quiet).await;
    let hog = small.fill();
    pause(false).await.unwrap();
    until("the drone notices", || drone.log().contains("cannot be written")).await;
    fs::remove_file(hog).unwrap();
    scene.empty(Duration::from_secs(20)).await;
    assert!(drone.drained().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_queue_is_said_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let small = match Small::mount(dir.path().join("small"), "size=24m") {
        Ok(small) => small,
        Err(why) => return skip("a full disk under the queue", &why),
    };
    let queue = open(&small.path("queue.db"));
    let payload = format!("\"{}\"", "x".repeat(30_000));
    let block = || Block::one("work".parse().unwrap(), &payload, &SystemClock, &SystemRandom);
    let first = block();
    assert_eq!(submit(&queue, first).await, Ok(Submitted::Accepted));
    let hog = small.fill();
    let mut refused = Vec::new();
    for _ in 0..1_000 {
        let block = block();
        match submit(&queue, block.clone()).await {
            Ok(answer) => assert_eq!(answer, Submitted::Accepted),
            Err(error) => refused.push((block, error)),
        }
        if refused.len() == 3 {
            break;
        }
    }
    assert_eq!(refused.len(), 3, "the disk is full");
    let known = tasks(&queue).await;
    for (block, error) in &refused {
        assert!(matches!(error, Error::Unavailable(why) if why.contains("full")), "{error}");
        assert!(!known.contains(&block.id.task(0)), "refused, and yet there");
    }
    fs::remove_file(hog).unwrap();
    for (block, _) in &refused {
        assert_eq!(
            submit(&queue, block.clone()).await,
            Ok(Submitted::Accepted),
            "as if it were the first time"
        );
    }
    assert_eq!(tasks(&queue).await.len(), known.len() + 3);
    queue.close().await;
    assert_sound(&small.path("queue.db"));
    eprintln!("full disk under the queue: {} stored before, 3 refused, 3 accepted after", known.len());
}

async fn submit(queue: &dyn Queue, block: Block) -> Result<Submitted, Error> {
    Ok(queue.submit(Submission::whole(vec![block])).await?.remove(0))
}

async fn tasks(queue: &dyn skep_queue::Admin) -> Vec<skep_queue::TaskId> {
    let filter = skep_queue::admin::Filter { limit: 1_000_000, ..Default::default() };
    queue.find(filter).await.unwrap().into_iter().map(|view| view.id).collect()
}

/// For tests that look at a place that may not be written.
pub fn read_only(at: &Path) -> Result<Small, String> {
    Small::mount(at.to_owned(), "size=1m,ro")
}
