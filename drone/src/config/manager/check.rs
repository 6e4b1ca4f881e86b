//! What a manager's file means: the checks that a type cannot make.

use std::{fmt::Display, str::FromStr};

use skep_queue::{QueueName, TaskType};

use super::{
    Config,
    raw::{BackendTable, File, ManagerTable, QueueTable, UserTable, Word},
};
use crate::{
    backend::manager::{
        key::{Grant, Pattern},
        server::{self, Limits, RETENTION},
    },
    config::{Url, check::Check},
    worker::launch::user_id,
};

/// Longest name of a manager, in bytes.
const LONGEST_NAME: usize = 64;

impl Check<'_> {
    pub(super) fn manager(&mut self, file: File) -> Option<Config> {
        let mut server = self.server(&file);
        let listen = self.listen(&file.manager);
        let keys = file.manager.keys.unwrap_or_default();
        if keys.as_os_str().is_empty() {
            self.problem(&["manager", "keys"], "`keys`: must not be empty");
        }
        let backend = self.behind(&file.backend);
        let log = self.log(file.log);
        let backend = backend?;
        // In a store of its own nothing else says it.
        let own = backend.reveal().starts_with("sqlite:").then_some(RETENTION);
        server.limits.retention = server.limits.retention.or(own);
        self.problems.is_empty().then_some(Config { server, listen, keys, backend, log })
    }

    fn server(&mut self, file: &File) -> server::Config {
        let mut config = server::Config::default();
        if let Some(heartbeat) = file.manager.heartbeat {
            config.heartbeat = heartbeat.0;
        }
        config.reannounce = file.manager.reannounce.map(|time| time.0);
        if config.heartbeat.is_zero() {
            self.problem(&["manager", "heartbeat"], "`heartbeat`: must be longer than 0s, as in \"2s\"");
        }
        if let Some(name) = &file.manager.name {
            config.name.clone_from(name);
        }
        if config.name.is_empty()
            || config.name.len() > LONGEST_NAME
            || config.name.chars().any(char::is_control)
        {
            let text = format!("`name`: 1 to {LONGEST_NAME} bytes, without control characters");
            self.problem(&["manager", "name"], &text);
        }
        for (name, table) in &file.users {
            config.users.extend(self.user(name, table));
        }
        // What the code says of all queues stays where nobody says otherwise.
        let all = self.limits(&["all_queues"], &file.all_queues);
        config.limits = Limits {
            capacity: all.capacity.or(config.limits.capacity),
            retention: all.retention.or(config.limits.retention),
            ..all
        };
        for (name, table) in &file.queues {
            match name.parse::<QueueName>() {
                Ok(queue) => _ = config.queues.insert(queue, self.limits(&["queues", name], table)),
                Err(error) => self.problem(&["queues", name], &format!("`{name}`: {error}")),
            }
        }
        config
    }

    fn user(&mut self, name: &str, table: &UserTable) -> Option<(u32, Grant)> {
        let path = ["users", name];
        let uid = user_id(name).map_err(|error| self.problem(&path, &format!("`{name}`: {error}"))).ok();
        let Some(role) = &table.role else {
            self.problem(&path, &format!("[users.{name}] needs `role`: submit, drone, view or admin"));
            return None;
        };
        let role = role.parse();
        let role = role.map_err(|error: String| self.problem(&["users", name, "role"], &error)).ok();
        let types = self.patterns(&["users", name, "types"], &table.types);
        let queues = self.patterns(&["users", name, "queues"], &table.queues);
        Some((uid?, Grant { role: role?, types, queues }))
    }

    fn patterns(&mut self, path: &[&str], texts: &[String]) -> Vec<Pattern> {
        let read = texts.iter().map(|text| text.parse::<Pattern>());
        let all: Result<Vec<Pattern>, String> = read.collect();
        all.map_err(|error| self.problem(path, &error)).unwrap_or_default()
    }

    fn limits(&mut self, at: &[&str], table: &QueueTable) -> Limits {
        let of = |key| [at, &[key]].concat();
        let mut limits = Limits {
            capacity: self.word(&of("capacity"), table.capacity.as_ref()),
            promote_after: self.word(&of("promote_after"), table.promote_after.as_ref()),
            retention: table.retention.map(|time| time.0),
            ..Limits::default()
        };
        for (name, table) in &table.types {
            let path = [at, &["types", name]].concat();
            match name.parse::<TaskType>() {
                Ok(task_type) => {
                    let bound = self.word(&[&path[..], &["capacity"]].concat(), table.capacity.as_ref());
                    limits.types.extend(bound.map(|bound| (task_type, bound)));
                }
                Err(error) => self.problem(&path, &format!("`{name}`: {error}")),
            }
        }
        limits
    }

    /// A value that says itself what it must look like.
    fn word<T: FromStr<Err: Display>>(&mut self, path: &[&str], word: Option<&Word>) -> Option<T> {
        let key = path.last().copied().unwrap_or_default();
        let read = word?.0.parse();
        read.map_err(|error| self.problem(path, &format!("`{key}`: {error}"))).ok()
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
