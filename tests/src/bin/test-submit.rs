//! One of many submitters: pushes tasks at a queue that has little room, and writes down every answer. Or,
//! as the control of the experiment, does what a naive queue would do.

use std::{fs::OpenOptions, io::Write, path::Path, process::ExitCode, sync::Arc, time::Duration};

use skep_queue::{
    Backend, Block, BlockId, Clock, Error, Random, Submission, Submitted, block,
    clock::{SystemClock, SystemRandom},
};
use skep_sqlite::Connection;
use skep_tests::{
    backend,
    journal::Journal,
    plan::{self, Answers, Pusher, Way},
    witness::Witness,
};

/// How long a patient submitter asks, and how often.
const PATIENCE: Duration = Duration::from_secs(120);
const AGAIN: Duration = Duration::from_millis(50);

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let done = std::env::var(plan::VARIABLE).map_err(Failure::from).and_then(|text| {
        let pusher: Pusher = serde_json::from_str(&text)?;
        let answers = match pusher.way {
            Way::Queue | Way::Patient => push(&pusher)?,
            Way::Counting => naive(&pusher)?,
            Way::Lazy => lazy(&pusher)?,
        };
        Ok(std::fs::write(&pusher.answers, serde_json::to_vec(&answers)?)?)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            ExitCode::from(3)
        }
    }
}

#[expect(clippy::print_stderr, reason = "errors are talk")]
fn tell(error: &Failure) {
    eprintln!("error: {error}");
}

fn push(pusher: &Pusher) -> Result<Answers, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut queue = runtime.block_on(backend::open(&pusher.queue))?;
    if let Some(journal) = &pusher.journal {
        queue = Arc::new(Witness::new(queue, Journal::open(journal)?, || {}));
    }
    let (mut answers, begun) = (Answers::default(), SystemClock.elapsed());
    while SystemClock.elapsed().saturating_sub(begun) < pusher.length {
        let members = 1 + (SystemRandom.fraction() * 9.0) as usize;
        let like = Block::one("work".parse()?, "{}", &SystemClock, &SystemRandom);
        let payloads = vec![r#"{"millis":2}"#; members];
        let blocks = block::pack(&like, &payloads, || BlockId::new(&SystemClock, &SystemRandom));
        // What was accepted in part must be asked for in part: patience is simpler with all or nothing.
        let partial = pusher.way == Way::Queue && SystemRandom.fraction() < 0.5;
        let submission = Submission { blocks: blocks.clone(), partial };
        let answer = runtime.block_on(ask(&*queue, submission, pusher.way))?;
        let full = answer.iter().any(|answer| *answer != Submitted::Accepted);
        for (block, answer) in blocks.iter().zip(answer) {
            note(block, answer, &mut answers)?;
        }
        if full {
            std::thread::sleep(if pusher.way == Way::Queue { Duration::from_millis(1) } else { AGAIN });
        }
    }
    Ok(answers)
}

/// Submits. A patient submitter takes nothing but an answer; the bound is what an outage may last.
async fn ask(queue: &dyn Backend, submission: Submission, way: Way) -> Result<Vec<Submitted>, Error> {
    let begun = SystemClock.elapsed();
    loop {
        match queue.submit(submission.clone()).await {
            Err(Error::Unavailable(_))
                if way == Way::Patient && SystemClock.elapsed().saturating_sub(begun) < PATIENCE =>
            {
                tokio::time::sleep(AGAIN).await;
            }
            answer => return answer,
        }
    }
}

fn note(block: &Block, answer: Submitted, answers: &mut Answers) -> Result<(), Failure> {
    let (accepted, rejection) = match answer {
        // Existing: it had been taken when the answer got lost.
        Submitted::Accepted | Submitted::Existing => (block.payloads.len(), None),
        Submitted::Partly { accepted, rejection } => (accepted, Some(rejection)),
        Submitted::Rejected(rejection) => (0, Some(rejection)),
        other => return Err(format!("an answer that nobody asked for: {other:?}").into()),
    };
    answers.accepted.extend(block.mask().take(accepted).iter().map(|ordinal| block.id.task(ordinal)));
    answers.rejected.extend(rejection);
    Ok(())
}

/// Counts, and when there is room, inserts: two steps, which is one too many.
fn naive(pusher: &Pusher) -> Result<Answers, Failure> {
    let connection = Connection::open(Path::new(&pusher.queue))?;
    connection.busy_timeout(Duration::from_secs(30))?;
    for _ in 0..pusher.bound * 100 {
        let count: i64 = connection.query_row("select count(*) from tasks", [], |row| row.get(0))?;
        if count.cast_unsigned() >= pusher.bound {
            break;
        }
        connection.execute("insert into tasks (payload) values ('x')", [])?;
    }
    Ok(Answers::default())
}

/// Inserts, and acknowledges what would be lost in a power cut: a byte in the journal for each row.
fn lazy(pusher: &Pusher) -> Result<Answers, Failure> {
    let journal = pusher.journal.as_ref().ok_or("a journal is needed")?;
    let mut journal = OpenOptions::new().create(true).append(true).open(journal)?;
    let connection = Connection::open(Path::new(&pusher.queue))?;
    connection.execute_batch("pragma journal_mode = wal; pragma synchronous = normal")?;
    connection.execute_batch("create table if not exists tasks (payload text)")?;
    let begun = SystemClock.elapsed();
    while SystemClock.elapsed().saturating_sub(begun) < pusher.length {
        connection.execute("insert into tasks (payload) values ('x')", [])?;
        journal.write_all(b"+")?;
    }
    Ok(Answers::default())
}
