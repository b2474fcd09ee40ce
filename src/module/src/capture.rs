//! What a function captures, by value: its text, its upvalues and everything they lead to.

use std::collections::HashMap;
use std::rc::Rc;

use mlua::prelude::*;
use syslua_engine::encode::{self, Recipe};
use syslua_engine::failure::Failure;
use syslua_engine::hash::Hash;
use syslua_engine::value::{Function, Value};

use crate::derive::{handle_of, source_of};
use crate::error::{Answer, lua_failure};
use crate::lua_source::{Chunk, Meaning, NotFound};
use crate::state;

/// The registry entry that holds `debug.getupvalue`, which configs may not have.
const GET_UPVALUE: &str = "syslua.getupvalue";

/// The registry entry that holds the globals of evaluations, each with what it was made with.
const ENVIRONMENTS: &str = "syslua.environments";

/// The libraries of the interpreter that a build may use.
const LIBRARIES: [&str; 6] = ["string", "table", "math", "utf8", "bit32", "bit"];

/// The basic functions that a build may use.
const BASIC_FUNCTIONS: [&str; 21] = [
    "assert",
    "error",
    "getmetatable",
    "ipairs",
    "next",
    "pairs",
    "pcall",
    "print",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "select",
    "setmetatable",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
    "_VERSION",
    "syslua",
];

/// Since Lua 5.2 the globals are an upvalue of that name; before, it is a name like any other.
const HAS_ENV: bool = cfg!(not(feature = "lua51"));

/// Names that the guard refuses while a build runs, each with the call to use instead.
const GUARDED: [&str; 17] = [
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
    "collectgarbage",
    "newproxy",
    "getfenv",
    "setfenv",
];

/// Remembers what is needed of the interpreter's own library.
pub fn install(lua: &Lua) -> LuaResult<()> {
    let debug: LuaTable = lua.globals().get("debug")?;
    lua.set_named_registry_value(GET_UPVALUE, debug.get::<LuaFunction>("getupvalue")?)?;
    let environments = lua.create_table()?;
    let weak = lua.create_table()?;
    weak.set("__mode", "k")?;
    environments.set_metatable(Some(weak))?;
    lua.set_named_registry_value(ENVIRONMENTS, environments)?;
    let pristine = Pristine::take(lua)?;
    state::change(lua, |state| state.pristine = Rc::new(pristine));
    Ok(())
}

/// Remembers the globals that an evaluation gives to a config, which may use these.
pub fn add_environment(lua: &Lua, environment: &LuaTable) -> LuaResult<()> {
    let given = lua.create_table()?;
    for pair in environment.pairs::<LuaValue, LuaValue>() {
        let (name, value) = pair?;
        given.raw_set(name, value)?;
    }
    lua.named_registry_value::<LuaTable>(ENVIRONMENTS)?.raw_set(environment, given)
}

/// The interpreter's own functions as they were when we were loaded: a config may replace or add to
/// them, and a build must not depend on that unseen.
#[derive(Default)]
pub struct Pristine {
    libraries: HashMap<String, HashMap<String, usize>>,
    basics: HashMap<String, usize>,
}

impl Pristine {
    fn take(lua: &Lua) -> LuaResult<Pristine> {
        let globals = lua.globals();
        let mut pristine = Pristine::default();
        for library in LIBRARIES {
            if let LuaValue::Table(table) = globals.raw_get(library)? {
                pristine.libraries.insert(library.to_owned(), members(&table)?);
            }
        }
        for name in BASIC_FUNCTIONS {
            pristine.basics.insert(name.to_owned(), globals.raw_get::<LuaValue>(name)?.to_pointer() as usize);
        }
        Ok(pristine)
    }

    /// Returns the member of a library that is not as it was, if there is one.
    fn altered(&self, library: &str, table: &LuaTable) -> LuaResult<Option<String>> {
        let now = members(table)?;
        let Some(before) = self.libraries.get(library) else { return Ok(None) };
        let altered = now.iter().find(|(name, address)| before.get(*name) != Some(*address));
        let missing = before.iter().find(|(name, _)| !now.contains_key(*name));
        Ok(altered.or(missing).map(|(name, _)| format!("{library}.{name}")))
    }
}

