//! Where a queue is: a URL as PostgreSQL's own programs take it, with a few parameters of skep's.
//!
//! What it leaves out comes from where libpq takes it: PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSWORD, PGSSLMODE
//! and their like, and the password file (PGPASSFILE, ~/.pgpass).

mod foreign;

use std::{fmt, fs, path::PathBuf, str::FromStr, time::Duration};

use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use crate::error::Error;

/// How long a connection may take to be made, unless the URL says otherwise.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a call may take, unless the URL says otherwise.
const ANSWER: Duration = Duration::from_secs(20);
/// The server finds a dead peer within a minute or so, and lets go of what it held.
const KEEPALIVE: [(&str, &str); 3] =
    [("tcp_keepalives_idle", "30"), ("tcp_keepalives_interval", "10"), ("tcp_keepalives_count", "3")];
/// What libpq knows, and is handed on.
const LIBPQ: [&str; 11] = [
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
];
/// What skep knows besides.
const OWN: [&str; 7] =
    ["connect_timeout", "answer_timeout", "schema", "password_file", "listen", "pooler", "claims"];
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// A URL that was understood. It prints without its secrets.
#[derive(Clone)]
pub(crate) struct Address {
    /// To the server, or to the pooler before it.
    pub(crate) options: PgConnectOptions,
    pub(crate) connect_timeout: Duration,
    /// How long the client waits for what it asked.
    pub(crate) answer_timeout: Duration,
    /// The schema, if the URL names one.
    pub(crate) schema: Option<String>,
    /// Holds the password; read at each connection, since it may change.
    pub(crate) password_file: Option<PathBuf>,
    /// Where LISTEN works, when that is elsewhere.
    pub(crate) listen: Option<Box<Address>>,
    /// Whether a pooler in transaction mode is in between.
    pub(crate) pooled: bool,
    /// Whether claims wait for the disk, and so need not be remembered here.
    pub(crate) durable_claims: bool,
    /// What no text may hold.
    pub(crate) secrets: Vec<String>,
}

/// The names and values of a URL, decoded.
type Pairs = Vec<(String, String)>;

// === impl Address ===

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// In words, with what is known; never with a password.
    pub(crate) fn read(url: &str) -> Result<Self, Error> {
        let mut pairs = Vec::new();
        let query = authority(url, &mut pairs)?;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(wrong(format!("the parameter {pair:?} has no value: write {pair}=..")));
            };
            pairs.push((decoded(name)?, decoded(value)?));
        }
        Self::of(&pairs)
    }

    fn of(pairs: &Pairs) -> Result<Self, Error> {
        let mut address = Self {
            options: PgConnectOptions::new_without_pgpass(),
            connect_timeout: CONNECT,
            answer_timeout: ANSWER,
            schema: None,
            password_file: None,
            listen: None,
            pooled: false,
            durable_claims: false,
            secrets: std::env::var("PGPASSWORD").into_iter().filter(|text| !text.is_empty()).collect(),
        };
        let mut plain = String::from("postgres:///?");
        let named = |name: &str| pairs.iter().any(|(named, _)| named == name);
        if let Some(why) = foreign::environment(named, |name| std::env::var(name).ok()) {
            return Err(wrong(why));
        }
        for (name, value) in pairs {
            address.take(name, value)?;
            if LIBPQ.contains(&name.as_str()) {
                plain.push_str(&format!("{name}={}&", encoded(value)));
            }
        }
        // Through a URL, since only so is the password file looked at.
        let options = PgConnectOptions::from_str(plain.trim_end_matches(['&', '?']))
            .map_err(|error| wrong(scrubbed(&error.to_string(), &address.secrets)))?;
        // Servers of before 2004 are not met any more, and a pooler may refuse it.
        address.options = options.extra_float_digits(None);
        Ok(address)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "host" | "port" if value.contains(',') => return Err(wrong(foreign::SEVERAL)),
            "port" if value.parse::<u16>().is_err() => {
                return Err(wrong(format!("the port {value:?} is not a number from 1 to 65535")));
            }
            "sslmode" if !SSL_MODES.contains(&value) => {
                return Err(wrong(format!("sslmode={value} is unknown: known are {}", SSL_MODES.join(", "))));
            }
            "password" => self.secrets.push(value.to_owned()),
            "connect_timeout" => self.connect_timeout = seconds(name, value)?,
            "answer_timeout" => self.answer_timeout = seconds(name, value)?,
            "schema" => self.schema = Some(schema(value)?),
            "password_file" => self.password_file = Some(value.into()),
            "listen" => {
                let listen = Self::read(value).map_err(|error| wrong(format!("in listen=..: {error}")))?;
                self.secrets.extend(listen.secrets.iter().cloned());
                self.listen = Some(Box::new(listen));
            }
            "pooler" if value == "transaction" => self.pooled = true,
            "pooler" if value == "session" => {}
            "pooler" => {
                return Err(wrong(format!("pooler={value} is unknown: known are transaction and session")));
            }
            "claims" if value == "durable" => self.durable_claims = true,
            "claims" if value == "fast" => {}
            "claims" => return Err(wrong(format!("claims={value} is unknown: known are fast and durable"))),
            _ if LIBPQ.contains(&name) => {}
            _ => {
                let known = || LIBPQ.iter().chain(&OWN).copied().collect::<Vec<_>>().join(", ");
                let unknown = || format!("the parameter {name:?} is unknown: known are {}", known());
                return Err(wrong(foreign::parameter(name).unwrap_or_else(unknown)));
            }
        }
        Ok(())
    }

    /// What a connection is made with, now.
    ///
    /// # Errors
    /// When the password cannot be read.
    pub(crate) fn ready(&self, application: &str, pooled: bool) -> Result<PgConnectOptions, Error> {
        let mut options = self.options.clone().disable_statement_logging();
        if options.get_application_name().is_none() {
            options = options.application_name(application);
        }
        if let Some(file) = &self.password_file {
            let shown = file.display();
            let text = fs::read_to_string(file)
                .map_err(|error| Error::Unfit(format!("password_file: cannot read {shown}: {error}")))?;
            options = options.password(text.trim_end_matches(['\r', '\n']));
        }
        // A pooler knows none of these.
        Ok(if pooled { options.statement_cache_capacity(0) } else { options.options(KEEPALIVE) })
    }

    /// The server and the database, for people.
    pub(crate) fn place(&self) -> String {
        let options = &self.options;
        let host = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => options.get_host().to_owned(),
        };
        let database = options.get_database().unwrap_or(options.get_username());
        format!("database {database} at {host}, port {}", options.get_port())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.place(), self.options.get_username())
    }
}

