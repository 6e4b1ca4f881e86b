//! What this version wants to stand: steps, functions, views.

use sha2::{Digest, Sha256};

use crate::schema::VERSION;

/// Something that a file of SQL puts there.
pub(super) struct Part {
    /// `step 0001`, `function now`, `views`.
    pub(super) name: String,
    pub(super) text: &'static str,
    pub(super) hash: String,
}

/// What a function is, whatever the server's version and the reader's search path: its text, and how it runs.
pub(super) const STANDS: &str = "md5(string_agg(md5(p.prosrc) || p.prosecdef::text || \
     coalesce(p.proconfig::text, '') || p.pronargs, ',' order by md5(p.prosrc), p.pronargs))";

/// SQL that says `skep.` before each name of skep's, for another schema.
#[must_use]
pub fn placed(sql: &str, schema: &str) -> String {
    if schema == "skep" {
        return sql.to_owned();
    }
    let quoted = format!("\"{schema}\"");
    sql.replace("skep.", &format!("{quoted}."))
        .replace(", skep,", &format!(", {quoted},"))
        .replace("'skep'::regnamespace", &format!("'{quoted}'::regnamespace"))
        .replace("schema skep ", &format!("schema {quoted} "))
        .replace("schema skep'", &format!("schema {quoted}'"))
}

/// In the order in which they are run.
pub(super) fn wanted() -> Vec<Part> {
    let step = |(i, text): (usize, &&'static str)| Part::new(format!("step {:04}", i + 1), text);
    let function = |text: &&'static str| Part::new(format!("function {}", name_of(text)), text);
    let steps = skep_migrations::POSTGRES.iter().enumerate().map(step);
    let functions = skep_migrations::POSTGRES_FUNCTIONS.iter().map(function);
    let views = Part::new("views".into(), skep_migrations::POSTGRES_VIEWS);
    steps.chain(functions).chain([views]).collect()
}

/// The name of the function that a file makes.
fn name_of(text: &str) -> &str {
    let made = text.lines().find_map(|line| line.strip_prefix("create ")).unwrap_or_default();
    let made = made.strip_prefix("or replace ").unwrap_or(made);
    let name = made.strip_prefix("function skep.").unwrap_or_default();
    name.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
}

impl Part {
    fn new(name: String, text: &'static str) -> Self {
        let hash = Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { name, text, hash }
    }

    /// Whether it is a step: run once, and never again.
    pub(super) fn is_step(&self) -> bool {
        self.name.starts_with("step ")
    }

    /// SQL that remembers that it was run.
    pub(super) fn remember(&self, schema: &str) -> String {
        let Self { name, hash, .. } = self;
        let stands = match name.strip_prefix("function ") {
            Some(function) => format!(
                "(select {STANDS} from pg_proc p where p.pronamespace = '\"{schema}\"'::regnamespace \
                 and p.proname = '{function}')"
            ),
            None => "null".into(),
        };
        let table = format!("\"{schema}\".schema_parts");
        format!(
            "insert into {table} (name, version, text_hash, stands) values ('{name}', {VERSION}, '{hash}', \
             {stands})\n  on conflict (name) do update set version = excluded.version, \
             text_hash = excluded.text_hash, stands = excluded.stands, at = excluded.at;\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_is_one_function_and_each_once() {
        let names: Vec<String> = wanted().into_iter().map(|part| part.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        assert!(!names.contains(&"function ".to_owned()), "a file without a function");
        for text in skep_migrations::POSTGRES_FUNCTIONS {
            let made = text.lines().filter(|line| line.starts_with("create ")).count();
            assert_eq!(made, 1, "{}", name_of(text));
        }
    }
}
