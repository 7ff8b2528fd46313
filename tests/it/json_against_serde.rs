//! Compares the project's own JSON scanner with serde_json: both must accept the same texts.

use crate::support::random::Random;
use crate::support::runs;
use jet::json::{Raw, scan};

const SEEDS: &[&str] = &[
    r#"{"id":1,"method":"add","params":{"path":"a/b","value":[1,2.5,-3e2,"x\"y\\",null,true,false,{}]}}"#,
    r#" [ [ ] , { "a" : { "b" : [ 0 , -0 , 1E+5 ] } } , "é\u00e9\ud83d\ude00" ] "#,
    r#"{"a":"long enough to need more than eight bytes \\ \n","b":12345678901234567890}"#,
    "0",
    "-1.5e-3",
    "\"\"",
    "null",
    "tru",
    "01",
    "1.",
    "-",
    "+1",
    "[1,]",
    "{\"a\":1,}",
    "[1 2]",
    "{1:2}",
];

const BYTES: &[u8] = b"{}[],:\"\\ \n0123456789.eE+-truefalsn\x01\x1f\x7fu/x";

fn agrees(text: &str) {
    let ours = Raw::parse(text, 100);
    let theirs = serde_json::from_str::<serde_json::Value>(text);
    // serde_json rejects half surrogate pairs when it builds strings; the bus forwards them.
    let surrogate = theirs
        .as_ref()
        .is_err_and(|e| e.to_string().contains("surrogate") || e.to_string().contains("hex escape"));
    if !surrogate {
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{text:?}: {ours:?} {theirs:?}");
    }
    if let (Ok(raw), Ok(value)) = (ours, theirs) {
        same(raw, &value, text);
    }
}

fn same(raw: Raw, value: &serde_json::Value, text: &str) {
    use serde_json::Value;
    match value {
        Value::Null => assert!(raw.is_null(), "{text:?}"),
        Value::Bool(b) => assert_eq!(raw.as_bool(), Some(*b), "{text:?}"),
        Value::Number(n) => assert_eq!(raw.as_f64(), n.as_f64(), "{text:?}"),
        Value::String(s) => assert_eq!(raw.as_str().as_deref(), Some(s.as_str()), "{text:?}"),
        Value::Array(items) => {
            assert_eq!(raw.elements().count(), items.len(), "{text:?}");
            raw.elements().zip(items).for_each(|(raw, item)| same(raw, item, text));
        }
        Value::Object(members) => {
            for (key, member) in members {
                same(raw.get(key).expect("the key is there"), member, text);
            }
        }
    }
}

#[test]
fn mutated_documents_are_judged_alike() {
    let mut random = Random::new(1);
    for seed in SEEDS {
        agrees(seed);
        for _ in 0..runs(4000) {
            let mut bytes = seed.as_bytes().to_vec();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                let byte = BYTES[random.below(BYTES.len())];
                match random.below(3) {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => {}
                }
            }
            if let Ok(text) = String::from_utf8(bytes) {
                agrees(&text);
            }
        }
    }
}

#[test]
fn every_prefix_of_a_document_is_refused() {
    for end in 0..SEEDS[0].len() {
        assert!(Raw::parse(&SEEDS[0][..end], 100).is_err(), "{end}");
    }
}

#[test]
fn depth_is_counted_to_the_limit_and_no_further() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for limit in [1, 63, 64, 65, 1000] {
        assert!(Raw::parse(&nested(limit), limit).is_ok());
        let error = Raw::parse(&nested(limit + 1), limit).expect_err("too deep");
        assert_eq!(error.reason, scan::Reason::TooDeep);
    }
    let mixed = "{\"a\":[".repeat(100) + &"]}".repeat(100);
    assert!(Raw::parse(&mixed, 200).is_ok());
    assert!(Raw::parse(&mixed.replace("]}]}", "]}}]"), 200).is_err());
}

#[test]
fn numbers_outside_the_double_range_are_named() {
    for text in ["1e400", "-1E999", "[1e309]"] {
        assert_eq!(Raw::parse(text, 9).expect_err("too large").reason, scan::Reason::NumberOutOfRange);
    }
    assert!(Raw::parse("1e-400", 9).is_ok());
    assert!(Raw::parse(&"9".repeat(308), 9).is_ok());
    assert!(Raw::parse(&"9".repeat(400), 9).is_err());
}
