//! [`Sort`]: the order and the window of a sorted fetch, and [`SortKey`], by which values are compared. `sorted_view`
//! keeps elements in that order.

use std::cmp::Ordering;

use super::field_path::FieldPath;
use super::params::{is_object, mistyped, unknown_key};
use super::value_match;
use super::value_rule::TypeName;
use crate::json::{Kind, Number, Raw};

/// The keys of `sort`.
const KEYS: [&str; 7] = ["byPath", "byValue", "byValueField", "prop", "descending", "from", "to"];

/// Keys that other peers add for their own use.
const PASSENGERS: [&str; 3] = ["by", "asArray", "as_array"];

/// The order and the window of a sorted fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    by: SortBy,
    filter: Option<(FieldPath, TypeName)>,
    descending: bool,
    from: usize,
    to: usize,
}

/// The criterion of a [`Sort`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortBy {
    /// the bytes of the path
    Path,
    /// the value or a field of it, then the path
    Value(FieldPath),
}

impl Default for Sort {
    /// By path, ascending, ranks 1 to 10.
    fn default() -> Self {
        Sort { by: SortBy::Path, filter: None, descending: false, from: 1, to: 10 }
    }
}

impl Sort {
    /// Returns the criterion.
    pub fn by(&self) -> &SortBy {
        &self.by
    }

    /// Returns whether the order is reversed. Elements with equal values are still in ascending order of their
    /// paths.
    pub fn descending(&self) -> bool {
        self.descending
    }

    /// Returns the first rank of the window, counted from 1.
    pub fn from(&self) -> usize {
        self.from
    }

    /// Returns the last rank of the window. If it is below [`Sort::from`], the window is always empty.
    pub fn to(&self) -> usize {
        self.to
    }

    /// Returns the field that must have a certain type, and that type, if the sort requires one.
    pub fn filter(&self) -> Option<(&FieldPath, TypeName)> {
        self.filter.as_ref().map(|(field, name)| (field, *name))
    }

    /// Returns whether the sort requires a type.
    pub fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// Returns whether a value has the type that the sort requires, if any. `None` is the value
    /// of a method.
    pub fn admits(&self, value: Option<Raw<'_>>) -> bool {
        self.filter.as_ref().is_none_or(|(field, name)| name.holds(value.and_then(|value| field.find(value))))
    }

    /// Returns the key by which an element is ordered before its path. `None` is the value of a method.
    pub fn key(&self, value: Option<Raw<'_>>) -> SortKey {
        match &self.by {
            SortBy::Path => SortKey::Other,
            SortBy::Value(field) => SortKey::of(value.and_then(|value| field.find(value))),
        }
    }

    /// Compares two elements, each given by key and path. Different paths are never equal.
    pub fn compare(&self, a: (&SortKey, &str), b: (&SortKey, &str)) -> Ordering {
        let directed = |order: Ordering| if self.descending { order.reverse() } else { order };
        match self.by {
            SortBy::Path => directed(a.1.cmp(b.1)),
            SortBy::Value(_) => directed(a.0.cmp(b.0)).then_with(|| a.1.cmp(b.1)),
        }
    }
}

/// The key by which values are compared: numbers come before strings, these before booleans, and these before
/// everything else, which is all equal.
///
/// ```
/// use jet::json::Raw;
/// use jet::rules::SortKey;
///
/// let key = |text| SortKey::of(Some(Raw::trusted(text)));
/// assert!(key("10") < key("\"2\"") && key("2") < key("10") && key("true") < key("null"));
/// assert_eq!(key("[1]"), key("{}"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortKey {
    /// numbers by value
    Number(Number),
    /// strings by their bytes
    String(Box<str>),
    /// false before true
    Bool(bool),
    /// null, arrays, objects, nothing at all
    Other,
}

impl SortKey {
    /// Returns the key of a value. `None` is the value of a method or a missing field.
    pub fn of(value: Option<Raw<'_>>) -> SortKey {
        let Some(value) = value else {
            return SortKey::Other;
        };
        match value.kind() {
            Kind::Number => value.as_number().map_or(SortKey::Other, SortKey::Number),
            Kind::String => SortKey::String(value.as_str().unwrap_or_default().into()),
            Kind::Bool => SortKey::Bool(value.as_bool() == Some(true)),
            Kind::Null | Kind::Array | Kind::Object => SortKey::Other,
        }
    }
}

