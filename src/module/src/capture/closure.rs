//! The walk over everything that a function leads to.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::rc::Rc;

use mlua::prelude::*;
use syslua_engine::encode::{self, Recipe};
use syslua_engine::failure::FailureKind;
use syslua_engine::platform;
use syslua_engine::value::{Function, Value};
use syslua_lua_source::{Chunk, Meaning, NotFound};

use super::builtins::{self, Builtins, is_ours, known};
use super::code;
use super::globals::{self, Globals, is_globals};
use super::plain::plain_value;
use super::upvalues::{Cells, Upvalue};
use crate::config_files::ConfigFiles;
use crate::error::{Answer, Error};
use crate::input_paths;
use crate::state::{self, InputTrees};
use crate::values::convert::{SECRET, SECRET_HINT};
use crate::values::handles::{handle_of, source_of};

/// Since Lua 5.2 the globals are an upvalue of that name; before, it is a name like any other.
const HAS_ENV: bool = cfg!(not(feature = "lua51"));

/// What is nested deeper gets an entry of its own after the variables, so that nothing that goes
/// into values needs a deep stack; JSON readers stop at 128.
const INLINE: usize = 30;

/// How many values may be looked at to put keys in order that are tables or functions.
const MOST_LOOKED_AT: usize = 100_000;

/// Longer names in messages are cut in the middle.
const LONGEST_NAME: usize = 80;

const BUILDS_MAY_USE: &str =
    "a build may use string, table, math without random, utf8, the basic functions and syslua.lib";

/// What a later visit refers to: each has a number in order of first visits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Visit {
    Table(usize),
    /// The text by its chunk and first byte, and its variables. Whether two functions that agree in
    /// these are one differs between versions of Lua.
    Function(usize, usize, Vec<usize>),
    Variable(usize),
}

/// What is left for later, since it is nested too deeply.
struct Deep {
    number: u64,
    name: String,
}

/// A waiting entry of a table. Values with references stay in their table: Lua 5.1 cannot hold many
/// for Rust.
struct Entry {
    /// By which entries have their places.
    order: Vec<u8>,
    key: Key,
    /// When it is plain.
    value: Option<Value>,
}

enum Key {
    Plain(Value),
    /// Its place in a list of such keys.
    Complex(usize),
}

/// A function of the config, found in its file.
struct Found {
    chunk: Rc<Chunk>,
    /// Its place among the functions of the chunk.
    place: usize,
    upvalues: Vec<Upvalue>,
}

/// One walk, from one function.
pub struct Walk<'a> {
    lua: &'a Lua,
    cells: Cells,
    known: Rc<Builtins>,
    visited: HashMap<Visit, u64>,
    /// The same in order, so that a look can be taken back.
    order: Vec<Visit>,
    depth: usize,
    deep: VecDeque<Deep>,
    /// The same values, by number.
    deep_values: LuaTable,
    /// How many looks are under way.
    looking: usize,
    looked_at: usize,
    /// Fields that a text may not have.
    unknown: Vec<String>,
    /// Those of the config, which are to be sources.
    files: Option<Rc<ConfigFiles>>,
    /// The trees of inputs, whose paths count by their content.
    trees: Rc<InputTrees>,
}

/// Returns the number of the value that an entry after the variables is about.
pub fn number_of_deep(name: &[u8]) -> Option<u64> {
    std::str::from_utf8(name.strip_prefix(b"#")?).ok()?.parse().ok()
}

