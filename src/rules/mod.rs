//! Which elements a fetch sees and in which order: expressions, rules and sorted views.
