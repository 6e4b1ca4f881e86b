//! What an ending gives birth to in SQL is what `skep_queue` says it is.

mod fixture;

use serde_json::Value;
use skep_queue::{BlockId, Payloads, admin::State, outcome};
use sqlx::{Connection, PgConnection, Row};

const POSTS: &str = "select skep.postbacks($1, bit '11', l.id, 'audit', 4::smallint, $2, $3)::text \
     from skep.lanes l";

#[tokio::test]
async fn postbacks_are_the_same_on_both_sides() {
    let url = fixture::database().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    fixture::run(&mut connection, "set search_path = skep, pg_catalog; select skep.lane_of('q', 'work')")
        .await;
    let (queue, from, to) = ("q".parse().unwrap(), "work".parse().unwrap(), "audit".parse().unwrap());
    let (error, results) = ("a \"b\"\n\u{1}ä/", Payloads::new(&["", r#"{"a":[1,"\u0000"]}"#]));
    for id in [0x0190_0000_0000_7000_8000_0000_0000_0000_u128, !0xffff] {
        let block = BlockId(uuid::Uuid::from_u128(id));
        let query = sqlx::query(POSTS).bind(block.0).bind(error).bind(&results.as_bytes()[..]);
        let json: String = query.fetch_one(&mut connection).await.unwrap().get(0);
        let posts: Vec<Value> = serde_json::from_str(&json).unwrap();
        assert_eq!(posts.len(), 2);
        for (ordinal, post) in posts.iter().enumerate() {
            let (task, result) = (block.task(ordinal as u8), results.get(ordinal as u8));
            let result = Some(&result[..]).filter(|result| !result.is_empty());
            let block = outcome::postback(task, (&queue, &from), &to, State::Discarded, result, Some(error));
            assert_eq!(post["id"], block.id.to_string());
            assert_eq!((&post["queue"], &post["task_type"]), (&"q".into(), &"audit".into()));
            let bytes = block.payloads.as_bytes().iter();
            let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(post["body"], hex, "{:?}", block.payloads.get(0));
        }
    }
}
