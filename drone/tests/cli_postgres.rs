//! The command as users have it: the binary, on a PostgreSQL server.
#![expect(clippy::unwrap_used, reason = "tests")]

mod stranger_place;

use std::sync::LazyLock;

use skep_pgserver::Server;
use stranger_place::Place;

/// One for all: each test has a schema of its own.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    Server::start(&["wal_compression = on", "max_wal_size = 4GB"]).expect("a server starts")
});

fn url(schema: &str) -> String {
    format!("{}&schema={schema}", SERVER.url("postgres"))
}

/// A place, and the URL of a queue that is set up.
fn ready(schema: &str) -> (Place, String) {
    let (place, url) = (Place::new(), url(schema));
    place.ok(&["--backend", &url, "schema", "up"]);
    (place, url)
}

#[test]
fn a_schema_is_planned_set_up_and_compared() {
    let (place, url) = (Place::new(), url("planned"));
    let skep = |words: &[&str]| place.skep(&[&["--backend", &url], words].concat());
    let before = skep(&["schema", "status"]);
    assert_eq!(before.code, Some(1), "{before:?}");
    assert!(before.out.contains("schema planned: not set up"), "{before:?}");
    let talk = skep(&["status"]).talk;
    assert!(talk.contains("run skep schema up"), "{talk}");
    let plan = skep(&["schema", "plan"]).out;
    assert!(
        plan.starts_with("begin;\n") && plan.ends_with("commit;\n") && plan.contains("\"planned\".now()")
    );
    let up = skep(&["schema", "up"]);
    assert!(up.code == Some(0) && up.talk.contains("schema planned is of version 1"), "{up:?}");
    assert_eq!(skep(&["schema", "up"]).talk, "schema planned: nothing to do\n");
    assert_eq!((skep(&["schema", "status"]).code, skep(&["schema", "plan"]).out.as_str()), (Some(0), ""));
    let status: serde_json::Value = serde_json::from_str(&skep(&["schema", "status", "--json"]).out).unwrap();
    assert_eq!((&status["version"], &status["wanted"]), (&1.into(), &1.into()));
}

#[test]
fn tasks_go_in_and_are_looked_at() {
    let (place, url) = ready("looked_at");
    let skep = |words: &[&str]| place.ok(&[&["--backend", &url], words].concat());
    let id = skep(&["submit", "mail", "{\"to\": 1}", "-q"]);
    assert!(skep(&["task", "show", id.trim()]).contains("available"));
    skep(&["queue", "capacity", "default", "5"]);
    let doctor = place.skep(&["--backend", &url, "doctor"]);
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    assert!(doctor.out.contains("ok   durability") && doctor.out.contains("1 of 5 tasks"), "{doctor:?}");
    let lines = skep(&["doctor", "--json"]);
    for line in lines.lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(finding["verdict"].is_string() && finding["subject"].is_string(), "{line}");
    }
}

#[test]
fn the_demo_runs_on_a_server() {
    let (place, url) = ready("demo");
    std::fs::create_dir(place.path("files")).expect("a folder");
    place.write("files/a.txt", "one two\n");
    place.write("files/b.txt", "three\n");
    let said = place.skep(&["--backend", &url, "demo", "files"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("a.txt") && said.talk.contains("2 files"), "{said:?}");
}

/// A drone may pump a server beside a file.
#[test]
fn a_drone_serves_two_backends() {
    let (place, url) = ready("beside");
    let text = format!(
        "[[queue]]\nurl = \"sqlite:own.db\"\n[[queue]]\nurl = \"{url}\"\n\
         [workers.echo]\nrun.exec = [\"cat\"]\n"
    );
    place.write("skep.toml", &text);
    let ids =
        ["sqlite:own.db", &url].map(|url| (url, place.ok(&["--backend", url, "submit", "echo", "7", "-q"])));
    let ran = place.skep(&["drone", "run", "--until-empty"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for (url, id) in ids {
        let result = place.skep(&["--backend", url, "result", id.trim()]);
        assert_eq!((result.code, result.out.as_str()), (Some(0), "7\n"), "{url}: {result:?}");
    }
}

#[test]
fn a_password_is_not_for_the_command_line() {
    let place = Place::new();
    for url in ["postgres://me:hunter2@localhost/app", "postgres:///app?password=hunter2"] {
        let talk = place.fails(&["--backend", url, "status"], 2);
        assert!(talk.contains("password_file=") && !talk.contains("hunter2"), "{talk}");
    }
    place.write(
        "skep.toml",
        "[[queue]]\nurl = \"postgres://me:hunter2@127.0.0.1:1/app\"\n[workers.a]\nrun.exec = [\"true\"]\n",
    );
    let shown = place.ok(&["config", "show"]);
    assert!(shown.contains("postgres://me:***@127.0.0.1:1/app"), "{shown}");
    let checked = place.skep(&["drone", "check"]);
    assert_eq!(checked.code, Some(5), "{checked:?}");
    assert!(checked.talk.contains("Connection refused"), "{checked:?}");
    assert!(!format!("{checked:?}").contains("hunter2"), "{checked:?}");
}

#[test]
fn a_wrong_url_is_a_wrong_configuration() {
    let place = Place::new();
    let talk = place.fails(&["--backend", "postgres:///app?shema=x", "status"], 2);
    assert!(talk.contains("\"shema\" is unknown: known are"), "{talk}");
    place.write("skep.toml", "[[queue]]\nurl = \"postgres:app\"\n[workers.a]\nrun.exec = [\"true\"]\n");
    let talk = place.fails(&["config", "check"], 2);
    assert!(talk.contains("skep.toml:2:7: `url`: after postgres: there must be //"), "{talk}");
}

/// A drone starts while its server is away, and says so once.
#[test]
fn a_drone_starts_without_its_server() {
    let place = Place::new();
    place.write("skep.toml", "[drone]\nparting = \"1s\"\n[[queue]]\nurl = \"postgres://127.0.0.1:1/app\"\n[workers.a]\nrun.exec = [\"true\"]\n");
    let drone = place.drone("log", &[]);
    place.wait_for("a word on it", || place.read("log").contains("the queue cannot be reached"));
    drone.drain();
    assert_eq!(place.read("log").matches("going on with what is held").count(), 1, "{}", place.read("log"));
}
