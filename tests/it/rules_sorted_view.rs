//! Compares sorted fetches with a simple model, which sorts a list at each step and compares its window with the last
//! one. A client that applies all changes has the right window.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::random::Random;
use jet::json::Raw;
use jet::rules::{Changes, Expression, Sort, SortedView};

type Window = Vec<(String, Option<String>)>;

fn sort(text: &str) -> Sort {
    let text = format!(r#"{{"sort":{text}}}"#);
    let raw = Raw::parse(&text, 10).expect("valid");
    Expression::parse(raw, &mut Vec::new()).expect("valid").sort().cloned().expect("sorted")
}

/// Values of all types, with ties, for elements and for their field `s`.
const VALUES: [&str; 18] = [
    "1",
    "2",
    "2.0",
    "10",
    "-1",
    "\"a\"",
    "\"b\"",
    "\"10\"",
    "true",
    "false",
    "null",
    "{}",
    "[1]",
    r#"{"s":1}"#,
    r#"{"s":2}"#,
    r#"{"s":"x"}"#,
    r#"{"s":true}"#,
    r#"{"s":1,"t":0}"#,
];

/// A simple implementation of the sort.
struct Order {
    by: &'static str,
    descending: bool,
}

impl Order {
    fn class(&self, value: Option<&str>) -> (u8, f64, String) {
        let value = value.map(Raw::trusted);
        let value = if self.by == "field" { value.and_then(|value| value.get("s")) } else { value };
        let Some(value) = value else { return (3, 0.0, String::new()) };
        if let Some(number) = value.as_f64() {
            return (0, number, String::new());
        }
        if let Some(text) = value.as_str() {
            return (1, 0.0, text.into_owned());
        }
        value.as_bool().map_or((3, 0.0, String::new()), |on| (2, f64::from(u8::from(on)), String::new()))
    }

    fn compare(&self, a: &(String, Option<String>), b: &(String, Option<String>)) -> Ordering {
        let directed = |order: Ordering| if self.descending { order.reverse() } else { order };
        if self.by == "path" {
            return directed(a.0.cmp(&b.0));
        }
        let (left, right) = (self.class(a.1.as_deref()), self.class(b.1.as_deref()));
        directed(left.partial_cmp(&right).expect("no NaN")).then_with(|| a.0.cmp(&b.0))
    }

    fn window(&self, model: &BTreeMap<String, Option<String>>, from: usize, to: usize) -> Window {
        let mut all: Window = model.iter().map(|(path, value)| (path.clone(), value.clone())).collect();
        all.sort_by(|a, b| self.compare(a, b));
        all.into_iter().take(to).skip(from - 1).collect()
    }
}

/// The changes that are sent: the changed ranks, and the number of entries.
type Sent = (Vec<(usize, String, Option<String>)>, usize);

fn sent(changes: Changes<'_>) -> Sent {
    let list = changes
        .iter()
        .map(|entry| (entry.index, entry.path.to_string(), entry.value.map(|value| value.to_string())));
    let list: Vec<_> = list.collect();
    assert_eq!((list.len(), list.is_empty()), (changes.len(), changes.is_empty()));
    (list, changes.n())
}

/// Returns the changes that have to be sent when the window `after` follows `before`.
fn expected(before: &Window, after: &Window, from: usize) -> Option<Sent> {
    let changed = after.iter().enumerate().filter(|(at, entry)| before.get(*at) != Some(entry));
    let list: Vec<_> = changed.map(|(at, (path, value))| (at + from, path.clone(), value.clone())).collect();
    (!list.is_empty() || before.len() != after.len()).then_some((list, after.len()))
}

fn apply(client: &mut Window, (list, n): &Sent, from: usize) {
    client.resize(*n, (String::new(), None));
    for (index, path, value) in list {
        client[index - from] = (path.clone(), value.clone());
    }
}

fn run(order: &Order, from: usize, to: usize, seed: u64) {
    let by = match order.by {
        "path" => "",
        "value" => r#""byValue":true,"#,
        _ => r#""byValue":true,"prop":"s","#,
    };
    let descending = order.descending;
    let text = format!(r#"{{{by}"descending":{descending},"from":{from},"to":{to}}}"#);
    let mut view = SortedView::new(sort(&text));
    let mut model = BTreeMap::new();
    let mut random = Random::new(seed);
    let mut client: Window = Vec::new();
    let mut before: Window = Vec::new();
    let mut reported = 0;
    for step in 0..1_500 {
        let path = format!("p{}", random.below(30));
        let removes = random.below(3) == 0;
        let changes = if removes {
            model.remove(&path);
            view.remove(&path)
        } else {
            let value = VALUES.get(random.below(VALUES.len() + 1)).map(|value| value.to_string());
            model.insert(path.clone(), value.clone());
            view.set(&Arc::from(path.as_str()), value.map(Arc::from))
        };
        let got = changes.map(sent);
        let after = order.window(&model, from, to);
        assert_eq!(got, expected(&before, &after, from), "{text} step {step}");
        if let Some(sent) = &got {
            apply(&mut client, sent, from);
            reported += 1;
        }
        assert_eq!(client, after, "{text} step {step}");
        if step % 100 == 0 {
            let snapshot = expected(&Vec::new(), &after, from).unwrap_or_default();
            assert_eq!(sent(view.snapshot()), snapshot);
        }
        before = after;
    }
    assert!(reported > 0 || from > 25 || to < from, "{text} reported nothing");
    assert_eq!(view.len(), model.len());
}

#[test]
fn every_window_is_right_at_every_step() {
    for by in ["path", "value", "field"] {
        for descending in [false, true] {
            for (seed, (from, to)) in [
                (1, 1),
                (1, 4),
                (1, 10),
                (2, 3),
                (5, 8),
                (7, 1_000),
                (1, 1_000_000),
                (29, 40),
                (4, 3),
                (60, 70),
            ]
            .into_iter()
            .enumerate()
            {
                run(&Order { by, descending }, from, to, seed as u64 + 1);
            }
        }
    }
}

#[test]
fn the_example_of_the_contract() {
    let mut view = SortedView::new(sort(r#"{"from":1,"to":4}"#));
    let add = |view: &mut SortedView, path: &str| view.set(&Arc::from(path), None).map(sent);
    for path in ["a", "b", "c", "d"] {
        add(&mut view, path);
    }
    assert_eq!(add(&mut view, "e"), None);
    let at = |index: usize, path: &str| (index, path.to_owned(), None);
    assert_eq!(view.remove("c").map(sent), Some((vec![at(3, "d"), at(4, "e")], 4)));
    assert_eq!(view.remove("e").map(sent), Some((vec![], 3)));
    assert_eq!(add(&mut view, "e"), Some((vec![at(4, "e")], 4)));
    assert_eq!(view.remove("d").map(sent), Some((vec![at(3, "e")], 3)));
    assert_eq!(view.remove("d").map(sent), None);
    assert!(view.contains("e") && !view.contains("d"));
}

#[test]
fn the_same_value_again_is_no_news() {
    let mut view = SortedView::new(sort(r#"{"byValue":true}"#));
    let path: Arc<str> = Arc::from("a");
    assert!(view.set(&path, Some("1".into())).is_some());
    assert!(view.set(&path, Some("1".into())).is_none());
    // The value is equal in the sort, but its text differs from the one that was sent.
    assert_eq!(
        view.set(&path, Some("1.0".into())).map(sent),
        Some((vec![(1, "a".into(), Some("1.0".into()))], 1))
    );
}

#[test]
fn a_large_view_costs_what_it_reports() {
    let mut view = SortedView::new(sort(r#"{"byValue":true,"from":99000,"to":99010}"#));
    for index in 0..100_000 {
        view.set(&Arc::from(format!("p{index}")), Some(Arc::from(index.to_string())));
    }
    let started = std::time::Instant::now();
    for round in 0..2_000 {
        let value = if round % 2 == 0 { "100001" } else { "0" };
        let changes = view.set(&Arc::from("p5"), Some(value.into())).expect("the window shifts");
        assert_eq!(changes.len(), 11);
    }
    // Sorting the whole list for each change would take minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn a_view_can_be_moved_to_a_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<SortedView>();
    assert_send::<Expression>();
}
