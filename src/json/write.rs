//! Strings and numbers for the writers on the hot path, which append JSON text to a byte buffer.
//!
//! All other writers use serde, see [`to_text`](super::to_text).

use std::io::Write;

use super::string::find_special;

/// Appends `text` as a JSON string, with quotes. Only characters that JSON requires to be escaped are escaped.
///
/// ```
/// let mut out = Vec::new();
/// jet::json::write::string(&mut out, "20 °C\n");
/// assert_eq!(out, "\"20 °C\\n\"".as_bytes());
/// ```
pub fn string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let at = find_special(bytes, from);
        out.extend_from_slice(&bytes[from..at]);
        let Some(&byte) = bytes.get(at) else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        from = at + 1;
    }
    out.push(b'"');
}

/// Appends an integer.
pub fn integer(out: &mut Vec<u8>, value: i64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends the shortest text that reads back as the same double. It always looks like a float
/// (`1.0`, `1e300`), so a reader that distinguishes integers and floats reads a float.
///
/// JSON has no NaN and no infinities. They become `null`; callers refuse them before.
///
/// ```
/// let mut out = Vec::new();
/// jet::json::write::float(&mut out, 5.0);
/// assert_eq!(out, b"5.0");
/// ```
pub fn float(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        out.extend_from_slice(b"null");
        return;
    }
    if decimal(out, value) {
        return;
    }
    // `{:?}` is the shortest exact form and turns to exponents beyond 1e16 and below 1e-5.
    write!(out, "{value:?}").expect("writing to a Vec cannot fail");
}

/// Appends a number that up to four decimals express exactly, as most numbers of people and sensors are. This is
/// several times as fast as the general way. Returns false, and writes nothing, for other numbers.
fn decimal(out: &mut Vec<u8>, value: f64) -> bool {
    const POWERS: [f64; 5] = [1.0, 10.0, 100.0, 1_000.0, 10_000.0];
    // In this range the general way writes no exponent either.
    if !(1e-4..1e9).contains(&value.abs()) {
        return false;
    }
    for (decimals, power) in POWERS.into_iter().enumerate().skip(1) {
        let scaled = value * power;
        let whole = if value < 0.0 { scaled - 0.5 } else { scaled + 0.5 } as i64;
        // Both are exact, so the quotient is the double nearest to the decimal number: what a
        // reader makes of the text. The first that fits has the fewest digits.
        if whole as f64 / power == value {
            write_decimal(out, whole, decimals);
            return true;
        }
    }
    false
}

/// Appends `whole` with its last `decimals` digits behind the point.
fn write_decimal(out: &mut Vec<u8>, whole: i64, decimals: usize) {
    let divisor = 10i64.pow(decimals as u32);
    if whole < 0 {
        out.push(b'-');
    }
    integer(out, (whole / divisor).abs());
    out.push(b'.');
    let mut fraction = [b'0'; 4];
    let mut rest = (whole % divisor).abs();
    for digit in fraction[..decimals].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&fraction[..decimals]);
}

/// Appends a number of a Lua that does not distinguish 5 and 5.0. Whole numbers are written without a fraction.
///
/// ```
/// let mut out = Vec::new();
/// jet::json::write::whole_or_float(&mut out, 5.0);
/// assert_eq!(out, b"5");
/// ```
pub fn whole_or_float(out: &mut Vec<u8>, value: f64) {
    // Below this every whole double is exact, and is written in full.
    const EXACT_LIMIT: f64 = 9_007_199_254_740_992.0; // 2^53
    let whole = value as i64 as f64 == value && value.abs() < EXACT_LIMIT;
    if whole && (value != 0.0 || value.is_sign_positive()) {
        return integer(out, value as i64);
    }
    float(out, value);
    if out.ends_with(b".0") {
        out.truncate(out.len() - 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn strings_escape_what_json_demands_and_nothing_else() {
        let text = "plain / \"quoted\" \\ \n\r\t\u{1}\u{1f}\u{7f} é €";
        let json = written(|out| string(out, text));
        assert_eq!(json, "\"plain / \\\"quoted\\\" \\\\ \\n\\r\\t\\u0001\\u001f\u{7f} é €\"");
        assert_eq!(serde_json::from_str::<String>(&json).expect("valid"), text);
    }

    #[test]
    fn integers_to_the_ends_of_their_range() {
        for value in [0, 7, -1, 1_000_000, i64::MAX, i64::MIN] {
            assert_eq!(written(|out| integer(out, value)), value.to_string());
        }
    }

    #[test]
    fn floats_read_back_the_same() {
        let mut values = vec![1.0, 0.1 + 0.2, 1e300, 5e-324, -0.0, 1e16, 123456789.125, 1e-4, 0.00012, 21.37];
        values.extend((-20_000..20_000).map(|step| f64::from(step) / 1000.0));
        values.extend((0..20_000).map(|step| f64::from(step) * 0.0007));
        for value in values {
            let json = written(|out| float(out, value));
            assert_eq!(json.parse::<f64>().expect("a number").to_bits(), value.to_bits(), "{json}");
            assert!(json.contains(['.', 'e']), "{json}");
            assert_eq!(json, format!("{value:?}"), "the shortest");
        }
    }

    #[test]
    fn whole_numbers_are_written_without_fraction() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (5.0, "5"),
            (-5.5, "-5.5"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1e15, "1000000000000000"),
            (1e300, "1e300"),
        ];
        for (value, text) in cases {
            assert_eq!(written(|out| whole_or_float(out, value)), text);
        }
    }
}
