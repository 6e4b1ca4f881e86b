use super::*;

const KEYS: [&str; 15] = [
    "id",
    "task_type",
    "queue",
    "state",
    "priority",
    "run_at",
    "attempts",
    "losses",
    "interruptions",
    "max_attempts",
    "worker",
    "error",
    "result",
    "created_at",
    "finished_at",
];
const STRANGER: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn the_keys_of_a_task_are_a_contract() {
    let desk = Desk::new();
    let id = desk.task(&["t"]).await;
    let listed = desk.run(&["task", "list", "--json"]).await.ends(Exit::Ok);
    assert_eq!(keys(&listed.out), KEYS);
    let shown = desk.run(&["task", "show", &id, "--json"]).await.ends(Exit::Ok);
    assert_eq!(keys(&shown.out), [&KEYS[..], &["payload", "history"]].concat());
    assert_eq!(shown.values()[0]["created_at"], "2026-01-01T00:00:00Z");
    assert_eq!(shown.values()[0]["finished_at"], Value::Null);
}

#[tokio::test]
async fn filters_are_words_or_flags() {
    let desk = Desk::new();
    let mail = desk.task(&["mail"]).await;
    let late = desk.task(&["mail", "--in", "1h"]).await;
    let other = desk.task(&["other", "--queue", "q"]).await;
    desk.backend.work("mail", Err("boom")).await;
    let table: [(&[&str], Vec<&String>); 8] = [
        (&["type:mail"], vec![&late, &mail]),
        (&["--type", "mail"], vec![&late, &mail]),
        (&["queue:q"], vec![&other]),
        (&["state:available"], vec![&other]),
        (&["state:available,scheduled"], vec![&other, &late]),
        (&["--state", "discarded"], vec![&mail]),
        (&["cause:failed"], vec![&mail]),
        (&["--limit", "1"], vec![&other]),
    ];
    for (words, ids) in table {
        let said = desk.run(&[&["task", "list", "-q"], words].concat()).await.ends(Exit::Ok);
        assert_eq!(said.lines(), ids, "{words:?}");
    }
    for wrong in ["state:lost", "color:red", "mail", "cause:bad", "type:A"] {
        desk.run(&["task", "list", wrong]).await.ends(Exit::Usage);
    }
}

#[tokio::test]
async fn a_table_says_what_json_does_not() {
    let desk = Desk::new();
    desk.task(&["t"]).await;
    desk.backend.work("t", Err("first\nsecond")).await;
    let id = desk.task(&["t"]).await;
    desk.clock.advance(std::time::Duration::from_secs(120));
    let said = desk.run(&["task", "list"]).await.ends(Exit::Ok);
    let lines = said.lines();
    assert_eq!(lines.len(), 3, "a line a row");
    assert!(lines[0].starts_with("ID ") && lines[0].contains("ATTEMPTS"), "{}", lines[0]);
    assert!(lines[1].starts_with(&id) && lines[1].contains("2m"), "{}", lines[1]);
    assert!(lines[2].contains("discarded") && lines[2].ends_with("first"), "{}", lines[2]);
    let said = Desk::new().run(&["task", "list"]).await.ends(Exit::Ok);
    assert_eq!((said.out.as_str(), said.talk.as_str()), ("", "no such tasks\n"));
}

#[tokio::test]
async fn show_has_everything() {
    let desk = Desk::new();
    let id = desk.task(&["t", r#"{"a":[1]}"#]).await;
    desk.backend.work("t", Err("first\nsecond")).await;
    let said = desk.run(&["task", "show", &id]).await.ends(Exit::Ok);
    for text in [&id, "discarded", "    first\n    second", "    {\n      \"a\": [", "history", "failed"] {
        assert!(said.out.contains(text), "{text:?} in {}", said.out);
    }
    let history = &desk.json(&["task", "show", &id]).await[0]["history"];
    assert_eq!((&history[0]["cause"], &history[0]["attempts"]), (&"failed".into(), &1.into()));
    desk.run(&["task", "show", STRANGER]).await.ends(Exit::NotFound);
}

#[tokio::test]
async fn each_id_has_an_answer_of_its_own() {
    let desk = Desk::new();
    let (a, b) = (desk.task(&["t"]).await, desk.task(&["t"]).await);
    let said = desk.run(&["task", "cancel", &a, &b, "--dry-run"]).await.ends(Exit::Ok);
    assert!(said.out.contains("would cancel it"), "{}", said.out);
    desk.run(&["task", "cancel", &a]).await.ends(Exit::Ok);
    let said = desk.run(&["task", "cancel", &a, &b, "--json"]).await.ends(Exit::Failed);
    let values = said.values();
    assert_eq!((&values[0]["outcome"], &values[0]["state"]), (&"unchanged".into(), &"cancelled".into()));
    assert_eq!(values[1]["outcome"], "done");
    let said = desk.run(&["task", "retry", &a, STRANGER, "-q"]).await.ends(Exit::NotFound);
    assert_eq!(said.lines(), [a.as_str()]);
    desk.run(&["task", "discard", &a]).await.ends(Exit::Ok);
    desk.run(&["queue", "capacity", "default", "0"]).await.ends(Exit::Ok);
    let said = desk.run(&["task", "retry", &a]).await.ends(Exit::Rejected);
    assert!(said.out.contains("queue_full: 0 of 0 tasks"), "{}", said.out);
}
