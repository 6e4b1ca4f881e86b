//! The spool as users have it: the binary, over a queue whose folder is not there yet, or whose lock somebody
//! holds; and what kill -9, a second process and a full disk do to it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod stranger_place;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use skep_sqlite::Connection;
use stranger_place::{Place, Said};

const AWAY: [&str; 2] = ["--backend", "sqlite:away/skep.db"];
const SPOOL: [&str; 2] = ["--on-down", "spool"];

fn submit<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&AWAY[..], &["submit"], words, &SPOOL].concat()
}

fn comes_back(place: &Place) {
    fs::create_dir(place.path("away")).unwrap();
}

/// The ids that the queue has, and how many rows.
fn there(place: &Place) -> (BTreeSet<String>, usize) {
    let listed = place.ok(&[&AWAY[..], &["task", "list", "-q", "--limit", "1000000"]].concat());
    (listed.lines().map(str::to_owned).collect(), listed.lines().count())
}

fn waiting(place: &Place) -> u64 {
    let listed = place.ok(&["spool", "list", "--json"]);
    let entries = listed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    entries.map(|entry| entry["tasks"].as_u64().unwrap()).sum()
}

fn assert_sound(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let verdict: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

#[test]
fn what_is_submitted_while_the_queue_is_away_is_run_once_it_is_back() {
    let place = Place::with(
        "[drone]\nname = \"d\"\n[[queue]]\nurl = \"sqlite:away/skep.db\"\n[spool]\npath = \"spool.db\"\nmax_tasks = 5\n[workers.t]\nrun.process = [\"python3\", \"w.py\"]\n",
        "for m in runs():\n    note(str(m[\"payload\"]))\n    done(m, m[\"payload\"])\n",
    );
    let said = place.skep(&submit(&["t", "1"]));
    assert_eq!(said.code, Some(7), "{said:?}");
    let id = said.out.trim().to_owned();
    place.skep(&submit(&["t", "2"]));
    let status = place.skep(&[&AWAY[..], &["status"]].concat());
    assert_eq!(status.code, Some(5), "{status:?}");
    assert!(status.out.contains("spool      2 tasks in 2 submissions"), "{status:?}");
    assert!(status.out.contains("away/skep.db: unreachable"), "{status:?}");
    let json = place.skep(&[&AWAY[..], &["status", "--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert!(json["spool"]["tasks"] == 2 && json["unreachable"].is_string(), "{json}");

    // The drone starts without its queue, too.
    let drone = place.drone("log", &[]);
    place.wait_for("the drone to notice", || place.read("log").contains("the queue cannot be reached"));
    let bound = || {
        let connection = Connection::open(place.path("spool.db")).unwrap();
        connection.query_row("select tasks from bounds", [], |row| row.get::<_, i64>(0)).ok()
    };
    place.wait_for("the drone to say its bounds", || bound() == Some(5));
    place.write("four.json", r#"[{"task": "t"}, {"task": "t"}, {"task": "t"}, {"task": "t"}]"#);
    let full = place.skep(&submit(&["--file", "four.json"]));
    assert!(
        full.code == Some(6) && full.talk.contains("spool_full: 2 of 5 tasks"),
        "the file says so: {full:?}"
    );
    comes_back(&place);
    place.wait_for("both to have run", || place.read("journal").lines().count() == 2);
    let result = place.ok(&[&AWAY[..], &["result", &id, "--wait", "--timeout", "20s"]].concat());
    assert_eq!(result.trim(), "1");
    assert_eq!(there(&place).1, 2);
    place.wait_for("the log", || place.read("log").contains("delivered what was spooled"));
    assert_eq!(waiting(&place), 0);
    assert_eq!(drone.drain(), Some(0));
    assert_eq!(place.read("journal").lines().count(), 2, "nothing is run again");
}

/// It has work on its own file, and its queue is away from the start.
#[test]
fn a_drone_starts_without_its_queue_and_runs_what_it_holds() {
    let place = Place::with(
        "[drone]\nname = \"d\"\n[[queue]]\nurl = \"sqlite:away/skep.db\"\n[workers.t]\nrun.process = [\"python3\", \"w.py\"]\n",
        "for m in runs():\n    note(\"begin\")\n    time.sleep(0.2)\n    note(str(m[\"payload\"]))\n    done(m)\n",
    );
    comes_back(&place);
    place.write("ten.json", "[".to_owned() + &[r#"{"task": "t", "payload": 7}"#; 10].join(",") + "]");
    place.ok(&[&AWAY[..], &["submit", "--file", "ten.json"]].concat());
    let drone = place.drone("first", &[]);
    place.wait_for("it to have begun", || place.read("journal").contains('7'));
    drone.kill();
    let done = || place.read("journal").lines().filter(|line| *line == "7").count();
    let before = done();
    assert!(before < 9, "it holds work: {before} of 10 are done");
    fs::rename(place.path("away"), place.path("gone")).unwrap();
    let drone = place.drone("second", &[]);
    // One was cut short, and waits for its next attempt, which the queue gives it.
    place.wait_for("what it holds to have run", || done() >= 9);
    assert!(place.read("second").contains("the queue cannot be reached"), "{}", place.read("second"));
    fs::rename(place.path("gone"), place.path("away")).unwrap();
    let open =
        || place.ok(&[&AWAY[..], &["task", "list", "-q", "state:available,claimed,scheduled"]].concat());
    place.wait_for("all to be reported", || open().is_empty());
    assert_eq!(drone.drain(), Some(0));
    assert!([10, 11].contains(&done()), "only what ran when it was killed may run again: {}", done());
}

/// A process that stands still with the queue's lock makes the queue one that hangs.
#[test]
fn a_queue_that_hangs_is_out_of_reach_after_a_moment() {
    let place = Place::new();
    place.ok(&["submit", "t", "0"]);
    let lock = File::options().write(true).open(place.path("skep.db.lock")).unwrap();
    lock.lock().unwrap();
    let said = place.skep(&["submit", "t", "1", "--on-down", "spool"]);
    assert_eq!(said.code, Some(7), "{said:?}");
    let status = place.skep(&["status"]);
    assert!(status.code == Some(5) && status.out.contains("spool      1 task in 1"), "{status:?}");
    lock.unlock().unwrap();
    let next = place.skep(&["submit", "t", "2"]);
    assert!(next.code == Some(0) && next.talk.contains("delivered 1 task"), "{next:?}");
    assert_eq!(place.ok(&["task", "list", "-q"]).lines().count(), 3);
}

#[test]
fn what_no_waiting_heals_is_not_spooled() {
    let place = Place::new();
    place.write("letter.txt", "Dear Ada, this is a letter and no database at all. ".repeat(40));
    let said = place.skep(&["--backend", "sqlite:letter.txt", "submit", "t", "--on-down", "spool"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(!place.path("spool.db").exists());
}

#[test]
fn two_processes_that_spool_at_once_are_both_heard() {
    let place = Place::new();
    let input: String = (0..200).map(|n| format!("{n}\n")).collect();
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = place.command(&submit(&["t", "-", "-q", "--partial"]));
            let mut child =
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            child
        })
        .collect();
    let mut told = BTreeSet::new();
    for child in children {
        let said = Said::of(child.wait_with_output().unwrap());
        assert_eq!(said.code, Some(7), "{said:?}");
        told.extend(said.out.lines().map(str::to_owned));
    }
    assert_eq!((told.len(), waiting(&place)), (800, 800));
    comes_back(&place);
    place.ok(&[&AWAY[..], &["spool", "flush"]].concat());
    assert_eq!(there(&place), (told, 800));
}

/// I3, and the promise of the spool: what was told as spooled is there in the end, once, whoever is killed when.
#[test]
fn kill_9_in_the_middle_of_spooling_and_of_delivering_loses_nothing() {
    let place = Place::new();
    let mut told = BTreeSet::new();
    for round in 0..14u64 {
        let mut child = place.command(&submit(&["t", "-", "--json"]));
        let mut child =
            child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let feeding = std::thread::spawn(move || {
            for n in 0..500 {
                if writeln!(stdin, "{n}").is_err() {
                    break;
                }
            }
        });
        let out = child.stdout.take().unwrap();
        if round > 0 {
            std::thread::sleep(Duration::from_millis(round * 4));
            let _ = child.kill();
        }
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            // The last one may be torn.
            let Ok(answer) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
            assert_eq!(answer["outcome"], "spooled", "{answer}");
            told.insert(answer["id"].as_str().unwrap().to_owned());
        }
        child.wait().unwrap();
        feeding.join().unwrap();
    }
    let kept = waiting(&place);
    assert!(kept >= told.len() as u64 && told.len() >= 500, "{kept} kept, {} told", told.len());
    comes_back(&place);
    let mut rounds = 0;
    while waiting(&place) > 0 {
        let flush = [&AWAY[..], &["spool", "flush"]].concat();
        let mut child = place.command(&flush).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 + rounds * 15));
        let _ = child.kill();
        child.wait().unwrap();
        rounds += 1;
        assert!(rounds < 200, "it comes to an end");
    }
    let (ids, rows) = there(&place);
    assert_eq!((rows as u64, ids.len() as u64), (kept, kept), "each is there once");
    assert!(told.is_subset(&ids), "what was told is there");
    assert_sound(&place.path("spool.db"));
    eprintln!("kills: {} told, {kept} kept, delivered in {rounds} killed rounds", told.len());
}

#[test]
fn a_full_spool_is_an_exit_code_and_a_damaged_one_is_put_aside() {
    let place = Place::new();
    let input: String = (0..8_000).map(|n| format!("{n}\n")).collect();
    let many = || {
        let mut command = place.command(&submit(&["t", "-"]));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Said::of(child.wait_with_output().unwrap())
    };
    assert_eq!(many().code, Some(7));
    let full = many();
    assert_eq!(full.code, Some(6), "{full:?}");
    assert!(full.talk.contains("spool_full: 8000 of 10000 tasks; the queue cannot be reached"), "{full:?}");
    place.write("spool.db", "garbage ".repeat(2_000));
    for side in ["spool.db-wal", "spool.db-shm"] {
        let _ = fs::remove_file(place.path(side));
    }
    let said = place.skep(&submit(&["t", "1"]));
    assert!(said.code == Some(7) && said.talk.contains("spool.db.corrupt-"), "{said:?}");
    assert_eq!(waiting(&place), 1);
}

#[test]
fn a_full_disk_under_the_spool_is_said_and_leaves_nothing_half_written() {
    let place = Place::new();
    let small = place.path("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&small).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return eprintln!("SKIPPED: a full disk under the spool: only root mounts file systems");
    }
    let spool = small.join("spool.db").display().to_string();
    let payload = format!("\"{}\"", "x".repeat(100_000));
    place.write("payload.json", &payload);
    let submit = || place.skep(&[&submit(&["t", "@payload.json"])[..], &["--spool", &spool]].concat());
    let (mut kept, mut refused) = (0, 0);
    for _ in 0..15 {
        let said = submit();
        match said.code {
            Some(7) => kept += 1,
            Some(5) => {
                assert!(said.talk.contains("could not be spooled") && said.talk.contains("full"), "{said:?}");
                refused += 1;
            }
            _ => panic!("{said:?}"),
        }
    }
    let listed = place.ok(&["spool", "list", "-q", "--spool", &spool]).lines().count();
    let _ = Command::new("umount").arg("--lazy").arg(&small).status();
    assert!(kept > 0 && refused > 0, "{kept} kept, {refused} refused");
    assert_eq!(listed, kept);
}
