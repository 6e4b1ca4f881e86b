//! The daemon as its users meet it: a file, a command, signals, an exit code.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

/// What `skep init --lang rust` writes: that it compiles is the test.
#[path = "../src/cli/init/main.rs"]
#[expect(dead_code, reason = "only compiled here")]
mod embedded;

/// A folder with a configuration.
struct Place(TempDir);

impl Place {
    fn new(config: &str) -> Self {
        let place = Self(TempDir::new().unwrap());
        fs::write(place.path().join("skep.toml"), config).unwrap();
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SKEP_")) {
            command.env_remove(name);
        }
        command.env("SKEP_SPOOL", self.path().join("spool.db"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    fn skep(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn start(&self) -> Child {
        self.command(&["drone", "run"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The tasks, by what the queue says of them.
    fn states(&self) -> Vec<String> {
        let listed = self.skep(&["task", "list", "--json"]);
        let state =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["state"].as_str().unwrap().to_owned();
        text(&listed.stdout).lines().map(state).collect()
    }

    fn wait_for(&self, what: &str, there: impl Fn() -> bool) {
        for _ in 0..1000 {
            if there() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("waited in vain: {what}; {:?}", self.states());
    }

    fn wait_for_file(&self, name: &str) {
        self.wait_for(name, || self.path().join(name).exists());
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

fn signal(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

#[test]
fn what_init_writes_runs() {
    let place = Place(TempDir::new().unwrap());
    let made = place.skep(&["init", "--lang", "python"]);
    assert_eq!(code(&made), 0, "{made:?}");
    assert!(text(&made.stderr).contains("skep drone run"), "{made:?}");
    assert_eq!(code(&place.skep(&["init"])), 4, "it writes over nothing");
    let checked = place.skep(&["drone", "check"]);
    assert_eq!(code(&checked), 0, "{checked:?}");
    assert!(
        text(&checked.stdout).contains("worker hello: types hello; processes 1; prefetch 15; runs python3")
    );
    assert_eq!(code(&place.skep(&["submit", "hello", "{\"name\": \"Ada\"}"])), 0);
    let ran = place.skep(&["drone", "run", "--until-empty", "--log-format", "json"]);
    assert_eq!(code(&ran), 0, "{ran:?}");
    for line in text(&ran.stderr).lines() {
        assert!(serde_json::from_str::<Value>(line).unwrap()["message"].is_string(), "{line}");
    }
    let listed = text(&place.skep(&["task", "list", "--json"]).stdout);
    let task: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&task["state"], &task["result"]["greeting"]), (&"completed".into(), &"hello Ada".into()));
}

#[test]
fn a_wrong_file_is_told_whole_and_runs_nothing() {
    let place = Place::new("[drone]\nnam = 1\n[workers.a]\ntimout = 5\nrun.exec = [\"true\"]\n");
    let said = "error: the configuration is wrong\n\
        skep.toml:2:1: unknown key `nam`: did you mean `name`?\n\
        skep.toml:4:1: unknown key `timout`: did you mean `timeout`?\n";
    for args in [["config", "check"], ["config", "show"], ["drone", "check"], ["drone", "run"]] {
        let output = place.skep(&args);
        assert_eq!((code(&output), text(&output.stderr)), (2, said.to_owned()), "{args:?}");
    }
    let missing = place.skep(&["drone", "run", "-c", "none.toml"]);
    assert_eq!(code(&missing), 2);
    assert!(text(&missing.stderr).contains("cannot read none.toml"), "{missing:?}");
    assert!(!place.path().join("skep.db").exists());
}

#[test]
fn a_check_finds_what_only_a_start_would_find() {
    let place = Place::new(
        "[workers.a]\nrun.exec = [\"no-such-program\"]\n[workers.b]\nrun.exec = [\"true\"]\ncwd = \"none\"\n",
    );
    assert_eq!(code(&place.skep(&["config", "check"])), 0, "the file itself is right");
    let checked = place.skep(&["drone", "check"]);
    let said = text(&checked.stderr);
    assert_eq!(code(&checked), 2, "{said}");
    assert!(said.contains("[workers.a]: no program \"no-such-program\": looked in "), "{said}");
    assert!(said.contains("[workers.b]: no folder ") && said.contains("/none to run in"), "{said}");

    let place = Place::new("[[queue]]\nurl = \"sqlite:/nowhere/q.db\"\n[workers.b]\nrun.exec = [\"true\"]\n");
    let output = place.skep(&["drone", "check"]);
    assert_eq!(code(&output), 5, "{output:?}");
    assert!(
        text(&output.stderr).contains("sqlite:/nowhere/q.db: the queue cannot be reached: "),
        "{output:?}"
    );

    // What no waiting heals ends a start, too.
    let place = Place::new("[[queue]]\nurl = \"sqlite:skep.toml\"\n[workers.b]\nrun.exec = [\"true\"]\n");
    for args in [["drone", "check"], ["drone", "run"]] {
        let output = place.skep(&args);
        assert_eq!(code(&output), 5, "{output:?}");
        assert!(text(&output.stderr).contains("skep.toml: "), "{output:?}");
        assert!(text(&output.stderr).contains("cannot open sqlite:"), "{output:?}");
    }
}

#[test]
fn the_first_signal_drains() {
    let place = Place::new(
        "[drone]\nname = \"d\"\n[workers.slow]\nrun.exec = [\"sh\", \"-c\", \"touch began; while [ ! -e go ]; do sleep 0.02; done\"]\n",
    );
    assert_eq!(code(&place.skep(&["submit", "slow", "1"])), 0);
    let drone = place.start();
    place.wait_for_file("began");
    let listed = text(&place.skep(&["drone", "list", "--json"]).stdout);
    let view: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&view["name"], &view["state"], &view["types"][0]),
        (&"d".into(), &"alive".into(), &"slow".into())
    );
    assert!(text(&place.skep(&["drone", "list"]).stdout).starts_with("NAME"));
    signal(&drone);
    fs::write(place.path().join("go"), "").unwrap();
    let ended = drone.wait_with_output().unwrap();
    assert_eq!(code(&ended), 0, "{ended:?}");
    assert_eq!(place.states(), ["completed"]);
    assert_eq!(text(&place.skep(&["drone", "list", "--json"]).stdout), "", "it said goodbye");
}

#[test]
fn the_second_signal_cuts_short_and_the_exit_code_says_so() {
    let config = "[workers.slow]\nkill_after = \"100ms\"\nrun.exec = [\"sh\", \"-c\", \"touch began; exec sleep 600\"]\n";
    let place = Place::new(config);
    assert_eq!(code(&place.skep(&["submit", "slow", "1"])), 0);
    let mut drone = place.start();
    let mut log = BufReader::new(drone.stderr.take().unwrap());
    place.wait_for_file("began");
    signal(&drone);
    // Two signals of one kind that come at once are one: so wait until the first was heard.
    let heard = log.by_ref().lines().find(|line| line.as_ref().is_ok_and(|line| line.contains("draining")));
    assert!(heard.is_some());
    signal(&drone);
    let mut said = String::new();
    log.read_to_string(&mut said).unwrap();
    assert_eq!(drone.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("error: runs cut short: 1; their tasks are the queue's again"), "{said}");
    assert_eq!(place.states(), ["available"]);
}

#[test]
fn a_local_queue_has_one_drone() {
    let config = "[local]\npath = \"l.db\"\n[workers.a]\nrun.exec = [\"true\"]\n";
    let place = Place::new(config);
    let first = place.start();
    place.wait_for("it is known", || !place.skep(&["drone", "list", "-q"]).stdout.is_empty());
    let second = place.skep(&["drone", "run"]);
    assert_eq!(code(&second), 1, "{second:?}");
    assert!(text(&second.stderr).contains("l.db"), "{second:?}");
    signal(&first);
    assert_eq!(code(&first.wait_with_output().unwrap()), 0);
}

#[test]
fn flags_and_variables_are_shown_with_their_origin() {
    let place = Place::new("[workers.a]\nrun.exec = [\"true\"]\n");
    let shown = place.command(&["config", "show", "--origin", "-v", "--backend", "sqlite:x.db"]);
    let mut shown = shown;
    let shown = shown.env("SKEP_DRONE__NAME", "env-1").output().unwrap();
    let shown = text(&shown.stdout);
    assert!(shown.contains("level = \"debug\"  # -v"), "{shown}");
    assert!(shown.contains("name = \"env-1\"  # env SKEP_DRONE__NAME"), "{shown}");
    assert!(shown.contains("/x.db\"  # --backend") && shown.contains("  # skep.toml:2"), "{shown}");
    let schema: Value = serde_json::from_slice(&place.skep(&["config", "schema"]).stdout).unwrap();
    assert_eq!(schema["$defs"]["DroneTable"]["properties"]["grace"]["default"], "30s");
}
