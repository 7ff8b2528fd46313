//! [`Encoding`]: what the messages of a connection are written in.

/// How messages are written. Frames are the same for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// JSON text, which every connection begins with.
    #[default]
    Json,
    /// msgpack, see [`msgpack`](crate::wire::msgpack).
    Msgpack,
}

impl Encoding {
    /// The encoding that `config` calls so; none for JSON, which cannot be asked for.
    pub fn named(name: &str) -> Option<Encoding> {
        (name == "msgpack").then_some(Encoding::Msgpack)
    }

    /// What programs and people call it.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Json => "json",
            Encoding::Msgpack => "msgpack",
        }
    }
}
