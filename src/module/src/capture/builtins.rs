//! What the interpreter and sys.lua bring: it counts by its name, since its content is not the
//! config's.
//!
//! The interpreter's part is the state when the module was loaded: a config may replace or add to
//! it, and a build must not depend on that unseen.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use mlua::prelude::*;
use syslua_engine::failure::FailureKind;
use syslua_engine::value::{Fields, Value};

use super::plain::plain_value;
use crate::error::{Answer, Error};
use crate::state;

/// The registry entry that keeps all known values alive: their addresses must stay theirs.
const KEPT: &str = "syslua.known";

/// The registry entry of the table `bindings`.
pub const NATIVE: &str = "syslua.bindings";

/// The libraries of the interpreter that a build may use.
pub const LIBRARIES: [&str; 6] = ["string", "table", "math", "utf8", "bit32", "bit"];

/// The basic functions that a build may use.
pub const BASIC_FUNCTIONS: [&str; 20] = [
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
];

/// Modules of sys.lua that are pure, so that a build may use them.
const SHIPPED: [&str; 8] = [
    "syslua.lib",
    "syslua.util.closest",
    "syslua.util.failure",
    "syslua.util.ordered_pairs",
    "syslua.util.path",
    "syslua.util.table",
    "syslua.util.print_to_stderr",
    "syslua.util.text",
];

/// Where recipes of helpers are, as fields of that name.
const HELPERS: &str = "syslua.helpers.";
const RECIPE: &str = "build_";

/// The recipe of each is its field `build`.
const MAKERS: [&str; 2] = ["syslua.package", "syslua.tool_build"];

/// Returns the one name of what has several on some versions of Lua.
fn canonical(name: &str) -> &str {
    match name {
        "string.gfind" => "string.gmatch",
        "math.mod" => "math.fmod",
        "unpack" => "table.unpack",
        other => other,
    }
}

/// A value that is compared with what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Member {
    Address(usize),
    Plain(Vec<u8>),
}

impl Member {
    fn is(&self, value: &LuaValue) -> bool {
        match (self, value) {
            (Member::Address(address), LuaValue::Table(_) | LuaValue::Function(_)) => {
                *address == value.to_pointer() as usize
            }
            _ => *self == Member::of(value),
        }
    }

    fn of(value: &LuaValue) -> Member {
        match value {
            LuaValue::Boolean(value) => Member::Plain(vec![u8::from(*value)]),
            LuaValue::Integer(value) => Member::Plain(value.to_le_bytes().to_vec()),
            LuaValue::Number(value) => Member::Plain(value.to_bits().to_le_bytes().to_vec()),
            LuaValue::String(text) => Member::Plain(text.as_bytes().to_vec()),
            other => Member::Address(other.to_pointer() as usize),
        }
    }
}

type Members = HashMap<Vec<u8>, Member>;

/// The values that are known, and the tables that hold them as they were.
#[derive(Clone, Default)]
pub struct Builtins {
    names: HashMap<usize, Rc<str>>,
    tables: HashMap<String, Members>,
    metatables: HashMap<String, Members>,
    basics: HashMap<&'static str, Member>,
    string_metatable: Members,
    foreign: Vec<String>,
    has_shipped: bool,
    /// Functions of the interpreter whose answers differ from run to run, by their addresses:
    /// builds have others.
    varying: HashMap<usize, Rc<str>>,
}

impl Builtins {
    /// Returns the name of a table or function.
    pub fn name(&self, value: &LuaValue) -> Option<Rc<str>> {
        self.names.get(&(value.to_pointer() as usize)).cloned()
    }

    /// Returns the name of a function of the interpreter whose answers differ from run to run.
    pub fn varying(&self, value: &LuaValue) -> Option<&str> {
        if !matches!(value, LuaValue::Function(_)) {
            return None;
        }
        self.varying.get(&(value.to_pointer() as usize)).map(|name| &**name)
    }

    /// Returns whether a basic function is as it was.
    pub fn is_basic(&self, name: &str, value: &LuaValue) -> bool {
        match self.basics.get(name) {
            Some(member) if *member == Member::of(value) => true,
            // `unpack = unpack or table.unpack` adds nothing.
            _ => self.is_called(value, name),
        }
    }

