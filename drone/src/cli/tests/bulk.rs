use super::*;

#[tokio::test]
async fn ids_come_in_the_order_of_the_lines() {
    let desk = Desk::new();
    let lines: String = (0..20_000).map(|n| format!("{n}\n")).collect();
    let said = desk.pipe(&["submit", "t", "-", "-q"], &lines).await.ends(Exit::Ok);
    let ids = said.lines();
    assert_eq!(ids.len(), 20_000);
    for n in [0, 1, 127, 128, 8191, 8192, 19_999] {
        let shown = desk.json(&["task", "show", ids[n]]).await;
        assert_eq!(shown[0]["payload"], n);
    }
    assert_eq!(desk.backend.calls(), 3, "calls of 8192");
}

#[tokio::test]
async fn a_summary_is_talk() {
    let desk = Desk::new();
    let said = desk.pipe(&["submit", "t", "-"], "1\n\n  \r\n\"two\"\r\n3").await.ends(Exit::Ok);
    assert_eq!(said.out, "");
    assert!(said.talk.starts_with("accepted 3 tasks in "), "{}", said.talk);
    let said = desk.pipe(&["submit", "t", "-"], "").await.ends(Exit::Ok);
    assert!(said.talk.starts_with("accepted 0 tasks"), "{}", said.talk);
}

#[tokio::test]
async fn a_bad_line_stops_its_call_and_says_where() {
    let desk = Desk::new();
    let mut lines: Vec<String> = (1..=9000).map(|n| n.to_string()).collect();
    lines[8999] = "{oops".into();
    let said = desk.pipe(&["submit", "t", "-"], &lines.join("\n")).await.ends(Exit::Usage);
    assert!(said.talk.contains("line 9000: the payload is not JSON"), "{}", said.talk);
    assert!(said.talk.contains("8192 tasks accepted so far"), "{}", said.talk);
    assert_eq!(desk.json(&["queue", "list"]).await[0]["depth"], 8192);
}

#[tokio::test]
async fn a_call_that_does_not_fit_leaves_nothing_unless_partial() {
    let desk = Desk::new();
    desk.run(&["queue", "capacity", "default", "1000"]).await.ends(Exit::Ok);
    let lines: String = (0..1500).map(|n| format!("{n}\n")).collect();
    let said = desk.pipe(&["submit", "t", "-"], &lines).await.ends(Exit::Rejected);
    assert!(said.talk.starts_with("error: queue_full: "), "{}", said.talk);
    assert_eq!(desk.json(&["queue", "list"]).await[0]["depth"], 0);
    let said = desk.pipe(&["submit", "t", "-", "--partial", "-q"], &lines).await.ends(Exit::Rejected);
    assert_eq!(said.lines().len(), 1000);
    assert!(
        said.talk.starts_with("error: queue_full: 1000 of 1000 tasks; try again in 1 s\n"),
        "{}",
        said.talk
    );
    assert_eq!(desk.json(&["queue", "list"]).await[0]["depth"], 1000);
}

#[tokio::test]
async fn after_a_call_that_was_refused_there_is_none() {
    let lines: String = (0..20_000).map(|n| format!("{n}\n")).collect();
    let table: [(&[&str], u64); 2] =
        [(&["submit", "t", "-"], 8192), (&["submit", "t", "-", "--partial"], 12_000)];
    for (words, depth) in table {
        let desk = Desk::new();
        desk.run(&["queue", "capacity", "default", "12000"]).await.ends(Exit::Ok);
        let said = desk.pipe(words, &lines).await.ends(Exit::Rejected);
        assert_eq!(desk.json(&["queue", "list"]).await[0]["depth"], depth, "the third would have fit");
        assert!(said.talk.contains(&format!("{depth} tasks accepted so far")), "{}", said.talk);
        assert_eq!(desk.backend.calls(), 2);
    }
}

#[tokio::test]
async fn files_list_tasks_with_options_of_their_own() {
    let desk = Desk::new();
    let folder = tempfile::tempdir().unwrap();
    let (json, toml) = (folder.path().join("tasks.json"), folder.path().join("tasks.toml"));
    let list = r#"[{"task_type":"a","payload":{"n":1}},{"task":"b","data":[2],"priority":1,"in":"5m"},{"meta":{"k":"v"}}]"#;
    std::fs::write(&json, list).unwrap();
    std::fs::write(&toml, "[[task]]\ntask_type = \"d\"\nqueue = \"q\"\npriority = \"high\"\n").unwrap();
    let file = json.to_str().unwrap();
    let said = desk.run(&["submit", "c", "--file", file, "-q"]).await.ends(Exit::Ok);
    assert_eq!(said.lines().len(), 3);
    desk.run(&["submit", "--file", toml.to_str().unwrap()]).await.ends(Exit::Ok);
    let types: Vec<_> = desk.json(&["task", "list"]).await.iter().map(|t| t["task_type"].clone()).collect();
    assert_eq!(types.len(), 4);
    assert!(["a", "b", "c", "d"].iter().all(|t| types.contains(&(*t).into())), "{types:?}");
    let said = desk.run(&["submit", "--file", file]).await.ends(Exit::Usage);
    assert!(said.talk.contains("task 3: it has no task_type"), "{}", said.talk);
    std::fs::write(&json, r#"[{"task_type":"a","prio":1}]"#).unwrap();
    let said = desk.run(&["submit", "--file", file]).await.ends(Exit::Usage);
    assert!(said.talk.contains("unknown field `prio`"), "{}", said.talk);
}
