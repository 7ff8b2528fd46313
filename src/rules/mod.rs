//! Which elements a fetch sees and in which order: expressions, rules and sorted views.
//!
//! Nothing here knows of connections or messages. The daemon uses it for its fetchers, the peer
//! for what a foreign daemon cannot do itself.

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
