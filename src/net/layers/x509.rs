//! Properties of a certificate, read from its DER (RFC 5280, section 4.1): when it is valid, how long its RSA key
//! is.

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: i64 = 24 * 3600;

/// DER tags.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The first and the last second of a certificate, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub not_before: i64,
    pub not_after: i64,
}

impl Validity {
    /// Reads the validity of a certificate; `None` if it is not a certificate.
    pub fn of(certificate: &[u8]) -> Option<Validity> {
        let mut validity = from_validity(certificate)?.content(SEQUENCE)?;
        Some(Validity { not_before: validity.time()?, not_after: validity.time()? })
    }

    /// Returns whether `now` lies in it.
    pub fn includes(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Returns a warning if the certificate is expired, will be within `days`, or is not valid yet, in words that follow its name.
    pub fn warning(&self, now: i64, days: i64) -> Option<String> {
        let left = (self.not_after - now).div_euclid(SECONDS_PER_DAY);
        if now < self.not_before {
            Some(format!("is not valid before {}", date(self.not_before)))
        } else if now > self.not_after {
            Some(format!("expired on {}", date(self.not_after)))
        } else if left < days {
            Some(format!("expires on {}, in {left} days", date(self.not_after)))
        } else {
            None
        }
    }
}

/// Returns the fields of a certificate from its validity on.
fn from_validity(certificate: &[u8]) -> Option<Der<'_>> {
    let mut tbs = Der(certificate).content(SEQUENCE)?.content(SEQUENCE)?;
    if tbs.0.first() == Some(&VERSION) {
        tbs.content(VERSION)?;
    }
    tbs.content(INTEGER)?;
    // Signature algorithm, issuer.
    tbs.content(SEQUENCE)?;
    tbs.content(SEQUENCE)?;
    Some(tbs)
}

/// Returns the length of the RSA key of a certificate; `None` if it has another kind of key.
pub fn rsa_bits(certificate: &[u8]) -> Option<usize> {
    let mut fields = from_validity(certificate)?;
    // Validity, subject.
    fields.content(SEQUENCE)?;
    fields.content(SEQUENCE)?;
    let mut key = fields.content(SEQUENCE)?;
    // Algorithm.
    key.content(SEQUENCE)?;
    let bits = key.content(BIT_STRING)?;
    let modulus = Der(bits.0.get(1..)?).content(SEQUENCE)?.content(INTEGER)?;
    let zeros = modulus.0.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.0.get(zeros)?;
    Some((modulus.0.len() - zeros) * 8 - first.leading_zeros() as usize)
}

/// Returns the current time in seconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Elements of DER, one behind the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Takes the first element off and returns what is in it, if it has that tag.
    fn content(&mut self, tag: u8) -> Option<Der<'a>> {
        let [found, first, rest @ ..] = self.0 else { return None };
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (*found == tag).then_some(Der(content))
    }

    fn time(&mut self) -> Option<i64> {
        let tag = *self.0.first()?;
        let text = std::str::from_utf8(self.content(tag)?.0).ok()?;
        let (year, rest) = match tag {
            // RFC 5280, section 4.1.2.5.1.
            UTC_TIME => match text.get(..2)?.parse::<i64>().ok()? {
                year @ 0..=49 => (2000 + year, text.get(2..)?),
                year => (1900 + year, text.get(2..)?),
            },
            GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
            _ => return None,
        };
        let number = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
        let days = days_since_1970(year, number(0)?, number(2)?);
        Some(days * SECONDS_PER_DAY + number(4)? * 3600 + number(6)? * 60 + number(8)?)
    }
}

/// Returns the number of a day of the Gregorian calendar. Years begin in March here, so that a leap day is their last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 719_469
}

/// Returns a day as people write it.
fn date(seconds: i64) -> String {
    let days = seconds.div_euclid(SECONDS_PER_DAY);
    // The estimate is at most one year off.
    let mut year = 1970 + days.div_euclid(366);
    while days_since_1970(year + 1, 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days_since_1970(year, *month, 1) <= days).unwrap_or(1);
    format!("{year:04}-{month:02}-{:02}", days - days_since_1970(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_both_ways() {
        for (year, month, day, days) in [
            (1970, 1, 1, 0),
            (2000, 2, 29, 11016),
            (2000, 3, 1, 11017),
            (2026, 12, 31, 20818),
            (9999, 12, 31, 2_932_896),
        ] {
            assert_eq!(days_since_1970(year, month, day), days);
            assert_eq!(date(days * SECONDS_PER_DAY + 5), format!("{year:04}-{month:02}-{day:02}"));
        }
    }

    #[test]
    fn the_validity_is_read_from_the_certificate() {
        let mut params = rcgen::CertificateParams::new(vec!["x".to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2024, 2, 29);
        params.not_after = rcgen::date_time_ymd(2050, 1, 2);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        let validity = Validity::of(certificate.der()).expect("read");
        assert_eq!(date(validity.not_before), "2024-02-29");
        assert_eq!(date(validity.not_after), "2050-01-02");
        for cut in 0..certificate.der().len() {
            assert_eq!(Validity::of(&certificate.der()[..cut]), None);
        }
    }

    #[test]
    fn a_warning_says_when() {
        let day = SECONDS_PER_DAY;
        let validity = Validity { not_before: 10 * day, not_after: 100 * day };
        assert!(validity.includes(10 * day) && !validity.includes(101 * day));
        assert_eq!(validity.warning(50 * day, 30), None);
        assert_eq!(validity.warning(day, 30).as_deref(), Some("is not valid before 1970-01-11"));
        assert_eq!(validity.warning(90 * day, 30).as_deref(), Some("expires on 1970-04-11, in 10 days"));
        assert_eq!(validity.warning(101 * day, 30).as_deref(), Some("expired on 1970-04-11"));
    }
}
