//! `bindings.plan`, `bindings.apply` and `bindings.status`.

use mlua::prelude::*;
use serde::Serialize;
use syslua_engine::api::{ApplyOptions, Error as EngineError, PlanOptions};
use syslua_engine::failure::FailureKind;
use syslua_engine::generations::Ahead;
use syslua_engine::settings::{Event, Mode};
use syslua_engine::store::Access;

use crate::error::{Answer, Error};
use crate::manifests::manifest_of;
use crate::options::Options;
use crate::register::register_verb;
use crate::task::LuaTasks;
use crate::{inputs, pins, state};

/// Returns a report as a table, in which what is absent is `nil`.
pub fn report(lua: &Lua, report: &impl Serialize) -> Answer<LuaValue> {
    let options =
        LuaSerializeOptions::new().serialize_none_to_null(false).serialize_unit_to_null(false);
    Ok(lua.to_value_with(report, options)?)
}

/// Takes the snapshot that is read since the evaluation began.
fn take_ahead(lua: &Lua) -> Option<Ahead> {
    state::change(lua, |state| state.ahead.take()).flatten()
}

fn plan(lua: &Lua, manifest: &LuaValue, table: Option<&LuaTable>) -> Answer<LuaValue> {
    let mut options = Options::read(lua, table)?;
    let flag = |name: &str| match table {
        Some(table) => table.get::<Option<bool>>(name).map(Option::unwrap_or_default),
        None => Ok(false),
    };
    let build = flag("build")?;
    let told = PlanOptions {
        diff: flag("diff")?,
        brief: flag("brief")?,
        refresh_secrets: flag("refresh_secrets")?,
    };
    let manifest = manifest_of(lua, manifest)?;
    options.settings.pins = pins::pins_for(lua, manifest.config_path.as_deref(), table)?;
    let engine = options.engine(Access::Work)?.with_current(take_ahead(lua));
    let planned = if build {
        engine.plan_built(&manifest, told, &mut LuaTasks::new(lua))
    } else {
        engine.plan(&manifest, told)
    };
    report(lua, &planned?)
}

/// Reads whether the commands of secrets run again.
fn refreshes(options: Option<&LuaTable>) -> Answer<bool> {
    let Some(options) = options else { return Ok(false) };
    let given = options.get::<Option<bool>>("refresh_secrets")?;
    Ok(given.unwrap_or(false))
}

/// Reads for how many seconds a switch waits to be confirmed.
fn confirm(options: Option<&LuaTable>) -> Answer<Option<f64>> {
    let Some(options) = options else { return Ok(None) };
    let seconds = options.get::<Option<f64>>("confirm")?;
    match seconds {
        Some(seconds) if !(seconds > 0.0 && seconds.is_finite()) => {
            Err(Error::new(FailureKind::Usage, "`confirm`: expected a number of seconds above 0"))
        }
        seconds => Ok(seconds),
    }
}

fn apply(lua: &Lua, manifest: &LuaValue, options: Option<&LuaTable>) -> Answer<LuaValue> {
    let mut given = Options::read(lua, options)?;
    if given.mode == Mode::Preview {
        let planned = plan(lua, manifest, options)?;
        if let LuaValue::Table(planned) = &planned {
            planned.set("applied", false)?;
        }
        return Ok(planned);
    }
    let manifest = manifest_of(lua, manifest)?;
    given.settings.pins = pins::pins_for(lua, manifest.config_path.as_deref(), options)?;
    let engine = given.engine(Access::Work)?.with_current(take_ahead(lua));
    let brief = options.map(|options| options.get::<Option<bool>>("brief")).transpose()?;
    let asked = ApplyOptions {
        brief: brief.flatten().unwrap_or(false),
        description: given.description.clone(),
        confirm: confirm(options)?,
        refresh_secrets: refreshes(options)?,
    };
    let config = manifest.config_path.as_deref();
    if let Some(config) = config {
        inputs::check_pending(lua, config, options)?;
    }
    let mut tasks = LuaTasks::new(lua).locking(config);
    let applied = engine.apply(&manifest, &asked, &mut tasks);
    // What was resolved is locked also when a build failed: the next try begins with the same. What
    // is refused changes nothing.
    let is_refused = matches!(&applied, Err(error) if !matches!(error, EngineError::Realize(_)));
    let (locks, locked) = match (tasks.into_locks(), config) {
        (Some(locks), _) => (locks, Ok(false)),
        (None, Some(config)) if !is_refused => {
            (inputs::pending(lua, config)?, inputs::write_pending(lua, config))
        }
        (None, _) => (Vec::new(), Ok(false)),
    };
    let applied = applied?;
    locked?;
    if applied.new_snapshot.is_some() {
        // Only a memory: what was applied does not depend on it.
        let saved = state::change(lua, |state| state.sources.save(engine.store()));
        if let Some(Err(error)) = saved {
            given.settings.events.send(Event::Warning { message: error.to_string() });
        }
    }
    let report = report(lua, &applied)?;
    if let LuaValue::Table(report) = &report
        && !locks.is_empty()
    {
        report.raw_set("locks", locks)?;
    }
    Ok(report)
}

fn has_flag(options: Option<&LuaTable>, name: &str) -> bool {
    options.is_some_and(|options| {
        options.get::<Option<bool>>(name).is_ok_and(|flag| flag == Some(true))
    })
}

fn status(lua: &Lua, table: Option<&LuaTable>) -> Answer<LuaValue> {
    let options = Options::read(lua, table)?;
    let mut status = options.engine(Access::Look)?.status()?;
    if has_flag(table, "drift_only") {
        status.targets.retain(|target| target.state != "ok");
    }
    report(lua, &status)
}

/// Registers the three.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_verb(
        lua,
        native,
        "plan",
        |lua, (manifest, options): (LuaValue, Option<LuaTable>)| {
            plan(lua, &manifest, options.as_ref())
        },
    )?;
    register_verb(
        lua,
        native,
        "apply",
        |lua, (manifest, options): (LuaValue, Option<LuaTable>)| {
            apply(lua, &manifest, options.as_ref())
        },
    )?;
    register_verb(lua, native, "status", |lua, options: Option<LuaTable>| {
        status(lua, options.as_ref())
    })
}
