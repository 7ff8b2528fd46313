//! Lua patterns over bytes, with the results of Lua's own `string.find` and `string.match`.
//!
//! All items of Lua 5.1 to 5.4 are known, and classes follow the C locale. Mistakes are found when a
//! pattern is compiled; Lua finds them when a match gets that far. No match takes exponential time, as
//! some do in Lua (see `matcher`).

mod compile;
mod matcher;

use compile::{Item, MAX_CAPTURES, Program, Single};
use matcher::Span;

/// A compiled Lua pattern.
///
/// ```
/// use jet::rules::{Capture, Pattern};
///
/// let pattern = Pattern::compile("^(%a+)/(%d+)$")?;
/// let found = pattern.find("motor/12").expect("a match");
/// assert_eq!(found.get(2), Some(Capture::Bytes(b"12")));
/// assert!(!pattern.is_match("motor/x"));
/// assert_eq!(Pattern::compile("%").unwrap_err(), "malformed pattern (ends with '%')");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pattern {
    source: Box<str>,
    program: Program,
    /// The pattern matches nothing but its own text.
    plain: bool,
    fold: bool,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Fails with Lua's message for the mistake, such as `malformed pattern (ends with '%')`.
    pub fn compile(source: &str) -> Result<Pattern, String> {
        Pattern::with_case(source, false)
    }

    /// Compiles a pattern that matches the ASCII lower case of a subject. The pattern itself is
    /// converted to lower case too, as by the daemon of 2013: `%D` becomes `%d`.
    ///
    /// # Errors
    /// As [`Pattern::compile`].
    pub fn case_insensitive(source: &str) -> Result<Pattern, String> {
        Pattern::with_case(&source.to_ascii_lowercase(), true)
    }

    fn with_case(source: &str, fold: bool) -> Result<Pattern, String> {
        let program = compile::compile(source.as_bytes())?;
        let plain = !program.anchored
            && !fold
            && program.items.len() == source.len()
            && program.items.iter().all(|item| matches!(item, Item::One(Single::Byte(_))));
        Ok(Pattern { source: source.into(), program, plain, fold })
    }

    /// Returns the text of the pattern, in lower case if it ignores case.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns whether the pattern matches only its own text, with regard to case.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Returns whether ASCII case does not count.
    pub fn ignores_case(&self) -> bool {
        self.fold
    }

    /// Returns whether the pattern matches anywhere in `subject`. Allocates nothing, unless the match is
    /// so hard that its failures have to be remembered.
    pub fn is_match(&self, subject: &str) -> bool {
        self.is_match_counting(subject, &mut 0)
    }

    /// As [`is_match`](Self::is_match), but also adds the steps it took to `steps`. A step takes a few nanoseconds.
    pub fn is_match_counting(&self, subject: &str, steps: &mut u64) -> bool {
        if self.plain {
            *steps += 1 + subject.len() as u64 / 8;
            return subject.contains(&*self.source);
        }
        matcher::is_match(&self.program, subject.as_bytes(), self.fold, steps)
    }

    /// Returns the first match with its captures.
    pub fn find<'s>(&self, subject: &'s str) -> Option<Captures<'s>> {
        self.find_counting(subject, &mut 0)
    }

    /// Does the same as [`find`](Self::find), and adds the steps taken to `steps`.
    pub fn find_counting<'s>(&self, subject: &'s str, steps: &mut u64) -> Option<Captures<'s>> {
        let found = matcher::find(&self.program, subject.as_bytes(), self.fold, steps)?;
        let mut captures = Captures {
            subject,
            whole: Span { start: found.start, end: found.end, position: false },
            count: self.program.captures,
            spans: found.captures,
        };
        // As in Lua, the whole match is the first capture of a pattern without any.
        if captures.count == 0 {
            captures.count = 1;
            captures.spans[0] = captures.whole;
        }
        Some(captures)
    }

    /// Returns the text that every matching path begins with, and whether it is the whole path, for a
    /// pattern such as `^net/` or `^name$`. Returns `None` for other patterns.
    pub fn literal_start(&self) -> Option<(&str, bool)> {
        if !self.program.anchored || self.fold {
            return None;
        }
        let is_literal = |item: &Item| matches!(item, Item::One(Single::Byte(byte)) if byte.is_ascii());
        let mut length = self.program.items.iter().take_while(|item| is_literal(item)).count();
        // Source and items correspond only up to the first escape.
        let source = self.source.get(1..)?;
        length = length.min(source.find(['%', '.', '[', '(', ')', '$']).unwrap_or(source.len()));
        let exact = self.program.items.get(length..) == Some(&[Item::End]);
        let text = source.get(..length)?;
        (exact || length > 0).then_some((text, exact))
    }
}

/// The captures of a match.
#[derive(Debug, Clone, Copy)]
pub struct Captures<'s> {
    subject: &'s str,
    whole: Span,
    count: usize,
    spans: [Span; MAX_CAPTURES],
}

/// One capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture<'s> {
    /// The captured bytes. They need not be UTF-8: `.` is one byte.
    Bytes(&'s [u8]),
    /// The position of a position capture `()`, counted from 1.
    Position(usize),
}

impl<'s> Captures<'s> {
    /// Returns the byte offsets of the match, counted from 0.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.whole.start..self.whole.end
    }

    /// Returns the number of captures. For a pattern without any it is 1, the whole match.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns false: a pattern without captures captures its whole match.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the capture with that number, counted from 1 as in Lua. 0 is the whole match.
    pub fn get(&self, number: usize) -> Option<Capture<'s>> {
        let span = match number.checked_sub(1) {
            None => self.whole,
            Some(index) => *self.spans.get(..self.count)?.get(index)?,
        };
        if span.position {
            return Some(Capture::Position(span.start + 1));
        }
        self.subject.as_bytes().get(span.start..span.end).map(Capture::Bytes)
    }
}
