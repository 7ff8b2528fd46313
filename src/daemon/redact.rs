//! Removes passwords from messages before they are logged.

use std::ops::Range;

use crate::json::scan::skip_blanks;
use crate::json::{Quoted, Raw, Token, Tokens};
use crate::wire::latin1::{is_unsafe_to_show, shown};

/// The services with passwords in their params. The params of a message that names one are hidden.
const SECRET_SERVICES: [&str; 3] = ["authenticate", "passwd", "addUser"];

/// The JSON text that replaces hidden values.
const HIDDEN: &str = "\"(hidden)\"";

/// Returns a message as a log line: [`redacted`], and without control characters. Text that is no JSON is cut.
pub fn on_one_line(json: &str) -> String {
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
            // In JSON these are between values only.
            '\n' | '\r' | '\t' => line.push(' '),
            // And these in strings only. One escape is enough for each.
            c if is_unsafe_to_show(c) => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line
}

/// Returns a message with its passwords hidden: all members `password`, and the params of services that take one.
pub fn redacted(json: &str) -> String {
    if Raw::parse(json, usize::MAX).is_err() {
        // It may be such a message with a mistake.
        return if is_suspicious(json) { HIDDEN.to_owned() } else { json.to_owned() };
    }
    let hides_params = Tokens::new(json).any(|token| text_of(token).is_some_and(names_secret_service));
    let (mut shown, mut from) = (String::new(), 0);
    let mut tokens = Tokens::new(json);
    while let Some(secret) = next_secret(json, &mut tokens, hides_params) {
        shown.push_str(&json[from..secret.start]);
        shown.push_str(HIDDEN);
        from = secret.end;
    }
    shown.push_str(&json[from..]);
    shown
}

/// Walks to the next part of a message that must not be shown, and returns where it is.
fn next_secret(json: &str, tokens: &mut Tokens, hides_params: bool) -> Option<Range<usize>> {
    loop {
        let before = tokens.offset();
        let token = tokens.next()?;
        let Some(text) = text_of(token) else { continue };
        let content = text.unescape();
        let is_secret = content == "password" || hides_params && content == "params";
        if is_secret && matches!(token, Token::Key(_)) {
            let value = tokens.value()?;
            let end = tokens.offset();
            return Some(end - value.len()..skip_blanks(json.as_bytes(), end));
        }
        // The error for a message that could not be read quotes it in a string.
        if is_suspicious(&content) && content.contains(['"', '\'', ':', '{']) {
            let start = before + json[before..].find('"')?;
            return Some(start..start + text.as_written().len() + 2);
        }
    }
}

/// Returns the text of a key or a string.
fn text_of(token: Token<'_>) -> Option<Quoted<'_>> {
    match token {
        Token::Key(text) | Token::String(text) => Some(text),
        _ => None,
    }
}

fn names_secret_service(text: Quoted<'_>) -> bool {
    SECRET_SERVICES.contains(&&*text.unescape())
}

/// Returns `true` if there may be a password in text that is no JSON.
fn is_suspicious(text: &str) -> bool {
    text.contains("password") || SECRET_SERVICES.iter().any(|name| text.contains(name))
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
