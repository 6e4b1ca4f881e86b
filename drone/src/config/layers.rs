//! Puts the sources of a configuration on top of each other: defaults, the file, what it includes, the
//! environment, the command line.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    defaults, include, parse,
    source::{Origin, Problems},
    tree::{Node, Table, Value},
};
use crate::spool::default_path;

/// What a configuration is read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The main file.
    pub file: PathBuf,
    /// The environment; only names like `SKEP_A__B`, `SKEP_LOG`, `SKEP_SPOOL`, and those that say where a user's state
    /// lies are looked at.
    pub env: Vec<(String, String)>,
    /// Options of the command line, by the keys they stand for.
    pub flags: Vec<Flag>,
    /// `--backend`, and where it was said: it is the queue of a file that names none, and goes above the
    /// file's when somebody said it and the file names one.
    pub backend: Option<(Origin, String)>,
}

/// An option of the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// As it is written.
    pub name: &'static str,
    /// The key that it stands for.
    pub path: [&'static str; 2],
    /// What it says.
    pub value: toml::Value,
}

/// The merged tree; none when the main file cannot be read, since all else would be said to be missing.
pub(super) fn layered(sources: &Sources, problems: &mut Problems, notes: &mut Problems) -> Option<Node> {
    let mut tree = defaults::tree(&defaults::defaults());
    let folder = folder(&sources.file);
    let main = read(&sources.file, "skep init", problems)?;
    let includes = include::files(&main, &sources.file, problems);
    tree.merge(main);
    for file in includes {
        if let Some(node) = read(&file, "skep init", problems) {
            add(&mut tree, node, problems);
        }
    }
    anchor(&mut tree, &folder);
    put_all_env(&mut tree, &sources.env, problems);
    put_flags(&mut tree, &sources.flags);
    put_backend(&mut tree, sources.backend.as_ref(), notes);
    // What is still relative came from the environment or the command line, and so from a shell.
    anchor(&mut tree, &std::path::absolute(".").unwrap_or_default());
    fill(&mut tree, &folder);
    fill_spool(&mut tree, &sources.env);
    Some(tree)
}

/// The folder that relative paths of the file start from.
pub(super) fn folder(file: &Path) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    file.parent().map(Path::to_owned).unwrap_or_default()
}

pub(super) fn read(file: &Path, writer: &str, problems: &mut Problems) -> Option<Node> {
    let shown: Arc<str> = file.display().to_string().into();
    match fs::read_to_string(file) {
        Ok(text) => parse::parse(&shown, &text, problems),
        Err(error) => {
            let what_next = match error.kind() {
                std::io::ErrorKind::NotFound => format!(": `{writer}` writes one, or name another with -c"),
                _ => String::new(),
            };
            problems.add(&Origin::Default, format!("cannot read {shown}: {error}{what_next}"));
            None
        }
    }
}

/// An included file: its queues are added to those that are there.
fn add(tree: &mut Node, mut node: Node, problems: &mut Problems) {
    if let Some(include) = node.table_mut().and_then(|table| table.remove("include")) {
        problems.add(&include.key_at, "`include` is for the main file only");
    }
    let there = tree.table_mut().and_then(|table| table.get_mut("queue")).and_then(Node::list_mut);
    if let Some(there) = there
        && let Some(mut more) = node.table_mut().and_then(|table| table.remove("queue"))
        && let Some(more) = more.list_mut()
    {
        there.append(more);
    }
    tree.merge(node);
}

pub(super) fn put_all_env(tree: &mut Node, env: &[(String, String)], problems: &mut Problems) {
    let mut env: Vec<_> = env.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    env.sort_unstable();
    env.into_iter().for_each(|(name, text)| put_env(tree, name, text, problems));
}

pub(super) fn put_flags(tree: &mut Node, flags: &[Flag]) {
    for Flag { name, path, value } in flags {
        put(tree, path, Node::plain(value.clone(), &Origin::Flag(name)));
    }
}

