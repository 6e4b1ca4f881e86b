//! Room kept aside: when the disk is full, giving it back lets the outcomes of what ran be written still.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use super::Config;

/// A file of nothing beside the local queue.
#[derive(Debug)]
pub(super) struct Ballast {
    path: PathBuf,
    size: u64,
}

impl Ballast {
    pub(super) fn new(config: &Config) -> Self {
        let mut path = config.path.clone().into_os_string();
        path.push(".ballast");
        let ballast = Self { path: path.into(), size: config.ballast };
        ballast.restore();
        ballast
    }

    /// Gives the room back to the disk.
    pub(super) fn release(&self) {
        if self.size > 0 && std::fs::remove_file(&self.path).is_ok() {
            tracing::warn!(path = %self.path.display(), "disk full: ballast released");
        }
    }

    /// Whether there is room for more work: four times the ballast. Takes the ballast back when there is.
    pub(super) fn roomy(&self) -> bool {
        let free = skep_sqlite::place::free_space(&self.path).unwrap_or(u64::MAX);
        let roomy = free >= self.size * 4;
        if roomy && self.size > 0 && !self.path.exists() {
            self.restore();
        }
        roomy
    }

    fn restore(&self) {
        if let Err(error) = fill(&self.path, self.size) {
            let _ = std::fs::remove_file(&self.path);
            tracing::warn!(path = %self.path.display(), %error, "no room for the ballast");
        }
    }
}

fn fill(path: &Path, size: u64) -> std::io::Result<()> {
    if size == 0 || std::fs::metadata(path).is_ok_and(|m| m.len() == size) {
        return Ok(());
    }
    // Written, not seeked over: a hole reserves nothing.
    let mut file = std::fs::File::create(path)?;
    file.write_all(&vec![0; usize::try_from(size).unwrap_or(usize::MAX)])?;
    file.sync_all()
}
