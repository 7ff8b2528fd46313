//! Which elements a fetch sees and in which order: expressions, rules and sorted views.
//!
//! Nothing here knows of connections or messages. The daemon uses it for its fetchers, the peer
//! for what a foreign daemon cannot do itself.

mod dep;
mod expression;
mod field_path;
mod filter;
mod lua_pattern;
mod nearest;
mod parse;
mod path_rule;
mod ranked;
mod sort;
mod sorted_view;
mod value_rule;
mod value_test;

pub use dep::Dep;
pub use expression::{Expression, PathHint};
pub use field_path::FieldPath;
pub use filter::{transition, Event};
pub use lua_pattern::{Capture, Captures, Pattern};
pub use nearest::nearest;
pub use path_rule::{How, PathRule, Quantity, Steps, TextRule};
pub use ranked::{Id, Ranked};
pub use sort::{Sort, SortBy, SortKey};
pub use sorted_view::{Changes, Entry, SortedView};
pub use value_rule::{Operand, TypeName, ValueRule};
pub use value_test::{ValueTest, Where, WhereEntry};
