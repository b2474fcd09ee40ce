//! Derivations and sources as Lua sees them.

use std::path::PathBuf;
use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::derivation::{Derivation, Spec};
use syslua_engine::failure::{Failure, chain};
use syslua_engine::hash::Hash;
use syslua_engine::names::{Name, OutputName, SHORT_HASH, Version};
use syslua_engine::platform::{self, FileKind};
use syslua_engine::settings::System;
use syslua_engine::value::Source;

use crate::convert::{Place, to_value};
use crate::error::{Answer, lua_failure, register as register_function};
use crate::{capture, state};

/// The registry entries of the metatables by which handles and sources are known. They are tables,
/// no userdata: a field of them is a plain look-up, and LuaJIT 2.1.0-beta3 crashes when it collects
/// userdata of mlua (it takes the upper half of a C function's 32-bit result for part of it).
const HANDLE: &str = "syslua.handle";
const SOURCE: &str = "syslua.source";

fn is_a(lua: &Lua, table: &LuaTable, kind: &str) -> bool {
    let metatable = lua.named_registry_value::<LuaTable>(kind).ok();
    metatable.is_some() && metatable == table.metatable()
}

/// Returns the hash of the derivation that a table is the handle of, if it is one.
pub fn handle_of(lua: &Lua, table: &LuaTable) -> Option<Hash> {
    if !is_a(lua, table, HANDLE) {
        return None;
    }
    table.raw_get::<String>("hash").ok().and_then(|hash| Hash::parse(&hash).ok())
}

/// Returns the source that a table stands for, if it does.
pub fn source_of(lua: &Lua, table: &LuaTable) -> Option<Source> {
    if !is_a(lua, table, SOURCE) {
        return None;
    }
    let nar = table.raw_get::<String>("sha256").ok().and_then(|hash| Hash::parse(&hash).ok())?;
    let path = table.raw_get::<LuaString>("path").ok()?;
    let excluded: Option<Vec<LuaString>> = table.raw_get("excluded").ok()?;
    let excluded = excluded.into_iter().flatten().map(|inner| platform::path_from_bytes(&inner.as_bytes())).collect();
    Some(Source { path: platform::path_from_bytes(&path.as_bytes()), nar, excluded })
}

/// Makes a table of a kind, whose text for people is `text`.
fn add_kind(lua: &Lua, kind: &str, text: impl Fn(&LuaTable) -> LuaResult<String> + 'static) -> LuaResult<()> {
    let metatable = lua.create_table()?;
    metatable.set("__tostring", lua.create_function(move |_, table: LuaTable| text(&table))?)?;
    lua.set_named_registry_value(kind, metatable)
}

fn handle(lua: &Lua, derivation: &Derivation) -> LuaResult<LuaTable> {
    let spec = &derivation.spec;
    let outputs = lua.create_table_with_capacity(1, 1)?;
    let table = lua.create_table_with_capacity(0, 5)?;
    for output in &spec.outputs {
        let placeholder = derivation.placeholder(output).to_string();
        outputs.raw_push(output.as_str())?;
        outputs.raw_set(output.as_str(), placeholder.as_str())?;
        // The first one stands in where none is called `out`.
        if output.is_main() || !table.contains_key("out")? {
            table.raw_set("out", placeholder)?;
        }
    }
    table.raw_set("name", spec.name.as_str())?;
    table.raw_set("version", spec.version.as_ref().map(Version::as_str))?;
    table.raw_set("hash", derivation.hash.to_hex())?;
    table.raw_set("outputs", outputs)?;
    table.set_metatable(Some(lua.named_registry_value(HANDLE)?))?;
    Ok(table)
}

/// Returns the platform that derivations are declared for right now.
pub fn system(lua: &Lua) -> System {
    state::read(lua, |state| state.evaluations.last().map(|evaluation| evaluation.system.clone()))
        .unwrap_or_else(System::current)
}

fn config_failure(error: &dyn std::error::Error) -> Failure {
    Failure::new("config", chain(error))
}

fn derive(lua: &Lua, spec: &LuaTable) -> Answer<LuaTable> {
    let text = |key: &str| spec.raw_get::<Option<String>>(key).map_err(lua_failure);
    let name = Name::parse(&text("name")?.unwrap_or_default()).map_err(|error| config_failure(&error))?;
    let version = text("version")?.map(|version| Version::parse(&version)).transpose();
    let version = version.map_err(|error| config_failure(&error))?;
    let mut outputs = Vec::new();
    for output in spec.raw_get::<Option<Vec<String>>>("outputs").map_err(lua_failure)?.unwrap_or_default() {
        let output = OutputName::parse(&output).map_err(|error| config_failure(&error))?;
        if outputs.contains(&output) {
            return Err(Failure::new("config", format!("the output `{output}` is named twice")));
        }
        outputs.push(output);
    }
    if outputs.is_empty() {
        outputs.push(OutputName::main());
    }
    let output_hash = text("output_sha256")?.map(|hash| Hash::parse(&hash)).transpose().map_err(|error| {
        Failure::new("config", format!("`output_sha256`: {error}"))
            .with_hint("write 64 zeros for a start: the build says what it got")
    })?;
    if output_hash.is_some() && (outputs.len() > 1 || !outputs[0].is_main()) {
        let message = "`output_sha256` is the hash of the output `out`, and a derivation that has it has no other one";
        return Err(Failure::new("config", message));
    }
    let positions: Vec<String> = spec.raw_get("positions").map_err(lua_failure)?;
    let config: LuaFunction = spec.raw_get("config").map_err(lua_failure)?;
    let opts: LuaValue = spec.raw_get("opts").map_err(lua_failure)?;
    let spec = Spec {
        name,
        version,
        outputs,
        system: system(lua),
        opts: to_value(lua, &opts, &Place::top("opts"))?,
        config: capture::capture(lua, &config)?,
        output_hash,
    };
    let derivation =
        state::read(lua, |state| Derivation::new(spec, |placeholder| state.owners.get(&placeholder).cloned()));
    let derivation = Arc::new(derivation.map_err(|error| config_failure(&error))?.declared_at(positions));
    state::add(lua, &derivation, &config).map_err(lua_failure)?;
    handle(lua, &derivation).map_err(lua_failure)
}

