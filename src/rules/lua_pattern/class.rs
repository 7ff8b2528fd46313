//! Character classes and sets of Lua patterns, as 256-bit maps. Parsing patterns is not here.

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    /// The bytes of the class `%letter` in the C locale; an upper-case letter gives the
    /// complement, any other byte just itself.
    pub(super) fn class(letter: u8) -> ByteSet {
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

    /// The set of one byte.
    pub(super) fn single(byte: u8) -> ByteSet {
        let mut set = ByteSet::default();
        set.insert(byte);
        set
    }

    /// The set between the brackets of `[…]`, read the way Lua reads it: a range takes whatever
    /// byte follows its `-`, and a `-` after a class or at the end is a plain `-`.
    pub(super) fn bracket(inside: &[u8]) -> ByteSet {
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

    /// Whether the set has this byte.
    pub(super) fn contains(&self, byte: u8) -> bool {
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
