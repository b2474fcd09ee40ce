//! `bindings.export` and `import_closure`: closures of objects, to and from files and streams.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use mlua::prelude::*;
use syslua_engine::api::ExportTo;
use syslua_engine::failure::FailureKind;
use syslua_engine::names::ObjectName;
use syslua_engine::platform;
use syslua_engine::store::Access;

use crate::apply::report;
use crate::error::{Answer, Error, OrFail};
use crate::options::Options;
use crate::register::register_verb;

/// Hands bytes to a function of Lua, so that they come after what Lua wrote. It answers what is
/// wrong, or nothing.
struct LuaWriter<'a> {
    lua: &'a Lua,
    write: LuaFunction,
}

impl Write for LuaWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text =
            self.lua.create_string(bytes).map_err(|error| io::Error::other(error.to_string()))?;
        match self.write.call::<Option<String>>(text) {
            Ok(None) => Ok(bytes.len()),
            Ok(Some(problem)) => Err(io::Error::other(problem)),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A named pipe. Opening it waits for its other end, so the reading thread does that, and nothing
/// waits for the thread.
enum Pipe {
    Closed(PathBuf),
    Open(std::fs::File),
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self {
                Pipe::Open(file) => return file.read(buffer),
                Pipe::Closed(path) => *self = Pipe::Open(platform::open_waiting(path)?),
            }
        }
    }
}

/// `to` is the path of a file, or a function that takes the bytes.
fn export(
    lua: &Lua,
    objects: &[String],
    to: &LuaValue,
    table: Option<&LuaTable>,
) -> Answer<LuaValue> {
    let options = Options::read(lua, table)?;
    let parse = |name: &String| ObjectName::parse(name).or_fail(FailureKind::Usage);
    let objects = objects.iter().map(parse).collect::<Answer<Vec<_>>>()?;
    let engine = options.engine(Access::Look)?;
    let exported = match to {
        LuaValue::String(path) => {
            let path = platform::path_from_bytes(&path.as_bytes());
            engine.export(&objects, ExportTo::File(&path))
        }
        LuaValue::Function(write) => {
            // In large pieces: each becomes a text of Lua.
            let writer = LuaWriter { lua, write: write.clone() };
            let mut writer = io::BufWriter::with_capacity(256 * 1024, writer);
            engine.export(&objects, ExportTo::Writer(&mut writer))
        }
        _ => {
            return Err(Error::new(
                FailureKind::Usage,
                "a closure goes to the path of a file or to a function",
            ));
        }
    };
    report(lua, &exported?)
}

/// `from` is the path of a file, or `nil` for standard input.
fn import(lua: &Lua, from: Option<&LuaString>, table: Option<&LuaTable>) -> Answer<LuaValue> {
    let options = Options::read(lua, table)?;
    let (source, what): (Box<dyn Read + Send>, String) = match from {
        Some(path) => {
            let path = platform::path_from_bytes(&path.as_bytes());
            let what = path.display().to_string();
            let failed = |error: &io::Error| {
                Error::new(
                    FailureKind::Closure,
                    format!("cannot import {what}: {}", platform::reason(error)),
                )
            };
            let found = platform::followed(&path).map_err(|error| failed(&error.cause))?;
            if found.is_some_and(|found| !found.is_file()) {
                (Box::new(Pipe::Closed(path)), what)
            } else {
                (Box::new(platform::open_regular(&path).map_err(|error| failed(&error))?), what)
            }
        }
        None => (Box::new(io::stdin()), "from standard input".to_owned()),
    };
    let engine = options.engine(Access::Work)?;
    let imported = engine.import_closure(source, &what);
    report(lua, &imported?)
}

/// Registers them.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_verb(
        lua,
        native,
        "export",
        |lua, (objects, to, options): (Vec<String>, LuaValue, Option<LuaTable>)| {
            export(lua, &objects, &to, options.as_ref())
        },
    )?;
    register_verb(
        lua,
        native,
        "import_closure",
        |lua, (from, options): (Option<LuaString>, Option<LuaTable>)| {
            import(lua, from.as_ref(), options.as_ref())
        },
    )
}
