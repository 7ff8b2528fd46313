//! DNS messages as RFC 1035 lays them out: one question out, the addresses of the reply in.

use std::net::IpAddr;

/// Largest name in a question, in its encoded form (RFC 1035, section 3.1).
const MAX_NAME: usize = 255;
/// Largest part of a name between two dots.
const MAX_LABEL: usize = 63;
const CLASS_INTERNET: u16 = 1;
const HEADER: usize = 12;

/// Which addresses a question asks for; the numbers are the record types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4 = 1,
    V6 = 28,
}

/// What a name server answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The name exists; these are its addresses of the family, maybe none.
    Addresses(Vec<IpAddr>),
    /// So far, the rest did not fit into the message.
    CutShort(Vec<IpAddr>),
    /// There is no such name.
    NoSuchName,
    /// The server could not or would not say.
    Failure,
}

/// The question for the addresses of `name`, or `None` if it cannot be a host name.
pub(super) fn question(id: u16, name: &str, family: Family) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(HEADER + name.len() + 6);
    for field in [id, 0x0100 /* recursion desired */, 1, 0, 0, 0] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        if label.is_empty() || label.len() > MAX_LABEL || !label.bytes().all(is_host_byte) {
            return None;
        }
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    if out.len() - HEADER > MAX_NAME {
        return None;
    }
    out.extend_from_slice(&(family as u16).to_be_bytes());
    out.extend_from_slice(&CLASS_INTERNET.to_be_bytes());
    Some(out)
}

fn is_host_byte(byte: u8) -> bool {
    // The underscore is no part of host names, but is found in them.
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// What `reply` says to `question`; `None` if it is no reply to that question (forged, late, or
/// garbage) and is to be ignored.
pub(super) fn answer(reply: &[u8], question: &[u8]) -> Option<Answer> {
    let mut reader = Reader { bytes: reply, at: 0 };
    let (id, flags) = (reader.u16()?, reader.u16()?);
    let (questions, answers) = (reader.u16()?, reader.u16()?);
    reader.skip(4)?;
    let is_reply = flags & 0x8000 != 0;
    if !is_reply || id.to_be_bytes() != question[..2] || questions != 1 {
        return None;
    }
    let asked = &question[HEADER..];
    if !reader.take(asked.len())?.eq_ignore_ascii_case(asked) {
        return None;
    }
    let truncated = flags & 0x0200 != 0;
    Some(match flags & 0x000f {
        0 if truncated => Answer::CutShort(addresses(&mut reader, answers)),
        0 => Answer::Addresses(addresses(&mut reader, answers)),
        3 => Answer::NoSuchName,
        _ => Answer::Failure,
    })
}

/// All addresses among the next `count` records, whatever aliases lead to them. Stops at what
/// cannot be read.
fn addresses(reader: &mut Reader<'_>, count: u16) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for _ in 0..count {
        let Some((kind, data)) = reader.record() else { break };
        if kind == Family::V4 as u16 {
            found.extend(<[u8; 4]>::try_from(data).map(IpAddr::from));
        } else if kind == Family::V6 as u16 {
            found.extend(<[u8; 16]>::try_from(data).map(IpAddr::from));
        }
    }
    found
}

