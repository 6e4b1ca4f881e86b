//! What the program says of itself: text for people or JSON for machines, on stderr or in a file.

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    str::FromStr,
    sync::{Arc, OnceLock},
};

use indicatif::MultiProgress;
use serde::{Deserialize, Serialize};
use tracing::{field::Field, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    field::MakeExt,
    filter::Targets,
    fmt::{
        format::{self, Writer},
        writer::BoxMakeWriter,
    },
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
        LevelFilter::from_str(level).ok().filter(|_| !level.is_empty()).ok_or_else(wrong)?;
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
        Format::Text => {
            let layer = layer.fmt_fields(format::debug_fn(field).delimited(" "));
            layer.with_ansi(colours).with_writer(to).with_filter(targets).boxed()
        }
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

/// A field of an event. What came from outside must neither forge a line nor steer a terminal: the library
/// escapes some of it in messages, and nothing in fields that are displayed.
fn field(to: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(to, "{}=", field.name())?;
    }
    for c in format!("{value:?}").chars() {
        if c.is_control() { write!(to, "{}", c.escape_default())? } else { to.write_char(c)? }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(config: &Config, colours: bool, events: impl FnOnce()) -> String {
        let page = Page::default();
        let to = page.clone();
        let layer = layer(config, BoxMakeWriter::new(move || to.clone()), colours).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        let page = page.0.lock().unwrap();
        String::from_utf8(page.clone()).unwrap()
    }

    const HOSTILE: &str = "a\nFORGED\r\u{1b}[2J";

    #[test]
    fn an_event_is_one_line_whatever_it_holds() {
        for (format, colours) in [(Format::Text, false), (Format::Text, true), (Format::Json, false)] {
            let config = Config { format, ..Config::default() };
            let page = logged(&config, colours, || {
                tracing::info!(field = HOSTILE, shown = %HOSTILE, "{HOSTILE}");
                tracing::warn!("second");
            });
            assert_eq!(page.lines().count(), 2, "{page}");
            assert!(!page.contains('\r') && !page.contains("\u{1b}[2J"), "{page:?}");
        }
    }

    #[test]
    fn levels_hold_by_target() {
        let config = Config { level: "warn,skep::task=debug".into(), ..Config::default() };
        let page = logged(&config, false, || {
            tracing::info!("not this");
            tracing::debug!(target: "skep::task", "but this");
        });
        assert!(page.contains("but this") && !page.contains("not this"), "{page}");
        for wrong in ["loud", "info,skep=loud", "", "info,,"] {
            assert!(level(wrong).unwrap_err().contains("is not a level: write error, warn"), "{wrong}");
        }
    }
}