// === reading ===

/// A schema's name, as it is written everywhere without quotes.
///
/// # Errors
/// When it is none.
pub(crate) fn schema(name: &str) -> Result<String, Error> {
    let good = |(i, c): (usize, char)| c == '_' || c.is_ascii_lowercase() || i > 0 && c.is_ascii_digit();
    if (1..=63).contains(&name.len()) && name.chars().enumerate().all(good) && !name.starts_with("pg_") {
        return Ok(name.to_owned());
    }
    Err(wrong(format!(
        "{name:?} is no name for skep's schema: it matches [a-z_][a-z0-9_]{{0,62}}, and does not begin with pg_"
    )))
}

/// Everything before the query; answers the query.
fn authority<'a>(url: &'a str, pairs: &mut Pairs) -> Result<&'a str, Error> {
    let rest = match url.split_once(':') {
        Some(("postgres" | "postgresql", rest)) => rest,
        _ => return Err(wrong("a Postgres URL begins with postgres: or postgresql:")),
    };
    let Some(rest) = rest.strip_prefix("//") else {
        return Err(wrong("after postgres: there must be //, as in postgres:///app or postgres://host/app"));
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // The last @, since people forget to encode one in a password.
    let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
    if let Some(user) = user {
        let (name, password) = user.split_once(':').map_or((user, None), |(name, word)| (name, Some(word)));
        say(pairs, "user", name)?;
        say(pairs, "password", password.unwrap_or_default())?;
    }
    let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
    if place.contains(',') {
        return Err(wrong(foreign::SEVERAL));
    }
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or_default()),
        None => place.split_once(':').unwrap_or((place, "")),
    };
    say(pairs, "host", host)?;
    say(pairs, "port", port)?;
    say(pairs, "dbname", database)?;
    Ok(query)
}

fn say(pairs: &mut Pairs, name: &str, value: &str) -> Result<(), Error> {
    if !value.is_empty() {
        pairs.push((name.to_owned(), decoded(value)?));
    }
    Ok(())
}

fn seconds(name: &str, text: &str) -> Result<Duration, Error> {
    match text.parse::<u64>() {
        Ok(n @ 1..=600) => Ok(Duration::from_secs(n)),
        _ => Err(wrong(format!("{name}={text} is not a number of seconds from 1 to 600"))),
    }
}

