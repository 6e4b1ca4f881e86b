//! Settle: reports what is in the outbox, until the queue has taken it.

use std::time::Duration;

use skep_queue::{Cause, Error, Failure, Outcome, Settled};
use tokio_util::sync::CancellationToken;

use crate::{
    local::{Local, Parcel},
    source::Source,
};

#[cfg(test)]
mod tests;

/// A slow member delays its neighbours' results by at most this.
const SPLIT_AFTER: Duration = Duration::from_secs(1);
/// How often to look whether a block has waited so long.
const LOOK: Duration = Duration::from_millis(250);
/// About the most blocks in one call: bounds the transaction, not the work.
const MOST: usize = 1024;
/// From so many blocks on more are likely to follow at once, so that a call need not wait for the queue's disk: fewer
/// are the last of a batch, or a single task, whose one wait is all there is.
const MANY: usize = 128;
/// Most calls that are not known to be on the queue's disk: bounds what is kept here, in memory and on file, though the
/// queue has it.
const UNSURE: usize = 8;
/// When to try again what found no room for its follow-ups.
const REFUSED: Duration = Duration::from_secs(1);
/// When to try again what nobody can make sense of.
const HOPELESS: Duration = Duration::from_secs(60);

/// One step of the drone, for one queue.
pub(crate) struct Settle {
    pub(crate) source: Source,
    pub(crate) local: Local,
}

/// What the queue has answered, and may not have on its disk yet: until it has, the outbox keeps it.
#[derive(Default)]
struct Unsure {
    calls: usize,
    answers: Vec<(Parcel, Option<Settled>)>,
}

impl Settle {
    /// Reports until told to stop, and then until nothing of this queue is left here.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let (mut failures, mut unsure) = (0, Unsure::default());
        loop {
            let outbox = self.local.looks().outbox.notified();
            tokio::pin!(outbox);
            outbox.as_mut().enable();
            let stopping = stop.is_cancelled();
            let split_after = if stopping { Duration::ZERO } else { SPLIT_AFTER };
            let parcels = self.local.ripe(self.source.index, MOST, split_after);
            if !parcels.is_empty() || unsure.calls > 0 {
                failures = self.report(parcels, &mut unsure, failures).await;
                continue;
            }
            if stopping && !self.local.state().holds(self.source.index) {
                return;
            }
            tokio::select! {
                () = outbox => {}
                () = tokio::time::sleep(LOOK), if stopping || self.local.state().reports() => {}
                () = stop.cancelled(), if !stopping => {}
            }
        }
    }

    /// Reports parcels; while there are many, several calls wait for the queue's disk together. Answers how many calls in
    /// a row have failed.
    async fn report(&self, parcels: Vec<Parcel>, unsure: &mut Unsure, mut failures: u32) -> u32 {
        let few = parcels.len() < MANY;
        let lazily = !few || unsure.calls > 0;
        if !parcels.is_empty() {
            failures = self.tell(parcels, lazily, unsure, failures).await;
        }
        if !lazily {
            self.forget(std::mem::take(unsure).answers);
        } else if few || unsure.calls >= UNSURE {
            failures = self.flush(std::mem::take(unsure).answers, failures).await;
        }
        failures
    }

    async fn tell(&self, parcels: Vec<Parcel>, lazily: bool, unsure: &mut Unsure, failures: u32) -> u32 {
        let Source { queue, link, label, drone, .. } = &self.source;
        let settlements = parcels.iter().map(|parcel| parcel.settlement.clone()).collect();
        let answers = match lazily {
            true => queue.settle_lazily(*drone, settlements).await,
            false => queue.settle(settlements).await,
        };
        match answers {
            Ok(answers) => {
                link.answered(label);
                unsure.calls += 1;
                unsure.answers.extend(parcels.into_iter().zip(answers.into_iter().map(Some)));
                0
            }
            Err(Error::Refused(why)) => {
                // One outcome that cannot be stored must not hold up the others.
                for parcel in parcels {
                    self.report_alone(parcel, &why).await;
                }
                0
            }
            Err(error) => {
                let wait = link.failed(label, &error, failures + 1);
                self.again(parcels, wait);
                failures + 1
            }
        }
    }

    /// Forgets what the queue has on its disk by now; if that is not sure, all of it is reported again.
    async fn flush(&self, answers: Vec<(Parcel, Option<Settled>)>, failures: u32) -> u32 {
        let Source { queue, link, label, drone, .. } = &self.source;
        let parcels = |answers: Vec<(Parcel, _)>| answers.into_iter().map(|(parcel, _)| parcel).collect();
        match queue.flush(*drone).await {
            Ok(durable) => {
                link.answered(label);
                if durable {
                    self.forget(answers);
                } else {
                    tracing::warn!(
                        blocks = answers.len(),
                        "a crash of the queue may have undone outcomes; they are reported again"
                    );
                    self.again(parcels(answers), Duration::ZERO);
                }
                0
            }
            Err(error) => {
                self.again(parcels(answers), link.failed(label, &error, failures + 1));
                failures + 1
            }
        }
    }

    /// Reports parcels again, once that time has passed.
    fn again(&self, parcels: Vec<Parcel>, wait: Duration) {
        let answers: Vec<_> = parcels.into_iter().map(|parcel| (parcel, None)).collect();
        self.local.settled(&answers, wait);
    }

    /// Reports one parcel; if the queue refuses it for what it says, says that it could not be stored.
    async fn report_alone(&self, parcel: Parcel, why: &str) {
        let mut settlement = parcel.settlement.clone();
        for unstorable in [false, true] {
            if unstorable {
                let failure = Failure::new(Cause::Unstorable, format!("unstorable outcome: {why}"));
                let discard = Outcome::Discard { failure };
                settlement.endings.iter_mut().for_each(|ending| ending.outcome = discard.clone());
            }
            match self.source.queue.settle(vec![settlement.clone()]).await {
                Ok(answers) => {
                    let answer = answers.into_iter().next();
                    return self.local.settled(&[(parcel, answer)], REFUSED);
                }
                Err(Error::Refused(error)) => {
                    tracing::error!(block = %settlement.block, error, "an outcome is refused")
                }
                Err(_) => break,
            }
        }
        self.local.settled(&[(parcel, None)], HOPELESS);
    }

    fn forget(&self, answers: Vec<(Parcel, Option<Settled>)>) {
        for (parcel, answer) in &answers {
            let (block, Some(answer)) = (parcel.settlement.block, answer) else { continue };
            if let Some(rejection) = &answer.rejection {
                tracing::warn!(%block, %rejection, "no room for follow-ups; the outcome is kept");
            }
            if !(answer.stale | answer.gone).is_empty() {
                tracing::warn!(%block, stale = answer.stale.len(), gone = answer.gone.len(), "outcomes came too late");
            }
        }
        self.local.settled(&answers, REFUSED);
    }
}
