//! What `file{}` declares: source, derivation and action in one call, since configs have thousands of them. The Lua
//! side checked the fields. It knows no more of helpers than that.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use mlua::BString;
use mlua::prelude::*;
use syslua_engine::action::{self, Action, Link};
use syslua_engine::activation::Activation;
use syslua_engine::derivation::Spec;
use syslua_engine::failure::Failure;
use syslua_engine::hash::Hash;
use syslua_engine::names::{Name, OutputName, Placeholder};
use syslua_engine::platform::{self, FileKind};
use syslua_engine::store::sources::Known;
use syslua_engine::value::{Fields, Positions, Source, Text, Value};

use crate::convert::{Place, check_paths};
use crate::derive::{config_failure, declare, system};
use crate::error::{Answer, lua_failure, register as register_function, register_plain};
use crate::evaluation::record_action;
use crate::{capture, position, state};

/// A file as the Lua side gives it: its target, where its source is, its content, whether it is executable, how it is
/// installed unless it is linked, the recipe, and who declared it.
type Given =
    (LuaString, Option<LuaString>, Option<LuaString>, Option<bool>, Option<LuaTable>, LuaFunction, Vec<String>);

/// The longest name of an object that is made of a target's.
const LONGEST_NAME: usize = 60;

/// The frames of our own between the user's line and [`declare_plain_file`]: itself, and two of `helpers/file.lua`.
const FRAMES: usize = 3;

/// Returns the name for the store: what people see in `ls`.
fn name_of(target: &[u8]) -> String {
    let end = target.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let start = target[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte);
    let name = target[start..end].iter().map(|byte| if is_kept(*byte) { char::from(*byte) } else { '-' });
    let name: String = name.skip_while(|character| ".-".contains(*character)).take(LONGEST_NAME).collect();
    if name.is_empty() { "file".to_owned() } else { name }
}

/// Returns whether a target is absolute or below `~`, and has nothing that can be left out: `path.is_plain`.
fn is_plain_target(target: &[u8]) -> bool {
    let rest = target.strip_prefix(b"~").unwrap_or(target);
    let Some(inner) = rest.strip_prefix(b"/") else { return false };
    !target.contains(&0) && inner.split(|byte| *byte == b'/').all(|component| !matches!(component, b"" | b"." | b".."))
}

/// Returns the source at a place, or nothing where nothing stands.
fn source_at(lua: &Lua, place: PathBuf) -> Answer<Option<Source>> {
    let is_whole = place.is_absolute() && is_plain_target(place.as_os_str().as_encoded_bytes());
    let unusable = |error| Failure::new("usage", format!("the path {} is unusable: {error}", place.display()));
    let path = if is_whole { place } else { std::path::absolute(&place).map_err(unusable)? };
    let path = state::locate(lua, path);
    let known = state::change(lua, |state| state.sources.look(&path));
    let known = known.ok_or_else(|| Failure::new("internal", "the state is in use"))?;
    match known.map_err(|error| config_failure(&error))? {
        // A link that leads nowhere is as good as nothing.
        Some(Known { kind: FileKind::Symlink, .. }) if !path.exists() => Ok(None),
        Some(known) => Ok(Some(Source { path, nar: known.nar, excluded: BTreeSet::new() })),
        None => Ok(None),
    }
}

/// What a file is made of: a content, a source, and whether it is executable.
fn options_of(lua: &Lua, content: Option<Vec<u8>>, place: Option<PathBuf>, executable: bool) -> Answer<Option<Fields>> {
    let mut opts = Fields::with_capacity(1);
    if let Some(content) = content {
        let content = Value::Bytes(content);
        if let Some(files) = state::read(lua, state::State::config_files) {
            check_paths(&content, &files, &Place::top("opts").name(b"content"))?;
        }
        opts.insert(b"content".to_vec(), content);
    }
    if let Some(place) = place {
        let Some(source) = source_at(lua, place)? else { return Ok(None) };
        opts.insert(b"source".to_vec(), Value::Source(Box::new(source)));
    }
    if executable {
        opts.insert(b"executable".to_vec(), Value::Bool(true));
    }
    Ok(Some(opts))
}

/// Declares the derivation of a file; returns the path that it will have.
fn derive_file(lua: &Lua, target: &[u8], opts: Fields, recipe: &LuaFunction, positions: &Positions) -> Answer<Text> {
    let spec = Spec {
        name: Name::parse(&name_of(target)).map_err(|error| config_failure(&error))?,
        version: None,
        outputs: vec![OutputName::main()],
        system: system(lua),
        opts: Value::Map(opts),
        config: match state::recipe(lua, recipe) {
            Some(known) => known,
            None => capture::capture(lua, recipe)?.into(),
        },
        output_hash: None,
    };
    let is_recipe = spec.config.captures.is_empty();
    let derivation = declare(lua, spec, recipe, is_recipe, Arc::clone(positions))?;
    Ok(Text(derivation.placeholder(&OutputName::main()).to_string().into_bytes()))
}