fn decoded(text: &str) -> Result<String, Error> {
    let broken = || wrong("a % in a URL begins two hexadecimal digits: write %25 for the sign itself");
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(broken)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(broken());
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| broken())?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| wrong("what a URL holds after decoding is not UTF-8"))
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A text without these words.
pub(crate) fn scrubbed(text: &str, secrets: &[String]) -> String {
    secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
}

fn wrong(text: impl Into<String>) -> Error {
    Error::Url(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Address {
        Address::read(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn a_url_is_read_as_psql_reads_it() {
        let full = read("postgresql://a%40b:s%2fe%25@[::1]:6000/my%20app?sslmode=require&application_name=x");
        let options = &full.options;
        assert_eq!((options.get_username(), options.get_host(), options.get_port()), ("a@b", "::1", 6000));
        assert_eq!((options.get_database(), options.get_application_name()), (Some("my app"), Some("x")));
        assert_eq!(full.secrets.last().map(String::as_str), Some("s/e%"));
        let socket = read("postgres:///app?host=/run/postgresql&user=me&port=7");
        assert_eq!(socket.place(), "database app at /run/postgresql, port 7");
        assert_eq!(read("postgres://u:p@ss@h/d").options.get_host(), "h", "an @ that was not encoded");
    }

    #[test]
    fn own_parameters_are_read() {
        let listen = "postgres%3A%2F%2Fu%3Ahidden%40direct%2Fapp";
        let all = read(&format!(
            "postgres://h/app?schema=jobs&pooler=transaction&claims=durable&listen={listen}&connect_timeout=2&answer_timeout=3&password_file=/run/pw"
        ));
        assert_eq!((all.schema.as_deref(), all.pooled, all.durable_claims), (Some("jobs"), true, true));
        assert_eq!(
            (all.connect_timeout, all.answer_timeout),
            (Duration::from_secs(2), Duration::from_secs(3))
        );
        assert_eq!(
            all.listen.as_ref().map(|listen| listen.place()).unwrap(),
            "database app at direct, port 5432"
        );
        assert!(all.secrets.contains(&"hidden".to_owned()));
        assert!(!format!("{all:?}").contains("hidden"));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_right() {
        let table = [
            ("mysql://h/d", "begins with postgres:"),
            ("postgres:app", "there must be //"),
            ("postgres://h/d?shema=x", "\"shema\" is unknown: known are host, port"),
            ("postgres://h/d?schema", "write schema=.."),
            ("postgres://h/d?schema=My-Schema", "[a-z_][a-z0-9_]{0,62}"),
            ("postgres://h/d?schema=pg_x", "does not begin with pg_"),
            ("postgres://h/d?pooler=statement", "known are transaction and session"),
            ("postgres://h/d?claims=safe", "known are fast and durable"),
            ("postgres://h:70000/d", "from 1 to 65535"),
            ("postgres://a,b/d", "several hosts"),
            ("postgres://a:1,b:2/d", "several hosts"),
            ("postgres://[::1],[::2]/d", "several hosts"),
            ("postgres:///d?host=a,b", "several hosts"),
            ("postgres:///d?port=1,2&host=a,b", "several hosts"),
            ("postgres:///d?service=jobs", "service is not supported: service files"),
            ("postgres://h/d?keepalives_idle=5", "keepalives_idle is not supported: skep gives up"),
            ("postgres://h/d?tcp_user_timeout=5", "answer_timeout"),
            ("postgres://h/d?target_session_attrs=read-write", "name the primary"),
            ("postgres://h/d?passfile=/p", "PGPASSFILE"),
            ("postgres://h/d?sslmode=yes", "known are disable, allow"),
            ("postgres://h/%zz", "write %25"),
            ("postgres://h/%ff", "not UTF-8"),
            ("postgres://h/%+f", "write %25"),
            ("postgres://h/d?listen=x", "in listen=.."),
            (
                "postgres://h/d?connect_timeout=0",
                "connect_timeout=0 is not a number of seconds from 1 to 600",
            ),
            ("postgres://h/d?answer_timeout=1h", "answer_timeout=1h is not a number"),
        ];
        for (url, words) in table {
            let error = Address::read(url).expect_err(url).to_string();
            assert!(error.contains(words), "{url}: {error}");
        }
    }

    #[test]
    fn no_error_holds_a_password() {
        for url in ["postgres://u:hush@h:x/d", "postgres://u:hush@h/d?x=1", "postgres:u:hush@h", "hush"] {
            let error = Address::read(url).expect_err(url);
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
    }
}
