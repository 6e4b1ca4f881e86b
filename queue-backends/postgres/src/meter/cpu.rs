//! The processor time of a server on this machine, from /proc: what its processes used that are gone, and what
//! those have used that are there.

use std::{fs, time::Duration};

/// /proc counts in hundredths of a second, whatever the kernel does.
const TICK: Duration = Duration::from_millis(10);

/// The pid of the first process of a server, told another of them; `None` when that is none here.
pub(super) fn postmaster(backend: i32) -> Option<String> {
    stat(&backend.to_string()).filter(|stat| stat.name.starts_with("postgres")).map(|stat| stat.parent)
}

/// Of the postmaster and all its children; `None` when that is not to be had.
pub(super) fn of_server(postmaster: &str) -> Option<Duration> {
    let gone = stat(postmaster)?;
    let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).ok()?;
    // One that ends just now is missed here, or found above, at the next reading.
    let living = children.split_whitespace().filter_map(running).sum::<Duration>();
    Some(gone.own + gone.children + living)
}

/// In nanoseconds where the kernel says so, since a short run is few ticks long.
fn running(pid: &str) -> Option<Duration> {
    let exact = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok();
    let nanos = exact.and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanos.map(Duration::from_nanos).or_else(|| stat(pid).map(|stat| stat.own))
}

struct Stat {
    name: String,
    parent: String,
    own: Duration,
    /// Of the children that it has waited for.
    children: Duration,
}

fn stat(pid: &str) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses, and may hold some.
    let (head, rest) = text.rsplit_once(") ")?;
    let name = head.split_once(" (")?.1.to_owned();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok();
    let (own, children) = (ticks(11)? + ticks(12)?, ticks(13)? + ticks(14)?);
    let parent = (*fields.get(1)?).to_owned();
    Some(Stat { name, parent, own: TICK * own, children: TICK * children })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_says_what_it_used() {
        let own = stat("self").unwrap();
        assert!(own.parent.parse::<u32>().is_ok(), "{}", own.parent);
        assert!(running("self").unwrap() > Duration::ZERO);
        assert_eq!(postmaster(std::process::id().cast_signed()), None, "no postgres");
        let parent = own.parent;
        assert!(of_server(&parent).is_none_or(|used| used > Duration::ZERO), "{parent}");
    }
}
