//! Whose eyes these are, and what they may do.

use skep_queue::health::Finding;

use super::Look;
use crate::error::Error;

pub(super) async fn rights(look: &mut Look<'_>) -> Result<Vec<Finding>, Error> {
    let (role, superuser): (String, bool) =
        look.row("select current_user::text, rolsuper from pg_roles where rolname = current_user").await?;
    let groups: Vec<(String,)> = look
        .rows(
            "select rolname::text from pg_roles \
             where rolname in ('skep_submit', 'skep_drone', 'skep_view', 'skep_admin') \
             and pg_has_role(current_user, oid, 'usage') order by 1",
        )
        .await?;
    let groups: Vec<String> = groups.into_iter().map(|(group,)| group).collect();
    let schema = look.schema.to_owned();
    let (owner,): (bool,) = look
        .row(&format!(
            "select coalesce((select pg_has_role(current_user, nspowner, 'usage') from pg_namespace \
             where nspname = '{schema}'), false)"
        ))
        .await?;
    Ok(vec![if superuser {
        let words = format!("{role} is a superuser: a drone needs no more than the group skep_drone");
        Finding::warn("rights", words)
    } else if owner {
        let words = format!("{role} owns the schema: a drone needs no more than the group skep_drone");
        Finding::warn("rights", words)
    } else if groups.is_empty() {
        let words = format!(
            "{role} is in none of skep's groups: grant skep_drone to {role} (or skep_submit, skep_view)"
        );
        Finding::bad("rights", words)
    } else {
        Finding::ok("rights", format!("{role} is in {}", groups.join(", ")))
    }])
}
