//! The peer engine without I/O.
