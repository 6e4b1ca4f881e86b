//! Keys: one random secret per principal. A principal keeps its own in a file ([`Key`]); the manager keeps all of
//! them, with what each may do, in its ring ([`Ring`]).

mod ring;

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    str::FromStr,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use zeroize::{Zeroize, Zeroizing};

pub use ring::{Entry, Grant, Pattern, Ring};

/// What a principal's key file begins with.
const FORM: &str = "skep-key-1";
/// Longer files are no keys.
const LONGEST: u64 = 1 << 20;

/// Names a key: eight random bytes, in hexadecimal. No secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; 8]);

/// Thirty-two random bytes. Never shown, and overwritten when dropped.
#[derive(Clone)]
pub struct Secret([u8; 32]);

/// What the holder of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Submits tasks and waits for them.
    Submit,
    /// Claims tasks and settles them.
    Drone,
    /// Looks at counts, states and ages.
    View,
    /// Everything.
    Admin,
}

/// A principal's own key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Which.
    pub id: KeyId,
    /// What its holder connects as.
    pub role: Role,
    /// What only the holder and the manager know.
    pub secret: Secret,
}

/// Why a file is no key, or no ring.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file system said so.
    #[error("{path}: {error}", path = .path.display())]
    Io {
        /// Of which file.
        path: PathBuf,
        /// What.
        error: io::Error,
    },
    /// Others may read it, so it is no secret.
    #[error("{path}: others may read or write this file (mode {mode:04o}): chmod 600 it, or make a new key", path = .path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is not what it should be.
    #[error("{path}: {what}", path = .path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
    /// What was asked makes no sense.
    #[error("{0}")]
    Refused(String),
}

// === impl KeyId ===

impl KeyId {
    pub(crate) fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; 8];
        fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl FromStr for KeyId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let id = if hex { u64::from_str_radix(text, 16).ok() } else { None };
        id.map(|id| Self(id.to_be_bytes())).ok_or_else(|| "a key id is 16 hexadecimal digits".into())
    }
}

// === impl Secret ===

impl Secret {
    /// From the system's own source: what a key is worth depends on it, so that it is not injected.
    pub(crate) fn random() -> Result<Self, KeyError> {
        let mut secret = Self([0; 32]);
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// One that is known, for fuzzers.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) const fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64_STANDARD.encode(self.0))
    }

    /// Only the exact form: no pass phrase is one by chance.
    fn from_text(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(text).ok()?);
        Some(Self(bytes.as_slice().try_into().ok()?))
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    /// In the same time wherever they differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

impl Eq for Secret {}

/// From the operating system.
fn fill(bytes: &mut [u8]) -> Result<(), KeyError> {
    let chance = DefaultResolver.resolve_rng();
    let filled = chance.is_some_and(|mut chance| chance.try_fill_bytes(bytes).is_ok());
    if filled { Ok(()) } else { Err(KeyError::Refused("the system has no random bytes".into())) }
}

// === impl Role ===

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Submit, Self::Drone, Self::View, Self::Admin];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Drone => "drone",
            Self::View => "view",
            Self::Admin => "admin",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Submit => "submit tasks and wait for them",
            Self::Drone => "claim and settle tasks",
            Self::View => "look at counts and states",
            Self::Admin => "do everything",
        }
    }

    /// Whether who has this role may connect as that one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self == Self::Admin || self == other
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or_else(|| format!("{text:?} is not a role: use submit, drone, view or admin"))
    }
}

// === impl Key ===

impl Key {
    /// Reads a principal's key file: `skep-key-1 ROLE ID SECRET`, one line.
    ///
    /// # Errors
    /// A file that others may read, or that holds anything else.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = read_secret(path)?;
        let key = text.strip_suffix('\n').unwrap_or(&text).split(' ').collect::<Vec<_>>();
        let parsed = if let [FORM, role, id, secret] = key[..] {
            role.parse().ok().zip(id.parse().ok()).zip(Secret::from_text(secret))
        } else {
            None
        };
        let Some(((role, id), secret)) = parsed else {
            let what = format!("this is no key: `skep key new` makes one ({FORM} ROLE ID SECRET)");
            return Err(KeyError::Form { path: path.to_owned(), what });
        };
        Ok(Self { id, role, secret })
    }

    /// Writes it to a new file with mode 0600.
    ///
    /// # Errors
    /// What the system says: the file exists.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        let secret = self.secret.to_text();
        let text = Zeroizing::new(format!("{FORM} {} {} {}\n", self.role, self.id, *secret));
        write_secret(path, &text).map_err(|error| KeyError::Io { path: path.to_owned(), error })
    }
}

/// The text of a file that nobody else may read.
fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let failed = |error| KeyError::Io { path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    let (mode, size) = file.metadata().map(|file| (file.mode() & 0o7777, file.size())).map_err(failed)?;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open { path: path.to_owned(), mode });
    }
    // Whole at once: a text that grows leaves its beginnings behind.
    let mut text = Zeroizing::new(String::with_capacity(LONGEST.min(size + 1) as usize));
    file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// A new file that nobody else may read, on disk.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
