//! The checker, shown histories that break each promise: one that has never failed proves nothing.

use std::collections::HashMap;

use skep_queue::{Cause, ClaimId, TaskId, admin::State};
use skep_tests::{
    check::{History, Record},
    journal::{Entry, Run, Settled, Verdict},
};

fn id(n: u128) -> TaskId {
    let text = format!("00000000-0000-7000-8000-{n:012x}");
    text.parse().unwrap()
}

fn claim(n: u32) -> ClaimId {
    format!("00000000-0000-4000-8000-{n:012x}").parse().unwrap()
}

fn run(attempt: u16, fence: u32, pid: u32, at: u64) -> Run {
    Run { task: id(1), attempt, fence, pid, at }
}

fn claimed(fence: u32, at: u64) -> Entry {
    Entry::Claimed { task: id(1), claim: claim(fence), fence, pid: 0, at }
}

fn settled(fence: u32, tag: u8, asked: u64) -> Entry {
    Entry::Settled(Settled { task: id(1), claim: claim(fence), tag, verdict: Verdict::Accepted, asked })
}

/// One task that ran once, well.
fn well() -> History {
    let (begin, end) = (run(1, 1, 9, 20), run(1, 1, 9, 30));
    History {
        submitted: vec![id(1)],
        tasks: vec![Record {
            id: id(1),
            state: State::Completed,
            counters: (0, 0, 0),
            events: Vec::new(),
            result: Some(begin),
        }],
        depth: 0,
        most: Some((1, 1)),
        entries: vec![claimed(1, 10), Entry::Begin(begin), Entry::End(end), settled(1, 1, 40)],
        killed: HashMap::new(),
        cuts: Vec::new(),
    }
}

/// One task that ran once, crashed, and ran again.
fn crashed() -> History {
    let mut history = well();
    let (first, begin, end) = (run(1, 1, 8, 1), run(2, 2, 9, 20), run(2, 2, 9, 30));
    history.killed.insert(8, 5);
    history.tasks[0].counters = (1, 0, 0);
    history.tasks[0].events = vec![(Cause::Crashed, 1)];
    history.tasks[0].result = Some(begin);
    history.entries = vec![claimed(1, 0), Entry::Begin(first), settled(1, 2, 8), claimed(2, 10)];
    history.entries.extend([Entry::Begin(begin), Entry::End(end), settled(2, 1, 40)]);
    history
}

#[track_caller]
fn breaks(history: &History, invariant: &str) {
    let verdict = history.check();
    let broken: Vec<&str> = verdict.broken.iter().map(|broken| broken.invariant).collect();
    assert!(broken.contains(&invariant), "{invariant} is not seen: {verdict}");
}

#[test]
fn good_histories_pass() {
    for history in [well(), crashed()] {
        let verdict = history.check();
        assert!(verdict.broken.is_empty(), "{verdict}");
    }
    assert_eq!(crashed().check().again, 1);
}

#[test]
fn a_lost_task_is_seen() {
    let mut history = well();
    history.submitted.push(id(2));
    breaks(&history, "I1");
    assert_eq!(history.check().lost, 1);
    history = well();
    history.tasks[0].state = State::Available;
    breaks(&history, "I1");
    history = well();
    history.tasks.push(history.tasks[0].clone());
    breaks(&history, "I1");
}

#[test]
fn a_task_that_nobody_submitted_is_seen() {
    let mut history = well();
    history.submitted.clear();
    breaks(&history, "I2");
}

#[test]
fn a_run_without_a_claim_or_twice_of_one_claim_is_seen() {
    let mut history = well();
    history.entries.remove(0);
    breaks(&history, "I5");
    history = well();
    history.entries.push(Entry::Begin(run(1, 1, 10, 50)));
    breaks(&history, "I5");
}

#[test]
fn a_second_settle_is_seen() {
    let mut history = well();
    history.entries.push(settled(1, 1, 50));
    breaks(&history, "I6");
    history = crashed();
    history.entries.push(settled(3, 1, 50));
    breaks(&history, "I6");
    history = well();
    history.tasks[0].result = Some(run(1, 1, 77, 20));
    breaks(&history, "I6");
}

#[test]
fn a_settle_after_the_next_claim_is_seen() {
    let mut history = well();
    history.entries.push(claimed(2, 35));
    breaks(&history, "I7");
}

