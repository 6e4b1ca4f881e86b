use std::os::unix::fs::PermissionsExt;

use super::*;

const WORKER: &str = "[drone]\nname = \"main\"\n[workers.mail]\nrun.exec = [\"true\"]\n";

#[test]
fn includes_lie_over_the_file_in_order_of_their_names() {
    let text = format!("include = [\"conf.d/*.toml\"]\n{WORKER}");
    let folder = Folder::new(&text)
        .with("conf.d/b.toml", "[drone]\nname = \"b\"\n[[queue]]\nurl = \"sqlite:b.db\"\n")
        .with("conf.d/a.toml", "[drone]\nname = \"a\"\ngrace = 7\n[[queue]]\nurl = \"sqlite:a.db\"\n")
        .with("conf.d/.hidden.toml", "no toml")
        .with("conf.d/c.txt", "no toml");
    let config = folder.good().config;
    assert_eq!((config.name.as_str(), config.life.grace.as_secs()), ("b", 7));
    let urls: Vec<_> = config.queues.iter().map(|queue| folder.local(queue.url.reveal())).collect();
    assert_eq!(urls, ["sqlite:a.db", "sqlite:b.db"], "queues add up; paths start from the main file");

    let folder = folder.with("conf.d/d.toml", "include = [\"x.toml\"]\n[drone]\nnam = 1\n");
    assert_eq!(
        folder.wrong(),
        [
            "conf.d/d.toml:1:1: `include` is for the main file only",
            "conf.d/d.toml:3:1: unknown key `nam`: did you mean `name`?"
        ]
    );
}

#[test]
fn includes_that_are_not_there() {
    let folder = Folder::new(&format!("include = [\"none.d/*.toml\"]\n{WORKER}"));
    assert_eq!(folder.good().config.name, "main");
    let folder = Folder::new(&format!("include = [\"x.toml\", \"*/x.toml\"]\n{WORKER}"));
    assert_eq!(
        folder.wrong(),
        [
            "cannot read x.toml: No such file or directory (os error 2): `skep init` writes one, or name another with -c",
            "skep.toml:1:22: */x.toml: `*` may stand in the file's name only",
        ]
    );
}

