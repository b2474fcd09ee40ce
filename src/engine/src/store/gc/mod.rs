//! Garbage collection: which objects are in use, and the removal of the others.

pub mod mark;
pub mod sweep;
