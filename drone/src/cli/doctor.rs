//! `skep doctor`: what may be wrong with a backend, one line each.

use skep_queue::health::Verdict;

use super::{Exit, Failed, Form, World, schema::failed};
use crate::backend::{self, absent_file};

/// Looks for what is wrong with a backend, and says what to do. Ends with 1 if anything is bad.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_: &Args, world: &World) -> Result<Exit, Failed> {
    let url = world.url();
    world.backends.check(url).map_err(|why| Failed::new(Exit::Usage, why))?;
    if let Some(path) = absent_file(url) {
        let why = format!(
            "no queue at {} yet: submit a task first, or name another with --backend",
            path.display()
        );
        return Err(Failed::new(Exit::Unreachable, why));
    }
    let Some(findings) = backend::doctor(url, &*world.clock).await.map_err(failed)? else {
        return Err(Failed::new(Exit::Usage, "skep doctor knows sqlite: and postgres: backends"));
    };
    for finding in &findings {
        match world.out.form() {
            Form::Json => world.out.json(finding),
            _ => world.out.line(format!(
                "{:<4} {:<12} {}",
                word(finding.verdict),
                finding.subject,
                finding.words
            )),
        }
    }
    let bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    Ok(if bad { Exit::Failed } else { Exit::Ok })
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Bad => "bad",
    }
}