#[test]
fn the_environment_lies_over_the_files_and_flags_over_that() {
    let mut folder = Folder::new(WORKER)
        .env("SKEP_DRONE__NAME", "42")
        .env("SKEP_DRONE__TTL", "2m")
        .env("SKEP_LOCAL__PATH", "x.db")
        .env("SKEP_WORKERS__MAIL__TIMEOUT", "90")
        .env("SKEP_WORKERS__MAIL__TYPES", "[\"a\", \"b\"]")
        .env("SKEP_WORKERS__MAIL__ENV__HTTP_PROXY", "http://p")
        .env("SKEP_QUEUE__0__URL", "sqlite:/env.db")
        .env("SKEP_LOG", "warn")
        .env("SKEP_BACKEND", "ignored: it comes as the option's value")
        .env("PATH", "/bin");
    folder.sources.flags.push(Flag { name: "-v", path: ["log", "level"], value: "debug".into() });
    let config = folder.good().config;
    assert_eq!((config.name.as_str(), config.life.ttl.as_secs()), ("42", 120));
    assert_eq!(
        config.local.path,
        std::path::absolute("x.db").unwrap(),
        "a shell's paths start from its folder"
    );
    let mail = &config.workers[0];
    assert_eq!(mail.settings.timeout.map(|timeout| timeout.as_secs()), Some(90));
    assert_eq!(mail.types.iter().map(TaskType::as_str).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(mail.launch.env["HTTP_PROXY"], "http://p");
    assert_eq!((config.queues[0].url.reveal(), config.log.level.as_str()), ("sqlite:/env.db", "debug"));
}

#[test]
fn the_environment_finds_keys_with_other_signs_and_errors_name_the_variable() {
    let folder = Folder::new("[workers.mail-send]\nrun.exec = [\"true\"]\n")
        .env("SKEP_WORKERS__MAIL_SEND__PREFETCH", "3");
    assert_eq!(folder.good().config.workers[0].settings.prefetch, 3);
    let folder = Folder::new(WORKER)
        .env("SKEP_DRONE__NAMEE", "x")
        .env("SKEP_DRONE__TTL", "soon")
        .env("SKEP_A____B", "");
    assert_eq!(
        folder.wrong(),
        [
            "env SKEP_A____B: between two double underscores there must be a key",
            "env SKEP_DRONE__NAMEE: unknown key `namee`: did you mean `name`?",
            "env SKEP_DRONE__TTL: `ttl`: \"soon\" is not a duration: write 30s, 5m, 1h30m, 500ms or 1d",
        ]
    );
}

#[test]
fn the_backend_of_the_command_line() {
    let backend = |origin: Origin, text: &str| {
        let mut folder = Folder::new(&format!("{WORKER}{text}"));
        folder.sources.backend = Some((origin, "sqlite:/cli.db".into()));
        let Loaded { config, notes, .. } = folder.good();
        let urls: Vec<_> = config.queues.iter().map(|queue| folder.local(queue.url.reveal())).collect();
        (urls.join(" "), notes.to_string())
    };
    let one = "[[queue]]\nurl = \"sqlite:a.db\"\n";
    let flag = Origin::Flag("--backend");
    assert_eq!(backend(Origin::Default, ""), ("sqlite:/cli.db".into(), String::new()));
    assert_eq!(backend(Origin::Default, one), ("sqlite:a.db".into(), String::new()));
    assert_eq!(backend(flag.clone(), one), ("sqlite:/cli.db".into(), String::new()));
    let several = format!("{one}[[queue]]\nurl = \"sqlite:b.db\"\n");
    let note = "--backend: has no effect: the file names several queues; use SKEP_QUEUE__0__URL";
    assert_eq!(backend(flag, &several), ("sqlite:a.db sqlite:b.db".into(), note.into()));
}

#[test]
fn a_secret_comes_from_a_file_that_few_can_read() {
    let text = format!("{WORKER}[[queue]]\nurl_file = \"queue.url\"\n");
    let folder = Folder::new(&text).with("queue.url", "  sqlite:/secret.db\n");
    let file = folder.path().join("queue.url");
    let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let Loaded { config, notes, .. } = folder.good();
    assert_eq!(config.queues[0].url.reveal(), "sqlite:/secret.db");
    assert_eq!(
        folder.local(&notes.to_string()),
        "skep.toml:6:12: everybody can read queue.url: chmod o-r queue.url"
    );
    mode(0o600);
    assert!(folder.good().notes.is_empty());

    let folder = folder.with("queue.url", "\n");
    assert_eq!(folder.wrong(), ["skep.toml:6:12: `url_file`: queue.url is empty"]);
    let folder = folder.with("queue.url", "mysql://me:hunter2@db/app");
    assert_eq!(
        folder.wrong(),
        [
            "skep.toml:6:12: `url_file`: no backend \"mysql\" here: known are postgres:, postgresql:, skep:, sqlite:, unix:"
        ]
    );
}

#[test]
fn a_password_may_stand_apart() {
    let text = format!("{WORKER}[[queue]]\nurl = \"postgres://me@db/app\"\npassword_file = \"pg word\"\n");
    let folder = Folder::new(&text);
    assert_eq!(folder.wrong().len(), 1, "the file is not there");
    let folder = folder.with("pg word", "hunter2\n");
    fs::set_permissions(folder.path().join("pg word"), fs::Permissions::from_mode(0o600)).unwrap();
    let Loaded { config, notes, .. } = folder.good();
    assert!(notes.is_empty(), "{notes}");
    let url = config.queues[0].url.reveal();
    assert!(url.starts_with("postgres://me@db/app?password_file=/") && url.ends_with("pg%20word"), "{url}");
    let wrong = |queue: &str| Folder::new(&format!("{WORKER}[[queue]]\n{queue}\n")).wrong().join("\n");
    let both = wrong("url = \"postgres://me:hunter2@db/app\"\npassword_file = \"w\"");
    assert!(both.contains("there is a password in the URL already") && !both.contains("hunter2"), "{both}");
    let file = wrong("url = \"sqlite:x\"\npassword_file = \"w\"");
    assert!(file.contains("only a postgres: backend asks for a password"), "{file}");
}

#[test]
fn the_key_of_a_manager_lies_in_a_file() {
    let wrong = |queue: &str| Folder::new(&format!("{WORKER}[[queue]]\n{queue}\n")).wrong().join("\n");
    let none = wrong("url = \"skep://host\"");
    assert!(none.contains("needs a key"), "{none}");
    let both = wrong("url = \"skep://host?key=k\"\nkey_file = \"k\"");
    assert!(both.contains("there is a key in the URL already"), "{both}");
    let other = wrong("url = \"unix:/run/skep.sock\"\nkey_file = \"k\"");
    assert!(other.contains("only a skep: backend asks for a key"), "{other}");
    let port = wrong("url = \"skep://host:x\"\nkey_file = \"k\"");
    assert!(port.contains("a port is a number"), "{port}");
    let file = wrong("url = \"skep://host\"\nkey_file = \"no key\"");
    assert!(file.contains("no key"), "the file is not there, and named: {file}");
    let Loaded { config, .. } = Folder::new(&format!("{WORKER}[[queue]]\nurl = \"unix:s.sock\"\n")).good();
    let url = config.queues[0].url.reveal();
    assert!(url.starts_with("unix:/") && url.ends_with("/s.sock"), "{url}");
}