    fn is_called(&self, value: &LuaValue, name: &str) -> bool {
        matches!(value, LuaValue::Function(_))
            && self.name(value).is_some_and(|known| *known == *canonical(name))
    }

    /// Returns whether a name is that of a known table.
    pub fn is_table(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }

    /// Returns every member of a known table that is not as it was, whole: `string.greet`.
    pub fn altered(&self, name: &str, table: &LuaTable) -> LuaResult<Vec<String>> {
        let Some(before) = self.tables.get(name) else { return Ok(Vec::new()) };
        let mut altered = self.differing(name, before, table)?;
        let is_own = match (table.metatable(), self.metatables.get(name)) {
            (None, None) => true,
            (Some(metatable), Some(before)) => {
                metatable.metatable().is_none()
                    && self.differing(name, before, &metatable)?.is_empty()
            }
            _ => false,
        };
        if !is_own {
            altered.push(format!("the metatable of {name}"));
        }
        Ok(altered)
    }

    /// Returns every member of `syslua.lib` that is not as it was, if the library is loaded: builds
    /// reach it through the module too.
    pub fn altered_library(&self, lua: &Lua) -> LuaResult<Vec<String>> {
        let name = SHIPPED[0];
        let loaded: LuaTable = lua.globals().get::<LuaTable>("package")?.get("loaded")?;
        match loaded.raw_get(name)? {
            LuaValue::Table(library) => self.altered(name, &library),
            _ => Ok(Vec::new()),
        }
    }

    fn differing(&self, name: &str, before: &Members, table: &LuaTable) -> LuaResult<Vec<String>> {
        let mut altered = Vec::new();
        let mut same = 0;
        table.for_each(|key: LuaValue, value: LuaValue| {
            let LuaValue::String(key) = key else {
                altered.push(format!("{name}[{}]", key.to_string()?));
                return Ok(());
            };
            if before.get(&*key.as_bytes()).is_some_and(|member| member.is(&value)) {
                same += 1;
                return Ok(());
            }
            let whole = format!("{name}.{}", key.to_string_lossy());
            // Plain data of sys.lua is hashed: see `content`.
            let is_plain = is_shipped(name) && plain_value(&value).is_some();
            if !is_plain && !self.is_called(&value, &whole) {
                altered.push(whole);
            }
            Ok(())
        })?;
        if same < before.len() {
            for key in before.keys() {
                let key = String::from_utf8_lossy(key);
                if table.raw_get::<LuaValue>(&*key)?.is_nil() {
                    altered.push(format!("{name}.{key}"));
                }
            }
        }
        altered.sort();
        Ok(altered)
    }

    /// Returns additions to the interpreter's libraries from before the module was loaded.
    pub fn foreign(&self) -> &[String] {
        &self.foreign
    }

    /// Returns whether the metatable of strings is as it was. `__metatable`, by which an evaluation
    /// closes it, changes nothing that a text does.
    pub fn has_own_string_metatable(&self, lua: &Lua) -> LuaResult<bool> {
        match lua.type_metatable::<LuaString>() {
            Some(metatable) => Ok(metatable.metatable().is_none()
                && self
                    .differing("string", &self.string_metatable, &metatable)?
                    .iter()
                    .all(|name| name == "string.__metatable")),
            None => Ok(self.string_metatable.is_empty()),
        }
    }

    /// Returns the identity of a known table: its name, and the plain data in one of sys.lua.
    pub fn content(&self, name: &str, table: &LuaTable) -> LuaResult<Value> {
        let known = Value::Known(name.to_owned());
        if !is_shipped(name) {
            return Ok(known);
        }
        let plain = plain_members(table)?;
        Ok(if plain.is_empty() { known } else { Value::List(vec![known, Value::Map(plain)]) })
    }

    fn add(&mut self, lua: &Lua, value: &LuaValue, name: &str) -> LuaResult<()> {
        if matches!(value, LuaValue::Table(_) | LuaValue::Function(_)) {
            let address = value.to_pointer() as usize;
            if let Entry::Vacant(entry) = self.names.entry(address) {
                entry.insert(Rc::from(canonical(name)));
                lua.named_registry_value::<LuaTable>(KEPT)?.raw_push(value)?;
            }
        }
        Ok(())
    }

