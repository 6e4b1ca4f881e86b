//! Setting up the schema.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::error::Error;

/// SQL that says `skep.` before each name of skep's, for another schema.
#[must_use]
pub fn placed(sql: &str, schema: &str) -> String {
    if schema == "skep" { sql.to_owned() } else { sql.replace("skep.", &format!("{schema}.")) }
}

/// Brings the schema to what this version knows.
///
/// # Errors
/// Whatever the server says.
pub async fn up(connection: &mut PgConnection, schema: &str) -> Result<(), Error> {
    let mut transaction = connection.begin().await?;
    let run = |sql: String| sqlx::raw_sql(AssertSqlSafe(sql));
    run(format!("create schema if not exists {schema}; set local search_path = {schema}, pg_catalog"))
        .execute(&mut *transaction)
        .await?;
    for table in skep_migrations::POSTGRES {
        run(placed(table, schema)).execute(&mut *transaction).await?;
    }
    for function in skep_migrations::POSTGRES_FUNCTIONS {
        run(placed(function, schema)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}
