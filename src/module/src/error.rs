//! The error of the bindings, and its conversion to Lua: `false` and a table, which the Lua side
//! raises.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};

use mlua::prelude::*;
use syslua_engine::failure::{Failure, FailureKind, Mismatch, chain};

use crate::{signals, state};

/// What a native function answers.
pub type Answer<T> = Result<T, Error>;

/// What a function of the bindings fails with: a failure as the user reads it. `?` makes it of
/// errors of Lua, of the engine and of the crates below.
#[derive(Clone, Debug)]
pub struct Error(Box<Failure>);

impl Error {
    /// Makes an error of a kind and a message.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Error {
        Failure::new(kind, message).into()
    }

    /// Makes the error of an interrupt before anything was changed.
    pub fn interrupted() -> Error {
        Failure::interrupted().into()
    }

    /// Makes the error of Rust code of Lua that uses the state while other code does.
    pub fn in_use() -> Error {
        Error::new(FailureKind::Internal, "the state of sys.lua is in use")
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do, unless it says that already.
    #[must_use]
    pub fn or_hint(mut self, hint: impl Into<String>) -> Error {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Adds where it happened.
    #[must_use]
    pub fn at(mut self, position: Option<String>) -> Error {
        self.position = position;
        self
    }

    /// Adds more lines.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Error {
        self.details = Some(details.into());
        self
    }
}

impl Deref for Error {
    type Target = Failure;

    fn deref(&self) -> &Failure {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Failure {
        &mut self.0
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error(Box::new(failure))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        *error.0
    }
}

/// An error of Lua itself, such as a lack of memory, or a value of another type than expected.
impl From<LuaError> for Error {
    fn from(error: LuaError) -> Error {
        Error::new(FailureKind::Config, error.to_string())
    }
}

impl From<syslua_engine::engine::Error> for Error {
    fn from(error: syslua_engine::engine::Error) -> Error {
        error.to_failure().into()
    }
}

impl From<syslua_engine::trust::Doubt> for Error {
    fn from(doubt: syslua_engine::trust::Doubt) -> Error {
        Failure::from(doubt).into()
    }
}

/// Errors of the store reach the bindings while a config declares sources.
impl From<syslua_engine::store::Error> for Error {
    fn from(error: syslua_engine::store::Error) -> Error {
        Failure::of(FailureKind::Config, &error).into()
    }
}

/// Trees are chosen while a config declares them.
impl From<syslua_engine::tree_choice::Error> for Error {
    fn from(error: syslua_engine::tree_choice::Error) -> Error {
        Failure::of(FailureKind::Config, &error).into()
    }
}

impl From<syslua_secrets::Problem> for Error {
    fn from(problem: syslua_secrets::Problem) -> Error {
        let failure = Failure::new(FailureKind::Secrets, problem.message);
        Failure { hint: problem.hint, ..failure }.into()
    }
}

/// Makes an answer of a result whose errors have no kind of their own.
pub trait OrFail<T> {
    /// Gives an error the kind that it has here.
    ///
    /// # Errors
    /// When the result is one.
    fn or_fail(self, kind: FailureKind) -> Answer<T>;
}

impl<T, E: std::error::Error> OrFail<T> for Result<T, E> {
    fn or_fail(self, kind: FailureKind) -> Answer<T> {
        self.map_err(|error| Error::new(kind, chain(&error)))
    }
}

/// Registers a function under a name. It answers `true, result` or `false, failure`; a panic in it
/// becomes a failure too. While a build runs it is refused.
pub fn register<A, R>(
    lua: &Lua,
    native: &LuaTable,
    name: &'static str,
    function: impl Fn(&Lua, A) -> Answer<R> + 'static,
) -> LuaResult<()>
where
    A: FromLuaMulti + 'static,
    R: IntoLua + 'static,
{
    register_plain(lua, native, name, move |lua, arguments: LuaMultiValue| {
        function(lua, A::from_lua_multi(arguments, lua)?)
    })
}

/// Does the same for what is called by the thousand: its arguments are read straight off the stack,
/// and wrong ones are an error of Lua.
pub fn register_plain<A, R>(
    lua: &Lua,
    native: &LuaTable,
    name: &'static str,
    function: impl Fn(&Lua, A) -> Answer<R> + 'static,
) -> LuaResult<()>
where
    A: FromLuaMulti + 'static,
    R: IntoLua + 'static,
{
    register_pure(lua, native, name, move |lua, arguments: A| {
        if state::read(lua, |state| state.is_building) {
            return Err(Error::new(
                FailureKind::Build,
                format!("`{name}` of sys.lua cannot be used while a build runs"),
            )
            .with_hint("do it outside of `config`, which may use ctx and syslua.lib"));
        }
        function(lua, arguments)
    })
}

/// Registers a function that builds may use too.
pub fn register_pure<A, R>(
    lua: &Lua,
    native: &LuaTable,
    name: &str,
    function: impl Fn(&Lua, A) -> Answer<R> + 'static,
) -> LuaResult<()>
where
    A: FromLuaMulti + 'static,
    R: IntoLua + 'static,
{
    let function = lua.create_function(move |lua, arguments: A| {
        let answer =
            catch_unwind(AssertUnwindSafe(|| function(lua, arguments))).unwrap_or_else(|panic| {
                let text = syslua_engine::realize::panic_text(panic.as_ref());
                Err(Error::new(FailureKind::Internal, format!("a bug in sys.lua: {text}"))
                    .with_hint("please report it"))
            });
        Ok(match answer {
            Ok(result) => (true, result.into_lua(lua)?),
            Err(failure) => (false, to_table(lua, &failure)?.into_lua(lua)?),
        })
    })?;
    native.set(name, function)
}

/// Registers a function that neither builds nor evaluations may use: evaluating has no side effect.
pub fn register_outside<A, R>(
    lua: &Lua,
    native: &LuaTable,
    name: &'static str,
    function: impl Fn(&Lua, A) -> Answer<R> + 'static,
) -> LuaResult<()>
where
    A: FromLuaMulti + 'static,
    R: IntoLua + 'static,
{
    register(lua, native, name, move |lua, arguments: A| {
        if state::read(lua, |state| !state.evaluations.is_empty()) {
            return Err(Error::new(
                FailureKind::Config,
                format!("`{name}` of sys.lua cannot be used while a config is evaluated"),
            )
            .with_hint("a config only declares: call it in a script, after syslua.evaluate"));
        }
        function(lua, arguments)
    })
}

/// Registers a function that works for a while, stops when a signal asks it to, and belongs to
/// evaluations.
pub fn register_working<A, R>(
    lua: &Lua,
    native: &LuaTable,
    name: &'static str,
    function: impl Fn(&Lua, A) -> Answer<R> + 'static,
) -> LuaResult<()>
where
    A: FromLuaMulti + 'static,
    R: IntoLua + 'static,
{
    register(lua, native, name, move |lua, arguments: A| {
        signals::while_working(|| function(lua, arguments))
    })
}

/// Registers a verb: a function that works for a while, and stops when a signal asks it to.
/// Evaluations cannot use it.
pub fn register_verb<A, R>(
    lua: &Lua,
    native: &LuaTable,
    name: &'static str,
    function: impl Fn(&Lua, A) -> Answer<R> + 'static,
) -> LuaResult<()>
where
    A: FromLuaMulti + 'static,
    R: IntoLua + 'static,
{
    register_outside(lua, native, name, move |lua, arguments: A| {
        signals::while_working(|| function(lua, arguments))
    })
}

/// Returns a failure as a table.
pub fn to_table(lua: &Lua, failure: &Failure) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.set("kind", failure.kind.word())?;
    table.set("message", failure.message.as_str())?;
    table.set("position", failure.position.as_deref())?;
    table.set("hint", failure.hint.as_deref())?;
    table.set("details", failure.details.as_deref())?;
    if !failure.mismatches.is_empty() {
        let mismatches = failure.mismatches.iter().map(|mismatch| {
            let entry = lua.create_table()?;
            entry.set("position", mismatch.position.as_deref())?;
            entry.set("url", mismatch.url.as_str())?;
            entry.set("expected", mismatch.expected.as_str())?;
            entry.set("found", mismatch.found.as_str())?;
            Ok(entry)
        });
        table.set("mismatches", mismatches.collect::<LuaResult<Vec<_>>>()?)?;
    }
    Ok(table)
}

