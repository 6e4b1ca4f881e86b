//! From the spool to the queue.

use std::time::Duration;

use skep_queue::{
    Due, Submitted,
    admin::Setting,
    testing::{Faults, Flaky},
};

use super::*;

#[tokio::test]
async fn what_waits_arrives_in_order_and_is_forgotten() {
    let place = Place::new();
    let blocks: Vec<Block> = (0..20).map(|n| place.block("t", &n.to_string())).collect();
    for block in &blocks {
        place.keeps(vec![block.clone()], true).await;
    }
    assert_eq!(place.delivery().some(7).await.unwrap(), Delivered { tasks: 7, refused: 0, end: End::Enough });
    place.has(&blocks[..7]).await;
    assert_eq!(place.depth().await, 7, "oldest first");
    assert_eq!(place.deliver().await, done(13, 0));
    place.has(&blocks).await;
    assert_eq!((place.depth().await, place.spool.list().await.unwrap().len()), (20, 0));
    assert_eq!(place.deliver().await, done(0, 0));
}

#[tokio::test]
async fn what_had_arrived_before_is_there_once() {
    let place = Place::new();
    let blocks = place.many(300);
    place.queue.submit(Submission { blocks: blocks.clone(), partial: true }).await.unwrap();
    place.keeps(blocks.clone(), true).await;
    assert_eq!(place.deliver().await, done(300, 0));
    assert_eq!(place.depth().await, 300);
}

#[tokio::test]
async fn a_delivery_that_loses_replies_ends_with_each_task_once() {
    let place = Place::new();
    let blocks: Vec<Block> = (0..200).map(|n| place.block("t", &n.to_string())).collect();
    for block in &blocks {
        place.keeps(vec![block.clone()], true).await;
    }
    let flaky = Arc::new(Flaky::new(place.queue.clone(), 11, Faults::one_in(3)));
    let delivery = Delivery { queue: flaky.clone(), ..place.delivery() };
    let mut rounds = 0;
    while !place.spool.list().await.unwrap().is_empty() {
        rounds += 1;
        assert!(rounds < 1_000, "it comes to an end");
        delivery.some(5).await.unwrap();
    }
    assert!(flaky.injected().total() > 10);
    place.has(&blocks).await;
    assert_eq!(place.depth().await, 200);
}

/// The first try got a part of a block in, and its answer was lost: the others keep the ids they were told.
#[tokio::test]
async fn a_block_that_arrived_in_part_is_completed_under_its_ids() {
    let place = Place::new();
    place.set(None, Setting::Capacity(Some(150))).await;
    let blocks = place.many(300);
    let first = place.queue.submit(Submission { blocks: blocks.clone(), partial: true }).await.unwrap();
    assert!(matches!(first[1], Submitted::Partly { accepted: 22, .. }), "{first:?}");
    place.keeps(blocks.clone(), true).await;
    let stuck = place.deliver().await;
    assert!(matches!(&stuck.end, End::Full(no) if no.limit == 150), "{stuck:?}");
    assert_eq!((stuck.tasks, place.depth().await), (150, 150));
    place.set(None, Setting::Capacity(Some(200))).await;
    let more = place.deliver().await;
    assert_eq!((more.tasks, place.depth().await), (50, 200), "{more:?}");
    place.set(None, Setting::Capacity(None)).await;
    assert_eq!(place.deliver().await, done(100, 0));
    place.has(&blocks).await;
    assert_eq!(place.depth().await, 300);
}

