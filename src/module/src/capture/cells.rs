//! The variables of functions as Lua keeps them: two functions may share one.

use std::collections::HashMap;

use mlua::prelude::*;

/// The registry entries that hold functions of `debug`, which configs may not have.
const GET: &str = "syslua.getupvalue";
const SET: &str = "syslua.setupvalue";
const ID: &str = "syslua.upvalueid";

/// Remembers what is needed of the library `debug`.
pub fn install(lua: &Lua) -> LuaResult<()> {
    let debug: LuaTable = lua.globals().get("debug")?;
    for (entry, name) in [(GET, "getupvalue"), (SET, "setupvalue"), (ID, "upvalueid")] {
        lua.set_named_registry_value(entry, debug.get::<LuaValue>(name)?)?;
    }
    Ok(())
}

/// A variable that a function captures.
pub struct Upvalue {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value.
    pub value: LuaValue,
    /// Which one it is: functions that share it give the same number.
    pub cell: usize,
}

/// Tells variables apart.
pub struct Cells {
    lua: Lua,
    get: LuaFunction,
    set: LuaFunction,
    /// Lua 5.1 has none.
    id: Option<LuaFunction>,
    /// Without it: the variables that were seen, by name.
    seen: HashMap<Vec<u8>, Vec<Seen>>,
    next: usize,
}

impl Cells {
    /// Makes it for one walk.
    pub fn new(lua: &Lua) -> LuaResult<Cells> {
        Ok(Cells {
            lua: lua.clone(),
            get: lua.named_registry_value(GET)?,
            set: lua.named_registry_value(SET)?,
            id: lua.named_registry_value(ID)?,
            seen: HashMap::new(),
            next: 0,
        })
    }

    /// Returns the variables of a function, in order of their names: each Lua numbers them in its own way.
    pub fn upvalues(&mut self, function: &LuaFunction, count: usize) -> LuaResult<Vec<Upvalue>> {
        let mut upvalues = Vec::with_capacity(count);
        for index in 1..=count {
            let (name, value): (Option<LuaString>, LuaValue) = self.get.call((function, index))?;
            let Some(name) = name else { continue };
            let name = name.as_bytes().to_vec();
            let cell = self.cell(function, index, &name, &value)?;
            upvalues.push(Upvalue { name, value, cell });
        }
        upvalues.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(upvalues)
    }

    fn cell(&mut self, function: &LuaFunction, index: usize, name: &[u8], value: &LuaValue) -> LuaResult<usize> {
        if let Some(id) = &self.id {
            return Ok(match id.call((function, index))? {
                LuaValue::LightUserData(address) => address.0 as usize,
                _ => 0,
            });
        }
        for seen in self.seen.get(name).into_iter().flatten() {
            if is_equal(&seen.value, value) && self.is_one(function, index, value, seen)? {
                return Ok(seen.cell);
            }
        }
        self.next += 1;
        let seen = Seen { function: function.clone(), index, value: value.clone(), cell: self.next };
        self.seen.entry(name.to_vec()).or_default().push(seen);
        Ok(self.next)
    }

    /// Returns whether two variables are one: what is put into the first is seen in the other.
    fn is_one(&self, function: &LuaFunction, index: usize, value: &LuaValue, other: &Seen) -> LuaResult<bool> {
        let mark = LuaValue::Table(self.lua.create_table()?);
        self.set.call::<()>((function, index, &mark))?;
        let seen = self.get.call::<(LuaValue, LuaValue)>((&other.function, other.index));
        self.set.call::<()>((function, index, value))?;
        Ok(seen?.1 == mark)
    }
}

/// A variable of Lua 5.1, as one that a function has.
struct Seen {
    function: LuaFunction,
    index: usize,
    value: LuaValue,
    cell: usize,
}

fn is_equal(a: &LuaValue, b: &LuaValue) -> bool {
    match (a, b) {
        (LuaValue::Number(a), LuaValue::Number(b)) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}
