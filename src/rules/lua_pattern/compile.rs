//! Compiles the text of a Lua pattern to items, which `matcher` matches.
//!
//! Lua finds a mistake in a pattern only when a match gets that far. Here all mistakes are found
//! by compiling, with the messages of Lua 5.4.

/// Lua's own limit of captures in one pattern.
pub const MAX_CAPTURES: usize = 32;

/// The maximum number of quantified items in one pattern. They nest while matching, and Lua 5.2 and later fail
/// at this depth too.
const MAX_QUANTIFIED: usize = 200;

/// `string.find` treats a pattern without any of these as plain text, so a lone `)` is no mistake.
const SPECIALS: &[u8] = b"^$*+?.([%-";

/// How often a quantified item may match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// `*`, and the rest of `+`: as many as possible.
    Greedy,
    /// `-`: as few as possible.
    Lazy,
    /// `?`
    Optional,
}

/// The part of a pattern that one byte is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Single {
    Byte(u8),
    Any,
    Set(Box<ByteSet>),
}

impl Single {
    pub fn matches(&self, byte: u8) -> bool {
        match self {
            Single::Byte(wanted) => *wanted == byte,
            Single::Any => true,
            Single::Set(set) => set.contains(byte),
        }
    }
}

/// One item of a pattern. A match passes the items in order, each exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    One(Single),
    /// A quantified single; the number counts these, for the memory of failures.
    Repeated(Single, Repeat, usize),
    Open(usize),
    Close(usize),
    Position(usize),
    BackReference(usize),
    Balance(u8, u8),
    Frontier(Box<ByteSet>),
    End,
}

/// A pattern as items.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    pub items: Vec<Item>,
    /// The pattern begins with `^`.
    pub anchored: bool,
    pub captures: usize,
    /// The number of quantified items.
    pub quantified: usize,
    /// Whether an item depends on a capture.
    pub back_references: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Capture {
    Open,
    Closed,
    Position,
}

/// Compiles a pattern.
///
/// # Errors
/// Fails with the message of Lua 5.4 for the mistake.
pub fn compile(pattern: &[u8]) -> Result<Program, String> {
    if !pattern.iter().any(|byte| SPECIALS.contains(byte)) {
        let items = pattern.iter().map(|byte| Item::One(Single::Byte(*byte))).collect();
        return Ok(Program { items, ..Program::default() });
    }
    let anchored = pattern.first() == Some(&b'^');
    let program = Program { anchored, ..Program::default() };
    let mut reader = Reader { pattern, at: usize::from(anchored), program, captures: Vec::new() };
    while let Some(&byte) = pattern.get(reader.at) {
        reader.item(byte)?;
    }
    if reader.captures.contains(&Capture::Open) {
        return Err("unfinished capture".into());
    }
    reader.program.captures = reader.captures.len();
    Ok(reader.program)
}