/// Declares a file; returns the number of its action, or nothing when the source does not exist.
fn declare_file(lua: &Lua, given: Given) -> Answer<Option<usize>> {
    let (target, place, content, executable, install, recipe, positions) = given;
    let positions = positions.into();
    let place = place.map(|place| platform::path_from_bytes(&place.as_bytes()));
    let content = content.map(|content| content.as_bytes().to_vec());
    let Some(opts) = options_of(lua, content, place, executable == Some(true))? else { return Ok(None) };
    let target = Text(target.as_bytes().to_vec());
    let source = derive_file(lua, &target.0, opts, &recipe, &positions)?;
    let action: Action = match install {
        None => Link { source, target, mutable: false }.into(),
        Some(install) => {
            let word = |key: &str| install.raw_get::<Option<String>>(key).map_err(lua_failure);
            let mutable = install.raw_get::<Option<bool>>("mutable").map_err(lua_failure)?.unwrap_or(false);
            let (mode, owner) = (word("mode")?, word("owner")?);
            action::File { source, target, mode, owner, mutable, ..action::File::default() }.into()
        }
    };
    record_action(lua, action, positions).map(Some)
}

/// A file that is a path and a content: its target, its source or content, the config's directory and the recipe.
type Plain = (BString, Option<BString>, Option<BString>, BString, LuaFunction);

/// Declares a file that is a path and a content, as it is given; returns the number of its action, or nothing when it
/// takes a closer look, or something is wrong with it: then the Lua side looks closely.
fn declare_plain_file(lua: &Lua, plain: Plain) -> Answer<Option<usize>> {
    let (target, source, content, directory, recipe) = plain;
    let is_source = |source: &BString| !source.is_empty() && source[0] != b'~' && !Placeholder::may_be_in(source);
    if source.is_some() == content.is_some() || !source.as_ref().is_none_or(is_source) || !is_plain_target(&target) {
        return Ok(None);
    }
    let Some(positions) = position::chain(lua, FRAMES) else { return Ok(None) };
    let place = source.map(|source| platform::path_from_bytes(&directory).join(platform::path_from_bytes(&source)));
    let Some(opts) = options_of(lua, content.map(Into::into), place, false)? else { return Ok(None) };
    let source = derive_file(lua, &target, opts, &recipe, &positions)?;
    let link = Link { source, target: Text(target.into()), mutable: false };
    record_action(lua, link.into(), positions).map(Some)
}

/// Calls `read` with recorded actions.
fn with_recorded<R>(lua: &Lua, numbers: &[usize], read: impl FnOnce(&[&Activation]) -> R) -> Answer<R> {
    let found = state::read(lua, |state| {
        let all = &state.evaluations.last()?.activations;
        let recorded = numbers.iter().map(|number| all.get(number.wrapping_sub(1))?.as_ref());
        recorded.collect::<Option<Vec<_>>>().map(|recorded| read(&recorded))
    });
    found.ok_or_else(|| Failure::new("internal", "there is no such recorded action"))
}

/// Returns whether two recorded actions put the same at their targets, wherever these are.
fn is_same(lua: &Lua, first: usize, second: usize) -> Answer<bool> {
    with_recorded(lua, &[first, second], |both| match (both[0].action.as_target(), both[1].action.as_target()) {
        (Some(first), Some(second)) => first.puts_same(second),
        _ => false,
    })
}

/// Returns the hash of the derivation that an action's source is, if it is one.
fn derivation_of(lua: &Lua, number: usize) -> Answer<Option<String>> {
    let placeholder =
        with_recorded(lua, &[number], |recorded| Placeholder::find(&recorded[0].action.as_target()?.source()?.0))?;
    let owner = |(_, placeholder)| state::read(lua, |state| state.owners.get(&placeholder).map(|(hash, _)| *hash));
    Ok(placeholder.and_then(owner).map(Hash::to_hex))
}

/// Registers what `file{}` calls.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(lua, native, "declare_file", declare_file)?;
    register_plain(lua, native, "declare_plain_file", declare_plain_file)?;
    register_function(lua, native, "name_of_file", |_, target: LuaString| Ok(name_of(&target.as_bytes())))?;
    register_function(lua, native, "positions_of_action", |lua, number: usize| {
        with_recorded(lua, &[number], |recorded| recorded[0].positions.to_vec())
    })?;
    register_function(lua, native, "is_same_action", |lua, (first, second): (usize, usize)| {
        is_same(lua, first, second)
    })?;
    register_function(lua, native, "derivation_of_action", |lua, number: usize| derivation_of(lua, number))
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

    #[test]
    fn plain_targets_have_nothing_to_leave_out() {
        for plain in ["/a", "~/a", "~/.a/..b/c.", "/a b/c"] {
            assert!(is_plain_target(plain.as_bytes()), "{plain}");
        }
        for other in ["", "/", "~", "~/", "a", "~a/b", "/a/", "/a//b", "~/./a", "~/../a", "/a/..", "/a/.", "/a\0"] {
            assert!(!is_plain_target(other.as_bytes()), "{other}");
        }
    }
}
