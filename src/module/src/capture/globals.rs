//! What the global names in a function's text lead to while a build runs.

use mlua::prelude::*;
use syslua_engine::failure::FailureKind;
use syslua_engine::value::Value;

use super::builtins::{self, BASIC_FUNCTIONS, Builtins, LIBRARIES};
use crate::error::{Answer, Error};

/// The registry entry that holds the globals of evaluations, each with what it was made with.
const ENVIRONMENTS: &str = "syslua.environments";

/// Where such a record keeps the metatable; names are strings.
const METATABLE: i64 = 1;

/// Names that the guard refuses while a build runs; `lua/syslua/guard.lua` takes its list from
/// here.
pub const GUARDED: [&str; 18] = [
    "io",
    "os",
    "require",
    "load",
    "loadstring",
    "loadfile",
    "dofile",
    "module",
    "package",
    "debug",
    "coroutine",
    "ffi",
    "jit",
    "arg",
    "collectgarbage",
    "newproxy",
    "getfenv",
    "setfenv",
];

/// The global that names the version of Lua: a build that asks for it is another one on each.
const VERSION: &str = "_VERSION";

/// The global through which a build reaches `syslua.lib`.
const MODULE: &str = "syslua";

/// Prepares the record of environments.
pub fn install(lua: &Lua) -> LuaResult<()> {
    let environments = lua.create_table()?;
    let weak = lua.create_table()?;
    weak.set("__mode", "k")?;
    environments.set_metatable(Some(weak))?;
    lua.set_named_registry_value(ENVIRONMENTS, environments)
}

/// Remembers the globals that an evaluation gives to a config, which may use these.
pub fn add_environment(lua: &Lua, environment: &LuaTable) -> LuaResult<()> {
    let given = lua.create_table()?;
    for pair in environment.pairs::<LuaValue, LuaValue>() {
        let (name, value) = pair?;
        given.raw_set(name, value)?;
    }
    given.raw_set(METATABLE, environment.metatable())?;
    lua.named_registry_value::<LuaTable>(ENVIRONMENTS)?.raw_set(environment, given)
}

/// Notes that an evaluation has ended: from now on `syslua` is what builds may use of it.
pub fn close_environment(lua: &Lua, environment: &LuaTable, module: &LuaTable) -> LuaResult<()> {
    environment.raw_set(MODULE, module)?;
    match record(lua, environment)? {
        Some(given) => given.raw_set(MODULE, module),
        None => Ok(()),
    }
}

fn record(lua: &Lua, environment: &LuaTable) -> LuaResult<Option<LuaTable>> {
    lua.named_registry_value::<LuaTable>(ENVIRONMENTS)?.raw_get(environment)
}

/// Returns whether a table is the globals, Lua's own or those of an evaluation.
pub fn is_globals(lua: &Lua, value: &LuaValue) -> LuaResult<bool> {
    let LuaValue::Table(table) = value else { return Ok(false) };
    Ok(*table == lua.globals() || record(lua, table)?.is_some())
}

/// What a name leads to.
enum Meaning {
    /// What the evaluation itself gave.
    Given,
    Value(LuaValue),
}

/// The globals of one function.
pub struct Globals<'a> {
    lua: &'a Lua,
    known: &'a Builtins,
    /// None for a function that uses none.
    environment: Option<LuaTable>,
    /// What an evaluation gave them, when they are as it made them.
    given: Option<LuaTable>,
    function: &'a str,
}

