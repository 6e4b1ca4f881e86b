//! Which files there are.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

/// What marks a folder whose content can be made again (<https://bford.info/cachedir/>): cargo's `target`,
/// for one.
const CACHE: &str = "CACHEDIR.TAG";

/// The files below a folder.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Walked {
    /// Regular files, absolute, in order. Links are not followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// How many there are.
    pub files: usize,
    /// Folders left out: `.git`, and caches by their CACHEDIR.TAG.
    pub left_out: usize,
    /// Names that are not UTF-8, and so cannot stand in JSON.
    pub unnamed: usize,
}

/// Walks a folder.
pub(super) fn files(dir: &Path) -> io::Result<Walked> {
    let mut walked = Walked::default();
    let mut folders = vec![fs::canonicalize(dir)?];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                if entry.file_name() == ".git" || path.join(CACHE).exists() {
                    walked.left_out += 1;
                } else {
                    folders.push(path);
                }
            } else if kind.is_file() && !is_ours(&path) {
                match path.into_os_string().into_string() {
                    Ok(path) => walked.paths.push(path),
                    Err(_) => walked.unnamed += 1,
                }
            }
        }
    }
    walked.paths.sort();
    walked.files = walked.paths.len();
    Ok(walked)
}

/// A queue's own files change while they are read.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    [".db", ".db-wal", ".db-shm", ".db.lock", ".db-journal"].iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_and_the_queue_itself_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        let all = ["b", "a/c", ".git/d", "target/CACHEDIR.TAG", "target/e", "skep.db", "skep.db-wal"];
        all.into_iter().for_each(put);
        let walked = files(folder.path()).unwrap();
        let names: Vec<_> = walked.paths.iter().map(|p| p.rsplit('/').next().unwrap()).collect();
        assert_eq!((names, walked.left_out), (vec!["c", "b"], 2));
        assert!(files(&folder.path().join("missing")).is_err());
    }
}