fn source(lua: &Lua, path: &LuaString, excluded: Option<Vec<LuaString>>) -> Answer<LuaTable> {
    let place = platform::path_from_bytes(&path.as_bytes());
    let excluded = excluded.unwrap_or_default();
    let left_out = excluded.iter().map(|inner| platform::path_from_bytes(&inner.as_bytes())).collect();
    let nar = state::change(lua, |state| state.sources.hash(&place, &left_out));
    let nar = nar.ok_or_else(|| Failure::new("internal", "the state is in use"))?;
    let nar = nar.map_err(|error| config_failure(&error))?;
    let make = || {
        let table = lua.create_table()?;
        table.raw_set("path", path)?;
        table.raw_set("sha256", nar.to_hex())?;
        if !excluded.is_empty() {
            table.raw_set("excluded", lua.create_sequence_from(excluded)?)?;
        }
        table.set_metatable(Some(lua.named_registry_value(SOURCE)?))?;
        Ok(table)
    };
    make().map_err(lua_failure)
}

/// Returns everything below a directory: pairs of relative path and kind, each directory before what
/// is in it. A file has nothing below it.
fn list_tree(lua: &Lua, path: &LuaString) -> Answer<Vec<LuaTable>> {
    let top = platform::path_from_bytes(&path.as_bytes());
    let mut entries = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        if platform::kind_of(&top.join(&directory)).map_err(|error| config_failure(&error))?
            != Some(FileKind::Directory)
        {
            continue;
        }
        for (name, kind) in platform::list_directory(&top.join(&directory)).map_err(|error| config_failure(&error))? {
            let inner = directory.join(name);
            let kind_name = match kind {
                FileKind::File => "file",
                FileKind::Directory => "directory",
                FileKind::Symlink => "symlink",
                FileKind::Special => "special",
            };
            let entry = lua.create_string(platform::bytes_of_path(&inner)).and_then(|inner| {
                let entry = lua.create_table()?;
                entry.raw_set("path", inner)?;
                entry.raw_set("kind", kind_name)?;
                Ok(entry)
            });
            entries.push(entry.map_err(lua_failure)?);
            if kind == FileKind::Directory {
                pending.push(inner);
            }
        }
    }
    Ok(entries)
}

/// Returns the derivation that a handle or a hash names.
///
/// # Errors
/// When it is neither.
pub fn derivation_of(lua: &Lua, value: &LuaValue) -> Answer<Arc<Derivation>> {
    let hash = match value {
        LuaValue::Table(table) => handle_of(lua, table),
        LuaValue::String(text) => Some(Hash::parse(&text.to_string_lossy()).map_err(|error| config_failure(&error))?),
        _ => None,
    };
    if let Some(hash) = hash {
        let known = state::read(lua, |state| state.derivations.get(&hash).cloned());
        return known
            .ok_or_else(|| Failure::new("config", format!("no derivation with the hash {hash} was declared here")));
    }
    Err(Failure::new("config", format!("expected a derivation, got a {}", value.type_name())))
}

/// Registers `derive` and `source`.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    capture::install(lua)?;
    add_kind(lua, HANDLE, |table| {
        let version = table.raw_get::<Option<String>>("version")?.map(|version| format!(" {version}"));
        let (name, hash): (String, String) = (table.raw_get("name")?, table.raw_get("hash")?);
        Ok(format!("derivation {name}{} ({})", version.unwrap_or_default(), &hash[..SHORT_HASH.min(hash.len())]))
    })?;
    add_kind(lua, SOURCE, |table| Ok(format!("source {}", table.raw_get::<LuaString>("path")?.to_string_lossy())))?;
    register_function(lua, native, "derive", |lua, spec: LuaTable| derive(lua, &spec))?;
    register_function(lua, native, "add_environment", |lua, environment: LuaTable| {
        capture::add_environment(lua, &environment).map(|()| true).map_err(lua_failure)
    })?;
    register_function(lua, native, "set_own_directory", |lua, prefix: String| {
        state::change(lua, |state| state.own_directory = Some(prefix));
        Ok(true)
    })?;
    register_function(lua, native, "source", |lua, (path, excluded): (LuaString, Option<Vec<LuaString>>)| {
        source(lua, &path, excluded)
    })?;
    register_function(lua, native, "list_tree", |lua, path: LuaString| list_tree(lua, &path))
}
