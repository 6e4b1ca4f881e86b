//! Text from anywhere, made safe for a terminal.

use std::{borrow::Cow, fmt::Write, time::Duration};

/// One line: control characters, and those that turn the reading direction, are shown as escapes.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let show = |c: char| if steers(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(show).collect())
}

/// JSON text on one line, with the same meaning and no control character in it.
pub(crate) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Strings cannot hold these as they are, so here they are only space.
            '\n' | '\r' | '\t' => safe.push(' '),
            c if steers(c) => {
                let _ = write!(safe, "\\u{:04x}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first line of a text, for a cell.
pub(crate) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// A time span in its largest unit: `4d`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let largest = units.into_iter().find(|(unit, _)| seconds >= *unit);
    largest.map_or_else(|| "0s".into(), |(unit, name)| format!("{}{name}", seconds / unit))
}

/// A count of something: `1 task`, `2 tasks`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(line("plain äöü"), "plain äöü");
        assert_eq!(line("a\u{1b}[2Jb\u{9b}1m\r\n\u{202e}"), "a\\u{1b}[2Jb\\u{9b}1m\\r\\n\\u{202e}");
    }

    #[test]
    fn json_keeps_its_meaning_on_one_line() {
        let wild = "{\n\t\"a\": \"x\u{9b}\u{7f}\u{202e}y\"\n}";
        let safe = json(wild);
        assert_eq!(safe, r#"{  "a": "x\u009b\u007f\u202ey" }"#);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&safe), read(wild));
    }

    #[test]
    fn spans_are_short() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m"), (7_199, "1h"), (200_000, "2d")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
