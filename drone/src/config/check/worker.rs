//! `[workers.NAME]`

use std::{collections::BTreeMap, time::Duration};

use skep_queue::TaskType;

use super::{Check, set};
use crate::{
    builder::Settings,
    config::{
        RunConfig, WorkerConfig, layers,
        raw::{Run, WorkerTable},
    },
    policy::Policy,
    worker::{Launch, exec, process},
};

/// Keys that mean something to processes that stay only.
const STAYING: [&str; 5] = ["start_timeout", "hung_timeout", "max_tasks", "concurrency", "options"];

impl Check<'_> {
    pub(super) fn workers(&mut self, tables: &BTreeMap<String, WorkerTable>) -> Vec<WorkerConfig> {
        let own = tables.iter().filter(|(name, _)| !layers::is_for_all(name));
        let workers: Vec<_> = own.filter_map(|(name, table)| self.worker(name, table)).collect();
        if tables.keys().all(|name| layers::is_for_all(name)) && !self.is_taken(&["workers"]) {
            let text = "no worker: add [workers.NAME] with run.process = [\"program\"], or run.exec";
            self.problems.add(&self.tree.at, text);
        }
        self.agreement(&workers);
        workers
    }

    fn worker(&mut self, name: &str, table: &WorkerTable) -> Option<WorkerConfig> {
        if name.is_empty() || name.chars().any(|c| c.is_control() || c == '=') {
            let at = self.tree.get(&["workers", name]).map(|node| node.key_at.clone());
            self.problems
                .add(&at.unwrap_or(self.tree.at.clone()), format!("{name:?} is no name for a worker"));
        }
        let types = self.types(name, table);
        let settings = self.settings(name, table);
        let launch = self.launch(name, table);
        let run = self.run(name, table)?;
        Some(WorkerConfig { name: name.to_owned(), types, settings, launch, run })
    }

    fn types(&mut self, worker: &str, table: &WorkerTable) -> Vec<TaskType> {
        let (path, prefix) = (["workers", worker, "types"], table.prefix.as_deref().unwrap_or_default());
        let mut types: Vec<TaskType> = Vec::new();
        let own = [worker.to_owned()];
        for written in table.types.as_deref().unwrap_or(&own) {
            match format!("{prefix}{written}").parse::<TaskType>() {
                Ok(task_type) if types.contains(&task_type) => {
                    self.problem(&path, &format!("`types`: `{task_type}` is named twice"));
                }
                Ok(task_type) => types.push(task_type),
                Err(error) if self.is_said(&path) => self.problem(&path, &format!("`types`: {error}")),
                Err(error) => {
                    let text = format!("[workers.{worker}]: {error}; or give it `types`");
                    self.problems.add(&self.tree.origin(&["workers", worker]), text);
                }
            }
        }
        if types.is_empty() && table.types.as_ref().is_some_and(Vec::is_empty) {
            self.problem(&path, "`types`: name at least one, as in [\"resize\"]");
        }
        types
    }

    fn settings(&mut self, worker: &str, table: &WorkerTable) -> Settings {
        let mut settings = Settings { policy: self.policy(worker, table), ..Settings::default() };
        settings.timeout = table.timeout.map(|time| time.0);
        set(&mut settings.prefetch, table.prefetch);
        self.at_least_1(worker, "prefetch", settings.prefetch);
        self.not_zero(worker, "timeout", settings.timeout);
        settings
    }

    fn policy(&mut self, worker: &str, table: &WorkerTable) -> Policy {
        let mut policy = Policy::default();
        set(&mut policy.max_attempts, table.max_attempts);
        set(&mut policy.poison_after, table.poison_after);
        set(&mut policy.on_lease_lost, table.on_lease_lost);
        if let Some(backoff) = &table.backoff {
            set(&mut policy.backoff.base, backoff.base.map(|time| time.0));
            set(&mut policy.backoff.power, backoff.power);
            set(&mut policy.backoff.max, backoff.max.map(|time| time.0));
        }
        self.at_least_1(worker, "max_attempts", policy.max_attempts.into());
        if policy.backoff.base > policy.backoff.max {
            let text = "`backoff`: `base` must not be longer than `max`";
            self.problem(&["workers", worker, "backoff"], text);
        }
        policy
    }

    fn launch(&mut self, worker: &str, table: &WorkerTable) -> Launch {
        for name in table.env.keys().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
            let text = format!("`env`: {name:?} is no name for a variable");
            self.problem(&["workers", worker, "env"], &text);
        }
        Launch {
            env: table.env.clone(),
            cwd: table.cwd.clone(),
            user: table.user.clone(),
            group: table.group.clone(),
            limits: table.limits.clone(),
            no_new_privileges: table.no_new_privileges.unwrap_or_default(),
        }
    }

    fn run(&mut self, worker: &str, table: &WorkerTable) -> Option<RunConfig> {
        let processes = self.processes(worker, table);
        let path = ["workers", worker, "run"];
        let argv = match &table.run {
            Some(Run::Process(argv) | Run::Exec(argv)) => argv.clone(),
            Some(Run::Http(_) | Run::Prefork(_)) | None => {
                let text = format!(
                    "[workers.{worker}] runs nothing: add run.process = [\"program\"], or run.exec = [\"program\"]"
                );
                self.problem(&path, &text);
                return None;
            }
        };
        if argv.first().is_none_or(String::is_empty) {
            self.problem(&path, "`run`: name a program, as in [\"python3\", \"worker.py\"]");
        }
        if let Some(Run::Exec(_)) = &table.run {
            return Some(RunConfig::Exec(self.exec(worker, table, argv, processes)));
        }
        Some(RunConfig::Process(self.process(worker, table, argv, processes)))
    }

    fn exec(
        &mut self,
        worker: &str,
        table: &WorkerTable,
        argv: Vec<String>,
        processes: usize,
    ) -> exec::Config {
        let mut config = exec::Config { argv, processes, ..exec::Config::default() };
        set(&mut config.kill_after, table.kill_after.map(|time| time.0));
        for key in STAYING {
            let (path, for_all) = (["workers", worker, key], ["workers", "defaults", key]);
            // What holds for all is meant for those that can use it.
            if self.is_said(&path) && self.tree.origin(&path) != self.tree.origin(&for_all) {
                self.note(&path, &format!("`{key}` has no effect with run.exec"));
            }
        }
        config
    }

    fn process(
        &mut self,
        worker: &str,
        table: &WorkerTable,
        argv: Vec<String>,
        processes: usize,
    ) -> process::Config {
        let mut config = process::Config { argv, processes, ..process::Config::default() };
        set(&mut config.concurrency, table.concurrency);
        set(&mut config.start_timeout, table.start_timeout.map(|time| time.0));
        set(&mut config.kill_after, table.kill_after.map(|time| time.0));
        config.hung_timeout = table.hung_timeout.map(|time| time.0);
        config.max_tasks = table.max_tasks;
        config.options = table.options.clone();
        self.at_least_1(worker, "concurrency", config.concurrency);
        self.not_zero(worker, "start_timeout", Some(config.start_timeout));
        self.not_zero(worker, "hung_timeout", config.hung_timeout);
        if config.max_tasks == Some(0) {
            self.problem(&["workers", worker, "max_tasks"], "`max_tasks`: must be at least 1");
        }
        config
    }

    fn processes(&mut self, worker: &str, table: &WorkerTable) -> usize {
        let (least, most) = table.processes.as_ref().map_or((1, 1), super::super::raw::Processes::bounds);
        let path = ["workers", worker, "processes"];
        if most == 0 {
            self.problem(&path, "`processes`: must be at least 1");
        } else if least > most {
            self.problem(&path, "`processes`: `min` must not be more than `max`");
        } else if least < most {
            let text = format!("`processes`: idle scaling is not in this version: all {most} stay");
            self.note(&path, &text);
        }
        most
    }

    fn at_least_1(&mut self, worker: &str, key: &str, value: usize) {
        if value == 0 {
            self.problem(&["workers", worker, key], &format!("`{key}`: must be at least 1"));
        }
    }

    fn not_zero(&mut self, worker: &str, key: &str, time: Option<Duration>) {
        if time.is_some_and(|time| time.is_zero()) {
            let text = format!("`{key}`: must be longer than 0s, as in \"30s\"");
            self.problem(&["workers", worker, key], &text);
        }
    }

    /// Several workers may serve one type, but the type has one policy.
    fn agreement(&mut self, workers: &[WorkerConfig]) {
        let mut first: BTreeMap<&TaskType, &WorkerConfig> = BTreeMap::new();
        for worker in workers {
            for task_type in &worker.types {
                let other = first.entry(task_type).or_insert(worker);
                let same = other.settings.policy == worker.settings.policy
                    && other.settings.timeout == worker.settings.timeout;
                if !same {
                    let text = format!(
                        "[workers.{}] and [workers.{}] both run `{task_type}`: give them the same timeout, \
                         max_attempts, backoff, poison_after and on_lease_lost",
                        other.name, worker.name
                    );
                    self.problem(&["workers", &worker.name], &text);
                }
            }
        }
    }
}
