//! Settles that do not wait for the disk. A crash of the server undoes those that had not reached it; the next flush
//! says so, and whoever kept the outcomes settles them again.

use skep_queue::{
    Admin, Block, Cause, ClaimId, Claimed, Ending, Failure, Mask, Outcome, Queue, Settled, Settlement,
    admin::State,
};

use super::{Drone, Place, claims, number};

impl Drone {
    async fn end_lazily(&self, claimed: &Claimed, outcome: Outcome) -> Settled {
        let endings = vec![Ending { members: claimed.live, outcome }];
        let settlement = Settlement { claim: claimed.claim, block: claimed.block, endings };
        let answer = self.queue.settle_lazily(self.incarnation, vec![settlement]).await;
        answer.expect("an answer").pop().expect("one")
    }

    /// It is accepted, and shown at once.
    async fn complete_lazily(&self, claimed: &Claimed, block: &Block) {
        assert_eq!(self.end_lazily(claimed, Outcome::done()).await.accepted, claimed.live);
        assert_eq!(self.state(block, 0).await, State::Completed);
    }

    async fn flush(&self) -> bool {
        self.queue.flush(self.incarnation).await.expect("an answer")
    }

    /// Settles again what a crash undid; another crash does not.
    async fn again(&self, place: &Place, claimed: &Claimed, block: &Block) {
        place.hold_the_log();
        self.complete_lazily(claimed, block).await;
        assert!(self.flush().await, "nothing came between");
        let mut own = place.crash().await;
        assert_eq!(number(&mut own, ENDED).await, 1, "it has ended once");
        assert_eq!((number(&mut own, LEFT).await, claims(&mut own).await), (0, 0));
        let detail = self.queue.task(block.id.task(0)).await.expect("an answer").expect("it is kept");
        assert!(detail.history.is_empty() && detail.view.losses == 0, "{detail:?}");
    }
}

/// Tasks that have ended, and that have not.
const ENDED: &str =
    "select coalesce(sum(length(replace(members::text, '0', ''))), 0)::bigint from skep.finished";
const LEFT: &str = "select coalesce(sum(n), 0)::bigint from skep.tasks";

#[tokio::test]
async fn an_outcome_that_a_crash_undid_is_settled_again() {
    let place = Place::new().await;
    let (one, two) = (place.drone().await, place.drone().await);
    let block = place.submit(1).await;
    let task = one.take(1).await;
    one.beat(&[task.claim]).await;
    place.hold_the_log();
    one.complete_lazily(&task, &block).await;
    let mut own = place.crash().await;
    assert_eq!(
        (number(&mut own, ENDED).await, claims(&mut own).await),
        (0, 1),
        "the crash undid the end alone"
    );
    assert!(!one.flush().await, "the drone hears of it");
    assert_eq!(two.claim(1).await, Ok(vec![]), "it is not run twice");
    one.again(&place, &task, &block).await;
}

#[tokio::test]
async fn an_outcome_that_a_crash_undid_with_its_claim_is_settled_again() {
    let place = Place::new().await;
    let (one, two) = (place.drone().await, place.drone().await);
    let block = place.submit(1).await;
    place.hold_the_log();
    let task = one.take(1).await;
    one.complete_lazily(&task, &block).await;
    let mut own = place.crash().await;
    assert_eq!((number(&mut own, ENDED).await, claims(&mut own).await), (0, 0), "the crash undid both");
    two.waits().await;
    assert!(!one.flush().await, "the drone hears of it");
    assert_eq!(claims(&mut own).await, 1, "and has its claim again");
    assert_eq!(two.claim(1).await, Ok(vec![]), "it is not run twice");
    one.again(&place, &task, &block).await;
}

#[tokio::test]
async fn whoever_was_told_of_the_crash_by_a_beat_hears_it_of_the_flush_too() {
    let place = Place::new().await;
    let one = place.drone().await;
    let block = place.submit(1).await;
    place.hold_the_log();
    let task = one.take(1).await;
    one.complete_lazily(&task, &block).await;
    let mut own = place.crash().await;
    assert!(one.beat(&[task.claim]).await.lost.is_empty());
    assert_eq!((number(&mut own, ENDED).await, claims(&mut own).await), (0, 1));
    assert!(!one.flush().await, "the server does not know any more that there was a crash");
    assert!(one.flush().await, "it is said once");
    one.again(&place, &task, &block).await;
}

#[tokio::test]
async fn what_was_flushed_or_settled_once_more_outlives_a_crash() {
    let place = Place::new().await;
    let one = place.drone().await;
    let blocks = [place.submit(1).await, place.submit(1).await];
    let tasks = [one.take(1).await, one.take(1).await];
    place.hold_the_log();
    one.complete_lazily(&tasks[0], &blocks[0]).await;
    assert!(one.flush().await);
    let mut own = place.crash().await;
    assert_eq!(number(&mut own, ENDED).await, 1, "it was on disk when the flush was answered");
    let held: [ClaimId; 1] = [tasks[1].claim];
    assert!(one.beat(&held).await.lost.is_empty());
    place.hold_the_log();
    one.complete_lazily(&tasks[1], &blocks[1]).await;
    assert_eq!(one.complete(&tasks[1], tasks[1].live).await.already, tasks[1].live);
    let mut own = place.crash().await;
    assert_eq!(number(&mut own, ENDED).await, 2, "whoever hears that it has ended need not keep it");
}

#[tokio::test]
async fn what_others_may_have_at_once_waits_for_the_disk() {
    let place = Place::new().await;
    let one = place.drone().await;
    place.submit(1).await;
    place.hold_the_log();
    let task = one.take(1).await;
    let failure = Failure::new(Cause::Failed, "no luck");
    let retry = Outcome::Retry { failure, after: std::time::Duration::ZERO };
    assert_eq!(one.end_lazily(&task, retry).await.accepted, Mask::one(0));
    let mut own = place.crash().await;
    let retried = "select count(*) from skep.tasks where not held and attempts = 1 and fence = 1";
    assert_eq!(number(&mut own, retried).await, 1, "another could have had it");
}
