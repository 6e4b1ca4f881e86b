//! Where a manager is, as a URL says it.

use std::{path::PathBuf, sync::Arc};

use super::Place;
use crate::key::Key;

/// The port of a manager that listens on the network, unless a URL says another.
pub const PORT: u16 = 7676;
/// Names the file of the key, for URLs that do not.
pub const KEY_VARIABLE: &str = "SKEP_KEY";
/// What a manager is called, unless it or a URL says otherwise.
pub const NAME: &str = "skep";

/// A URL of a manager, understood.
///
/// * `unix:/run/skep.sock`, or several: `unix:/run/one.sock,/run/two.sock`
/// * `skep://host:7676,host2/?key=/etc/skep/drone.key&name=skep`: the port is 7676, the name `skep`, and the key
///   that of `SKEP_KEY`, when absent
///
/// A `%` begins two hexadecimal digits: `%20` is a space, `%2C` a comma.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// In the order in which they are tried.
    pub hosts: Vec<Host>,
    /// The file of the key; of no use where only sockets are named.
    pub key: Option<PathBuf>,
    /// What the manager must be called.
    pub name: String,
}

/// One place of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A host's name or address, and a port: `host:7676`, `[::1]:7676`.
    Tcp(String),
}

/// What is wrong with a URL. It names the URL, which holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} {why}")]
pub struct AddressError {
    url: String,
    why: String,
}

impl Address {
    /// Reads a URL; the key of one that names none is that of `SKEP_KEY`.
    ///
    /// # Errors
    /// In words: what is wrong, and how it is written.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let key = std::env::var_os(KEY_VARIABLE).filter(|path| !path.is_empty());
        Self::read(url, key.map(PathBuf::from)).map_err(|why| AddressError { url: url.to_owned(), why })
    }

    /// The places, with the key read from its file.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn places(&self) -> Result<Vec<Place>, AddressError> {
        let place = |host: &Host| match host {
            Host::Unix(path) => Ok(Place::Unix(path.clone())),
            Host::Tcp(host) => {
                let wrong = |why| AddressError { url: format!("skep://{host}"), why };
                let path = self.key.as_ref().ok_or_else(|| wrong("needs a key".into()))?;
                let key = Key::load(path).map_err(|error| wrong(format!("has no key: {error}")))?;
                Ok(Place::Tcp { at: host.clone(), key: Arc::new(key), name: self.name.clone() })
            }
        };
        self.hosts.iter().map(place).collect()
    }

    fn read(url: &str, key: Option<PathBuf>) -> Result<Self, String> {
        let (head, query) = url.split_once('?').unwrap_or((url, ""));
        let mut address = Self { hosts: Vec::new(), key, name: NAME.to_owned() };
        if let Some(paths) = head.strip_prefix("unix:") {
            for path in paths.strip_prefix("//").unwrap_or(paths).split(',') {
                address.hosts.push(socket(path)?);
            }
        } else if let Some(rest) = head.strip_prefix("skep://") {
            let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
            if !path.is_empty() {
                return Err(format!("has a path, /{path}, and a manager has none: leave it out"));
            }
            for host in hosts.split(',') {
                address.hosts.push(Host::Tcp(with_port(host)?));
            }
        } else {
            return Err("is no manager: write unix:PATH, or skep://HOST[:PORT]/?key=PATH".into());
        }
        address.parameters(query)?;
        let network = address.hosts.iter().any(|host| matches!(host, Host::Tcp(_)));
        if network && address.key.is_none() {
            return Err(format!("needs a key: add ?key=PATH or set {KEY_VARIABLE}"));
        }
        Ok(address)
    }

    fn parameters(&mut self, query: &str) -> Result<(), String> {
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = plain(value)?;
            match name {
                _ if value.is_empty() => return Err(format!("says nothing for {name}: write {name}=VALUE")),
                "key" => self.key = Some(value.into()),
                "name" => self.name = value,
                _ => return Err(format!("has a parameter {name:?}: known are key and name")),
            }
        }
        Ok(())
    }
}

