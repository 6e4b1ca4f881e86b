//! The verbs over the model: what they print, and how they end.

mod bulk;
mod call;
mod drone;
mod hostile;
mod queue;
mod spool;
mod submit;
mod task;

use std::{
    io::{Cursor, Write},
    sync::{Arc, Mutex},
};

use clap::Parser;
use serde_json::{Value, json};
use skep_queue::testing::{TestClock, TestRandom};

use super::{Args, Backends, Exit, Out, World, conclude};
use crate::client::tests::Told;

/// A command line and a queue.
struct Desk {
    backend: Arc<Told>,
    clock: Arc<TestClock>,
    random: Arc<TestRandom>,
    folder: tempfile::TempDir,
}

/// What a command said.
struct Said {
    exit: u8,
    out: String,
    talk: String,
}

impl Desk {
    fn new() -> Self {
        let clock = TestClock::new();
        Self {
            backend: Told::with(clock.clone()),
            clock,
            random: TestRandom::new(1),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Runs `skep` with these words.
    async fn run(&self, words: &[&str]) -> Said {
        self.pipe(words, "").await
    }

    /// Runs it with something on its standard input.
    async fn pipe(&self, words: &[&str], input: &str) -> Said {
        let spool = self.folder.path().join("spool.db").display().to_string();
        let place = ["skep", "--backend", "model:", "--spool", &spool];
        let args = match Args::try_parse_from(place.iter().chain(words)) {
            Ok(args) => args,
            Err(error) => {
                return Said { exit: Exit::Usage as u8, out: String::new(), talk: error.to_string() };
            }
        };
        let (data, talk) = (Paper::default(), Paper::default());
        let backend = self.backend.clone();
        let backends = Backends::default().with("model", move |_| {
            let backend = backend.clone();
            Box::pin(async move { Ok(backend as Arc<dyn skep_queue::Backend>) })
        });
        let out = Out::new(&args.common, data.clone(), talk.clone());
        let mut world = World::new(args.common, backends, out, Box::new(Cursor::new(input.to_owned())));
        (world.clock, world.random) = (self.clock.clone(), self.random.clone());
        let exit = conclude(args.verb, &world).await;
        Said { exit: exit as u8, out: data.text(), talk: talk.text() }
    }

    /// Runs it with `--json`, and reads what it said.
    async fn json(&self, words: &[&str]) -> Vec<Value> {
        self.run(&[words, &["--json"]].concat()).await.values()
    }

    /// Submits a task and answers its id.
    async fn task(&self, words: &[&str]) -> String {
        let said = self.run(&[&["submit"], words, &["-q"]].concat()).await;
        assert_eq!(said.exit, 0, "{}", said.talk);
        said.out.trim().to_owned()
    }
}

impl Said {
    fn values(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }

    #[track_caller]
    fn ends(self, exit: Exit) -> Self {
        assert_eq!(self.exit, exit as u8, "{}{}", self.out, self.talk);
        self
    }
}

/// The keys of an object, in order.
fn keys(object: &str) -> Vec<String> {
    // A map of serde_json sorts; the text does not.
    let mut keys = Vec::new();
    let value: Value = serde_json::from_str(object).unwrap();
    let all = value.as_object().unwrap();
    for key in all.keys() {
        keys.push((object.find(&format!("\"{key}\":")).unwrap(), key.clone()));
    }
    keys.sort();
    keys.into_iter().map(|(_, key)| key).collect()
}

/// Something to write on that others can read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_command_line_is_sound() {
    use clap::CommandFactory;
    Args::command().debug_assert();
}
