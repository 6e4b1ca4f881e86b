//! Files that cannot be a queue, or a drone's: each is refused in words that name it and say what to do, and
//! is left as it was.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use skep_queue::clock::{SystemClock, SystemRandom};
use skep_sqlite::{Connection, Options, SqliteQueue};
use skep_tests::plan::Plan;

use super::{
    disk::read_only,
    process::{Process, tail},
    scene::Scene,
    wait::skip,
};

fn refusal(path: &Path) -> String {
    let opened = SqliteQueue::open(path, Options::default(), Arc::new(SystemClock), Arc::new(SystemRandom));
    let error = opened.err().expect("it cannot be opened").to_string();
    assert!(error.contains(&path.display().to_string()), "names the file: {error}");
    error
}

/// A drone whose own file this is: it exits, and says why.
async fn drone_refusal(scene: &Scene, local: PathBuf) -> String {
    let plan = Plan { local: local.clone(), ..scene.plan("refused") };
    let mut drone = Process::start(&plan);
    assert_eq!(drone.ended().await.code(), Some(3));
    let log = tail(&scene.path("refused.log"));
    let error = log.lines().last().unwrap_or_default().to_owned();
    assert!(error.contains(&local.display().to_string()), "names the file: {error}");
    error
}

fn database(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_others_are_refused_and_left_alone() {
    let scene = Scene::new().await;
    let foreign = scene.path("foreign.db");
    database(&foreign, "create table theirs (x); insert into theirs values (42)");
    let before = fs::read(&foreign).unwrap();
    assert!(refusal(&foreign).contains("not one of skep's"));
    assert!(drone_refusal(&scene, foreign.clone()).await.contains("not one of skep's"));
    assert_eq!(fs::read(&foreign).unwrap(), before, "not a byte was changed");

    let local = scene.path("the-other.local.db");
    let drone = Process::start(&Plan { local: local.clone(), ..scene.plan("other") }).ready().await;
    assert!(drone.drained().await.success());
    assert!(refusal(&local).contains("not one of skep's"), "a drone's file is no queue");
    let queue = scene.path("no-local.db");
    super::scene::open(&queue).close().await;
    assert!(drone_refusal(&scene, queue).await.contains("not one of skep's"), "nor a queue a drone's file");

    let garbage = scene.path("garbage.db");
    fs::write(&garbage, "no database\n".repeat(1000)).unwrap();
    assert!(refusal(&garbage).contains("is not a SQLite database"));
    assert_eq!(fs::read(&garbage).unwrap(), "no database\n".repeat(1000).as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_newer_skep_is_refused() {
    let scene = Scene::new().await;
    let (queue, local) = (scene.path("newer.db"), scene.path("newer.local.db"));
    super::scene::open(&queue).close().await;
    let drone = Process::start(&Plan { local: local.clone(), ..scene.plan("newer") }).ready().await;
    assert!(drone.drained().await.success());
    for path in [&queue, &local] {
        database(path, "pragma user_version = 99");
    }
    let errors = [refusal(&queue), drone_refusal(&scene, local).await];
    for error in errors {
        assert!(error.contains("schema 99") && error.contains("use the newer skep"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_written_is_refused() {
    let scene = Scene::new().await;
    let nowhere = scene.path("nowhere/queue.db");
    assert!(refusal(&nowhere).contains("does not exist: make it first"));
    assert!(drone_refusal(&scene, nowhere).await.contains("does not exist: make it first"));
    match read_only(&scene.path("read-only")) {
        Ok(small) => {
            let error = refusal(&small.path("queue.db"));
            assert!(error.contains("may be written"), "{error}");
            let error = drone_refusal(&scene, small.path("local.db")).await;
            assert!(error.contains("may be written"), "{error}");
        }
        Err(why) => skip("a read-only folder", &why),
    }
    let why =
        "no such file system can be mounted here; the numbers by which they are known are tested in place.rs";
    skip("a file on NFS, SMB, 9p or FUSE", why);
}
