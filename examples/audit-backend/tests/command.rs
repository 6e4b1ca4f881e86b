//! The command with one more backend, end to end: submit, a drone, an operator, and the trail they leave.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const BACKEND: &str = "audit:trail.jsonl:sqlite:./queue.db";
const CONFIG: &str = "[workers.hello]\nrun.exec = [\"sh\", \"-c\", \"cat >/dev/null; echo 7\"]\n";

fn skep(folder: &TempDir, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skep-audit"));
    command.current_dir(folder).env("SKEP_BACKEND", BACKEND).args(words).stdin(Stdio::null());
    command.output().unwrap()
}

fn ok(folder: &TempDir, words: &[&str]) -> String {
    let said = skep(folder, words);
    assert!(said.status.success(), "{words:?}: {said:?}");
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

fn trail(folder: &TempDir) -> Vec<Value> {
    let text = fs::read_to_string(folder.path().join("trail.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_done_through_it_leaves_a_trail() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("skep.toml"), CONFIG).unwrap();
    let done = ok(&folder, &["submit", "hello", "\"a secret\"", "-q"]);
    let unwanted = ok(&folder, &["submit", "other", "1", "-q"]);
    ok(&folder, &["task", "cancel", &unwanted]);
    ok(&folder, &["drone", "run", "--until-empty"]);
    assert_eq!(ok(&folder, &["result", &done]), "7");
    let trail = trail(&folder);
    let ops: Vec<&str> = trail.iter().map(|line| line["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["submit", "submit", "cancel", "settle"]);
    let submitted = &trail[0]["blocks"][0];
    assert_eq!((&submitted["block"], &submitted["accepted"]), (&done.as_str().into(), &1.into()));
    assert_eq!(trail[2]["tasks"][0]["task"], unwanted.as_str());
    let settled = &trail[3]["settled"][0];
    assert_eq!((&settled["block"], &settled["endings"]["complete"]), (&done.as_str().into(), &1.into()));
    assert!(trail.iter().all(|line| line["at"].is_u64()));
    let text = fs::read_to_string(folder.path().join("trail.jsonl")).unwrap();
    assert!(!text.contains("secret"), "payloads are nobody's business");
}

#[test]
fn a_trail_that_cannot_be_written_is_a_queue_that_cannot_be_reached() {
    let folder = tempfile::tempdir().unwrap();
    let full = "audit:/dev/full:sqlite:./queue.db";
    let said = skep(&folder, &["submit", "t", "1", "--backend", full, "--id", ID]);
    let talk = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(5), "{talk}");
    assert!(talk.contains("cannot write the audit trail /dev/full"), "{talk}");
    // It may have happened. Whoever asks again, with the same id, is told, and so is the trail.
    ok(&folder, &["submit", "t", "1", "--id", ID]);
    assert_eq!(trail(&folder)[0]["blocks"][0]["answer"], "existing");
}

const ID: &str = "00000000-0000-4000-8000-000000000001";

#[test]
fn a_wrong_url_says_how_to_write_one() {
    let folder = tempfile::tempdir().unwrap();
    for (url, says) in [
        ("audit:", "write audit:audit.jsonl:sqlite:./skep.db"),
        ("audit:trail.jsonl", "write audit:audit.jsonl:sqlite:./skep.db"),
        ("audit:none/trail.jsonl:sqlite:q.db", "cannot append to the audit trail none/trail.jsonl"),
        (
            "audit:trail.jsonl:wrong:x",
            "no backend \"wrong\" here: known are postgres:, postgresql:, skep:, sqlite:, unix:",
        ),
        ("wrong:x", "known are audit:, postgres:, postgresql:, skep:, sqlite:, unix:"),
    ] {
        let said = skep(&folder, &["submit", "t", "--backend", url]);
        let talk = String::from_utf8(said.stderr).unwrap();
        assert!(!said.status.success() && talk.contains(says), "{url}: {talk}");
    }
}
