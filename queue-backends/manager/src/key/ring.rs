//! The manager's ring: every key, and what each may do.

use std::{
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    str::FromStr,
};

use skep_queue::{Clock, QueueName, TaskType, Timestamp};
use zeroize::Zeroizing;

use super::{Key, KeyError, KeyId, Role, Secret, read_secret, write_secret};

/// The first line of a ring.
const FORM: &str = "skep-ring-1";
/// Longest name of a principal.
const NAME: usize = 64;

/// A name, or a beginning of names with `*` behind it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(String);

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// As whom it connects.
    pub role: Role,
    /// Of which types; all when empty.
    pub types: Vec<Pattern>,
    /// In which queues; all when empty.
    pub queues: Vec<Pattern>,
}

/// A key, as the manager knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub id: KeyId,
    /// Whose, for people and the audit log: 1 to 64 letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// What it may do.
    pub grant: Grant,
    /// When it was made.
    pub created_at: Timestamp,
    /// It is not to be used any more.
    pub revoked: bool,
    pub(crate) secret: Secret,
}

/// Every key of a manager: a file that only the manager's user may read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ring {
    entries: Vec<Entry>,
}

// === impl Pattern ===

impl Pattern {
    /// Whether this name is one of those.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => self.0 == name,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Pattern {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_suffix('*').unwrap_or(text);
        let well = name.is_empty() && text == "*" || name.parse::<TaskType>().is_ok();
        if well {
            Ok(Self(text.into()))
        } else {
            Err(format!("{text:?} is neither a name nor a beginning and *"))
        }
    }
}

// === impl Grant ===

impl Grant {
    /// This role, for every type and queue.
    #[must_use]
    pub const fn of(role: Role) -> Self {
        Self { role, types: Vec::new(), queues: Vec::new() }
    }

    /// Whether tasks of this type in this queue are covered.
    #[must_use]
    pub fn covers(&self, queue: &QueueName, task_type: &TaskType) -> bool {
        self.covers_queue(queue) && self.covers_type(task_type)
    }

    /// Whether tasks of this type are, in some queue.
    #[must_use]
    pub fn covers_type(&self, task_type: &TaskType) -> bool {
        self.types.is_empty() || self.types.iter().any(|pattern| pattern.covers(task_type.as_str()))
    }

    /// Whether this queue is, for some types.
    #[must_use]
    pub fn covers_queue(&self, queue: &QueueName) -> bool {
        self.queues.is_empty() || self.queues.iter().any(|pattern| pattern.covers(queue.as_str()))
    }

    /// What it is good for.
    pub(crate) fn in_words(&self) -> String {
        let some = |what: &str, patterns: &[Pattern]| match patterns {
            [] => String::new(),
            some => format!(", {what} {}", list(some)),
        };
        format!("may {}{}{}", self.role.in_words(), some("types", &self.types), some("queues", &self.queues))
    }
}

// === impl Ring ===

