//! Derivations and sources as Lua sees them.

use std::path::PathBuf;
use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::derivation::{Derivation, Spec};
use syslua_engine::failure::{Failure, chain};
use syslua_engine::hash::Hash;
use syslua_engine::names::{Name, OutputName, Version};
use syslua_engine::platform;
use syslua_engine::settings::System;
use syslua_engine::store::tree;
use syslua_engine::value::Source;

use crate::convert::{Place, to_value};
use crate::error::{Answer, lua_failure, register as register_function};
use crate::{capture, state};

/// A derivation handle.
pub struct Handle(pub Arc<Derivation>);

impl Handle {
    fn outputs(lua: &Lua, derivation: &Derivation) -> LuaResult<LuaTable> {
        let table = lua.create_table()?;
        for output in &derivation.spec.outputs {
            table.raw_push(output.as_str())?;
            table.raw_set(output.as_str(), derivation.placeholder(output).to_string())?;
        }
        Ok(table)
    }
}

impl LuaUserData for Handle {
    fn add_methods<M: LuaUserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(LuaMetaMethod::Index, |lua, handle, key: LuaValue| {
            let LuaValue::String(key) = key else { return Ok(LuaNil) };
            let spec = &handle.0.spec;
            match key.to_string_lossy().as_str() {
                "name" => spec.name.as_str().into_lua(lua),
                "version" => spec.version.as_ref().map(Version::as_str).into_lua(lua),
                "hash" => handle.0.hash.to_hex().into_lua(lua),
                "outputs" => Handle::outputs(lua, &handle.0)?.into_lua(lua),
                "out" => {
                    let main = spec.outputs.iter().find(|output| output.is_main()).or(spec.outputs.first());
                    main.map(|output| handle.0.placeholder(output).to_string()).into_lua(lua)
                }
                _ => Ok(LuaNil),
            }
        });
        methods.add_meta_method(LuaMetaMethod::ToString, |_, handle, ()| {
            let spec = &handle.0.spec;
            let version = spec.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
            Ok(format!("derivation {}{version} ({})", spec.name, &handle.0.hash.to_hex()[..9]))
        });
        methods.add_meta_function(LuaMetaMethod::Eq, |_, (a, b): (LuaAnyUserData, LuaAnyUserData)| {
            Ok(match (a.borrow::<Handle>(), b.borrow::<Handle>()) {
                (Ok(a), Ok(b)) => a.0.hash == b.0.hash,
                _ => false,
            })
        });
    }
}

/// A declared source.
pub struct SourceHandle(pub Source);

impl LuaUserData for SourceHandle {
    fn add_methods<M: LuaUserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(LuaMetaMethod::Index, |lua, source, key: LuaString| {
            match key.to_string_lossy().as_str() {
                "sha256" => source.0.nar.to_hex().into_lua(lua),
                _ => Ok(LuaNil),
            }
        });
        methods.add_meta_method(LuaMetaMethod::ToString, |_, source, ()| {
            Ok(format!("source {}", source.0.path.display()))
        });
    }
}

/// Returns the platform that derivations are declared for right now.
pub fn system(lua: &Lua) -> System {
    state::read(lua, |state| state.evaluations.last().map(|evaluation| evaluation.system.clone()))
        .unwrap_or_else(System::current)
}

fn config_failure(error: &dyn std::error::Error) -> Failure {
    Failure::new("config", chain(error))
}

fn derive(lua: &Lua, spec: &LuaTable) -> Answer<Handle> {
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
    };
    let derivation =
        state::read(lua, |state| Derivation::new(spec, |placeholder| state.owners.get(&placeholder).cloned()));
    let derivation = Arc::new(derivation.map_err(|error| config_failure(&error))?.declared_at(positions));
    state::add(lua, &derivation, &config).map_err(lua_failure)?;
    Ok(Handle(derivation))
}

fn source(path: &LuaString) -> Answer<SourceHandle> {
    let path: PathBuf = platform::path_from_bytes(&path.as_bytes());
    let digest = tree::hash(&path).map_err(|error| config_failure(&error))?;
    Ok(SourceHandle(Source { path, nar: digest.nar }))
}

/// Returns the derivation that a handle or a hash names.
///
/// # Errors
/// When it is neither.
pub fn derivation_of(lua: &Lua, value: &LuaValue) -> Answer<Arc<Derivation>> {
    if let LuaValue::UserData(data) = value {
        if let Ok(handle) = data.borrow::<Handle>() {
            return Ok(Arc::clone(&handle.0));
        }
    }
    if let LuaValue::String(text) = value {
        let hash = Hash::parse(&text.to_string_lossy()).map_err(|error| config_failure(&error))?;
        if let Some(derivation) = state::read(lua, |state| state.derivations.get(&hash).cloned()) {
            return Ok(derivation);
        }
        return Err(Failure::new("config", format!("no derivation with the hash {hash} was declared here")));
    }
    Err(Failure::new("config", format!("expected a derivation, got a {}", value.type_name())))
}

/// Registers `derive` and `source`.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    capture::install(lua)?;
    register_function(lua, native, "derive", |lua, spec: LuaTable| derive(lua, &spec))?;
    register_function(lua, native, "set_own_directory", |lua, prefix: String| {
        state::change(lua, |state| state.own_directory = Some(prefix));
        Ok(true)
    })?;
    register_function(lua, native, "source", |_, path: LuaString| source(&path))
}
