//! What a claim costs while somebody's old snapshot keeps everything that has ended.

use std::{fs, time::Duration};

use skep_queue::Meter;
use sqlx::Row;

use super::rig::Rig;

const ROOM: usize = 1000;
/// Claims of which the median is taken.
const CLAIMS: usize = 15;
/// Claims after which a drain at full speed begins where its last claim ended.
const FULL: usize = 20;
/// Tasks that end under the snapshot.
const ENDED: usize = 100_000;

/// The processor time of the queue's own process, so far.
async fn used(rig: &Rig) -> Duration {
    let sql = "select pid from pg_stat_activity \
               where datname = current_database() and application_name = 'skep gate'";
    let pid: i32 = sqlx::query(sql).fetch_one(&mut rig.connection().await).await.unwrap().get(0);
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// The median of what a claim costs, in a drain at full speed.
async fn claims(rig: &Rig) -> Duration {
    rig.submit((FULL + CLAIMS + 1) * ROOM, true).await;
    for _ in 0..FULL {
        let claims = rig.pump(ROOM).await;
        rig.settle(&claims).await;
    }
    let mut times = Vec::new();
    let mut before = used(rig).await;
    for _ in 0..CLAIMS {
        let claims = rig.pump(ROOM).await;
        assert_eq!(claims.len(), ROOM);
        let after = used(rig).await;
        times.push(after - before);
        rig.settle(&claims).await;
        before = used(rig).await;
    }
    rig.drain(ROOM).await;
    times.sort();
    times[CLAIMS / 2]
}

#[tokio::test]
async fn an_old_snapshot_does_not_make_claims_dear() {
    let rig = Rig::new().await;
    let fresh = claims(&rig).await;
    let snapshot = rig.meter().snapshot().await.unwrap();
    rig.submit(ENDED, true).await;
    rig.drain(ROOM).await;
    let aged = claims(&rig).await;
    drop(snapshot);
    let ratio = aged.as_secs_f64() / fresh.as_secs_f64();
    eprintln!("a claim of {ROOM}: fresh {fresh:?}, under a snapshot {aged:?}, ratio {ratio:.2}");
    assert!(ratio <= 1.5, "fresh {fresh:?}, under a snapshot {aged:?}");
}
