//! `include = ["conf.d/*.toml"]`: the files of a pattern, in order of their names.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    source::{Origin, Problems},
    tree::{Node, Value},
};

/// The files that the main file includes. A list of anything but texts is told about later.
pub(super) fn files(main: &Node, file: &Path, problems: &mut Problems) -> Vec<PathBuf> {
    let Some(Value::List(patterns)) = main.get(&["include"]).map(|node| &node.value) else {
        return Vec::new();
    };
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    for pattern in patterns {
        if let Some(text) = pattern.str() {
            files.extend(matching(&folder.join(text), &pattern.at, problems));
        }
    }
    files
}

fn matching(pattern: &Path, at: &Origin, problems: &mut Problems) -> Vec<PathBuf> {
    let shown = pattern.display();
    let folder = pattern.parent().unwrap_or(Path::new(""));
    let name = pattern.file_name().unwrap_or_default().to_string_lossy();
    if folder.to_string_lossy().contains('*') {
        problems.add(at, format!("{shown}: `*` may stand in the file's name only"));
        return Vec::new();
    }
    if !name.contains('*') {
        return vec![pattern.to_owned()];
    }
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = fs::read_dir(listed).map(|entries| {
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|found| !found.starts_with('.') && fits(&name, found)).collect::<Vec<_>>()
    });
    // A folder that is not there holds no files: as with a pattern that nothing fits.
    let mut names = names.unwrap_or_default();
    names.sort_unstable();
    names.iter().map(|name| folder.join(name)).collect()
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    loop {
        if fits(rest, name) {
            return true;
        }
        let mut chars = name.chars();
        if chars.next().is_none() {
            return false;
        }
        name = chars.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name) in
            [("*.toml", "a.toml"), ("a*b*c", "a--b--c"), ("*", "x"), ("a*", "a"), ("a", "a")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.toml", "a.tom"), ("a*b*c", "a--c"), ("a", "ab"), ("", "x")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