fn socket(path: &str) -> Result<Host, String> {
    if path.is_empty() {
        return Err("names no socket: write unix:PATH, as in unix:/run/skep.sock".into());
    }
    plain(path).map(|path| Host::Unix(path.into()))
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`, with its port.
fn with_port(host: &str) -> Result<String, String> {
    if host.contains('@') {
        return Err("has a user: a manager knows keys instead, as in ?key=PATH".into());
    }
    // The colons within brackets are the address's own.
    let (name, port) = match host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    if name.is_empty() || name == "[]" {
        return Err("names no host: write skep://HOST[:PORT]".into());
    }
    if name.contains(':') && !name.starts_with('[') {
        return Err(format!("names the host {host:?}: write an IPv6 address in brackets, as in [::1]"));
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
            format!("names the port {port:?} of {name}: a port is a number from 1 to 65535")
        })?,
        None => PORT,
    };
    Ok(format!("{name}:{port}"))
}

/// Without its percent signs.
fn plain(text: &str) -> Result<String, String> {
    let wrong = || format!("has a % in {text:?} that begins no character: write %25 for a percent sign");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, String> {
        Address::read(url, None)
    }

    fn tcp(url: &str) -> Vec<String> {
        let hosts = read(&format!("{url}?key=k")).unwrap().hosts;
        hosts
            .into_iter()
            .map(|host| if let Host::Tcp(host) = host { host } else { panic!("{host:?}") })
            .collect()
    }

    #[test]
    fn sockets_are_paths() {
        let unix = |url| read(url).unwrap().hosts;
        assert_eq!(unix("unix:/run/skep.sock"), [Host::Unix("/run/skep.sock".into())]);
        assert_eq!(unix("unix:///run/skep.sock"), [Host::Unix("/run/skep.sock".into())]);
        assert_eq!(unix("unix:a%20b,/c%2Cd"), [Host::Unix("a b".into()), Host::Unix("/c,d".into())]);
    }

    #[test]
    fn hosts_have_ports_and_stand_in_order() {
        assert_eq!(tcp("skep://one"), ["one:7676"]);
        assert_eq!(tcp("skep://one:1,two/"), ["one:1", "two:7676"]);
        assert_eq!(tcp("skep://[::1],[::2]:9"), ["[::1]:7676", "[::2]:9"]);
        let address = read("skep://h/?key=/etc/a%20key&name=east").unwrap();
        assert_eq!((address.key, address.name.as_str()), (Some("/etc/a key".into()), "east"));
        assert_eq!(Address::read("skep://h", Some("env".into())).unwrap().key, Some("env".into()));
        assert_eq!(Address::read("skep://h?key=k", Some("env".into())).unwrap().key, Some("k".into()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            ("skep://h", "needs a key: add ?key=PATH or set SKEP_KEY"),
            ("unix:", "names no socket: write unix:PATH"),
            ("unix:/a,,/b", "names no socket"),
            ("skep://?key=k", "names no host"),
            ("skep://:1?key=k", "names no host"),
            ("skep://h:0?key=k", "the port \"0\" of h: a port is a number from 1 to 65535"),
            ("skep://h:http?key=k", "the port \"http\" of h"),
            ("skep://::1?key=k", "write an IPv6 address in brackets"),
            ("skep://u@h?key=k", "has a user"),
            ("skep://h/queue?key=k", "has a path, /queue"),
            ("skep://h?key=", "says nothing for key"),
            ("skep://h?keyfile=k", "has a parameter \"keyfile\": known are key and name"),
            ("skep://h?key=%zz", "that begins no character"),
            ("skep:h", "is no manager"),
            ("tcp:h", "is no manager"),
        ];
        for (url, why) in table {
            let said = read(url).unwrap_err();
            assert!(said.contains(why), "{url}: {said}");
        }
        let error = Address::parse("unix:").unwrap_err().to_string();
        assert!(error.starts_with("\"unix:\" names no socket"), "{error}");
    }
}
