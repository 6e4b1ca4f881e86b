//! A stranger's first worker in Python: order, time, follow-ups, postbacks, snoozes, retries and cancels.
#![expect(clippy::unwrap_used, reason = "tests")]

mod stranger_place;

use std::time::Duration;

use serde_json::Value;
use stranger_place::Place;

const CONFIG: &str = "[drone]\nbeat = \"1s\"\n[workers.w]\ntypes = [\"w\", \"next\", \"heard\"]\n\
                      kill_after = \"100ms\"\nrun.process = [\"python3\", \"w.py\"]\n";

const WORKER: &str = r#"
for m in runs():
    p = m["payload"]
    note(f"{m['task']} {json.dumps(p)} {m['attempt']} {time.time()}")
    if m["task"] == "heard" or m["task"] == "next": done(m)
    elif p == "follow": done(m, "done", submit=[{"task": "next", "payload": {"from": m["id"]}}])
    elif p == "chain": done(m, "lost", submit=[{"task": "next", "payload": 7, "local": True}])
    elif p == "snooze" and not os.path.exists("open"):
        open("open", "w").close()
        tell(op="snooze", id=m["id"], **{"for": "300ms"})
    elif p == "again" and m["attempt"] == 1: tell(op="fail", id=m["id"], error="not yet", retry="300ms")
    elif p == "sleep": time.sleep(600)
    else: done(m, m["attempt"])
"#;

fn place() -> Place {
    Place::with(CONFIG, WORKER)
}

/// Micros since 1970 of a time in RFC 3339, by the order of its text only within one zone: so as JSON has it.
fn when(task: &Value, key: &str) -> jiff::Timestamp {
    task[key].as_str().unwrap().parse().unwrap()
}

fn journal(place: &Place) -> Vec<Vec<String>> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    place.read("journal").lines().map(words).collect()
}

#[test]
fn with_one_hand_the_lower_number_goes_first() {
    let place = place();
    for priority in ["low", "normal", "max", "min", "high"] {
        place.ok(&["submit", "w", &format!("\"{priority}\""), "--priority", priority]);
    }
    place.ok(&["drone", "run", "--until-empty"]);
    let order: Vec<String> = journal(&place).into_iter().map(|mut words| words.remove(1)).collect();
    assert_eq!(order, ["\"max\"", "\"high\"", "\"normal\"", "\"low\"", "\"min\""]);
}

#[test]
fn in_a_second_is_not_before() {
    let place = place();
    let _drone = place.drone("log", &[]);
    let id = place.ok(&["submit", "w", "1", "--in", "1s"]);
    place.wait_for_state(&id, "completed");
    let task = place.task(&id);
    let ran: f64 = journal(&place)[0][3].parse().unwrap();
    let submitted = when(&task, "created_at").as_microsecond() as f64 / 1e6;
    assert!(ran - submitted >= 1.0, "{task}: ran at {ran}");
}

#[test]
fn a_submit_wakes_an_idle_drone() {
    let place = place();
    let _drone = place.drone("log", &[]);
    place.ok(&["call", "w", "0"]);
    let mut took = Vec::new();
    for n in 0..10 {
        let id = place.ok(&["submit", "w", &n.to_string()]);
        place.wait_for_state(&id, "completed");
        let task = place.task(&id);
        took.push(when(&task, "created_at").duration_until(when(&task, "finished_at")));
    }
    took.sort_unstable();
    println!("from accepted to completed: median {:?}, most {:?}", took[5], took[9]);
}

#[test]
fn follow_ups_and_postbacks_enter_with_the_end() {
    let place = place();
    let parent = place.ok(&["submit", "w", "\"follow\"", "--postback", "heard"]);
    let chain = place.ok(&["submit", "w", "\"chain\""]);
    place.ok(&["drone", "run", "--until-empty"]);
    let tasks = place.json(&["task", "list"]);
    assert!(tasks.iter().all(|task| task["state"] == "completed"), "{tasks:?}");
    let of = |name: &str| -> Vec<String> {
        let of_type = tasks.iter().filter(|task| task["task_type"] == name);
        of_type.map(|task| task["id"].as_str().unwrap().to_owned()).collect()
    };
    let [next, heard] = ["next", "heard"].map(|name| {
        let ids = of(name);
        assert_eq!(ids.len(), 1, "one of {name}");
        place.task(&ids[0])["payload"].clone()
    });
    assert_eq!(next["from"], parent.as_str());
    assert_eq!((&heard["id"], &heard["result"]), (&parent.as_str().into(), &"done".into()));
    assert_eq!(heard["state"], "completed");
    assert_eq!(place.task(&chain)["result"], Value::Null, "a chain's result is its last link's");
    assert_eq!(journal(&place).iter().filter(|words| words[0] == "next").count(), 2);
}

#[test]
fn a_snooze_is_no_attempt_and_a_retry_is_one() {
    let place = place();
    let _drone = place.drone("log", &[]);
    for (payload, attempts) in [("\"snooze\"", 0), ("\"again\"", 1)] {
        let id = place.ok(&["submit", "w", payload]);
        place.wait_for_state(&id, "completed");
        let task = place.task(&id);
        assert_eq!(task["attempts"], attempts, "{task}");
        assert_eq!(task["result"], attempts + 1, "the attempt that the worker was told");
        let runs: Vec<f64> = journal(&place)
            .iter()
            .filter(|words| words[1] == payload)
            .map(|words| words[3].parse().unwrap())
            .collect();
        assert_eq!(runs.len(), 2, "{payload}");
        let apart = Duration::from_secs_f64(runs[1] - runs[0]);
        assert!(apart >= Duration::from_millis(300), "{payload}: {apart:?}");
    }
}

#[test]
fn a_cancel_stops_a_process() {
    let place = place();
    let _drone = place.drone("log", &[]);
    let id = place.ok(&["submit", "w", "\"sleep\""]);
    place.wait_for("the run", || place.read("journal").contains("sleep"));
    assert!(place.ok(&["task", "cancel", &id]).contains(&id));
    place.wait_for_state(&id, "cancelled");
    assert_eq!(place.ok(&["call", "w", "1"]), "1", "its hand is free again");
}
