//! What the program says of itself: text for people or JSON for machines, on stderr or in a file.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    str::FromStr,
    sync::{Arc, OnceLock},
};

use indicatif::MultiProgress;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{MakeWriter, writer::BoxMakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// What is said when nobody says otherwise.
pub const DEFAULT_LEVEL: &str = "info";

/// How it is said.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A line for people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// What is said, how, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// See [`level`].
    pub level: String,
    /// How.
    pub format: Format,
    /// Where; stderr when absent.
    pub file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: DEFAULT_LEVEL.into(), format: Format::default(), file: None }
    }
}

/// The progress bars of the command: lines are written above them, never through them.
pub fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(MultiProgress::new)
}

/// Reads a level, also by target: `info`, or `info,skep::task=debug`.
///
/// # Errors
/// In words, with the levels that there are.
pub fn level(text: &str) -> Result<Targets, String> {
    let wrong = || {
        format!(
            "{text:?} is not a level: write error, warn, info, debug, trace or off, and by target info,skep::task=debug"
        )
    };
    for part in text.split(',') {
        // A bare word that is no level would be taken for a target, and all else would fall silent.
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level).trim();
        LevelFilter::from_str(level).map_err(|_| wrong())?;
    }
    Targets::from_str(text).map_err(|_| wrong())
}

/// Starts the log of this process, with the writer that the configuration names.
///
/// # Errors
/// When the level or the file is no good, or there is a log already.
pub fn init(config: &Config) -> Result<(), String> {
    match &config.file {
        None => init_to(config, BoxMakeWriter::new(|| Stderr), io::stderr().is_terminal()),
        Some(path) => {
            let file = OpenOptions::new().append(true).create(true).open(path);
            let file = file.map_err(|error| format!("cannot log to {}: {error}", path.display()))?;
            init_to(config, BoxMakeWriter::new(Arc::new(file)), false)
        }
    }
}

/// Starts the log of this process with a writer of its own.
///
/// # Errors
/// When the level is no good, or there is a log already.
pub fn init_to(config: &Config, to: BoxMakeWriter, colours: bool) -> Result<(), String> {
    let layer = layer(config, to, colours)?;
    tracing_subscriber::registry().with(layer).try_init().map_err(|error| error.to_string())
}

fn layer<S>(
    config: &Config,
    to: BoxMakeWriter,
    colours: bool,
) -> Result<Box<dyn Layer<S> + Send + Sync>, String>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let targets = level(&config.level)?;
    let layer = tracing_subscriber::fmt::layer();
    Ok(match config.format {
        Format::Json => layer.json().flatten_event(true).with_writer(to).with_filter(targets).boxed(),
        Format::Text => layer.with_ansi(colours).with_writer(OneLine(to)).with_filter(targets).boxed(),
    })
}

/// Above the progress bars.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        bars().suspend(|| io::stderr().write_all(line)).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Keeps an event on one line: a text that came from outside cannot forge another. The formatter has
/// already escaped the controls of a terminal, but not these.
struct OneLine<M>(M);

struct Escaping<W>(W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLine<M> {
    type Writer = Escaping<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Escaping(self.0.make_writer())
    }
}

impl<W: Write> Write for Escaping<W> {
    /// The formatter writes an event in one piece.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = event.strip_suffix(b"\n").unwrap_or(event);
        let mut escaped = Vec::with_capacity(event.len());
        for &byte in line {
            match byte {
                b'\n' => escaped.extend_from_slice(b"\\n"),
                b'\r' => escaped.extend_from_slice(b"\\r"),
                _ => escaped.push(byte),
            }
        }
        escaped.extend_from_slice(&event[line.len()..]);
        self.0.write_all(&escaped).map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
