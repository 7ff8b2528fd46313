//! The one module with unsafe code: what touches the Lua stack, signals and raw descriptors.
//! Each block says what makes it sound; nothing here knows about Jet.
