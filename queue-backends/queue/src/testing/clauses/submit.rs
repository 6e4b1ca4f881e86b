//! What a submit promises.

use std::sync::Arc;

use crate::{
    Block, BlockId, Cause, Failure, Outcome, Payloads, QueueName, Reason, Rejection, Submission, Submitted,
    admin::{Filter, Intake, Setting, State},
    block::MAX_BLOCK_BYTES,
    testing::{Bench, bench::kind},
};

/// When it answers `Accepted`, every member is durable, once.
pub async fn accepted_is_durable_in_every_member(bench: Bench) {
    let block = bench.accept(&bench.many("a", 128)).await;
    assert_eq!(bench.all().await.len(), 128);
    for ordinal in [0, 1, 64, 127] {
        let detail = bench.detail(block.task(ordinal)).await.expect("it was accepted");
        assert_eq!(detail.payload, ordinal.to_string());
        assert_eq!((detail.view.state, detail.view.attempts), (State::Available, 0));
        assert_eq!(detail.view.created_at, crate::Clock::now(&*bench.clock));
    }
}

/// In all else `submit_lazily` is as `submit`.
pub async fn a_lazy_one_is_as_another_but_for_the_disk(bench: Bench) {
    let (block, other) = (bench.many("a", 2), bench.many("a", 1));
    let lazily = async |block: &Block| {
        let answers = bench.backend.submit_lazily(Submission::whole(vec![block.clone()])).await;
        answers.expect("a submit is answered").into_iter().next().expect("one answer a block")
    };
    bench.set(Setting::Capacity(Some(2))).await;
    assert_eq!(lazily(&block).await, Submitted::Accepted);
    assert_eq!(lazily(&block).await, Submitted::Existing);
    assert_eq!(bench.submit(&block).await, Submitted::Existing);
    assert_eq!(lazily(&other).await, Submitted::Rejected(Rejection::full(Reason::QueueFull, 2, 2)));
    let drone = bench.drone("d").await;
    let tasks = drone.pump("a", 2).await;
    assert_eq!(tasks.len(), 2);
    drone.complete(&tasks[0]).await;
    assert_eq!(lazily(&other).await, Submitted::Accepted);
}

/// Repeated with the same ids and payloads it answers `Existing` and stores nothing.
pub async fn repeated_it_stores_nothing(bench: Bench) {
    let blocks = [bench.many("a", 3), bench.many("b", 1)];
    assert_eq!(bench.submit_all(&blocks, false).await, [Submitted::Accepted, Submitted::Accepted]);
    bench.pass(5);
    assert_eq!(bench.submit_all(&blocks, false).await, [Submitted::Existing, Submitted::Existing]);
    assert_eq!(bench.submit_all(&blocks, true).await, [Submitted::Existing, Submitted::Existing]);
    assert_eq!(bench.all().await.len(), 4);
    let twice = bench.many("c", 2);
    let answers = bench.submit_all(&[twice.clone(), twice], false).await;
    assert_eq!(answers, [Submitted::Accepted, Submitted::Existing]);
    assert_eq!(bench.depth().await, 6);
}

/// .. for as long as the tasks are kept, terminal or not.
pub async fn repeated_after_the_end_it_still_exists(bench: Bench) {
    let (block, drone) = (bench.many("a", 2), bench.drone("d").await);
    bench.accept(&block).await;
    let tasks = drone.pump("a", 2).await;
    assert_eq!(bench.submit(&block).await, Submitted::Existing, "while claimed");
    drone.complete(&tasks[0]).await;
    assert_eq!(bench.submit(&block).await, Submitted::Existing, "half done");
    drone.complete(&tasks[1]).await;
    assert_eq!(bench.submit(&block).await, Submitted::Existing, "done");
    assert_eq!(bench.depth().await, 0);
    assert!(drone.pump("a", 2).await.is_empty());
}

/// What was accepted is answered as `Existing` whatever the queue takes now.
pub async fn what_was_accepted_exists_whatever_is_taken_now(bench: Bench) {
    let block = bench.many("a", 2);
    bench.accept(&block).await;
    bench.set(Setting::Intake(Intake::Draining)).await;
    assert_eq!(bench.submit(&block).await, Submitted::Existing, "while draining");
    bench.set(Setting::Intake(Intake::Open)).await;
    bench.set(Setting::MaxPayload(0)).await;
    assert_eq!(bench.submit(&block).await, Submitted::Existing, "above the limit of today");
    bench.set(Setting::Capacity(Some(0))).await;
    assert_eq!(bench.submit(&block).await, Submitted::Existing, "in a queue that is over its capacity");
}

