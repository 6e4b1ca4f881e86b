//! Effects exactly once: a handler that writes to the database of its queue completes its task in the same
//! transaction. Either both are so, or neither is.

use serde::Serialize;
use skep_queue::{Holder, Receipt};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{address, error::Error, schema};

/// What a handler's context can do where its queue is in the database it writes to.
///
/// ```ignore
/// async fn transfer(order: Order, context: Context) -> Result<(), HandlerError> {
///     let mut transaction = pool.begin().await?;
///     sqlx::query("update accounts set balance = balance - $1 where id = $2")
///         .bind(order.amount).bind(order.from).execute(&mut *transaction).await?;
///     context.complete_in(&mut transaction, &"moved").await?;
///     transaction.commit().await?;
///     Ok(())
/// }
/// ```
pub trait CompleteIn: Holder + Sync {
    /// Completes the task in this transaction, as its last step: what comes after it is not undone with it, but
    /// keeps the queue waiting. Its queue lies in schema `skep` of the same database. The handler then commits
    /// and returns well; what it returns is not stored again.
    ///
    /// # Errors
    /// When the claim was lost, the task has follow-ups, or the database fails. The transaction cannot commit
    /// then: drop it, and fail.
    fn complete_in<R: Serialize + Sync>(
        &self,
        transaction: &mut PgConnection,
        result: &R,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let receipt = self.receipt().map_err(Error::Refused);
        let result = serde_json::to_string(result).map_err(|error| Error::Refused(error.to_string()));
        async move { complete_in(transaction, "skep", receipt?, Some(result?)).await }
    }
}

impl<H: Holder + Sync> CompleteIn for H {}

/// The same for a queue in another schema, and with the result as JSON text.
///
/// # Errors
/// As [`CompleteIn::complete_in`].
pub async fn complete_in(
    transaction: &mut PgConnection,
    schema: &str,
    receipt: Receipt,
    result: Option<String>,
) -> Result<(), Error> {
    let schema = address::schema(schema)?;
    let sql = schema::placed("select skep.complete_in($1, $2, $3)", &schema);
    let call = sqlx::query(AssertSqlSafe(sql)).bind(receipt.task.0).bind(receipt.claim.0).bind(result);
    call.execute(transaction).await?;
    Ok(())
}
