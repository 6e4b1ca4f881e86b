//! Just enough of Rust's grammar to tell code from comments and literals.

/// A file's code with comments and literals blanked out, line by line as it was; and the literals.
#[derive(Debug, Clone, Default)]
pub struct Lexed {
    /// As long as the text, with blanks for what is not code.
    pub code: String,
    /// String literals, with the line they begin on.
    pub literals: Vec<(usize, String)>,
}

/// Walks over a text, copying or blanking.
struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    lexed: Lexed,
}

impl Lexed {
    /// Reads a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut lexer = Lexer { rest: text, line: 1, lexed: Self::default() };
        while !lexer.rest.is_empty() {
            lexer.step();
        }
        lexer.lexed
    }

    /// The code's lines, numbered from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Where an identifier stands: line, and what follows it on that line.
    pub fn uses<'a>(&'a self, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        self.lines().flat_map(move |(number, line)| {
            words(line, word).map(move |at| (number, &line[at + word.len()..]))
        })
    }
}

/// Where `word` stands in `line` as a whole word.
fn words<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| !line[..at].ends_with(part) && !line[at + word.len()..].starts_with(part))
}

impl Lexer<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(block_comment(rest));
        } else if let Some((open, hashes)) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = rest[open..].find(&close).unwrap_or(rest.len() - open);
            self.literal(open, body, close.len());
        } else if let Some(body) = rest.strip_prefix('"') {
            self.literal(1, quoted(body), 1);
        } else if let Some(length) = character(rest) {
            self.blank(length);
        } else {
            self.copy(rest.chars().next().map_or(0, char::len_utf8));
        }
    }

    fn copy(&mut self, length: usize) {
        // A word at once, so that an `r` or `b` at its end does not begin a literal.
        let word = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(word.max(length));
        self.line += taken.matches('\n').count();
        self.lexed.code.push_str(taken);
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.line += gone.matches('\n').count();
        self.lexed.code.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }

    fn literal(&mut self, open: usize, body: usize, close: usize) {
        self.lexed.literals.push((self.line, self.rest[open..open + body].to_owned()));
        self.blank(open + body + close);
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..rest.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of the opening and the number of hashes, when a raw string begins here.
fn raw_string(rest: &str) -> Option<(usize, usize)> {
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| rest.starts_with(prefix))?;
    let hashes = rest[prefix.len()..].bytes().take_while(|&b| b == b'#').count();
    let open = prefix.len() + hashes;
    rest[open..].starts_with('"').then_some((open + 1, hashes))
}

/// How long the body of a string is, up to its closing quote.
fn quoted(body: &str) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            '"' if !escaped => return at,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    body.len()
}

/// How long a character literal is, when one begins here and not a lifetime.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    let mut chars = body.char_indices();
    match chars.next()? {
        (_, '\\') => body[2..].find('\'').map(|end| end + 4),
        (_, c) => body[c.len_utf8()..].starts_with('\'').then_some(c.len_utf8() + 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_what_is_not() {
        let text =
            "a // x \"y\"\n/* b /* c */ d */ e \"f \\\" g\" 'h' '\\n' '\\'' &'i j r#\"k \" l\"# bar\"m\"\n";
        let lexed = Lexed::new(text);
        let code: Vec<&str> = lexed.code.split_whitespace().collect();
        assert_eq!(code, ["a", "e", "&'i", "j", "bar"]);
        assert_eq!(lexed.literals, [(2, "f \\\" g".into()), (2, "k \" l".into()), (2, "m".into())]);
        assert_eq!(lexed.code.lines().count(), 2);
    }

    #[test]
    fn words_are_whole() {
        let lexed = Lexed::new("unsafe_code\nx unsafe {\n");
        assert_eq!(lexed.uses("unsafe").collect::<Vec<_>>(), [(2, " {")]);
    }
}
