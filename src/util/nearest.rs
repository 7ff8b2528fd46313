//! The known name that is nearest to a misspelt one, for warnings.

/// The name out of `known` that takes the fewest edits to get from `name`; the first of several.
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
}
