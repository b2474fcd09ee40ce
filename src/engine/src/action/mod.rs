//! The side effects of a switch: one action a file, each with do and undo.

pub mod symlink;
