//! `bindings.history`, `needs_builds`, `rollback`, `gc`, `destroy`, `diff_snapshots`, `confirm`,
//! `revert` and `watch`.

use std::time::Duration;

use mlua::prelude::*;
use syslua_engine::api::GcOptions;
use syslua_engine::failure::FailureKind;
use syslua_engine::names::SnapshotId;
use syslua_engine::store::Access;

use crate::apply::report;
use crate::error::{Answer, Error};
use crate::options::Options;
use crate::register::{register as register_function, register_outside, register_verb};

/// Reads the number of a snapshot, which Lua gives as a text or a number.
fn snapshot_id(given: Option<&str>) -> Answer<Option<SnapshotId>> {
    let parse = |text: &str| {
        SnapshotId::parse(text).map_err(|_| {
            Error::new(FailureKind::Usage, format!("`{text}` is not the number of a snapshot"))
                .with_hint("`history` lists them")
        })
    };
    given.map(parse).transpose()
}

fn rollback(lua: &Lua, id: Option<&str>, table: Option<&LuaTable>) -> Answer<LuaValue> {
    let options = Options::read(lua, table)?;
    let engine = options.engine(Access::Work)?;
    let result = engine.rollback(snapshot_id(id)?, options.mode);
    report(lua, &result?)
}

fn destroy(lua: &Lua, table: Option<&LuaTable>) -> Answer<LuaValue> {
    let options = Options::read(lua, table)?;
    let engine = options.engine(Access::Work)?;
    let result = engine.destroy(options.mode);
    report(lua, &result?)
}

/// Reads what belongs to `gc` only: `keep`, a number of snapshots, and `older_than`, seconds.
fn gc_options(table: Option<&LuaTable>) -> Answer<GcOptions> {
    let Some(table) = table else { return Ok(GcOptions::default()) };
    let wrong = |text: &'static str| move |_| Error::new(FailureKind::Usage, text);
    let keep = wrong("`keep`: expected a number of snapshots, 1 or more");
    let kept = table.get::<Option<usize>>("keep").map_err(|_| keep(()))?;
    if kept == Some(0) {
        return Err(keep(()));
    }
    let older = wrong("`older_than`: expected a number of seconds, 0 or more");
    let seconds = table.get::<Option<f64>>("older_than").map_err(|_| older(()))?;
    let older_than = seconds.map(Duration::try_from_secs_f64).transpose().map_err(|_| older(()))?;
    Ok(GcOptions { keep: kept, older_than })
}

fn gc(lua: &Lua, table: Option<&LuaTable>) -> Answer<LuaValue> {
    let options = Options::read(lua, table)?;
    let engine = options.engine(Access::Work)?;
    let result = engine.gc(gc_options(table)?, options.mode);
    report(lua, &result?)
}

fn revert(lua: &Lua, mark: &str, table: Option<&LuaTable>) -> Answer<bool> {
    let options = Options::read(lua, table)?;
    let engine = options.engine(Access::Work)?;
    Ok(engine.revert(mark)?)
}

/// Registers them.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_outside(lua, native, "history", |lua, table: Option<LuaTable>| {
        let options = Options::read(lua, table.as_ref())?;
        report(lua, &options.engine(Access::Look)?.history()?)
    })?;
    register_verb(
        lua,
        native,
        "needs_builds",
        |lua, (id, table): (Option<String>, Option<LuaTable>)| {
            let engine = Options::read(lua, table.as_ref())?.engine(Access::Work)?;
            Ok(engine.needs_builds(snapshot_id(id.as_deref())?)?.map(|id| id.0))
        },
    )?;
    register_verb(
        lua,
        native,
        "rollback",
        |lua, (id, table): (Option<String>, Option<LuaTable>)| {
            rollback(lua, id.as_deref(), table.as_ref())
        },
    )?;
    register_verb(lua, native, "gc", |lua, table: Option<LuaTable>| gc(lua, table.as_ref()))?;
    register_verb(lua, native, "destroy", |lua, table: Option<LuaTable>| {
        destroy(lua, table.as_ref())
    })?;
    register_outside(
        lua,
        native,
        "diff_snapshots",
        |lua, (first, second, table): (Option<String>, Option<String>, Option<LuaTable>)| {
            let options = Options::read(lua, table.as_ref())?;
            let (first, second) = (snapshot_id(first.as_deref())?, snapshot_id(second.as_deref())?);
            let with_text =
                table.as_ref().is_some_and(|table| table.get::<bool>("text").unwrap_or(false));
            let result = options.engine(Access::Look)?.diff_snapshots(first, second, with_text);
            report(lua, &result?)
        },
    )?;
    register_outside(lua, native, "confirm", |lua, table: Option<LuaTable>| {
        let options = Options::read(lua, table.as_ref())?;
        let engine = options.engine(Access::Work)?;
        report(lua, &engine.confirm()?)
    })?;
    register_verb(lua, native, "revert", |lua, (mark, table): (String, Option<LuaTable>)| {
        revert(lua, &mark, table.as_ref())
    })?;
    register_outside(lua, native, "watch", |lua, (mark, table): (String, Option<LuaTable>)| {
        let options = Options::read(lua, table.as_ref())?;
        let engine = options.engine(Access::Work)?;
        Ok(engine.watch(&mark)?)
    })?;
    // Leaves the session of the terminal, to survive its end.
    register_function(lua, native, "leave_session", |_, ()| {
        Ok(syslua_engine::platform::leave_session())
    })
}