/// .. with another payload it answers `Conflict`, for as long as the tasks are kept: so are their payloads.
pub async fn another_payload_under_an_id_conflicts(bench: Bench) {
    let block = bench.block("a", &["1", "2"]);
    bench.accept(&block).await;
    let other = crate::Block { payloads: Payloads::new(&["1", "3"]), ..block.clone() };
    assert!(matches!(bench.submit(&other).await, Submitted::Conflict { .. }));
    let longer = crate::Block { payloads: Payloads::new(&["1", "2", "3"]), ..block.clone() };
    assert!(matches!(bench.submit(&longer).await, Submitted::Conflict { .. }), "more than was accepted");
    assert_eq!(bench.depth().await, 2);
    let drone = bench.drone("d").await;
    for task in drone.pump("a", 2).await {
        drone.complete(&task).await;
    }
    assert!(matches!(bench.submit(&other).await, Submitted::Conflict { .. }), "after the end");
    let detail = bench.detail(block.id.task(1)).await.expect("kept");
    assert_eq!(detail.payload, "2");
}

/// An id stands for its type and queue too.
pub async fn another_type_or_queue_under_an_id_conflicts(bench: Bench) {
    let block = bench.many("a", 1);
    bench.accept(&block).await;
    let holder = block.id.task(0);
    let other = crate::Block { task_type: kind("b"), ..block.clone() };
    assert_eq!(bench.submit(&other).await, Submitted::Conflict { holder });
    let queue: QueueName = "other".parse().expect("a name");
    assert_eq!(bench.submit(&crate::Block { queue, ..block }).await, Submitted::Conflict { holder });
    assert_eq!(bench.all().await.len(), 1);
}

/// A call without blocks does nothing.
pub async fn an_empty_call_is_no_error(bench: Bench) {
    assert!(bench.submit_all(&[], false).await.is_empty());
    assert!(bench.submit_all(&[], true).await.is_empty());
    assert!(bench.all().await.is_empty());
}

/// A block of one may have any UUID.
pub async fn a_user_brings_any_id_for_one_task(bench: Bench) {
    let drone = bench.drone("d").await;
    for id in [
        "00000000-0000-4000-8000-00000000ffff",
        "018f0000-0000-7000-8000-000000000005",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ] {
        let id: BlockId = id.parse().expect("a UUID");
        let block = crate::Block { id, ..bench.many("a", 1) };
        bench.accept(&block).await;
        assert_eq!(bench.submit(&block).await, Submitted::Existing);
        assert_eq!(bench.state(id.task(0)).await, State::Available);
        let task = drone.take("a").await;
        assert_eq!((task.id, task.ordinal), (id.task(0), 0));
        drone.complete(&task).await;
        assert_eq!(bench.state(id.task(0)).await, State::Completed);
    }
}

/// An id of one's own may be that of another block's member: it is no accident, and it goes first.
pub async fn an_id_of_ones_own_goes_before_a_members(bench: Bench) {
    let drone = bench.drone("d").await;
    let block = bench.accept(&bench.many("a", 6)).await;
    let id = block.task(5);
    let own = crate::Block { id: BlockId(id.0), ..bench.block("b", &["\"own\""]) };
    match bench.submit(&own).await {
        Submitted::Accepted => {
            assert_eq!(bench.detail(id).await.expect("kept").payload, "\"own\"");
            drone.complete(&drone.take("b").await).await;
        }
        Submitted::Conflict { holder } => assert_eq!(holder, id),
        other => panic!("{other:?}"),
    }
    let tasks = drone.pump("a", 9).await;
    assert_eq!((tasks.len(), &*tasks[5].payload), (6, &b"5"[..]), "the block is as it was");
    drone.complete(&tasks[5]).await;
}

/// A block of several members has an id that ends in 16 zero bits: its members' ids follow from it.
pub async fn a_block_of_several_needs_an_id_with_room_for_ordinals(bench: Bench) {
    let id: BlockId = "018f0000-0000-7000-8000-000000000005".parse().expect("a UUID");
    let rejection = bench.reject(&crate::Block { id, ..bench.many("a", 2) }).await;
    assert_eq!(rejection.reason, Reason::Invalid);
    assert!(bench.all().await.is_empty());
}

/// A block has 1 to 128 members.
pub async fn an_empty_block_is_invalid(bench: Bench) {
    assert_eq!(bench.reject(&bench.many("a", 0)).await.reason, Reason::Invalid);
    assert_eq!(bench.reject(&bench.many("a", 129)).await.reason, Reason::Invalid);
    assert!(bench.all().await.is_empty());
}