/// Reads fields from the front; `None` where the message ends too early.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let part = self.bytes.get(self.at..self.at + length)?;
        self.at += length;
        Some(part)
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(|_| ())
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|part| part[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|part| u16::from_be_bytes([part[0], part[1]]))
    }

    /// Type and data of a record of the internet class (of another class: type 0).
    fn record(&mut self) -> Option<(u16, &'a [u8])> {
        self.skip_name()?;
        let (kind, class) = (self.u16()?, self.u16()?);
        self.skip(4)?; // time to live
        let length = self.u16()?;
        let data = self.take(usize::from(length))?;
        Some((if class == CLASS_INTERNET { kind } else { 0 }, data))
    }

    /// A name ends with an empty label or with a pointer to where it goes on.
    fn skip_name(&mut self) -> Option<()> {
        loop {
            let length = self.u8()?;
            match length {
                0 => return Some(()),
                0xc0.. => return self.skip(1),
                _ => self.skip(usize::from(length))?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply to `question` with these records: type and data.
    fn reply(question: &[u8], flags: u16, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = question.to_vec();
        out[2..4].copy_from_slice(&flags.to_be_bytes());
        out[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        for (kind, data) in records {
            out.extend_from_slice(&[0xc0, 12]);
            out.extend_from_slice(&kind.to_be_bytes());
            out.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            out.extend_from_slice(&(data.len() as u16).to_be_bytes());
            out.extend_from_slice(data);
        }
        out
    }

    fn ask() -> Vec<u8> {
        question(7, "jet.example", Family::V4).expect("a name")
    }

    #[test]
    fn a_question_is_laid_out_as_the_standard_says() {
        let expected = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x03jet\x07example\0\0\x01\0\x01";
        assert_eq!(ask(), expected);
    }

    #[test]
    fn what_cannot_be_a_host_name_is_not_asked_for() {
        let long = "x".repeat(64);
        let longer = ["a"; 128].join(".");
        for name in ["", ".", "a..b", "a b", "bücher.example", &long, &longer] {
            assert_eq!(question(1, name, Family::V4), None, "{name}");
        }
        assert!(question(1, "my_host.example.", Family::V6).is_some());
    }

    #[test]
    fn addresses_are_found_behind_aliases() {
        let records: [(u16, &[u8]); 3] = [(5, b"\x01x\0"), (1, &[10, 0, 0, 1]), (1, &[10, 0, 0, 2])];
        let found = answer(&reply(&ask(), 0x8180, &records), &ask());
        let expected = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from).to_vec();
        assert_eq!(found, Some(Answer::Addresses(expected)));
    }

    #[test]
    fn replies_say_no_in_two_ways() {
        assert_eq!(answer(&reply(&ask(), 0x8183, &[]), &ask()), Some(Answer::NoSuchName));
        assert_eq!(answer(&reply(&ask(), 0x8182, &[]), &ask()), Some(Answer::Failure));
    }

    #[test]
    fn a_reply_may_say_that_it_is_not_all() {
        assert_eq!(answer(&reply(&ask(), 0x8380, &[]), &ask()), Some(Answer::CutShort(Vec::new())));
        let some = reply(&ask(), 0x8380, &[(1, &[10, 0, 0, 1])]);
        assert_eq!(answer(&some, &ask()), Some(Answer::CutShort(vec![[10, 0, 0, 1].into()])));
        assert_eq!(answer(&reply(&ask(), 0x8383, &[]), &ask()), Some(Answer::NoSuchName));
    }

    #[test]
    fn what_was_not_asked_is_ignored() {
        let good = reply(&ask(), 0x8180, &[(1, &[10, 0, 0, 1])]);
        let other_id = question(8, "jet.example", Family::V4).expect("a name");
        let other_name = question(7, "bad.example", Family::V4).expect("a name");
        let other_family = question(7, "jet.example", Family::V6).expect("a name");
        for question in [other_id, other_name, other_family] {
            assert_eq!(answer(&good, &question), None);
        }
        assert_eq!(answer(&ask(), &ask()), None, "a question is no reply");
    }

    #[test]
    fn no_cut_and_no_wrong_byte_does_harm() {
        let good = reply(&ask(), 0x8180, &[(5, b"\x01x\0"), (1, &[10, 0, 0, 1])]);
        for length in 0..good.len() {
            let _ = answer(&good[..length], &ask());
        }
        for at in 0..good.len() {
            for byte in 0..=255 {
                let mut bad = good.clone();
                bad[at] = byte;
                let _ = answer(&bad, &ask());
            }
        }
    }
}
