//! Where a database may lie.

use std::path::Path;

use crate::error::Error;

/// Magic numbers of file systems on which SQLite's locks do not hold (`statfs(2)`).
const NETWORK: [(u64, &str); 8] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x0bd0_0bd0, "Lustre"),
    (0x00c3_6400, "Ceph"),
    (0x6573_5546, "FUSE"),
];

/// Refuses a folder that is missing, or a file system that SQLite cannot lock.
pub(crate) fn check(path: &Path, allow_network: bool) -> Result<(), Error> {
    let folder = folder(path);
    let wrong = |why: String| Error::Place { path: path.to_owned(), why };
    if !folder.is_dir() {
        return Err(wrong(format!("its folder {} does not exist: make it first", folder.display())));
    }
    let stat = rustix::fs::statfs(folder).map_err(|e| wrong(format!("cannot be examined: {e}")))?;
    let magic = stat.f_type.cast_unsigned() & 0xffff_ffff;
    match network(magic) {
        Some(name) if !allow_network => Err(wrong(format!(
            "is on a network file system ({name}), where SQLite's locks do not hold: use a local disk, \
             or say allow_network if only this machine opens it"
        ))),
        _ => Ok(()),
    }
}

/// Bytes free for this user where `path` lies.
///
/// # Errors
/// When the file system cannot be asked.
pub fn free_space(path: &Path) -> Result<u64, Error> {
    let stat = rustix::fs::statvfs(folder(path)).map_err(|e| Error::Io(e.to_string()))?;
    Ok(stat.f_bavail * stat.f_frsize)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn network(magic: u64) -> Option<&'static str> {
    NETWORK.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_and_local_ones_pass() {
        assert_eq!(network(0x6969), Some("NFS"));
        assert_eq!(network(0xef53), None, "ext4");
        assert!(check(Path::new("x.db"), false).is_ok());
        let missing = check(Path::new("/nowhere/at/all/x.db"), false).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/at/all does not exist"), "{missing}");
    }
}
