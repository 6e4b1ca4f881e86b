use super::*;

const WORKER: &str = "[workers.a]\nrun.exec = [\"true\"]\n";

/// Each text, and all that is said of it. The lines of a worker that is fine follow the text.
#[test]
fn every_mistake_is_named_where_it_was_made() {
    let table: &[(&str, &[&str])] = &[
        ("[drone]\nnam = \"x\"\n", &["skep.toml:2:1: unknown key `nam`: did you mean `name`?"]),
        ("[dron]\n", &["skep.toml:1:2: unknown key `dron`: did you mean `drone`?"]),
        (
            "[drone]\ncolour = 1\n",
            &["skep.toml:2:1: unknown key `colour`: known here are name, ttl, beat, grace, parting"],
        ),
        (
            "[drone]\ngrace = \"ten\"\n",
            &["skep.toml:2:9: `grace`: \"ten\" is not a duration: write 30s, 5m, 1h30m, 500ms or 1d"],
        ),
        (
            "[drone]\ngrace = true\n",
            &[
                "skep.toml:2:9: `grace`: expected a duration like \"30s\", \"5m\" or \"1h30m\", or a number of seconds, found true",
            ],
        ),
        (
            "[drone]\nttl = 5\nbeat = 3\n",
            &["skep.toml:2:7: `ttl`: must be at least twice `beat`: better six times"],
        ),
        ("[drone]\nname = 5\n", &["skep.toml:2:8: `name`: expected a text, as in \"text\", found 5"]),
        (
            "[drone]\nname = \"\"\n",
            &["skep.toml:2:8: `name`: must not be empty, nor hold control characters"],
        ),
        (
            "[local]\nballast = \"lots\"\n",
            &["skep.toml:2:11: `ballast`: \"lots\" is not a size: write 64KiB, 512MiB or 1GiB"],
        ),
        (
            "[local]\ndurability = \"ful\"\n",
            &["skep.toml:2:14: `durability`: \"ful\" is not known here: did you mean `full`?"],
        ),
        (
            "[local]\nallow_network = 1\n",
            &["skep.toml:2:17: `allow_network`: expected true or false, found 1"],
        ),
        (
            "[log]\nlevel = \"loud\"\n",
            &[
                "skep.toml:2:9: `level`: \"loud\" is not a level: write error, warn, info, debug, trace or off, and by target info,skep::task=debug",
            ],
        ),
        (
            "include = \"x\"\n",
            &["skep.toml:1:11: `include`: expected a list, as in [\"a\", \"b\"], found a text"],
        ),
        (
            "[queue]\nurl = \"sqlite:a\"\n",
            &[
                "skep.toml:1:1: `queue`: expected a list, as in [\"a\", \"b\"], found a table: write [[queue]]",
            ],
        ),
        (
            "[[queue]]\nname = \"x\"\n",
            &["skep.toml:1:1: [[queue]] needs `url`, as in \"sqlite:./skep.db\", or `url_file`"],
        ),
        (
            "[[queue]]\nurl = \"sqlite:/a\"\nname = \"Ä\"\n",
            &[
                "skep.toml:3:8: `name`: \"Ä\" is not a name: use 1 to 64 of a-z 0-9 _ . : - and begin with a letter or digit",
            ],
        ),
        (
            "[[queue]]\nurl = \"mysql://u:pw@h/d\"\n",
            &[
                "skep.toml:2:7: `url`: no backend \"mysql\" here: known are postgres:, postgresql:, skep:, sqlite:, unix:",
            ],
        ),
        (
            "[[queue]]\nurl = \"sqlite:/a\"\n[[queue]]\nurl = \"sqlite:/a\"\n",
            &["skep.toml:3:1: queue `default` of sqlite:/a is named twice"],
        ),
        ("a = \n", &["skep.toml:1:5: string values must be quoted, expected literal string"]),
    ];
    for (text, said) in table {
        assert_eq!(Folder::new(&format!("{text}{WORKER}")).wrong(), *said, "{text}");
    }
}

