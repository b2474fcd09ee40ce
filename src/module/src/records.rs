//! What an evaluation records: actions in their scope, and the places of declarations.

use mlua::prelude::*;
use syslua_engine::action::Action;
use syslua_engine::activation::{DeclaredAction, Overridden, Project};
use syslua_engine::failure::FailureKind;
use syslua_engine::platform;
use syslua_engine::value::{Positions, Text};

use crate::error::{Answer, Error, OrFail};
use crate::state::{self, Scope, Ticket};
use crate::values::convert::{FieldPath, to_value};

/// Reads an action that the Lua side recorded.
///
/// # Errors
/// When the engine knows no such action.
pub fn action(lua: &Lua, table: &LuaTable) -> Answer<Action> {
    let value = to_value(lua, &LuaValue::Table(table.clone()), &FieldPath::top("action"))?;
    serde_json::from_value(value.to_json())
        .or_fail_with(FailureKind::Internal, "an action that the engine does not know")
}

/// Records an action that the Lua side describes. `explained` are the number by which it won, and
/// over which others.
pub fn record(
    lua: &Lua,
    table: &LuaTable,
    positions: Positions,
    explained: Option<&LuaTable>,
) -> Answer<bool> {
    let mut activation = DeclaredAction::new(action(lua, table)?, positions);
    if let Some(explained) = explained {
        Explained::read(explained)?.note(&mut activation);
    }
    record_in_scope(lua, activation, None).map(|()| true)
}

/// By which number a declaration won, and over which others.
#[derive(Clone, Debug, Default)]
pub struct Explained {
    priority: Option<i64>,
    overridden: Vec<Overridden>,
}

impl Explained {
    /// Reads the fields `priority` and `overridden` of a table.
    ///
    /// # Errors
    /// When the table is not as the Lua side makes it.
    pub fn read(table: &LuaTable) -> LuaResult<Explained> {
        let loser = |loser: LuaTable| {
            Ok(Overridden {
                value: Text(loser.raw_get::<LuaString>("value")?.as_bytes().to_vec()),
                priority: loser.raw_get("priority")?,
                positions: loser.raw_get::<Vec<String>>("positions")?.into(),
            })
        };
        let overridden: Option<Vec<LuaTable>> = table.raw_get("overridden")?;
        let overridden = overridden.into_iter().flatten().map(loser).collect::<LuaResult<_>>()?;
        Ok(Explained { priority: table.raw_get("priority")?, overridden })
    }

    /// Notes it in the action.
    pub fn note(self, activation: &mut DeclaredAction) {
        activation.priority = self.priority;
        activation.overridden = self.overridden;
    }
}

/// Records an action in the scope that is set: at the end, or at a place in the order of
/// declaration.
///
/// # Errors
/// When no evaluation is under way, or the scope takes no such action.
pub fn record_in_scope(lua: &Lua, activation: DeclaredAction, order: Option<usize>) -> Answer<()> {
    let recorded = state::change(lua, |state| match state.evaluations.last_mut() {
        Some(evaluation) => evaluation.record(activation, order),
        None => Err(Error::new(
            FailureKind::Config,
            "activate{} works only while a config is evaluated",
        )
        .with_hint("call it in setup()")),
    });
    recorded.unwrap_or_else(|| Err(Error::in_use()))
}

pub fn set_scope(
    lua: &Lua,
    user: Option<String>,
    home: &LuaString,
    project: Option<&LuaTable>,
) -> Answer<bool> {
    let user = user.map(|name| (name, platform::path_from_bytes(&home.as_bytes())));
    let project = project.map(|project| -> Answer<Project> {
        let path = project.raw_get::<Option<LuaString>>("path")?;
        Ok(Project {
            name: project.raw_get("name")?,
            path: path.map(|path| Text(path.as_bytes().to_vec())),
        })
    });
    let project = project.transpose()?;
    state::change(lua, |state| {
        if let Some(evaluation) = state.evaluations.last_mut() {
            evaluation.scope = Scope { user, project };
        }
    });
    Ok(true)
}

/// The failure of a `file{}` outside of an evaluation.
pub fn outside() -> Error {
    Error::new(FailureKind::Config, "file{} works only while a config is evaluated")
}

/// Adds a place of declaration; returns its number.
///
/// # Errors
/// Outside of an evaluation.
pub fn add_ticket_at(lua: &Lua, positions: Positions) -> Answer<usize> {
    let number =
        state::change(lua, |state| Some(state.evaluations.last_mut()?.add_ticket(positions)))
            .flatten();
    number.ok_or_else(outside)
}

/// Returns the place of declaration of a number.
///
/// # Errors
/// When there is none.
pub fn ticket(lua: &Lua, number: usize) -> Answer<Ticket> {
    let ticket = state::read(lua, |state| state.evaluations.last()?.ticket(number).cloned());
    ticket.ok_or_else(|| Error::new(FailureKind::Internal, "there is no such declaration"))
}

/// Adds the line of a declaration to a failure that has none.
pub fn at(lua: &Lua, number: usize) -> impl Fn(Error) -> Error {
    move |mut error| {
        error.position =
            error.position.take().or_else(|| ticket(lua, number).ok()?.positions.first().cloned());
        error
    }
}
