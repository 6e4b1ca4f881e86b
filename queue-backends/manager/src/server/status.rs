//! How a manager does, put together from those who know.

use skep_queue::{Result, admin::QueueView};

use super::{Server, admission::Standing};
use crate::wire::view::{Load, Status, TypeLoad};

impl Server {
    pub(super) async fn status(&self) -> Result<Status> {
        let views = self.backend.queues().await?;
        self.admission.refresh().await;
        Ok(Status {
            started_at: self.started_at,
            open: self.gate.is_open(),
            drones: self.dealer.hands(),
            queues: views.into_iter().map(|view| self.load(view)).collect(),
            links: self.links.len(),
            callers: self.callers.len(),
            refused: self.admission.refused(),
        })
    }

    fn load(&self, view: QueueView) -> Load {
        let Standing { bound, hands, wait } = self.admission.standing(&view.name, None, view.depth);
        let waiting = view.waiting_since.map(|since| self.clock.now().since(since).as_secs_f64());
        let types = view.types.iter().filter_map(|of| {
            let standing = self.admission.standing(&view.name, Some(&of.name), of.depth);
            let bounded = of.capacity.is_some() || standing.bound.is_some();
            bounded.then(|| TypeLoad {
                name: of.name.to_string(),
                depth: of.depth,
                limit: of.capacity,
                bound: standing.bound.map(|bound| bound.to_string()),
                hands: standing.hands,
            })
        });
        Load {
            types: types.collect(),
            depth: view.depth,
            limit: view.capacity,
            bound: bound.map(|bound| bound.to_string()),
            scheduled: view.scheduled,
            available: view.available,
            claimed: view.claimed,
            hands,
            waiting,
            mean_wait: self.admission.mean_wait(&view.name),
            expected_wait: wait.map(|wait| wait.as_secs_f64()),
            name: view.name.to_string(),
        }
    }
}
