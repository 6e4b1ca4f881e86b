//! Literal lines for each op: what other languages see is what is held here.

use std::collections::BTreeMap;

use skep_queue::Content;

use super::*;
use crate::worker::Task;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn task(payload: &[u8], content: Content) -> Task {
    Task {
        content,
        of: 5,
        fence: 7,
        timeout: Some(Duration::from_secs(30)),
        meta: BTreeMap::from([("k".into(), "v".into())]),
        ..Task::new(ID.parse().unwrap(), "resize".parse().unwrap(), Bytes::copy_from_slice(payload))
    }
}

fn text(order: Order<'_>) -> String {
    String::from_utf8(order.encode().unwrap().to_vec()).unwrap()
}

fn decoded(line: &str) -> Reply {
    Reply::decode(line.replace("ID", ID).as_bytes()).unwrap()
}

#[test]
fn orders() {
    let id = ID.parse().unwrap();
    let run = r#"{"op":"run","id":"ID","task":"resize","payload":{"a": 1.0},"attempt":1,"of":5,"fence":7,"timeout":30.0,"meta":{"k":"v"}}"#;
    assert_eq!(text(Order::Run(&task(b"{\"a\":\n1.0}", Content::Json))), run.replace("ID", ID) + "\n");
    let bytes = run.replace("ID", ID).replace(r#""payload":{"a": 1.0}"#, r#""payload_base64":"AP8=""#);
    assert_eq!(text(Order::Run(&task(b"\0\xff", Content::Bytes))), bytes + "\n");
    assert_eq!(text(Order::Cancel(id)), format!("{{\"id\":\"{ID}\",\"op\":\"cancel\"}}\n"));
    assert_eq!(text(Order::Stop), "{\"op\":\"stop\"}\n");
    let options = serde_json::Map::from_iter([("size".to_owned(), 3.into())]);
    assert_eq!(text(Order::Setup(&options)), "{\"op\":\"setup\",\"options\":{\"size\":3}}\n");
}

#[test]
fn an_order_that_cannot_be_sent_says_why() {
    let error = Order::Run(&task(b"{", Content::Json)).encode().unwrap_err();
    assert!(error.contains("not JSON"), "{error}");
    let error = Order::Run(&task(&vec![0; MAX_LINE], Content::Bytes)).encode().unwrap_err();
    assert!(error.contains("16777216"), "{error}");
}

#[test]
fn hello() {
    let line = r#"{"op":"hello","proto":1,"concurrency":4,"pid":12,"lang":"python","new":{}}"#;
    let lang = Some("python".into());
    assert_eq!(decoded(line), Reply::Hello(Hello { proto: 1, concurrency: 4, pid: Some(12), lang }));
    let Reply::Hello(hello) = decoded(r#"{"op":"hello","proto":1}"#) else { panic!("no hello") };
    assert_eq!(hello.concurrency, 1);
}

#[test]
fn done() {
    let line = r#"{"op":"done","id":"ID","result":{"w": 1e3},"submit":[{"task":"mail","payload":[1],"local":true},{"task":"x"}]}"#;
    let Reply::Done { result, submit, .. } = decoded(line) else { panic!("not done") };
    assert_eq!(result.unwrap(), r#"{"w": 1e3}"#);
    assert_eq!(
        (submit[0].task_type.as_str(), &submit[0].payload[..], submit[0].local),
        ("mail", &b"[1]"[..], true)
    );
    assert_eq!((&submit[1].payload[..], submit[1].local), (&b"null"[..], false));
    let empty = Reply::Done { id: ID.parse().unwrap(), result: None, submit: vec![] };
    assert_eq!(decoded(r#"{"op":"done","id":"ID"}"#), empty);
    assert_eq!(decoded(r#"{"op":"done","id":"ID","result":null,"submit":null}"#), empty);
}

#[test]
fn fail() {
    let retries = [
        ("true", Retry::Policy),
        ("null", Retry::Policy),
        ("false", Retry::Never),
        ("\"30s\"", Retry::After(Duration::from_secs(30))),
        ("1.5", Retry::After(Duration::from_millis(1500))),
    ];
    for (json, retry) in retries {
        let line = r#"{"op":"fail","id":"ID","error":"e","kind":"ValueError","trace":"t","retry":"#;
        let Reply::Fail(fail) = decoded(&format!("{line}{json}}}")) else { panic!("no failure") };
        assert_eq!(fail.retry, retry);
        assert_eq!(
            (&*fail.error, fail.kind.as_deref(), fail.trace.as_deref()),
            ("e", Some("ValueError"), Some("t"))
        );
    }
    let Reply::Fail(fail) = decoded(r#"{"op":"fail","id":"ID","error":"a\ud800b\u0000"}"#) else { panic!() };
    assert_eq!((&*fail.error, fail.retry), ("a\u{fffd}b\0", Retry::Policy));
}

#[test]
fn snooze() {
    let (id, wait) = (ID.parse().unwrap(), Duration::from_secs(300));
    assert_eq!(decoded(r#"{"op":"snooze","id":"ID","for":"5m"}"#), Reply::Snooze { id, wait });
    assert_eq!(decoded(r#"{"op":"snooze","id":"ID","for":300}"#), Reply::Snooze { id, wait });
}

#[test]
fn signs_of_life() {
    let note = |line| match decoded(line) {
        Reply::Alive { note, .. } => note.map(|note| (note.level, note.text)),
        other => panic!("{other:?}"),
    };
    assert_eq!(note(r#"{"op":"beat","id":"ID"}"#), None);
    let progress = r#"{"op":"progress","id":"ID","n":3,"of":10,"note":"page 3"}"#;
    assert_eq!(note(progress), Some(("info".into(), "3 of 10 page 3".into())));
    let headway = |line| match decoded(line) {
        Reply::Alive { headway, .. } => headway,
        other => panic!("{other:?}"),
    };
    assert_eq!(headway(progress), Some(Headway::at(3, 10).note("page 3")));
    let data = Some(Bytes::from_static(b"{\"rows\": [1, 2]}"));
    let part = r#"{"op":"progress","id":"ID","n":"many","data":{"rows": [1, 2]}}"#;
    assert_eq!(headway(part), Some(Headway { data, ..Headway::default() }));
    assert_eq!(headway(r#"{"op":"progress","id":"ID","data":null}"#), Some(Headway::default()));
    assert_eq!(headway(r#"{"op":"log","id":"ID","msg":"x"}"#), None);
    let log = r#"{"op":"log","id":"ID","level":"warn","msg":"low","fields":{"disk":1}}"#;
    assert_eq!(note(log), Some(("warn".into(), "low {\"disk\":1}".into())));
}

#[test]
fn garbage_is_refused_and_names_the_task_only_where_it_ends_one() {
    for line in [
        "",
        "hello",
        "{}",
        "[]",
        r#"{"op":"obey","id":"ID"}"#,
        r#"{"op":"hello"}"#,
        r#"{"op":"beat"}"#,
        "\u{0}",
    ] {
        assert_eq!(Reply::decode(line.replace("ID", ID).as_bytes()).unwrap_err().ends, None, "{line}");
    }
    let lines = [
        r#"{"op":"done","id":"ID","submit":[{"task":"NOT A NAME"}]}"#,
        r#"{"op":"fail","id":"ID","retry":"soon"}"#,
        r#"{"op":"snooze","id":"ID"}"#,
    ];
    for line in lines {
        let malformed = Reply::decode(line.replace("ID", ID).as_bytes()).unwrap_err();
        assert_eq!(malformed.ends, Some(ID.parse().unwrap()), "{malformed}");
    }
}
