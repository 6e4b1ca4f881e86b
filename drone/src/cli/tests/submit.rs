use super::*;

const ID: &str = "00000000-0000-4000-8000-00000000ffff";

#[tokio::test]
async fn a_task_is_submitted_and_listed() {
    let desk = Desk::new();
    let said = desk.run(&["submit", "mail", r#"{"to":"me"}"#]).await.ends(Exit::Ok);
    let id = said.out.trim();
    let listed = desk.json(&["task", "list"]).await;
    assert_eq!((listed[0]["id"].as_str(), listed[0]["task_type"].as_str()), (Some(id), Some("mail")));
    let shown = desk.json(&["task", "show", id]).await;
    assert_eq!(shown[0]["payload"]["to"], "me");
}

#[tokio::test]
async fn every_option_arrives() {
    let desk = Desk::new();
    let words = ["submit", "t", "--queue", "q", "--priority", "low", "--in", "5m", "--max-attempts", "3"];
    let more = ["--unique", "k", "--id", ID, "--postback", "back", "--meta", "a=b=c", "--json"];
    let said = desk.run(&[&words[..], &more].concat()).await.ends(Exit::Ok);
    assert_eq!(said.values()[0], serde_json::json!({ "id": ID, "outcome": "accepted" }));
    let task = &desk.json(&["task", "list"]).await[0];
    assert_eq!((task["queue"].as_str(), task["state"].as_str()), (Some("q"), Some("scheduled")));
    assert_eq!((&task["priority"], &task["max_attempts"]), (&4.into(), &3.into()));
    assert_eq!(task["run_at"], "2026-01-01T00:05:00Z");
}

#[tokio::test]
async fn a_time_may_be_said_in_words() {
    let desk = Desk::new();
    desk.run(&["submit", "t", "--at", "2026-03-04T05:06:07Z"]).await.ends(Exit::Ok);
    assert_eq!(desk.json(&["task", "list"]).await[0]["run_at"], "2026-03-04T05:06:07Z");
    let said = desk.run(&["submit", "t", "--at", "soon"]).await.ends(Exit::Usage);
    assert!(said.talk.contains("tomorrow 9:00"), "{}", said.talk);
    desk.run(&["submit", "t", "--at", "9:00", "--in", "5m"]).await.ends(Exit::Usage);
}

#[tokio::test]
async fn the_same_id_again_is_no_second_task() {
    let desk = Desk::new();
    desk.run(&["submit", "t", "1", "--id", ID]).await.ends(Exit::Ok);
    let again = desk.run(&["submit", "t", "1", "--id", ID, "--json"]).await.ends(Exit::Ok);
    assert_eq!(again.values()[0], serde_json::json!({ "id": ID, "outcome": "existing" }));
    let other = desk.run(&["submit", "t", "2", "--id", ID, "--json"]).await.ends(Exit::Conflict);
    assert_eq!(other.values()[0], serde_json::json!({ "id": null, "outcome": "conflict", "holder": ID }));
    assert!(other.talk.starts_with("error: conflict: task 00000000"), "{}", other.talk);
}

#[tokio::test]
async fn a_key_that_is_taken() {
    let desk = Desk::new();
    let first = desk.task(&["t", "1", "--unique", "k"]).await;
    desk.run(&["submit", "t", "2", "--unique", "k"]).await.ends(Exit::Conflict);
    let skipped = desk.json(&["submit", "t", "2", "--unique", "k", "--on-conflict", "skip"]).await;
    assert_eq!(skipped[0], serde_json::json!({ "id": first, "outcome": "skipped", "holder": first }));
    let replaced = desk.run(&["submit", "t", "3", "--unique", "k", "--on-conflict", "replace"]).await;
    replaced.ends(Exit::Ok);
    assert_eq!(desk.json(&["task", "list", "state:cancelled"]).await[0]["id"], first.as_str());
}

#[tokio::test]
async fn a_full_queue_says_so() {
    let desk = Desk::new();
    desk.run(&["queue", "capacity", "default", "2"]).await.ends(Exit::Ok);
    desk.pipe(&["submit", "t", "-"], "1\n2\n").await.ends(Exit::Ok);
    let said = desk.run(&["submit", "t"]).await.ends(Exit::Rejected);
    assert_eq!(said.talk, "error: queue_full: 2 of 2 tasks; try again in 1 s\n");
    let said = desk.run(&["submit", "t", "--json"]).await.ends(Exit::Rejected);
    let expected =
        r#"{"id":null,"outcome":"rejected","reason":"queue_full","depth":2,"limit":2,"retry_after":1}"#;
    assert_eq!(said.out.trim(), expected);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_room() {
    let desk = Desk::new();
    desk.run(&["queue", "capacity", "default", "1"]).await.ends(Exit::Ok);
    let first = desk.task(&["t"]).await;
    let said = desk.run(&["submit", "t", "--on-full", "wait=10s"]).await;
    said.ends(Exit::Rejected);
    desk.run(&["submit", "t", "--retry=10s"]).await.ends(Exit::Rejected);
    let mut holder = first;
    for patience in [&["--on-full", "wait"][..], &["--retry"], &["--retry=40s"]] {
        let words = [&["submit", "t", "-q"], patience].concat();
        let (next, _) = tokio::join!(desk.run(&words), async {
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            desk.run(&["task", "cancel", &holder]).await
        });
        holder = next.ends(Exit::Ok).out.trim().to_owned();
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_down() {
    let desk = Desk::new();
    desk.backend.lose_replies(1);
    let said = desk.run(&["submit", "t", "--json"]).await.ends(Exit::Unreachable);
    assert_eq!(said.values()[0]["outcome"], "unknown");
    assert!(said.talk.contains("cannot be reached"), "{}", said.talk);
    desk.backend.lose_replies(3);
    desk.run(&["submit", "t", "--on-down", "wait=1m"]).await.ends(Exit::Ok);
}

#[tokio::test]
async fn what_is_wrong_on_the_command_line_is_told_before_anything_happens() {
    let desk = Desk::new();
    let table: [(&[&str], &str); 13] = [
        (&["submit"], "TYPE"),
        (&["submit", "No Name"], "is not a name"),
        (&["submit", "t", "{"], "the payload is not JSON"),
        (&["submit", "t", "@/nowhere"], "/nowhere cannot be read"),
        (&["submit", "t", "--priority", "9"], "1 to 5"),
        (&["submit", "t", "--in", "later"], "is not a duration"),
        (&["submit", "t", "--id", "x"], "invalid"),
        (&["submit", "t", "--meta", "x"], "key=value"),
        (&["submit", "t", "--on-full", "fail"], "use reject, wait, wait=30s or spool"),
        (&["submit", "t", "--retry", "--on-full", "spool"], "cannot be used with"),
        (&["submit", "t", "--on-down", "reject"], "use fail, wait, wait=30s or spool"),
        (&["submit", "t", "-", "--id", ID], "one task"),
        (&["submit", "t", "--max-attempts", "0"], "0"),
    ];
    for (words, text) in table {
        let said = desk.run(words).await.ends(Exit::Usage);
        assert!(said.talk.contains(text), "{words:?}: {}", said.talk);
    }
    assert!(desk.json(&["queue", "list"]).await.is_empty(), "nothing was submitted");
}

#[tokio::test]
async fn bytes_need_not_be_json() {
    let desk = Desk::new();
    let id = desk.task(&["t", "{", "--bytes"]).await;
    let shown = desk.json(&["task", "show", &id]).await;
    assert_eq!((shown[0]["payload"].as_str(), shown[0]["content"].as_str()), (Some("ew=="), Some("bytes")));
    assert!(desk.run(&["task", "show", &id]).await.out.contains("1 bytes: {"));
}

#[tokio::test]
async fn a_dry_run_does_nothing() {
    let desk = Desk::new();
    let said = desk.run(&["submit", "t", "--dry-run"]).await.ends(Exit::Ok);
    assert_eq!(said.talk, "would submit 1 task\n");
    let said = desk.pipe(&["submit", "t", "-", "--dry-run"], "1\n2\n").await.ends(Exit::Ok);
    assert_eq!(said.talk, "would submit 2 tasks\n");
    desk.pipe(&["submit", "t", "-", "--dry-run"], "1\n{\n").await.ends(Exit::Usage);
    assert!(desk.json(&["queue", "list"]).await.is_empty());
}
