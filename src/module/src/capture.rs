//! What a function captures, by value: its text, its upvalues and everything they lead to.

use std::collections::HashMap;
use std::rc::Rc;

use mlua::prelude::*;
use syslua_engine::encode::{self, Recipe};
use syslua_engine::failure::Failure;
use syslua_engine::value::{Function, Value};

use crate::derive::{handle_of, source_of};
use crate::error::{Answer, lua_failure};
use crate::source_text::{Chunk, Found};
use crate::state;

/// The registry entry that holds `debug.getupvalue`, which configs may not have.
const GET_UPVALUE: &str = "syslua.getupvalue";

/// Remembers what is needed of the interpreter's own library.
pub fn install(lua: &Lua) -> LuaResult<()> {
    let debug: LuaTable = lua.globals().get("debug")?;
    lua.set_named_registry_value(GET_UPVALUE, debug.get::<LuaFunction>("getupvalue")?)
}

/// Returns the text of a `config` function and everything it captures.
///
/// # Errors
/// When it captures something that has no value to hash, naming variable, line and remedy.
pub fn capture(lua: &Lua, function: &LuaFunction) -> Answer<Function> {
    let mut walk = Walk {
        lua,
        getupvalue: lua.named_registry_value(GET_UPVALUE).map_err(lua_failure)?,
        known: known(lua, false)?,
        visited: HashMap::new(),
    };
    let pointer = function.to_pointer() as usize;
    if !walk.known.contains_key(&pointer) && is_ours(lua, function) {
        // A helper of ours that was loaded since the last look.
        walk.known = known(lua, true)?;
    }
    match walk.known.get(&pointer) {
        Some(name) => Ok(Function { text: name.clone().into_bytes(), captures: Vec::new() }),
        None => walk.function(function, "config"),
    }
}

/// Returns the names of known values, looked up anew only when asked to: there are hundreds.
fn known(lua: &Lua, anew: bool) -> Answer<Rc<HashMap<usize, String>>> {
    let remembered = state::read(lua, |state| state.known.clone()).filter(|_| !anew);
    if let Some(known) = remembered {
        return Ok(known);
    }
    let known = Rc::new(known_values(lua).map_err(lua_failure)?);
    state::change(lua, |state| state.known = Some(Rc::clone(&known)));
    Ok(known)
}

/// Returns whether a function is written in one of the files that come with sys.lua.
fn is_ours(lua: &Lua, function: &LuaFunction) -> bool {
    let source = function.info().source.unwrap_or_default();
    state::read(lua, |state| state.own_directory.as_ref().is_some_and(|own| source.starts_with(own)))
}

struct Walk<'a> {
    lua: &'a Lua,
    getupvalue: LuaFunction,
    known: Rc<HashMap<usize, String>>,
    visited: HashMap<usize, u64>,
}

/// Names for what the interpreter and sys.lua bring: their content is not the config's.
fn known_values(lua: &Lua) -> LuaResult<HashMap<usize, String>> {
    let mut known = HashMap::new();
    let globals = lua.globals();
    let mut add = |value: &LuaValue, name: String| {
        if matches!(value, LuaValue::Table(_) | LuaValue::Function(_)) {
            known.entry(value.to_pointer() as usize).or_insert(name);
        }
    };
    for library in ["string", "table", "math", "utf8", "bit32", "bit"] {
        let LuaValue::Table(table) = globals.raw_get(library)? else { continue };
        for pair in table.pairs::<LuaValue, LuaValue>() {
            let (key, value) = pair?;
            add(&value, format!("{library}.{}", key.to_string()?));
        }
        add(&LuaValue::Table(table), library.to_owned());
    }
    let basic = "assert error getmetatable ipairs next pairs pcall rawequal rawget rawlen rawset select setmetatable \
                 tonumber tostring type unpack xpcall";
    for name in basic.split(' ') {
        add(&globals.raw_get(name)?, name.to_owned());
    }
    let loaded: LuaTable = globals.get::<LuaTable>("package")?.get("loaded")?;
    for pair in loaded.pairs::<LuaValue, LuaValue>() {
        let (LuaValue::String(name), value) = pair? else { continue };
        let name = name.to_string_lossy();
        if name != "syslua" && !name.starts_with("syslua.") {
            continue;
        }
        add(&value, name.clone());
        if let LuaValue::Table(module) = value {
            for pair in module.pairs::<LuaValue, LuaValue>() {
                let (key, value) = pair?;
                add(&value, format!("{name}.{}", key.to_string()?));
            }
        }
    }
    Ok(known)
}

