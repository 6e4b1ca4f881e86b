use super::*;

#[test]
fn values_are_shown_with_who_said_them() {
    let folder = Folder::new(
        "[drone]\nname = \"d\"\n[workers.defaults]\nenv.A = \"1\"\n[workers.\"b.c\"]\nrun.exec = [\"true\"]\n[workers.overrides]\nprefetch = 4\n",
    )
    .env("SKEP_WORKERS__B_C__TIMEOUT", "7s");
    let shown = folder.local(&folder.good().show(true));
    for line in [
        "name = \"d\"  # skep.toml:2",
        "ttl = \"1m\"  # default",
        "path = \"d.local.db\"  # default",
        "[[queue]]",
        "url = \"sqlite:/q.db\"  # default",
        "[workers.\"b.c\"]",
        "env.A = \"1\"  # skep.toml:4",
        "run.exec = [\"true\"]  # skep.toml:6",
        "prefetch = 4  # skep.toml:8",
        "timeout = \"7s\"  # env SKEP_WORKERS__B_C__TIMEOUT",
        "types = [\"b.c\"]  # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(!shown.contains("overrides") && !shown.contains("defaults]"), "{shown}");
}

#[test]
fn what_is_shown_is_a_configuration_of_the_same_meaning() {
    let folder = Folder::new(FULL);
    let first = folder.good();
    let again = Folder::new(&first.show(false)).good();
    assert_eq!(format!("{:?}", first.config), format!("{:?}", again.config));
    assert_eq!(first.show(false), again.show(false));
}

#[test]
fn passwords_are_not_shown() {
    let folder =
        Folder::new("[workers.a]\nrun.exec = [\"true\"]\n[[queue]]\nurl = \"pg://me:hunter2@db/app\"\n");
    let pg = |_: String| -> crate::backend::Opening {
        Box::pin(async { Err("pg://me:hunter2@db/app is down".into()) })
    };
    let loaded = load(&folder.sources, &Backends::builtin().with("pg", pg)).unwrap();
    let shown = folder.local(&loaded.show(true));
    assert!(shown.contains("url = \"pg://me:***@db/app\"  # skep.toml:4"), "{shown}");
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let built = runtime.block_on(loaded.config.build(&Backends::builtin().with("pg", pg)));
    let error = built.err().expect("it is down").to_string();
    assert_eq!(error, "cannot open pg://me:***@db/app: pg://me:***@db/app is down");
}
