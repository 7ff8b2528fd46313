//! [`Sort`]: the order and the window of a sorted fetch, and [`SortKey`], what values are compared
//! by. Reading it from an expression is in `parse`; keeping elements sorted is in `sorted_view`.

use std::cmp::Ordering;

use super::field_path::FieldPath;
use super::value_rule::TypeName;
use crate::json::{Kind, Number, Raw};

/// The order and the window of a sorted fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    pub(super) by: SortBy,
    pub(super) filter: Option<(FieldPath, TypeName)>,
    pub(super) descending: bool,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// What a [`Sort`] orders by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortBy {
    /// the bytes of the path
    Path,
    /// the value or a field of it, and elements with equal ones by path
    Value(FieldPath),
}

impl Default for Sort {
    /// By path, ascending, ranks 1 to 10.
    fn default() -> Self {
        Sort { by: SortBy::Path, filter: None, descending: false, from: 1, to: 10 }
    }
}

impl Sort {
    /// What is ordered by.
    pub fn by(&self) -> &SortBy {
        &self.by
    }

    /// Whether the order is reversed. Elements with equal values are in ascending order of their
    /// paths all the same.
    pub fn descending(&self) -> bool {
        self.descending
    }

    /// The first rank of the window, counted from 1.
    pub fn from(&self) -> usize {
        self.from
    }

    /// The last rank of the window. Below [`Sort::from`] the window is always empty.
    pub fn to(&self) -> usize {
        self.to
    }

    /// The field and the type it must have, if the sort demands one.
    pub fn filter(&self) -> Option<(&FieldPath, TypeName)> {
        self.filter.as_ref().map(|(field, name)| (field, *name))
    }

    /// Whether the sort demands a type.
    pub fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// Whether a value has the type that the sort demands, if it demands one; `None` is the value
    /// of a method.
    pub fn admits(&self, value: Option<Raw<'_>>) -> bool {
        self.filter.as_ref().is_none_or(|(field, name)| name.holds(value.and_then(|value| field.find(value))))
    }

    /// What an element is ordered by before its path; `None` is the value of a method.
    pub fn key(&self, value: Option<Raw<'_>>) -> SortKey {
        match &self.by {
            SortBy::Path => SortKey::Other,
            SortBy::Value(field) => SortKey::of(value.and_then(|value| field.find(value))),
        }
    }

    /// The order of two elements, each given by key and path. Never equal for different paths.
    pub fn compare(&self, a: (&SortKey, &str), b: (&SortKey, &str)) -> Ordering {
        let directed = |order: Ordering| if self.descending { order.reverse() } else { order };
        match self.by {
            SortBy::Path => directed(a.1.cmp(b.1)),
            SortBy::Value(_) => directed(a.0.cmp(b.0)).then_with(|| a.1.cmp(b.1)),
        }
    }
}

/// What values are compared by: numbers before strings before booleans before everything else,
/// which is all equal.
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
    /// The key of a value; `None` is the value of a method or a missing field.
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
