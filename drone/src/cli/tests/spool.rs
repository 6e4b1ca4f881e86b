use super::*;

const ID: &str = "00000000-0000-4000-8000-00000000ffff";
const DOWN: [&str; 2] = ["--on-down", "spool"];

/// Spools a task and answers its id.
async fn spooled(desk: &Desk, words: &[&str]) -> String {
    desk.backend.lose_replies(2);
    let said = desk.run(&[&["submit"], words, &DOWN, &["-q"]].concat()).await.ends(Exit::Spooled);
    desk.backend.lose_replies(0);
    said.out.trim().to_owned()
}

async fn listed(desk: &Desk) -> Vec<Value> {
    desk.json(&["spool", "list"]).await
}

#[tokio::test]
async fn a_task_is_spooled_listed_and_delivered_by_the_next_submit() {
    let desk = Desk::new();
    desk.backend.lose_replies(1);
    let said =
        desk.run(&[&["submit", "mail", "1", "--id", ID], &DOWN[..]].concat()).await.ends(Exit::Spooled);
    assert_eq!(
        (said.out.as_str(), said.talk.starts_with("spooled: kept here")),
        (format!("{ID}\n").as_str(), true),
        "{}",
        said.talk
    );
    let line = desk.run(&["spool", "list", "--json"]).await.out;
    assert_eq!(
        keys(&line),
        ["id", "task_type", "queue", "backend", "state", "tasks", "bytes", "kept_at", "tries", "refusal"]
    );
    let entry = &listed(&desk).await[0];
    assert_eq!(
        (&entry["id"], &entry["task_type"], &entry["state"], &entry["backend"]),
        (&ID.into(), &"mail".into(), &"waits".into(), &"model:".into())
    );
    desk.backend.lose_replies(1);
    let again = desk.run(&[&["submit", "mail", "1", "--id", ID, "--json"], &DOWN[..]].concat()).await;
    assert_eq!(again.ends(Exit::Spooled).values()[0], serde_json::json!({ "id": ID, "outcome": "spooled" }));
    assert_eq!(listed(&desk).await.len(), 1, "the same id is the same submission");
    let next = desk.run(&["submit", "mail", "2"]).await.ends(Exit::Ok);
    assert!(next.talk.contains("delivered 1 task from the spool"), "{}", next.talk);
    assert_eq!((listed(&desk).await.len(), desk.json(&["task", "list"]).await.len()), (0, 2));
}

#[tokio::test]
async fn a_stream_is_spooled_whole_and_flushed_by_hand() {
    let desk = Desk::new();
    desk.backend.lose_replies(1);
    let said = desk.pipe(&[&["submit", "t", "-"], &DOWN[..]].concat(), "1\n2\n3\n").await.ends(Exit::Spooled);
    assert!(said.talk.contains("3 spooled"), "{}", said.talk);
    let table = desk.run(&["spool", "list"]).await.out;
    assert!(table.starts_with("ID") && table.contains("waits"), "{table}");
    let flushed = desk.run(&["spool", "flush"]).await.ends(Exit::Ok);
    assert_eq!(flushed.talk, "delivered 3 tasks, 0 refused\n");
    assert_eq!(desk.json(&["spool", "flush"]).await, [serde_json::json!({ "delivered": 0, "refused": 0 })]);
    assert_eq!(desk.run(&["spool", "list"]).await.talk, "nothing is spooled\n");
}

#[tokio::test]
async fn what_is_refused_for_good_is_shown_and_dropped_only_by_hand() {
    let desk = Desk::new();
    desk.task(&["t", "1", "--id", ID]).await;
    let id = spooled(&desk, &["t", "2", "--id", ID]).await;
    let said = desk.run(&["spool", "flush"]).await.ends(Exit::Rejected);
    assert!(said.talk.contains("delivered 0 tasks, 1 refused"), "{}", said.talk);
    let entry = &listed(&desk).await[0];
    assert!(
        entry["state"] == "refused" && entry["refusal"].as_str().unwrap().starts_with("conflict"),
        "{entry}"
    );
    let status = desk.run(&["status"]).await.ends(Exit::Ok);
    assert!(status.out.contains("spool      empty, 1 refused: see skep spool list"), "{}", status.out);
    desk.run(&["spool", "drop", &id, "--dry-run"]).await.ends(Exit::Ok);
    assert_eq!(listed(&desk).await.len(), 1);
    desk.run(&["spool", "flush"]).await.ends(Exit::Ok);
    desk.run(&["spool", "flush", "--refused"]).await.ends(Exit::Rejected);
    assert_eq!(desk.run(&["spool", "drop", &id, "-q"]).await.ends(Exit::Ok).out.trim(), id);
    desk.run(&["spool", "drop", &id]).await.ends(Exit::NotFound);
    assert!(listed(&desk).await.is_empty());
}

