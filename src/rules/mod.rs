//! Which elements a fetch matches, and in which order: expressions, rules and sorted views.
//!
//! An [`Expression`] is the params of a fetch: rules on the path and the value of elements, an order, a limit. Each
//! kind of rule is read and tested in one file. A [`SortedView`] keeps the elements of a sorted fetch in order.
//! Nothing here knows about connections or messages. The daemon uses it for its fetchers, and the peer where another
//! daemon cannot match by itself.
//!
//! ```
//! use jet::json::Raw;
//! use jet::rules::Expression;
//!
//! let params = Raw::parse(r#"{"path": {"startsWith": "engine/"}, "value": {"greaterThan": 3000}}"#, 10)?;
//! let mut warnings = Vec::new();
//! let expression = Expression::parse(params, &mut warnings)?;
//! assert!(expression.matches_path("engine/rpm") && !expression.matches_path("gear"));
//! assert!(expression.matches_value(Some(Raw::trusted("3100"))));
//! assert!(!expression.matches_value(Some(Raw::trusted("800"))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dependencies;
mod expression;
mod field_path;
mod lua_pattern;
mod params;
mod path_rule;
mod ranked;
mod sort;
mod sorted_view;
mod transition;
mod value_match;
mod value_rule;

pub use dependencies::Dep;
pub use expression::{Expression, PathHint};
pub use field_path::FieldPath;
pub use lua_pattern::{Capture, Captures, Pattern};
pub use path_rule::{How, PathRule, Quantity, Steps, TextRule};
pub use ranked::{Id, Ranked};
pub use sort::{Sort, SortBy, SortKey};
pub use sorted_view::{Changes, Entry, SortedView};
pub use transition::{Event, transition};
pub use value_match::{ValueMatch, Where, WhereEntry};
pub use value_rule::{Operand, TypeName, ValueRule};
