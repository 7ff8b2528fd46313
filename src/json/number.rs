//! [`Number`]: JSON numbers, compared by their exact value where that is possible.
//!
//! As doubles, neighbouring integers above 2^53 would be equal. So integral values are held exactly and
//! all others as doubles, and the two are compared without rounding an integer.

use std::cmp::Ordering;

/// Below this magnitude an integral double converts to `i128` exactly, with room to spare.
const INTEGER_LIMIT: f64 = 1.267_650_600_228_229_4e30; // 2^100

/// The value of a JSON number: integral values below 2^100 are exact, others are doubles.
///
/// ```
/// use jet::json::Number;
///
/// let number = |text| Number::parse(text).expect("a number");
/// assert_eq!(number("100"), number("1e2"));
/// // As doubles, these two would be equal.
/// assert!(number("9007199254740992") < number("9007199254740993"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Number(Repr);

#[derive(Debug, Clone, Copy)]
enum Repr {
    Integer(i128),
    /// Not integral, or beyond 2^100; never NaN.
    Float(f64),
}

impl Number {
    /// Reads the text of a JSON number. Returns `None` if it is not one.
    pub fn parse(text: &str) -> Option<Number> {
        // 30 digits stay below 2^100, so both forms of one value end up in the same variant.
        if text.len() <= 30
            && let Ok(integer) = text.parse::<i128>()
        {
            return Some(Number(Repr::Integer(integer)));
        }
        text.parse::<f64>().ok().map(Number::from)
    }

    /// Returns the nearest double.
    pub fn as_f64(self) -> f64 {
        match self.0 {
            Repr::Integer(integer) => integer as f64,
            Repr::Float(float) => float,
        }
    }
}

impl From<f64> for Number {
    /// NaN, which JSON cannot express, becomes the largest number, so that the order is total.
    fn from(value: f64) -> Number {
        if value.is_nan() {
            return Number(Repr::Float(f64::INFINITY));
        }
        if value.fract() == 0.0 && value.abs() < INTEGER_LIMIT {
            return Number(Repr::Integer(value as i128));
        }
        Number(Repr::Float(value))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (self.0, other.0) {
            (Repr::Integer(a), Repr::Integer(b)) => a.cmp(&b),
            // A fraction is below 2^53, and any other float here is beyond 2^100, so rounding the
            // integer to a double cannot carry it across the other number.
            _ => self.as_f64().total_cmp(&other.as_f64()),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).expect("a number")
    }

    #[test]
    fn every_spelling_of_a_value_is_equal() {
        for (a, b) in
            [("1", "1.0"), ("100", "1e2"), ("-0", "0"), ("-0.0", "0"), ("1e20", "100000000000000000000")]
        {
            assert_eq!(number(a), number(b), "{a} {b}");
        }
    }

    #[test]
    fn order_is_strict_where_doubles_would_tie() {
        let ascending = [
            "-1e300",
            "-9223372036854775809",
            "-9223372036854775808",
            "-2.5",
            "-1",
            "0",
            "0.5",
            "9007199254740992",
            "9007199254740993",
            "9223372036854775807",
            "18446744073709551615",
            "1e40",
            "1e300",
        ];
        for pair in ascending.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }
}