impl<'a> Globals<'a> {
    /// Finds the globals of a function; `name` is what messages call it.
    pub fn of(
        lua: &'a Lua,
        known: &'a Builtins,
        function: &LuaFunction,
        name: &'a str,
    ) -> LuaResult<Globals<'a>> {
        let environment =
            function.environment().filter(|environment| *environment != lua.globals());
        let mut given = None;
        if let Some(environment) = &environment
            && let Some(record) = record(lua, environment)?
            && record.raw_get::<Option<LuaTable>>(METATABLE)? == environment.metatable()
        {
            given = Some(record);
        }
        Ok(Globals { lua, known, environment, given, function: name })
    }

    fn refuse(&self, altered: &str) -> Error {
        let message =
            format!("`{}` uses the global `{altered}`, which is not Lua's own", self.function);
        Error::new(FailureKind::Config, message).with_hint(
            "leave Lua's own globals as they are, and declare functions of your own with `local`",
        )
    }

    /// Checks a global name of the text. Answers what it adds to the hash, if it does.
    ///
    /// # Errors
    /// When a build would see something else than what Lua or sys.lua brings.
    pub fn check(&self, name: &str) -> Answer<Option<Value>> {
        let is_library = LIBRARIES.contains(&name);
        if !is_library
            && !BASIC_FUNCTIONS.contains(&name)
            && !GUARDED.contains(&name)
            && name != MODULE
        {
            return Err(Error::new(
                FailureKind::Config,
                format!("`{}` uses the global variable `{name}`", self.function),
            )
            .with_hint(format!(
                "declare it: local {name} = ...; what a build uses is part of its hash"
            )));
        }
        if GUARDED.contains(&name) {
            return if self.is_hidden(name)? { Ok(None) } else { Err(self.refuse(name)) };
        }
        match self.meaning(name)? {
            // Its functions refuse to be called, except for the library.
            Meaning::Given if name == MODULE => self.check_library_of_ours().map(|()| None),
            Meaning::Given => Ok(None),
            Meaning::Value(value) if name == MODULE => self.module(&value),
            Meaning::Value(LuaValue::Table(table)) if is_library && self.known.is_table(name) => {
                match self.known.altered(name, &table)?.first() {
                    Some(altered) => Err(self.refuse(altered)),
                    None => Ok(None),
                }
            }
            // Another Lua may have it, and a build may ask.
            Meaning::Value(LuaNil) => Ok(Some(Value::Nil)),
            Meaning::Value(LuaValue::String(version))
                if name == VERSION
                    && self.known.is_basic(name, &LuaValue::String(version.clone())) =>
            {
                Ok(Some(Value::Bytes(version.as_bytes().to_vec())))
            }
            Meaning::Value(value) if !is_library && self.known.is_basic(name, &value) => Ok(None),
            Meaning::Value(_) => Err(self.refuse(name)),
        }
    }

    fn module(&self, value: &LuaValue) -> Answer<Option<Value>> {
        match value {
            LuaNil => Ok(None),
            LuaValue::Table(module) if self.known.name(value).as_deref() == Some(MODULE) => {
                self.check_library_of_ours()?;
                builtins::facts(self.lua, module).map(Some)
            }
            _ => Err(self.refuse(MODULE)),
        }
    }

    fn check_library_of_ours(&self) -> Answer<()> {
        match self.known.altered_library(self.lua)?.first() {
            Some(altered) => Err(self.refuse(altered)),
            None => Ok(()),
        }
    }

    fn meaning(&self, name: &str) -> LuaResult<Meaning> {
        let Some(environment) = &self.environment else {
            return self.lua.globals().raw_get(name).map(Meaning::Value);
        };
        let own: LuaValue = environment.raw_get(name)?;
        if let Some(given) = &self.given
            && !own.is_nil()
            && given.raw_get::<LuaValue>(name)? == own
        {
            return Ok(Meaning::Given);
        }
        // Through its metatable, such as that of a test runner, it may still lead to Lua's own.
        Ok(Meaning::Value(if own.is_nil() { environment.get(name)? } else { own }))
    }

    /// Returns whether the guard keeps a name from the function: it takes it out of Lua's own
    /// globals.
    fn is_hidden(&self, name: &str) -> LuaResult<bool> {
        let Some(environment) = &self.environment else { return Ok(true) };
        let own: LuaValue = environment.raw_get(name)?;
        if let Some(given) = &self.given {
            // What an evaluation gives asks the guard, as does its metatable.
            return Ok(own == given.raw_get::<LuaValue>(name)?);
        }
        if !own.is_nil() {
            return Ok(false);
        }
        let globals = self.lua.globals();
        let before: LuaValue = globals.raw_get(name)?;
        globals.raw_set(name, LuaNil)?;
        let seen = environment.get::<LuaValue>(name);
        globals.raw_set(name, before)?;
        // A function that raises an error shows nothing.
        Ok(seen.map_or(true, |seen| seen.is_nil()))
    }
}

/// Returns the values that a field or method of a text may refer to by its name and that are not
/// Lua's own: additions to the library of strings, whose methods it has, and additions to any
/// library before the module was loaded.
pub fn unknown_fields(lua: &Lua, known: &Builtins) -> LuaResult<Vec<String>> {
    if !known.has_own_string_metatable(lua)? {
        return Ok(vec!["the metatable of strings".to_owned()]);
    }
    let metatable = lua.type_metatable::<LuaString>();
    let library = metatable.map(|metatable| metatable.raw_get("__index")).transpose()?;
    let mut unknown = match library {
        Some(LuaValue::Table(library)) => known.altered("string", &library)?,
        _ => Vec::new(),
    };
    unknown.extend_from_slice(known.foreign());
    Ok(unknown)
}

/// Checks that a method call on a string, or a field of a library, leads to what Lua brings, as far
/// as the text can tell.
///
/// # Errors
/// When the text has the name of another one, or strings have another metatable.
pub fn check_fields(unknown: &[String], text: &[u8], name: &str) -> Answer<()> {
    for field in unknown {
        let member = field.split_once('.').map_or("", |(_, member)| member);
        if member.is_empty() || has_field(text, member.as_bytes()) {
            let message = format!("`{name}` may call `{field}`, which is not Lua's own");
            return Err(Error::new(FailureKind::Config, message).with_hint(
                "leave Lua's own tables as they are, and declare functions of your own \
                 with `local`",
            ));
        }
    }
    Ok(())
}

/// Returns whether a text has a name as that of a field: after a point, a colon or a quotation
/// mark.
fn has_field(text: &[u8], name: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.windows(name.len()).enumerate().any(|(begin, window)| {
        window == name
            && !text.get(begin + name.len()).is_some_and(is_letter)
            && text[..begin]
                .iter()
                .rev()
                .find(|byte| !byte.is_ascii_whitespace())
                .is_some_and(|byte| matches!(byte, b'.' | b':' | b'"' | b'\'' | b'['))
    })
}
