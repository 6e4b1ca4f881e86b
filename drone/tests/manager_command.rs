//! The manager as its users meet it: the pages of its document, places, keys, signals.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "manager_command/page.rs"]
mod page;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use tempfile::TempDir;

/// A folder, and the commands that run there.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SKEP_")) {
            command.env_remove(name);
        }
        command.env("SKEP_SPOOL", self.0.path().join("spool.db"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn skep(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// A manager that listens, and where.
    fn manager(&self, args: &[&str]) -> (Child, String) {
        let args = [&["manager", "run"], args].concat();
        let mut child = self.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut place = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut place).unwrap();
        (child, place.trim().to_owned())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn code(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), text(&output.stderr))
}

fn term(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

#[test]
fn every_console_block_of_its_document_does_what_it_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let blocks = page::blocks(&fs::read_to_string(root.join("docs/manager.md")).unwrap());
    assert!(blocks.len() >= 3, "the page has its blocks");
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    for block in blocks {
        // As in tests/run: it says there what is not installed.
        if block.needs("python") && !has("python3") {
            continue;
        }
        page::run(&block, Path::new(env!("CARGO_BIN_EXE_skep")));
    }
}

#[test]
fn over_the_network_only_with_a_key() {
    let place = Place::new();
    let refused = place.skep(&["manager", "run", "--port", "0"]);
    let (exit, said) = code(&refused);
    assert!(exit == Some(1) && said.contains("make a key first: skep key new"), "{said}");
    let made = place.skep(&["key", "new", "--role", "admin", "--name", "ops", "--json"]);
    let key: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!((&key["role"], &key["file"]), (&"admin".into(), &"ops.key".into()));
    let secret = fs::read_to_string(place.0.path().join("ops.key")).unwrap();
    let secret = secret.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(!text(&made.stdout).contains(&secret) && !text(&made.stderr).contains(&secret));
    for file in ["ops.key", "skep.keys"] {
        let mode = fs::metadata(place.0.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let again = place.skep(&["key", "new", "--role", "admin", "--name", "ops"]);
    assert_eq!(again.status.code(), Some(4), "the file is there already");

    let (mut manager, bound) = place.manager(&["--port", "0"]);
    let port = bound.strip_prefix("tcp:127.0.0.1:").unwrap();
    let url = format!("skep://127.0.0.1:{port}/?key=ops.key");
    let ping = place.skep(&["ping", "--backend", &url, "-n", "2", "--json"]);
    assert_eq!(text(&ping.stdout).lines().count(), 2, "{}", text(&ping.stderr));
    let submitted = place.skep(&["submit", "t", "1", "--backend", &url]);
    assert_eq!(code(&submitted), (Some(0), String::new()));
    let status = place.skep(&["status", "--backend", &url]);
    assert!(text(&status.stdout).contains("0 free of 0, on 0 drones"), "{}", text(&status.stdout));

    let id = key["id"].as_str().unwrap();
    assert_eq!(place.skep(&["key", "revoke", id]).status.code(), Some(0));
    let listed = place.skep(&["key", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&listed["id"], &listed["revoked"]), (&key["id"], &true.into()));
    assert_eq!(place.skep(&["key", "revoke", "0000000000000000"]).status.code(), Some(3));
    // The running manager looks at its ring every second.
    let turned_away = || place.skep(&["ping", "--backend", &url]).status.code() == Some(5);
    wait_for("the key is of no use any more", turned_away);
    term(&manager);
    assert_eq!(manager.wait().unwrap().code(), Some(0));
}

#[test]
fn a_stop_is_clean_and_what_was_taken_is_there_again() {
    let place = Place::new();
    let (mut manager, bound) = place.manager(&[]);
    let socket = place.0.path().join("skep.sock");
    assert_eq!(bound, format!("unix:{}", fs::canonicalize(&socket).unwrap().display()));
    let submitted = place.skep(&["submit", "t", "1", "--backend", "unix:skep.sock"]);
    assert_eq!(submitted.status.code(), Some(0), "{}", text(&submitted.stderr));
    let second = place.skep(&["manager", "run"]);
    assert_eq!(second.status.code(), Some(1), "the place is taken");
    term(&manager);
    assert_eq!(manager.wait().unwrap().code(), Some(0));
    assert!(!socket.exists());
    let (mut manager, _) = place.manager(&[]);
    let listed = place.skep(&["task", "list", "-q", "--backend", "unix:skep.sock"]);
    assert_eq!(text(&listed.stdout), text(&submitted.stdout));
    term(&manager);
    assert_eq!(manager.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_stop_does_not_wait_for_what_is_under_way() {
    // A server that takes connections, as the kernel does for it, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let patience = "sslmode=disable&connect_timeout=600&answer_timeout=600";
    let store = format!("postgres://u@127.0.0.1:{port}/d?{patience}");
    let (place, run) = (Place::new(), ["manager", "run", "--backend", &store]);
    let (socket, log) = (place.0.path().join("skep.sock"), place.0.path().join("log"));
    let said = |words: &str| fs::read_to_string(&log).is_ok_and(|text| text.contains(words));
    let mut manager = place.command(&run);
    let mut manager = manager.stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    wait_for("it listens", || socket.exists());
    let task = "018f0000-0000-7000-8000-000000000000";
    let mut asking = place.command(&["task", "cancel", task, "--backend", "unix:skep.sock"]);
    let mut asking = asking.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("it is asked for something", || said("acts on tasks"));
    term(&manager);
    wait_for("it stops", || !socket.exists());
    assert_eq!(manager.try_wait().unwrap(), None, "what stores is given its time");
    term(&manager);
    wait_for("it ends", || manager.try_wait().unwrap().is_some());
    assert_eq!(manager.wait().unwrap().code(), Some(1));
    assert!(said("stopped at once: what was under way has no answer"));
    asking.kill().unwrap();
    asking.wait().unwrap();
}

#[test]
fn check_says_what_would_be_served_and_makes_nothing() {
    let place = Place::new();
    assert_eq!(place.skep(&["init", "--manager"]).status.code(), Some(0));
    let checked = place.skep(&["manager", "check", "--listen", "tcp:127.0.0.1:0", "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(said["listen"][0], "tcp:127.0.0.1:0");
    assert_eq!(checked.status.code(), Some(3), "there is no ring");
    place.skep(&["key", "new", "--role", "view"]);
    assert_eq!(place.skep(&["manager", "check", "--port", "0"]).status.code(), Some(0));
    assert!(!place.0.path().join("manager.db").exists());
    fs::write(place.0.path().join("manager.toml"), "[all_queues]\ncapacty = 1\n").unwrap();
    let (exit, said) = code(&place.skep(&["manager", "check"]));
    assert_eq!(exit, Some(2));
    assert!(said.contains("manager.toml:2:1: unknown key `capacty`: did you mean `capacity`?"), "{said}");
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    for _ in 0..300 {
        if there() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("not within 30 s: {what}");
}