#[tokio::test]
async fn one_bad_member_is_kept_as_refused_and_its_neighbours_arrive() {
    let place = Place::new();
    place.set(None, Setting::MaxPayload(10)).await;
    let payloads = ["1".to_owned(), format!("\"{}\"", "x".repeat(20)), "3".to_owned()];
    let like = place.block("t", "");
    let blocks = block::pack(&like, &payloads, || BlockId::new(place.clock.as_ref(), place.random.as_ref()));
    place.keeps(blocks.clone(), true).await;
    place.keeps(vec![place.block("t", "4")], true).await;
    assert_eq!(place.deliver().await, done(3, 1));
    let listed = place.spool.list().await.unwrap();
    let (bad, why) = (&listed[0], listed[0].refusal.clone().unwrap());
    assert_eq!((listed.len(), bad.id, bad.tasks, bad.refused), (1, blocks[0].id.task(1), 1, true));
    assert_eq!(why, "payload_too_large: 22 bytes, the limit is 10");
    assert_eq!(place.deliver().await, done(0, 0), "it is not tried again by itself");
    place.set(None, Setting::MaxPayload(100)).await;
    place.spool.forgive(&Key::of(URL)).await.unwrap();
    assert_eq!(place.deliver().await, done(1, 0));
    place.has(&blocks).await;
}

