//! What goes in comes out.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Block, Content, Outcome, Payloads, Priority, QueueName, Reason, TaskType,
    admin::Setting,
    block::{DEFAULT_MAX_PAYLOAD, OnLost},
    testing::{Bench, bench::kind},
};

async fn comes_back(bench: &Bench, block: Block) {
    let drone = bench.drone("d").await;
    bench.accept(&block).await;
    let tasks = drone.pump(block.task_type.as_str(), 128).await;
    assert_eq!(tasks.len(), block.payloads.len());
    for task in &tasks {
        let sent = block.payloads.get(task.ordinal);
        assert_eq!(task.payload, sent, "member {}", task.ordinal);
        let detail = bench.detail(task.id).await.expect("kept");
        assert_eq!((detail.payload, detail.content), (sent, block.options.content));
    }
}

/// A payload of any bytes up to the limit comes out as it went in.
pub async fn any_bytes_come_out_as_they_went_in(bench: Bench) {
    let all: Vec<u8> = (0..=255).collect();
    let payloads: [&[u8]; 6] =
        [b"", b"\0", b"a\0b\x1b[31m\r\n", &[0xff, 0xfe, 0xc0, 0x80], &all, b"{not json"];
    let bytes = bench.with("a", |o| o.content = Content::Bytes);
    comes_back(&bench, Block { payloads: Payloads::new(&payloads), ..bytes }).await;
}

/// JSON keeps its bytes, spaces and order of keys too.
pub async fn json_comes_out_as_it_went_in(bench: Bench) {
    let texts = [
        "{\"b\": 1,  \"a\":[ 1.0,1e400, 12345678901234567890 ]}",
        "\"a\\u0000b\\ud800\u{1f41d}\"",
        " null ",
        "[]",
        "{\"k\":1,\"k\":2}",
    ];
    comes_back(&bench, bench.block("a", &texts)).await;
}

/// A payload that is not JSON is invalid, unless it is said to be bytes.
pub async fn what_is_no_json_is_invalid(bench: Bench) {
    for text in ["", "{", "nope", "1 2", "\"a\0b\"", "{'a':1}"] {
        let rejection = bench.reject(&bench.block("a", &[text])).await;
        assert_eq!(rejection.reason, Reason::Invalid, "{text:?}");
    }
    let latin = bench.block("a", &[b"\"\xff\""]);
    assert_eq!(bench.reject(&latin).await.reason, Reason::Invalid);
    assert!(bench.all().await.is_empty());
}

/// 256 KiB fit, by default, and not a byte more.
pub async fn the_limit_fits_and_one_more_does_not(bench: Bench) {
    let bytes = |n: usize| {
        let payloads = Payloads::new(&[vec![7u8; n]]);
        Block { payloads, ..bench.with("a", |o| o.content = Content::Bytes) }
    };
    let rejection = bench.reject(&bytes(DEFAULT_MAX_PAYLOAD + 1)).await;
    assert_eq!(rejection.reason, Reason::PayloadTooLarge);
    assert_eq!(rejection.limit, DEFAULT_MAX_PAYLOAD as u64);
    assert!(bench.all().await.is_empty());
    comes_back(&bench, bytes(DEFAULT_MAX_PAYLOAD)).await;
}

/// A queue may have a limit of its own, and it holds for each member.
pub async fn a_queue_has_its_own_limit(bench: Bench) {
    bench.set(Setting::MaxPayload(10)).await;
    bench.accept(&bench.block("a", &["12345678", "1234567890"])).await;
    let rejection = bench.reject(&bench.block("a", &["1", "12345678901"])).await;
    assert_eq!((rejection.reason, rejection.limit), (Reason::PayloadTooLarge, 10));
    let other = Block { queue: "other".parse().expect("a name"), ..bench.block("a", &["12345678901"]) };
    bench.accept(&other).await;
}

/// Options, priority and time of acceptance travel with the task.
pub async fn options_travel_with_the_task(bench: Bench) {
    let drone = bench.drone("d").await;
    let with = bench.with("a", |o| {
        o.max_attempts = Some(3);
        o.unique_key = Some("k\0\u{e4}".into());
        o.postback = Some(kind("b"));
        o.on_lost = OnLost::Fail;
        o.meta.insert("traceparent".into(), "00-\u{0}".into());
    });
    let block = Block { priority: Priority::try_from(2).expect("a priority"), ..with };
    bench.accept(&block).await;
    let accepted_at = crate::Clock::now(&*bench.clock);
    bench.pass(3);
    let task = drone.take("a").await;
    assert_eq!(task.options, block.options);
    assert_eq!((task.priority.number(), task.created_at), (2, accepted_at));
    assert_eq!((task.counters, task.suspect), ((0, 0, 0), 0));
    let plain = bench.one("a").await;
    let task = drone.take("a").await;
    assert_eq!((task.id, task.options), (plain, Arc::default()));
}

/// A result comes back byte for byte.
pub async fn a_result_comes_back_byte_for_byte(bench: Bench) {
    let drone = bench.drone("d").await;
    for json in ["{\"b\": 1, \"a\":\"\\u0000\"}", "null", "[1.0,1e400]"] {
        let id = bench.one("a").await;
        let task = drone.take("a").await;
        let result = Some(Bytes::from_static(json.as_bytes()));
        drone.end(&task, Outcome::Complete { result, submit: Vec::new() }).await;
        let view = bench.view(id).await;
        assert_eq!(view.result.map(|r| r.get().to_owned()).as_deref(), Some(json));
    }
    let id = bench.one("a").await;
    drone.complete(&drone.take("a").await).await;
    assert!(bench.view(id).await.result.is_none(), "no result is none, not null");
}

/// Names are checked before they reach a queue; texts with quotes in them are only texts.
pub async fn hostile_text_is_only_text(bench: Bench) {
    let drone = bench.drone("'; drop table tasks; --").await;
    assert!("x'; drop table tasks".parse::<TaskType>().is_err());
    assert!("../etc".parse::<QueueName>().is_err());
    let block = bench.keyed("a", "'; delete from tasks; --\0");
    bench.accept(&block).await;
    let task = drone.take("a").await;
    let failure = crate::Failure::new(crate::Cause::Failed, "'); drop table tasks; --\0 %s \u{202e}");
    drone.end(&task, Outcome::Discard { failure: failure.clone() }).await;
    let view = bench.view(task.id).await;
    assert_eq!(view.error, Some(failure.error));
    assert_eq!(view.worker.as_deref(), Some("'; drop table tasks; --"));
}
