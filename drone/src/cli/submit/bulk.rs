//! Many tasks: call after call, a count of what became of them, and a stop at the first that is refused.

use std::time::Duration;

use super::{answer::Answer, lines::Stream};
use crate::{
    cli::{Exit, Failed, Form, World, out::text::count, spool},
    client::{Client, Error, Landed, NewTask, Receipt},
};

pub(super) struct Bulk<'a> {
    client: Client,
    partial: bool,
    world: &'a World,
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    accepted: usize,
    existing: usize,
    skipped: usize,
    spooled: usize,
    refused: usize,
    /// What the exit code speaks of: a conflict, or else the first that was refused.
    why: Option<Error>,
}

impl<'a> Bulk<'a> {
    pub(super) fn new(client: Client, partial: bool, world: &'a World) -> Self {
        Self { client, partial, world, tally: Tally::default() }
    }

    pub(super) async fn run(mut self, mut tasks: Stream) -> Result<Exit, Failed> {
        let (bar, begun) = (self.world.out.bar("tasks"), self.world.clock.elapsed());
        while let Some(portion) = tasks.recv().await {
            let portion = portion.map_err(|bad| self.told(bad, "nothing from its call on was submitted"))?;
            self.submit(&portion).await?;
            bar.inc(portion.len() as u64);
            if self.over() {
                break;
            }
        }
        bar.finish_and_clear();
        spool::note_damage(&self.world.spool(), self.world);
        if let Some(why) = self.tally.why.take() {
            let refused = format!("{} refused, and what followed was not tried", self.tally.refused);
            let unknown =
                matches!(&why, Error::SpoolFull { why, .. } if !matches!(**why, Error::Rejected(_)));
            let rest = match self.partial {
                _ if unknown => "whether its call was submitted is not known",
                true => &refused,
                false => "nothing of its call was submitted",
            };
            return Err(self.told(why.into(), rest));
        }
        if self.world.out.form() == Form::Table {
            self.world.out.talk(self.tally.summary(self.world.clock.elapsed().saturating_sub(begun)));
        }
        Ok(if self.tally.spooled > 0 { Exit::Spooled } else { Exit::Ok })
    }

    async fn submit(&mut self, portion: &[NewTask]) -> Result<(), Failed> {
        let answers = self.client.submit_many(portion, self.partial).await.map_err(|error| {
            let unknown =
                format!("whether the next {} were submitted is not known", count(portion.len(), "task"));
            self.told(error.into(), &unknown)
        })?;
        for answer in answers {
            if self.world.out.form() != Form::Table {
                Answer::of(&answer).say(&self.world.out);
            }
            self.tally.add(answer);
        }
        Ok(())
    }

    /// Whether to stop: a queue that was full once must not take what comes later.
    fn over(&self) -> bool {
        match &self.tally.why {
            None => false,
            Some(Error::Rejected(no)) if self.partial => no.reason.passes(),
            Some(Error::SpoolFull { .. } | Error::Spool { .. }) => true,
            Some(_) => !self.partial,
        }
    }

    /// An error with what became of the others.
    fn told(&self, failed: Failed, rest: &str) -> Failed {
        let here = self.tally.accepted + self.tally.existing + self.tally.skipped;
        let spooled = match self.tally.spooled {
            0 => String::new(),
            n => format!(", {n} spooled"),
        };
        failed.note(format!("{} accepted{spooled} so far; {rest}", count(here, "task")))
    }
}

impl Tally {
    fn add(&mut self, answer: Result<Receipt, Error>) {
        match answer {
            Ok(Receipt { landed: Landed::Accepted, .. }) => self.accepted += 1,
            Ok(Receipt { landed: Landed::Existing, .. }) => self.existing += 1,
            Ok(Receipt { landed: Landed::Skipped, .. }) => self.skipped += 1,
            Ok(Receipt { landed: Landed::Spooled, .. }) => self.spooled += 1,
            Err(error) => {
                self.refused += 1;
                let graver = matches!(error, Error::Conflict { .. })
                    && !matches!(self.why, Some(Error::Conflict { .. }));
                if graver || self.why.is_none() {
                    self.why = Some(error);
                }
            }
        }
    }

    fn summary(&self, took: Duration) -> String {
        let others = [(self.existing, "existing"), (self.skipped, "skipped"), (self.spooled, "spooled")];
        let others = others.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!(", {n} {what}"));
        let rate = self.accepted as f64 / took.as_secs_f64().max(0.001);
        format!(
            "accepted {}{} in {:.1} s ({rate:.0} a second)",
            count(self.accepted, "task"),
            others.collect::<String>(),
            took.as_secs_f64()
        )
    }
}
