//! Rows of many blocks: each block goes its own way, also through the file.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use skep_queue::{
    Block, ClaimId, Claimed, Ending, Incarnation, Mask, Options, Outcome, Payloads, Settled, TaskType,
    Timestamp,
    block::MAX_BLOCK_BYTES,
    clock::{SystemClock, SystemRandom},
};
use tokio_util::sync::CancellationToken;

use super::{Config, Former, Local, Parcel, straw::sheaves};
use crate::{
    fatal::Fatal,
    policy::{Decision, Policy},
    spec::{Spec, Specs},
    worker::Task,
};

const LATER: Duration = Duration::from_secs(3600);

fn name() -> TaskType {
    "t".parse().unwrap()
}

/// Members of a new block, each with its ordinal as payload.
pub(super) fn claimed(live: Mask) -> Claimed {
    let block = Block::one(name(), "", &SystemClock, &SystemRandom);
    let payloads: Vec<String> =
        (0..128).map(|o: u8| if live.has(o) { o.to_string() } else { "".into() }).collect();
    let last = live.iter().last().map_or(0, usize::from);
    Claimed {
        claim: ClaimId::from_bytes(&[7; 16]).unwrap(),
        block: block.id,
        live,
        queue: block.queue,
        task_type: block.task_type,
        priority: block.priority,
        attempts: 0,
        losses: 0,
        interruptions: 0,
        fence: 1,
        suspect: 0,
        options: block.options,
        created_at: Timestamp::from_micros(5),
        payloads: Payloads::new(&payloads[..=last]),
    }
}

pub(crate) fn singles(n: usize) -> Vec<Claimed> {
    (0..n).map(|_| claimed(Mask::one(0))).collect()
}

pub(crate) async fn open(folder: &Path) -> (Local, Former) {
    let config = Config { path: folder.join("local.db"), ballast: 0, ..Config::default() };
    let spec = Spec { policy: Policy::default(), timeout: None, bound: 512, in_process: true };
    let specs = Arc::new(Specs(HashMap::from([(name(), spec)])));
    let world = (Arc::new(SystemClock) as _, Fatal::default());
    Local::open(config, specs, &["main".to_owned()], Incarnation::new(&SystemRandom), world).await.unwrap()
}

/// Writes what is only in memory, and opens the file anew, as after a kill.
async fn reopen(local: Local, folder: &Path) -> (Local, Former) {
    write(&local).await;
    local.close().await;
    open(folder).await
}

pub(crate) async fn write(local: &Local) {
    let stop = CancellationToken::new();
    stop.cancel();
    local.clone().run_writer(stop).await;
}

pub(crate) async fn take(local: &Local, hands: usize) -> Vec<Task> {
    local.take(&[name()], hands, true).await.into_iter().map(|(task, _)| task).collect()
}

pub(crate) fn done(local: &Local, task: &Task, result: Option<&str>) {
    let result = result.map(|text| Bytes::copy_from_slice(text.as_bytes()));
    local.finish(task, Decision::End(Outcome::Complete { result, submit: Vec::new() }));
}

/// Parcels, all of them accepted or none.
fn answer(local: &Local, parcels: Vec<Parcel>, accept: bool, later: Duration) {
    let answers = parcels.into_iter().map(|parcel| {
        let all = parcel.settlement.endings.iter().fold(Mask::EMPTY, |all, ending| all | ending.members);
        let settled = accept.then(|| Settled { accepted: all, ..Settled::default() });
        (parcel, settled)
    });
    local.settled(&answers.collect::<Vec<_>>(), later);
}

fn says(parcels: &[Parcel]) -> Vec<(skep_queue::BlockId, Vec<Mask>)> {
    let members = |endings: &[Ending]| endings.iter().map(|ending| ending.members).collect();
    parcels.iter().map(|p| (p.settlement.block, members(&p.settlement.endings))).collect()
}

#[test]
fn claims_share_rows_within_the_limits_of_a_block() {
    let sizes = |claims| sheaves(claims).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(singles(300)), [128, 128, 44]);
    assert_eq!(sizes((0..3).map(|_| claimed(Mask::first(60))).collect()), [2, 1]);
    let mut mixed = singles(6);
    mixed[1].suspect = 1;
    mixed[4].suspect = 1;
    (mixed[3].task_type, mixed[5].task_type) = ("u".parse().unwrap(), "u".parse().unwrap());
    assert_eq!(sizes(mixed), [2, 1, 2, 1], "a suspect runs alone, and types start apart");
    let mut large = singles(4);
    large[1].payloads = Payloads::new(&["x".repeat(MAX_BLOCK_BYTES * 2)]);
    large[2].payloads = Payloads::new(&["x".repeat(MAX_BLOCK_BYTES - 20)]);
    assert_eq!(sizes(large), [1, 1, 2]);
}

