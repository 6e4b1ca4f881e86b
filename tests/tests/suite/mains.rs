//! A disk whose power can be cut: ext4 in a file, shut down without a word to its journal. What was not
//! synced by then is gone after the next mount. Needs root.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::wait::until;

/// Waits for a line, notes how long the journal is, and cuts: `EXT4_IOC_SHUTDOWN`, without flushing the log.
const CUT: &str = "import fcntl, os, struct, sys
disk = os.open(sys.argv[1], os.O_RDONLY)
open(sys.argv[2], 'w').close()
sys.stdin.readline()
mark = os.stat(sys.argv[3]).st_size
fcntl.ioctl(disk, 0x8004587D, struct.pack('I', 2))
print(mark)";

/// A mounted disk; unmounted when dropped.
pub struct Disk {
    image: PathBuf,
    at: PathBuf,
}

/// Who will cut the power; killed when dropped.
pub struct Cutter(Child);

fn run(program: &str, arguments: &[&str], paths: &[&Path]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).args(paths).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

impl Disk {
    /// Makes one in a folder, and tries whether its power can be cut; or says why not.
    pub async fn make(folder: &Path) -> Result<Self, String> {
        let (image, at) = (folder.join("disk.img"), folder.join("disk"));
        fs::create_dir_all(&at).unwrap();
        fs::File::create(&image).unwrap().set_len(512 << 20).unwrap();
        run("mkfs.ext4", &["-q", "-F"], &[&image])?;
        run("mount", &["-t", "ext4", "-o", "loop"], &[&image, &at])?;
        let disk = Self { image, at };
        let journal = folder.join("probe");
        fs::write(&journal, "x").map_err(|error| error.to_string())?;
        run("python3", &["-c", "import fcntl"], &[])?;
        let mark = Cutter::start(&disk, &journal).await.cut().await?;
        assert_eq!(mark, 1);
        if fs::write(disk.path("probe"), "x").is_ok() {
            return Err("the file system goes on after its shutdown".to_owned());
        }
        disk.again().await;
        Ok(disk)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }

    /// Power is back: mounts what is left. Nobody may have anything open there. While another process still
    /// has the dead file system in its sight, a mount finds that one again: then once more.
    pub async fn again(&self) {
        until("the disk is mounted again", || {
            let gone =
                run("umount", &[], &[&self.at]).is_ok() || run("mountpoint", &["-q"], &[&self.at]).is_err();
            gone && run("mount", &["-t", "ext4", "-o", "loop"], &[&self.image, &self.at]).is_ok()
                && fs::write(self.path("alive"), "").is_ok()
        })
        .await;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if run("umount", &[], &[&self.at]).is_err() {
            let _ = run("umount", &["--lazy"], &[&self.at]);
        }
    }
}

impl Cutter {
    /// Gets ready to cut, so that the cut itself takes no time.
    pub async fn start(disk: &Disk, journal: &Path) -> Self {
        let ready = disk.image.with_extension("ready");
        let _ = fs::remove_file(&ready);
        let mut command = Command::new("python3");
        let command = command.args(["-c", CUT]).args([&disk.at, &ready]).arg(journal);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut cutter = Self(command.spawn().unwrap());
        until("the cutter is ready, or gone", || ready.exists() || cutter.0.try_wait().unwrap().is_some())
            .await;
        cutter
    }

    /// Cuts, and answers how long the journal was right before. Whoever has files open there is to be killed.
    pub async fn cut(mut self) -> Result<u64, String> {
        drop(self.0.stdin.take());
        until("the power is cut", || self.0.try_wait().unwrap().is_some()).await;
        let read = |from: &mut dyn std::io::Read| std::io::read_to_string(from).unwrap();
        let (said, why) = (read(self.0.stdout.as_mut().unwrap()), read(self.0.stderr.as_mut().unwrap()));
        said.trim().parse().map_err(|_| format!("the power cannot be cut: {}", why.trim()))
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
