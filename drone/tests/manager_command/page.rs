//! The console blocks of a page: commands behind `$ `, and below each what it prints. `[..]` stands for anything
//! within a line. Each block has a folder of its own, and what it left running ends with it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// One block.
pub struct Block(Vec<(String, Vec<String>)>);

impl Block {
    /// Whether a command has this word in it.
    pub fn needs(&self, word: &str) -> bool {
        self.0.iter().any(|(command, _)| command.contains(word))
    }
}

/// The blocks of a page.
pub fn blocks(page: &str) -> Vec<Block> {
    let parts = page.split("```console\n").skip(1);
    parts.map(|part| block(part.split("```").next().unwrap_or_default())).collect()
}

fn block(text: &str) -> Block {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push((command.to_owned(), Vec::new())),
            (None, Some((_, shown))) => shown.push(line.to_owned()),
            (None, None) => panic!("a block begins with a command: {line}"),
        }
    }
    Block(steps)
}

/// Runs a block, and compares.
pub fn run(block: &Block, skep: &Path) {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at(".script"), script(block)).unwrap();
    let path = format!("{}:{}", skep.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let mut bash = Command::new("bash");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SKEP_")) {
        bash.env_remove(name);
    }
    let bash = bash.arg(".script").current_dir(folder.path()).env("PATH", path).stdin(Stdio::null());
    let ended = bash.env("XDG_STATE_HOME", folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    for (n, (command, shown)) in block.0.iter().enumerate() {
        let read = |what: &str| fs::read_to_string(at(&format!(".{what}{n}")));
        let printed = read("out").unwrap_or_else(|_| panic!("{command}: it did not come so far\n{told}"));
        let failed = shown.iter().any(|line| line.starts_with("error: "));
        let code = read("code").unwrap_or_default();
        assert_eq!(code.trim() != "0", failed, "{command}: exit code {code}\n{printed}\n{told}");
        if !shown.is_empty() {
            let printed: Vec<&str> = printed.lines().collect();
            let same = printed.len() == shown.len() && shown.iter().zip(&printed).all(|(a, b)| fits(a, b));
            assert!(same, "{command}\nshown:\n{}\nprinted:\n{}", shown.join("\n"), printed.join("\n"));
        }
    }
}

/// What is started in the background is waited for by its socket, or until the queue knows the drone.
fn script(block: &Block) -> String {
    let mut script = String::from("trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n");
    for (n, (command, _)) in block.0.iter().enumerate() {
        script += &format!("{{ {command}\n}} >.out{n} 2>&1\necho $? >.code{n}\n");
        let ready = match command {
            _ if !command.ends_with('&') => continue,
            _ if command.contains("manager run") => "[ -S skep.sock ]",
            _ => "skep drone list --json 2>/dev/null | grep -q name",
        };
        script += &format!("for _ in $(seq 300); do {ready} && break; sleep 0.1; done\n");
    }
    script
}

/// Whether a line is as it was shown.
fn fits(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

#[test]
fn pages_are_read_and_compared() {
    let page = "# A\n```console\n$ one a\n1\n$ two &\n```\ntext\n```console\n$ three\n```\n";
    let found = blocks(page);
    assert_eq!(found[0].0, [("one a".to_owned(), vec!["1".to_owned()]), ("two &".to_owned(), Vec::new())]);
    assert!(found.len() == 2 && found[1].needs("three"));
    assert!(fits("a [..] c", "a b c") && fits("a[..]", "abc") && fits("abc", "abc"));
    assert!(!fits("a[..]c", "ab") && !fits("abc", "abcd") && !fits("a[..]b", "abc"));
}