struct Reader<'a> {
    pattern: &'a [u8],
    at: usize,
    program: Program,
    captures: Vec<Capture>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.pattern.get(self.at + ahead).copied()
    }

    fn push(&mut self, item: Item, length: usize) -> Result<(), String> {
        self.program.items.push(item);
        self.at += length;
        Ok(())
    }

    fn item(&mut self, byte: u8) -> Result<(), String> {
        match (byte, self.peek(1)) {
            (b'(', next) => self.open(next == Some(b')')),
            (b')', _) => self.close(),
            (b'$', None) => self.push(Item::End, 1),
            (b'%', Some(b'b')) => match (self.peek(2), self.peek(3)) {
                (Some(open), Some(close)) => self.push(Item::Balance(open, close), 4),
                _ => Err("malformed pattern (missing arguments to '%b')".into()),
            },
            (b'%', Some(b'f')) => self.frontier(),
            (b'%', Some(digit @ b'0'..=b'9')) => self.back_reference(digit),
            _ => self.single(),
        }
    }

    fn open(&mut self, position: bool) -> Result<(), String> {
        let index = self.captures.len();
        if index >= MAX_CAPTURES {
            return Err("too many captures".into());
        }
        if position {
            self.captures.push(Capture::Position);
            return self.push(Item::Position(index), 2);
        }
        self.captures.push(Capture::Open);
        self.push(Item::Open(index), 1)
    }

    fn close(&mut self) -> Result<(), String> {
        let open = self.captures.iter().rposition(|capture| *capture == Capture::Open);
        let index = open.ok_or("invalid pattern capture")?;
        self.captures[index] = Capture::Closed;
        self.push(Item::Close(index), 1)
    }

    fn back_reference(&mut self, digit: u8) -> Result<(), String> {
        let index = usize::from(digit).wrapping_sub(usize::from(b'1'));
        if matches!(self.captures.get(index), None | Some(Capture::Open)) {
            return Err(format!("invalid capture index %{}", char::from(digit)));
        }
        self.program.back_references = true;
        self.push(Item::BackReference(index), 2)
    }

    fn frontier(&mut self) -> Result<(), String> {
        if self.peek(2) != Some(b'[') {
            return Err("missing '[' after '%f' in pattern".into());
        }
        self.at += 2;
        let (set, length) = self.set()?;
        self.push(Item::Frontier(Box::new(set)), length)
    }

    /// Returns the set that begins with the `[` here, and the length of its text.
    fn set(&self) -> Result<(ByteSet, usize), String> {
        let missing = "malformed pattern (missing ']')";
        let mut ahead = if self.peek(1) == Some(b'^') { 2 } else { 1 };
        // The first byte belongs to the set even if it is a `]`.
        loop {
            let byte = self.peek(ahead).ok_or(missing)?;
            ahead += if byte == b'%' && self.peek(ahead + 1).is_some() { 2 } else { 1 };
            if self.peek(ahead) == Some(b']') {
                break;
            }
        }
        let inside = self.pattern.get(self.at + 1..self.at + ahead).ok_or(missing)?;
        Ok((ByteSet::bracket(inside), ahead + 1))
    }

    fn single(&mut self) -> Result<(), String> {
        let (single, length) = match self.peek(0) {
            Some(b'.') => (Single::Any, 1),
            Some(b'[') => {
                let (set, length) = self.set()?;
                (Single::Set(Box::new(set)), length)
            }
            Some(b'%') => {
                let letter = self.peek(1).ok_or("malformed pattern (ends with '%')")?;
                let class = ByteSet::class(letter);
                let escaped = class == ByteSet::single(letter);
                (if escaped { Single::Byte(letter) } else { Single::Set(Box::new(class)) }, 2)
            }
            byte => (Single::Byte(byte.unwrap_or(0)), 1),
        };
        match self.peek(length) {
            Some(b'*') => self.repeated(single, Repeat::Greedy, length + 1),
            Some(b'-') => self.repeated(single, Repeat::Lazy, length + 1),
            Some(b'?') => self.repeated(single, Repeat::Optional, length + 1),
            Some(b'+') => {
                self.program.items.push(Item::One(single.clone()));
                self.repeated(single, Repeat::Greedy, length + 1)
            }
            _ => self.push(Item::One(single), length),
        }
    }

    fn repeated(&mut self, single: Single, repeat: Repeat, length: usize) -> Result<(), String> {
        let number = self.program.quantified;
        if number >= MAX_QUANTIFIED {
            return Err("pattern too complex".into());
        }
        self.program.quantified += 1;
        self.push(Item::Repeated(single, repeat, number), length)
    }
}

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// Returns the bytes of the class `%letter` in the C locale. An upper-case letter is the
    /// complement, and any other byte is just itself.
    pub fn class(letter: u8) -> ByteSet {
        let Some(holds) = predicate(letter.to_ascii_lowercase()) else {
            return ByteSet::single(letter);
        };
        let mut set = ByteSet::default();
        for byte in 0..=u8::MAX {
            if holds(byte) {
                set.insert(byte);
            }
        }
        if letter.is_ascii_uppercase() { set.complement() } else { set }
    }

    /// Returns the set of one byte.
    pub fn single(byte: u8) -> ByteSet {
        let mut set = ByteSet::default();
        set.insert(byte);
        set
    }

    /// Returns the set between the brackets of `[…]`, read as Lua reads it: a range ends with whatever
    /// byte follows its `-`, and a `-` after a class or at the end is a plain `-`.
    pub fn bracket(inside: &[u8]) -> ByteSet {
        let (negated, inside) = match inside.strip_prefix(b"^") {
            Some(rest) => (true, rest),
            None => (false, inside),
        };
        let mut set = ByteSet::default();
        let mut at = 0;
        while let Some(&byte) = inside.get(at) {
            match (byte, inside.get(at + 1), inside.get(at + 2)) {
                (b'%', Some(&letter), _) => {
                    set.unite(ByteSet::class(letter));
                    at += 2;
                }
                (from, Some(b'-'), Some(&to)) => {
                    (from..=to).for_each(|byte| set.insert(byte));
                    at += 3;
                }
                _ => {
                    set.insert(byte);
                    at += 1;
                }
            }
        }
        if negated { set.complement() } else { set }
    }

    /// Returns whether the set has this byte.
    pub fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn unite(&mut self, other: ByteSet) {
        self.0.iter_mut().zip(other.0).for_each(|(word, more)| *word |= more);
    }

    fn complement(self) -> ByteSet {
        ByteSet(self.0.map(|word| !word))
    }
}

fn predicate(letter: u8) -> Option<fn(u8) -> bool> {
    Some(match letter {
        b'a' => |byte| byte.is_ascii_alphabetic(),
        b'c' => |byte| byte.is_ascii_control(),
        b'd' => |byte| byte.is_ascii_digit(),
        b'g' => |byte| byte.is_ascii_graphic(),
        b'l' => |byte| byte.is_ascii_lowercase(),
        b'p' => |byte| byte.is_ascii_punctuation(),
        // Unlike `is_ascii_whitespace`, C counts the vertical tab.
        b's' => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
        b'u' => |byte| byte.is_ascii_uppercase(),
        b'w' => |byte| byte.is_ascii_alphanumeric(),
        b'x' => |byte| byte.is_ascii_hexdigit(),
        b'z' => |byte| byte == 0,
        _ => return None,
    })
}
