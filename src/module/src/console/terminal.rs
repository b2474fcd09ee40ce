//! Properties of the terminal, and helper processes.

use std::io::{IsTerminal, Read};
use std::process::{Command, Stdio};

use mlua::prelude::*;
use syslua_engine::platform;

use crate::console::signals;

/// Registers `is_terminal`, which takes 1 for standard output and 2 for standard error;
/// `terminal_width`; `cells`, how many of them a text takes up; `wait_for_input`; and
/// `spawn_interpreter`.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    let is_terminal = lua.create_function(|_, stream: i64| {
        Ok(match stream {
            0 => std::io::stdin().is_terminal(),
            1 => std::io::stdout().is_terminal(),
            2 => std::io::stderr().is_terminal(),
            _ => false,
        })
    })?;
    native.set("is_terminal", is_terminal)?;
    native.set("terminal_width", lua.create_function(|_, ()| Ok(platform::terminal_width()))?)?;
    native.set(
        "ignore_closed_pipes",
        lua.create_function(|_, ()| {
            signals::ignore_closed_pipes();
            Ok(())
        })?,
    )?;
    let cells = lua.create_function(|_, text: LuaString| {
        Ok(console::measure_text_width(&String::from_utf8_lossy(&text.as_bytes())))
    })?;
    native.set("cells", cells)?;
    native.set(
        "wait_for_input",
        lua.create_function(|_, seconds: f64| Ok(wait_for_input(seconds)))?,
    )?;
    let spawn = lua.create_function(|_, words: Vec<LuaString>| {
        Ok(match spawn(&words) {
            Ok(()) => (true, None),
            Err(problem) => (false, Some(problem)),
        })
    })?;
    native.set("spawn_interpreter", spawn)
}

/// Waits for input, at most this number of seconds; returns whether there is any.
fn wait_for_input(seconds: f64) -> bool {
    let limit = std::time::Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default();
    platform::wait_for_input(limit)
}

/// Starts this interpreter with other arguments, and waits for its first byte. It gets no terminal,
/// and outlives this process, also the service that this process is part of.
fn spawn(words: &[LuaString]) -> Result<(), String> {
    let before = syslua_services::own::outliving(platform::is_system_user());
    if !before.is_empty() && spawn_after(&before, words).is_ok() {
        return Ok(());
    }
    spawn_after(&[], words)
}

fn spawn_after(before: &[&str], words: &[LuaString]) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = match before.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(words.iter().map(|word| platform::path_from_bytes(&word.as_bytes())));
    // What it loads is in its arguments.
    for name in ["LUA_INIT", "LUA_INIT_5_2", "LUA_INIT_5_3", "LUA_INIT_5_4"] {
        command.env_remove(name);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut first = [0];
    let read = child.stdout.take().map(|mut pipe| pipe.read(&mut first));
    match read {
        Some(Ok(1)) => Ok(()),
        _ => Err("it ended before it was ready".to_owned()),
    }
}
