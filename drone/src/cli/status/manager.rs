//! What a manager says of itself, beyond what its queue does.

use std::time::Duration;

use crate::{
    backend::manager::wire::view::{Hands, Load, Status},
    cli::out::{text::count, time},
    duration::Written,
};

/// Keys and what is said of them.
pub(super) fn lines(status: &Status) -> Vec<(&'static str, String)> {
    let mut lines = vec![("manager", words(status)), ("hands", hands(&status.drones))];
    lines.extend(status.drones.iter().map(|drone| ("", drone_words(drone))));
    lines.extend(status.queues.iter().filter_map(load).map(|words| ("bound", words)));
    if !status.refused.is_empty() {
        let refused = status.refused.iter().map(|(reason, n)| format!("{n} {reason}"));
        lines.push(("refused", refused.collect::<Vec<_>>().join(", ")));
    }
    lines
}

fn words(status: &Status) -> String {
    let open = if status.open { "hands out" } else { "waits for its drones to come back" };
    let (links, callers) = (count(status.links, "link"), count(status.callers, "caller"));
    format!("since {}, {open}; {links}, {callers} waiting", time(status.started_at))
}

/// A hand is free when its drone has been given fewer tasks than it has hands.
fn hands(drones: &[Hands]) -> String {
    let free: usize = drones.iter().map(|drone| drone.hands.saturating_sub(drone.assigned)).sum();
    let all: usize = drones.iter().map(|drone| drone.hands).sum();
    format!("{free} free of {all}, on {}", count(drones.len(), "drone"))
}

fn drone_words(drone: &Hands) -> String {
    let Hands { name, queue, hands, assigned, run_time } = drone;
    let each = run_time.map(|seconds| format!(", {} a run", short(seconds))).unwrap_or_default();
    format!("{name} of {queue}: has {assigned}, {}{each}", count(*hands, "hand"))
}

/// What a queue's bound comes to just now, if it has one or somebody waits.
fn load(load: &Load) -> Option<String> {
    let bound = load.bound.as_deref().filter(|bound| *bound != "none");
    let limit = match (load.limit, bound) {
        (Some(limit), Some(bound)) if limit.to_string() != bound => format!("at most {limit} ({bound})"),
        (Some(limit), _) => format!("at most {limit}"),
        (None, _) => "no bound".into(),
    };
    let part = |what: &str, seconds: Option<f64>| {
        seconds.map(|seconds| format!(", {what} {}", short(seconds))).unwrap_or_default()
    };
    let (mean, expected) =
        (part("mean wait", load.mean_wait), part("a new task may expect", load.expected_wait));
    (load.limit.is_some() || load.depth > 0)
        .then(|| format!("{}: {limit}, {} now{mean}{expected}", load.name, load.depth))
}

fn short(seconds: f64) -> Written {
    let time = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default();
    // More digits say no more.
    let unit = if time < Duration::from_millis(10) { 10_000 } else { 10_000_000 };
    Written(Duration::from_nanos(time.as_nanos() as u64 / unit * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_shown_on_a_few_lines() {
        let drone = |name: &str, assigned| Hands {
            name: name.into(),
            queue: "default".into(),
            hands: 4,
            assigned,
            run_time: Some(0.254_3),
        };
        let mail = Load {
            name: "mail".into(),
            depth: 7,
            limit: Some(24),
            bound: Some("3x".into()),
            expected_wait: Some(1.5),
            ..Load::default()
        };
        let status = Status {
            open: true,
            drones: vec![drone("a", 1), drone("b", 9)],
            queues: vec![mail, Load { name: "empty".into(), ..Load::default() }],
            links: 3,
            refused: [("queue_full".to_owned(), 12)].into(),
            ..Status::default()
        };
        let said: Vec<String> =
            lines(&status).into_iter().map(|(key, words)| format!("{key} {words}")).collect();
        assert_eq!(said[0], "manager since 1970-01-01T00:00:00Z, hands out; 3 links, 0 callers waiting");
        assert_eq!(said[1], "hands 3 free of 8, on 2 drones");
        assert_eq!(said[3], " b of default: has 9, 4 hands, 250ms a run");
        assert_eq!(said[4], "bound mail: at most 24 (3x), 7 now, a new task may expect 1s500ms");
        assert_eq!(said[5..], ["refused 12 queue_full"]);
    }
}