#[tokio::test]
async fn the_first_member_may_be_the_bad_one() {
    let place = Place::new();
    place.set(None, Setting::MaxPayload(10)).await;
    let payloads = [format!("\"{}\"", "x".repeat(20)), "2".to_owned(), "3".to_owned()];
    let like = place.block("t", "");
    let blocks = block::pack(&like, &payloads, || BlockId::new(place.clock.as_ref(), place.random.as_ref()));
    place.keeps(blocks.clone(), true).await;
    place.set(None, Setting::Capacity(Some(1))).await;
    let stuck = place.deliver().await;
    assert_eq!((stuck.tasks, stuck.refused), (1, 1), "{stuck:?}");
    let listed = place.spool.list().await.unwrap();
    let of = |refused| {
        listed.iter().filter(|entry| entry.refused == refused).map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(of(true), [blocks[0].id.task(0)]);
    assert_eq!(of(false), [blocks[0].id.task(2)]);
    place.set(None, Setting::Capacity(None)).await;
    assert_eq!(place.deliver().await, done(1, 0));
}

#[tokio::test]
async fn a_conflict_is_refused_for_good() {
    let place = Place::new();
    let block = place.block("t", "1");
    let other = Block { payloads: place.block("t", "2").payloads, ..block.clone() };
    place.queue.submit(Submission::whole(vec![other])).await.unwrap();
    let whole = [place.many(2), vec![block.clone()]].concat();
    place.keeps(vec![block.clone()], true).await;
    place.keeps(whole, false).await;
    assert_eq!(place.deliver().await, done(0, 2));
    let listed = place.spool.list().await.unwrap();
    let told = format!("conflict: task {} has this id or unique key", block.id.task(0));
    assert!(listed.iter().all(|entry| entry.refused && entry.refusal.as_ref() == Some(&told)), "{listed:?}");
    assert_eq!(place.depth().await, 1, "nothing of the whole arrived");
    assert_eq!(place.spool.tally().await.unwrap()[0].refused, 2);
}

#[tokio::test]
async fn a_whole_arrives_as_a_whole_or_never() {
    let place = Place::new();
    place.set(None, Setting::Capacity(Some(10))).await;
    place.keeps(place.many(8), false).await;
    place.keeps(place.many(11), false).await;
    place.keeps(place.many(3), false).await;
    let first = place.deliver().await;
    assert_eq!((first.tasks, first.refused, place.depth().await), (8, 1, 8), "{first:?}");
    assert!(matches!(first.end, End::Full(_)), "{first:?}");
    let listed = place.spool.list().await.unwrap();
    assert_eq!(
        listed.iter().map(|entry| (entry.tasks, entry.refused)).collect::<Vec<_>>(),
        [(11, true), (3, false)]
    );
    assert!(
        listed[0].refusal.as_ref().unwrap().contains("there is never room for more than 10"),
        "{listed:?}"
    );
    place.set(None, Setting::Capacity(Some(11))).await;
    assert_eq!(place.deliver().await, done(3, 0));
}

#[tokio::test]
async fn who_finds_no_room_stands_only_in_the_way_of_its_own() {
    let place = Place::new();
    place.set(Some("full"), Setting::Capacity(Some(0))).await;
    let q: QueueName = "closed".parse().unwrap();
    place.queue.set(q.clone(), None, Setting::Capacity(Some(0))).await.unwrap();
    place.keeps(vec![place.block("full", "1")], true).await;
    place.keeps(vec![Block { queue: q.clone(), ..place.block("t", "2") }], true).await;
    place.keeps(vec![Block { queue: q, ..place.block("u", "3") }], true).await;
    place.keeps(vec![place.block("t", "4")], true).await;
    let round = place.delivery().some(1).await.unwrap();
    assert_eq!((round.tasks, place.depth().await), (1, 1), "{round:?}");
    let listed = place.spool.list().await.unwrap();
    assert!(listed.iter().all(|entry| !entry.refused) && listed.len() == 3, "{listed:?}");
    assert!(
        listed.iter().take(2).all(|entry| entry.refusal.as_ref().unwrap().contains("_full")),
        "{listed:?}"
    );
}

#[tokio::test]
async fn a_delay_counts_from_when_it_was_spooled() {
    let place = Place::new();
    let late = |seconds| Block { due: Due::In(Duration::from_secs(seconds)), ..place.block("t", "1") };
    let (soon, later) = (late(60), late(3_600));
    place.keeps(vec![soon.clone(), later.clone()], true).await;
    place.clock.advance(Duration::from_secs(600));
    assert_eq!(place.deliver().await, done(2, 0));
    let now = skep_queue::Clock::now(place.clock.as_ref());
    let run_at = |id: TaskId| {
        let queue = place.queue.clone();
        async move { queue.task(id).await.unwrap().unwrap().view.run_at }
    };
    assert_eq!(run_at(soon.id.task(0)).await, now);
    assert_eq!(run_at(later.id.task(0)).await.since(now), Duration::from_secs(3_000));
}

#[tokio::test]
async fn only_what_is_this_backends_is_delivered_and_by_one_at_a_time() {
    let place = Place::new();
    place.keeps(vec![place.block("t", "1")], true).await;
    place.spool.keep(&Key::of("other:"), &Submission::whole(vec![place.block("t", "2")])).await.unwrap();
    let path = place.spool.path().display().to_string() + ".deliver-lock";
    let turn = std::fs::File::create(path).unwrap();
    turn.lock().unwrap();
    assert_eq!(place.deliver().await.end, End::Taken);
    drop(turn);
    assert_eq!(place.deliver().await, done(1, 0));
    assert_eq!(place.spool.tally().await.unwrap()[0].backend, "other:");
}

#[tokio::test]
async fn a_flood_is_paced_and_a_queue_that_goes_away_ends_it() {
    let place = Place::new();
    let blocks: Vec<Block> = (0..2_000).map(|n| place.block("t", &n.to_string())).collect();
    place.keeps(blocks.clone(), true).await;
    let flaky = Arc::new(Flaky::new(place.queue.clone(), 1, Faults::default()));
    let delivery = Delivery { queue: flaky.clone(), ..place.delivery() };
    flaky.down(true);
    let round = delivery.all().await.unwrap();
    assert!(matches!(round.end, End::Down(_)) && round.tasks == 0, "{round:?}");
    flaky.down(false);
    let begun = place.real();
    assert_eq!(delivery.all().await.unwrap(), done(2_000, 0));
    let took = place.real() - begun;
    assert!(
        took > Duration::from_millis(800),
        "at most 50, 100, 200 tasks .. a quarter of a second: {took:?}"
    );
    place.has(&blocks).await;
}

impl Place {
    fn real(&self) -> Duration {
        skep_queue::Clock::elapsed(&skep_queue::clock::SystemClock)
    }
}
