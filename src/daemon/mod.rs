//! The bus: elements, fetchers and routes without I/O, and the server that drives them.
