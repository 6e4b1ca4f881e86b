//! An operator who acts on thousands of tasks in one call.

mod fixture;

use std::time::Duration;

use fixture::{bare, connection_to, queue, run};
use skep_postgres::{PgQueue, schema};
use skep_queue::{
    Admin, Block, BlockId, Clock, Queue, QueueName, Submission, TaskId,
    admin::{Act, Acted, Setting, State},
    block,
    clock::{SystemClock, SystemRandom},
    testing::TestClock,
};

/// Each kind: members of blocks, and blocks of one.
const TASKS: usize = 10_000;

async fn submit(queue: &PgQueue, single: bool) -> Vec<TaskId> {
    let like = Block::one("mail".parse().expect("a type"), "1", &SystemClock, &SystemRandom);
    let id = || BlockId::new(&SystemClock, &SystemRandom);
    let payloads = vec!["1"; TASKS];
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

#[tokio::test]
async fn thousands_of_tasks_are_cancelled_in_one_call() {
    let url = bare().await;
    let mut admin = connection_to(&url).await;
    schema::up(&mut admin, "skep").await.expect("up");
    let own = queue(&url, &TestClock::new());
    own.set(QueueName::default(), None, Setting::Capacity(Some(50_000))).await.expect("a capacity");
    let mut ids = submit(&own, true).await;
    ids.extend(submit(&own, false).await);
    // What all of them take together is more than a statement may: seconds, on any machine.
    run(&mut admin, "create role operator login in role skep_admin").await;
    run(&mut admin, "alter role operator set statement_timeout = '2s'").await;
    let queue = queue(&url.replace("user=postgres", "user=operator"), &TestClock::new());
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
