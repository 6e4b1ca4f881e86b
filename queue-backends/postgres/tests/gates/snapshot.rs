//! What a claim costs while somebody's old snapshot keeps everything that has ended.

use std::{fs, time::Duration};

use skep_queue::Meter;
use sqlx::{PgConnection, Row};

use super::rig::{Rig, run};

const ROOM: usize = 1000;
/// Claims of which the cheapest is taken: whoever shares the machine only makes them dearer.
const CLAIMS: usize = 8;
/// Claims after which a drain at full speed begins where its last claim ended.
const FULL: usize = 20;
/// Tasks that end under the snapshot.
const ENDED: usize = 100_000;
/// A claim that begins at the first task.
const FROM_THE_FIRST: &str = "\
    select skep.adopt('00000001-0000-7000-8000-000000000000', null, '{}', '{}', '{}', '{}', true); \
    select count(*) from skep.pump('00000001-0000-7000-8000-000000000000', gen_random_uuid(), 'default', array['work'], array[1000], \
      array[null]::smallint[], array[null]::timestamptz[], array[null]::bigint[], false)";

/// The processor time of a server's process, so far.
async fn used(connection: &mut PgConnection, application: &str) -> Duration {
    let sql = "select pid from pg_stat_activity where datname = current_database() and application_name = $1";
    let row = sqlx::query(sql).bind(application).fetch_one(connection).await.unwrap();
    let text = fs::read_to_string(format!("/proc/{}/schedstat", row.get::<i32, _>(0))).unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// What the cheapest claim costs in a drain at full speed. Leaves some claims' worth of tasks.
async fn claims(rig: &Rig) -> Duration {
    rig.submit((FULL + CLAIMS + 4) * ROOM, true).await;
    for _ in 0..FULL {
        let claims = rig.pump(ROOM).await;
        rig.settle(&claims).await;
    }
    let (mut connection, mut least) = (rig.connection().await, Duration::MAX);
    for _ in 0..CLAIMS {
        let before = used(&mut connection, "skep gate").await;
        let claims = rig.pump(ROOM).await;
        least = least.min(used(&mut connection, "skep gate").await - before);
        assert_eq!(claims.len(), ROOM);
        rig.settle(&claims).await;
    }
    least
}

/// The same for claims that all begin at the first task.
async fn claims_from_the_first(rig: &Rig) -> Duration {
    let (mut connection, mut other) = (rig.connection().await, rig.connection().await);
    run(&mut other, "set application_name = 'from the first'").await;
    let mut least = Duration::MAX;
    for _ in 0..4 {
        let before = used(&mut connection, "from the first").await;
        run(&mut other, FROM_THE_FIRST).await;
        least = least.min(used(&mut connection, "from the first").await - before);
    }
    least
}

#[tokio::test]
async fn an_old_snapshot_does_not_make_claims_dear() {
    let rig = Rig::new().await;
    let fresh = claims(&rig).await;
    rig.drain(ROOM).await;
    let snapshot = rig.meter().snapshot().await.unwrap();
    rig.submit(ENDED, true).await;
    rig.drain(ROOM).await;
    let aged = claims(&rig).await;
    let worse = claims_from_the_first(&rig).await;
    drop(snapshot);
    let ratio = |time: Duration| time.as_secs_f64() / fresh.as_secs_f64();
    eprintln!(
        "a claim of {ROOM}: fresh {fresh:?}, under a snapshot {aged:?} ({:.2}), from the first {worse:?} ({:.2})",
        ratio(aged),
        ratio(worse)
    );
    assert!(ratio(aged) <= 1.5, "fresh {fresh:?}, under a snapshot {aged:?}");
    assert!(ratio(worse) > 1.5, "a claim that walks over all that has ended is seen");
}
