//! The examples are what newcomers copy: each must work as it is.

use std::path::Path;

use serde_json::json;
use skep_drone::worker::{ExecWorker, Launch, Verdict, Worker, check_program, exec, process};

use crate::harness::{Bench, python3, skipped, task};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/workers");

/// Whether this machine can run it.
fn missing(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH");
    let missing = |name: &&&str| check_program(&[(**name).to_owned()], None, path.as_deref()).is_err();
    let missing: Vec<_> = programs.iter().filter(missing).collect();
    if !missing.is_empty() {
        skipped(&format!("a worker example: no {missing:?} on this machine"));
    }
    !missing.is_empty()
}

async fn greets(argv: &[&str], worker: impl FnOnce(&Bench, Vec<String>) -> Box<dyn Worker>) {
    let mut bench = Bench::new();
    let worker = worker(&bench, argv.iter().map(|&arg| arg.to_owned()).collect());
    for name in ["Ada", "Grace \"Ω\" 😀", "--help $(id)"] {
        let payload = json!({ "name": name }).to_string();
        let seen = bench.result(&*worker, task(payload)).await;
        assert_eq!(seen, json!({ "greeting": format!("hello {name}") }));
    }
    let verdict = bench.run(&*worker, task("{}")).await;
    assert!(matches!(verdict, Verdict::Failed { .. }), "{verdict:?}");
    bench.result(&*worker, task(r#"{"name":"again"}"#)).await;
    crate::harness::within("stop", worker.stop()).await;
}

async fn pool_greets(argv: &[&str]) {
    let make = |bench: &Bench, argv| {
        let config = process::Config { argv, ..process::Config::default() };
        Box::new(bench.worker(config)) as Box<dyn Worker>
    };
    greets(argv, make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python() {
    if !missing(&["python3"]) {
        pool_greets(&[&python3(), &format!("{FOLDER}/worker.py")]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn perl() {
    if !missing(&["perl"]) {
        pool_greets(&["perl", &format!("{FOLDER}/worker.pl")]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node() {
    if !missing(&["node"]) {
        pool_greets(&["node", &format!("{FOLDER}/worker.mjs")]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bash() {
    if !missing(&["bash", "jq"]) {
        pool_greets(&["bash", &format!("{FOLDER}/worker.sh")]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_script() {
    if missing(&["bash", "jq"]) {
        return;
    }
    let make = |bench: &Bench, argv| {
        let config = exec::Config { argv, ..exec::Config::default() };
        Box::new(ExecWorker::new(config, Launch::default(), "bench", bench.deps())) as Box<dyn Worker>
    };
    greets(&["bash", &format!("{FOLDER}/exec.sh")], make).await;
}

/// The promise of the documentation: how short a worker is.
#[test]
fn they_are_as_short_as_promised() {
    for (file, most) in [("worker.py", 15), ("worker.pl", 12), ("worker.mjs", 9), ("worker.sh", 8)] {
        let text = std::fs::read_to_string(Path::new(FOLDER).join(file)).unwrap();
        let code = text.lines().filter(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#') && !line.starts_with("//")
        });
        let lines = code.count();
        assert!(lines <= most, "{file} has {lines} lines of code, more than {most}");
    }
}
