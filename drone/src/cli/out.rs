//! What a verb says: data on stdout, talk on stderr. Everything the command prints goes through here, so
//! that nothing a task brought along can steer the terminal, and a pipe that is closed ends nothing badly.

mod table;
pub(super) mod text;
mod views;

use std::{
    io::{self, BufWriter, IsTerminal, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use comfy_table::Table;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use serde::Serialize;

use super::{Common, Exit, Failed};
pub(super) use views::{QueueJson, TaskJson, time};

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Table,
    /// One JSON object a line.
    Json,
    /// Only ids.
    Quiet,
}

/// Where the command writes.
pub(crate) struct Out {
    data: Mutex<Data>,
    talk: Mutex<Box<dyn Write + Send>>,
    form: Form,
    /// Columns of the terminal; none when data goes elsewhere.
    width: Option<u16>,
    bars: bool,
}

struct Data {
    to: BufWriter<Box<dyn Write + Send>>,
    failed: Option<io::Error>,
}

impl Out {
    /// The process's own streams.
    pub(crate) fn real(common: &Common) -> Self {
        let width = io::stdout().is_terminal().then(|| Table::new().width().unwrap_or(80));
        let bars = io::stderr().is_terminal() && !common.quiet;
        Self { width, bars, ..Self::new(common, io::stdout(), io::stderr()) }
    }

    /// Streams that are no terminals.
    pub(crate) fn new(
        common: &Common,
        data: impl Write + Send + 'static,
        talk: impl Write + Send + 'static,
    ) -> Self {
        let form = match (common.json, common.quiet) {
            (true, _) => Form::Json,
            (_, true) => Form::Quiet,
            _ => Form::Table,
        };
        let data = Data { to: BufWriter::new(Box::new(data)), failed: None };
        Self { data: Mutex::new(data), talk: Mutex::new(Box::new(talk)), form, width: None, bars: false }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// One line of data for people or scripts.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        self.write(&text::line(text.as_ref()));
    }

    /// One line of JSON.
    pub(crate) fn json(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(json) => self.raw_json(&json),
            Err(error) => self.fail(io::Error::other(error)),
        }
    }

    /// JSON text that exists already, on one line.
    pub(crate) fn raw_json(&self, json: &str) {
        self.write(&text::json(json));
    }

    /// Bytes as they are: what a program prints for another.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let mut data = self.data();
        if data.failed.is_none()
            && let Err(error) = data.to.write_all(bytes)
        {
            data.failed = Some(error);
        }
    }

    /// A table for people.
    pub(crate) fn table(&self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let lines = table::lines(header, rows.into_iter().collect(), self.width);
        lines.iter().for_each(|line| self.write(line));
    }

    /// Talk: what happened, what to do next. Not for scripts.
    pub(crate) fn talk(&self, text: impl AsRef<str>) {
        // What was printed before it is read before it.
        let _ = self.data().to.flush();
        let mut to = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        for line in text.as_ref().lines() {
            // There is nobody left to tell that stderr is gone.
            let _ = writeln!(to, "{}", text::line(line));
        }
    }

    /// A counter that moves on a terminal, and is silent elsewhere.
    pub(crate) fn bar(&self, what: &str) -> ProgressBar {
        if !self.bars {
            return ProgressBar::hidden();
        }
        let template = format!("{{spinner}} {{human_pos}} {what} in {{elapsed}} ({{per_sec}})");
        let style =
            ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        // Also when an error ends the verb.
        ProgressBar::new_spinner().with_style(style).with_finish(ProgressFinish::AndClear)
    }

    /// What goes on, in words, on a terminal.
    pub(crate) fn spinner(&self) -> ProgressBar {
        if !self.bars {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        ProgressBar::new_spinner().with_style(style).with_finish(ProgressFinish::AndClear)
    }

    /// Gives a counter its end, once that is known: from then on it is a bar.
    pub(crate) fn measure(bar: &ProgressBar, total: u64) {
        let template = "{wide_bar} {human_pos}/{human_len} in {elapsed} ({per_sec})";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_length(total);
    }

    /// Lets whoever reads see what was printed so far.
    pub(crate) fn flush(&self) {
        // What goes wrong is told at the end.
        let _ = self.data().to.flush();
    }

    /// Ends the output.
    pub(crate) fn finish(&self) -> Result<(), Failed> {
        let mut data = self.data();
        let flushed = data.to.flush();
        match data.failed.take().or(flushed.err()) {
            // Whoever read has seen enough; what the verb did is done.
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Some(error) => Err(Failed::new(Exit::Failed, format!("cannot write the output: {error}"))),
            None => Ok(()),
        }
    }

    fn write(&self, line: &str) {
        self.raw(line.as_bytes());
        self.raw(b"\n");
    }

    fn fail(&self, error: io::Error) {
        self.data().failed.get_or_insert(error);
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
