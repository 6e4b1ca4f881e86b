mod fixture;
use fixture::*;
use sqlx::{AssertSqlSafe, Row};
async fn time(own: &mut sqlx::PgConnection, sql: &str) {
    for _ in 0..7 {
        let rows = sqlx::raw_sql(AssertSqlSafe(format!("explain (analyze, timing off, costs off) {sql}"))).fetch_all(&mut *own).await.unwrap();
        let last: String = rows.last().unwrap().get(0);
        println!("{last}   {sql}");
    }
}
#[tokio::test]
async fn scratch() {
    let url = database().await;
    let mut own = connection_to(&url).await;
    run(&mut own, "update skep.clock set at = extract(epoch from clock_timestamp())::bigint * 1000000; select skep.submit('a'); select skep.maintain()").await;
    run(&mut own, "insert into skep.finished (block, lane, members, state, priority, seq, run_at, created_at, finished_at, expires_at, attempts, losses, interruptions, fence) \
      select gen_random_uuid(), 1, B'1', case when i in (7, 5000, 100000) then 4 when i in (9, 700) then 5 else 3 end, 3, nextval('skep.order_of_submission'), skep.now(), skep.now(), skep.now(), skep.now() + interval '1 day', 1,0,0,1 from generate_series(1, 1000000) i").await;
    run(&mut own, "analyze").await;
    for states in ["{4}", "{5}", "{4,5}", "{0}", "{3}"] {
        time(&mut own, &format!("select count(*) from skep.see_tasks('{states}', null, null, null, 100)")).await;
    }
}
