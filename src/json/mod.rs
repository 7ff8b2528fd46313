//! JSON as text: checked once, then cut into slices that are copied as they are.
//!
//! Values travel over the bus as the text in which they arrived, so this module builds no tree:
//!
//! - [`scan`] checks a text in one pass: its grammar, its depth, the range of its numbers.
//! - [`Raw`] is a value as a slice of checked text. It finds members and elements when they are asked for.
//! - [`Tokens`] walks over checked text token by token; all other readers use it.
//! - [`Number`] compares numbers without rounding integers.
//! - [`to_text`] and [`append`] write serde structs, through which a [`Raw`] passes unchanged. [`mod@write`] has the
//!   few functions of the writers on the hot path.
//!
//! ```
//! use jet::json::Raw;
//!
//! let message = Raw::parse(r#"{"path": "engine/rpm", "value": [800, 12.50]}"#, 10)?;
//! assert_eq!(message.get("path").and_then(Raw::as_str).as_deref(), Some("engine/rpm"));
//! // The value keeps its text, to the last zero.
//! assert_eq!(message.get("value").map(Raw::text), Some("[800, 12.50]"));
//! # Ok::<(), jet::json::Error>(())
//! ```
//!
//! The conversion between JSON and Lua values is in `lua::convert`.

mod number;
mod raw;
pub mod scan;
mod serialize;
mod string;
mod tokens;
pub mod write;

pub use number::Number;
pub use raw::{Elements, Kind, Members, Raw};
pub use scan::Error;
pub use serialize::{append, to_text};
pub use string::Quoted;
pub use tokens::{Numeral, Token, Tokens};