#[tokio::test]
async fn the_status_says_how_much_waits() {
    let desk = Desk::new();
    assert!(desk.run(&["status"]).await.out.ends_with("spool      empty\n"));
    spooled(&desk, &["t", "1"]).await;
    spooled(&desk, &["t", "2"]).await;
    desk.clock.advance(std::time::Duration::from_secs(90));
    let status = desk.run(&["status"]).await.ends(Exit::Ok).out;
    assert!(status.contains("spool      2 tasks in 2 submissions, the oldest for 1m30s"), "{status}");
    let health = &desk.json(&["status"]).await[0];
    assert_eq!((&health["spool"]["tasks"], &health["spool"]["oldest"]), (&2.into(), &90.into()));
}

#[tokio::test]
async fn a_full_queue_and_a_full_spool() {
    let desk = Desk::new();
    desk.run(&["queue", "capacity", "default", "1"]).await.ends(Exit::Ok);
    desk.task(&["t", "1"]).await;
    let said = desk.run(&["submit", "t", "2", "--on-full", "spool", "--json"]).await.ends(Exit::Spooled);
    assert_eq!(said.values()[0]["outcome"], "spooled");
    let flushed = desk.run(&["spool", "flush"]).await.ends(Exit::Rejected);
    assert!(
        flushed.talk.contains("queue_full: 1 of 1 tasks") && flushed.talk.contains("the rest waits"),
        "{}",
        flushed.talk
    );
    let bounds = crate::spool::Bounds { tasks: 1, bytes: 1000 };
    let path = desk.folder.path().join("spool.db");
    let config = crate::spool::Config { bounds: Some(bounds), ..crate::spool::Config::at(path) };
    crate::spool::Spool::new(config, desk.clock.clone()).say_bounds().await.unwrap();
    let said = desk.run(&["submit", "t", "3", "--on-full", "spool", "--json"]).await.ends(Exit::Rejected);
    let expected = r#"{"id":null,"outcome":"rejected","reason":"spool_full","depth":1,"limit":1}"#;
    assert_eq!(said.out.trim(), expected);
    assert!(
        said.talk.starts_with("error: spool_full: 1 of 1 tasks; queue_full: 1 of 1 tasks"),
        "{}",
        said.talk
    );
    desk.backend.lose_replies(2);
    let said = desk.run(&["submit", "t", "4", "--on-down", "spool", "--json"]).await.ends(Exit::Rejected);
    assert_eq!(
        (&said.values()[0]["outcome"], &said.values()[0]["reason"]),
        (&"unknown".into(), &"spool_full".into())
    );
    desk.backend.lose_replies(2);
    let said = desk.pipe(&["submit", "t", "-", "--on-down", "spool"], "1\n2\n").await.ends(Exit::Rejected);
    assert!(said.talk.contains("whether its call was submitted is not known"), "{}", said.talk);
}

#[tokio::test]
async fn nobody_waits_for_what_is_spooled() {
    let desk = Desk::new();
    desk.backend.lose_replies(1);
    let said = desk.run(&[&["submit", "t", "--wait"], &DOWN[..]].concat()).await.ends(Exit::Spooled);
    assert_eq!(said.out.lines().count(), 1, "the id: {}", said.out);
    desk.backend.lose_replies(2);
    let said = desk.run(&[&["call", "t"], &DOWN[..]].concat()).await.ends(Exit::Spooled);
    assert!(said.talk.contains("is spooled, and not in the queue yet"), "{}", said.talk);
}

#[tokio::test]
async fn a_spool_that_cannot_be_used_is_no_reason_not_to_submit() {
    let desk = Desk::new();
    std::fs::write(desk.folder.path().join("spool.db"), "Dear Ada, this is a letter. ".repeat(99)).unwrap();
    let said = desk.run(&["submit", "t"]).await.ends(Exit::Ok);
    assert!(said.talk.starts_with("note: ") && said.talk.contains("spool.db"), "{}", said.talk);
    desk.backend.lose_replies(1);
    let said = desk.run(&[&["submit", "t"], &DOWN[..]].concat()).await.ends(Exit::Unreachable);
    assert!(said.talk.contains("and it could not be spooled"), "{}", said.talk);
    let status = desk.run(&["status"]).await.ends(Exit::Ok).out;
    assert!(status.contains("spool      the spool "), "{status}");
}
