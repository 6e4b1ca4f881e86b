//! What may be wrong with a database that skep lives in, in words that say what to do.

mod horizon;
mod ledger;
mod role;
mod server;

use skep_queue::{Clock, health::Finding};
use sqlx::{AssertSqlSafe, FromRow, PgConnection, postgres::PgRow};

use crate::{error::Error, schema};

/// Who looks.
struct Look<'a> {
    connection: &'a mut PgConnection,
    schema: &'a str,
    /// It commits nothing, and has no ledger.
    standby: bool,
}

/// Looks at everything; what it may not see is a finding, too.
pub(crate) async fn look(
    connection: &mut PgConnection,
    schema: &str,
    pooled: bool,
    clock: &dyn Clock,
) -> Vec<Finding> {
    let look = &mut Look { connection, schema, standby: false };
    // Whoever cannot say it fails below, in words.
    look.standby = look.row("select pg_is_in_recovery()").await.is_ok_and(|(standby,): (bool,)| standby);
    let looked = [
        ("server", server::version(look).await),
        ("schema", look.of_schema().await),
        ("rights", role::rights(look).await),
        ("durability", server::durability(look).await),
        ("settings", server::settings(look).await),
        ("connections", server::connections(look).await),
        ("horizon", horizon::holders(look).await),
        ("dead rows", ledger::dead(look).await),
        ("ledger", ledger::audit(look).await),
        ("clock", server::clock(look, clock).await),
        ("commit", server::commit(look, clock).await),
    ];
    let told = |(subject, found): (&'static str, Result<Vec<Finding>, Error>)| {
        found.unwrap_or_else(|error| vec![Finding::warn(subject, format!("cannot look: {error}"))])
    };
    let mut findings: Vec<Finding> = looked.into_iter().flat_map(told).collect();
    findings.push(match pooled {
        true => Finding::ok("pooler", "in transaction mode: each call is one transaction, nothing listens"),
        false => Finding::ok("pooler", "none noticed: prepared statements and LISTEN are used"),
    });
    findings
}

impl Look<'_> {
    /// Rows of a question, which says `skep.` before skep's names.
    async fn rows<T>(&mut self, sql: &str) -> Result<Vec<T>, Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let sql = AssertSqlSafe(schema::placed(sql, self.schema));
        Ok(sqlx::query_as(sql).persistent(false).fetch_all(&mut *self.connection).await?)
    }

    async fn row<T>(&mut self, sql: &str) -> Result<T, Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        self.rows(sql).await?.pop().ok_or_else(|| Error::Corrupt(format!("no answer to: {sql}")))
    }

    async fn of_schema(&mut self) -> Result<Vec<Finding>, Error> {
        let status = schema::status(self.connection, self.schema).await?;
        let (name, wanted) = (&status.schema, status.wanted);
        let mut found = vec![match status.version {
            None => Finding::bad("schema", format!("{name} is not set up: run skep schema up")),
            Some(version) if version > wanted => Finding::bad(
                "schema",
                format!("{name} is of version {version}, and this skep knows {wanted}: use the newer skep"),
            ),
            Some(version) if version < wanted || !status.missing.is_empty() => Finding::bad(
                "schema",
                format!(
                    "{name} is of version {version}; this skep ({wanted}) misses {}: run skep schema up",
                    list(&status.missing)
                ),
            ),
            Some(version) => Finding::ok("schema", format!("{name} is of version {version}")),
        }];
        if !status.changed.is_empty() {
            let words = format!("changed by hand: {}; skep schema up puts them right", list(&status.changed));
            found.push(Finding::bad("functions", words));
        }
        if !status.open.is_empty() {
            let words = format!("anybody may call {}; skep schema up puts it right", list(&status.open));
            found.push(Finding::bad("functions", words));
        }
        if !status.groups_missing.is_empty() {
            let words = format!(
                "not there: {}; ask an administrator to create them (nologin), then run skep schema up",
                list(&status.groups_missing)
            );
            found.push(Finding::warn("groups", words));
        }
        Ok(found)
    }
}

/// A few names.
fn list(names: &[String]) -> String {
    let more = names.len().saturating_sub(5);
    let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