impl Walk<'_> {
    /// Returns the number of an earlier visit, or notes this one.
    fn again(&mut self, value: &LuaValue) -> Option<u64> {
        let next = self.visited.len() as u64;
        match self.visited.entry(value.to_pointer() as usize) {
            std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(next);
                None
            }
        }
    }

    fn value(&mut self, given: &LuaValue, name: &str) -> Answer<Value> {
        let refuse = |what: &str, hint: &str| {
            Err(Failure::new("config", format!("`config` captures `{name}`, which is {what}")).with_hint(hint))
        };
        match given {
            LuaValue::Nil => Ok(Value::Nil),
            LuaValue::Boolean(value) => Ok(Value::Bool(*value)),
            LuaValue::Integer(value) => Ok(Value::Int(*value)),
            LuaValue::Number(float) => Ok(captured_number(*float)),
            LuaValue::String(text) => Ok(Value::Bytes(text.as_bytes().to_vec())),
            LuaValue::Table(_) | LuaValue::Function(_) => {
                if let Some(known) = self.known.get(&(given.to_pointer() as usize)) {
                    return Ok(Value::Known(known.clone()));
                }
                if let LuaValue::Table(table) = given {
                    if let Some(hash) = handle_of(self.lua, table) {
                        return Ok(Value::Derivation(hash));
                    }
                    if let Some(source) = source_of(self.lua, table) {
                        return Ok(Value::Source(source));
                    }
                }
                if let Some(number) = self.again(given) {
                    return Ok(Value::Again(number));
                }
                match given {
                    LuaValue::Function(function) => Ok(Value::Function(Box::new(self.function(function, name)?))),
                    LuaValue::Table(table) => self.table(table, name),
                    _ => Ok(Value::Nil),
                }
            }
            LuaValue::Thread(_) => refuse("a coroutine", "pass what you need of it through opts"),
            other => refuse(other.type_name(), "pass what you need of it through opts"),
        }
    }

    fn table(&mut self, table: &LuaTable, name: &str) -> Answer<Value> {
        let mut entries = Vec::new();
        let mut pairs = Vec::new();
        for pair in table.pairs::<LuaValue, LuaValue>() {
            let (key, value) = pair.map_err(lua_failure)?;
            let key = self.value(&key, name)?;
            let mut order = Vec::new();
            encode::value(&mut order, &Recipe, &key);
            pairs.push((order, key, value));
        }
        // The order of `pairs` differs from run to run; visits must not.
        pairs.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        for (_, key, value) in pairs {
            let inner = match &key {
                Value::Bytes(key) => format!("{name}.{}", String::from_utf8_lossy(key)),
                Value::Int(index) => format!("{name}[{index}]"),
                _ => name.to_owned(),
            };
            let value = self.value(&value, &inner)?;
            entries.push((key, value));
        }
        let metatable = match table.metatable() {
            Some(metatable) => {
                Some(Box::new(self.value(&LuaValue::Table(metatable), &format!("the metatable of {name}"))?))
            }
            None => None,
        };
        Ok(Value::Table(entries, metatable))
    }

    fn function(&mut self, function: &LuaFunction, name: &str) -> Answer<Function> {
        let text = self.text(function, name)?;
        let mut captures = Vec::new();
        for index in 1..=function.info().num_upvalues {
            let upvalue: LuaMultiValue = self.getupvalue.call((function, index)).map_err(lua_failure)?;
            let mut upvalue = upvalue.into_iter();
            let (Some(LuaValue::String(variable)), value) = (upvalue.next(), upvalue.next().unwrap_or(LuaNil)) else {
                continue;
            };
            let variable = variable.as_bytes().to_vec();
            // The globals are no capture: what may be used of them is fixed.
            if variable == b"_ENV" {
                continue;
            }
            let value = self.value(&value, &String::from_utf8_lossy(&variable))?;
            captures.push((variable, value));
        }
        // Lua 5.1 and later number upvalues differently.
        captures.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Function { text, captures })
    }

    fn text(&self, function: &LuaFunction, name: &str) -> Answer<Vec<u8>> {
        let info = function.info();
        let refuse = |what: &str, hint: &str| Failure::new("config", format!("`{name}` {what}")).with_hint(hint);
        let (Some(source), Some(first), Some(last)) = (info.source, info.line_defined, info.last_line_defined) else {
            return Err(refuse(
                "is a function without source text",
                "write it in Lua, or call it inside of a Lua function",
            ));
        };
        let chunk = chunk(self.lua, &source)
            .ok_or_else(|| refuse("is a function whose source text cannot be read", "define it in a file"))?;
        match chunk.function(first, last) {
            Found::Text(text) => Ok(text.to_vec()),
            Found::Ambiguous => Err(refuse(
                &format!("cannot be told apart from another function on line {first}"),
                "put each function on lines of its own",
            )),
            Found::Nothing => Err(refuse(
                &format!("is not on line {first} of {} any more", source.trim_start_matches('@')),
                "the file changed while it was in use: try again",
            )),
        }
    }
}

/// Returns the text of a chunk: of a config as it was loaded, of another file as it is now.
fn chunk(lua: &Lua, source: &str) -> Option<Rc<Chunk>> {
    if let Some(chunk) = state::read(lua, |state| state.chunks.get(source).cloned()) {
        return Some(chunk);
    }
    let text = match source.strip_prefix('@') {
        Some(path) => std::fs::read(path).ok()?,
        None if source.starts_with('=') => return None,
        None => source.as_bytes().to_vec(),
    };
    let chunk = Rc::new(Chunk::new(text));
    state::change(lua, |state| state.chunks.insert(source.to_owned(), Rc::clone(&chunk)));
    Some(chunk)
}

/// A captured float keeps its kind where Lua has one; without integers all numbers look alike.
fn captured_number(float: f64) -> Value {
    #[cfg(feature = "lua51")]
    if let Ok(value) = crate::convert::number(float, &crate::convert::Place::top("number")) {
        return value;
    }
    #[cfg(feature = "lua52")]
    if let Ok(value) = crate::convert::number(float, &crate::convert::Place::top("number")) {
        return value;
    }
    Value::Float(float)
}
