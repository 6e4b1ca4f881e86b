//! What a newcomer reads when something is wrong: it names the input, and says what to do.
#![expect(clippy::unwrap_used, reason = "tests")]

mod stranger_place;

use stranger_place::Place;

#[test]
fn the_first_line_says_what_it_is() {
    let said = Place::new().skep(&["--help"]);
    assert!(said.out.starts_with("A persistent task queue for fleets of drones\n"), "{}", said.out);
}

#[test]
fn what_is_no_id_is_told_what_one_is() {
    let place = Place::new();
    for words in [&["task", "show", "12"][..], &["result", "12"], &["submit", "t", "--id", "12"]] {
        let talk = place.fails(words, 2);
        assert!(talk.contains("\"12\" is not an id: it is a UUID, as `skep submit` prints it"), "{talk}");
    }
}

#[test]
fn a_queue_that_comes_into_being_is_announced() {
    let place = Place::new();
    place.ok(&["submit", "t", "1"]);
    let first = place.skep(&["queue", "pause", "mial"]);
    assert_eq!(
        (first.code, first.talk.as_str()),
        (Some(0), "made queue mial: it was not there\nmial: paused\n")
    );
    let second = place.skep(&["queue", "resume", "mial"]);
    assert_eq!((second.code, second.talk.as_str()), (Some(0), "mial: resumed\n"));
    let known = place.skep(&["queue", "capacity", "default", "5"]);
    assert_eq!((known.code, known.talk.as_str()), (Some(0), "default: at most 5 tasks\n"));
}

#[test]
fn looking_makes_no_file() {
    let place = Place::new();
    place.write("skep.toml", "[workers.a]\nrun.exec = [\"true\"]\n");
    assert!(place.fails(&["drone", "list"], 5).contains("no queue at ./skep.db yet"));
    let checked = place.skep(&["drone", "check"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.talk.contains("skep.db is not there yet: the first run makes it"), "{checked:?}");
    let left: Vec<_> = std::fs::read_dir(place.path(".")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["skep.toml"]);
}

#[test]
fn the_url_knows_who_said_it() {
    let place = Place::new();
    place.write("skep.toml", "[[queue]]\nurl = \"sqlite:file.db\"\n[workers.a]\nrun.exec = [\"true\"]\n");
    let url = |words: &[&str]| {
        let shown = place.ok(words);
        shown.lines().find(|line| line.starts_with("url = ")).unwrap().to_owned()
    };
    assert!(url(&["config", "show", "--origin"]).contains("/file.db\"  # skep.toml:2"));
    let said = url(&["config", "show", "--origin", "--backend", "sqlite:flag.db"]);
    assert!(said.contains("/flag.db\"  # --backend"), "{said}");
    let mut command = place.command(&["config", "show", "--origin"]);
    let shown = command.env("SKEP_BACKEND", "sqlite:env.db").output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("/env.db\"  # env SKEP_BACKEND"), "{shown}");
}

/// A queue with a task in it, all in the one file: whoever closes it last moves the rest there.
fn whole(place: &Place) -> Vec<u8> {
    place.ok(&["submit", "t", "1"]);
    let last = skep_sqlite::Connection::open(place.path("skep.db")).unwrap();
    last.query_row("select count(*) from sqlite_master", [], |row| row.get::<_, i64>(0)).unwrap();
    drop(last);
    std::fs::read(place.path("skep.db")).unwrap()
}

#[test]
fn damage_says_where_and_what_to_do() {
    let place = Place::new();
    let file = whole(&place);
    place.write("cut.db", &file[..5000]);
    let mut worn = file.clone();
    worn[4096..].fill(0xff);
    place.write("worn.db", worn);
    for file in ["cut.db", "worn.db"] {
        let talk = place.fails(&["--backend", &format!("sqlite:{file}"), "status"], 5);
        assert!(talk.contains(&format!("{file} is damaged")) && talk.contains("restore a backup"), "{talk}");
    }
}

#[test]
fn every_kind_of_wrong_file_is_told_apart() {
    let place = Place::new();
    let sql = |file: &str, sql: &str| {
        skep_sqlite::Connection::open(place.path(file)).unwrap().execute_batch(sql).unwrap();
    };
    sql("foreign.db", "create table x (a)");
    place.write("newer.db", whole(&place));
    sql("newer.db", "pragma user_version = 99");
    std::fs::create_dir(place.path("folder.db")).unwrap();
    for (file, says) in [
        ("foreign.db", "foreign.db is a SQLite database, but not one of skep's: choose another path"),
        ("newer.db", "newer.db has schema 99, this skep knows"),
        ("folder.db", "folder.db: cannot be opened"),
        ("none/x.db", "none does not exist: make it first"),
    ] {
        let talk = place.fails(&["--backend", &format!("sqlite:{file}"), "submit", "t"], 5);
        assert!(talk.contains(says), "{file}: {talk}");
    }
    let talk = place.fails(&["--backend", "mysql:///x", "status"], 2);
    assert!(talk.contains("known are postgres:, postgresql:, skep:, sqlite:, unix:"), "{talk}");
}
