//! The address of a backend, which may hold a password.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize, Serializer};

use crate::backend;

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

    /// With one parameter more, percent-encoded.
    #[must_use]
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
        let encode =
            |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        Self(backend::with_parameter(&self.0, name, &value.bytes().map(encode).collect::<String>()))
    }

    /// The value of a parameter, as it stands there.
    #[must_use]
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.0.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether whoever reads it learns a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        !self.secrets().is_empty()
    }

    /// What somebody else said of it, without its secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let text = text.replace(&self.0, &self.to_string());
        self.secrets().into_iter().fold(text, |text, secret| text.replace(secret, "***"))
    }

    fn secrets(&self) -> Vec<&str> {
        let query = self.0.split_once('?').map_or("", |(_, query)| query);
        let of_query = query.split('&').filter_map(|pair| {
            pair.split_once('=').filter(|(key, value)| is_secret(&self.0, key, value)).map(|(_, value)| value)
        });
        self.password().into_iter().chain(of_query).filter(|secret| !secret.is_empty()).collect()
    }

    /// Which backend it is, without anything that is secret or says who asks: no user, no password. A
    /// `sqlite:` path is absolute in it.
    #[must_use]
    pub fn bare(&self) -> String {
        if let Some(path) = self.0.strip_prefix("sqlite:") {
            let plain = || format!("sqlite:{}", path.strip_prefix("//").unwrap_or(path));
            return anchored(&self.0, Path::new("")).unwrap_or_else(plain);
        }
        let (head, query) = self.0.split_once('?').unwrap_or((&self.0, ""));
        let head =
            match head.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
                Some((scheme, (_, host))) => format!("{scheme}://{host}"),
                None => head.to_owned(),
            };
        let open = |pair: &&str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let asks = ["pass", "token", "secret", "key", "user", "listen"];
            let key = key.to_ascii_lowercase();
            !pair.is_empty()
                && !is_secret(&self.0, &key, value)
                && !asks.iter().any(|word| key.contains(word))
        };
        let query: Vec<&str> = query.split('&').filter(open).collect();
        if query.is_empty() { head } else { format!("{head}?{}", query.join("&")) }
    }

    fn password(&self) -> Option<&str> {
        let (_, rest) = self.0.split_once("://")?;
        // The last @, since people forget to encode those of a password: rather too much than too little.
        let (user, _) = rest.rsplit_once('@')?;
        user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
    }
}

/// Whether the value of a parameter is a secret. That of `listen` is a URL of its own; a manager's `key` says
/// where the key lies.
fn is_secret(url: &str, key: &str, value: &str) -> bool {
    let place = key == "key" && url.starts_with("skep:");
    SECRET.contains(&key) && !place || key == "listen" && value.contains("%40")
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.password() {
            Some(password) => self.0.replacen(&format!(":{password}@"), ":***@", 1),
            None => self.0.clone(),
        };
        let Some((head, query)) = text.split_once('?') else { return f.write_str(&text) };
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((key, value)) if is_secret(&self.0, key, value) => format!("{key}=***"),
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

/// A `sqlite:` or `unix:` URL whose paths do not depend on where the command runs; `None` when they already are.
pub(super) fn anchored(url: &str, folder: &Path) -> Option<String> {
    if let Some(paths) = url.strip_prefix("unix:") {
        let absolute = |path: &str| std::path::absolute(folder.join(path)).ok();
        let all = paths.split(',').map(|path| Some(absolute(path)?.display().to_string()));
        let whole = paths.split(',').all(|path| path.starts_with('/')) || paths.is_empty();
        return if whole {
            None
        } else {
            Some(format!("unix:{}", all.collect::<Option<Vec<_>>>()?.join(",")))
        };
    }
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
        assert_eq!(anchored("unix:s,/t").as_deref(), Some("unix:/etc/skep/s,/t"));
        for whole in [
            "unix:/run/s,/t",
            "unix:",
            "sqlite:/q.db",
            "sqlite:///q.db",
            "sqlite::memory:",
            "sqlite:",
            "postgres:q",
        ] {
            assert_eq!(anchored(whole), None, "{whole}");
        }
    }

    #[test]
    fn what_names_a_backend_says_nothing_of_who_asks() {
        let table = [
            ("postgres://u:se@c/ret@host/db?sslmode=require", "postgres://host/db?sslmode=require"),
            ("postgres://host/db?password=secret&apiKey=secret", "postgres://host/db"),
            ("postgres:///db?host=/run&listen=postgres%3A%2F%2Fu%3Asecret%40h", "postgres:///db?host=/run"),
            ("skep://secret@host:7000", "skep://host:7000"),
            ("audit:/x.jsonl:postgres://u:secret@host/db", "audit:/x.jsonl:postgres://host/db"),
            ("sqlite:/var/a@b.db", "sqlite:/var/a@b.db"),
            ("sqlite:///var/q.db", "sqlite:/var/q.db"),
        ];
        for (whole, bare) in table {
            assert_eq!(Url::new(whole).bare(), bare);
        }
        let here = std::path::absolute("q.db").unwrap();
        assert_eq!(Url::new("sqlite:./q.db").bare(), format!("sqlite:{}", here.display()));
    }

    #[test]
    fn a_parameter_is_added_as_it_is_meant() {
        let file = |url| Url::new(url).with("password_file", "/run/a b").reveal().to_owned();
        assert_eq!(file("postgres:///app"), "postgres:///app?password_file=/run/a%20b");
        assert_eq!(file("postgres:///app?x=1"), "postgres:///app?x=1&password_file=/run/a%20b");
        assert!(!Url::new("postgres:///app?password_file=/run/x").has_password());
    }

    #[test]
    fn passwords_are_never_printed() {
        let table = [
            ("postgres://u:secret@host/db", "postgres://u:***@host/db"),
            ("postgres://u:se@cr/et@host/db", "postgres://u:***@host/db"),
            ("postgres://host/db?password=secret&x=1", "postgres://host/db?password=***&x=1"),
            ("postgres:///app", "postgres:///app"),
            ("postgres:///app?listen=postgres%3A%2F%2Fu%3Asecret%40h", "postgres:///app?listen=***"),
            ("sqlite:./a@b.db", "sqlite:./a@b.db"),
            ("skep://host?key=/etc/drone.key", "skep://host?key=/etc/drone.key"),
        ];
        for (whole, shown) in table {
            let url = Url::new(whole);
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.into(), shown.into()));
            assert_eq!(url.reveal(), whole);
            assert!(!url.redact(&format!("cannot open {whole}: no secret")).contains("u:secret"));
        }
    }
}