impl<'a> Walk<'a> {
    /// Begins it.
    pub fn new(lua: &'a Lua) -> Answer<Walk<'a>> {
        let known = known(lua, false)?;
        Ok(Walk {
            lua,
            cells: Cells::new(lua)?,
            unknown: globals::unknown_fields(lua, &known)?,
            known,
            visited: HashMap::new(),
            order: Vec::new(),
            depth: 0,
            deep: VecDeque::new(),
            deep_values: lua.create_table()?,
            looking: 0,
            looked_at: 0,
            files: state::read(lua, state::State::config_files),
            trees: state::read(lua, |state| Rc::clone(&state.input_trees)),
        })
    }

    /// Returns the text and the captures of a `config`.
    pub fn run(mut self, function: &LuaFunction) -> Answer<Function> {
        let found = self.find(function, "config")?;
        self.again(visit_of(&found));
        let mut result = self.function(function, &found, "config")?;
        while let Some(deep) = self.deep.pop_front() {
            self.depth = 0;
            let value = match self.deep_values.raw_get(deep.number)? {
                LuaValue::Table(table) => self.table(&table, &deep.name)?,
                LuaValue::Function(function) => {
                    let found = self.find(&function, &deep.name)?;
                    Value::Function(Box::new(self.function(&function, &found, &deep.name)?))
                }
                _ => Value::Nil,
            };
            result.captures.push((format!("#{}", deep.number).into_bytes(), value));
        }
        Ok(result)
    }

    /// Returns the number of an earlier visit, or notes this one.
    fn again(&mut self, visit: Visit) -> Option<u64> {
        if let Some(number) = self.visited.get(&visit) {
            return Some(*number);
        }
        self.visited.insert(visit.clone(), self.order.len() as u64);
        self.order.push(visit);
        None
    }

    fn value(&mut self, given: &LuaValue, name: &str) -> Answer<Value> {
        if let Some(plain) = plain_value(given) {
            self.check_path(&plain, || name.to_owned())?;
            return Ok(self.joined(plain));
        }
        match given {
            LuaValue::Table(_) | LuaValue::Function(_) => {
                self.depth += 1;
                let value = self.inner(given, name);
                self.depth -= 1;
                value
            }
            LuaValue::Thread(_) => {
                Err(refused(name, "a coroutine", "pass what you need of it through opts"))
            }
            other => Err(refused(name, other.type_name(), "pass what you need of it through opts")),
        }
    }

    fn inner(&mut self, given: &LuaValue, name: &str) -> Answer<Value> {
        if let Some(value) = self.without_content(given, name)? {
            return Ok(value);
        }
        if self.looking > 0 {
            self.looked_at += 1;
            if self.looked_at > MOST_LOOKED_AT {
                return Err(refused(
                    name,
                    "nested too deeply in tables that are keys of tables",
                    "use strings or numbers as keys",
                ));
            }
        }
        match given {
            LuaValue::Table(table) => {
                match self.first_visit(Visit::Table(given.to_pointer() as usize), given, name)? {
                    Some(again) => Ok(again),
                    None => self.table(table, name),
                }
            }
            LuaValue::Function(function) => {
                let found = self.find(function, name)?;
                match self.first_visit(visit_of(&found), given, name)? {
                    Some(again) => Ok(again),
                    None => Ok(Value::Function(Box::new(self.function(function, &found, name)?))),
                }
            }
            _ => Ok(Value::Nil),
        }
    }

    /// Returns what stands for a value that was visited, or is to be visited later; nothing for one
    /// whose turn it is.
    fn first_visit(&mut self, visit: Visit, given: &LuaValue, name: &str) -> Answer<Option<Value>> {
        let number = self.order.len() as u64;
        if let Some(number) = self.again(visit) {
            return Ok(Some(Value::Again(number)));
        }
        if self.depth <= INLINE {
            return Ok(None);
        }
        // A look goes no deeper.
        if self.looking == 0 {
            self.deep_values.raw_set(number, given)?;
            self.deep.push_back(Deep { number, name: name.to_owned() });
        }
        Ok(Some(Value::Again(number)))
    }

    /// Returns the name of a table or function that counts by its name: known ones, handles,
    /// sources.
    fn without_content(&mut self, given: &LuaValue, name: &str) -> Answer<Option<Value>> {
        if let Some(varying) = self.known.varying(given) {
            let what = format!("Lua's own `{varying}`, whose answers differ from run to run");
            let hint = format!(
                "write `{varying}` in the function itself: in builds it has a fixed order, no \
                 addresses and no lines"
            );
            return Err(refused(name, &what, &hint));
        }
        if let Some(known) = self.known.name(given) {
            return self.known_value(given, &known, name).map(Some);
        }
        match given {
            LuaValue::Table(table) => {
                if let Some(hash) = handle_of(self.lua, table, &|| name.to_owned())? {
                    return Ok(Some(Value::Derivation(hash)));
                }
                if let Some(source) = source_of(self.lua, table, &|| name.to_owned())? {
                    return Ok(Some(Value::Source(Box::new(source))));
                }
                let kind = table.metatable().and_then(|own| own.raw_get::<String>("__name").ok());
                if kind.as_deref() == Some(SECRET) {
                    return Err(refused(name, "a secret", SECRET_HINT));
                }
                if is_globals(self.lua, given)? {
                    let hint = "use what you need of it by its name, or pass it through opts";
                    return Err(refused(name, "the table of all globals", hint));
                }
                Ok(None)
            }
            LuaValue::Function(function) if is_ours(self.lua, function) => {
                // A recipe of a helper that was loaded since the last check; nothing else of
                // sys.lua.
                self.known = known(self.lua, true)?;
                match self.known.name(given) {
                    Some(known) => Ok(Some(Value::Known(known.to_string()))),
                    None => Err(refused(
                        name,
                        "a function of sys.lua that builds may not use",
                        BUILDS_MAY_USE,
                    )),
                }
            }
            _ => Ok(None),
        }
    }

    fn known_value(&self, given: &LuaValue, known: &str, name: &str) -> Answer<Value> {
        let LuaValue::Table(table) = given else { return Ok(Value::Known(known.to_owned())) };
        let altered = if known == "syslua" {
            self.known.altered_library(self.lua)
        } else {
            self.known.altered(known, table)
        };
        if let Some(altered) = altered?.first() {
            let message = format!(
                "`config` captures `{name}`, and in it `{altered}`, which is not what Lua or \
                 sys.lua brings"
            );
            return Err(Error::new(FailureKind::Config, message).with_hint(
                "leave Lua's own tables as they are, and declare functions of your own \
                 with `local`",
            ));
        }
        if known == "syslua" {
            // Through the module a build sees this machine.
            return builtins::facts(self.lua, table);
        }
        Ok(self.known.content(known, table)?)
    }

    /// Takes the paths of trees of inputs out of a string: they differ from machine to machine.
    fn joined(&self, plain: Value) -> Value {
        match &plain {
            Value::Bytes(text) => input_paths::join(&self.trees, text).unwrap_or(plain),
            _ => plain,
        }
    }

    /// Refuses the path of a file of the config.
    fn check_path(&self, value: &Value, name: impl FnOnce() -> String) -> Answer<()> {
        let (Some(files), Value::Bytes(text)) = (&self.files, value) else { return Ok(()) };
        if !files.has(text) {
            return Ok(());
        }
        Err(Error::new(
            FailureKind::Config,
            format!("`config` captures `{}`, which is a path below the config's directory", name()),
        )
        .with_hint("use source(), which is known by its content and is the same on every machine"))
    }

    fn table(&mut self, table: &LuaTable, name: &str) -> Answer<Value> {
        let keys = self.lua.create_table()?;
        let mut entries = self.entries(table, &keys, name)?;
        // One key has its place without a look, which would be taken again for each table around
        // it.
        if keys.raw_len() > 1 {
            self.put_in_order(&mut entries, table, &keys, name)?;
        }
        // The order of `pairs` differs from run to run; visits must not.
        entries.sort_by(|a, b| a.order.cmp(&b.order));
        let mut pairs = Vec::with_capacity(entries.len());
        for entry in entries {
            let value = match entry.value {
                Some(plain) => plain,
                None => {
                    let key = self.lua_key(&entry.key, &keys)?;
                    let value: LuaValue = table.raw_get(&key)?;
                    self.value(&value, &inner_name(name, &key))?
                }
            };
            let key = match entry.key {
                Key::Plain(key) => key,
                Key::Complex(index) => {
                    let key: LuaValue = keys.raw_get(index)?;
                    self.value(&key, name)?
                }
            };
            pairs.push((key, value));
        }
        // Where a list has holes, `#` depends on how the table was made.
        let length = table.raw_len() as u64;
        let is_list = |number: u64| {
            let is_index = |key: &Value| {
                matches!(key, Value::Int(index)
                    if *index > 0 && (1..=number).contains(&index.unsigned_abs()))
            };
            pairs.iter().filter(|(key, _)| is_index(key)).count() as u64 == number
        };
        if length > 0 && !is_list(length) {
            pairs.push((
                Value::Known("#".to_owned()),
                Value::Int(i64::try_from(length).unwrap_or(i64::MAX)),
            ));
        }
        let metatable = match table.metatable() {
            Some(metatable) => {
                let name = format!("the metatable of {name}");
                Some(Box::new(self.value(&LuaValue::Table(metatable), &name)?))
            }
            None => None,
        };
        Ok(Value::Table(pairs, metatable))
    }

    /// Returns the entries of a table; keys that are no plain values are put into `keys`.
    fn entries(&self, table: &LuaTable, keys: &LuaTable, name: &str) -> Answer<Vec<Entry>> {
        let mut entries = Vec::new();
        for pair in table.pairs::<LuaValue, LuaValue>() {
            let (key, value) = pair?;
            let mut order = Vec::new();
            let plain = plain_value(&value);
            if let Some(plain) = &plain {
                // Names are for messages, which plain values hardly ever need.
                self.check_path(plain, || inner_name(name, &key))?;
            }
            let plain = plain.map(|plain| self.joined(plain));
            let key = match plain_value(&key) {
                Some(plain) => {
                    self.check_path(&plain, || name.to_owned())?;
                    encode::value(&mut order, &Recipe, &plain);
                    Key::Plain(plain)
                }
                None => {
                    keys.raw_push(key)?;
                    Key::Complex(keys.raw_len())
                }
            };
            entries.push(Entry { order, key, value: plain });
        }
        Ok(entries)
    }

    fn lua_key(&self, key: &Key, keys: &LuaTable) -> LuaResult<LuaValue> {
        match key {
            Key::Complex(index) => keys.raw_get(*index),
            Key::Plain(Value::Bytes(text)) => self.lua.create_string(text).map(LuaValue::String),
            Key::Plain(Value::Bool(value)) => Ok(LuaValue::Boolean(*value)),
            Key::Plain(Value::Int(value)) => value.into_lua(self.lua),
            Key::Plain(Value::Float(value)) => Ok(LuaValue::Number(*value)),
            Key::Plain(_) => Ok(LuaNil),
        }
    }

    /// Gives entries whose keys are tables or functions bytes by which each has its place, before
    /// any is visited.
    fn put_in_order(
        &mut self,
        entries: &mut [Entry],
        table: &LuaTable,
        keys: &LuaTable,
        name: &str,
    ) -> Answer<()> {
        let mut looks: HashSet<Vec<u8>> = HashSet::new();
        for entry in entries {
            let Key::Complex(index) = entry.key else { continue };
            let key: LuaValue = keys.raw_get(index)?;
            let value: LuaValue = table.raw_get(&key)?;
            // What was visited until now is the same for all entries, and ends cycles.
            let visited = self.order.len();
            self.looking += 1;
            let looked = self.observe(&mut entry.order, &key, &value, name);
            self.looking -= 1;
            let is_new = self.order.len() > visited;
            for visit in self.order.drain(visited..) {
                self.visited.remove(&visit);
            }
            looked?;
            // Where nothing new was visited, entries that look alike are alike.
            if !looks.insert(entry.order.clone()) && is_new {
                return Err(refused(
                    name,
                    "a table with two keys that cannot be told apart",
                    "equal tables or functions have no fixed order as keys: use strings, \
                     or a list of pairs",
                ));
            }
        }
        Ok(())
    }

    fn observe(
        &mut self,
        order: &mut Vec<u8>,
        key: &LuaValue,
        value: &LuaValue,
        name: &str,
    ) -> Answer<()> {
        encode::value(order, &Recipe, &self.value(key, name)?);
        encode::value(order, &Recipe, &self.value(value, &inner_name(name, key))?);
        Ok(())
    }

    /// Finds a function in its file.
    fn find(&mut self, function: &LuaFunction, name: &str) -> Answer<Found> {
        let info = function.info();
        let refuse = |what: &str, hint: &str| {
            Error::new(FailureKind::Config, format!("`{name}` {what}")).with_hint(hint)
        };
        let (Some(source), Some(first), Some(last)) =
            (info.source, info.line_defined, info.last_line_defined)
        else {
            return Err(refuse(
                "is a function of the interpreter that builds may not use",
                BUILDS_MAY_USE,
            ));
        };
        if !source.starts_with('@') {
            return Err(refuse(
                "was made by load() and has no lines of a file",
                "define it as a function in a file",
            ));
        }
        let chunks = chunks(self.lua, &source);
        if chunks.is_empty() {
            return Err(refuse(
                "is a function whose source text cannot be read",
                "define it in a file",
            ));
        }
        let is_only = chunks.len() == 1;
        let found = code::find(self.lua, function, &source, (first, last), chunks);
        let found = found.or_else(|| {
            code::find(self.lua, function, &source, (first, last), read_again(self.lua, &source))
        });
        let chunk = found.ok_or_else(|| {
            let name = source.trim_start_matches('@');
            if is_only {
                refuse(
                    &format!("is not on line {first} of {name} any more"),
                    "the file changed while it was in use: try again",
                )
            } else {
                refuse(
                    &format!("belongs to none of the texts that were loaded as {name}"),
                    "define it in a separate file",
                )
            }
        })?;
        let mut upvalues = self.cells.upvalues(function, info.num_upvalues.into())?;
        // The globals are no capture: what may be used of them is fixed.
        let is_capture = |upvalue: &Upvalue| {
            let is_env = HAS_ENV && upvalue.name == b"_ENV";
            Ok(!is_env || !is_globals(self.lua, &upvalue.value)?)
        };
        let is_kept: Vec<bool> = upvalues.iter().map(is_capture).collect::<LuaResult<_>>()?;
        let mut is_kept = is_kept.into_iter();
        upvalues.retain(|_| is_kept.next().unwrap_or(true));
        let variables: Vec<&[u8]> =
            upvalues.iter().map(|upvalue| upvalue.name.as_slice()).collect();
        let place =
            chunk.function(first, last, &variables).map_err(|not_found| match not_found {
                NotFound::Ambiguous => refuse(
                    &format!("cannot be told apart from another function on line {first}"),
                    "put each function on separate lines",
                ),
                NotFound::Nothing => refuse(
                    &format!(
                        "is not on line {first} of {} any more",
                        source.trim_start_matches('@')
                    ),
                    "the file changed while it was in use: try again",
                ),
            })?;
        Ok(Found { chunk, place, upvalues })
    }

    fn function(&mut self, function: &LuaFunction, found: &Found, name: &str) -> Answer<Function> {
        let text = found.chunk.text(found.place).to_vec();
        let mut captures = self.free_names(function, found, &text, name)?;
        for upvalue in &found.upvalues {
            let value = match self.again(Visit::Variable(upvalue.cell)) {
                Some(number) => Value::Again(number),
                None => self.value(&upvalue.value, &String::from_utf8_lossy(&upvalue.name))?,
            };
            captures.push((upvalue.name.clone(), value));
        }
        captures.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Function { text, captures })
    }