fn members(table: &LuaTable) -> LuaResult<HashMap<String, usize>> {
    table
        .pairs::<LuaValue, LuaValue>()
        .map(|pair| pair.and_then(|(key, value)| Ok((key.to_string()?, value.to_pointer() as usize))))
        .collect()
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
        depth: 0,
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

/// Checks that a function still captures what it did when its derivation was declared.
///
/// # Errors
/// When a variable has another value now, naming it.
pub fn check(lua: &Lua, function: &LuaFunction, hash: Hash, declared: &Function) -> Answer<()> {
    // Its lines are those of the files as its own evaluation loaded them.
    let now = state::with_chunks_of(lua, hash, || capture(lua, function))?;
    if now == *declared {
        return Ok(());
    }
    let differs =
        |(name, value): &&(Vec<u8>, Value)| !now.captures.iter().any(|(other, now)| other == name && now == value);
    let variable = declared.captures.iter().find(differs).map(|(name, _)| String::from_utf8_lossy(name).into_owned());
    let what = variable.map_or_else(|| "what `config` captures".to_owned(), |name| format!("`{name}`"));
    Err(Failure::new("build", format!("{what} has changed since the derivation was declared"))
        .with_hint("a build may use only what was fixed by then: set it before derive{}, or pass it through opts"))
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
    depth: usize,
}

/// Deeper values would exhaust the stack.
const DEEPEST: usize = 150;

/// Names for what the interpreter and sys.lua bring: their content is not the config's.
fn known_values(lua: &Lua) -> LuaResult<HashMap<usize, String>> {
    let mut known = HashMap::new();
    let globals = lua.globals();
    let mut add = |value: &LuaValue, name: String| {
        if matches!(value, LuaValue::Table(_) | LuaValue::Function(_)) {
            known.entry(value.to_pointer() as usize).or_insert(name);
        }
    };
    for library in LIBRARIES {
        let LuaValue::Table(table) = globals.raw_get(library)? else { continue };
        for pair in table.pairs::<LuaValue, LuaValue>() {
            let (key, value) = pair?;
            let name = format!("{library}.{}", key.to_string()?);
            // Two runs would differ.
            if !name.starts_with("math.random") {
                add(&value, name);
            }
        }
        add(&LuaValue::Table(table), library.to_owned());
    }
    for name in BASIC_FUNCTIONS {
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
        if let Some(plain) = plain_value(given) {
            return Ok(plain);
        }
        if self.depth > DEEPEST {
            return refuse("nested too deeply", "flatten it, or write it into a file and use source()");
        }
        self.depth += 1;
        let value = self.inner_value(given, name);
        self.depth -= 1;
        value
    }

    fn inner_value(&mut self, given: &LuaValue, name: &str) -> Answer<Value> {
        let refuse = |what: &str, hint: &str| {
            Err(Failure::new("config", format!("`config` captures `{name}`, which is {what}")).with_hint(hint))
        };
        match given {
            LuaValue::Table(_) | LuaValue::Function(_) => {
                if let Some(known) = self.known.get(&(given.to_pointer() as usize)) {
                    // Through the module a build sees this machine.
                    return if known == "syslua" { Self::facts(given) } else { Ok(Value::Known(known.clone())) };
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
                    LuaValue::Table(_) if self.is_globals(given)? => refuse(
                        "the table of all globals",
                        "use what you need of it by its name, or pass it through opts",
                    ),
                    LuaValue::Function(function) if is_ours(self.lua, function) => {
                        // A part of the library that was loaded since the last look; nothing else of ours.
                        self.known = known(self.lua, true)?;
                        match self.known.get(&(given.to_pointer() as usize)) {
                            Some(known) => Ok(Value::Known(known.clone())),
                            None => refuse(
                                "a function of sys.lua or Lua that builds may not use",
                                "a build may use string, table, math without random, utf8, the basic functions and syslua.lib",
                            ),
                        }
                    }
                    LuaValue::Function(function) => Ok(Value::Function(Box::new(self.function(function, name)?))),
                    LuaValue::Table(table) => self.table(table, name),
                    _ => Ok(Value::Nil),
                }
            }
            LuaValue::Thread(_) => refuse("a coroutine", "pass what you need of it through opts"),
            other => refuse(other.type_name(), "pass what you need of it through opts"),
        }
    }

    /// Returns whether a table is the globals, Lua's own or those of an evaluation.
    fn is_globals(&self, value: &LuaValue) -> Answer<bool> {
        let LuaValue::Table(table) = value else { return Ok(false) };
        if *table == self.lua.globals() {
            return Ok(true);
        }
        let environments: LuaTable = self.lua.named_registry_value(ENVIRONMENTS).map_err(lua_failure)?;
        environments.raw_get::<LuaValue>(table).map(|given| !given.is_nil()).map_err(lua_failure)
    }

    /// Refuses a global of Lua that the config replaced or added to.
    fn check_unaltered(&self, function: &LuaFunction, name: &[u8], of: &str) -> Answer<()> {
        let name = String::from_utf8_lossy(name).into_owned();
        let altered = self.altered(function, &name).map_err(lua_failure)?;
        let Some(altered) = altered else { return Ok(()) };
        Err(Failure::new("config", format!("`{of}` uses the global `{altered}`, which is not the one that Lua brings"))
            .with_hint("leave Lua's own globals as they are, and declare functions of your own with `local`"))
    }

    fn altered(&self, function: &LuaFunction, name: &str) -> LuaResult<Option<String>> {
        let globals = self.lua.globals();
        let mut value: LuaValue = globals.raw_get(name)?;
        if let Some(environment) = function.environment().filter(|environment| *environment != globals) {
            let environments: LuaTable = self.lua.named_registry_value(ENVIRONMENTS)?;
            let given = environments.raw_get::<Option<LuaTable>>(&environment)?;
            let own: LuaValue = environment.raw_get(name)?;
            let is_given = given.is_some_and(|given| given.raw_get(name).is_ok_and(|given: LuaValue| given == own));
            if is_given && !own.is_nil() {
                return Ok(None);
            }
            // Through its metatable, such as that of a test runner, it may still lead to Lua's own.
            value = if own.is_nil() { environment.get(name)? } else { own };
        }
        let pristine = state::read(self.lua, |state| Rc::clone(&state.pristine));
        if let (LuaValue::Table(table), true) = (&value, pristine.libraries.contains_key(name)) {
            return pristine.altered(name, table);
        }
        let is_same = pristine.basics.get(name).is_none_or(|address| *address == value.to_pointer() as usize);
        Ok((!is_same && name != "syslua").then(|| name.to_owned()))
    }

    fn facts(module: &LuaValue) -> Answer<Value> {
        let mut facts = std::collections::BTreeMap::new();
        for name in ["hostname", "username", "platform"] {
            if let LuaValue::Table(module) = module {
                let value: LuaString = module.raw_get(name).map_err(lua_failure)?;
                facts.insert(name.as_bytes().to_vec(), Value::Bytes(value.as_bytes().to_vec()));
            }
        }
        Ok(Value::List(vec![Value::Known("syslua".to_owned()), Value::Map(facts)]))
    }

    fn table(&mut self, table: &LuaTable, name: &str) -> Answer<Value> {
        let mut pairs = Vec::new();
        for pair in table.pairs::<LuaValue, LuaValue>() {
            let (key, value) = pair.map_err(lua_failure)?;
            pairs.push((self.order_of(&key, &value, name)?, key, value));
        }
        // The order of `pairs` differs from run to run; visits must not.
        pairs.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let mut entries = Vec::with_capacity(pairs.len());
        for (_, key, value) in pairs {
            // Names are for messages, which plain values never need.
            let value = match plain_value(&value) {
                Some(plain) => plain,
                None => self.value(&value, &inner_name(name, &key))?,
            };
            entries.push((self.value(&key, name)?, value));
        }
        let metatable = match table.metatable() {
            Some(metatable) => {
                Some(Box::new(self.value(&LuaValue::Table(metatable), &format!("the metatable of {name}"))?))
            }
            None => None,
        };
        Ok(Value::Table(entries, metatable))
    }

    /// Returns bytes by which an entry of a table has its place, before it is visited. Keys that
    /// are tables or functions may look alike: then their values decide.
    fn order_of(&self, key: &LuaValue, value: &LuaValue, name: &str) -> Answer<Vec<u8>> {
        let mut order = Vec::new();
        if let Some(plain) = plain_value(key) {
            encode::value(&mut order, &Recipe, &plain);
            return Ok(order);
        }
        // What was visited until now is the same for all entries, and ends cycles.
        let visited = self.visited.clone();
        let mut look = Walk {
            lua: self.lua,
            getupvalue: self.getupvalue.clone(),
            known: Rc::clone(&self.known),
            visited,
            depth: self.depth,
        };
        encode::value(&mut order, &Recipe, &look.value(key, name)?);
        encode::value(&mut order, &Recipe, &look.value(value, name)?);
        Ok(order)
    }

    fn function(&mut self, function: &LuaFunction, name: &str) -> Answer<Function> {
        let mut upvalues = Vec::new();
        for index in 1..=function.info().num_upvalues {
            let upvalue: LuaMultiValue = self.getupvalue.call((function, index)).map_err(lua_failure)?;
            let mut upvalue = upvalue.into_iter();
            let (Some(LuaValue::String(variable)), value) = (upvalue.next(), upvalue.next().unwrap_or(LuaNil)) else {
                continue;
            };
            let variable = variable.as_bytes().to_vec();
            // The globals are no capture: what may be used of them is fixed.
            if variable != b"_ENV" || !HAS_ENV || !self.is_globals(&value)? {
                upvalues.push((variable, value));
            }
        }
        // Each Lua numbers them in its own way.
        upvalues.sort_by(|(a, _), (b, _)| a.cmp(b));
        let variables: Vec<Vec<u8>> = upvalues.iter().map(|(variable, _)| variable.clone()).collect();
        let (text, mut captures) = self.text(function, name, &variables)?;
        for (variable, value) in upvalues {
            let value = self.value(&value, &String::from_utf8_lossy(&variable))?;
            captures.push((variable, value));
        }
        captures.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Function { text, captures })
    }

    /// Returns a function's text, and the constants that Lua keeps only as values.
    fn text(&self, function: &LuaFunction, name: &str, variables: &[Vec<u8>]) -> Answer<(Vec<u8>, Captures)> {
        let info = function.info();
        let refuse = |what: &str, hint: &str| Failure::new("config", format!("`{name}` {what}")).with_hint(hint);
        let (Some(source), Some(first), Some(last)) = (info.source, info.line_defined, info.last_line_defined) else {
            return Err(refuse(
                "is a function of the interpreter that builds may not use",
                "a build may use string, table, math without random, utf8 and the basic functions",
            ));
        };
        if !source.starts_with('@') {
            return Err(refuse("was made by load() and has no lines of a file", "define it as a function in a file"));
        }
        let chunk = chunk(self.lua, &source)
            .ok_or_else(|| refuse("is a function whose source text cannot be read", "define it in a file"))?;
        let found = chunk.function(first, last, variables).map_err(|not_found| match not_found {
            NotFound::Ambiguous => refuse(
                &format!("cannot be told apart from another function on line {first}"),
                "put each function on lines of its own",
            ),
            NotFound::Nothing => refuse(
                &format!("is not on line {first} of {} any more", source.trim_start_matches('@')),
                "the file changed while it was in use: try again",
            ),
        })?;
        let mut constants = Vec::new();
        for (free, meaning) in found.names {
            match meaning {
                Meaning::Constant { declarations } if !variables.contains(free) => {
                    let texts = declarations.iter().map(|(begin, end)| chunk.declaration(*begin, *end).to_vec());
                    constants.push((free.clone(), Value::List(texts.map(Value::Bytes).collect())));
                }
                Meaning::Global => {
                    check_global(free, name)?;
                    self.check_unaltered(function, free, name)?;
                }
                _ => {}
            }
        }
        Ok((found.text.to_vec(), constants))
    }
}