/// Reads a sort.
///
/// Any string is the default sort, as it always was. `from` and `to` may be
/// numeric strings. A `from` below 1 acts as 1, where ranks begin.
///
/// # Errors
/// Fails with a message that names the wrong part.
pub fn read_sort(raw: Raw<'_>, warnings: &mut Vec<String>) -> Result<Sort, String> {
    let mut sort = Sort::default();
    if let Some(text) = raw.as_str() {
        warnings.push(format!("sort: '{text}' says nothing, sorted by path"));
        return Ok(sort);
    }
    if !is_object(raw) {
        return Err(mistyped("sort", "an object", raw));
    }
    for (key, _) in raw.members() {
        if !KEYS.contains(&&*key) && !PASSENGERS.contains(&&*key) {
            warnings.push(unknown_key("sort", &key, &KEYS));
        }
    }
    let given = |key: &str| raw.get(key).filter(|value| value.as_bool() != Some(false));
    match (given("byValue"), given("byValueField")) {
        (Some(by_value), _) => by_value_with(&mut sort, by_value, given("prop"), warnings)?,
        (None, Some(fields)) => by_field(&mut sort, fields, warnings)?,
        (None, None) if raw.get("prop").is_some() => {
            warnings.push("sort: prop has no effect without byValue".into());
        }
        _ => (),
    }
    if flag("byPath", given("byPath"), warnings) {
        sort.by = SortBy::Path;
    }
    sort.descending = flag("descending", given("descending"), warnings);
    window(&mut sort, given("from"), given("to"), warnings)?;
    Ok(sort)
}

/// Reads a boolean. Any other value is true or false as in Lua, with a warning.
fn flag(key: &str, raw: Option<Raw<'_>>, warnings: &mut Vec<String>) -> bool {
    let Some(raw) = raw else {
        return false;
    };
    if raw.as_bool().is_none() {
        let counts = raw.is_truthy();
        warnings.push(format!("sort.{key}: expected a boolean, {} counts as {counts}", raw.text()));
    }
    raw.is_truthy()
}

/// Reads `from` and `to`. A `from` below 1 acts as 1, and a window without ranks finds nothing. Both cause
/// warnings.
fn window(
    sort: &mut Sort,
    from: Option<Raw<'_>>,
    to: Option<Raw<'_>>,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    let first = rank("sort.from", from, sort.from)?;
    if first < 1 {
        warnings.push("sort.from: less than 1, acts as 1".into());
    }
    sort.from = first.max(1);
    sort.to = rank("sort.to", to, sort.to)?;
    if sort.from > sort.to {
        let (from, to) = (sort.from, sort.to);
        warnings.push(format!("sort: from {from} is greater than to {to}, so it finds nothing"));
    }
    Ok(())
}

/// Reads `byValue`: true, or the name of a type. With `prop` it applies to that member of the value.
fn by_value_with(
    sort: &mut Sort,
    by_value: Raw<'_>,
    prop: Option<Raw<'_>>,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    let field = value_match::prop("sort.prop", prop)?;
    let is_type = by_value.as_str().is_some_and(|name| TypeName::read(&name) != TypeName::Unknown);
    if by_value.as_bool() != Some(true) && !is_type {
        let shown: String = by_value.text().chars().take(60).collect();
        return Err(format!("sort.byValue: expected true or the name of a type, got {shown}"));
    }
    demand_type(sort, "sort.byValue", &field, by_value, warnings)?;
    sort.by = SortBy::Value(field);
    Ok(())
}

/// Reads `byValueField = {field = type}`. The type true accepts all types.
fn by_field(sort: &mut Sort, fields: Raw<'_>, warnings: &mut Vec<String>) -> Result<(), String> {
    if fields.kind() != Kind::Object {
        return Err(mistyped("sort.byValueField", "an object", fields));
    }
    let mut members = fields.members();
    let (text, type_name) = members.next().ok_or("sort.byValueField: names no field")?;
    if members.next().is_some() {
        warnings.push(format!("sort.byValueField: only '{text}' is used"));
    }
    let field = value_match::field("sort.byValueField", &text)?;
    demand_type(sort, "sort.byValueField", &field, type_name, warnings)?;
    sort.by = SortBy::Value(field);
    Ok(())
}

fn demand_type(
    sort: &mut Sort,
    at: &str,
    field: &FieldPath,
    raw: Raw<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    if raw.as_bool() == Some(true) {
        return Ok(());
    }
    sort.filter = Some((field.clone(), value_match::type_name(at, raw, warnings)?));
    Ok(())
}

/// Reads a rank: a whole number or its text. A number below 0 becomes 0.
fn rank(at: &str, raw: Option<Raw<'_>>, default: usize) -> Result<usize, String> {
    let Some(raw) = raw else {
        return Ok(default);
    };
    let number = match raw.as_str() {
        Some(text) => text.trim().parse::<f64>().ok(),
        None => raw.as_f64(),
    };
    match number {
        // The conversion saturates. No element has such a rank.
        Some(number) if number.fract() == 0.0 => Ok(number as usize),
        _ => Err(format!("{at}: expected a whole number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::params::check_documented;

    #[test]
    fn the_documentation_describes_every_key() {
        KEYS.iter().for_each(|key| check_documented(&format!("sort.{key}")));
    }
}
