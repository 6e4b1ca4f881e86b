//! The command as users have it: the binary, on a SQLite file.

use std::{
    io::{Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
        command.current_dir(self.0.path()).env_remove("SKEP_BACKEND").env("TZ", "UTC").args(words);
        command.env("SKEP_SPOOL", self.0.path().join("spool.db"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("it starts")
    }

    fn pipe(&self, words: &[&str], input: &str) -> Output {
        let mut child = self.command(words).stdin(Stdio::piped()).spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }

    fn queue(&self) -> serde_json::Value {
        let said = self.run(&["queue", "list", "--json"]);
        serde_json::from_slice(&said.stdout).expect("one queue")
    }
}

#[track_caller]
fn ends(said: Output, code: i32) -> (String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let (exit, out, talk) = (said.status.code(), text(said.stdout), text(said.stderr));
    assert_eq!(exit, Some(code), "{out}{talk}");
    (out, talk)
}

#[test]
fn every_exit_code() {
    let place = Place::new();
    let stranger = "00000000-0000-4000-8000-000000000000";
    let (_, talk) = ends(place.run(&["status"]), 5);
    assert!(talk.contains("no queue at ./skep.db yet: submit a task first"), "{talk}");
    let (id, _) = ends(place.run(&["submit", "t", "1", "--unique", "k"]), 0);
    let id = id.trim();
    ends(place.run(&["result", id]), 1);
    ends(place.run(&["submit", "t", "{"]), 2);
    ends(place.run(&["no-such-verb"]), 2);
    ends(place.run(&["--backend", "wrong:x", "status"]), 2);
    ends(place.run(&["result", stranger]), 3);
    ends(place.run(&["task", "show", stranger]), 3);
    ends(place.run(&["submit", "t", "2", "--unique", "k"]), 4);
    let (_, talk) = ends(place.run(&["--backend", "sqlite:/nowhere/at/all/skep.db", "submit", "t"]), 5);
    assert!(talk.contains("/nowhere/at/all does not exist: make it first"), "{talk}");
    std::fs::write(place.0.path().join("other.db"), "not a database, but long enough to look like one")
        .expect("it writes");
    ends(place.run(&["--backend", "sqlite:other.db", "status"]), 5);
    ends(place.run(&["queue", "capacity", "default", "1"]), 0);
    let (_, talk) = ends(place.run(&["submit", "t"]), 6);
    assert_eq!(talk, "error: queue_full: 1 of 1 tasks; try again in 1 s\n");
    ends(place.run(&["queue", "capacity", "default", "none"]), 0);
    ends(place.run(&["call", "t", "--timeout", "50ms"]), 124);
    ends(place.run(&["task", "cancel", id]), 0);
    ends(place.run(&["task", "cancel", id]), 1);
    let (_, talk) = ends(place.run(&["result", id]), 1);
    assert!(talk.starts_with("error: cancelled"), "{talk}");
}

#[test]
fn a_verb_that_looks_makes_no_file() {
    let place = Place::new();
    for words in [&["status"][..], &["task", "list"], &["queue", "list"], &["submit", "t", "--dry-run"]] {
        place.run(words);
        assert!(!place.0.path().join("skep.db").exists(), "{words:?}");
    }
    let elsewhere = place.command(&["submit", "t"]).env("SKEP_BACKEND", "sqlite:else.db").output();
    ends(elsewhere.expect("it starts"), 0);
    assert!(place.0.path().join("else.db").exists());
}

#[test]
fn ids_come_in_order_and_json_lines_are_lines() {
    let place = Place::new();
    let input: String = (0..10_000).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    let (ids, _) = ends(place.pipe(&["submit", "t", "-", "-q"], &input), 0);
    let ids: Vec<&str> = ids.lines().collect();
    assert_eq!(ids.len(), 10_000);
    for n in [0, 5000, 9999] {
        let (shown, _) = ends(place.run(&["task", "show", ids[n], "--json"]), 0);
        let shown: serde_json::Value = serde_json::from_str(&shown).expect("one line of JSON");
        assert_eq!(shown["payload"]["n"], n);
    }
    assert_eq!(place.queue()["depth"], 10_000);
}

#[test]
fn many_at_once_never_exceed_the_capacity() {
    let place = Place::new();
    ends(place.run(&["queue", "capacity", "default", "1000"]), 0);
    let input: String = (0..400).map(|n| format!("{n}\n")).collect();
    let submits = |_| {
        let mut child = place
            .command(&["submit", "t", "-", "--partial", "-q"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("it starts");
        child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
        child
    };
    let children: Vec<_> = (0..5).map(submits).collect();
    let accepted: usize = children
        .into_iter()
        .map(|child| {
            child.wait_with_output().expect("it ends").stdout.iter().filter(|b| **b == b'\n').count()
        })
        .sum();
    assert_eq!((accepted, place.queue()["depth"].as_u64()), (1000, Some(1000)));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let place = Place::new();
    let input: String = (0..5000).map(|n| format!("{n}\n")).collect();
    ends(place.pipe(&["submit", "t", "-"], &input), 0);
    let mut child = place.command(&["task", "list", "--json", "--limit", "5000"]).spawn().expect("it starts");
    let mut one = [0];
    child.stdout.take().expect("it is piped").read_exact(&mut one).expect("it says something");
    let (_, talk) = ends(child.wait_with_output().expect("it ends"), 0);
    assert_eq!(talk, "");
}

#[test]
fn a_word_for_a_time_counts_in_the_local_zone() {
    let place = Place::new();
    ends(place.run(&["submit", "t", "--at", "2031-05-06 07:08"]), 0);
    let at = |zone: &str| {
        let mut command = place.command(&["submit", "t", "--at", "2031-05-06 07:08", "-q"]);
        let said = command.env("TZ", zone).output().expect("it starts");
        let (id, _) = ends(said, 0);
        let (shown, _) = ends(place.run(&["task", "show", id.trim(), "--json"]), 0);
        let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        shown["run_at"].as_str().map(str::to_owned)
    };
    assert_eq!(at("UTC").as_deref(), Some("2031-05-06T07:08:00Z"));
    if Path::new("/usr/share/zoneinfo/Asia/Tokyo").exists() {
        assert_eq!(at("Asia/Tokyo").as_deref(), Some("2031-05-05T22:08:00Z"));
    }
}

#[test]
fn the_doctor_looks_at_a_file_and_makes_none() {
    let place = Place::new();
    let (_, talk) = ends(place.run(&["doctor"]), 5);
    assert!(talk.contains("no queue at ./skep.db yet"), "{talk}");
    ends(place.run(&["submit", "t", "1"]), 0);
    let (out, _) = ends(place.run(&["doctor"]), 0);
    for line in ["ok   schema", "ok   durability", "ok   integrity"] {
        assert!(out.contains(line), "{out}");
    }
    std::fs::write(place.0.path().join("other.db"), []).expect("it writes");
    let (out, _) = ends(place.run(&["--backend", "sqlite:other.db", "doctor", "--json"]), 1);
    assert!(
        out.contains(r#"{"verdict":"bad","subject":"schema","words":"it is no queue of skep's"#),
        "{out}"
    );
}
