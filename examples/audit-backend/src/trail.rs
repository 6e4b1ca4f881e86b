//! The file: one JSON object a line, appended whole, so that several processes may share it.

use std::{fs::File, io::Write, path::PathBuf, sync::Arc};

use serde_json::{Map, Value};
use skep_queue::{Clock, Error, Result};

/// An open trail.
pub(crate) struct Trail {
    path: PathBuf,
    file: File,
    clock: Arc<dyn Clock>,
}

impl Trail {
    pub(crate) fn open(path: PathBuf, clock: Arc<dyn Clock>) -> std::result::Result<Self, String> {
        let file = File::options().append(true).create(true).open(&path);
        let file = file.map_err(|error| {
            format!("cannot append to the audit trail {}: {error}: make its folder writable", path.display())
        })?;
        Ok(Self { path, file, clock })
    }

    /// Writes a line, after what it tells has happened. Not told is not done: the caller shall ask again.
    pub(crate) fn write(&self, line: impl FnOnce() -> Map<String, Value>) -> Result<()> {
        let mut line = line();
        line.insert("at".into(), self.clock.now().micros().into());
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // One write: with O_APPEND the lines of several processes do not mix.
        let written = (&self.file).write_all(text.as_bytes());
        written.map_err(|error| {
            Error::Unavailable(format!("cannot write the audit trail {}: {error}", self.path.display()))
        })
    }
}
