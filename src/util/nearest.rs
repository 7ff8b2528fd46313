//! The known name that is nearest to a misspelt one, for warnings.

/// Returns the name in `known` that takes the fewest edits to get from `name`; the first of several.
/// Case counts less than any other difference. `None` only if `known` is empty.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // A name longer than this is no slip of the fingers, and comparing takes product time.
    let name: String = name.chars().take(64).collect();
    known.iter().copied().min_by_key(|candidate| distance(&name, candidate))
}

/// Edits between two words, two for each changed character and one for changed case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).map(|column| column * 2).collect();
    for (line, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = (line + 1) * 2;
        for (column, right) in b.iter().enumerate() {
            let changed = diagonal + change(left, *right);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 2).min(row[column] + 2);
        }
    }
    row.last().copied().unwrap_or(0)
}

fn change(left: char, right: char) -> usize {
    if left == right {
        0
    } else if left.eq_ignore_ascii_case(&right) {
        1
    } else {
        2
    }
}

/// Returns the name out of `known` that a key is probably meant to be: one that takes at most a third of its letters, or
/// one letter, to get there, or that begins with the key. Case does not count.
pub fn near_key<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = key.to_lowercase();
    let edits = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        if word.len() > 2 && candidate.starts_with(&word) { 1 } else { transpositions(&word, &candidate) }
    };
    let (edits, near) = known.iter().map(|&candidate| (edits(candidate), candidate)).min()?;
    (edits <= 1.max(near.len() / 3)).then_some(near)
}

/// Returns how many single-letter edits lead from one word to another. Two letters that changed places are one.
pub fn transpositions(a: &str, b: &str) -> usize {
    // A longer word is no slip.
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_name() {
        let known = ["match", "unmatch", "startsWith", "startsNotWith", "equals", "equalsNot"];
        for (slip, meant) in [
            ("mtach", "match"),
            ("startswith", "startsWith"),
            ("startWith", "startsWith"),
            ("equal", "equals"),
            ("unequals", "equals"),
            ("", "match"),
        ] {
            assert_eq!(nearest(slip, &known), Some(meant), "{slip}");
        }
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn only_near_keys_are_meant() {
        let known = ["ip", "port", "on_close", "certificate"];
        for (key, meant) in [
            ("go", None),
            ("user", None),
            ("prot", Some("port")),
            ("PORT", Some("port")),
            ("onclos", Some("on_close")),
            ("cert", Some("certificate")),
        ] {
            assert_eq!(near_key(key, &known), meant, "{key}");
        }
    }

    #[test]
    fn letters_that_changed_places_are_one_edit() {
        for (a, b, edits) in
            [("acecss", "access", 1), ("acces", "access", 1), ("excess", "access", 2), ("", "abc", 3)]
        {
            assert_eq!(transpositions(a, b), edits, "{a} {b}");
        }
    }
}
