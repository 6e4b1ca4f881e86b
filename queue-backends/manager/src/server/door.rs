//! The door: who comes is asked who he is, and then served for as long as he is that.

use std::{net::IpAddr, sync::Arc};

use rustix::net::sockopt::set_socket_linger;
use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Server,
    keys::Keys,
    listen::Caller,
    principal::Principal,
    session::Session,
    strangers::{PATIENCE, Place},
};
use crate::link::AnyPipe;

impl Server {
    /// Takes in whoever has connected.
    pub(super) fn open(self: &Arc<Self>, caller: Caller, stop: &CancellationToken) {
        let (server, stop) = (Arc::clone(self), stop.child_token());
        match caller {
            Caller::Unix(stream) => match Principal::of_user(&stream, &self.config) {
                Ok(principal) => {
                    self.tasks.spawn(server.host(Box::new(stream), principal, stop));
                }
                Err(error) => tracing::warn!(%error, "a connection was turned away"),
            },
            Caller::Tcp(stream, from, keys) => {
                let place = self.strangers.enter(from);
                self.tasks.spawn(server.admit(stream, from, keys, place, stop));
            }
        }
    }

    /// Finds out who a stranger is, who has two seconds for it.
    async fn admit(
        self: Arc<Self>,
        stream: TcpStream,
        from: IpAddr,
        keys: Arc<Keys>,
        place: Place,
        stop: CancellationToken,
    ) {
        // Small packets go at once, and a connection that was turned away leaves nothing behind.
        let _ = stream.set_nodelay(true).and_then(|()| stream.set_zero_linger());
        let clock = Arc::clone(&self.clock);
        let known = Principal::of_key(stream, keys, &self.config.name, &self.strangers, clock);
        let known = tokio::select! {
            known = timeout(PATIENCE, known) => known.ok().and_then(Result::ok),
            () = place.gone.cancelled() => None,
            () = stop.cancelled() => return,
        };
        drop(place);
        match known {
            Some((secure, principal)) => {
                // Whereas what is written to a known peer is delivered before the end.
                let _ = set_socket_linger(secure.get_ref(), None);
                self.host(Box::new(secure), principal, stop).await;
            }
            None => {
                tracing::debug!(%from, "a stranger was turned away");
                if let Some(strangers) = self.strangers.turned_away(self.clock.elapsed()) {
                    tracing::info!(strangers, last = %from, "strangers were turned away");
                }
            }
        }
    }

    /// Serves somebody for as long as he is who he was.
    async fn host(self: Arc<Self>, pipe: AnyPipe, principal: Principal, stop: CancellationToken) {
        let (principal, _link) = (Arc::new(principal), self.links.token());
        let session = Session::new(self, Arc::clone(&principal), stop.clone());
        let mut running = std::pin::pin!(session.run(pipe));
        tokio::select! {
            () = &mut running => return,
            () = principal.deposed() => {}
        }
        let (who, name) = (principal.who, &principal.name);
        tracing::info!(target: "audit", principal = %who, name, "was revoked or changed: its link ends");
        stop.cancel();
        running.await;
    }

    /// Serves an admin at the other end of this pipe, until he leaves: for fuzzers.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) async fn host_admin(self: Arc<Self>, pipe: AnyPipe) {
        let stop = CancellationToken::new();
        self.begin(&stop);
        self.host(pipe, Principal::admin(), stop.clone()).await;
        stop.cancel();
    }
}
