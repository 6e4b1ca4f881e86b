//! What a manager's file means, and what is said of one that is wrong.

use std::{fs, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::backend::manager::{
    key::{Grant, Role},
    server::{Bound, Promote},
};

struct Folder(TempDir, Sources);

impl Folder {
    fn new(text: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("manager.toml");
        fs::write(&file, text).unwrap();
        Self(folder, Sources { file: Some(file), ..Sources::default() })
    }

    fn load(&self) -> Result<Loaded<Config>, Problems> {
        load(&self.1, &Backends::builtin())
    }

    fn good(&self) -> Config {
        self.load().unwrap_or_else(|problems| panic!("{problems}")).config
    }

    fn local(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }

    fn wrong(&self) -> Vec<String> {
        let problems = self.load().expect_err("something is wrong").to_string();
        self.local(&problems).lines().map(str::to_owned).collect()
    }
}

#[test]
fn nothing_said_is_a_manager_of_its_own_file() {
    let folder = Folder::new("");
    let config = folder.good();
    let at = |name: &str| folder.0.path().join(name);
    assert_eq!(folder.local(config.backend.reveal()), "sqlite:manager.db");
    assert_eq!((config.listen, config.keys), (vec![Listen::Unix(at("skep.sock"))], at("skep.keys")));
    assert_eq!(config.server.heartbeat, server::Config::default().heartbeat);
    assert_eq!(config.server.limits.capacity, Some(Bound::Tasks(10_000)));
    assert_eq!(config.server.limits.retention, Some(Duration::from_secs(1800)), "it is its own store");
    let none = load(&Sources::default(), &Backends::builtin()).unwrap().config;
    let here = absolute(".").unwrap();
    assert_eq!(none.backend.reveal(), format!("sqlite:{}", here.join("manager.db").display()));
}

#[test]
fn a_good_file_means_what_it_says() {
    let folder = Folder::new(
        "[manager]\nlisten = [\"unix:/run/skep.sock\", \"tcp:[::1]:7676\"]\nheartbeat = \"5s\"\n\
         [backend]\nurl = \"postgres:///app\"\n[log]\nlevel = \"debug\"\n",
    );
    let config = folder.good();
    assert_eq!(config.listen, [Listen::Unix("/run/skep.sock".into()), Listen::Tcp("::1".into(), 7676)]);
    assert_eq!(config.listen[1].to_string(), "tcp:[::1]:7676");
    assert_eq!((config.backend.reveal(), config.server.heartbeat.as_secs()), ("postgres:///app", 5));
    assert_eq!(config.server.limits.retention, None, "a server's store has its own");
}

#[test]
fn every_queue_may_have_limits_of_its_own() {
    let folder = Folder::new(
        "[all_queues]\ncapacity = \"none\"\n[queues.mail]\ncapacity = \"3x\"\npromote_after = \"1.5x\"\n\
         retention = \"1h\"\n[queues.mail.types.newsletter]\ncapacity = 100\n[queues.images]\ncapacity = \"30s\"\n",
    );
    let config = folder.good().server;
    assert_eq!(config.limits.capacity, Some(Bound::None));
    let mail = &config.queues[&"mail".parse().unwrap()];
    assert_eq!((mail.capacity, mail.promote_after), (Some(Bound::Hands(3.0)), Some(Promote::Waits(1.5))));
    assert_eq!(mail.retention, Some(Duration::from_secs(3600)));
    assert_eq!(mail.types[&"newsletter".parse().unwrap()], Bound::Tasks(100));
    let images = &config.queues[&"images".parse().unwrap()];
    assert_eq!(images.capacity, Some(Bound::Backlog(Duration::from_secs(30))));
}

#[test]
fn users_of_the_machine_are_told_what_they_may() {
    let folder =
        Folder::new("[users.nobody]\nrole = \"submit\"\ntypes = [\"image.*\"]\n[users.0]\nrole = \"view\"\n");
    let users = folder.good().server.users;
    assert_eq!(users[0], (0, Grant::of(Role::View)));
    assert_eq!((users[1].1.role, users[1].1.types[0].to_string()), (Role::Submit, "image.*".to_owned()));
    let said = Folder::new("[users.no-such-user]\nrole = \"boss\"\n[users.1]\n").wrong().join("\n");
    for words in ["no user \"no-such-user\"", "\"boss\" is not a role: use submit", "[users.1] needs `role`"]
    {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn later_layers_win() {
    let mut folder = Folder::new("[backend]\nurl = \"sqlite:file.db\"\n[manager]\nkeys = \"a\"\n");
    folder.1.env.push(("SKEP_BACKEND__URL".into(), "sqlite:/env.db".into()));
    folder.1.env.push(("SKEP_BACKEND".into(), "unix:/run/skep.sock".into()));
    assert_eq!(folder.good().backend.reveal(), "sqlite:/env.db");
    let value = toml::Value::from("sqlite:/flag.db");
    folder.1.flags.push(Flag { name: "--backend", path: ["backend", "url"], value });
    let config = folder.good();
    assert_eq!((config.backend.reveal(), config.keys), ("sqlite:/flag.db", folder.0.path().join("a")));
}

#[test]
fn a_url_may_lie_in_a_file_of_its_own() {
    let folder = Folder::new("[backend]\nurl_file = \"url\"\n");
    fs::write(folder.0.path().join("url"), "postgres://u:secret@h/db\n").unwrap();
    assert_eq!(folder.good().backend.reveal(), "postgres://u:secret@h/db");
    assert!(!format!("{:?}", folder.good()).contains("secret"));
}

#[test]
fn all_that_is_wrong_is_said_with_its_place() {
    let folder = Folder::new(
        "[manager]\nlisten = [\"tcp:7676\"]\nhartbeat = 1\nkeys = \"\"\n\
         [backend]\nurl = \"unix:/run/other.sock\"\n[queues.mail]\ncapacity = true\n[log]\nlevel = \"loud\"\n\
         [all_queues]\ncapacity = \"lots\"\n[queues.\"No Name\"]\n",
    );
    let said = folder.wrong();
    let told = |line: usize, words: &str| {
        let place = format!("manager.toml:{line}:");
        assert!(said.iter().any(|text| text.starts_with(&place) && text.contains(words)), "{said:#?}");
    };
    told(2, "`listen`: \"tcp:7676\" is no place to listen: write unix:PATH or tcp:HOST:PORT");
    told(3, "unknown key `hartbeat`: did you mean `heartbeat`?");
    told(4, "`keys`: must not be empty");
    told(6, "`url`: a manager stands in front of a queue, not of another manager");
    told(
        8,
        "`capacity`: expected a number, or a text with a unit, as in 10000, \"3x\" or \"30s\", found true",
    );
    told(10, "`level`: \"loud\" is not a level");
    told(12, "`capacity`: \"lots\" is not a bound: write 10000 (tasks), 3x (times the hands)");
    told(13, "`No Name`:");
    let absent = Sources { file: Some("/nowhere/manager.toml".into()), ..Sources::default() };
    let problems = load(&absent, &Backends::builtin()).unwrap_err().to_string();
    assert!(problems.contains("`skep init --manager` writes one"), "{problems}");
}
