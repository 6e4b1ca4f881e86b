use super::*;

#[tokio::test]
async fn the_keys_of_a_queue_are_a_contract() {
    let desk = Desk::new();
    desk.task(&["t"]).await;
    let said = desk.run(&["queue", "list", "--json"]).await.ends(Exit::Ok);
    let keys = keys(&said.out);
    let contract = "name depth capacity scheduled available claimed paused intake retention promote_after waiting_since waits types";
    assert_eq!(keys.iter().filter(|key| contract.contains(&**key)).count(), 13, "{keys:?}");
    assert_eq!(said.values()[0]["waiting_since"], "2026-01-01T00:00:00Z");
    let waits =
        json!({ "under_1s": 1, "under_10s": 0, "under_1m": 0, "under_10m": 0, "under_1h": 0, "longer": 0 });
    assert_eq!(said.values()[0]["waits"], waits);
    assert_eq!((&said.values()[0]["depth"], &said.values()[0]["capacity"]), (&1.into(), &Value::Null));
    let said = desk.run(&["queue", "list"]).await.ends(Exit::Ok);
    assert!(said.lines()[1].starts_with("default  1      none"), "{}", said.out);
}

#[tokio::test]
async fn settings_hold() {
    let desk = Desk::new();
    let table: [(&[&str], &str, Value); 11] = [
        (&["queue", "pause", "q"], "paused", true.into()),
        (&["queue", "resume", "q"], "paused", false.into()),
        (&["queue", "capacity", "q", "7"], "capacity", 7.into()),
        (&["queue", "capacity", "q", "none"], "capacity", Value::Null),
        (&["queue", "drain", "q"], "intake", "draining".into()),
        (&["queue", "open", "q"], "intake", "open".into()),
        (&["queue", "retention", "q", "2h"], "retention", 7200.into()),
        (&["queue", "retention", "q", "0s"], "retention", 0.into()),
        (&["queue", "promote", "q", "30s"], "promote_after", 30.0.into()),
        (&["queue", "promote", "q", "1500ms"], "promote_after", 1.5.into()),
        (&["queue", "promote", "q", "none"], "promote_after", Value::Null),
    ];
    for (words, key, value) in table {
        let said = desk.run(words).await.ends(Exit::Ok);
        let told = said.talk.lines().last().unwrap_or_default();
        assert!(told.starts_with("q: "), "{}", said.talk);
        assert_eq!(desk.json(&["queue", "list"]).await[0][key], value, "{words:?}");
        assert_eq!(desk.json(words).await[0][key], value, "{words:?}");
    }
    desk.run(&["queue", "pause", "q", "--type", "t"]).await.ends(Exit::Ok);
    desk.run(&["queue", "capacity", "q", "3", "--type", "t"]).await.ends(Exit::Ok);
    let of_type = &desk.json(&["queue", "list"]).await[0]["types"][0];
    assert_eq!((&of_type["paused"], &of_type["capacity"]), (&true.into(), &3.into()));
    desk.run(&["queue", "max-payload", "q", "10"]).await.ends(Exit::Ok);
    desk.run(&["submit", "t", "12345678901", "--queue", "q"]).await.ends(Exit::Rejected);
}

#[tokio::test]
async fn a_queue_that_drains_takes_nothing() {
    let desk = Desk::new();
    desk.run(&["queue", "drain", "default"]).await.ends(Exit::Ok);
    let said = desk.run(&["submit", "t"]).await.ends(Exit::Rejected);
    assert!(said.talk.starts_with("error: draining"), "{}", said.talk);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let desk = Desk::new();
    let said = desk.run(&["queue", "pause", "q", "--dry-run"]).await.ends(Exit::Ok);
    assert!(said.talk.contains("not done"), "{}", said.talk);
    assert!(desk.json(&["queue", "list"]).await.is_empty());
    desk.run(&["queue", "capacity", "q", "many"]).await.ends(Exit::Usage);
    desk.run(&["queue", "promote", "q", "soon"]).await.ends(Exit::Usage);
    let said = desk.run(&["queue", "promote", "q", "0s"]).await.ends(Exit::Usage);
    assert!(said.talk.contains("or none"), "{}", said.talk);
    desk.run(&["queue", "max-payload", "q", "16777217"]).await.ends(Exit::Usage);
    desk.run(&["queue", "pause", "No Name"]).await.ends(Exit::Usage);
}

#[tokio::test]
async fn status_is_short() {
    let desk = Desk::new();
    desk.run(&["queue", "capacity", "default", "10"]).await.ends(Exit::Ok);
    desk.task(&["t"]).await;
    desk.backend.work("t", Err("boom")).await;
    desk.task(&["t"]).await;
    let said = desk.run(&["status"]).await.ends(Exit::Ok);
    for text in ["default: 1 of 10 tasks", "1 alive, 0 silent", "discarded  1: see skep task list"] {
        assert!(said.out.contains(text), "{text:?} in {}", said.out);
    }
    assert!(said.lines().len() < 12);
    let health = &desk.json(&["status"]).await[0];
    assert_eq!((&health["alive"], &health["discarded"]), (&1.into(), &1.into()));
}

#[tokio::test]
async fn words_about_the_command() {
    let desk = Desk::new();
    assert!(desk.run(&["version"]).await.ends(Exit::Ok).out.contains("SQLite 3."));
    assert!(desk.run(&["completions", "bash"]).await.ends(Exit::Ok).out.contains("_skep"));
    assert!(desk.run(&["man"]).await.ends(Exit::Ok).out.contains("skep"));
    assert!(desk.run(&["man", "task", "list"]).await.ends(Exit::Ok).out.contains("cause:crashed"));
    desk.run(&["man", "no-such"]).await.ends(Exit::NotFound);
    desk.run(&["completions", "cmd"]).await.ends(Exit::Usage);
    let said = desk.run(&["--backend", "wrong:x", "status"]).await;
    assert_eq!(said.exit, Exit::Usage as u8);
}
