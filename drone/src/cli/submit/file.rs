//! `--file`: a list of tasks, each with its own options; what it leaves out, the command line says.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Deserializer};
use skep_queue::TaskId;

use super::options::{TaskOptions, on_conflict, usage};
use crate::{
    cli::{Failed, args},
    client::NewTask,
};

/// One task of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    #[serde(alias = "task", alias = "type")]
    task_type: Option<String>,
    #[serde(default, alias = "data")]
    payload: serde_json::Value,
    queue: Option<String>,
    #[serde(default, deserialize_with = "text")]
    priority: Option<String>,
    #[serde(rename = "in", default, deserialize_with = "text")]
    after: Option<String>,
    at: Option<String>,
    #[serde(alias = "unique_key")]
    unique: Option<String>,
    on_conflict: Option<String>,
    id: Option<TaskId>,
    max_attempts: Option<u16>,
    postback: Option<String>,
    #[serde(default)]
    meta: BTreeMap<String, String>,
}

/// TOML has no lists at its top.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Items {
    #[serde(alias = "tasks")]
    task: Vec<Item>,
}

/// Reads the file, by its ending.
pub(super) fn read(
    path: &Path,
    like: Option<&NewTask>,
    options: &TaskOptions,
    now: &jiff::Zoned,
) -> Result<Vec<NewTask>, Failed> {
    let wrong = |error: String| usage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let items: Vec<Item> = if path.extension().is_some_and(|ending| ending == "toml") {
        toml::from_str::<Items>(&text).map_err(|error| wrong(error.to_string()))?.task
    } else {
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?
    };
    let numbered = items.into_iter().zip(1..);
    let task = |(item, n): (Item, usize)| {
        item.task(like, options, now).map_err(|error| wrong(format!("task {n}: {}", error.text())))
    };
    numbered.map(task).collect()
}

impl Item {
    fn task(
        self,
        like: Option<&NewTask>,
        options: &TaskOptions,
        now: &jiff::Zoned,
    ) -> Result<NewTask, Failed> {
        let own = TaskOptions {
            after: self.after.as_deref().map(args::span).transpose().map_err(usage)?.or(options.after),
            at: self.at.or_else(|| options.at.clone()),
            queue: self.queue.unwrap_or_else(|| options.queue.clone()),
            priority: self.priority.unwrap_or_else(|| options.priority.clone()),
            unique: self.unique.or_else(|| options.unique.clone()),
            on_conflict: self.on_conflict.as_deref().map(on_conflict).transpose().map_err(usage)?,
            id: self.id.or(options.id),
            max_attempts: self.max_attempts.or(options.max_attempts),
            postback: self.postback.or_else(|| options.postback.clone()),
            meta: options.meta.iter().cloned().chain(self.meta).collect(),
            bytes: false,
            ..options.clone()
        };
        let typed = self.task_type.as_deref().or_else(|| like.map(|task| task.task_type().as_str()));
        let task = own.task(typed.ok_or_else(|| usage("it has no task_type"))?, now)?;
        task.again(self.payload.to_string()).map_err(usage)
    }
}

/// A number or a text.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(from)? {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Null => None,
        other => Some(other.to_string()),
    })
}
