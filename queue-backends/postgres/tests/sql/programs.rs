//! The programs of the document, word for word: what they do when there is room, when the queue is full, and when
//! something else is wrong.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
};

use skep_postgres::schema;
use sqlx::PgConnection;

use super::{DOCUMENT, blocks, fixture, one, run};

/// Where the test command puts what the programs import, and what compiling them leaves for the next time.
const DRIVERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/drivers");
/// Where Debian has the sources of Go's libraries.
const GOPATH: &str = "/usr/share/gocode";

/// A program, the order that it writes, and what makes it a command, or why that cannot be.
type Program = (&'static str, i32, fn(&str, &Path) -> Result<Command, &'static str>);

const PROGRAMS: [Program; 3] = [("python", 501, python), ("javascript", 502, javascript), ("go", 503, go)];

fn python(text: &str, folder: &Path) -> Result<Command, &'static str> {
    // The system's has the system's packages, whoever else is first on the path.
    let mut all = ["python3", "/usr/bin/python3"].into_iter();
    let works = |python: &&str| succeeds(Command::new(python).args(["-c", "import psycopg"]));
    let python = all.find(works).ok_or("no python3 with psycopg 3")?;
    Ok(bounded(python, &[written(text, folder, "order.py")]))
}

fn javascript(text: &str, folder: &Path) -> Result<Command, &'static str> {
    let modules = Path::new(DRIVERS).join("node_modules");
    if !succeeds(Command::new("node").arg("--version")) || !modules.join("pg").exists() {
        return Err("no node with pg in target/drivers");
    }
    symlink(fs::canonicalize(modules).unwrap(), folder.join("node_modules")).unwrap();
    Ok(bounded("node", &[written(text, folder, "order.mjs")]))
}

fn go(text: &str, folder: &Path) -> Result<Command, &'static str> {
    let library = Path::new(GOPATH).join("src/github.com/lib/pq");
    if !succeeds(Command::new("go").arg("version")) || !library.exists() {
        return Err("no go with Debian's lib/pq");
    }
    let mut build = Command::new("go");
    build.args(["build", &written(text, folder, "order.go")]).current_dir(folder);
    build.env("GO111MODULE", "off").env("GOPATH", GOPATH);
    build.env("GOCACHE", Path::new(DRIVERS).join("go")).env("GOTMPDIR", folder);
    let built = build.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Ok(bounded(&folder.join("order").display().to_string(), &[]))
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn written(text: &str, folder: &Path, name: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// A command that ends, and knows no other server than that of the tests.
fn bounded(program: &str, arguments: &[String]) -> Command {
    let mut command = Command::new("timeout");
    command.arg("60").arg(program).args(arguments);
    for other in
        std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("PG"))
    {
        command.env_remove(other);
    }
    command.env("PGHOST", fixture::server().folder()).env("PGUSER", "postgres");
    command
}

/// The database that the document speaks of.
async fn shop() -> PgConnection {
    let mut own = fixture::connection("postgres").await;
    run(&mut own, "create database shop").await.unwrap();
    let mut own = fixture::connection("shop").await;
    schema::up(&mut own, "skep").await.unwrap();
    run(&mut own, "create table orders (id int primary key, customer text not null)").await.unwrap();
    own
}

/// Orders and tasks that are there.
async fn there(own: &mut PgConnection) -> [i64; 2] {
    [one(own, "select count(*) from orders").await, one(own, "select count(*) from skep.tasks").await]
}

fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}{}", out.trim(), err.trim())
}

#[tokio::test]
async fn the_programs_of_the_document_do_what_they_say() {
    let (document, mut own) = (fs::read_to_string(DOCUMENT).unwrap(), shop().await);
    for (language, order, made) in PROGRAMS {
        let (programs, folder) = (blocks(&document, language), tempfile::tempdir().unwrap());
        assert_eq!(programs.len(), 1, "{language}");
        let mut command = match made(&programs[0], folder.path()) {
            Ok(command) => command,
            Err(why) => {
                fixture::skipped(&format!("the {language} program of docs/sql.md: {why}"));
                continue;
            }
        };
        run(&mut own, "truncate orders, skep.tasks; select skep.set_capacity('default', 1)").await.unwrap();
        let output = command.output().unwrap();
        assert!(output.status.success() && said(&output).is_empty(), "{language}: {}", said(&output));
        let (orders, task) =
            ("select id from orders", "select convert_from(skep.unpacked(body, 0), 'UTF8') from skep.tasks");
        assert_eq!(one::<i32>(&mut own, orders).await, order);
        assert_eq!(one::<String>(&mut own, task).await, format!("{{\"order\": {order}}}"));
        // The task is there still, and has all the room.
        run(&mut own, "delete from orders").await.unwrap();
        let output = command.output().unwrap();
        assert_eq!(said(&output), "queue_full: 1 of 1, again in 1 s", "{language}");
        assert!(output.status.success() && there(&mut own).await == [1, 1], "{language}");
        run(&mut own, "delete from orders; update skep.queues set intake = 1").await.unwrap();
        let output = command.output().unwrap();
        assert!(!output.status.success() && there(&mut own).await == [0, 1], "{language}: {}", said(&output));
        run(&mut own, "update skep.queues set intake = 0").await.unwrap();
    }
}
