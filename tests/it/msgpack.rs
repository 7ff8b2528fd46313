//! The translation between msgpack and JSON text, compared with other implementations of both: rmpv and
//! serde_json.

use jet::json::scan::whole;
use jet::wire::msgpack::{Decoded, Error, Limits, Packer, Reason, to_json};
use rmpv::{Utf8String, Value};

use crate::support::msgpack as rmp;
use crate::support::random::Random;
use crate::support::runs;

const LIMITS: Limits = Limits { max_depth: 100, max_text: 10_000_000 };

fn packed(json: &str) -> Vec<u8> {
    let mut out = Vec::from(*b"kept");
    out.extend_from_slice(json.as_bytes());
    let mut packer = Packer::default();
    packer.pack(&mut out, 4);
    assert_eq!(out.drain(..4).collect::<Vec<_>>(), b"kept");
    // A message leaves no state for the next one.
    let mut again = Vec::from(json);
    packer.pack(&mut again, 0);
    assert_eq!(again, out);
    out
}

fn unpacked(bytes: &[u8]) -> String {
    to_json(bytes, LIMITS).expect("acceptable").text
}

fn refused(bytes: &[u8]) -> (Reason, usize) {
    let error = to_json(bytes, LIMITS).expect_err("not acceptable");
    (error.reason, error.at)
}

/// Makes random values.
struct Generator(Random);

impl Generator {
    /// Returns a number of random length.
    fn bits(&mut self) -> u64 {
        self.0.number() >> self.0.below(64)
    }

    fn text(&mut self) -> String {
        let length = [3, 3, 31, 32, 40, 255, 256][self.0.below(7)];
        (0..self.0.below(length + 1))
            .map(|_| ['a', '"', '\\', '\n', '\u{1}', 'é', '€', '😀'][self.0.below(8)])
            .collect()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.0.below(if depth > 4 { 8 } else { 10 }) {
            0 => Value::Nil,
            1 => Value::Boolean(self.0.below(2) == 0),
            2 => self.bits().into(),
            3 => (self.bits() as i64).wrapping_neg().into(),
            4 => Value::F64(self.0.below(100_000) as f64 / 1000.0),
            5 => Value::F64(f64::from_bits(self.bits()))
                .as_f64()
                .filter(|v| v.is_finite())
                .unwrap_or(0.5)
                .into(),
            6 => Value::F32(self.0.below(1000) as f32 * 0.1),
            7 => Value::String(self.text().into()),
            8 => {
                let length = [3, 15, 16, 17][self.0.below(4)];
                Value::Array((0..self.0.below(length + 1)).map(|_| self.value(depth + 1)).collect())
            }
            _ => {
                let length = [3, 15, 16, 17][self.0.below(4)];
                let member = |n| (Value::from(format!("{n}{}", self.text())), self.value(depth + 1));
                Value::Map((0..length).map(member).collect())
            }
        }
    }
}

#[test]
fn values_survive_both_ways_in_the_judgement_of_others() {
    let mut generator = Generator(Random::new(7));
    for _ in 0..500 {
        let value = generator.value(0);
        let text = unpacked(&rmp::write(&value));
        assert_eq!(whole(text.as_bytes(), 100), Ok((0, text.len())));
        let json: serde_json::Value = serde_json::from_str(&text).expect(&text);
        assert_eq!(json, rmp::to_json(&value), "to JSON");
        assert_eq!(rmp::to_json(&rmp::read(&packed(&text))), json, "to msgpack");
        // With spaces and line breaks.
        let pretty = serde_json::to_string_pretty(&json).expect("JSON");
        assert_eq!(rmp::to_json(&rmp::read(&packed(&pretty))), json, "to msgpack from lines");
        assert_eq!(unpacked(&packed(&text)), text);
    }
}

#[test]
fn integers_take_the_least_bytes_and_are_exact_to_the_ends() {
    let ends = [0, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, u64::MAX];
    for number in ends {
        let bytes = packed(&number.to_string());
        assert_eq!(bytes, rmp::write(&number.into()), "{number}");
        assert_eq!(unpacked(&bytes), number.to_string());
    }
    let ends = [-1, -32, -33, -128, -129, -32768, -32769, -1 << 31, (-1 << 31) - 1, i64::MIN];
    for number in ends {
        let bytes = packed(&number.to_string());
        assert_eq!(bytes, rmp::write(&number.into()), "{number}");
        assert_eq!(unpacked(&bytes), number.to_string());
    }
}