fn put_env(tree: &mut Node, name: &str, text: &str, problems: &mut Problems) {
    let at = Origin::Env(name.into());
    let Some(keys) =
        name.strip_prefix("SKEP_").filter(|rest| ["LOG", "SPOOL"].contains(rest) || rest.contains("__"))
    else {
        return;
    };
    let keys: Vec<&str> = match keys {
        "LOG" => vec!["log", "level"],
        "SPOOL" => vec!["spool", "path"],
        keys => keys.split("__").collect(),
    };
    if keys.contains(&"") {
        return problems.add(&at, "between two double underscores there must be a key");
    }
    let node = match parse::value(text) {
        Ok(value @ (toml::Value::Table(_) | toml::Value::Array(_))) => Node::plain(value, &at),
        Ok(value) => Node::new(at, Value::Env(value, text.to_owned())),
        Err(_) => Node::new(at, Value::Env(toml::Value::String(text.to_owned()), text.to_owned())),
    };
    put(tree, &keys, node);
}

/// Puts a value at a path, making the tables on the way.
fn put(tree: &mut Node, path: &[&str], node: Node) {
    let Some((key, rest)) = path.split_first() else { return tree.merge(node) };
    if let (Value::List(list), Ok(index)) = (&mut tree.value, key.parse::<usize>()) {
        if index >= list.len() {
            list.push(Node::new(node.at.clone(), Value::Table(Table::new())));
        }
        let last = list.len() - 1;
        return put(&mut list[index.min(last)], rest, node);
    }
    if tree.table().is_none() {
        tree.value = Value::Table(Table::new());
    }
    let Some(table) = tree.table_mut() else { return };
    let key = existing(table, key);
    let made = |at: &Origin| match rest.first() {
        Some(next) if next.parse::<usize>().is_ok() => Node::new(at.clone(), Value::List(Vec::new())),
        _ => Node::new(at.clone(), Value::Table(Table::new())),
    };
    // Names within these are the user's own, and keep their case.
    let free = key == "env" || key == "options";
    let child = table.entry(key).or_insert_with(|| made(&node.at));
    match (free, rest) {
        (true, [name]) if child.table().is_some() => {
            child.table_mut().map(|table| table.insert((*name).to_owned(), node));
        }
        (_, []) => {
            let (key_at, value) = (node.key_at.clone(), node);
            child.key_at = key_at;
            child.merge(value);
        }
        _ => put(child, rest, node),
    }
}

/// The key that an environment variable means: `SKEP_WORKERS__MAIL_SEND__..` is for `mail_send`, and for
/// `mail-send` when that is there.
fn existing(table: &Table, key: &str) -> String {
    let plain = |key: &str| key.to_ascii_lowercase().replace(['-', '.', ':'], "_");
    let wanted = plain(key);
    let mut keys = table.keys().filter(|there| plain(there) == wanted);
    keys.next().cloned().unwrap_or(wanted)
}

fn put_backend(tree: &mut Node, backend: Option<&(Origin, String)>, notes: &mut Problems) {
    let Some((at, url)) = backend else { return };
    let url = Node::plain(toml::Value::String(url.clone()), at);
    let Some(table) = tree.table_mut() else { return };
    let made = || Node::new(at.clone(), Value::List(Vec::new()));
    let Some(queues) = table.entry("queue".into()).or_insert_with(made).list_mut() else { return };
    match queues.as_mut_slice() {
        [] => {
            let queue = Table::from([("url".to_owned(), url)]);
            queues.push(Node::new(at.clone(), Value::Table(queue)));
        }
        [queue] if *at != Origin::Default => {
            if let Some(queue) = queue.table_mut() {
                // They belong to the URL that is replaced.
                queue.remove("url_file");
                queue.remove("password_file");
                queue.remove("key_file");
                queue.insert("url".into(), url);
            }
        }
        _ if *at != Origin::Default => {
            notes.add(at, "has no effect: the file names several queues; use SKEP_QUEUE__0__URL");
        }
        _ => {}
    }
}

/// Makes relative paths absolute: one rule for all keys that are paths, and for `sqlite:` URLs.
fn anchor(tree: &mut Node, folder: &Path) {
    each(tree, &["local", "path"], &mut |node| anchor_path(node, folder));
    each(tree, &["spool", "path"], &mut |node| anchor_path(node, folder));
    each(tree, &["log", "file"], &mut |node| anchor_path(node, folder));
    each(tree, &["queue", "*", "url_file"], &mut |node| anchor_path(node, folder));
    each(tree, &["queue", "*", "password_file"], &mut |node| anchor_path(node, folder));
    each(tree, &["queue", "*", "key_file"], &mut |node| anchor_path(node, folder));
    each(tree, &["workers", "*", "cwd"], &mut |node| anchor_path(node, folder));
    each(tree, &["queue", "*", "url"], &mut |node| anchor_url(node, folder));
}

