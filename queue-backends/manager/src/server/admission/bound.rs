//! What a configuration says of a queue: how much it holds, and how long the low wait behind the high.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use skep_queue::TaskType;

/// The bound of a queue that nothing is said about.
pub const DEFAULT_CAPACITY: u64 = 10_000;
/// How long a manager's own store keeps what has ended, when nothing is said: whoever collects by id has so long.
pub const RETENTION: Duration = Duration::from_secs(30 * 60);

/// How many tasks that are not terminal a queue, or a type of it, holds at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// So many, whoever is connected: a number accepts for later. `10000`
    Tasks(u64),
    /// So many for each hand that is connected, one at least: nothing without a drone. `3x`
    Hands(f64),
    /// What the connected hands run now, and in so much time: nothing without a drone. `30s`
    Backlog(Duration),
    /// Any number. `none`
    None,
}

/// When a task that waits behind higher priorities counts as one priority sooner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Promote {
    /// Once it has been due for so long, and again for each such time. `30s`
    After(Duration),
    /// The same, with so many times the mean wait of the tasks handed out last. `1.5x`
    Waits(f64),
    /// Never: the order is strict. `never`
    Never,
}

/// What holds for one queue.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    /// How much it holds; absent for what queues hold that nothing is said about. What is said here is set when
    /// the manager starts, and wins over what the store has of earlier times.
    pub capacity: Option<Bound>,
    /// How much it holds of these types; others have no bound of their own.
    pub types: BTreeMap<TaskType, Bound>,
    /// When waiting tasks are promoted; absent for what the store has.
    pub promote_after: Option<Promote>,
    /// How long tasks that have ended are kept; absent for what the store has.
    pub retention: Option<Duration>,
}

/// A text that is no bound; the message shows what one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a bound: write 10000 (tasks), 3x (times the hands), 30s (of backlog), or none")]
pub struct BoundError(String);

/// A text that says no time of promotion; the message shows what one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time of promotion: write 30s, 1.5x (times the mean wait), or never")]
pub struct PromoteError(String);

// === impl Bound ===

impl Bound {
    /// Whether it is what the connected hands make it.
    #[must_use]
    pub const fn is_relative(self) -> bool {
        matches!(self, Self::Hands(_) | Self::Backlog(_))
    }
}

impl Default for Bound {
    fn default() -> Self {
        Self::Tasks(DEFAULT_CAPACITY)
    }
}

impl FromStr for Bound {
    type Err = BoundError;

    fn from_str(text: &str) -> Result<Self, BoundError> {
        let trimmed = text.trim();
        if trimmed == "none" {
            return Ok(Self::None);
        }
        let read = trimmed.parse().map(Self::Tasks).ok();
        let read = read.or_else(|| times(trimmed).map(Self::Hands));
        let read = read.or_else(|| span(trimmed).map(Self::Backlog));
        read.ok_or_else(|| BoundError(quoted(text)))
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tasks(tasks) => tasks.fmt(f),
            Self::Hands(times) => write!(f, "{times}x"),
            Self::Backlog(time) => written(*time, f),
            Self::None => f.write_str("none"),
        }
    }
}

// === impl Promote ===

impl FromStr for Promote {
    type Err = PromoteError;

    fn from_str(text: &str) -> Result<Self, PromoteError> {
        let trimmed = text.trim();
        if trimmed == "never" {
            return Ok(Self::Never);
        }
        let read = times(trimmed).map(Self::Waits).or_else(|| span(trimmed).map(Self::After));
        read.ok_or_else(|| PromoteError(quoted(text)))
    }
}

impl fmt::Display for Promote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(time) => written(*time, f),
            Self::Waits(times) => write!(f, "{times}x"),
            Self::Never => f.write_str("never"),
        }
    }
}

// === Reading ===

/// `3x`, `1.5x`
fn times(text: &str) -> Option<f64> {
    let number = plain(text.strip_suffix('x')?)?;
    (number > 0.0 && number <= 1e6).then_some(number)
}

/// `30s`, `1h30m`, `500ms`; longer than nothing.
fn span(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 5] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len()));
        let (_, each) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += plain(number)? * each;
        rest = tail.trim_start();
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero())
}

/// Digits, and at most one point: not `inf`, `nan`, `1e9` or a sign.
fn plain(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.parse().ok().filter(|_| digits)
}

/// In the largest unit that leaves no fraction.
fn written(time: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let millis = time.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    match units.iter().find(|(_, each)| millis >= *each && millis.is_multiple_of(*each)) {
        Some((unit, each)) => write!(f, "{}{unit}", millis / each),
        None => write!(f, "{millis}ms"),
    }
}

/// A hostile text may be megabytes long: only its beginning.
fn quoted(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_they_are_written() {
        let good = [
            ("10000", Bound::Tasks(10_000)),
            ("0", Bound::Tasks(0)),
            ("3x", Bound::Hands(3.0)),
            ("1.5x", Bound::Hands(1.5)),
            ("30s", Bound::Backlog(Duration::from_secs(30))),
            ("1h30m", Bound::Backlog(Duration::from_secs(5400))),
            ("500ms", Bound::Backlog(Duration::from_millis(500))),
            ("none", Bound::None),
        ];
        for (text, bound) in good {
            assert_eq!(text.parse(), Ok(bound), "{text}");
            let again: Bound = bound.to_string().parse().unwrap();
            assert_eq!(again, bound, "{text} is written {bound}");
        }
        for text in ["", "x", "0x", "-3x", "infx", "nanx", "1e3x", "3 y", "30", "s", "0s", "3xx", "-1", "1.5"]
        {
            let read = text.parse::<Bound>();
            assert_eq!(read.is_ok(), text == "30", "{text:?}: {read:?}");
        }
        let error = "3 times".parse::<Bound>().unwrap_err().to_string();
        assert!(error.contains("\"3 times\"") && error.contains("10000") && error.contains("3x"), "{error}");
    }

    #[test]
    fn times_of_promotion_are_read_as_they_are_written() {
        for (text, promote) in [
            ("30s", Promote::After(Duration::from_secs(30))),
            ("1.5x", Promote::Waits(1.5)),
            ("never", Promote::Never),
        ] {
            assert_eq!(text.parse(), Ok(promote), "{text}");
            assert_eq!(promote.to_string(), text);
        }
        for text in ["", "30", "none", "x", "0x", "0s"] {
            assert!(text.parse::<Promote>().is_err(), "{text}");
        }
    }
}
