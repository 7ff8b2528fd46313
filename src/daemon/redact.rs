//! What the log shows of messages that may have a password in them.

use std::borrow::Cow;

use crate::json::Raw;
use crate::json::scan::skip_blanks;
use crate::json::walk::{skip_string, skip_value};
use crate::wire::latin1::{is_unsafe_to_show, shown};

/// The services that are given passwords: of messages that name one, no params are shown.
const SECRET_SERVICES: [&str; 3] = ["authenticate", "passwd", "addUser"];

/// What is shown in place of what is not.
const HIDDEN: &str = "\"(hidden)\"";

/// A message as the log shows it: [`redacted`], complete, and on one line without control characters. What is no
/// JSON is shortened.
pub(super) fn on_one_line(json: &str) -> String {
    let safe = redacted(json);
    if !safe.contains(is_unsafe_to_show) {
        return if Raw::parse(&safe, usize::MAX).is_ok() { safe } else { shown(&safe).into_owned() };
    }
    if Raw::parse(&safe, usize::MAX).is_err() {
        return shown(&safe).into_owned();
    }
    let mut line = String::with_capacity(safe.len() + 16);
    for c in safe.chars() {
        match c {
            // JSON has these between values only.
            '\n' | '\r' | '\t' => line.push(' '),
            // And these in strings only. None of them needs a pair of escapes.
            c if is_unsafe_to_show(c) => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line
}

/// A message as the log may show it: without what is called `password` anywhere in it, and without params
/// of services that are given one.
pub(super) fn redacted(json: &str) -> String {
    if Raw::parse(json, usize::MAX).is_err() {
        // What cannot be read may be such a message with a mistake.
        return if is_suspicious(json) { HIDDEN.to_owned() } else { json.to_owned() };
    }
    let hides_params = strings(json).any(|token| SECRET_SERVICES.contains(&&*token.content));
    let (mut shown, mut from) = (String::new(), 0);
    for token in strings(json) {
        if token.start < from {
            continue;
        }
        let value = token.value(json);
        let is_secret = token.content == "password" || hides_params && token.content == "params";
        let (start, end) = match value {
            Some(value) if is_secret => {
                (value, skip_blanks(json.as_bytes(), skip_value(json.as_bytes(), value)))
            }
            // The error for what could not be read has it as a string.
            _ if is_suspicious(&token.content) && token.content.contains(['"', '\'', ':', '{']) => {
                (token.start, token.end)
            }
            _ => continue,
        };
        shown.push_str(&json[from..start]);
        shown.push_str(HIDDEN);
        from = end;
    }
    shown.push_str(&json[from..]);
    shown
}

/// Whether there may be a password in what is no JSON.
fn is_suspicious(text: &str) -> bool {
    text.contains("password") || SECRET_SERVICES.iter().any(|name| text.contains(name))
}

/// A string in JSON.
struct Token<'j> {
    start: usize,
    end: usize,
    content: Cow<'j, str>,
}

impl Token<'_> {
    /// Where the value begins, if it is a key.
    fn value(&self, json: &str) -> Option<usize> {
        let colon = skip_blanks(json.as_bytes(), self.end);
        json[colon..].starts_with(':').then(|| skip_blanks(json.as_bytes(), colon + 1))
    }
}

/// All strings in valid JSON.
fn strings(json: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + json[at..].find('"')?;
        let end = skip_string(json.as_bytes(), start);
        at = end;
        let content = Raw::trusted(&json[start..end]).as_str().unwrap_or_default();
        Some(Token { start, end, content })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_whole_on_one_line() {
        let json = "{\"a\":\r\n\t\"\u{7f}\u{9b}\u{202e}\u{e9}\\n\"}";
        assert_eq!(on_one_line(json), "{\"a\":   \"\\u007f\\u009b\\u202e\u{e9}\\n\"}");
        let long = format!("[\"{}\"]", "x".repeat(100_000));
        assert_eq!(on_one_line(&long), long);
        assert_eq!(on_one_line("{\n\u{1b}"), "{\\n\\u{1b}");
        assert_eq!(on_one_line(&long[1..]).len(), 203);
    }

    #[test]
    fn passwords_are_not_shown() {
        let cases = [
            (
                r#"{"method":"set","params":{"path":"a","value":1}}"#,
                r#"{"method":"set","params":{"path":"a","value":1}}"#,
            ),
            (
                r#"{"result":{"path":"my/password","value":"p"}}"#,
                r#"{"result":{"path":"my/password","value":"p"}}"#,
            ),
            (
                r#"{"id":1,"method":"authenticate","params":{"user":"a","password":"secret"}}"#,
                r#"{"id":1,"method":"authenticate","params":"(hidden)"}"#,
            ),
            (
                r#"{"params" : ["a","secret"] ,"method":"passwd"}"#,
                r#"{"params" : "(hidden)","method":"passwd"}"#,
            ),
            (
                r#"[{"params":"secret","method":"add\u0055ser"},1]"#,
                r#"[{"params":"(hidden)","method":"add\u0055ser"},1]"#,
            ),
            (
                r#"{"a":{"p\u0061ssword":{"b":["}","secret"]}},"c":1}"#,
                r#"{"a":{"p\u0061ssword":"(hidden)"},"c":1}"#,
            ),
            (r#"{"password":12345}"#, r#"{"password":"(hidden)"}"#),
            (r#"{"error":{"data":"{\"password\":\"secret"}}"#, r#"{"error":{"data":"(hidden)"}}"#),
            (
                r#"{"error":{"data":{"invalidPassword":true}}}"#,
                r#"{"error":{"data":{"invalidPassword":true}}}"#,
            ),
            (r#"{'password':'secret'}"#, HIDDEN),
            (r#"{"method":"authenticate","params":["secret"#, HIDDEN),
            ("{nothing", "{nothing"),
        ];
        for (json, shown) in cases {
            assert_eq!(redacted(json), shown);
        }
    }
}