type Captures = Vec<(Vec<u8>, Value)>;

/// Refuses globals that are neither part of Lua nor refused later, with more to say, by the guard.
fn check_global(name: &[u8], function: &str) -> Answer<()> {
    let name = String::from_utf8_lossy(name);
    let known = LIBRARIES.iter().chain(&BASIC_FUNCTIONS).chain(&GUARDED).any(|known| *known == name);
    if known {
        return Ok(());
    }
    Err(Failure::new("config", format!("`{function}` uses the global variable `{name}`"))
        .with_hint(format!("declare it: local {name} = ...; what a build uses is part of its hash")))
}

/// Returns the text of a chunk: of a config as it was loaded, of another file as it is now.
fn chunk(lua: &Lua, source: &str) -> Option<Rc<Chunk>> {
    if let Some(chunk) = state::read(lua, |state| state.chunk(source)) {
        return Some(chunk);
    }
    let text = match source.strip_prefix('@') {
        Some(path) => std::fs::read(path).ok()?,
        None if source.starts_with('=') => return None,
        None => source.as_bytes().to_vec(),
    };
    let chunk = Rc::new(Chunk::new(text));
    state::change(lua, |state| state.add_chunk(0, source.to_owned(), Rc::clone(&chunk)));
    Some(chunk)
}