#[tokio::test]
async fn blocks_of_one_row_go_their_own_ways_through_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let (local, _) = open(folder.path()).await;
    let odd: Mask = [1, 3, 127].into_iter().collect();
    let (first, mut many, last) = (claimed(Mask::one(0)), claimed(odd), claimed(Mask::one(0)));
    (many.attempts, many.fence) = (2, 9);
    many.options = Arc::new(Options { max_attempts: Some(40), ..Options::default() });
    let [a, b, c] = [first.block, many.block, last.block];
    local.store(0, "main", vec![first, many, last]).await.unwrap();
    assert_eq!(local.state().held.len(), 1, "they share a row");

    let tasks = take(&local, 3).await;
    assert_eq!(tasks.iter().map(|task| task.id).collect::<Vec<_>>(), [a.task(0), b.task(1), b.task(3)]);
    assert_eq!((tasks[2].attempt, tasks[2].of, tasks[2].fence, &tasks[2].payload[..]), (3, 40, 9, &b"3"[..]));
    done(&local, &tasks[0], None);
    done(&local, &tasks[1], None);
    assert!(local.ripe(0, 512, LATER).is_empty(), "nothing is told before it is on file");
    write(&local).await;
    let parcels = local.ripe(0, 512, LATER);
    assert_eq!(says(&parcels), [(a, vec![Mask::one(0)])], "a block waits for its own members alone");
    answer(&local, parcels, true, LATER);
    let parcels = local.ripe(0, 512, Duration::ZERO);
    assert_eq!(says(&parcels), [(b, vec![Mask::one(1)])]);
    answer(&local, parcels, false, Duration::ZERO);

    let (local, former) = reopen(local, folder.path()).await;
    let running: Vec<_> = former.running.iter().map(|left| (left.task.id, left.task.attempt)).collect();
    assert_eq!(running, [(b.task(3), 3)]);
    assert_eq!(says(&local.ripe(0, 512, Duration::ZERO)), [(b, vec![Mask::one(1)])]);
    let rest = take(&local, 9).await;
    assert_eq!(rest.iter().map(|task| task.id).collect::<Vec<_>>(), [b.task(127), c.task(0)]);
    assert_eq!((&rest[0].payload[..], rest[0].attempt, rest[1].attempt), (&b"127"[..], 3, 1));
    rest.iter().chain([&former.running[0].task]).for_each(|task| done(&local, task, None));

    let (local, former) = reopen(local, folder.path()).await;
    assert!(former.running.is_empty() && take(&local, 9).await.is_empty());
    answer(&local, local.ripe(0, 512, LATER), true, LATER);
    let (local, _) = reopen(local, folder.path()).await;
    assert!(local.state().is_empty(), "what was reported is forgotten");
}

#[tokio::test]
async fn each_outcome_stays_with_its_task() {
    let folder = tempfile::tempdir().unwrap();
    let (local, _) = open(folder.path()).await;
    let claims = singles(130);
    let blocks: Vec<_> = claims.iter().map(|claimed| claimed.block).collect();
    local.store(0, "main", claims).await.unwrap();
    let result = |n: usize| format!("\"{n:0>2000}\"");
    for (n, task) in take(&local, 130).await.iter().enumerate() {
        done(&local, task, Some(&result(n)));
    }
    let (local, _) = reopen(local, folder.path()).await;
    let mut parcels = local.ripe(0, 512, LATER);
    let mut kept = local.state().held.values().map(|held| held.kept.len()).collect::<Vec<_>>();
    kept.sort_unstable();
    assert_eq!(kept, [1, 4], "a row of the outbox is bounded");
    for parcel in &parcels {
        let n = blocks.iter().position(|block| *block == parcel.settlement.block).unwrap();
        let outcome = Outcome::Complete { result: Some(result(n).into()), submit: Vec::new() };
        assert_eq!(parcel.settlement.endings, [Ending { members: Mask::one(0), outcome }]);
    }
    assert_eq!(parcels.len(), 130);
    let rest = parcels.split_off(70);
    let told: Vec<_> = parcels.iter().map(|parcel| parcel.settlement.block).collect();
    answer(&local, parcels, true, LATER);
    answer(&local, rest, false, Duration::ZERO);
    let (local, _) = reopen(local, folder.path()).await;
    let left = local.ripe(0, 512, LATER);
    assert_eq!(left.len(), 60);
    assert!(left.iter().all(|parcel| !told.contains(&parcel.settlement.block)));
}

#[tokio::test]
async fn what_is_refused_holds_up_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (local, _) = open(folder.path()).await;
    let claims = singles(3);
    let blocks: Vec<_> = claims.iter().map(|claimed| claimed.block).collect();
    local.store(0, "main", claims).await.unwrap();
    let tasks = take(&local, 3).await;
    done(&local, &tasks[0], None);
    write(&local).await;
    answer(&local, local.ripe(0, 512, LATER), false, LATER);
    done(&local, &tasks[2], None);
    write(&local).await;
    let parcels = local.ripe(0, 512, LATER);
    assert_eq!(says(&parcels), [(blocks[2], vec![Mask::one(0)])]);
    answer(&local, parcels, true, LATER);
    assert_eq!(local.state().counts().outbox, 1, "the refused one is kept");
}

#[tokio::test]
async fn what_is_on_its_way_is_not_told_again_before_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (local, _) = open(folder.path()).await;
    let (single, several) = (claimed(Mask::one(0)), claimed(Mask::first(2)));
    let [a, b] = [single.block, several.block];
    local.store(0, "main", vec![single, several]).await.unwrap();
    assert_eq!(local.state().held.len(), 1, "they share a row");
    let tasks = take(&local, 3).await;
    done(&local, &tasks[0], None);
    done(&local, &tasks[1], None);
    write(&local).await;
    let first = local.ripe(0, 512, Duration::ZERO);
    assert_eq!(says(&first), [(a, vec![Mask::one(0)]), (b, vec![Mask::one(0)])]);
    done(&local, &tasks[2], None);
    write(&local).await;
    let second = local.ripe(0, 512, Duration::ZERO);
    assert_eq!(says(&second), [(b, vec![Mask::one(1)])]);
    answer(&local, second, true, LATER);
    assert!(local.ripe(0, 512, Duration::ZERO).is_empty());
    answer(&local, first, false, Duration::ZERO);
    let again = local.ripe(0, 512, Duration::ZERO);
    assert_eq!(says(&again), [(a, vec![Mask::one(0)]), (b, vec![Mask::one(0)])]);
    answer(&local, again, true, LATER);
    write(&local).await;
    assert!(local.state().is_empty());
}
