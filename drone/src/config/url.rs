//! The address of a backend, which may hold a password.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize, Serializer};

/// A URL that prints without its secrets.
#[derive(Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Url(String);

/// Query keys whose values are nobody's business.
const SECRET: [&str; 6] = ["password", "pass", "sslpassword", "token", "secret", "key"];

impl Url {
    /// From its text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole of it, for the backend alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What somebody else said of it, without its secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.replace(&self.0, &self.to_string());
        if let Some(password) = self.password() {
            text = text.replace(password, "***");
        }
        text
    }

    fn password(&self) -> Option<&str> {
        let (_, rest) = self.0.split_once("://")?;
        // The last @, since people forget to encode those of a password: rather too much than too little.
        let (user, _) = rest.rsplit_once('@')?;
        user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.password() {
            Some(password) => self.0.replacen(&format!(":{password}@"), ":***@", 1),
            None => self.0.clone(),
        };
        let Some((head, query)) = text.split_once('?') else { return f.write_str(&text) };
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((key, _)) if SECRET.contains(&key) => format!("{key}=***"),
            _ => pair.to_owned(),
        });
        write!(f, "{head}?{}", pairs.collect::<Vec<_>>().join("&"))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Url {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A `sqlite:` URL whose path does not depend on where the command runs; `None` when it already is.
pub(super) fn anchored(url: &str, folder: &Path) -> Option<String> {
    let rest = url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.find('?').map_or((rest, ""), |at| rest.split_at(at));
    // `sqlite::memory:` is no path.
    if path.is_empty() || path.starts_with(['/', ':']) {
        return None;
    }
    let path = std::path::absolute(folder.join(path)).ok()?;
    Some(format!("sqlite:{}{query}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_do_not_depend_on_the_working_folder() {
        let anchored = |url| super::anchored(url, Path::new("/etc/skep"));
        assert_eq!(anchored("sqlite:./q.db").as_deref(), Some("sqlite:/etc/skep/q.db"));
        assert_eq!(anchored("sqlite://q.db").as_deref(), Some("sqlite:/etc/skep/q.db"));
        for whole in ["sqlite:/q.db", "sqlite:///q.db", "sqlite::memory:", "sqlite:", "postgres:q"] {
            assert_eq!(anchored(whole), None, "{whole}");
        }
    }

    #[test]
    fn passwords_are_never_printed() {
        let table = [
            ("postgres://u:secret@host/db", "postgres://u:***@host/db"),
            ("postgres://u:se@cr/et@host/db", "postgres://u:***@host/db"),
            ("postgres://host/db?password=secret&x=1", "postgres://host/db?password=***&x=1"),
            ("postgres:///app", "postgres:///app"),
            ("sqlite:./a@b.db", "sqlite:./a@b.db"),
        ];
        for (whole, shown) in table {
            let url = Url::new(whole);
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.into(), shown.into()));
            assert_eq!(url.reveal(), whole);
            assert!(!url.redact(&format!("cannot open {whole}: no secret")).contains("u:secret"));
        }
    }
}