/// A block holds at most 64 KiB of payload, unless it is of one task.
pub async fn a_block_has_at_most_64_kib_unless_of_one(bench: Bench) {
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let half = MAX_BLOCK_BYTES / 2;
    bench.accept(&bench.block("a", &[text(half), text(half)])).await;
    let over = bench.block("a", &[text(half), text(half + 1)]);
    assert_eq!(bench.reject(&over).await.reason, Reason::Invalid);
    bench.accept(&bench.block("a", &[text(MAX_BLOCK_BYTES + 1)])).await;
    assert_eq!(bench.depth().await, 3);
}

/// A queue that takes nothing new says which way.
pub async fn intake_paused_or_draining_refuses(bench: Bench) {
    let drone = bench.drone("d").await;
    let known = bench.many("a", 1);
    bench.accept(&known).await;
    for (intake, reason) in [(Intake::Paused, Reason::IntakePaused), (Intake::Draining, Reason::Draining)] {
        bench.set(Setting::Intake(intake)).await;
        assert_eq!(bench.reject(&bench.many("a", 1)).await.reason, reason);
        assert_eq!(bench.depth().await, 1);
    }
    assert_eq!(drone.pump("a", 1).await.len(), 1, "it still hands out");
    bench.set(Setting::Intake(Intake::Open)).await;
    bench.one("a").await;
}

/// A call is all or nothing: the other blocks answer the same rejection.
pub async fn a_call_that_fails_leaves_nothing(bench: Bench) {
    let blocks = [bench.many("a", 3), bench.block("a", &["no json"]), bench.many("b", 2)];
    let answers = bench.submit_all(&blocks, false).await;
    for answer in &answers {
        assert!(matches!(answer, Submitted::Rejected(r) if r.reason == Reason::Invalid), "{answer:?}");
    }
    assert!(bench.all().await.is_empty());
    let answers = bench.submit_all(&blocks, true).await;
    assert_eq!([&answers[0], &answers[2]], [&Submitted::Accepted, &Submitted::Accepted], "a partial one");
    assert!(matches!(&answers[1], Submitted::Rejected(_)));
    assert_eq!(bench.depth().await, 5);
}

/// .. also when a block conflicts, which the others' rejection names.
pub async fn a_call_that_conflicts_leaves_nothing(bench: Bench) {
    let known = bench.many("a", 1);
    bench.accept(&known).await;
    let other = crate::Block { payloads: Payloads::new(&["\"other\""]), ..known.clone() };
    let answers = bench.submit_all(&[bench.many("a", 2), other], false).await;
    let holder = known.id.task(0);
    assert_eq!(answers[1], Submitted::Conflict { holder });
    let Submitted::Rejected(rejection) = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(rejection.reason, Reason::Invalid);
    assert!(rejection.detail.contains(&holder.to_string()), "{rejection}");
    assert_eq!(bench.all().await.len(), 1);
}

/// What exists already, or is skipped, fails no call.
pub async fn existing_blocks_fail_no_call(bench: Bench) {
    let (known, keyed) = (bench.many("a", 1), bench.keyed("a", "k"));
    bench.accept(&known).await;
    bench.accept(&keyed).await;
    let skip = bench.with("a", |o| {
        o.unique_key = Some("k".into());
        o.on_conflict = crate::block::OnConflict::Skip;
    });
    let answers = bench.submit_all(&[known, skip, bench.many("a", 2)], false).await;
    let skipped = Submitted::Skipped { holder: keyed.id.task(0) };
    assert_eq!(answers, [Submitted::Existing, skipped, Submitted::Accepted]);
    assert_eq!(bench.depth().await, 4);
}

/// A task of a failed run keeps what it was submitted with.
pub async fn what_was_submitted_is_what_is_handed_out_again(bench: Bench) {
    let drone = bench.drone("d").await;
    let block = bench.with("a", |o| {
        o.max_attempts = Some(7);
        o.meta.insert("trace".into(), "00-ab".into());
    });
    bench.accept(&block).await;
    let first = drone.take("a").await;
    let failure = Failure::new(Cause::Failed, "again");
    drone.end(&first, Outcome::Retry { failure, after: std::time::Duration::ZERO }).await;
    let second = drone.take("a").await;
    assert_eq!((&second.payload, &second.options), (&first.payload, &first.options));
    assert_eq!(*second.options, *Arc::clone(&block.options));
    let found = bench.find(Filter { limit: 9, ..Filter::default() }).await;
    assert_eq!(found[0].max_attempts, Some(7));
}
