//! The server: its version, what it promises of a commit, its settings, its clock.

use skep_queue::{Clock, health::Finding};

use super::Look;
use crate::error::Error;

/// Versions that were tried.
const OLDEST: i32 = 14;
const NEWEST: i32 = 18;
/// A drone's clock is never compared with the server's, but a person compares logs.
const CLOCKS: f64 = 2.0;
/// Commits that are timed.
const COMMITS: usize = 5;
const SLOW: f64 = 50.0;

pub(super) async fn version(look: &mut Look<'_>) -> Result<Vec<Finding>, Error> {
    let (number, standby, read_only): (i32, bool, bool) = look
        .row(
            "select current_setting('server_version_num')::int, pg_is_in_recovery(), \
             current_setting('default_transaction_read_only')::bool",
        )
        .await?;
    let (major, minor) = (number / 10000, number % 10000);
    let mut found = vec![match major {
        _ if major < OLDEST => {
            Finding::bad("server", format!("PostgreSQL {major}.{minor}: skep needs {OLDEST} or later"))
        }
        _ if major > NEWEST => Finding::warn(
            "server",
            format!("PostgreSQL {major}.{minor}: newer than what this skep was tried on ({NEWEST})"),
        ),
        _ => Finding::ok("server", format!("PostgreSQL {major}.{minor}")),
    }];
    if standby {
        found.push(Finding::bad("server", "it is a standby, and read-only: name the primary, or promote it"));
    } else if read_only {
        let words = "default_transaction_read_only is on for this role or database: nothing can be queued";
        found.push(Finding::bad("server", words));
    }
    Ok(found)
}

pub(super) async fn durability(look: &mut Look<'_>) -> Result<Vec<Finding>, Error> {
    let (fsync, pages, commit): (String, String, String) = look
        .row(
            "select current_setting('fsync'), current_setting('full_page_writes'), \
             current_setting('synchronous_commit')",
        )
        .await?;
    let mut found = Vec::new();
    if fsync == "off" {
        found.push(Finding::bad("durability", "fsync is off: a power cut may destroy the whole database"));
    }
    if pages == "off" {
        let words =
            "full_page_writes is off: a power cut may destroy pages, unless the file system cannot tear them";
        found.push(Finding::bad("durability", words));
    }
    if commit == "off" {
        let words =
            "synchronous_commit is off: a submit that was acknowledged may be lost with the power; set it on";
        found.push(Finding::bad("durability", words));
    }
    let lax: Vec<(String,)> = look
        .rows(
            "select coalesce('role ' || r.rolname, 'every role') || coalesce(' in database ' || d.datname, '') \
             from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole \
             left join pg_database d on d.oid = s.setdatabase \
             where s.setconfig::text ~ 'synchronous_commit=off' \
             and (s.setdatabase = 0 or d.datname = current_database())",
        )
        .await?;
    for (who,) in lax {
        let words =
            format!("synchronous_commit is off for {who}: what it submits may be lost with the power");
        found.push(Finding::bad("durability", words));
    }
    if found.is_empty() {
        found.push(Finding::ok(
            "durability",
            format!("a commit waits for the disk (synchronous_commit {commit})"),
        ));
        let words = "claims do not wait for it: after a crash of the server nothing is handed out before the drones \
                     have said what they hold";
        found.push(Finding::ok("durability", words));
    }
    Ok(found)
}

pub(super) async fn settings(look: &mut Look<'_>) -> Result<Vec<Finding>, Error> {
    let (vacuum, counts, compression, wal, limit): (String, String, String, i64, i64) = look
        .row(
            "select current_setting('autovacuum'), current_setting('track_counts'), \
             current_setting('wal_compression'), pg_size_bytes(current_setting('max_wal_size')) / 1048576, \
             (extract(epoch from current_setting('statement_timeout')::interval) * 1000)::bigint",
        )
        .await?;
    let mut found = Vec::new();
    if vacuum == "off" || counts == "off" {
        let words = "autovacuum or track_counts is off: a queue is slow within hours; set both on";
        found.push(Finding::bad("settings", words));
    }
    if compression == "off" {
        let words = "wal_compression is off: lz4 (or on) halves what a checkpoint costs";
        found.push(Finding::warn("settings", words));
    }
    if wal < 4096 {
        let words =
            format!("max_wal_size is {wal} MiB: under load it checkpoints often; 4GB or more is better");
        found.push(Finding::warn("settings", words));
    }
    if (1..5000).contains(&limit) {
        let words =
            format!("statement_timeout is {limit} ms for this role: 5s or more, or calls fail under load");
        found.push(Finding::warn("settings", words));
    }
    if found.is_empty() {
        found.push(Finding::ok("settings", "autovacuum, wal_compression, max_wal_size, statement_timeout"));
    }
    Ok(found)
}

pub(super) async fn connections(look: &mut Look<'_>) -> Result<Vec<Finding>, Error> {
    let (used, most): (i64, i32) = look
        .row(
            "select count(*), current_setting('max_connections')::int from pg_stat_activity \
             where backend_type = 'client backend'",
        )
        .await?;
    let words = format!("{used} of {most} are used; a drone takes up to 4");
    Ok(vec![if used * 5 > i64::from(most) * 4 {
        Finding::warn("connections", format!("{words}: raise max_connections, or use a pooler"))
    } else {
        Finding::ok("connections", words)
    }])
}

pub(super) async fn clock(look: &mut Look<'_>, clock: &dyn Clock) -> Result<Vec<Finding>, Error> {
    let before = clock.now().micros();
    let (theirs,): (i64,) =
        look.row("select (extract(epoch from clock_timestamp()) * 1000000)::bigint").await?;
    let ours = i64::midpoint(before, clock.now().micros());
    let apart = (theirs - ours) as f64 / 1e6;
    Ok(vec![if apart.abs() > CLOCKS {
        let words = format!(
            "the server's is {apart:+.1} s from this machine's: due times are the server's; check NTP"
        );
        Finding::warn("clock", words)
    } else {
        Finding::ok("clock", format!("the server's is {apart:+.3} s from this machine's"))
    }])
}

/// A commit that waits for the disk; it leaves a few bytes of WAL and nothing else.
pub(super) async fn commit(look: &mut Look<'_>, clock: &dyn Clock) -> Result<Vec<Finding>, Error> {
    if look.standby {
        return Ok(vec![Finding::ok("commit", "a standby commits nothing of its own")]);
    }
    let mut times = Vec::new();
    for _ in 0..COMMITS {
        let begun = clock.now().micros();
        let _: (bool,) =
            look.row("select pg_logical_emit_message(true, 'skep', 'doctor') is not null").await?;
        times.push((clock.now().micros() - begun) as f64 / 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(COMMITS / 2).copied().unwrap_or_default();
    let words = format!("{median:.1} ms, the wire included");
    Ok(vec![if median > SLOW {
        Finding::warn(
            "commit",
            format!("{words}: slow; submit in batches, and look at the disk and the network"),
        )
    } else {
        Finding::ok("commit", words)
    }])
}
