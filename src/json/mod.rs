//! JSON as text: checked once, then cut into slices that are copied as they are.
//!
//! Values travel over the bus as the text they came in. So this layer builds no tree: [`scan`]
//! checks a text and finds where values end, [`Raw`] walks a checked text lazily, [`Number`]
//! compares numbers exactly, and [`mod@write`] appends JSON to a buffer. The conversion between JSON
//! and Lua values is in `lua::convert`.

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
