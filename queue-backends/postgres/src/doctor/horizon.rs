//! Who keeps dead rows from being removed: an old snapshot anywhere slows every claim down.

use skep_queue::health::Finding;

use super::Look;
use crate::error::Error;

/// Seconds after which a snapshot is in the way.
const OLD: f64 = 300.0;

pub(super) async fn holders(look: &mut Look<'_>) -> Result<Vec<Finding>, Error> {
    let mut found = snapshots(look).await?;
    let prepared: Vec<(String, f64)> = look
        .rows("select gid, extract(epoch from clock_timestamp() - prepared)::float8 from pg_prepared_xacts order by 2 desc limit 3")
        .await?;
    for (gid, age) in prepared {
        let words = format!(
            "the prepared transaction {gid:?} is {age:.0} s old: commit prepared or rollback prepared"
        );
        found.push(if age > OLD { Finding::bad("horizon", words) } else { Finding::warn("horizon", words) });
    }
    let slots: Vec<(String, i64)> = look
        .rows(
            "select slot_name::text, greatest(age(xmin), age(catalog_xmin))::bigint from pg_replication_slots \
             where not active and (xmin is not null or catalog_xmin is not null or restart_lsn is not null)",
        )
        .await
        .or_else(|_: Error| Ok::<_, Error>(Vec::new()))?;
    for (slot, _) in slots {
        let words = format!(
            "nobody reads the replication slot {slot}: it keeps WAL, and may keep dead rows; \
             bring its reader back, or pg_drop_replication_slot it"
        );
        found.push(Finding::warn("horizon", words));
    }
    if found.is_empty() {
        found.push(Finding::ok("horizon", "nothing keeps dead rows from being removed"));
    }
    Ok(found)
}

async fn snapshots(look: &mut Look<'_>) -> Result<Vec<Finding>, Error> {
    let old: Vec<(i32, String, String, i32, f64)> = look
        .rows(
            "select pid, coalesce(usename, backend_type)::text, coalesce(application_name, ''), age(backend_xmin), \
             extract(epoch from clock_timestamp() - coalesce(xact_start, backend_start))::float8 \
             from pg_stat_activity where backend_xmin is not null and pid <> pg_backend_pid() \
             and coalesce(xact_start, backend_start) < clock_timestamp() - interval '60 seconds' \
             order by 4 desc limit 3",
        )
        .await?;
    let told = old.into_iter().map(|(pid, who, application, age, seconds)| {
        let words = format!(
            "process {pid} ({who}, {application:?}) holds a snapshot for {seconds:.0} s, {age} transactions back: \
             end what it does, or select pg_terminate_backend({pid})"
        );
        if seconds > OLD { Finding::bad("horizon", words) } else { Finding::warn("horizon", words) }
    });
    Ok(told.collect())
}
