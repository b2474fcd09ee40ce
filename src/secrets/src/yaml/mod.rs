//! YAML documents: `saphyr-parser` says where values are, and changes are made in the text.
//!
//! What a plain word means is what the YAML library of SOPS makes of it (`scalar`), since the MAC
//! is made of that.

mod comments;
mod expand;
mod read;
mod scalar;
mod write;

pub(crate) use expand::expand;
pub(crate) use read::read;
pub(crate) use scalar::render;
pub(crate) use write::{append, hoist, render_comment, with_metadata};

/// Data between brackets on one line.
pub(crate) fn flow(plain: &crate::plain::Plain) -> String {
    let mut out = String::new();
    write::write_flow(plain, &mut out);
    out
}
