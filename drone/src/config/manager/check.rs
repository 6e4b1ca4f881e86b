//! What a manager's file means: the checks that a type cannot make.

use super::{
    Config,
    raw::{BackendTable, File, ManagerTable},
};
use crate::{
    backend::manager::server,
    config::{Url, check::Check},
};

impl Check<'_> {
    pub(super) fn manager(&mut self, file: File) -> Option<Config> {
        let server = self.server(&file);
        let listen = self.listen(&file.manager);
        let keys = file.manager.keys.unwrap_or_default();
        if keys.as_os_str().is_empty() {
            self.problem(&["manager", "keys"], "`keys`: must not be empty");
        }
        let backend = self.behind(&file.backend);
        let log = self.log(file.log);
        let backend = backend?;
        self.problems.is_empty().then_some(Config { server, listen, keys, backend, log })
    }

    fn server(&mut self, file: &File) -> server::Config {
        let mut config = server::Config::default();
        if let Some(heartbeat) = file.manager.heartbeat {
            config.heartbeat = heartbeat.0;
        }
        if config.heartbeat.is_zero() {
            self.problem(&["manager", "heartbeat"], "`heartbeat`: must be longer than 0s, as in \"2s\"");
        }
        config
    }

    fn listen(&mut self, table: &ManagerTable) -> Vec<super::Listen> {
        let places = table.listen.as_deref().unwrap_or_default();
        if places.is_empty() {
            self.problem(&["manager", "listen"], "`listen`: nobody could connect: name a place");
        }
        let mut read = Vec::new();
        for (i, text) in places.iter().enumerate() {
            match text.parse() {
                Ok(place) if read.contains(&place) => {
                    self.problem(
                        &["manager", "listen", &i.to_string()],
                        &format!("`listen`: {place} is named twice"),
                    );
                }
                Ok(place) => read.push(place),
                Err(why) => {
                    self.problem(&["manager", "listen", &i.to_string()], &format!("`listen`: {why}"));
                }
            }
        }
        read
    }

    /// The queue behind the manager.
    fn behind(&mut self, table: &BackendTable) -> Option<Url> {
        let said = self.is_said(&["backend", "url"]);
        let (url, key) = match (&table.url, &table.url_file) {
            (Some(_), Some(_)) if said => {
                self.problem(&["backend", "url_file"], "`url_file`: there is a `url` already: keep one");
                return None;
            }
            (_, Some(file)) => (self.secret(&["backend", "url_file"], file)?, "url_file"),
            (Some(url), None) => (url.clone(), "url"),
            (None, None) => return None,
        };
        if ["skep:", "unix:"].iter().any(|scheme| url.reveal().starts_with(scheme)) {
            let text = format!("`{key}`: a manager stands in front of a queue, not of another manager");
            self.problem(&["backend", key], &text);
            return None;
        }
        self.scheme(&["backend", key], &url)?;
        match &table.password_file {
            Some(file) => self.with_password(&["backend", "password_file"], url, file),
            None => Some(url),
        }
    }
}