pub(super) fn anchor_url(node: &mut Node, folder: &Path) {
    if let Some(url) = node.str().and_then(|url| super::url::anchored(url, folder)) {
        node.value = Value::Scalar(toml::Value::String(url));
    }
}

pub(super) fn anchor_path(node: &mut Node, folder: &Path) {
    if let Some(path) = node.str().filter(|path| !path.is_empty() && !path.starts_with('/')) {
        let path = std::path::absolute(folder.join(path)).unwrap_or_else(|_| folder.join(path));
        node.value = Value::Scalar(toml::Value::String(path.display().to_string()));
    }
}

pub(super) fn each(node: &mut Node, path: &[&str], visit: &mut impl FnMut(&mut Node)) {
    match (path, &mut node.value) {
        ([], _) => visit(node),
        (["*", rest @ ..], Value::Table(table)) => {
            table.values_mut().for_each(|node| each(node, rest, visit))
        }
        (["*", rest @ ..], Value::List(list)) => list.iter_mut().for_each(|node| each(node, rest, visit)),
        ([key, rest @ ..], Value::Table(table)) => {
            if let Some(node) = table.get_mut(*key) {
                each(node, rest, visit);
            }
        }
        _ => {}
    }
}

/// What depends on other values, or on the machine.
fn fill(tree: &mut Node, folder: &Path) {
    let default = |text: String| Node::plain(toml::Value::String(text), &Origin::Default);
    if tree.get(&["drone", "name"]).is_none() {
        let host =
            hostname::get().map_or_else(|_| "drone".into(), |host| host.to_string_lossy().into_owned());
        put(tree, &["drone", "name"], default(host));
    }
    if tree.get(&["local", "path"]).is_none() {
        let name = tree.get(&["drone", "name"]).and_then(Node::str).unwrap_or("drone").replace('/', "_");
        put(tree, &["local", "path"], default(folder.join(format!("{name}.local.db")).display().to_string()));
    }
    each(tree, &["queue", "*"], &mut |queue| {
        let over = std::mem::replace(queue, defaults::tree(&defaults::queue()));
        queue.merge(over);
    });
    if let Some(workers) =
        tree.table_mut().and_then(|table| table.get_mut("workers")).and_then(Node::table_mut)
    {
        join_workers(workers, &folder.display().to_string());
    }
}

/// The spool of the user who runs the drone, unless somebody says another.
fn fill_spool(tree: &mut Node, env: &[(String, String)]) {
    if tree.get(&["spool", "path"]).is_none() {
        let variable = |name: &str| env.iter().find(|(key, _)| key == name).map(|(_, text)| text.into());
        let path = default_path(variable).display().to_string();
        put(tree, &["spool", "path"], Node::plain(toml::Value::String(path), &Origin::Default));
    }
}

/// Each worker on top of what holds for all, and below what overrides all.
fn join_workers(workers: &mut Table, folder: &str) {
    let below = workers.get("defaults").cloned().unwrap_or_else(Node::empty);
    let above = workers.get("overrides").cloned();
    for (name, worker) in workers.iter_mut().filter(|(name, _)| !is_for_all(name)) {
        let text = |text: &str| Node::plain(toml::Value::String(text.into()), &Origin::Default);
        let types = Node::new(Origin::Default, Value::List(vec![text(name)]));
        let own = [("types".to_owned(), types), ("cwd".to_owned(), text(folder))];
        let mut joined = Node::new(Origin::Default, Value::Table(Table::from(own)));
        joined.merge(below.clone());
        joined.merge(std::mem::replace(worker, Node::empty()));
        if let Some(above) = above.clone() {
            let (key_at, at) = (joined.key_at.clone(), joined.at.clone());
            joined.merge(above);
            (joined.key_at, joined.at) = (key_at, at);
        }
        *worker = joined;
    }
}

/// Whether this is no worker, but what holds for all of them.
pub(super) fn is_for_all(name: &str) -> bool {
    name == "defaults" || name == "overrides"
}
