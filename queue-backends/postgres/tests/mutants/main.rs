//! A suite that has never failed proves nothing: the functions of the fleet's queue are broken on purpose, in
//! one way after the other, and each fault must be caught by the clause that says so; or, where the contract
//! has no word for it, by a check of `checks.rs`.
//!
//! A mutant is the sound schema with some text of its functions replaced. In its short form the test runs the
//! one clause that is named; with `SKEP_LONG=1` all of them, and
//! `SKEP_LONG=1 cargo test -p skep-postgres --test mutants -- --nocapture` prints the table.
#![expect(clippy::print_stdout, reason = "the table")]

#[path = "../fixture/mod.rs"]
mod fixture;

mod checks;
mod crash;
mod own;
mod ported;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use skep_migrations::{POSTGRES_FUNCTIONS, POSTGRES_VIEWS};
use skep_queue::{
    Clock,
    clock::SystemClock,
    testing::{CLAUSES, ClauseFn, TestClock},
};
use sqlx::{AssertSqlSafe, Connection};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use self::checks::{CHECKS, CheckFn};

/// How long a clause may take on a mutant.
const MOST: Duration = Duration::from_secs(20);
/// Clauses that run at one time, and mutants of which one clause runs.
const AT_ONCE: usize = 6;

/// A function of the schema, or `views`, a text in it, and what stands there instead, wherever it occurs.
type Patch = (&'static str, &'static str, &'static str);

/// What is broken on purpose.
#[derive(Debug, Clone, Copy)]
struct Mutant {
    name: &'static str,
    /// A clause, or a check, that must be among those that catch it.
    caught_by: &'static str,
    patches: &'static [Patch],
}

const fn fault(name: &'static str, caught_by: &'static str, patches: &'static [Patch]) -> Mutant {
    Mutant { name, caught_by, patches }
}

/// What looks at a queue, and panics when something is wrong.
#[derive(Clone, Copy)]
enum Look {
    Clause(ClauseFn),
    Check(CheckFn),
}

// === impl Mutant ===

impl Mutant {
    /// The SQL that makes the sound schema this one.
    ///
    /// # Errors
    /// When a text is not there to be replaced.
    fn sql(&self) -> Result<String, String> {
        let mut functions = BTreeMap::new();
        for (function, was, is) in self.patches {
            let text = functions.entry(*function).or_insert_with(|| source(function));
            if !text.contains(was) {
                return Err(format!("{}: {function} has no {was:?}", self.name));
            }
            *text = text.replace(was, is);
        }
        Ok(format!("set search_path = skep, pg_temp;\n{}", functions.into_values().collect::<String>()))
    }

    /// The name of a database that holds it, empty.
    ///
    /// # Errors
    /// When the server does not like it.
    async fn database(&self) -> Result<String, String> {
        let name = fixture::copy(fixture::template().await).await;
        let (mut own, words) = (fixture::connection(&name).await, |e| format!("{}: {e}", self.name));
        sqlx::raw_sql(AssertSqlSafe(self.sql()?)).execute(&mut own).await.map_err(words)?;
        own.close().await.map_err(words)?;
        Ok(name)
    }
}

/// What a function's file says, or that of the views.
fn source(function: &str) -> String {
    if function == "views" {
        return POSTGRES_VIEWS.to_owned();
    }
    let begins = format!("create or replace function skep.{function}(");
    let mut texts = POSTGRES_FUNCTIONS.iter().filter(|text| text.contains(&begins));
    texts.next().unwrap_or_else(|| panic!("no function {function}")).to_string()
}

fn mutants() -> impl Iterator<Item = &'static Mutant> {
    ported::PORTED.iter().chain(own::OWN)
}

/// All that can look, by name.
fn looks() -> HashMap<&'static str, Look> {
    let clauses = CLAUSES.iter().map(|(name, clause)| (*name, Look::Clause(*clause)));
    clauses.chain(CHECKS.iter().map(|(name, check)| (*name, Look::Check(*check)))).collect()
}