    /// Adds a library of the interpreter. Functions written in Lua are additions, such as those of
    /// test runners for older versions: no build may use them, but they do no harm otherwise.
    fn add_library(&mut self, lua: &Lua, library: &str, table: &LuaTable) -> LuaResult<()> {
        let mut members = Members::new();
        for (key, value) in sorted(table)? {
            let name = format!("{library}.{}", String::from_utf8_lossy(&key));
            members.insert(key, Member::of(&value));
            if !is_of_interpreter(&value) {
                self.foreign.push(name);
                continue;
            }
            // Two runs would differ.
            if !name.starts_with("math.random") {
                self.add(lua, &value, &name)?;
            }
        }
        self.tables.insert(library.to_owned(), members);
        self.add(lua, &LuaValue::Table(table.clone()), library)
    }

    fn of_interpreter(lua: &Lua) -> LuaResult<Builtins> {
        let globals = lua.globals();
        let mut known = Builtins::default();
        for library in LIBRARIES {
            if let LuaValue::Table(table) = globals.raw_get(library)? {
                known.add_library(lua, library, &table)?;
            }
        }
        for name in BASIC_FUNCTIONS {
            let value: LuaValue = globals.raw_get(name)?;
            if !value.is_nil() && is_of_interpreter(&value) {
                known.basics.insert(name, Member::of(&value));
                known.add(lua, &value, name)?;
            }
        }
        if let Some(metatable) = lua.type_metatable::<LuaString>() {
            let members =
                sorted(&metatable)?.into_iter().filter(|(_, value)| is_of_interpreter(value));
            known.string_metatable =
                members.map(|(key, value)| (key, Member::of(&value))).collect();
        }
        Ok(known)
    }

    /// Adds a table of sys.lua and the tables in it.
    fn add_shipped(&mut self, lua: &Lua, table: &LuaTable, name: &str) -> LuaResult<()> {
        let mut members = Members::new();
        self.add(lua, &LuaValue::Table(table.clone()), name)?;
        for (key, value) in sorted(table)? {
            let inner = format!("{name}.{}", String::from_utf8_lossy(&key));
            match &value {
                LuaValue::Function(function) if is_ours(lua, function) => {
                    self.add(lua, &value, &inner)?;
                }
                LuaValue::Table(table) if self.name(&value).is_none() => {
                    self.add_shipped(lua, table, &inner)?;
                }
                _ => continue,
            }
            members.insert(key, Member::of(&value));
        }
        self.tables.insert(name.to_owned(), members);
        if let Some(metatable) = table.metatable() {
            let index: LuaValue = metatable.raw_get("__index")?;
            // A foreign metatable may show anything.
            if index.as_function().map_or(index.is_nil(), |function| is_ours(lua, function)) {
                let members =
                    sorted(&metatable)?.into_iter().map(|(key, value)| (key, Member::of(&value)));
                self.metatables.insert(name.to_owned(), members.collect());
            }
        }
        Ok(())
    }

    /// Adds the module, the libraries of sys.lua, and the recipes of helpers that are loaded by
    /// now.
    fn add_all_shipped(&mut self, lua: &Lua) -> LuaResult<()> {
        let require: LuaFunction = lua.globals().get("require")?;
        let loaded: LuaTable = lua.globals().get::<LuaTable>("package")?.get("loaded")?;
        self.add(lua, &loaded.get("syslua")?, "syslua")?;
        if !self.has_shipped {
            self.has_shipped = true;
            for name in SHIPPED {
                match require.call::<LuaValue>(name)? {
                    LuaValue::Table(table) => self.add_shipped(lua, &table, name)?,
                    function => self.add(lua, &function, name)?,
                }
            }
        }
        self.add_recipes(lua)
    }

