//! Whether the ledger of room agrees with the tasks, and how many dead rows a claim steps over.

use skep_queue::health::Finding;

use super::Look;
use crate::error::Error;

/// Dead rows that a claim does not notice.
const FEW: i64 = 50_000;

/// What is bounded, its capacity, the tasks in it, and the room in its cells, in one snapshot. None: the
/// ledger is empty, and is counted anew by whoever submits next.
const AUDIT: &str = "
    with bounded as (
      select q.id as scope, 'queue ' || q.name as what, q.capacity,
        (select coalesce(sum(t.n), 0) from skep.lanes l join skep.tasks t on t.lane = l.id where l.queue = q.id) as depth
      from skep.queues q where q.capacity is not null
      union all
      select -l.id, 'type ' || l.task_type || ' of queue ' || q.name, l.capacity,
        (select coalesce(sum(t.n), 0) from skep.tasks t where t.lane = l.id)
      from skep.lanes l join skep.queues q on q.id = l.queue where l.capacity is not null
    )
    select what, capacity, depth::bigint, (select sum(c.room)::bigint from skep.cells c where c.scope = b.scope) as room
    from bounded b order by what";

pub(super) async fn audit(look: &mut Look<'_>) -> Result<Vec<Finding>, Error> {
    if look.standby {
        return Ok(vec![Finding::ok("ledger", "a standby has none; once promoted it counts anew")]);
    }
    let rows: Vec<(String, i64, i64, Option<i64>)> = look.rows(AUDIT).await?;
    let mut found = Vec::new();
    for (what, capacity, depth, room) in &rows {
        let counts = format!("{what}: {depth} of {capacity} tasks");
        match room {
            None => found.push(Finding::ok("ledger", format!("{counts}; counted anew at the next submit"))),
            Some(room) if depth + room == *capacity => found.push(Finding::ok("ledger", counts)),
            Some(room) => {
                let words = format!(
                    "{counts}, but the ledger has room for {room}: it is {} off; setting the capacity again counts anew",
                    depth + room - capacity
                );
                found.push(Finding::bad("ledger", words));
            }
        }
    }
    if rows.is_empty() {
        found.push(Finding::ok("ledger", "nothing is bounded"));
    }
    Ok(found)
}

pub(super) async fn dead(look: &mut Look<'_>) -> Result<Vec<Finding>, Error> {
    let (live, dead): (i64, i64) = look
        .row(
            "select coalesce(pg_stat_get_live_tuples(to_regclass('skep.tasks')), 0), \
             coalesce(pg_stat_get_dead_tuples(to_regclass('skep.tasks')), 0)",
        )
        .await?;
    let words = format!("tasks has {dead} beside {live} live ones");
    Ok(vec![if dead > FEW.max(live) {
        Finding::warn(
            "dead rows",
            format!("{words}: autovacuum does not keep up, or something holds the horizon"),
        )
    } else {
        Finding::ok("dead rows", words)
    }])
}
