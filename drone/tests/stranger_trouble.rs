//! Workers that are in trouble: the queue says so in words, and everybody else goes on.
#![expect(clippy::unwrap_used, reason = "tests")]

mod stranger_place;

use stranger_place::Place;

const HOSTILE: &str = r#"
for m in runs():
    p = m["payload"]
    if p == "nul": tell(op="fail", id=m["id"], error="a\0b\x1b[31mred \ud83d", retry=False)
    elif p == "garbage":
        out.write('garbage\n{"op":"nonsense"}\n\x00\n')
        done(m, "fine")
    elif p == "line":
        out.write("x" * (20 << 20) + "\n"); out.flush(); done(m)
    elif p == "print":
        print("y" * (20 << 20), flush=True); done(m, "printed")
    elif p == "exit": sys.exit(3)
    else: done(m, m["attempt"])
"#;

#[test]
fn a_worker_that_exits_at_once_is_degraded_and_the_others_go_on() {
    let config = "[workers.well]\nrun.process = [\"python3\", \"w.py\"]\n\
                  [workers.dead]\nrun.process = [\"sh\", \"-c\", \"echo no licence >&2; exit 3\"]\n";
    let place = Place::with(config, "for m in runs(): done(m, 1)\n");
    let dead = place.ok(&["submit", "dead", "1"]);
    let drone = place.drone("log", &[]);
    place.wait_for("degraded", || place.skep(&["status"]).out.contains("degraded"));
    let status = place.ok(&["status"]);
    let said = status.lines().find(|line| line.starts_with("degraded")).unwrap();
    for word in ["worker dead: ", "exit status 3", "before it said hello: no licence"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(place.ok(&["drone", "list"]).contains("worker dead: "));
    assert_eq!(place.ok(&["call", "well", "1"]), "1", "the other worker goes on");
    let starts = || place.read("log").matches("before it said hello").count();
    place.wait_for("a few starts", || starts() >= 4);
    assert!(starts() < 20, "it backs off:\n{}", place.read("log"));
    assert_eq!(drone.drain(), Some(0));
    assert_eq!(place.task(&dead)["state"], "available", "handed back");
    assert_eq!(place.task(&dead)["attempts"], 0, "and charged nothing");
}

#[test]
fn a_call_that_times_out_says_what_went_wrong_so_far() {
    let place = Place::with(
        "[workers.w]\nrun.process = [\"python3\", \"w.py\"]\n",
        "for m in runs(): tell(op='fail', id=m['id'], error='KeyError: name', retry='1h')\n",
    );
    let _drone = place.drone("log", &[]);
    let id = place.ok(&["submit", "w", "1"]);
    place.wait_for("a failure", || place.task(&id)["attempts"] == 1);
    let talk = place.fails(&["result", &id, "--wait", "--timeout", "50ms"], 124);
    assert!(talk.contains("failed 1 time so far, last with: KeyError: name"), "{talk}");
    let talk = place.fails(&["call", "w", "1", "--timeout", "3s"], 124);
    assert!(talk.contains("failed 1 time so far, last with: KeyError: name"), "{talk}");
    let nobody = place.fails(&["call", "nobody", "1", "--timeout", "50ms"], 124);
    assert!(!nobody.contains("so far"), "{nobody}");
}

#[test]
fn a_program_that_is_not_there_is_told_at_the_start_and_a_stop_at_the_end() {
    let place = Place::new();
    place.write("skep.toml", "[workers.w]\nrun.exec = [\"no-such-program\"]\n");
    let drone = place.drone("log", &[]);
    place.wait_for_drones(1);
    assert!(
        place.read("log").contains("[workers.w]: no program \"no-such-program\""),
        "{}",
        place.read("log")
    );
    assert_eq!(drone.drain(), Some(0));
    assert!(place.read("log").lines().last().unwrap().contains("drone stopped"), "{}", place.read("log"));
}

#[test]
fn hostile_answers_break_nothing() {
    let config = "[workers.w]\nmax_attempts = 1\nrun.process = [\"python3\", \"w.py\"]\n";
    let place = Place::with(config, HOSTILE);
    let _drone = place.drone("log", &[]);
    let call = |payload: &str| place.skep(&["call", "w", payload]);
    let nul = call("\"nul\"");
    assert_eq!(
        (nul.code, nul.talk.as_str()),
        (Some(1), "error: discarded: a\u{fffd}b\u{fffd}[31mred \u{fffd}\n")
    );
    assert_eq!(call("\"garbage\"").out, "\"fine\"\n");
    assert!(call("\"line\"").talk.contains("a line of more than 16777216 bytes"));
    assert_eq!(call("\"print\"").out, "\"printed\"\n");
    assert!(call("\"exit\"").talk.contains("exit status 3"));
    assert_eq!(call("0").out, "1\n", "it goes on");
    let log = place.read("log");
    assert!(log.contains("ignored on fd 3: not a message") && log.contains("there is no such op"), "{log}");
    assert!(log.len() < 100_000, "20 MiB on one line are not 20 MiB of log: {}", log.len());
}

#[test]
fn a_payload_above_the_limit_is_refused_with_the_limit() {
    let place = Place::new();
    place.write("big.json", format!("\"{}\"", "x".repeat(300 * 1024)));
    assert_eq!(
        place.fails(&["submit", "t", "@big.json"], 6),
        "error: payload_too_large: 307202 bytes, the limit is 262144\n"
    );
    place.ok(&["queue", "max-payload", "default", "400000"]);
    place.ok(&["submit", "t", "@big.json"]);
}
