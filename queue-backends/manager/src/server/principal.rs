//! Who speaks on a link.

use std::{fmt, io, sync::Arc};

use skep_queue::Clock;
use tokio::net::{TcpStream, UnixStream};

use super::{Config, keys::Keys, strangers::Strangers};
use crate::{
    key::{Entry, Grant, KeyId, Role},
    link::{HandshakeError, Secure, handshake::receive, prelude::Prelude},
};

/// Somebody who has shown who he is.
pub(super) struct Principal {
    pub(super) who: Who,
    /// For people.
    pub(super) name: String,
    pub(super) grant: Grant,
    /// What he connected as, if he may not.
    pub(super) pretended: Option<Role>,
    entry: Option<(Arc<Keys>, Entry)>,
}

/// What tells principals apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Key(KeyId),
    User(u32),
}

impl Principal {
    /// The server's own user.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn admin() -> Self {
        let (who, grant) = (Who::User(0), Grant::of(Role::Admin));
        Self { who, name: who.to_string(), grant, pretended: None, entry: None }
    }

    /// A user of this machine: the server's own and root may everything, others what is configured.
    pub(super) fn of_user(stream: &UnixStream, config: &Config) -> io::Result<Self> {
        let uid = stream.peer_cred()?.uid();
        let grant = grant_of(uid, rustix::process::geteuid().as_raw(), config);
        let denied = || io::Error::new(io::ErrorKind::PermissionDenied, format!("user {uid} is not listed"));
        let (who, grant) = (Who::User(uid), grant.ok_or_else(denied)?);
        Ok(Self { who, name: who.to_string(), grant, pretended: None, entry: None })
    }

    /// Whoever holds one of these keys.
    pub(super) async fn of_key(
        stream: TcpStream,
        keys: Arc<Keys>,
        server: &str,
        strangers: &Strangers,
        clock: Arc<dyn Clock>,
    ) -> Result<(Secure<TcpStream>, Self), HandshakeError> {
        keys.look();
        let ring = keys.ring();
        let known = |prelude: &Prelude| {
            let entry = ring.active(prelude.key).filter(|_| prelude.server == server);
            entry.map_or(&keys.nobody, |entry| &entry.secret).clone()
        };
        let (secure, prelude) = receive(stream, known, |first| strangers.fresh(first), clock).await?;
        let entry = ring.active(prelude.key).ok_or(HandshakeError::Impostor)?;
        let (who, name, mut grant) = (Who::Key(entry.id), entry.name.clone(), entry.grant.clone());
        let pretended = (!grant.role.covers(prelude.role)).then_some(prelude.role);
        grant.role = prelude.role;
        let entry = Some((keys, entry.clone()));
        Ok((secure, Self { who, name, grant, pretended, entry }))
    }

    /// Returns when he is no longer who he was: his key is revoked, or changed.
    pub(super) async fn deposed(&self) {
        match &self.entry {
            Some((keys, entry)) => keys.changed(entry).await,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(f, "key {id}"),
            Self::User(uid) => write!(f, "user {uid}"),
        }
    }
}

/// What a user may do where the server is `own`'s.
fn grant_of(uid: u32, own: u32, config: &Config) -> Option<Grant> {
    let listed = || config.users.iter().find(|(user, _)| *user == uid).map(|(_, grant)| grant.clone());
    if uid == own || uid == 0 { Some(Grant::of(Role::Admin)) } else { listed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_user_and_root_are_admins_and_others_what_is_listed() {
        let view = Grant::of(Role::View);
        let config = Config { users: vec![(7, view.clone()), (0, view.clone())], ..Config::default() };
        let admin = Some(Grant::of(Role::Admin));
        let grants = [1000, 0, 7, 8].map(|uid| grant_of(uid, 1000, &config));
        assert_eq!(grants, [admin.clone(), admin, Some(view), None]);
    }
}
