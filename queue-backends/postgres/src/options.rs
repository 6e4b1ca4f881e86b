//! Options as PostgreSQL can store them: `jsonb` holds any text but one with NUL. So NUL is stored as U+0001
//! and `0`, and U+0001 as itself and `1`.

use skep_queue::Options;

use crate::error::Error;

/// As stored: nothing when all are default.
pub(crate) fn stored(options: &Options) -> Result<Option<String>, Error> {
    if *options == Options::default() {
        return Ok(None);
    }
    let json = serde_json::to_string(options).map_err(|error| Error::Refused(format!("options: {error}")))?;
    Ok(Some(replaced(&json, &[(r"\u0000", r"\u00010"), (r"\u0001", r"\u00011")])))
}

/// From what was stored.
pub(crate) fn read(json: &str) -> Result<Options, Error> {
    let json = replaced(json, &[(r"\u00010", r"\u0000"), (r"\u00011", r"\u0001")]);
    serde_json::from_str(&json).map_err(|error| Error::Corrupt(format!("options: {error}")))
}

/// A JSON text with some of its escapes replaced.
fn replaced(json: &str, pairs: &[(&str, &str)]) -> String {
    let (mut text, mut rest) = (String::with_capacity(json.len()), json);
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let pair = pairs.iter().find(|(from, _)| rest.starts_with(from));
        let (from, to) = pair.copied().unwrap_or((&rest[..2], &rest[..2]));
        text.push_str(to);
        rest = &rest[from.len()..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back() {
        assert_eq!(stored(&Options::default()).unwrap(), None);
        for key in ["\0", "\u{1}", "\u{1}0\0\u{1}1", r"\u0000", "\\\0\\u0001", "\u{e4}\"\\"] {
            let options = Options { unique_key: Some(key.to_owned()), ..Options::default() };
            let json = stored(&options).unwrap().unwrap();
            assert!(!replaced(&json, &[(r"\u0000", "NUL")]).contains("NUL"), "{json}");
            assert_eq!(read(&json).unwrap(), options, "{json}");
        }
    }
}
