//! Fetch expressions through their public interface: which elements an expression in JSON matches.

use jet::json::Raw;
use jet::rules::{Expression, PathHint, SortBy};

fn parse(text: &str) -> Result<(Expression, Vec<String>), String> {
    let mut warnings = Vec::new();
    let raw = Raw::parse(text, 100).expect(text);
    Expression::parse(raw, &mut warnings).map(|expression| (expression, warnings))
}

/// Parses an expression, which must not cause warnings.
fn expression(text: &str) -> Expression {
    let (expression, warnings) = parse(text).expect(text);
    assert_eq!(warnings, Vec::<String>::new(), "{text}");
    expression
}

/// Returns the paths that an expression matches, from a list separated by spaces.
fn paths(text: &str, paths: &str) -> String {
    let expression = expression(text);
    let found: Vec<&str> = paths.split(' ').filter(|path| expression.matches_path(path)).collect();
    found.join(" ")
}

/// Returns the values that an expression matches. `nil` stands for a method.
fn values(text: &str, values: &[&str]) -> String {
    let expression = expression(text);
    let raw = |value: &str| if value == "nil" { None } else { Some(Raw::trusted(value).text().to_owned()) };
    let matches = |value: &&&str| expression.matches_value(raw(value).as_deref().map(Raw::trusted));
    values.iter().filter(matches).copied().collect::<Vec<_>>().join(" ")
}

