//! [`required`]: the text that every match of a Lua pattern contains. `net%-x.*end` cannot match without
//! `net-x` and `end`, so daemons without patterns can be asked for less than everything.

/// Returns the pieces of plain text that every match of the pattern contains. With `plain_too` they are
/// also in every text that contains the pattern's own text.
pub fn required(pattern: &str, plain_too: bool) -> Vec<String> {
    let mut pieces = Pieces::default();
    let mut rest = pattern.strip_prefix('^').unwrap_or(pattern).chars().peekable();
    while let Some(character) = rest.next() {
        let item = match character {
            '%' => escaped(&mut rest),
            '(' | ')' => Item::Mark,
            '[' => {
                skip_set(&mut rest);
                Item::Any
            }
            '.' | '^' | '$' => Item::Any,
            _ => Item::Text(character),
        };
        let is_escaped = character == '%';
        let text = match item {
            Item::Mark => {
                pieces.end();
                continue;
            }
            Item::Text(text) if !(is_escaped && plain_too) => Some(text),
            _ => None,
        };
        match rest.peek() {
            // The item may be missing. The sign itself is text only in the plain reading.
            Some('*' | '-' | '?') => {
                rest.next();
                pieces.end();
            }
            Some('+') => {
                rest.next();
                pieces.push(text);
                pieces.end();
            }
            _ => pieces.push(text),
        }
    }
    pieces.end();
    pieces.done
}

/// One item of a pattern.
enum Item {
    /// A certain character.
    Text(char),
    /// One of several characters.
    Any,
    /// An item that cannot be repeated: a repetition sign after it is text.
    Mark,
}

fn escaped(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Item {
    match rest.next() {
        Some('b') => {
            rest.next();
            rest.next();
            Item::Mark
        }
        Some('f') => {
            if rest.next() == Some('[') {
                skip_set(rest);
            }
            Item::Mark
        }
        Some('0'..='9') => Item::Mark,
        Some(character) if !character.is_ascii_alphanumeric() => Item::Text(character),
        _ => Item::Any,
    }
}

/// Skips a set whose opening bracket was read. A bracket right at its start is part of it.
fn skip_set(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    if rest.peek() == Some(&'^') {
        rest.next();
    }
    let mut first = true;
    while let Some(character) = rest.next() {
        match character {
            ']' if !first => return,
            '%' => drop(rest.next()),
            _ => {}
        }
        first = false;
    }
}

#[derive(Default)]
struct Pieces {
    current: String,
    done: Vec<String>,
}

impl Pieces {
    /// Adds a character to the current piece, or ends the piece if there is none.
    fn push(&mut self, literal: Option<char>) {
        // A pattern works on bytes: a `*` after a character of several bytes repeats its last byte.
        match literal.filter(char::is_ascii) {
            Some(character) => self.current.push(character),
            None => self.end(),
        }
    }

    fn end(&mut self) {
        if !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Pattern;

    #[test]
    fn every_match_needs_the_pieces() {
        for (pattern, pieces) in [
            ("net", &["net"][..]),
            ("^net%-x.*end$", &["net-x", "end"]),
            ("ab*c", &["a", "c"]),
            ("ab+c", &["ab", "c"]),
            ("ab-c?d", &["a", "d"]),
            ("a[bc]d%d+e%a*f", &["a", "d", "e", "f"]),
            ("[]x]a[^]x]b[%]]c", &["a", "b", "c"]),
            ("a%bxyb%f[%w]c(d)e%1f", &["a", "b", "c", "d", "e", "f"]),
            (".*", &[]),
            ("é*aéb", &["a", "b"]),
            ("%%%.", &["%."]),
        ] {
            assert_eq!(required(pattern, false), pieces, "{pattern}");
        }
        assert_eq!(required("net-settings", true), ["ne", "settings"]);
        assert_eq!(required("a%.b+c", true), ["a", "b", "c"]);
    }

    #[test]
    fn matches_contain_all_pieces() {
        // All short patterns over an alphabet with every special character, against short subjects.
        let letters = ["a", "b", ".", "*", "-", "+", "?", "%", "[", "]", "^", "$", "(", ")"];
        let mut patterns = vec![String::new()];
        for _ in 0..4 {
            let longer = patterns.iter().flat_map(|p| letters.iter().map(move |l| format!("{p}{l}")));
            patterns = longer.chain(std::iter::once(String::new())).collect();
        }
        let subjects =
            ["", "a", "ab", "ba", "aab", "a.b", "b-a", "a+b", "%a", "[a]", "a*b?", "(b)", "^a$", "-", "]"];
        for source in patterns {
            let Ok(pattern) = Pattern::compile(&source) else { continue };
            for subject in subjects {
                let has_all = |plain| required(&source, plain).iter().all(|piece| subject.contains(piece));
                if pattern.is_match(subject) {
                    assert!(has_all(false) && has_all(true), "{source} {subject}");
                }
                if subject.contains(&source) {
                    assert!(has_all(true), "plain {source} {subject}");
                }
            }
        }
    }
}
