//! The variables of functions as Lua keeps them: two functions may share one.

use std::collections::HashMap;

use mlua::prelude::*;

/// The registry entries that hold functions of `debug`, which configs may not have, and `FIND`.
const GET: &str = "syslua.getupvalue";
const ID: &str = "syslua.upvalueid";
const FINDER: &str = "syslua.findupvalue";

/// For Lua 5.1, which has no `upvalueid`. Two variables are one when what is put into the first is
/// seen in the other.
const FIND: &str = r#"
local get, set = debug.getupvalue, debug.setupvalue
return function(group, of, index)
  local mark, found = {}, nil
  local _, value = get(of, index)
  set(of, index, mark)
  for number = 1, #group, 3 do
    local _, other = get(group[number], group[number + 1])
    if rawequal(other, mark) then
      found = group[number + 2]
      break
    end
  end
  set(of, index, value)
  return found
end
"#;

/// Remembers what is needed of the library `debug`.
pub fn install(lua: &Lua) -> LuaResult<()> {
    let debug: LuaTable = lua.globals().get("debug")?;
    for (entry, name) in [(GET, "getupvalue"), (ID, "upvalueid")] {
        lua.set_named_registry_value(entry, debug.get::<LuaValue>(name)?)?;
    }
    let find: LuaFunction = lua.load(FIND).set_name("=[syslua]").call(())?;
    lua.set_named_registry_value(FINDER, find)
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
    /// Lua 5.1 has none.
    id: Option<LuaFunction>,
    find: LuaFunction,
    /// Without `id`: known variables, grouped by name and value. Each group is a list in Lua of
    /// function, index and number: Lua 5.1 cannot hold many values for Rust.
    seen: HashMap<(Vec<u8>, u64), usize>,
    groups: LuaTable,
    next: usize,
}

impl Cells {
    /// Makes it for one walk.
    pub fn new(lua: &Lua) -> LuaResult<Cells> {
        Ok(Cells {
            lua: lua.clone(),
            get: lua.named_registry_value(GET)?,
            id: lua.named_registry_value(ID)?,
            find: lua.named_registry_value(FINDER)?,
            seen: HashMap::new(),
            groups: lua.create_table()?,
            next: 0,
        })
    }

    /// Returns the variables of a function, in order of their names: each Lua numbers them in its
    /// own way.
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

    fn cell(
        &mut self,
        function: &LuaFunction,
        index: usize,
        name: &[u8],
        value: &LuaValue,
    ) -> LuaResult<usize> {
        if let Some(id) = &self.id {
            return Ok(match id.call((function, index))? {
                LuaValue::LightUserData(address) => address.0 as usize,
                _ => 0,
            });
        }
        let place = (name.to_vec(), identity(value));
        let group = match self.seen.get(&place) {
            Some(number) => self.groups.raw_get::<LuaTable>(*number)?,
            None => {
                let number = self.groups.raw_len() + 1;
                self.groups.raw_push(self.lua.create_table()?)?;
                self.seen.insert(place, number);
                self.groups.raw_get(number)?
            }
        };
        if let Some(cell) = self.find.call::<Option<usize>>((&group, function, index))? {
            return Ok(cell);
        }
        self.next += 1;
        group.raw_push(function)?;
        group.raw_push(index)?;
        group.raw_push(self.next)?;
        Ok(self.next)
    }
}

/// Returns what equal values have in common.
fn identity(value: &LuaValue) -> u64 {
    match value {
        LuaValue::Boolean(value) => u64::from(*value) + 1,
        LuaValue::Integer(integer) => u64::from_le_bytes(integer.to_le_bytes()),
        LuaValue::Number(number) => number.to_bits(),
        other => other.to_pointer() as u64,
    }
}
