//! A server that stands still: it takes connections, as the kernel does for it, and answers nothing.

use std::{fs, process::Command};

use crate::Server;

impl Server {
    /// Stops it where it stands, with all its processes, as a machine does whose disk hangs.
    pub fn freeze(&self) {
        let Some(first) = self.pid() else { return };
        // Once it stands still it makes no more of them.
        send("STOP", &[first]);
        send("STOP", &children(first));
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        let Some(first) = self.pid() else { return };
        send("CONT", &children(first));
        send("CONT", &[first]);
    }
}

fn send(signal: &str, pids: &[u32]) {
    let pids = pids.iter().map(u32::to_string);
    // Of several, one may just have ended.
    let _ = Command::new("kill").arg(format!("-{signal}")).args(pids).output();
}

fn children(of: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| parent(*pid) == Some(of)).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
}