#[test]
fn every_mistake_of_a_worker_is_named() {
    let runs = "run.exec = [\"true\"]\n";
    let table: &[(&str, &[&str])] = &[
        ("timout = 5\n", &["skep.toml:3:1: unknown key `timout`: did you mean `timeout`?"]),
        ("prefetch = -1\n", &["skep.toml:3:12: `prefetch`: expected a whole number, as in 5, found -1"]),
        ("prefetch = 0\n", &["skep.toml:3:12: `prefetch`: must be at least 1"]),
        (
            "max_attempts = 70000\n",
            &["skep.toml:3:16: `max_attempts`: expected a whole number, as in 5, found 70000"],
        ),
        ("timeout = 0\n", &["skep.toml:3:11: `timeout`: must be longer than 0s, as in \"30s\""]),
        ("types = [\"x\", 5]\n", &["skep.toml:3:15: `types`: expected a text, as in \"text\", found 5"]),
        ("types = [\"x\", \"x\"]\n", &["skep.toml:3:9: `types`: `x` is named twice"]),
        ("types = []\n", &["skep.toml:3:9: `types`: name at least one, as in [\"resize\"]"]),
        (
            "processes = \"two\"\n",
            &[
                "skep.toml:3:13: `processes`: expected a whole number, or a table, as in { min = 1, max = 8, idle = \"30s\" }, found a text",
            ],
        ),
        ("processes = { mi = 1 }\n", &["skep.toml:3:15: unknown key `mi`: did you mean `min`?"]),
        (
            "processes = { min = 3, max = 2 }\n",
            &["skep.toml:3:13: `processes`: `min` must not be more than `max`"],
        ),
        ("processes = 0\n", &["skep.toml:3:13: `processes`: must be at least 1"]),
        (
            "backoff = { base = \"2h\", max = \"1h\" }\n",
            &["skep.toml:3:11: `backoff`: `base` must not be longer than `max`"],
        ),
        ("limits = { memry = 1 }\n", &["skep.toml:3:12: unknown key `memry`: did you mean `memory`?"]),
        ("env = { A = 1 }\n", &["skep.toml:3:13: `A`: expected a text, as in \"text\", found 1"]),
        (
            "on_lease_lost = \"stop\"\n",
            &[
                "skep.toml:3:17: `on_lease_lost`: \"stop\" is not known here: known here are continue, finish, cancel",
            ],
        ),
    ];
    for (text, said) in table {
        assert_eq!(Folder::new(&format!("[workers.a]\n{runs}{text}")).wrong(), *said, "{text}");
    }
}

#[test]
fn every_mistake_of_what_runs_is_named() {
    let nothing = "[workers.a] runs nothing: add run.process = [\"program\"], or run.exec = [\"program\"]";
    let table: &[(&str, &str)] = &[
        ("", &format!("skep.toml:1:1: {nothing}")),
        ("run = {}", "skep.toml:2:7: `run`: expected one of process, exec, http, prefork"),
        (
            "run.http = \"http://x\"",
            "skep.toml:2:12: `http`: comes in a later version; use run.process or run.exec",
        ),
        (
            "run.prefork = [\"x\"]",
            "skep.toml:2:15: `prefork`: comes in a later version; use run.process or run.exec",
        ),
        (
            "run.proces = [\"x\"]",
            "skep.toml:2:5: `proces`: \"proces\" is not known here: did you mean `process`?",
        ),
        ("run.exec = []", "skep.toml:2:1: `run`: name a program, as in [\"python3\", \"worker.py\"]"),
        ("run.exec = \"x\"", "skep.toml:2:12: `exec`: expected a list, as in [\"a\", \"b\"], found a text"),
        (
            "run = { exec = [\"x\"], process = [\"x\"] }",
            "skep.toml:2:7: `run`: only one of process, exec, http, prefork at a time",
        ),
    ];
    for (text, said) in table {
        assert_eq!(Folder::new(&format!("[workers.a]\n{text}\n")).wrong(), [*said], "{text}");
    }
    let none = "skep.toml:1:1: no worker: add [workers.NAME] with run.process = [\"program\"], or run.exec";
    assert_eq!(Folder::new("[drone]\nname = \"x\"\n").wrong(), [none]);
}

#[test]
fn everything_is_said_at_once_and_once() {
    let folder = Folder::new(
        "[drone]\nnam = 1\nbeat = \"x\"\n[workers.defaults]\ntimout = 1\nprefetch = \"x\"\n[workers.a]\n[workers.B]\nrun.exec = [\"x\"]\n",
    );
    assert_eq!(
        folder.wrong(),
        [
            "skep.toml:2:1: unknown key `nam`: did you mean `name`?",
            "skep.toml:3:8: `beat`: \"x\" is not a duration: write 30s, 5m, 1h30m, 500ms or 1d",
            "skep.toml:5:1: unknown key `timout`: did you mean `timeout`?",
            "skep.toml:6:12: `prefetch`: expected a whole number, as in 5, found a text",
            "skep.toml:7:1: [workers.a] runs nothing: add run.process = [\"program\"], or run.exec = [\"program\"]",
            "skep.toml:8:1: [workers.B]: \"B\" is not a name: use 1 to 64 of a-z 0-9 _ . : - and begin with a letter or digit; or give it `types`",
        ]
    );
}

#[test]
fn workers_of_one_type_agree() {
    let two = |second: &str| {
        let text = "[workers.a]\ntypes = [\"x\"]\nrun.exec = [\"a\"]\n[workers.b]\ntypes = [\"x\"]\nrun.exec = [\"b\"]\n";
        Folder::new(&format!("{text}{second}"))
    };
    assert_eq!(two("processes = 4\n").good().config.workers.len(), 2);
    assert_eq!(
        two("timeout = 4\n").wrong(),
        [
            "skep.toml:4:1: [workers.a] and [workers.b] both run `x`: give them the same timeout, max_attempts, backoff, poison_after and on_lease_lost"
        ]
    );
}

#[test]
fn a_file_that_is_not_there() {
    let mut folder = Folder::new("");
    folder.sources.file = folder.path().join("none.toml");
    assert_eq!(
        folder.wrong(),
        [
            "cannot read none.toml: No such file or directory (os error 2): `skep init` writes one, or name another with -c"
        ]
    );
}
