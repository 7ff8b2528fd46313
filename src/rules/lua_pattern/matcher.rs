//! Matches a compiled Lua pattern with a subject, never in exponential time.
//!
//! A match passes the items of a pattern in order, each exactly once, so backtracking happens only at
//! quantified items, and whether the rest of a pattern matches depends only on where it
//! starts: captures matter to back references only, and a capture is always set again before
//! its next use. So a quantified item that failed at a position always fails there. A match that
//! takes more than a few steps starts again and remembers these failures, which bounds the time by
//! items times bytes.

use super::compile::{Item, MAX_CAPTURES, Program, Repeat, Single};

/// Steps that a match may take before it starts to remember failures. Hardly any match needs that many.
const EASY_STEPS: u32 = 2_000;

/// Steps after which a match that cannot remember failures is abandoned and counts as none: some hundred
/// microseconds. Only patterns with back references, and subjects that are too long to remember failures for, get there.
const MAX_STEPS: u32 = 200_000;

/// The same for a match that remembers failures. Its steps are bounded by items times bytes, so only
/// a huge pattern on a huge path gets there, or `%b` on a huge path.
const MAX_STEPS_REMEMBERING: u32 = 50_000_000;

/// The maximum number of failures to remember: quantified items times positions, one bit each.
const MAX_MEMORY: usize = 1 << 26;

/// One capture as byte offsets. For a position capture both are the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    pub position: bool,
}

/// A match.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    pub start: usize,
    pub end: usize,
    pub captures: [Span; MAX_CAPTURES],
}

/// Finds the first match and adds the steps taken to `steps`. With `fold`, ASCII letters of the subject are lowered.
pub fn find(program: &Program, subject: &[u8], fold: bool, steps: &mut u64) -> Option<Found> {
    let mut run = Run::new(program, subject, fold);
    let found = run.search_patiently();
    *steps += run.steps_taken();
    found.map(|(start, end)| Found { start, end, captures: run.captures })
}

/// Returns whether there is a match. Adds the steps taken to `steps`, as [`find`] does.
pub fn is_match(program: &Program, subject: &[u8], fold: bool, steps: &mut u64) -> bool {
    find(program, subject, fold, steps).is_some()
}

struct Run<'a> {
    program: &'a Program,
    subject: &'a [u8],
    fold: bool,
    steps_left: u32,
    /// The steps that all searches of this run were allowed.
    steps_given: u64,
    captures: [Span; MAX_CAPTURES],
    /// A bit for each quantified item and position: set if the item fails there. Empty if failures are not
    /// remembered.
    failed: Vec<u64>,
}

impl<'a> Run<'a> {
    fn new(program: &'a Program, subject: &'a [u8], fold: bool) -> Self {
        let captures = [Span::default(); MAX_CAPTURES];
        let steps_given = u64::from(EASY_STEPS);
        Run { program, subject, fold, steps_left: EASY_STEPS, steps_given, captures, failed: Vec::new() }
    }

    /// Returns the steps taken so far. Looking for a start and clearing the memory count too: eight bytes of either
    /// are one step.
    fn steps_taken(&self) -> u64 {
        let looked_at = (self.subject.len() / 8 + self.failed.len()) as u64;
        self.steps_given - u64::from(self.steps_left) + looked_at + 1
    }

    fn given_up(&self) -> bool {
        self.steps_left == 0
    }

    /// Takes so many steps. Returns false if none are left.
    fn spend(&mut self, steps: usize) -> bool {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.steps_left = self.steps_left.saturating_sub(steps);
        !self.given_up()
    }

    fn byte(&self, at: usize) -> Option<u8> {
        let byte = *self.subject.get(at)?;
        Some(if self.fold { byte.to_ascii_lowercase() } else { byte })
    }

    /// Searches, and if that takes too many steps, searches again with more steps and a memory.
    fn search_patiently(&mut self) -> Option<(usize, usize)> {
        let found = self.search();
        if !self.given_up() {
            return found;
        }
        let bits = self.program.quantified * (self.subject.len() + 1);
        if self.program.back_references || bits > MAX_MEMORY {
            self.steps_left = MAX_STEPS;
        } else {
            self.steps_left = MAX_STEPS_REMEMBERING;
            self.failed = vec![0; bits.div_ceil(64)];
        }
        self.steps_given += u64::from(self.steps_left);
        // A match that runs out of steps never succeeds: each way out of it fails.
        self.search()
    }

    fn search(&mut self) -> Option<(usize, usize)> {
        let last = if self.program.anchored { 0 } else { self.subject.len() };
        for start in 0..=last {
            if !self.may_start(start) {
                continue;
            }
            if let Some(end) = self.from(0, start) {
                return Some((start, end));
            }
            if self.given_up() {
                return None;
            }
        }
        None
    }

