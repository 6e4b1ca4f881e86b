//! The doorbell: whoever made work available, or gave an order, writes a byte to the lock file after its
//! commit, and everybody who watches the file looks again. A bell only says "look again": one that is lost, or
//! an inotify that breaks, costs the wait until the next poll, never work.

use std::{
    os::fd::OwnedFd,
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::fs::inotify;
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::Notify,
};

/// One watch on the lock file, for all that wait in this process.
#[derive(Default)]
pub(crate) struct Bell {
    /// Opened by the first that waits, since it needs a runtime; none where inotify cannot be had.
    watch: OnceLock<Option<AsyncFd<OwnedFd>>>,
    /// How often it rang, as far as somebody has looked.
    rung: AtomicU64,
    heard: Notify,
}

impl Bell {
    /// From here on a ring is heard by [`Bell::wait`]. What rang before is not: look after this.
    pub(crate) fn listen(&self, lock: &Path) -> u64 {
        let watch = self.watch.get_or_init(|| {
            let open = open(lock);
            if let Err(error) = &open {
                tracing::warn!(%error, "no inotify: new work is found by polling");
            }
            open.ok()
        });
        if let Some(watch) = watch {
            self.drain(watch);
        }
        self.rung.load(Ordering::Acquire)
    }

    /// Whether rings can be heard at all.
    pub(crate) fn works(&self) -> bool {
        matches!(self.watch.get(), Some(Some(_)))
    }

    /// Returns when it has rung since that `listen`; never where inotify cannot be had.
    pub(crate) async fn wait(&self, since: u64) {
        let Some(Some(watch)) = self.watch.get() else { return std::future::pending().await };
        loop {
            let mut heard = std::pin::pin!(self.heard.notified());
            // Before the look at the count, so that no ring falls between.
            heard.as_mut().enable();
            if self.rung.load(Ordering::Acquire) != since {
                return;
            }
            tokio::select! {
                () = heard => {}
                ready = watch.readable() => match ready {
                    Ok(mut ready) => {
                        self.drain(watch);
                        ready.clear_ready();
                    }
                    Err(_) => return std::future::pending().await,
                }
            }
        }
    }

    /// Takes what rang, and tells everybody in this process.
    fn drain(&self, watch: &AsyncFd<OwnedFd>) {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 1024];
        let mut any = false;
        while inotify::Reader::new(watch.get_ref(), &mut buffer).next().is_ok() {
            any = true;
        }
        if any {
            self.rung.fetch_add(1, Ordering::Release);
            self.heard.notify_waiters();
        }
    }
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe, for descriptors that change hands: this one is owned"
)]
fn open(lock: &Path) -> std::io::Result<AsyncFd<OwnedFd>> {
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&watch, lock, inotify::WatchFlags::MODIFY)?;
    AsyncFd::with_interest(watch, Interest::READABLE)
}