#[test]
fn path_rules_compare_plain_text() {
    let all = "ab abc xab aab .b";
    for (rules, matching) in [
        (r#"{}"#, all),
        (r#"{"equals":"ab"}"#, "ab"),
        (r#"{"equalsNot":"ab"}"#, "abc xab aab .b"),
        (r#"{"startsWith":"ab"}"#, "ab abc"),
        (r#"{"startsNotWith":"ab"}"#, "xab aab .b"),
        (r#"{"endsWith":"ab"}"#, "ab xab aab"),
        (r#"{"endsNotWith":"ab"}"#, "abc .b"),
        (r#"{"contains":"aab"}"#, "aab"),
        (r#"{"contains":"."}"#, ".b"),
        (r#"{"contains":""}"#, all),
        (r#"{"containsNot":"ab"}"#, ".b"),
        (r#"{"containsAllOf":["a","c"]}"#, "abc"),
        (r#"{"containsAllOf":[]}"#, all),
        (r#"{"containsAllOf":{}}"#, all),
        (r#"{"containsOneOf":["c","x"]}"#, "abc xab"),
        (r#"{"containsOneOf":{}}"#, ""),
        (r#"{"containsNoneOf":["c","x"]}"#, "ab aab .b"),
        (r#"{"equalsOneOf":["xab","ab","no"]}"#, "ab xab"),
        (r#"{"equalsOneOf":[]}"#, ""),
        (r#"{"equalsNotOneOf":["xab","ab"]}"#, "abc aab .b"),
        (r#"{"equalsNotOneOf":[]}"#, all),
        (r#"{"startsWithOneOf":["x","."]}"#, "xab .b"),
        (r#"{"endsWithOneOf":["c",".b"]}"#, "abc .b"),
        (r#"{"startsWith":"ab","endsWith":"abc"}"#, "abc"),
        (r#"{"startsWith":"a","contains":"aa"}"#, "aab"),
        (r#"{"equals":false,"containsOneOf":false,"endsWith":"c"}"#, "abc"),
    ] {
        assert_eq!(paths(&format!(r#"{{"path":{rules}}}"#), all), matching, "{rules}");
    }
    assert_eq!(paths(r#"{"path":[]}"#, all), all);
    assert_eq!(paths(r#"{"path":false}"#, all), all);
    assert_eq!(paths("[]", all), all);
}

#[test]
fn case_of_paths_can_be_ignored() {
    let all = "Net/A net/b NET Ä";
    for (rules, matching) in [
        (r#"{"startsWith":"nEt/"}"#, "Net/A net/b"),
        (r#"{"equals":"Net"}"#, "NET"),
        (r#"{"equalsOneOf":["NET/A","x"]}"#, "Net/A"),
        (r#"{"endsWith":"B"}"#, "net/b"),
        (r#"{"contains":"T/"}"#, "Net/A net/b"),
        (r#"{"containsNot":"N"}"#, "Ä"),
        (r#"{"contains":"ä"}"#, ""),
    ] {
        let (open, rules) = rules.split_at(1);
        let text = format!(r#"{{"path":{open}"caseInsensitive":true,{rules}}}"#);
        assert_eq!(paths(&text, all), matching, "{rules}");
    }
    assert_eq!(paths(r#"{"path":{"caseInsensitive":false,"equals":"NET"}}"#, all), "NET");
    let long = format!("{}Needle", "x".repeat(2_000));
    assert!(expression(r#"{"path":{"contains":"nEEDLE","caseInsensitive":true}}"#).matches_path(&long));
}

#[test]
fn rules_of_2013_are_lua_patterns() {
    let all = "net-settings net/1 netsettings NET/1 a";
    for (rules, matching) in [
        (r#"{"match":["^net"]}"#, "net-settings net/1 netsettings"),
        (r#"{"matches":["%d","^a$"]}"#, "net/1 NET/1 a"),
        (r#"{"match":["net-settings"]}"#, "netsettings"),
        (r#"{"match":[]}"#, ""),
        (r#"{"match":["."],"unmatch":["%d","-"]}"#, "netsettings a"),
        (r#"{"unmatch":["net"]}"#, "NET/1 a"),
        (r#"{"unmatches":{}}"#, all),
        (r#"{"equalsNot":["a","net/1"]}"#, "net-settings netsettings NET/1"),
        (r#"{"match":["^Net/%D"],"caseInsensitive":true}"#, "net/1 NET/1"),
        (r#"{"match":["."],"equalsNot":["Net/1"],"caseInsensitive":true}"#, "net-settings netsettings a"),
        (r#"{"match":["%d"],"path":{"startsWith":"N"}}"#, "NET/1"),
    ] {
        assert_eq!(paths(rules, all), matching, "{rules}");
    }
}

#[test]
fn a_text_is_plain_or_a_pattern() {
    let all = "net-settings netsettings name xname a%";
    for (text, matching) in [
        (".*", all),
        ("^name$", "name"),
        ("net-settings", "net-settings netsettings"),
        ("name", "name xname"),
        ("", all),
        ("%", "a%"),
        ("[", ""),
    ] {
        assert_eq!(paths(&format!(r#"{{"text":"{text}"}}"#), all), matching, "{text}");
    }
}

#[test]
fn value_rules_look_at_the_whole_value() {
    let all = ["1", "2", "\"a\"", "true", "false", "null", "{}", "[1,2]", "nil"];
    for (rules, matching) in [
        (r#"{}"#, "1 2 \"a\" true false null {} [1,2] nil"),
        (r#"{"equals":1.0}"#, "1"),
        (r#"{"equals":false}"#, "false"),
        (r#"{"equals":null}"#, "null"),
        (r#"{"equalsNot":1}"#, "2 \"a\" true false null {} [1,2] nil"),
        (r#"{"lessThan":2}"#, "1"),
        (r#"{"greaterThan":""}"#, "\"a\""),
        (r#"{"greaterThan":0,"lessThan":2}"#, "1"),
        (r#"{"isType":"object"}"#, "{} [1,2]"),
        (r#"{"isType":"nil"}"#, "nil"),
        (r#"{"hasOneOf":[2,3]}"#, "[1,2]"),
        (r#"{"hasAllOf":[2,1]}"#, "[1,2]"),
        (r#"{"hasAllOf":{}}"#, ""),
        (r#"{"":{"operator":"greaterThan","value":1}}"#, "2"),
        (r#"{"isType":false}"#, "1 2 \"a\" true false null {} [1,2] nil"),
    ] {
        assert_eq!(values(&format!(r#"{{"value":{rules}}}"#), &all), matching, "{rules}");
    }
}

#[test]
fn value_rules_look_at_fields() {
    let all =
        [r#"{"a":1}"#, r#"{"a":{"b":[5]},"x-y":1}"#, r#"{"a":false}"#, r#"{"a":null}"#, "[7]", "1", "nil"];
    let [one, deep, ..] = all;
    let null = all[3];
    let a_is_there = format!("{one} {deep} {null}");
    for (rules, matching) in [
        (r#""valueField":{"a":{"equals":1}}"#, one),
        (r#""valueField":{"a.b[1]":{"greaterThan":4}}"#, deep),
        (r#""valueField":{"['x-y']":{"equals":1}}"#, deep),
        (r#""valueField":{"x-y":{"equals":1}}"#, deep),
        (r#""valueField":{"a":{"equals":false}}"#, ""),
        (r#""valueField":{"a":{"equals":null}}"#, null),
        (r#""valueField":{"a":{}}"#, &a_is_there),
        (r#""valueField":{"[1]":{"equals":7}}"#, "[7]"),
        (r#""valueField":{"a":{"isType":"number"},"b":{}}"#, ""),
        (r#""value":{"a":{"operator":"equals","value":1}}"#, one),
        (r#""value":{"a.b":{"operator":"isType","value":"object"}}"#, deep),
        (r#""value":{"isType":"object"},"valueField":{"a":{"equals":1}}"#, one),
        (r#""where":{"op":"equals","value":1,"prop":"a"}"#, one),
        (r#""where":{"op":"equals","value":false,"prop":"a"}"#, r#"{"a":false}"#),
        (r#""where":{"op":"equals","value":1}"#, "1"),
        (r#""where":{"op":"equalsNot","value":2,"prop":""}"#, "1 nil"),
        (
            r#""where":[{"op":"greaterThan","value":0,"prop":"a"},{"op":"lessThan","value":2,"prop":"a"}]"#,
            one,
        ),
        (r#""where":{"op":"equals","value":7,"prop":1}"#, "[7]"),
        (r#""where":[]"#, ""),
        (r#""where":{}"#, ""),
    ] {
        assert_eq!(values(&format!("{{{rules}}}"), &all), matching, "{rules}");
    }
}

#[test]
fn field_names_are_never_run() {
    for text in [r#"{"valueField":{"zz or 42":{"equals":42}}}"#, r#"{"valueField":{"a+1":{"equals":2}}}"#] {
        assert_eq!(values(text, &[r#"{"a":1}"#, "42", "2"]), "", "{text}");
    }
}

#[test]
fn what_is_unknown_is_ignored_and_named() {
    for (text, warning) in [
        (r#"{"mtach":["a"]}"#, "fetch expression: unknown 'mtach' is ignored, did you mean 'match'?"),
        (r#"{"path":{"startwith":"a"}}"#, "path: unknown 'startwith' is ignored, did you mean 'startsWith'?"),
        (r#"{"path":{"unequalsAllOf":["a"]}}"#, "did you mean 'equals"),
        (r#"{"value":{"lesThan":1}}"#, "did you mean 'lessThan'?"),
        (r#"{"valueField":{"a":{"istype":1}}}"#, "did you mean 'isType'?"),
        (r#"{"value":{"isType":"array"}}"#, "value.isType: no value is of type 'array'"),
        (r#"{"where":{"op":"equal","value":1}}"#, "did you mean 'equals'?"),
        (r#"{"sort":{"byvalue":true}}"#, "did you mean 'byValue'?"),
        (r#"{"sort":"x"}"#, "sort: 'x' says nothing"),
        (r#"{"sort":{"from":0}}"#, "sort.from: less than 1, acts as 1"),
        (r#"{"sort":{"from":-7}}"#, "sort.from: less than 1, acts as 1"),
        (r#"{"sort":{"from":3,"to":2}}"#, "sort: from 3 is greater than to 2, so it finds nothing"),
        (r#"{"sort":{"descending":"no"}}"#, "sort.descending: expected a boolean, \"no\" counts as true"),
        (r#"{"sort":{"byPath":1}}"#, "sort.byPath: expected a boolean, 1 counts as true"),
        (r#"{"caseInsensitive":true,"path":{"equals":"a"}}"#, "it belongs into path"),
    ] {
        let (expression, warnings) = parse(text).expect(text);
        assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
        assert!(warnings[0].contains(warning), "{text}: {}", warnings[0]);
        assert!(text.contains("equals") || expression.matches_path("z"), "{text}");
    }
    expression(r#"{"id":"f","timeout":5,"valueAsResult":true,"asArray":true,"as_array":false}"#);
}

#[test]
fn what_cannot_be_understood_is_refused_with_a_reason() {
    for (text, reason) in [
        ("5", "fetch expression: expected an object, got a number"),
        (r#"["a"]"#, "fetch expression: expected an object, got an array"),
        (r#"{"path":"a"}"#, "path: expected an object, got a string"),
        (r#"{"path":{"startsWith":5}}"#, "path.startsWith: expected a string, got a number"),
        (r#"{"path":{"containsAllOf":"a"}}"#, "path.containsAllOf: expected a list of strings, got a string"),
        (r#"{"path":{"equalsOneOf":[1]}}"#, "path.equalsOneOf: expected a string, got a number"),
        (r#"{"match":"a"}"#, "match: expected a list of strings, got a string"),
        (r#"{"match":["a%"]}"#, "match: 'a%': malformed pattern (ends with '%')"),
        (r#"{"text":5}"#, "text: expected a string, got a number"),
        (r#"{"value":5}"#, "value: expected an object, got a number"),
        (r#"{"value":{"isType":5}}"#, "value.isType: expected a string, got a number"),
        (r#"{"value":{"hasOneOf":5}}"#, "value.hasOneOf: expected a list, got a number"),
        (r#"{"value":{"a":{"operator":"equals"}}}"#, "value.a: value is missing"),
        (r#"{"valueField":{"":{"equals":1}}}"#, "valueField: '' is no field path"),
        (r#"{"valueField":{"a[":{"equals":1}}}"#, "valueField: 'a[' is no field path"),
        (r#"{"valueField":{"a":1}}"#, "valueField.a: expected an object, got a number"),
        (r#"{"where":{"value":1}}"#, "where: op is missing"),
        (r#"{"where":5}"#, "where: expected an object or a list of objects, got a number"),
        (r#"{"max":-1}"#, "max: expected a whole number from 0 on"),
        (r#"{"max":"1"}"#, "max: expected a number, got a string"),
        (r#"{"deps":[{"path":"a"}]}"#, "deps: where is missing"),
        (r#"{"deps":{"path":"a"}}"#, "deps: expected a list, got an object"),
        (r#"{"sort":5}"#, "sort: expected an object, got a number"),
        (r#"{"sort":true}"#, "sort: expected an object, got a boolean"),
        (r#"{"sort":null}"#, "sort: expected an object, got null"),
        (r#"{"sort":{"from":"x"}}"#, "sort.from: expected a whole number"),
        (r#"{"sort":{"to":1.5}}"#, "sort.to: expected a whole number"),
        (r#"{"sort":{"from":"1.5"}}"#, "sort.from: expected a whole number"),
        (r#"{"sort":{"to":true}}"#, "sort.to: expected a whole number"),
        (r#"{"sort":{"byValue":5}}"#, "sort.byValue: expected true or the name of a type, got 5"),
        (
            r#"{"sort":{"byValue":"score"}}"#,
            "sort.byValue: expected true or the name of a type, got \"score\"",
        ),
        (r#"{"sort":{"byValue":{}}}"#, "sort.byValue: expected true or the name of a type, got {}"),
        (r#"{"sort":{"byValueField":{}}}"#, "sort.byValueField: names no field"),
    ] {
        assert_eq!(parse(text).expect_err(text), reason, "{text}");
    }
}

#[test]
fn sorts_of_both_generations_are_read() {
    let sort =
        |text: &str| parse(&format!(r#"{{"sort":{text}}}"#)).expect(text).0.sort().cloned().expect(text);
    let by = |text: &str| match sort(text).by() {
        SortBy::Path => "<path>".to_owned(),
        SortBy::Value(field) => field.text().to_owned(),
    };
    for (text, field) in [
        ("{}", "<path>"),
        ("[]", "<path>"),
        (r#"{"byPath":true,"byValue":"number"}"#, "<path>"),
        (r#"{"byValue":true}"#, ""),
        (r#"{"byValue":"number"}"#, ""),
        (r#"{"byValue":true,"prop":"score"}"#, "score"),
        (r#"{"byValueField":{"a.b":"number"}}"#, "a.b"),
        (r#"{"byValue":false}"#, "<path>"),
    ] {
        assert_eq!(by(text), field, "{text}");
    }
    for (text, from, to, descending) in [
        ("{}", 1, 10, false),
        (r#"{"from":"2","to":3.0,"descending":"no"}"#, 2, 3, true),
        (r#"{"from":-3,"to":1e30}"#, 1, usize::MAX, false),
        (r#"{"from":5,"to":2,"descending":false}"#, 5, 2, false),
    ] {
        let sort = sort(text);
        assert_eq!((sort.from(), sort.to(), sort.descending()), (from, to, descending), "{text}");
    }
    assert!(expression(r#"{"sort":false}"#).sort().is_none());
}

#[test]
fn a_sort_by_type_is_a_value_rule() {
    let all = ["1", "\"a\"", r#"{"on":false}"#, r#"{"on":2}"#, "nil"];
    for (sort, matching) in [
        (r#"{"byValue":"number"}"#, "1"),
        (r#"{"byValue":"number","byPath":true}"#, "1"),
        (r#"{"byValueField":{"on":"boolean"}}"#, r#"{"on":false}"#),
        (r#"{"byValue":"number","prop":"on"}"#, r#"{"on":2}"#),
        (r#"{"byValue":true}"#, r#"1 "a" {"on":false} {"on":2} nil"#),
    ] {
        let text = format!(r#"{{"sort":{sort}}}"#);
        assert_eq!(values(&text, &all), matching, "{sort}");
        assert_eq!(
            expression(&text).needs_value(),
            !sort.contains("true}") || sort.contains("byPath"),
            "{sort}"
        );
    }
}

#[test]
fn dependencies_fill_in_what_match_captures() {
    let text = r#"{"match":["^x(%a+)/(%d+)()","^plain"],"max":3,
        "deps":[{"path":"\\1.state/\\2\\9\\3\\0","where":{"op":"equals","value":"on"}}]}"#;
    let expression = expression(text);
    assert_eq!(expression.max(), Some(3));
    let [dep] = expression.deps() else { panic!("one dependency") };
    assert_eq!(dep.template(), r"\1.state/\2\9\3\0");
    assert_eq!(dep.path(expression.captures("xab/12").as_ref()), r"ab.state/127\0");
    assert_eq!(dep.path(expression.captures("plainly").as_ref()), r"plain.state/\0");
    assert_eq!(dep.path(None), r".state/\0");
    assert!(dep.matches_value(Some(Raw::trusted("\"on\""))) && !dep.matches_value(None));
}

#[test]
fn hints_are_as_narrow_as_the_rules() {
    let hint = |text: &str| format!("{:?}", expression(text).path_hint());
    for (text, expected) in [
        (r#"{}"#, "Any"),
        (r#"{"path":{"equals":"a"}}"#, r#"Exact("a")"#),
        (r#"{"path":{"equalsOneOf":["b","a","b"]}}"#, r#"ExactOneOf(["a", "b"])"#),
        (r#"{"path":{"equalsOneOf":[]}}"#, "ExactOneOf([])"),
        (r#"{"path":{"startsWith":"a","equals":"ab","contains":"b"}}"#, r#"Exact("ab")"#),
        (r#"{"path":{"startsWith":"a"},"match":["^abc"]}"#, r#"Prefix("abc")"#),
        (r#"{"match":["^abc$"]}"#, r#"Exact("abc")"#),
        (r#"{"match":["^abc","d"]}"#, "Any"),
        (r#"{"path":{"startsWith":""}}"#, "Any"),
        (r#"{"path":{"equalsNot":"a","startsNotWith":"b"}}"#, "Any"),
        (r#"{"path":{"equals":"a","caseInsensitive":true}}"#, "Any"),
        (r#"{"text":"^abc$"}"#, "Any"),
    ] {
        assert_eq!(hint(text), expected, "{text}");
    }
    assert_eq!(expression(r#"{"path":{"equals":"a"}}"#).path_hint(), PathHint::Exact("a"));
}
