//! Setting up the schema: what this version wants to stand there, what stands, and the SQL in between.
//!
//! It takes no superuser and no extension: the right to create in the database, or a schema of the role's own.

mod parts;
mod state;

use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

pub use parts::placed;
use parts::{Part, wanted};
use state::Standing;

use crate::error::Error;

/// One runner at a time in a database; the number means nothing.
const LOCK: i64 = 0x736b_6570_0001;
/// What this version puts there.
const VERSION: i32 = skep_migrations::POSTGRES_VERSION;

/// How a schema compares with what this version wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The schema.
    pub schema: String,
    /// Who last set it up; none when nobody did.
    pub version: Option<i32>,
    /// What this skep would make of it.
    pub wanted: i32,
    /// Parts that are not there, or come from another version's text.
    pub missing: Vec<String>,
    /// Functions that somebody changed by hand.
    pub changed: Vec<String>,
    /// Functions that anybody may call: rights were given by hand.
    pub open: Vec<String>,
    /// Groups of the server that are not there.
    pub groups_missing: Vec<String>,
}

impl Status {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.version == Some(self.wanted)
            && self.missing.is_empty()
            && self.changed.is_empty()
            && self.open.is_empty()
    }
}

/// Brings the schema to what this version wants, in one transaction; answers what was done. Safe to repeat, and
/// to run twice at once. Drones may go on meanwhile.
///
/// # Errors
/// When the schema is newer than this version, rights are missing, or the server fails: nothing is changed.
pub async fn up(connection: &mut PgConnection, schema: &str) -> Result<Vec<String>, Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .persistent(false)
        .execute(&mut *transaction)
        .await?;
    let standing = Standing::read(&mut transaction, schema).await?;
    let (names, sql) = difference(&standing, schema)?;
    if !names.is_empty() {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(names)
}

/// The SQL that [`up`] would run, for somebody else's tool; empty when there is nothing to do.
///
/// # Errors
/// When the schema is newer than this version, or the server fails.
pub async fn plan(connection: &mut PgConnection, schema: &str) -> Result<String, Error> {
    let mut transaction = connection.begin().await?;
    let standing = Standing::read(&mut transaction, schema).await?;
    transaction.commit().await?;
    let (names, sql) = difference(&standing, schema)?;
    Ok(if names.is_empty() {
        String::new()
    } else {
        format!("begin;\nselect pg_advisory_xact_lock({LOCK});\n{sql}commit;\n")
    })
}

/// Compares.
///
/// # Errors
/// When the server fails.
pub async fn status(connection: &mut PgConnection, schema: &str) -> Result<Status, Error> {
    let mut transaction = connection.begin().await?;
    let standing = Standing::read(&mut transaction, schema).await?;
    transaction.commit().await?;
    let missing = wanted().into_iter().filter(|part| !standing.holds(part)).map(|part| part.name);
    Ok(Status {
        schema: schema.to_owned(),
        version: standing.version,
        wanted: VERSION,
        missing: missing.collect(),
        changed: standing.changed.clone(),
        open: standing.open.clone(),
        groups_missing: standing.groups_missing(),
    })
}

/// Whether this version can work with a schema of that one.
pub(crate) fn usable(version: i32, schema: &str) -> Result<(), Error> {
    match version {
        _ if version > VERSION => Err(newer(version, schema)),
        // One step back works with the functions that it has: drones may be newer while a fleet is upgraded.
        _ if version > 0 && version + 1 >= VERSION => Ok(()),
        _ => Err(Error::Unfit(format!(
            "schema {schema} is of version {version}, and this skep needs {VERSION}: run skep schema up"
        ))),
    }
}

fn newer(version: i32, schema: &str) -> Error {
    Error::Unfit(format!(
        "schema {schema} is of version {version}, and this skep knows {VERSION}: use the newer skep"
    ))
}

/// What is to be done, and the SQL that does it.
fn difference(standing: &Standing, schema: &str) -> Result<(Vec<String>, String), Error> {
    if let Some(version) = standing.version.filter(|version| *version > VERSION) {
        return Err(newer(version, schema));
    }
    let todo: Vec<Part> = wanted().into_iter().filter(|part| !standing.holds(part)).collect();
    let rights = !standing.open.is_empty() || standing.groups != standing.groups_then;
    if todo.is_empty() && !rights && standing.version == Some(VERSION) {
        return Ok((Vec::new(), String::new()));
    }
    let mut sql = String::new();
    if !standing.exists {
        sql += &format!("create schema \"{schema}\";\n");
    }
    // Last of all, or else pg_temp would be first.
    sql += &format!("set local search_path = \"{schema}\", pg_catalog, pg_temp;\n");
    sql += skep_migrations::POSTGRES_PARTS;
    let mut names = Vec::new();
    for part in &todo {
        sql += &placed(part.text, schema);
        sql += &part.remember(schema);
        names.push(part.name.clone());
    }
    sql += &placed(skep_migrations::POSTGRES_ROLES, schema);
    sql += &state::remember_groups(schema);
    names.push("rights".into());
    Ok((names, sql))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_of_another_version_is_told() {
        assert!(usable(VERSION, "skep").is_ok());
        let newer = usable(VERSION + 2, "skep").expect_err("newer").to_string();
        assert_eq!(newer, "schema skep is of version 3, and this skep knows 1: use the newer skep");
        let older = usable(0, "jobs").expect_err("older").to_string();
        assert_eq!(older, "schema jobs is of version 0, and this skep needs 1: run skep schema up");
    }

    #[test]
    fn names_are_placed_in_another_schema() {
        let sql = "create function skep.f() set search_path = pg_catalog, skep, pg_temp; grant x on schema skep to skep_view";
        assert_eq!(placed(sql, "skep"), sql);
        let moved = "create function \"jobs\".f() set search_path = pg_catalog, \"jobs\", pg_temp; grant x on schema \"jobs\" to skep_view";
        assert_eq!(placed(sql, "jobs"), moved);
    }
}
