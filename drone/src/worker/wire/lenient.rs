//! What JSON printers of the world write and a strict reader refuses: halves of surrogate pairs, and bytes
//! that are not UTF-8. An error text cut in the middle of an emoji must not cost the task its outcome.

use std::borrow::Cow;

const REPLACEMENT: &str = "\\ufffd";

/// The line as text that a strict reader takes, if it is JSON at all.
pub(super) fn mend(line: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(line);
    let suspicious = text.as_bytes().windows(3).any(|w| w[0] == b'\\' && w[1] == b'u' && (w[2] | 32) == b'd');
    if suspicious { Cow::Owned(pair_up(&text)) } else { text }
}

/// Replaces every surrogate escape that is not half of a pair.
fn pair_up(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let (taken, with) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => (12, &escape[..12]),
            (Some(0xd800..0xe000), _) => (6, REPLACEMENT),
            // An escaped backslash must not be taken for the start of the next escape.
            _ => {
                let taken = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
                (taken, &escape[..taken])
            }
        };
        mended.push_str(with);
        rest = &escape[taken..];
    }
    mended.push_str(rest);
    mended
}

/// The number in a leading `\uXXXX`.
fn unit(escape: &str) -> Option<u32> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_halves_of_pairs_change() {
        let table = [
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""\udc00\ud800""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\\ud800""#, r#""\\ud800""#),
            (r#""\\\uD800x""#, r#""\\\ufffdx""#),
            (r#""\ud80"#, r#""\ud80"#),
            (r#""\ud8000\"#, r#""\ufffd0\"#),
            (r#""\udéx""#, r#""\udéx""#),
        ];
        for (line, mended) in table {
            assert_eq!(mend(line.as_bytes()), mended);
        }
        assert_eq!(mend(b"\"\xff\""), "\"\u{fffd}\"");
    }
}