    /// Adds the recipes of helpers that are loaded by now.
    fn add_recipes(&mut self, lua: &Lua) -> LuaResult<()> {
        let loaded: LuaTable = lua.globals().get::<LuaTable>("package")?.get("loaded")?;
        for (name, helper) in sorted(&loaded)? {
            let name = String::from_utf8_lossy(&name).into_owned();
            let LuaValue::Table(helper) = helper else { continue };
            let prefix = if name.starts_with(HELPERS) { RECIPE } else { "build" };
            if !name.starts_with(HELPERS) && !MAKERS.contains(&name.as_str()) {
                continue;
            }
            for (key, recipe) in sorted(&helper)? {
                if let LuaValue::Function(function) = &recipe
                    && key.starts_with(prefix.as_bytes())
                    && is_ours(lua, function)
                {
                    self.add(lua, &recipe, &format!("{name}.{}", String::from_utf8_lossy(&key)))?;
                }
            }
        }
        Ok(())
    }
}

/// Returns whether a name belongs to sys.lua.
fn is_shipped(name: &str) -> bool {
    name.starts_with("syslua.")
}

/// Returns the fields of a table with strings as keys, in their order: that of `pairs` differs.
fn sorted(table: &LuaTable) -> LuaResult<Vec<(Vec<u8>, LuaValue)>> {
    let mut fields = Vec::new();
    for pair in table.pairs::<LuaValue, LuaValue>() {
        if let (LuaValue::String(key), value) = pair? {
            fields.push((key.as_bytes().to_vec(), value));
        }
    }
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(fields)
}

/// Returns the fields of a table that lead nowhere.
pub fn plain_members(table: &LuaTable) -> LuaResult<Fields> {
    let fields = sorted(table)?.into_iter();
    Ok(fields.filter_map(|(key, value)| plain_value(&value).map(|value| (key, value))).collect())
}

/// Returns whether a value may be the interpreter's own. `LuaJIT` has some functions in Lua.
fn is_of_interpreter(value: &LuaValue) -> bool {
    let LuaValue::Function(function) = value else { return true };
    let info = function.info();
    info.what == "C" || info.short_src.is_some_and(|source| source.starts_with("[builtin:"))
}

/// Returns whether a function is written in one of the files that come with sys.lua.
pub fn is_ours(lua: &Lua, function: &LuaFunction) -> bool {
    let source = function.info().source.unwrap_or_default();
    state::read(lua, |state| {
        state.position_rules.as_ref().is_some_and(|rules| rules.is_own(&source))
    })
}

/// The registry entry of the interpreter's own functions, by library.
const ORIGINALS: &str = "syslua.originals";

/// The name under which that has the basic functions, and the metatable of strings.
const BASIC: &str = "basic";
const STRINGS: &str = "strings";

/// Returns the interpreter's own functions as they were when the module was loaded: tables by the
/// names of libraries.
///
/// # Errors
/// When Lua is out of memory.
pub fn originals(lua: &Lua) -> LuaResult<LuaTable> {
    lua.named_registry_value(ORIGINALS)
}

fn copy_originals(lua: &Lua) -> LuaResult<LuaTable> {
    let globals = lua.globals();
    let originals = lua.create_table()?;
    let copy = |from: &LuaTable| -> LuaResult<LuaTable> {
        let copy = lua.create_table()?;
        for (name, value) in sorted(from)?.into_iter().filter(|(_, value)| is_of_interpreter(value))
        {
            copy.raw_set(lua.create_string(name)?, value)?;
        }
        Ok(copy)
    };
    for library in LIBRARIES {
        if let LuaValue::Table(table) = globals.raw_get(library)? {
            originals.raw_set(library, copy(&table)?)?;
        }
    }
    if let Some(metatable) = lua.type_metatable::<LuaString>() {
        originals.raw_set(STRINGS, copy(&metatable)?)?;
    }
    let basic = lua.create_table()?;
    for name in BASIC_FUNCTIONS {
        let value: LuaValue = globals.raw_get(name)?;
        if is_of_interpreter(&value) {
            basic.raw_set(name, value)?;
        }
    }
    originals.raw_set(BASIC, basic)?;
    Ok(originals)
}