    /// Checks the names that a function does not declare; returns the constants that Lua keeps only
    /// as values, and what globals add.
    fn free_names(
        &self,
        function: &LuaFunction,
        found: &Found,
        text: &[u8],
        name: &str,
    ) -> Answer<Vec<(Vec<u8>, Value)>> {
        let globals = Globals::of(self.lua, &self.known, function, name)?;
        let mut captures = Vec::new();
        for (free, meaning) in found.chunk.names(found.place) {
            match meaning {
                Meaning::Constant { declarations }
                    if !found.upvalues.iter().any(|upvalue| upvalue.name == *free) =>
                {
                    let texts = declarations
                        .iter()
                        .map(|(begin, end)| found.chunk.declaration(*begin, *end).to_vec());
                    captures.push((free.clone(), Value::List(texts.map(Value::Bytes).collect())));
                }
                Meaning::Global => {
                    if let Some(value) = globals.check(&String::from_utf8_lossy(free))? {
                        captures.push((free.clone(), value));
                    }
                }
                _ => {}
            }
        }
        globals::check_fields(&self.unknown, text, name)?;
        Ok(captures)
    }
}

fn visit_of(found: &Found) -> Visit {
    let cells = found.upvalues.iter().map(|upvalue| upvalue.cell).collect();
    Visit::Function(Rc::as_ptr(&found.chunk) as usize, found.chunk.begin(found.place), cells)
}

