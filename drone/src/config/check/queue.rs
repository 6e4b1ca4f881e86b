//! `[[queue]]`

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::Check;
use crate::config::{QueueConfig, Url, raw::QueueTable};

impl Check<'_> {
    pub(super) fn queues(&mut self, tables: &[QueueTable]) -> Vec<QueueConfig> {
        let mut queues: Vec<QueueConfig> = Vec::new();
        for (i, table) in tables.iter().enumerate() {
            let index = i.to_string();
            if let Some(queue) = self.queue(&index, table) {
                if queues.contains(&queue) {
                    let text = format!("queue `{}` of {} is named twice", queue.name, queue.url);
                    self.problem(&["queue", &index], &text);
                }
                queues.push(queue);
            }
        }
        if tables.is_empty() {
            self.problem(&["queue"], "no queue: add [[queue]] with url = \"sqlite:./skep.db\"");
        }
        queues
    }

    fn queue(&mut self, index: &str, table: &QueueTable) -> Option<QueueConfig> {
        let name = table.name.as_deref().unwrap_or("default").parse();
        if let Err(error) = &name {
            self.problem(&["queue", index, "name"], &format!("`name`: {error}"));
        }
        let url = match (&table.url, &table.url_file) {
            (Some(url), None) => url.clone(),
            (None, Some(file)) => self.secret(&["queue", index, "url_file"], file)?,
            (Some(_), Some(_)) => {
                self.problem(&["queue", index, "url_file"], "`url_file`: there is a `url` already: keep one");
                return None;
            }
            (None, None) => {
                self.problem(
                    &["queue", index],
                    "[[queue]] needs `url`, as in \"sqlite:./skep.db\", or `url_file`",
                );
                return None;
            }
        };
        let key = if table.url.is_some() { "url" } else { "url_file" };
        let url = self.with_key(index, url, table.key_file.as_deref())?;
        self.scheme(&["queue", index, key], &url)?;
        let url = match &table.password_file {
            Some(file) => self.with_password(&["queue", index, "password_file"], url, file)?,
            None => url,
        };
        Some(QueueConfig { url, name: name.ok()? })
    }

    /// The backend reads the file itself, whenever it connects: a password may change.
    pub(in crate::config) fn with_password(&mut self, path: &[&str], url: Url, file: &Path) -> Option<Url> {
        if url.has_password() {
            self.problem(path, "`password_file`: there is a password in the URL already: keep one");
            return None;
        }
        if !url.reveal().starts_with("postgres") {
            self.problem(path, "`password_file`: only a postgres: backend asks for a password");
            return None;
        }
        self.secret(path, file)?;
        Some(url.with("password_file", &file.display().to_string()))
    }

    fn with_key(&mut self, index: &str, url: Url, file: Option<&Path>) -> Option<Url> {
        let Some(file) = file else { return Some(url) };
        let path = ["queue", index, "key_file"];
        if !url.reveal().starts_with("skep:") {
            self.problem(&path, "`key_file`: only a skep: backend asks for a key");
            return None;
        }
        if url.parameter("key").is_some() {
            self.problem(&path, "`key_file`: there is a key in the URL already: keep one");
            return None;
        }
        Some(url.with("key", &file.display().to_string()))
    }

    /// The backend must be known; what it says of the URL itself comes when it is opened.
    pub(in crate::config) fn scheme(&mut self, path: &[&str], url: &Url) -> Option<()> {
        let key = path.last().unwrap_or(&"url");
        let checked = self.backends.check(url.reveal());
        checked.map_err(|error| self.problem(path, &format!("`{key}`: {}", url.redact(&error)))).ok()
    }

    /// A text from a file of its own.
    pub(in crate::config) fn secret(&mut self, path: &[&str], file: &Path) -> Option<Url> {
        let (shown, key) = (file.display(), path.last().copied().unwrap_or_default());
        let text = match fs::read_to_string(file) {
            Ok(text) => text.trim().to_owned(),
            Err(error) => {
                self.problem(path, &format!("`{key}`: cannot read {shown}: {error}"));
                return None;
            }
        };
        if fs::metadata(file).is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0) {
            self.note(path, &format!("everybody can read {shown}: chmod o-r {shown}"));
        }
        if text.is_empty() {
            self.problem(path, &format!("`{key}`: {shown} is empty"));
            return None;
        }
        // Written by hand like any other URL, so by the same rule: from the folder it is in.
        let anchored = crate::config::url::anchored(&text, file.parent().unwrap_or(Path::new("")));
        Some(Url::new(anchored.unwrap_or(text)))
    }
}
