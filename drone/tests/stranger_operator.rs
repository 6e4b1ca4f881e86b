//! An operator's day: drains, kills, two drones on one queue, a full queue, a paused one.
#![expect(clippy::unwrap_used, reason = "tests")]

mod stranger_place;

use std::{
    collections::HashMap,
    io::Write,
    process::{Child, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use stranger_place::Place;

const CONFIG: &str = "[drone]\nbeat = \"1s\"\nttl = \"3s\"\ngrace = \"100ms\"\n[workers.w]\n\
                      kill_after = \"100ms\"\nrun.process = [\"python3\", \"w.py\"]\n";

const WORKER: &str = r#"
for m in runs():
    note(f"{m['payload']} {os.environ['SKEP_DRONE']}")
    if m["payload"] == "wait":
        while not os.path.exists("go"): time.sleep(0.01)
    done(m)
"#;

fn submit_many(place: &Place, payloads: impl Iterator<Item = String>) {
    let mut child = place
        .command(&["submit", "w", "-", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let lines: String = payloads.map(|payload| payload + "\n").collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn count(place: &Place, state: &str) -> usize {
    place.json(&["task", "list", &format!("state:{state}"), "--limit", "10000"]).len()
}

#[test]
fn a_drained_drone_hands_back_and_exits_well() {
    let place = Place::with(&CONFIG.replace("100ms\"\n[", "30s\"\n["), WORKER);
    place.ok(&["submit", "w", "\"wait\"", "--priority", "max"]);
    submit_many(&place, (0..10).map(|n| n.to_string()));
    let drone = place.drone("log", &[]);
    place.wait_for("the first run", || place.read("journal").contains("wait"));
    place.wait_for("a buffer", || count(&place, "claimed") > 1);
    let end = std::thread::scope(|scope| {
        let end = scope.spawn(|| drone.drain());
        place.wait_for("what has not started to be handed back", || count(&place, "available") == 10);
        place.write("go", "");
        end.join().unwrap()
    });
    assert_eq!(end, Some(0), "{}", place.read("log"));
    assert_eq!((count(&place, "completed"), count(&place, "available")), (1, 10));
    assert!(place.json(&["task", "list"]).iter().all(|task| task["attempts"] == 0));
    assert_eq!(place.ok(&["drone", "list", "-q"]), "");
}

#[test]
fn two_drones_share_the_work_and_run_each_task_once() {
    let place = Place::with(CONFIG, WORKER);
    let config = CONFIG.replace("[workers.w]", "[local]\npath = \"other.db\"\n[workers.w]");
    place.write("other.toml", config);
    let (one, other) = (place.drone("one.log", &[]), place.drone("other.log", &["-c", "other.toml"]));
    place.wait_for_drones(2);
    submit_many(&place, (0..400).map(|n| n.to_string()));
    place.wait_for("the end", || count(&place, "completed") == 400);
    let journal = place.read("journal");
    let mut by: HashMap<&str, usize> = HashMap::new();
    let mut runs: Vec<u32> = Vec::new();
    for line in journal.lines() {
        let (payload, drone) = line.split_once(' ').unwrap();
        runs.push(payload.parse().unwrap());
        *by.entry(drone).or_default() += 1;
    }
    runs.sort_unstable();
    assert_eq!(runs, (0..400).collect::<Vec<_>>(), "each once");
    assert_eq!(by.len(), 2, "both had some: {by:?}");
    assert_eq!((one.drain(), other.drain()), (Some(0), Some(0)));
}

#[test]
fn a_drone_that_was_killed_comes_back_and_counts_what_ran() {
    let place = Place::with(CONFIG, WORKER);
    place.ok(&["submit", "w", "\"wait\"", "--priority", "max"]);
    submit_many(&place, (0..5).map(|n| n.to_string()));
    let drone = place.drone("log", &[]);
    place.wait_for("the first run", || place.read("journal").contains("wait"));
    drone.kill();
    place.write("go", "");
    place.ok(&["drone", "run", "--until-empty"]);
    let tasks = place.json(&["task", "list"]);
    assert!(tasks.iter().all(|task| task["state"] == "completed" && task["losses"] == 0), "{tasks:?}");
    let attempts: u64 = tasks.iter().map(|task| task["attempts"].as_u64().unwrap()).sum();
    assert_eq!(attempts, 1, "only what ran is charged");
}

#[test]
fn a_full_queue_says_so_and_a_place_that_frees_is_found() {
    let place = Place::with(CONFIG, WORKER);
    place.ok(&["queue", "capacity", "default", "2"]);
    let first = place.ok(&["submit", "w", "1"]);
    place.ok(&["submit", "w", "2"]);
    assert_eq!(place.fails(&["submit", "w", "3"], 6), "error: queue_full: 2 of 2 tasks; try again in 1 s\n");
    assert!(place.ok(&["status"]).contains("default: 2 of 2 tasks"));
    let waiting =
        place.command(&["submit", "w", "3", "--on-full", "wait=20s"]).stdout(Stdio::null()).spawn().unwrap();
    place.ok(&["task", "cancel", &first]);
    assert!(waiting.wait_with_output().unwrap().status.success());
    place.ok(&["queue", "drain", "default"]);
    assert!(place.fails(&["submit", "w", "4"], 6).contains("draining"));
    assert!(place.ok(&["status"]).contains("draining"));
    place.ok(&["queue", "open", "default"]);
    place.ok(&["queue", "capacity", "default", "none"]);
    place.ok(&["submit", "w", "4"]);
}

#[test]
fn an_interrupt_ends_a_call_and_says_which_task_goes_on() {
    let place = Place::new();
    let call: Child = place.command(&["call", "nobody", "1"]).stderr(Stdio::piped()).spawn().unwrap();
    place.wait_for("the task", || place.skep(&["task", "list", "-q"]).out.lines().count() == 1);
    kill_process(Pid::from_child(&call), Signal::INT).unwrap();
    let ended = call.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(said.contains("the task goes on: skep result "), "{said}");
    assert_eq!(count(&place, "available"), 1);
}
