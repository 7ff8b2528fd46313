//! What is on the wire, without I/O: framing, messages, error objects.
