//! An operator who acts on thousands of tasks in one call, or looks at them.

mod fixture;

use std::{collections::HashSet, time::Duration};

use fixture::{bare, connection_to, queue, run};
use skep_postgres::{PgQueue, schema};
use skep_queue::{
    Admin, Block, BlockId, Cause, Clock, Queue, QueueName, Submission, TaskId,
    admin::{Act, Acted, Filter, Setting, State},
    block,
    clock::{SystemClock, SystemRandom},
    testing::TestClock,
};
use sqlx::PgConnection;

/// Each kind: members of blocks, and blocks of one.
const TASKS: usize = 10_000;

async fn submit(queue: &PgQueue, tasks: usize, single: bool) -> Vec<TaskId> {
    let like = Block::one("mail".parse().expect("a type"), "1", &SystemClock, &SystemRandom);
    let id = || BlockId::new(&SystemClock, &SystemRandom);
    let payloads = vec!["1"; tasks];
    let blocks = match single {
        true => payloads.chunks(1).flat_map(|one| block::pack(&like, one, id)).collect(),
        false => block::pack(&like, &payloads, id),
    };
    let ids =
        blocks.iter().flat_map(|block| block.mask().iter().map(|at| block.id.task(at)).collect::<Vec<_>>());
    let ids = ids.collect();
    queue.submit(Submission::whole(blocks)).await.expect("they are taken");
    ids
}

/// An empty queue, its superuser, and an operator whose statements may not take longer.
async fn desk(operator: &str, longest: &str) -> (PgQueue, PgConnection, PgQueue) {
    let url = bare().await;
    let mut admin = connection_to(&url).await;
    schema::up(&mut admin, "skep").await.expect("up");
    run(&mut admin, format!("create role {operator} login in role skep_admin")).await;
    run(&mut admin, format!("alter role {operator} set statement_timeout = '{longest}'")).await;
    let theirs = url.replace("user=postgres", &format!("user={operator}"));
    (queue(&url, &TestClock::new()), admin, queue(&theirs, &TestClock::new()))
}

#[tokio::test]
async fn thousands_of_tasks_are_cancelled_in_one_call() {
    // What all of them take together is more than a statement may: seconds, on any machine.
    let (own, _, queue) = desk("canceller", "2s").await;
    own.set(QueueName::default(), None, Setting::Capacity(Some(50_000))).await.expect("a capacity");
    let mut ids = submit(&own, TASKS, true).await;
    ids.extend(submit(&own, TASKS, false).await);
    let begun = SystemClock.elapsed();
    let acted = queue.act(Act::Cancel, ids.clone()).await.expect("all of them");
    let took = SystemClock.elapsed().saturating_sub(begun);
    eprintln!("{} cancels in {took:?}", ids.len());
    assert_eq!(acted, vec![Acted::Done; ids.len()]);
    assert_eq!(queue.queues().await.expect("it answers")[0].depth, 0);
    // In the order in which they were asked, those that are no tasks among them.
    let strange = BlockId::new(&SystemClock, &SystemRandom).task(0);
    let mixed: Vec<TaskId> = ids.chunks(700).flat_map(|ids| [ids[0], strange]).collect();
    let unchanged = [Acted::Unchanged(State::Cancelled), Acted::NotFound];
    let expected: Vec<Acted> = mixed.chunks(2).flat_map(|_| unchanged.clone()).collect();
    assert_eq!(
        queue.act(Act::Cancel, [mixed.clone(), mixed].concat()).await.expect("all"),
        [expected.clone(), expected].concat()
    );
    assert_eq!(queue.act(Act::Cancel, Vec::new()).await.expect("nothing"), []);
    assert!(took < Duration::from_secs(120), "{took:?}");
}

/// What is found, in the order in which it came.
async fn found(queue: &PgQueue, filter: Filter) -> Vec<TaskId> {
    queue.find(filter).await.expect("they are found").into_iter().map(|view| view.id).collect()
}

#[tokio::test]
async fn hundreds_of_thousands_of_tasks_are_found_in_one_call() {
    // A statement that shows all of them takes several times as long as one may.
    let (own, mut admin, queue) = desk("finder", "1s").await;
    let mut newest = Vec::new();
    for part in 0..30 {
        newest.extend(submit(&own, TASKS, part == 20).await);
        if part == 20 {
            newest.extend(submit(&own, 100, false).await);
        }
    }
    newest.extend(submit(&own, 4950, false).await);
    newest.reverse();
    // A portion of five thousand ends within a block that lies in many rows, and goes on with blocks of one.
    let (block, singles) = (9 * TASKS + 4950, 9 * TASKS + 5050);
    let gone: Vec<TaskId> = newest[block..singles].iter().copied().step_by(2).collect();
    assert_eq!(queue.act(Act::Cancel, gone.clone()).await.expect("all"), vec![Acted::Done; gone.len()]);
    let all = Filter { limit: usize::MAX, ..Filter::default() };
    assert!(found(&queue, all.clone()).await == newest, "each once, and in their order");
    assert!(found(&queue, Filter { states: vec![State::Cancelled], ..all.clone() }).await == gone);
    let limit = singles + 6789;
    let available = Filter { states: vec![State::Available], limit, ..Filter::default() };
    let gone: HashSet<TaskId> = gone.into_iter().collect();
    let waiting: Vec<TaskId> = newest.iter().filter(|id| !gone.contains(id)).take(limit).copied().collect();
    assert!(found(&queue, available).await == waiting);
    run(
        &mut admin,
        "insert into skep.history (block, members, at, cause, attempts, error) \
         select block, live, now(), 'failed', 1, 'as said' from skep.tasks where n = 1",
    )
    .await;
    let failed = found(&queue, Filter { cause: Some(Cause::Failed), ..all }).await;
    assert!(failed == newest[singles..singles + TASKS]);
}