fn refused(name: &str, what: &str, hint: &str) -> Error {
    Error::new(FailureKind::Config, format!("`config` captures `{name}`, which is {what}"))
        .with_hint(hint)
}

/// Returns the texts of a chunk: of a config as it was loaded, of another file as it is now.
fn chunks(lua: &Lua, source: &str) -> Vec<Rc<Chunk>> {
    let known = state::read(lua, |state| state.chunks(source));
    if !known.is_empty() {
        return known;
    }
    let Some(text) =
        source.strip_prefix('@').and_then(|path| platform::read_file(Path::new(path)).ok())
    else {
        return known;
    };
    let chunk = Rc::new(Chunk::new(text));
    state::change(lua, |state| state.add_chunk(0, source.to_owned(), Rc::clone(&chunk)));
    vec![chunk]
}

/// Returns the text of a file outside of evaluations as it is now, if it is another one: it may
/// have been loaded again.
fn read_again(lua: &Lua, source: &str) -> Vec<Rc<Chunk>> {
    let is_evaluated = state::read(lua, |state| state.is_evaluated(source));
    let text = source
        .strip_prefix('@')
        .filter(|_| !is_evaluated)
        .and_then(|path| platform::read_file(Path::new(path)).ok());
    let Some(chunk) = text.map(|text| Rc::new(Chunk::new(text))) else { return Vec::new() };
    state::change(lua, |state| state.add_chunk(0, source.to_owned(), chunk));
    state::read(lua, |state| state.chunks(source))
}

fn inner_name(name: &str, key: &LuaValue) -> String {
    let whole = match key {
        LuaValue::String(key) => format!("{name}.{}", key.to_string_lossy()),
        LuaValue::Integer(index) => format!("{name}[{index}]"),
        _ => name.to_owned(),
    };
    let count = whole.chars().count();
    if count <= LONGEST_NAME {
        return whole;
    }
    let half = LONGEST_NAME / 2 - 2;
    let (begin, end) = (whole.chars().take(half), whole.chars().skip(count - half));
    begin.chain("...".chars()).chain(end).collect()
}
