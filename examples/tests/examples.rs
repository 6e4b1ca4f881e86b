//! Every example is run, and says what it should.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{path::PathBuf, process::Command};

/// Where cargo puts examples: beside the folder of its tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().unwrap().with_file_name("examples").join(name);
    assert!(example.exists(), "{} is not built: run `cargo test -p skep-examples`", example.display());
    example
}

/// What it prints, line by line.
fn output(name: &str) -> Vec<String> {
    let ran = Command::new(example(name)).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    said.lines().map(str::to_owned).collect()
}

#[test]
fn embed() {
    let (mails, said): (Vec<String>, Vec<String>) =
        output("embed").into_iter().partition(|line| line.starts_with("mail"));
    // Follow-ups are tasks of their own, and come when they come.
    assert_eq!(mails, ["mail about cake", "mail about tea"]);
    assert_eq!(
        said,
        [
            "bill: \"cake, 3.50 EUR\"",
            "bill: \"tea, 2.75 EUR\"",
            "no gold: discarded: not for sale",
            "lunch: \"soup\"",
            "watch: cancelled",
        ]
    );
}

#[test]
fn call() {
    assert_eq!(
        output("call"),
        [
            "called: 6",
            "collected: 42",
            "failed: nothing to sum",
            "timed out, and may be collected later",
            "refused: 1 of 1 tasks",
            "done here instead: 11",
        ]
    );
}

#[test]
fn submit() {
    assert_eq!(
        output("submit"),
        [
            "one: Accepted",
            "the same again: Existing",
            "many: 1000 accepted",
            "second nightly: conflict, true",
            "third nightly: Skipped, true",
            "a thousand more: none, queue_full: 1002 of 1005 tasks; try again in 1 s",
            "as many as fit: 3",
            "before: available",
            "after: completed, 144",
        ]
    );
}