/// Returns what leads nowhere: neither a table nor a function, nor anything that is refused.
fn plain_value(given: &LuaValue) -> Option<Value> {
    match given {
        LuaValue::Nil => Some(Value::Nil),
        LuaValue::Boolean(value) => Some(Value::Bool(*value)),
        LuaValue::Integer(value) => Some(Value::Int(*value)),
        LuaValue::Number(float) => Some(captured_number(*float)),
        LuaValue::String(text) => Some(Value::Bytes(text.as_bytes().to_vec())),
        _ => None,
    }
}

fn inner_name(name: &str, key: &LuaValue) -> String {
    match key {
        LuaValue::String(key) => format!("{name}.{}", key.to_string_lossy()),
        LuaValue::Integer(index) => format!("{name}[{index}]"),
        _ => name.to_owned(),
    }
}

/// A captured float keeps its kind where Lua has one; without integers all numbers look alike.
fn captured_number(float: f64) -> Value {
    let has_integers = cfg!(any(feature = "lua53", feature = "lua54"));
    let is_negative_zero = float == 0.0 && float.is_sign_negative();
    if !has_integers
        && !is_negative_zero
        && let Ok(value) = crate::convert::number(float, &crate::convert::Place::top("number"))
    {
        return value;
    }
    Value::Float(float)
}