#[test]
fn every_width_of_a_number_is_read() {
    let cases: [(&[u8], &str); 14] = [
        (b"\xcc\x05", "5"),
        (b"\xcd\0\x05", "5"),
        (b"\xce\0\0\0\x05", "5"),
        (b"\xcf\0\0\0\0\0\0\0\x05", "5"),
        (b"\xd0\xff", "-1"),
        (b"\xd1\xff\xff", "-1"),
        (b"\xd2\xff\xff\xff\xff", "-1"),
        (b"\xd3\xff\xff\xff\xff\xff\xff\xff\xff", "-1"),
        (b"\xd3\0\0\0\0\0\0\0\x05", "5"),
        (b"\xca\x3f\x80\0\0", "1.0"),
        (b"\xca\x3d\xcc\xcc\xcd", "0.10000000149011612"),
        (b"\xcb\x3f\xf0\0\0\0\0\0\0", "1.0"),
        (b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", "0.1"),
        (b"\xcb\x80\0\0\0\0\0\0\0", "-0.0"),
    ];
    for (bytes, json) in cases {
        assert_eq!(unpacked(bytes), json, "{bytes:x?}");
    }
}

#[test]
fn floats_stay_floats_and_lose_nothing() {
    let cases: [(&str, Value); 8] = [
        ("1.0", Value::F32(1.0)),
        ("0.5", Value::F32(0.5)),
        ("0.1", Value::F64(0.1)),
        ("-0", Value::F32(-0.0)),
        ("1e300", Value::F64(1e300)),
        ("1E2", Value::F32(100.0)),
        ("18446744073709551616", Value::F32(18446744073709551616.0)),
        ("-9223372036854775809", Value::F32(-9223372036854775808.0)),
    ];
    for (json, value) in cases {
        assert_eq!(packed(json), rmp::write(&value), "{json}");
    }
}

#[test]
fn strings_and_containers_are_written_for_old_readers() {
    for (length, header) in [
        (0, vec![0xa0]),
        (31, vec![0xbf]),
        (32, vec![0xda, 0, 32]),
        (255, vec![0xda, 0, 255]),
        (65535, vec![0xda, 255, 255]),
        (65536, vec![0xdb, 0, 1, 0, 0]),
    ] {
        let bytes = packed(&format!("\"{}\"", "x".repeat(length)));
        assert_eq!(bytes[..header.len()], header, "{length}");
        assert_eq!(bytes.len(), header.len() + length);
    }
    for (length, array, map) in [
        (0, vec![0x90], vec![0x80]),
        (15, vec![0x9f], vec![0x8f]),
        (16, vec![0xdc, 0, 16], vec![0xde, 0, 16]),
        (65536, vec![0xdd, 0, 1, 0, 0], vec![0xdf, 0, 1, 0, 0]),
    ] {
        let bytes = packed(&format!("[{}]", vec!["7"; length].join(" , ")));
        assert_eq!(bytes[..array.len()], array, "{length}");
        let bytes = packed(&format!("{{{}}}", vec!["\"k\" : []"; length].join(",")));
        assert_eq!(bytes[..map.len()], map, "{length}");
    }
}

#[test]
fn long_containers_inside_one_another_keep_their_items() {
    let list = |item: &str, length: usize| format!("[{}]", vec![item; length].join(","));
    let object = |item: &str, length: usize| {
        let members: Vec<_> = (0..length).map(|n| format!("\"{n}\":{item}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let short = list("{}", 15);
    let pair = format!("[{},{short},{}]", list("1", 16), object("[]", 17));
    for text in [
        list(&list("[1,\"a\\n\"]", 16), 16),
        object(&object("null", 16), 16),
        format!("[{},2,{pair},{}]", list("-1", 65_536), object("true", 65_536)),
        object(&list(&pair, 20), 20),
        list(&list(&list(&pair, 3), 300), 2),
    ] {
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(rmp::to_json(&rmp::read(&packed(&text))), json);
    }
}

#[test]
fn bytes_of_a_string_that_are_no_utf8_are_latin1() {
    let value = Value::Array(vec![Value::Binary(b"20 \xb0C".to_vec()), Value::from("20 °C")]);
    let decoded = to_json(&rmp::write(&value), LIMITS).expect("acceptable");
    assert_eq!(decoded, Decoded { text: r#"["20 °C","20 °C"]"#.into(), repaired: true });
    let decoded = to_json(b"\x81\xa1\xb0\xd9\x03\"\\\n", LIMITS).expect("acceptable");
    assert_eq!(decoded, Decoded { text: r#"{"°":"\"\\\n"}"#.into(), repaired: true });
    assert!(!to_json(&rmp::write(&Value::String(Utf8String::from("é"))), LIMITS).unwrap().repaired);
}

#[test]
fn numbers_as_keys_become_their_text_and_others_are_refused() {
    let members = vec![
        (Value::from(1), Value::from("a")),
        (Value::from(-40), Value::from("b")),
        (Value::from(u64::MAX), Value::from("c")),
        (Value::F64(2.0), Value::from("d")),
        (Value::F64(2.5), Value::from("e")),
        (Value::Binary(b"k".to_vec()), Value::from("f")),
    ];
    let json = r#"{"1":"a","-40":"b","18446744073709551615":"c","2":"d","2.5":"e","k":"f"}"#;
    assert_eq!(unpacked(&rmp::write(&Value::Map(members))), json);
    for key in [Value::Nil, Value::Boolean(true), Value::Array(vec![]), Value::Map(vec![])] {
        let bytes = rmp::write(&Value::Map(vec![(key, Value::Nil)]));
        assert_eq!(refused(&bytes), (Reason::BadKey, 1));
    }
}

#[test]
fn what_json_cannot_say_is_refused_with_its_place() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            refused(&rmp::write(&Value::Array(vec![1.into(), number.into()]))),
            (Reason::NotFinite, 2)
        );
        assert_eq!(refused(&rmp::write(&Value::F32(number as f32))), (Reason::NotFinite, 0));
        assert_eq!(
            refused(&rmp::write(&Value::Map(vec![(number.into(), Value::Nil)]))),
            (Reason::NotFinite, 1)
        );
    }
    assert_eq!(refused(&rmp::write(&Value::Ext(5, vec![1, 2, 3]))), (Reason::NoJson, 0));
    for marker in [0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8] {
        assert_eq!(refused(&[0x91, marker, 0, 0, 0, 0, 0]), (Reason::NoJson, 1));
    }
    assert_eq!(refused(b"\x01\x02"), (Reason::TrailingBytes, 1));
    assert_eq!(refused(b""), (Reason::UnexpectedEnd, 0));
    let error = Error { reason: Reason::NotFinite, at: 2 };
    assert_eq!(error.to_string(), "NaN or an infinity at byte 3 of msgpack");
}

#[test]
fn depth_and_length_are_limited_exactly() {
    for open in [0x91, 0x81] {
        let nested = |levels: usize| -> Vec<u8> {
            let mut bytes = Vec::new();
            for _ in 1..levels {
                bytes.extend(if open == 0x91 { vec![0x91] } else { vec![0x81, 0xa1, b'k'] });
            }
            bytes.push(0x90);
            bytes
        };
        assert!(to_json(&nested(100), LIMITS).is_ok());
        assert_eq!(to_json(&nested(101), LIMITS).map_err(|error| error.reason), Err(Reason::TooDeep));
        let limits = Limits { max_depth: 1_000_000, ..LIMITS };
        let deep = to_json(&nested(1_000_000), limits).expect("depth costs no stack").text;
        assert!(deep.ends_with(if open == 0x91 { "]]" } else { "}}" }));
        packed(&deep);
    }
    let bytes = rmp::write(&Value::from("0123456789"));
    let text_of = |max_text| to_json(&bytes, Limits { max_text, ..LIMITS });
    assert_eq!(text_of(12).expect("twelve bytes").text, "\"0123456789\"");
    assert_eq!(text_of(11).expect_err("too long").reason, Reason::TooLong);
}

#[test]
fn an_announced_length_costs_nothing() {
    for bytes in [
        &b"\xdd\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdc\xff\xff\x01",
        b"\x92\xdd\xff\xff\xff\xff\x01",
    ] {
        assert_eq!(refused(bytes).0, Reason::UnexpectedEnd, "{bytes:x?}");
    }
    // Nested arrays, each with one element: they fail although the depth is not limited.
    let bombs = [0xdd, 0, 0, 0, 1].repeat(200_000);
    assert!(to_json(&bombs, Limits { max_depth: usize::MAX, ..LIMITS }).is_err());
}

#[test]
fn a_cut_anywhere_is_an_unexpected_end() {
    let mut generator = Generator(Random::new(3));
    for _ in 0..20 {
        let bytes = rmp::write(&Value::Array(vec![generator.value(3), generator.value(4)]));
        for cut in 0..bytes.len() {
            assert_eq!(refused(&bytes[..cut]).0, Reason::UnexpectedEnd, "cut at {cut} of {}", bytes.len());
        }
    }
}

#[test]
fn any_bytes_are_a_value_or_an_error() {
    let mut generator = Generator(Random::new(11));
    let (mut good, mut bad) = (0, 0);
    for round in 0..runs(20_000) {
        let mut bytes: Vec<u8> = (0..generator.0.below(24)).map(|_| generator.0.below(256) as u8).collect();
        if round % 2 == 0 {
            // Every other input is a valid value with one byte changed.
            bytes = rmp::write(&generator.value(4));
            let place = generator.0.below(bytes.len());
            bytes[place] = generator.0.below(256) as u8;
        }
        match to_json(&bytes, LIMITS) {
            Ok(decoded) => {
                good += 1;
                assert_eq!(whole(decoded.text.as_bytes(), 100), Ok((0, decoded.text.len())), "{bytes:x?}");
                assert_eq!(unpacked(&packed(&decoded.text)), decoded.text, "{bytes:x?}");
            }
            Err(error) => {
                bad += 1;
                assert!(error.at <= bytes.len());
            }
        }
    }
    assert!(good > 1000 && bad > 1000, "{good} good, {bad} bad");
}

#[test]
fn text_that_is_no_json_does_no_harm() {
    let mut random = Random::new(5);
    for _ in 0..runs(20_000) {
        let length = random.below(12);
        let text: Vec<u8> = (0..length).map(|_| b"{}[]\",:\\-0e1tn u\xc3\xa9"[random.below(18)]).collect();
        let mut out = text;
        Packer::default().pack(&mut out, 0);
    }
}
