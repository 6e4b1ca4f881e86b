//! Users and groups by name or number, from the files alone: no name service runs in a drone.

use std::fs;

pub(super) struct User {
    pub(super) uid: u32,
    /// Its own group, when it is in the file.
    pub(super) gid: Option<u32>,
    pub(super) home: Option<String>,
}

pub(super) fn user(name: &str) -> Result<User, String> {
    let entry = entry("/etc/passwd", name);
    let field = |at: usize| entry.as_ref().and_then(|fields| fields.get(at));
    let number = |at: usize| field(at).and_then(|text| text.parse().ok());
    let uid = number(2).or_else(|| name.parse().ok());
    let uid = uid.ok_or_else(|| format!("no user {name:?} in /etc/passwd"))?;
    Ok(User { uid, gid: number(3), home: field(5).cloned() })
}

pub(super) fn group(name: &str) -> Result<u32, String> {
    let listed = entry("/etc/group", name).and_then(|fields| fields.get(2)?.parse().ok());
    listed.or_else(|| name.parse().ok()).ok_or_else(|| format!("no group {name:?} in /etc/group"))
}

/// The line whose name, or number, it is.
fn entry(file: &str, name: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(file).ok()?;
    let mut entries = text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
    entries.find(|fields| [0, 2].iter().any(|&at| fields.get(at).is_some_and(|field| field == name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let root = user("root").unwrap();
        assert_eq!((root.uid, root.gid, root.home.as_deref()), (0, Some(0), Some("/root")));
        assert_eq!(user("0").unwrap().home.as_deref(), Some("/root"));
        assert_eq!(user("54321").unwrap().uid, 54321);
        assert!(user("no such user").is_err_and(|error| error.contains("no such user")));
        assert_eq!(group("root"), Ok(0));
        assert!(group("no such group").is_err());
    }
}
