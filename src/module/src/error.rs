//! The error of the bindings, and its conversion to Lua: `false` and a table, which the Lua side
//! raises.

use std::fmt::Display;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use mlua::prelude::*;
use syslua_engine::failure::{Failure, FailureKind, Mismatch, chain};

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

impl From<syslua_engine::api::Error> for Error {
    fn from(error: syslua_engine::api::Error) -> Error {
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

    /// The same, with what failed before the words of the error.
    ///
    /// # Errors
    /// When the result is one.
    fn or_fail_with(self, kind: FailureKind, what: impl Display) -> Answer<T>;
}

impl<T, E: std::error::Error> OrFail<T> for Result<T, E> {
    fn or_fail(self, kind: FailureKind) -> Answer<T> {
        self.map_err(|error| Error::new(kind, chain(&error)))
    }

    fn or_fail_with(self, kind: FailureKind, what: impl Display) -> Answer<T> {
        self.map_err(|error| Error::new(kind, format!("{what}: {error}")))
    }
}

/// Makes an answer of a result about a document of secrets.
pub trait InFile<T> {
    /// Adds the name of the document to an error.
    ///
    /// # Errors
    /// When the result is one.
    fn in_file(self, path: &Path) -> Answer<T>;
}

impl<T> InFile<T> for Result<T, syslua_secrets::Problem> {
    fn in_file(self, path: &Path) -> Answer<T> {
        self.map_err(|problem| problem.in_file(path).into())
    }
}

/// Returns the absolute path that a path means; `what` says which path it is.
///
/// # Errors
/// When it is empty, or the working directory is unusable.
pub fn absolute_path(path: &Path, what: impl Display) -> Answer<PathBuf> {
    std::path::absolute(path).or_fail_with(FailureKind::Usage, format!("{what} is unusable"))
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

/// Returns the first of several failures, with what the others say.
pub fn joined(mut failures: Vec<Failure>) -> Error {
    let mut first = failures.remove(0);
    if first.kind != FailureKind::Interrupted && !failures.is_empty() {
        let others = failures.iter().map(|failure| match &failure.position {
            Some(position) => format!("{position}: {}", failure.message),
            None => failure.message.clone(),
        });
        first.details = Some(others.collect::<Vec<_>>().join("\n"));
    }
    first.into()
}
