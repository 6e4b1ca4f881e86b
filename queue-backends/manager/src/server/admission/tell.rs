//! Telling the store.

use std::time::Duration;

use skep_queue::{QueueName, Result, TaskType, admin::Setting};

use super::{Admission, Crew, figures, rules::Rules};

/// The shortest time of promotion that waits make: below it the order would be by age alone.
const LEAST: Duration = Duration::from_millis(100);
/// A change of it by less is not worth telling the store.
const CHANGE: f64 = 0.1;

impl Admission {
    /// Makes the bounds of queues what they shall be, before their first task.
    pub(super) async fn meet(&self, strange: Vec<QueueName>) -> Result<()> {
        if strange.is_empty() {
            return Ok(());
        }
        let _one = self.telling.lock().await;
        self.meet_alone(strange).await
    }

    async fn meet_alone(&self, strange: Vec<QueueName>) -> Result<()> {
        let views = self.backend.queues().await?;
        let crew = Crew::of(&self.backend.drones().await?);
        self.known().crew = crew;
        for queue in strange {
            if self.known().rules.contains_key(&queue) {
                continue;
            }
            let view = views.iter().find(|view| view.name == queue);
            let (mut rules, settings) = Rules::new(self.named.get(&queue), &self.all, view);
            for setting in settings {
                self.backend.set(queue.clone(), None, setting).await?;
            }
            self.tell_of(&queue, &mut rules, true).await?;
            self.known().rules.insert(queue, rules);
        }
        Ok(())
    }

    /// Tells the store of every bound that has changed. To be called by one at a time.
    pub(super) async fn tell(&self) -> Result<()> {
        let crew = Crew::of(&self.backend.drones().await?);
        self.known().crew = crew;
        let queues: Vec<QueueName> = self.known().rules.keys().cloned().collect();
        for queue in queues {
            let Some(mut rules) = self.known().rules.get(&queue).cloned() else { continue };
            let told = self.tell_of(&queue, &mut rules, false).await;
            self.known().rules.insert(queue, rules);
            told?;
        }
        Ok(())
    }

    /// One queue. What has been told is noted, also when the rest fails. Small changes are kept back, unless it
    /// shall be exact.
    async fn tell_of(&self, queue: &QueueName, rules: &mut Rules, exact: bool) -> Result<()> {
        for (task_type, rule) in rules.each() {
            let (hands, mean) = self.figures(queue, task_type.as_ref());
            let limit = figures::limit(rule.bound, hands, mean);
            if rule.limit != limit && (exact || figures::is_news(rule.limit, limit)) {
                self.backend.set(queue.clone(), task_type, Setting::Capacity(limit)).await?;
                rule.limit = limit;
            }
        }
        let mean_wait = self.mean_wait(queue);
        if let Some(promoting) = &mut rules.promote
            && let Some(wait) = mean_wait
        {
            let after = Duration::try_from_secs_f64(wait * promoting.waits).unwrap_or(Duration::MAX);
            let after = Setting::promote_after(after.max(LEAST));
            let near = |known: Duration| known.abs_diff(after) <= known.mul_f64(CHANGE);
            if !promoting.after.is_some_and(near) {
                self.backend.set(queue.clone(), None, Setting::PromoteAfter(Some(after))).await?;
                promoting.after = Some(after);
            }
        }
        Ok(())
    }

    /// Hands, and seconds of a run.
    pub(super) fn figures(&self, queue: &QueueName, task_type: Option<&TaskType>) -> (usize, Option<f64>) {
        (self.known().crew.hands(queue, task_type), self.pace.mean(queue, task_type))
    }

    /// An operator's word: from now on it holds, until the manager starts again.
    pub(in super::super) async fn overrule(
        &self,
        queue: QueueName,
        task_type: Option<TaskType>,
        setting: Setting,
    ) -> Result<()> {
        let _one = self.telling.lock().await;
        if !self.known().rules.contains_key(&queue) {
            self.meet_alone(vec![queue.clone()]).await?;
        }
        self.backend.set(queue.clone(), task_type.clone(), setting).await?;
        if let Some(rules) = self.known().rules.get_mut(&queue) {
            rules.yield_to(task_type.as_ref(), setting);
        }
        Ok(())
    }
}
