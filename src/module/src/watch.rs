//! The files that a config reads, and waiting until one changes.

use std::path::PathBuf;

use mlua::prelude::*;
use syslua_engine::failure::FailureKind;
use syslua_engine::hash::Hash;
use syslua_engine::manifest::Manifest;
use syslua_engine::{platform, watch};

use crate::console::interrupt::interrupt;
use crate::error::{Answer, Error, OrFail};
use crate::manifests::manifest_of;
use crate::register::{register as register_function, register_verb};

/// Returns the files and trees that a config read: its own texts, and its sources.
fn reads(manifest: &Manifest) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        manifest.files.iter().map(|(name, _)| platform::path_from_bytes(&name.0)).collect();
    paths.extend(manifest.also_read.iter().cloned());
    for derivation in &manifest.derivations {
        let sources = derivation.spec.recipe.sources().into_iter();
        paths.extend(sources.map(|source| source.path.clone()));
    }
    paths.sort();
    paths.dedup();
    paths
}

fn to_paths(paths: Vec<LuaString>) -> Vec<PathBuf> {
    paths.into_iter().map(|path| platform::path_from_bytes(&path.as_bytes())).collect()
}

fn wait(paths: Vec<LuaString>, known: &str) -> Answer<String> {
    let known = Hash::parse(known).or_fail(FailureKind::Internal)?;
    let changed = watch::wait(&to_paths(paths), &known, &interrupt());
    changed.map(Hash::to_hex).ok_or_else(Error::interrupted)
}

/// Registers the functions of `watch`.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(lua, native, "manifest_reads", |lua, manifest: LuaValue| {
        let paths = reads(&*manifest_of(lua, &manifest)?);
        let paths = paths.iter().map(|path| lua.create_string(platform::bytes_of_path(path)));
        Ok(paths.collect::<LuaResult<Vec<_>>>()?)
    })?;
    register_verb(lua, native, "watch_look", |_, paths: Vec<LuaString>| {
        Ok(watch::observe(&to_paths(paths), &interrupt()).to_hex())
    })?;
    register_verb(lua, native, "watch_wait", |_, (paths, known): (Vec<LuaString>, String)| {
        wait(paths, &known)
    })
}
