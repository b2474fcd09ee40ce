//! File recipes as derivations.

use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::derivation::{FileRecipe, Recipe, Spec};
use syslua_engine::failure::FailureKind;
use syslua_engine::names::{Name, OutputName};
use syslua_engine::settings::System;

use crate::derive::{declare, system};
use crate::error::{Answer, OrFail};
use crate::state::Ticket;

/// The longest name of an object that is made of a target's.
const LONGEST_NAME: usize = 60;

/// Returns the name for the store: what people see in `ls`.
pub fn name_of(target: &[u8]) -> String {
    let end = target.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let start = target[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte);
    let name =
        target[start..end].iter().map(|byte| if is_kept(*byte) { char::from(*byte) } else { '-' });
    let name: String =
        name.skip_while(|character| ".-".contains(*character)).take(LONGEST_NAME).collect();
    if name.is_empty() { "file".to_owned() } else { name }
}

/// Returns what is said of the derivation of a file or tree.
pub fn spec(target: &[u8], recipe: FileRecipe, system: &Arc<System>) -> Answer<Spec> {
    Ok(Spec {
        name: Name::parse(&name_of(target)).or_fail(FailureKind::Config)?,
        version: None,
        outputs: vec![OutputName::main()],
        system: Arc::clone(system),
        recipe: Recipe::File(recipe),
        output_hash: None,
    })
}

/// Declares the derivation of a file or tree; returns the path that it will have.
///
/// # Errors
/// Outside of an evaluation.
pub fn derive_file(
    lua: &Lua,
    target: &[u8],
    recipe: FileRecipe,
    ticket: &Ticket,
) -> Answer<Vec<u8>> {
    let spec = spec(target, recipe, &system(lua))?;
    let derivation = declare(lua, spec, None, Arc::clone(&ticket.positions), Some(ticket.order))?;
    Ok(derivation.placeholder(&OutputName::main()).to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_after_targets() {
        for (target, name) in [
            ("~/.bashrc", "bashrc"),
            ("~/.config/git/config", "config"),
            ("/a/b/", "b"),
            ("/a/b c%", "b-c-"),
            ("/a/.-.x", "x"),
            ("/...", "file"),
            ("/", "file"),
            ("~/\u{e4}", "file"),
            ("~/x\u{e4}", "x--"),
        ] {
            assert_eq!(name_of(target.as_bytes()), name, "{target}");
        }
        assert_eq!(name_of(&[b'a'; 80]).len(), LONGEST_NAME);
    }
}
