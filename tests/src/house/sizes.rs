//! Rules about length.

use super::{Finding, Source};

/// Files and functions shorter than these need no second look.
pub const LONG_FILE: usize = 300;
/// See [`LONG_FILE`].
pub const LONG_FUNCTION: usize = 40;
/// What no file exceeds.
const LONGEST_FILE: usize = 400;
/// What no function exceeds.
const LONGEST_FUNCTION: usize = 70;
/// How many may be long, of a hundred.
const LONG_PERCENT: usize = 5;

/// How long things are.
#[derive(Debug, Clone, Default)]
pub struct Sizes {
    /// Files that are not tests.
    pub files: usize,
    /// Those of them that are long.
    pub long_files: Vec<Finding>,
    /// Functions that are not tests.
    pub functions: usize,
    /// Those of them that are long.
    pub long_functions: Vec<Finding>,
    /// Whatever is too long; of tests only files.
    pub too_long: Vec<Finding>,
}

/// Measures all files together.
#[must_use]
pub fn sizes(files: &[Source]) -> Sizes {
    let mut sizes = Sizes::default();
    for file in files.iter().filter(|file| file.is_rust()) {
        sizes.add(file);
    }
    let share = |long: usize, all: usize| long * 100 > all * LONG_PERCENT;
    if share(sizes.long_files.len(), sizes.files) {
        sizes.too_long.extend(sizes.long_files.iter().cloned());
    }
    if share(sizes.long_functions.len(), sizes.functions) {
        sizes.too_long.extend(sizes.long_functions.iter().cloned());
    }
    sizes
}

impl Sizes {
    fn add(&mut self, file: &Source) {
        let lines = file.text.lines().count();
        let finding = file.finding(lines, format!("a file of {lines} lines"));
        if lines > LONGEST_FILE {
            self.too_long.push(finding.clone());
        }
        if !file.is_test() {
            self.files += 1;
            self.long_files.extend((lines > LONG_FILE).then_some(finding));
        }
        for (line, length) in functions(&file.lexed.code) {
            // A test may be a long table.
            if file.is_test() {
                continue;
            }
            let finding = file.finding(line, format!("a function of {length} lines"));
            if length > LONGEST_FUNCTION {
                self.too_long.push(finding.clone());
            }
            self.functions += 1;
            self.long_functions.extend((length > LONG_FUNCTION).then_some(finding));
        }
    }
}

/// Where each function with a body begins, and how many lines it has.
fn functions(code: &str) -> Vec<(usize, usize)> {
    // Where it began, and how deep its brace is; where it began, and its lines.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut found: Vec<(usize, usize)> = Vec::new();
    let (mut line, mut depth, mut brackets, mut header) = (1, 0, 0_i32, None);
    let mut last = "";
    for token in tokens(code) {
        match token {
            "\n" => line += 1,
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets -= 1,
            "{" => {
                depth += 1;
                // Within the brackets of its arguments a brace is a default or a pattern.
                if let Some((begun, _)) = header.take_if(|(_, outer)| *outer == brackets) {
                    open.push((begun, depth));
                }
            }
            "}" => {
                if let Some((begun, _)) = open.pop_if(|(_, inner)| *inner == depth) {
                    found.push((begun, line - begun + 1));
                }
                depth = depth.saturating_sub(1);
            }
            ";" => drop(header.take_if(|(_, outer)| *outer == brackets)),
            // `fn(..)` is a type, `fn name` begins a function.
            name if last == "fn" && name.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                header = Some((line, brackets));
            }
            _ => {}
        }
        last = token;
    }
    found
}

/// Words, and every other character but blanks.
fn tokens(code: &str) -> impl Iterator<Item = &str> {
    let mut rest = code;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', '\r']);
        let first = rest.chars().next()?;
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (token, left) = rest.split_at(word.max(if word == 0 { first.len_utf8() } else { word }));
        rest = left;
        Some(token)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_their_name_to_their_brace() {
        let code = "trait T {\n fn a(&self);\n fn b(\n  x: fn(u8) -> u8,\n ) -> [u8; 3] {\n  if x { y }\n }\n}\nfn c() {}\n";
        assert_eq!(functions(code), [(3, 5), (9, 1)]);
    }
}
