//! Where a manager listens, and who comes.

use std::{
    fs::{self, File, Permissions},
    io,
    net::{IpAddr, SocketAddr},
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener as StdListener, UnixStream as StdStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::keys::Keys;

/// How long to wait when there are no descriptors left, or the like.
const PAUSE: Duration = Duration::from_millis(100);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system; who may connect is told by its peer's user id.
    Unix(PathBuf),
    /// A port, encrypted, for the holders of keys.
    Tcp {
        /// `HOST:PORT`; port 0 takes a free one.
        at: String,
        /// The file with their keys: without one there is no port.
        ring: PathBuf,
    },
}

/// A socket that listens. Dropped, it is gone.
pub struct Listener(Socket);

enum Socket {
    Unix { listener: UnixListener, place: PathBuf, inode: u64 },
    Tcp { listener: TcpListener, keys: Arc<Keys> },
}

/// Who connects; nothing is known of him yet but what the system says.
pub(super) enum Caller {
    Unix(UnixStream),
    Tcp(TcpStream, IpAddr, Arc<Keys>),
}

impl Listener {
    /// Begins to listen. A socket file that nobody answers on is replaced; the new one is for this user alone.
    ///
    /// # Errors
    /// What the system says: the place is taken, or must not be written. A ring that cannot be read.
    pub fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Unix(path) => {
                let listener = UnixListener::from_std(claim(path)?)?;
                let inode = fs::metadata(path)?.ino();
                Ok(Self(Socket::Unix { listener, place: path.clone(), inode }))
            }
            Address::Tcp { at, ring } => {
                let keys = Arc::new(Keys::load(ring).map_err(io::Error::other)?);
                let listener = std::net::TcpListener::bind(at)?;
                listener.set_nonblocking(true)?;
                Ok(Self(Socket::Tcp { listener: TcpListener::from_std(listener)?, keys }))
            }
        }
    }

    /// Lets others reach a socket file too, by these permissions. Whom the server does not know by his user id is
    /// turned away all the same.
    ///
    /// # Errors
    /// What the system says.
    pub fn mode(&self, mode: u32) -> io::Result<()> {
        match &self.0 {
            Socket::Unix { place, .. } => fs::set_permissions(place, Permissions::from_mode(mode)),
            Socket::Tcp { .. } => Ok(()),
        }
    }

    /// Which port it is, when it is one.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Socket::Unix { .. } => None,
            Socket::Tcp { listener, .. } => listener.local_addr().ok(),
        }
    }

    /// The keys of those who may come, when they come by keys.
    pub(super) const fn keys(&self) -> Option<&Arc<Keys>> {
        match &self.0 {
            Socket::Unix { .. } => None,
            Socket::Tcp { keys, .. } => Some(keys),
        }
    }

    /// The next connection; `None` when told to stop.
    pub(super) async fn accept(&self, stop: &CancellationToken) -> Option<Caller> {
        loop {
            let accepted = tokio::select! {
                accepted = self.next() => accepted,
                () = stop.cancelled() => return None,
            };
            match accepted {
                Ok(caller) => return Some(caller),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    let pause = tokio::time::sleep(PAUSE);
                    stop.run_until_cancelled(pause).await?;
                }
            }
        }
    }

    async fn next(&self) -> io::Result<Caller> {
        match &self.0 {
            Socket::Unix { listener, .. } => Ok(Caller::Unix(listener.accept().await?.0)),
            Socket::Tcp { listener, keys } => {
                let (stream, from) = listener.accept().await?;
                Ok(Caller::Tcp(stream, from.ip().to_canonical(), Arc::clone(keys)))
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix { place, inode, .. } = self
            && fs::metadata(&*place).is_ok_and(|there| there.ino() == *inode)
        {
            let _ = fs::remove_file(place);
        }
    }
}

/// A socket file of our own.
fn claim(path: &Path) -> io::Result<StdListener> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Two that start at once do not take each other's for a dead one's.
    let lock = File::open(folder)?;
    lock.lock()?;
    let taken = match StdListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => error,
        bound => return private(path, bound?),
    };
    let socket = fs::symlink_metadata(path)?.file_type().is_socket();
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if !socket || !StdStream::connect(path).is_err_and(refused) {
        return Err(taken);
    }
    tracing::info!(path = %path.display(), "replacing a socket that nobody answers on");
    fs::remove_file(path)?;
    private(path, StdListener::bind(path)?)
}

fn private(path: &Path, listener: StdListener) -> io::Result<StdListener> {
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
