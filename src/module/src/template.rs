//! Templates: texts and values of a config on their way to the renderer of the engine. It reads no
//! file: the Lua side reads what is missing, and calls again.

use mlua::prelude::*;
use syslua_engine::template::{self, Rendered, TemplateError, Texts};

use crate::error::Answer;
use crate::register::register_pure as register_function;
use crate::values::convert::{FieldPath, to_value};

// Builds may use it too: it only knows its arguments.

/// Renders a template. Returns `{ text }`, `{ missing }`: names of templates that are included and
/// not among `texts`, where `false` says that there is none, or `{ problem }`.
fn render(lua: &Lua, (texts, name, values): (LuaTable, LuaString, LuaValue)) -> Answer<LuaTable> {
    let values = to_value(lua, &values, &FieldPath::top("values"))?;
    let mut given = Texts::new();
    for pair in texts.pairs::<LuaString, LuaValue>() {
        let (name, text) = pair?;
        let text = text.as_string().map(|text| text.as_bytes().to_vec());
        given.insert(name.to_string_lossy(), text);
    }
    let rendered = template::render(&given, &name.to_string_lossy(), &values);
    Ok(answer(lua, rendered)?)
}

fn answer(lua: &Lua, rendered: Result<Rendered, TemplateError>) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    match rendered {
        Ok(Rendered::Done(text)) => table.raw_set("text", lua.create_string(text)?)?,
        Ok(Rendered::Missing(names)) => {
            table.raw_set("missing", names.into_iter().collect::<Vec<_>>())?;
        }
        Err(error) => {
            let problem = lua.create_table()?;
            problem.raw_set("template", error.template)?;
            problem.raw_set("line", error.line)?;
            problem.raw_set("message", error.message)?;
            problem.raw_set("hint", error.hint)?;
            table.raw_set("problem", problem)?;
        }
    }
    Ok(table)
}

/// Registers the renderer.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(lua, native, "render_template", render)
}
