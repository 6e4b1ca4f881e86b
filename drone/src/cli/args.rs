//! Words on the command line that several verbs read.

use std::time::Duration;

use jiff::{ToSpan, Zoned, civil};
use skep_queue::{Cause, TaskId, Timestamp};

use crate::duration;

/// A duration, for clap.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

/// A task's id, for clap.
pub(super) fn id(text: &str) -> Result<TaskId, String> {
    text.parse().map_err(|_| format!("{text:?} is not an id: it is a UUID, as `skep submit` prints it"))
}

/// `key=value`, for clap.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is no pair: write key=value"))?;
    if key.is_empty() { Err("a pair begins with its key".into()) } else { Ok((key.into(), value.into())) }
}

/// What to do with what is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// Say so.
    Now,
    /// Try again for so long.
    Wait(Duration),
    /// Keep it for later.
    Spool,
}

/// A word for "say so", or `wait`, or `wait=30s`, or `spool`.
pub(super) fn otherwise(text: &str, now: &str) -> Result<Otherwise, String> {
    const LONG: Duration = Duration::from_secs(30);
    match text.split_once('=') {
        _ if text == now => Ok(Otherwise::Now),
        None if text == "wait" => Ok(Otherwise::Wait(LONG)),
        None if text == "spool" => Ok(Otherwise::Spool),
        Some(("wait", time)) => span(time).map(Otherwise::Wait),
        _ => Err(format!("{text:?} is unknown here: use {now}, wait, wait=30s or spool")),
    }
}

/// A cause of failure by its name.
pub(super) fn cause(text: &str) -> Result<Cause, String> {
    serde_json::from_value(text.into()).map_err(|_| {
        format!("{text:?} is no cause: use failed, panicked, timed_out, exited, crashed, lost, interrupted, cancelled, poison, protocol or unstorable")
    })
}

/// A moment: RFC 3339, or as people say it, in the zone of `now`. A bare time is the next such time.
pub(super) fn moment(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let text = text.trim();
    let of = |at: jiff::Timestamp| Timestamp::from_micros(at.as_microsecond());
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(of(at));
    }
    civil_moment(text, now).map(|at| of(at.timestamp())).ok_or_else(|| {
        format!("{text:?} is not a time: write 2026-12-24T18:00:00Z, \"2026-12-24 18:00\", \"tomorrow 9:00\", \"today 17:30\" or 9:00")
    })
}

fn civil_moment(text: &str, now: &Zoned) -> Option<Zoned> {
    let (day, time) = match text.split_once([' ', 'T']) {
        Some((day, time)) => (Some(day), clock(time.trim())?),
        None => (None, clock(text)?),
    };
    let date = match day {
        Some("today") | None => now.date(),
        Some("tomorrow") => now.date().checked_add(1.day()).ok()?,
        Some(date) => date.parse().ok()?,
    };
    let at = date.to_datetime(time).to_zoned(now.time_zone().clone()).ok()?;
    if day.is_none() && at <= *now {
        let tomorrow = date.checked_add(1.day()).ok()?;
        return tomorrow.to_datetime(time).to_zoned(now.time_zone().clone()).ok();
    }
    Some(at)
}

/// `9:00`, `17:30` or `17:30:05`.
fn clock(text: &str) -> Option<civil::Time> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |part: &&str| (1..=2).contains(&part.len()).then(|| part.parse::<u8>().ok()).flatten();
    let numbers: Vec<i8> = parts.iter().map(|p| number(p)?.try_into().ok()).collect::<Option<_>>()?;
    match numbers[..] {
        [hour, minute] => civil::Time::new(hour, minute, 0, 0).ok(),
        [hour, minute, second] => civil::Time::new(hour, minute, second, 0).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Berlin, two hours before UTC, 25 October 2026, the day on which clocks go back at 3:00.
    fn now() -> Zoned {
        "2026-10-24T12:30:00+02:00[Europe/Berlin]".parse().unwrap()
    }

    fn read(text: &str) -> Result<String, String> {
        moment(text, &now()).map(super::super::out::time)
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let table = [
            ("2026-12-24T18:00:00Z", "2026-12-24T18:00:00Z"),
            ("2026-12-24T18:00:00+01:00", "2026-12-24T17:00:00Z"),
            ("2026-12-24 18:00", "2026-12-24T17:00:00Z"),
            ("2026-12-24T18:00", "2026-12-24T17:00:00Z"),
            ("today 17:30", "2026-10-24T15:30:00Z"),
            ("today 9:00", "2026-10-24T07:00:00Z"),
            ("tomorrow 9:00", "2026-10-25T08:00:00Z"),
            ("17:30:05", "2026-10-24T15:30:05Z"),
            ("9:00", "2026-10-25T08:00:00Z"),
        ];
        for (text, at) in table {
            assert_eq!(read(text).as_deref(), Ok(at), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_how_to_write_one() {
        for text in
            ["", "soon", "25:00", "9", "9:60", "2026-13-01 9:00", "yesterday 9:00", "-1:00", "9:00 pm"]
        {
            let error = read(text).expect_err(text);
            assert!(error.contains("tomorrow 9:00"), "{error}");
        }
    }

    #[test]
    fn waiting_has_a_time() {
        assert_eq!(otherwise("reject", "reject"), Ok(Otherwise::Now));
        assert_eq!(otherwise("wait", "fail"), Ok(Otherwise::Wait(Duration::from_secs(30))));
        assert_eq!(otherwise("wait=2m", "fail"), Ok(Otherwise::Wait(Duration::from_secs(120))));
        assert_eq!(otherwise("spool", "fail"), Ok(Otherwise::Spool));
        for wrong in ["reject", "spool=1m", ""] {
            assert!(otherwise(wrong, "fail").unwrap_err().contains("use fail, wait"), "{wrong}");
        }
    }
}
