//! The demo, as a newcomer runs it: its table agrees with `sha256sum`, `wc -l` and `wc -w`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, fs, path::Path, process::Command};

fn skep(folder: &Path, args: &[&str], path: Option<&Path>) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
    command.args(args).current_dir(folder).env_remove("SKEP_BACKEND");
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn words_of(program: &str, flag: &str, file: &Path) -> u64 {
    let output = Command::new(program)
        .env("LC_ALL", "C")
        .arg(flag)
        .stdin(fs::File::open(file).unwrap())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    fs::create_dir_all(folder.join("sub")).unwrap();
    for n in 0..300 {
        fs::write(folder.join(format!("sub/{n} \"a\".txt")), format!("line {n}\nmore\n").repeat(n)).unwrap();
    }
    fs::write(folder.join("empty"), "").unwrap();
    fs::write(folder.join("binary"), (0..=255u8).collect::<Vec<_>>().repeat(4000)).unwrap();
    let mut find = Command::new("find");
    find.args([".", "-type", "f", "-exec", "sha256sum", "-b", "--zero", "{}", "+"]).current_dir(folder);
    let mut list = find.output().unwrap().stdout;
    list.pop();
    let text = String::from_utf8(list).unwrap();
    let root = fs::canonicalize(folder).unwrap();
    let entry = |line: &str| {
        let (sum, path) = line.split_once(" *./").unwrap();
        (root.join(path).to_str().unwrap().to_owned(), sum.to_owned())
    };
    text.split('\0').map(entry).collect()
}

fn demo(path: Option<&Path>) {
    let (data, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sums = files(data.path());
    let (code, out, err) = skep(home.path(), &["demo", data.path().to_str().unwrap(), "--json"], path);
    assert_eq!(code, 0, "{err}");
    let rows: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), sums.len());
    for row in &rows {
        let path = row["path"].as_str().unwrap();
        assert_eq!(row["sha256"].as_str(), sums.get(path).map(String::as_str), "{path}");
        if path.ends_with(".txt") {
            assert_eq!(row["lines"].as_u64().unwrap(), words_of("wc", "-l", path.as_ref()));
            assert_eq!(row["words"].as_u64().unwrap(), words_of("wc", "-w", path.as_ref()));
        }
    }
    let (code, list, _) = skep(home.path(), &["task", "list", "--limit", "1000", "--json"], None);
    assert_eq!(code, 0);
    let done = list.lines().filter(|line| line.contains("\"state\":\"completed\"")).count();
    assert_eq!(done, sums.len() + 2, "every file, the walk and the summary are still to be seen");
}

#[test]
fn the_demo_agrees_with_sha256sum() {
    demo(None);
}

#[test]
fn the_demo_needs_no_python() {
    let tools = tempfile::tempdir().unwrap();
    for tool in ["sh", "sed", "wc", "printf"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().unwrap();
        let path = String::from_utf8(found.stdout).unwrap();
        if path.starts_with('/') {
            std::os::unix::fs::symlink(path.trim(), tools.path().join(tool)).unwrap();
        }
    }
    demo(Some(tools.path()));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let home = tempfile::tempdir().unwrap();
    let (code, _, err) = skep(home.path(), &["demo", "nowhere"], None);
    assert_eq!(code, 2);
    assert!(err.contains("nowhere"), "{err}");
}