/// Returns a table that the Lua side made as a failure; anything else is shown as it is. A table of
/// a config may have a kind of its own: it counts as an error of that config.
pub fn from_lua(value: &LuaValue) -> Error {
    let LuaValue::Table(table) = value else {
        return Error::new(
            FailureKind::Config,
            value.to_string().unwrap_or_else(|_| "an error without text".to_owned()),
        );
    };
    let text = |key: &str| table.raw_get::<Option<String>>(key).ok().flatten();
    let kind = text("kind").map(|word| FailureKind::parse(&word).unwrap_or(FailureKind::Error));
    Failure {
        kind: kind.unwrap_or(FailureKind::Config),
        message: text("message").unwrap_or_else(|| "an error without text".to_owned()),
        position: text("position"),
        hint: text("hint"),
        details: text("details"),
        mismatches: mismatches_from(table),
    }
    .into()
}

fn mismatches_from(table: &LuaTable) -> Vec<Mismatch> {
    let entries =
        table.raw_get::<Option<Vec<LuaTable>>>("mismatches").ok().flatten().unwrap_or_default();
    let read = |entry: &LuaTable| {
        let text = |key: &str| entry.raw_get::<Option<String>>(key).ok().flatten();
        Some(Mismatch {
            position: text("position"),
            url: text("url")?,
            expected: text("expected")?,
            found: text("found")?,
        })
    };
    entries.iter().filter_map(read).collect()
}
