//! What a function captures, by value: its text, its upvalues and everything they lead to.
//!
//! It knows neither what a hash is computed over (the engine does) nor when a build runs.

mod builtins;
mod closure;
mod code;
mod globals;
mod plain;
mod upvalues;

use closure::Walk;
use mlua::prelude::*;
use syslua_engine::encode::{self, Recipe};
use syslua_engine::failure::FailureKind;
use syslua_engine::hash::Hash;
use syslua_engine::value::{Function, Value};

use crate::error::{Answer, Error};
use crate::state;

pub use builtins::{NATIVE, originals, set_fixed};
pub use globals::{GUARDED, add_environment, close_environment};

/// Remembers what is needed of the interpreter's own library.
pub fn install(lua: &Lua) -> LuaResult<()> {
    upvalues::install(lua)?;
    globals::install(lua)?;
    builtins::install(lua)
}

/// Returns the text of a `config` function and everything it captures.
///
/// # Errors
/// When it captures something that has no value to hash, naming variable, line and remedy.
pub fn capture(lua: &Lua, function: &LuaFunction) -> Answer<Function> {
    match builtins::name_of_recipe(lua, function)? {
        Some(name) => Ok(Function { text: name.as_bytes().to_vec(), captures: Vec::new() }),
        None => Walk::new(lua)?.run(function),
    }
}

/// When the variables of a function are looked at again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The build is about to begin.
    Before,
    /// The function has run.
    After,
}

/// Checks that a function still captures what it did when its derivation was declared.
///
/// # Errors
/// When a variable has another value now, naming it.
pub fn check(
    lua: &Lua,
    function: &LuaFunction,
    hash: Hash,
    declared: &Function,
    moment: Moment,
) -> Answer<()> {
    // Its lines are those of the files as its own evaluation loaded them.
    let now = match state::with_chunks_of(lua, hash, || capture(lua, function)) {
        Ok(now) if now == *declared || encoded_function(&now) == encoded_function(declared) => {
            return Ok(());
        }
        now => now,
    };
    // What was hashed then may be something by now that has no hash.
    let what = match &now {
        Ok(now) => changed(declared, now)
            .map_or_else(|| "what `config` captures".to_owned(), |name| format!("`{name}`")),
        Err(_) => "what `config` captures".to_owned(),
    };
    let why = now.err().map_or_else(String::new, |failure| format!("; now {}", failure.message));
    Err(match moment {
        Moment::Before => Error::new(
            FailureKind::Build,
            format!("{what} has changed since the derivation was declared{why}"),
        )
        .with_hint(
            "a build may use only values that were set before derive{}: set it earlier, \
             or pass it through opts",
        ),
        Moment::After => Error::new(
            FailureKind::Build,
            format!("{what} was changed while it was in use, by this build or by another one{why}"),
        )
        .with_hint(
            "a build may not change what it captures: work on a local variable inside of `config`",
        ),
    })
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::value(&mut bytes, &Recipe, value);
    bytes
}

fn encoded_function(function: &Function) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::function(&mut bytes, &Recipe, function);
    bytes
}

/// Returns the first variable whose value is another one.
fn changed(declared: &Function, now: &Function) -> Option<String> {
    let is_same = |(name, value): &(Vec<u8>, Value)| {
        let other = now.captures.iter().find(|(other, _)| other == name);
        other.is_some_and(|(_, other)| encoded(other) == encoded(value))
    };
    let mut name = &declared.captures.iter().find(|capture| !is_same(capture))?.0;
    // A deeply nested value has a separate entry: up to the variable that leads there.
    while let Some(number) = closure::number_of_deep(name) {
        let leads_there = |value: &Value| {
            let mut leads = false;
            value.walk(&mut |inner| leads = leads || *inner == Value::Again(number));
            leads
        };
        name =
            &declared.captures.iter().find(|(other, value)| other != name && leads_there(value))?.0;
    }
    Some(String::from_utf8_lossy(name).into_owned())
}