impl Ring {
    /// Every key, the oldest first, revoked ones too.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The key of this id, unless it has been revoked.
    #[must_use]
    pub fn active(&self, id: KeyId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id && !entry.revoked)
    }

    /// Reads a ring.
    ///
    /// # Errors
    /// A file that others may read, or that holds anything else.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = read_secret(path)?;
        let wrong = |line: usize, what: &str| KeyError::Form {
            path: path.to_owned(),
            what: format!("line {}: {what}", line + 1),
        };
        let mut lines = text.lines().enumerate();
        if lines.next().is_none_or(|(_, line)| line != FORM) {
            return Err(wrong(0, "this is no key ring: `skep key new` makes one"));
        }
        let mut ring = Self::default();
        for (at, line) in lines {
            let entry = read_entry(line).map_err(|what| wrong(at, &what))?;
            if ring.entries.iter().any(|known| known.id == entry.id) {
                return Err(wrong(at, "this key id is there twice"));
            }
            ring.entries.push(entry);
        }
        Ok(ring)
    }

    /// Makes a key, adds it to the ring at this place (which is made when there is none), and answers it. Two
    /// active keys may have one name: that is how a key is replaced.
    ///
    /// # Errors
    /// A ring that cannot be read or written, a name of another form, an admin's key for some types only.
    pub fn add(path: &Path, name: &str, grant: Grant, clock: &dyn Clock) -> Result<Key, KeyError> {
        let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > NAME || !name.chars().all(fine) {
            let what = format!("{name:?} is no name of a key: 1 to {NAME} letters, digits, '.', '_' and '-'");
            return Err(KeyError::Refused(what));
        }
        if grant.role == Role::Admin && !(grant.types.is_empty() && grant.queues.is_empty()) {
            return Err(KeyError::Refused("an admin's key is for every type and queue".into()));
        }
        let key = Key { id: KeyId::random()?, role: grant.role, secret: Secret::random()? };
        let (id, name, secret) = (key.id, name.into(), key.secret.clone());
        let entry = Entry { id, name, grant, created_at: clock.now(), revoked: false, secret };
        change(path, true, |ring| {
            ring.entries.push(entry);
            Ok(())
        })?;
        Ok(key)
    }

    /// Revokes a key; a running manager ends its links within two seconds. False when it had been revoked.
    ///
    /// # Errors
    /// A ring that cannot be read or written, or has no such key.
    pub fn revoke(path: &Path, id: KeyId) -> Result<bool, KeyError> {
        change(path, false, |ring| {
            let entry = ring.entries.iter_mut().find(|entry| entry.id == id);
            let entry =
                entry.ok_or_else(|| KeyError::Refused(format!("no key {id} in {}", path.display())))?;
            Ok(!std::mem::replace(&mut entry.revoked, true))
        })
    }

    fn to_text(&self) -> Zeroizing<String> {
        // Room for all of it: a text that grows leaves its beginnings behind.
        let size = |grant: &Grant| 256 + 65 * (grant.types.len() + grant.queues.len());
        let size = self.entries.iter().map(|entry| size(&entry.grant)).sum::<usize>();
        let mut text = Zeroizing::new(String::with_capacity(64 + size));
        text.push_str(FORM);
        text.push('\n');
        for Entry { id, name, grant: Grant { role, types, queues }, created_at, revoked, secret } in
            &self.entries
        {
            let state = if *revoked { "revoked" } else { "active" };
            let (types, queues, secret) = (list(types), list(queues), secret.to_text());
            let created = created_at.micros();
            text.push_str(&format!("{id} {role} {name} {types} {queues} {created} {state} {}\n", *secret));
        }
        text
    }
}

/// Changes the ring in the file: whole or not at all, and one at a time.
fn change<T>(
    path: &Path,
    make: bool,
    how: impl FnOnce(&mut Ring) -> Result<T, KeyError>,
) -> Result<T, KeyError> {
    let failed = |error| KeyError::Io { path: path.to_owned(), error };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let lock = File::open(folder).and_then(|folder| folder.lock().map(|()| folder)).map_err(failed)?;
    let mut ring = match Ring::load(path) {
        Err(KeyError::Io { error, .. }) if make && error.kind() == io::ErrorKind::NotFound => Ring::default(),
        ring => ring?,
    };
    let answer = how(&mut ring)?;
    let new = PathBuf::from(format!("{}.new", path.display()));
    let written = || {
        // What a crash left there.
        let _ = std::fs::remove_file(&new);
        write_secret(&new, &ring.to_text())?;
        std::fs::rename(&new, path)?;
        lock.sync_all()
    };
    written().map_err(failed)?;
    Ok(answer)
}

/// `a,b*`, or `-` for all.
fn list(patterns: &[Pattern]) -> String {
    if patterns.is_empty() {
        return "-".into();
    }
    patterns.iter().map(Pattern::to_string).collect::<Vec<_>>().join(",")
}

fn read_entry(line: &str) -> Result<Entry, String> {
    let [id, role, name, types, queues, created, state, secret] = line.split(' ').collect::<Vec<_>>()[..]
    else {
        return Err("ID ROLE NAME TYPES QUEUES CREATED STATE SECRET are expected".into());
    };
    let patterns = |text: &str| match text {
        "-" => Ok(Vec::new()),
        _ => text.split(',').map(str::parse).collect::<Result<Vec<Pattern>, _>>(),
    };
    let micros = created.parse().map_err(|_| "CREATED is in microseconds since 1970".to_owned())?;
    Ok(Entry {
        id: id.parse()?,
        name: name.into(),
        grant: Grant { role: role.parse()?, types: patterns(types)?, queues: patterns(queues)? },
        created_at: Timestamp::from_micros(micros),
        revoked: match state {
            "active" => false,
            "revoked" => true,
            _ => return Err("STATE is active or revoked".into()),
        },
        secret: Secret::from_text(secret).ok_or("SECRET is 32 bytes in base64")?,
    })
}
