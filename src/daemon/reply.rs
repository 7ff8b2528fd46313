//! The result of a request: an [`Outcome`], or a [`Refusal`] with a code and data.

use serde::Serialize;

use crate::json::to_text;
use crate::wire::error::{Code, INTERNAL_ERROR, INVALID_PARAMS, Tag};

/// The result of a request that succeeded.
#[derive(Debug)]
pub enum Outcome {
    /// The response is `true`.
    Done,
    /// The response is this JSON text.
    Value(String),
    /// The response has been sent, or is sent later.
    Answered,
}

/// The reason why a request failed.
#[derive(Debug)]
pub struct Refusal {
    code: Code,
    /// JSON text.
    data: Option<String>,
}

/// What a request is answered with.
pub type Reply = Result<Outcome, Refusal>;

impl Refusal {
    /// Returns a refusal without data.
    pub fn new(code: Code) -> Refusal {
        Refusal { code, data: None }
    }

    /// Returns a refusal with data.
    pub fn with(code: Code, data: &impl Serialize) -> Refusal {
        Refusal { code, data: Some(to_text(data)) }
    }

    /// Refuses params. The data is an object with one member.
    pub fn params(key: &str, value: impl Serialize) -> Refusal {
        Refusal::with(INVALID_PARAMS, &Tag(key, value))
    }

    /// Returns the error for a message that exceeds the limit.
    pub fn too_long() -> Refusal {
        Refusal::with(INTERNAL_ERROR, &"the message would be too long")
    }

    /// Returns the code and message.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Returns the data as JSON text.
    pub fn data(&self) -> Option<&str> {
        self.data.as_deref()
    }
}