/// Takes the functions that builds have in the place of some of the interpreter: `table.sort` and
/// the function. The interpreter's own of these names no build may capture.
///
/// # Errors
/// When Lua is out of memory.
pub fn set_fixed(lua: &Lua, functions: &LuaTable) -> LuaResult<()> {
    let mut known = Builtins::clone(&remembered(lua));
    let originals = originals(lua)?;
    for (name, function) in sorted(functions)? {
        let name = String::from_utf8_lossy(&name).into_owned();
        let (library, member) = name.split_once('.').unwrap_or((BASIC, &name));
        let original: LuaValue = originals.raw_get::<LuaTable>(library)?.raw_get(member)?;
        known.add(lua, &function, &name)?;
        if matches!(original, LuaValue::Function(_)) {
            known.varying.insert(original.to_pointer() as usize, Rc::from(name.as_str()));
        }
    }
    let known = Rc::new(known);
    lua.set_app_data::<Rc<Builtins>>(known);
    Ok(())
}

/// Returns what this Lua state knows until now.
fn remembered(lua: &Lua) -> Rc<Builtins> {
    lua.app_data_ref::<Rc<Builtins>>().map(|known| Rc::clone(&known)).unwrap_or_default()
}

/// Remembers the interpreter's own functions.
pub fn install(lua: &Lua) -> LuaResult<()> {
    lua.set_named_registry_value(KEPT, lua.create_table()?)?;
    lua.set_named_registry_value(ORIGINALS, copy_originals(lua)?)?;
    let known = Builtins::of_interpreter(lua)?;
    lua.set_app_data::<Rc<Builtins>>(Rc::new(known));
    Ok(())
}

/// Returns what is known; helpers are looked up again only when asked to.
pub fn known(lua: &Lua, anew: bool) -> Answer<Rc<Builtins>> {
    let remembered = remembered(lua);
    if remembered.has_shipped && !anew {
        return Ok(remembered);
    }
    let mut known = Builtins::clone(&remembered);
    known.add_all_shipped(lua)?;
    let known = Rc::new(known);
    lua.set_app_data::<Rc<Builtins>>(Rc::clone(&known));
    Ok(known)
}

/// Returns the name of a function that is a recipe of sys.lua.
pub fn name_of_recipe(lua: &Lua, function: &LuaFunction) -> Answer<Option<Rc<str>>> {
    let value = LuaValue::Function(function.clone());
    let remembered = remembered(lua);
    if let Some(found) = remembered.name(&value) {
        return Ok(Some(found));
    }
    if !is_ours(lua, function) {
        return Ok(known(lua, false)?.name(&value));
    }
    // The library, which most configs never use, need not be loaded for it.
    let mut with_recipes = Builtins::clone(&remembered);
    with_recipes.add_recipes(lua)?;
    let found = with_recipes.name(&value);
    lua.set_app_data::<Rc<Builtins>>(Rc::new(with_recipes));
    match found {
        Some(found) => Ok(Some(found)),
        None => Ok(known(lua, true)?.name(&value)),
    }
}

/// Returns what a build sees of the module: facts about this machine. Its functions refuse to be
/// called.
///
/// # Errors
/// When it was changed.
pub fn facts(lua: &Lua, module: &LuaTable) -> Answer<Value> {
    let loaded: LuaTable =
        lua.globals().get::<LuaTable>("package").and_then(|package| package.get("loaded"))?;
    for (key, value) in sorted(module)? {
        let name = String::from_utf8_lossy(&key).into_owned();
        let is_own = match &value {
            LuaValue::Function(function) => is_ours(lua, function),
            LuaValue::Table(_) => {
                (name == "bindings"
                    && lua
                        .named_registry_value::<LuaValue>(NATIVE)
                        .is_ok_and(|native| native == value))
                    || ["syslua.", HELPERS].iter().any(|prefix| {
                        loaded
                            .raw_get::<LuaValue>(format!("{prefix}{name}"))
                            .is_ok_and(|loaded| loaded == value)
                    })
            }
            _ => true,
        };
        if !is_own {
            return Err(Error::new(
                FailureKind::Config,
                format!("`syslua.{name}` was added to the module, and a build may use it"),
            )
            .with_hint("keep your values in a `local` variable"));
        }
    }
    let plain = plain_members(module)?;
    Ok(Value::List(vec![Value::Known("syslua".to_owned()), Value::Map(plain)]))
}
