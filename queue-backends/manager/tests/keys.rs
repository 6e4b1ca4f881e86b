//! Files of keys: what is read, what is refused, and that a change is whole or not at all.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use skep_manager::{
    Grant, Key, Ring, Role,
    key::{KeyError, Pattern},
};
use skep_queue::{clock::SystemClock, testing::TestClock};
use tokio_util::task::TaskTracker;

fn grant(role: Role, types: &[&str]) -> Grant {
    Grant { types: types.iter().map(|pattern| pattern.parse().unwrap()).collect(), ..Grant::of(role) }
}

fn add(folder: &Path, name: &str, grant: Grant) -> Result<Key, KeyError> {
    Ring::add(&folder.join("keys"), name, grant, &SystemClock)
}

#[test]
fn a_key_and_its_ring_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, file) = (folder.path().join("keys"), folder.path().join("drone.key"));
    let key =
        Ring::add(&ring, "worker-7", grant(Role::Drone, &["a", "image.*"]), &*TestClock::new()).unwrap();
    key.save(&file).unwrap();
    assert_eq!(Key::load(&file).unwrap(), key);
    assert!(matches!(key.save(&file), Err(KeyError::Io { .. })), "no key is written over another");

    let other = add(folder.path(), "worker-7", Grant::of(Role::Submit)).unwrap();
    assert!(key.id != other.id && key.secret != other.secret);
    let known = Ring::load(&ring).unwrap();
    assert_eq!(known.entries().iter().map(|entry| entry.id).collect::<Vec<_>>(), [key.id, other.id]);
    let entry = known.active(key.id).unwrap();
    assert_eq!((entry.name.as_str(), &entry.grant), ("worker-7", &grant(Role::Drone, &["a", "image.*"])));

    assert!(Ring::revoke(&ring, key.id).unwrap());
    assert!(!Ring::revoke(&ring, key.id).unwrap(), "once");
    let known = Ring::load(&ring).unwrap();
    assert!(known.active(key.id).is_none() && known.active(other.id).is_some());
    assert_eq!(known.entries().len(), 2, "who had it stays known");
    let nobody = "00000000000000ff".parse().unwrap();
    assert!(Ring::revoke(&ring, nobody).unwrap_err().to_string().contains("no key 00000000000000ff"));
    for path in [&ring, &file] {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o600);
    }
}

#[test]
fn what_others_may_read_is_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, file) = (folder.path().join("keys"), folder.path().join("key"));
    add(folder.path(), "a", Grant::of(Role::View)).unwrap().save(&file).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o666] {
        let open = |path| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        open(&ring);
        open(&file);
        for error in [Key::load(&file).unwrap_err(), Ring::load(&ring).unwrap_err()] {
            let said = error.to_string();
            assert!(said.contains("others may read") && said.contains(&format!("{mode:04o}")), "{said}");
        }
        assert!(add(folder.path(), "b", Grant::of(Role::View)).is_err(), "nor is it added to");
    }
}

#[test]
fn only_the_exact_form_is_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    add(folder.path(), "a", Grant::of(Role::View)).unwrap().save(&file).unwrap();
    let good = fs::read_to_string(&file).unwrap();
    let parts = good.trim_end().split(' ').map(str::to_owned).collect::<Vec<_>>();
    let with = |at: usize, part: &str| {
        let mut parts = parts.clone();
        parts[at] = part.into();
        parts.join(" ")
    };
    let bad = [
        String::new(),
        "correct horse battery staple".into(),
        with(0, "skep-key-2"),
        with(1, "root"),
        with(2, "0123"),
        with(2, "0123456789ABCDEF"),
        with(3, "correct-horse"),
        with(3, &parts[3][..40]),
        with(3, &format!("{}AA==", parts[3])),
        format!("{good}{good}"),
        format!(" {good}"),
        good.replace(' ', "  "),
        "x".repeat(1 << 21),
    ];
    for text in bad {
        fs::write(&file, &text).unwrap();
        let error = Key::load(&file).unwrap_err().to_string();
        assert!(error.contains("this is no key"), "{error}");
        assert!(!error.contains(&parts[3]), "a mistake shows no secret");
    }
    fs::write(&file, &good[..good.len() - 1]).unwrap();
    Key::load(&file).unwrap();
}

#[test]
fn a_ring_says_where_it_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    add(folder.path(), "a", grant(Role::Drone, &["x"])).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    let line = good.lines().nth(1).unwrap();
    let table = [
        ("skep-ring-2\n".to_owned(), "line 1: this is no key ring"),
        (good.replace(" drone ", " rone "), "line 2: \"rone\" is not a role"),
        (good.replace(" x ", " X! "), "line 2: \"X!\" is neither a name"),
        (good.replace(" active ", " aktiv "), "line 2: STATE is active or revoked"),
        (good.replace(" drone", ""), "line 2: ID ROLE NAME"),
        (format!("{good}{line}\n"), "line 3: this key id is there twice"),
        (format!("{good}\n"), "line 3: ID ROLE NAME"),
    ];
    for (text, what) in table {
        fs::write(&path, text).unwrap();
        let error = Ring::load(&path).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        assert!(!error.contains(line.rsplit(' ').next().unwrap()), "a mistake shows no secret");
    }
}

#[test]
fn nonsense_is_not_granted() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["", "a b", "ä", "a\n", &"n".repeat(65)] {
        assert!(add(folder.path(), name, Grant::of(Role::View)).unwrap_err().to_string().contains("no name"));
    }
    let half = add(folder.path(), "boss", grant(Role::Admin, &["a"])).unwrap_err();
    assert!(half.to_string().contains("every type"), "{half}");
    for bad in ["", "A", "a*b", "**", "a b", "-*"] {
        assert!(bad.parse::<Pattern>().is_err(), "{bad:?}");
    }
    let covers = |pattern: &str, name| pattern.parse::<Pattern>().unwrap().covers(name);
    assert!(
        covers("a", "a") && !covers("a", "ab") && covers("a*", "ab") && covers("a*", "a") && covers("*", "b")
    );
    assert!(!covers("ab*", "a"));
}

/// Many that add at once lose nothing of one another's.
#[tokio::test(flavor = "multi_thread")]
async fn changes_come_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = TaskTracker::new();
    for at in 0..16 {
        let folder = folder.path().to_owned();
        tasks.spawn_blocking(move || add(&folder, &format!("key-{at}"), Grant::of(Role::View)).unwrap());
    }
    tasks.close();
    tasks.wait().await;
    let ring = Ring::load(&folder.path().join("keys")).unwrap();
    assert_eq!(ring.entries().len(), 16);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "and nothing lies about");
}

#[test]
fn secrets_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let key = add(folder.path(), "a", Grant::of(Role::View)).unwrap();
    let shown = format!("{key:?} {:?}", Ring::load(&folder.path().join("keys")).unwrap());
    assert_eq!(shown.matches("Secret(..)").count(), 2, "{shown}");
}
