//! Durations as people write them: `30s`, `5m`, `1h30m`, `500ms`, `1d`. A plain number is seconds.
//!
//! For a field of a configuration: `#[serde(with = "crate::duration::text")]`, or `..::text::option`.

use std::{fmt, time::Duration};

/// Prints a duration in the form that [`parse`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written(pub Duration);

/// A text that is no duration; the message shows what one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration: write 30s, 5m, 1h30m, 500ms or 1d")]
pub struct DurationError(String);

/// From the largest to the smallest, as they are written.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads a duration.
///
/// # Errors
/// When the text is none, or longer than 2^64 seconds.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let trimmed = text.trim();
    let error = || DurationError(text.chars().take(80).collect());
    if trimmed.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return trimmed.parse().ok().and_then(seconds).ok_or_else(error);
    }
    parts(trimmed).ok_or_else(error)
}

fn parts(mut rest: &str) -> Option<Duration> {
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u128>().ok()?.checked_mul(*nanos)?)?;
        rest = tail.trim_start();
    }
    let seconds = u64::try_from(total / 1_000_000_000).ok()?;
    let nanos = u32::try_from(total % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, nanos))
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, nanos) in UNITS {
            if rest >= nanos {
                write!(f, "{}{unit}", rest / nanos)?;
                rest %= nanos;
            }
        }
        Ok(())
    }
}

/// For `#[serde(with)]`.
pub mod text {
    use std::{fmt, time::Duration};

    use serde::{Deserializer, Serializer, de};

    /// Writes `1m30s`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&super::Written(*duration))
    }

    /// Reads `1m30s`, or a number of seconds.
    ///
    /// # Errors
    /// When it is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        from.deserialize_any(Text)
    }

    pub(crate) struct Text;

    impl de::Visitor<'_> for Text {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration like \"30s\", \"5m\" or \"1h30m\", or a number of seconds")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            super::parse(text).map_err(E::custom)
        }

        fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
            Ok(Duration::from_secs(seconds))
        }

        fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
            let seconds = u64::try_from(seconds).map_err(|_| E::custom("a duration cannot be negative"))?;
            self.visit_u64(seconds)
        }

        fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Duration, E> {
            super::seconds(seconds).ok_or_else(|| E::custom(format!("{seconds} s is not a duration")))
        }
    }

    /// For a field that may be absent.
    pub mod option {
        use std::time::Duration;

        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        #[derive(Serialize, Deserialize)]
        struct Written(#[serde(with = "super")] Duration);

        /// Writes `1m30s`, or nothing.
        ///
        /// # Errors
        /// Those of the serializer.
        pub fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
            duration.map(Written).serialize(to)
        }

        /// Reads `1m30s`, a number of seconds, or nothing.
        ///
        /// # Errors
        /// When it is none of them.
        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<Written>::deserialize(from)?.map(|written| written.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let table = [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("1d", 86_400_000),
            ("30", 30_000),
            ("1.5", 1_500),
            (" 2h 5s ", 7_205_000),
            ("0s", 0),
        ];
        for (text, millis) in table {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_and_says_how() {
        for text in ["", "s", "5x", "-5s", "1m30", "1e3", "99999999999999999999999d", "NaN", "1..5"] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains("1h30m"), "{error}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["30s", "5m", "1h30m", "500ms", "1d", "1d2h3m4s5ms6us7ns", "0s"] {
            assert_eq!(Written(parse(text).unwrap()).to_string(), text);
        }
    }

    #[test]
    fn serves_configurations() {
        #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
        struct Config {
            #[serde(with = "text")]
            grace: Duration,
            #[serde(default, with = "text::option")]
            idle: Option<Duration>,
        }
        let config: Config = toml::from_str("grace = \"5s\"\nidle = 90").unwrap();
        assert_eq!(config.idle, Some(Duration::from_secs(90)));
        assert_eq!(toml::to_string(&config).unwrap(), "grace = \"5s\"\nidle = \"1m30s\"\n");
        assert_eq!(toml::from_str::<Config>("grace = 1.5").unwrap().idle, None);
        assert!(toml::from_str::<Config>("grace = -1").is_err());
    }
}