    /// Returns whether the first byte allows a match, which rules out most starts.
    fn may_start(&self, at: usize) -> bool {
        match self.program.items.first() {
            Some(Item::One(single)) => self.byte(at).is_some_and(|byte| single.matches(byte)),
            _ => true,
        }
    }

    /// Matches the items from `item` on at `at`, and returns the end of the match. Recursion is as
    /// deep as the number of quantified items, which `compile` limits.
    fn from(&mut self, item: usize, mut at: usize) -> Option<usize> {
        let program = self.program;
        for (offset, step) in program.items.get(item..)?.iter().enumerate() {
            if !self.spend(1) {
                return None;
            }
            at = match step {
                Item::One(single) => single.matches(self.byte(at)?).then_some(at + 1)?,
                Item::Repeated(single, repeat, number) => {
                    return self.repeated(single, *repeat, *number, item + offset + 1, at);
                }
                Item::End => (at == self.subject.len()).then_some(at)?,
                Item::Frontier(set) => {
                    let before = at.checked_sub(1).and_then(|before| self.byte(before)).unwrap_or(0);
                    let here = self.byte(at).unwrap_or(0);
                    (!set.contains(before) && set.contains(here)).then_some(at)?
                }
                Item::Balance(open, close) => self.balance(*open, *close, at)?,
                Item::BackReference(index) => self.back_reference(*index, at)?,
                Item::Open(index) => {
                    self.captures[*index] = Span { start: at, end: at, position: false };
                    at
                }
                Item::Close(index) => {
                    self.captures[*index].end = at;
                    at
                }
                Item::Position(index) => {
                    self.captures[*index] = Span { start: at, end: at, position: true };
                    at
                }
            };
        }
        Some(at)
    }

    fn balance(&mut self, open: u8, close: u8, start: usize) -> Option<usize> {
        if self.byte(start)? != open {
            return None;
        }
        let mut depth = 1usize;
        for at in start + 1..self.subject.len() {
            let byte = self.byte(at)?;
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    return self.spend(at - start).then_some(at + 1);
                }
            } else if byte == open {
                depth += 1;
            }
        }
        self.spend(self.subject.len() - start);
        None
    }

    fn back_reference(&mut self, index: usize, at: usize) -> Option<usize> {
        let Span { start, end, position } = self.captures[index];
        // Lua never matches a reference to a position capture.
        if position || !self.spend(end - start) {
            return None;
        }
        let end = at + (end - start);
        let (seen, here) = (self.subject.get(start..start + (end - at))?, self.subject.get(at..end)?);
        let same = if self.fold { seen.eq_ignore_ascii_case(here) } else { seen == here };
        same.then_some(end)
    }

    fn repeated(
        &mut self,
        single: &Single,
        repeat: Repeat,
        number: usize,
        next: usize,
        at: usize,
    ) -> Option<usize> {
        if self.has_failed(number, at) {
            return None;
        }
        match repeat {
            Repeat::Greedy => self.greedy(single, number, next, at),
            Repeat::Lazy => self.lazy(single, number, next, at),
            Repeat::Optional => self.optional(single, number, next, at),
        }
    }

    fn greedy(&mut self, single: &Single, number: usize, next: usize, start: usize) -> Option<usize> {
        let mut end = start;
        // If the item has failed at a position before, everything longer has been tried.
        while self.byte(end).is_some_and(|byte| single.matches(byte)) && !self.has_failed(number, end + 1) {
            end += 1;
        }
        if !self.spend(end - start + 1) {
            return None;
        }
        for at in (start..=end).rev() {
            if let Some(found) = self.from(next, at) {
                return Some(found);
            }
            if self.given_up() {
                return None;
            }
        }
        self.fail(number, start, end);
        None
    }

    fn lazy(&mut self, single: &Single, number: usize, next: usize, start: usize) -> Option<usize> {
        let mut at = start;
        loop {
            if let Some(found) = self.from(next, at) {
                return Some(found);
            }
            let goes_on = self.byte(at).is_some_and(|byte| single.matches(byte));
            if !self.spend(1) {
                return None;
            }
            if !goes_on || self.has_failed(number, at + 1) {
                self.fail(number, start, at);
                return None;
            }
            at += 1;
        }
    }

    fn optional(&mut self, single: &Single, number: usize, next: usize, at: usize) -> Option<usize> {
        if self.byte(at).is_some_and(|byte| single.matches(byte))
            && let Some(found) = self.from(next, at + 1)
        {
            return Some(found);
        }
        let found = self.from(next, at);
        if found.is_none() && !self.given_up() {
            self.fail(number, at, at);
        }
        found
    }

    fn has_failed(&self, number: usize, at: usize) -> bool {
        let bit = number * (self.subject.len() + 1) + at;
        self.failed.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    fn fail(&mut self, number: usize, first: usize, last: usize) {
        let row = number * (self.subject.len() + 1);
        for bit in row + first..=row + last {
            if let Some(word) = self.failed.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
    }
}
