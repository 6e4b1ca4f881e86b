//! What stands in a schema, as the server tells.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{
    VERSION,
    parts::{Part, STANDS},
};
use crate::error::Error;

/// The groups that skep's rights are given to.
pub(super) const GROUPS: [&str; 4] = ["skep_submit", "skep_drone", "skep_view", "skep_admin"];
const GROUPS_THAT_ARE: &str = "(select coalesce(string_agg(rolname, ' ' order by rolname), '') from pg_roles \
     where rolname in ('skep_submit', 'skep_drone', 'skep_view', 'skep_admin'))";

/// What stands in a schema.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Whether the schema is there.
    pub(super) exists: bool,
    pub(super) version: Option<i32>,
    /// The hash of each part's text.
    hashes: HashMap<String, String>,
    /// Functions that are not as they were put there.
    pub(super) changed: Vec<String>,
    /// Functions that anybody may call.
    pub(super) open: Vec<String>,
    /// The groups that are there, and those that were when rights were given.
    pub(super) groups: String,
    pub(super) groups_then: String,
}

impl Standing {
    pub(super) async fn read(connection: &mut PgConnection, schema: &str) -> Result<Self, Error> {
        let (exists, table, groups): (bool, bool, String) = sqlx::query_as(AssertSqlSafe(format!(
            "select to_regnamespace('\"{schema}\"') is not null, \
             to_regclass('\"{schema}\".schema_parts') is not null, {GROUPS_THAT_ARE}"
        )))
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?;
        let mut standing = Self { exists, groups, ..Self::default() };
        if !exists {
            return Ok(standing);
        }
        if table {
            standing.parts(connection, schema).await?;
        }
        let open = sqlx::query_scalar(
            "select p.proname::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace \
             where n.nspname = $1 and (p.proacl is null or exists \
             (select from aclexplode(p.proacl) a where a.grantee = 0)) order by 1",
        );
        standing.open = open.bind(schema).persistent(false).fetch_all(connection).await?;
        Ok(standing)
    }

    async fn parts(&mut self, connection: &mut PgConnection, schema: &str) -> Result<(), Error> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "select s.name, s.version, s.text_hash, s.stands is distinct from now.stands as changed \
             from \"{schema}\".schema_parts s left join (select 'function ' || p.proname as name, {STANDS} as stands \
             from pg_proc p where p.pronamespace = '\"{schema}\"'::regnamespace group by p.proname) now using (name)"
        )))
        .persistent(false)
        .fetch_all(connection)
        .await?;
        for row in rows {
            let (name, hash): (String, String) = (row.try_get("name")?, row.try_get("text_hash")?);
            if name == "rights" {
                self.groups_then = hash;
                continue;
            }
            self.version = self.version.max(row.try_get("version")?);
            if row.try_get("changed")? {
                self.changed.push(name.trim_start_matches("function ").to_owned());
            }
            self.hashes.insert(name, hash);
        }
        self.changed.sort();
        Ok(())
    }

    /// Whether a part stands there as this version wants it.
    pub(super) fn holds(&self, part: &Part) -> bool {
        let same = self.hashes.get(&part.name).is_some_and(|hash| part.is_step() || *hash == part.hash);
        let touched =
            part.name.strip_prefix("function ").is_some_and(|name| self.changed.iter().any(|c| c == name));
        same && !touched
    }

    pub(super) fn groups_missing(&self) -> Vec<String> {
        let there: Vec<&str> = self.groups.split(' ').collect();
        GROUPS.iter().filter(|group| !there.contains(group)).map(ToString::to_string).collect()
    }
}

/// SQL that remembers to which groups rights were given.
pub(super) fn remember_groups(schema: &str) -> String {
    format!(
        "insert into \"{schema}\".schema_parts (name, version, text_hash) select 'rights', {VERSION}, \
         {GROUPS_THAT_ARE}\n  on conflict (name) do update set version = excluded.version, \
         text_hash = excluded.text_hash, at = excluded.at;\n"
    )
}