#[test]
fn an_unexplained_duplicate_is_seen() {
    let mut history = crashed();
    history.tasks[0].events.clear();
    history.tasks[0].counters = (0, 0, 0);
    breaks(&history, "I8");
    assert_eq!(history.check().unexplained, 1);
    // Explained, but both ran at once although no claim was lost.
    history = crashed();
    history.killed.clear();
    breaks(&history, "I8");
}

#[test]
fn a_power_cut_explains_only_what_was_not_promised() {
    let mut history = crashed();
    history.tasks[0].events.clear();
    history.tasks[0].counters = (0, 0, 0);
    history.entries.remove(2);
    history.cuts = vec![5];
    let verdict = history.check();
    assert!(verdict.broken.is_empty() && verdict.by_cut == 1, "{verdict}");
    // Not between the two runs.
    history.cuts = vec![25];
    breaks(&history, "I8");
    // Its outcome had been taken before the cut.
    history.cuts = vec![5];
    history.entries.push(settled(1, 2, 3));
    breaks(&history, "I8");
}

#[test]
fn what_a_file_forgot_in_a_power_cut_runs_again_of_the_same_claim_only() {
    let mut history = well();
    // Settled before the cut, and run again from a file that forgot it: the queue has heard it before.
    history.cuts = vec![50];
    history.entries.extend([Entry::Begin(run(1, 1, 10, 60)), Entry::End(run(1, 1, 10, 70))]);
    let verdict = history.check();
    assert!(verdict.broken.is_empty() && verdict.by_cut == 1, "{verdict}");
    // Had the cut undone what was promised, the queue would take it a second time.
    let again = history.clone();
    history.entries.push(settled(1, 1, 80));
    breaks(&history, "I6");
    // And it would grant the task again, whatever the fence is by then.
    for fence in [1, 2] {
        let mut history = again.clone();
        let id = claim(9);
        history.entries.push(Entry::Claimed {
            task: run(1, 1, 1, 1).task,
            claim: id,
            fence,
            pid: 10,
            at: 55,
        });
        for entry in &mut history.entries {
            if let Entry::Begin(run) | Entry::End(run) = entry
                && run.pid == 10
            {
                run.fence = fence;
            }
        }
        breaks(&history, "I8");
    }
    // Nor is it forgotten without a cut between.
    let mut history = again;
    history.cuts = vec![15];
    breaks(&history, "I5");
    breaks(&history, "I8");
}

#[test]
fn a_claim_that_a_cut_undid_explains_what_ran_under_it_even_later() {
    let mut history = well();
    history.cuts = vec![15];
    let again = |fence, at| Entry::Claimed { task: id(1), claim: claim(9), fence, pid: 10, at };
    // The fence is given again while the first still runs: the queue knows nothing of the first.
    let (begin, end) = (run(1, 1, 10, 25), run(1, 1, 10, 35));
    history.entries = vec![claimed(1, 10), Entry::Begin(run(1, 1, 9, 20)), Entry::End(run(1, 1, 9, 30))];
    history.entries.extend([again(1, 22), Entry::Begin(begin), Entry::End(end)]);
    history.tasks[0].result = Some(begin);
    let verdict = history.check();
    assert!(verdict.broken.is_empty() && verdict.by_cut == 1, "{verdict}");
    // But then it must not take the outcome of the first,
    let mut taken = history.clone();
    taken.entries.push(settled(1, 1, 40));
    breaks(&taken, "I7");
    // nor give one fence to two claims without a cut between.
    history.cuts.clear();
    breaks(&history, "I5");
    breaks(&history, "I8");
}

#[test]
fn counters_without_events_or_beyond_limits_are_seen() {
    let mut history = well();
    history.tasks[0].counters = (1, 0, 0);
    breaks(&history, "I9");
    history = well();
    history.tasks[0].counters = (0, 4, 0);
    history.tasks[0].events = vec![(Cause::Lost, 0); 4];
    breaks(&history, "I9");
}

#[test]
fn an_overshoot_or_a_wrong_depth_is_seen() {
    let mut history = well();
    history.most = Some((1001, 1000));
    breaks(&history, "I10");
    history = well();
    history.depth = 1;
    breaks(&history, "I10");
}