/// Whether a look at this database panics, or never ends.
async fn fails(name: &str, look: Look) -> bool {
    let url = fixture::server().url(name);
    let bench = fixture::bench(&url, TestClock::new());
    let mut one = JoinSet::new();
    match look {
        Look::Clause(clause) => one.spawn(clause(bench)),
        Look::Check(check) => one.spawn(check(bench, url)),
    };
    let ended = timeout(MOST, one.join_next()).await;
    one.shutdown().await;
    !matches!(ended, Ok(Some(Ok(()))))
}

/// Runs everything, each on a copy of this database; answers the names of those that failed.
async fn failed(template: &str) -> BTreeSet<&'static str> {
    let (mut running, gate) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    for (name, look) in looks() {
        let (template, gate) = (template.to_owned(), Arc::clone(&gate));
        running.spawn(async move {
            let _turn = gate.acquire_owned().await;
            let copy = fixture::copy(&template).await;
            let failed = fails(&copy, look).await;
            fixture::remove(&copy).await;
            failed.then_some(name)
        });
    }
    running.join_all().await.into_iter().flatten().collect()
}

/// Panics of looks are what is asked for: not a word about them.
fn hush() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some("tokio-rt-worker") {
            before(panic);
        }
    }));
}

/// All of them, or the one that `SKEP_MUTANT` names.
fn asked() -> impl Iterator<Item = &'static Mutant> {
    let one = std::env::var("SKEP_MUTANT").ok();
    mutants().filter(move |mutant| one.as_deref().is_none_or(|one| one == mutant.name))
}

fn is_long() -> bool {
    std::env::var_os("SKEP_LONG").is_some()
}

/// What is named, on its mutant.
async fn by_the_named_ones() -> Vec<String> {
    let (looks, gate) = (looks(), Arc::new(Semaphore::new(AT_ONCE)));
    let mut running = JoinSet::new();
    for mutant in asked() {
        let (look, gate) = (looks[mutant.caught_by], Arc::clone(&gate));
        running.spawn(async move {
            let _turn = gate.acquire_owned().await;
            let name = match mutant.database().await {
                Ok(name) => name,
                Err(why) => return Some(why),
            };
            let caught = fails(&name, look).await;
            fixture::remove(&name).await;
            (!caught).then(|| format!("{} was to be caught by {}", mutant.name, mutant.caught_by))
        });
    }
    running.join_all().await.into_iter().flatten().collect()
}

/// Everything on every mutant, with a line of the table for each.
async fn by_all() -> Vec<String> {
    let sound = failed(fixture::template().await).await;
    assert!(sound.is_empty(), "without a mutant: {sound:?}");
    let mut wrong = Vec::new();
    for mutant in asked() {
        let template = mutant.database().await.expect("a database");
        let by = failed(&template).await;
        fixture::remove(&template).await;
        let named = by.contains(mutant.caught_by);
        let list: Vec<&str> = by.into_iter().collect();
        println!("| {} | {} | {}", mutant.name, list.len(), list.join(", "));
        if !named {
            wrong.push(format!(
                "{} was to be caught by {}, and was by {list:?}",
                mutant.name, mutant.caught_by
            ));
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_mutant_is_caught() {
    hush();
    let begun = SystemClock.elapsed();
    let wrong = if is_long() { by_all().await } else { by_the_named_ones().await };
    println!("{} mutants in {:.1} s", asked().count(), (SystemClock.elapsed() - begun).as_secs_f64());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn the_checks_hold_without_a_mutant() {
    for (name, check) in CHECKS {
        let url = fixture::database().await;
        check(fixture::bench(&url, TestClock::new()), url).await;
        println!("{name}");
    }
}

/// So that the table does not rot.
#[test]
fn every_patch_applies_and_every_name_is_known() {
    let (looks, mut names) = (looks(), BTreeSet::new());
    for mutant in mutants() {
        mutant.sql().expect("it applies");
        assert!(looks.contains_key(mutant.caught_by), "{} is caught by nothing that is known", mutant.name);
        assert!(names.insert(mutant.name), "{} is there twice", mutant.name);
    }
    let checked: BTreeSet<&str> = mutants().map(|mutant| mutant.caught_by).collect();
    let idle: Vec<_> =
        CHECKS.iter().filter(|(name, _)| !checked.contains(name)).map(|(name, _)| name).collect();
    assert!(idle.is_empty(), "these checks catch nothing: {idle:?}");
}
