//! A Lua coroutine as a task of the scheduler.
//!
//! The Lua side (`syslua.context`) runs the coroutine by Lua's own `coroutine.resume`; here its
//! requests become operations, and their results its answers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::api::operation_failure;
use syslua_engine::derivation::Recipe;
use syslua_engine::failure::{Failure, FailureKind};
use syslua_engine::hash::Hash;
use syslua_engine::operation::{Error as OperationError, Field, Fields, Request, Response};
use syslua_engine::platform;
use syslua_engine::realize::{Build, Step, Task, Tasks};
use syslua_engine::store::Store;
use syslua_engine::value::{Source, Value};

use crate::capture::{Moment, check};
use crate::console::interrupt::interrupt;
use crate::console::loops;
use crate::error::{Answer, Error, from_lua, to_table};
use crate::values::convert::from_value;
use crate::values::handles::{DEPENDENCY, handle_of, source_of};
use crate::{inputs, state};

/// Makes tasks of the functions that configs declared in this Lua state.
pub struct LuaTasks<'a> {
    lua: &'a Lua,
    /// The config whose lock is written when the builds are over.
    config: Option<&'a Path>,
    /// What was written into it.
    locks: Option<Vec<LuaTable>>,
}

impl<'a> LuaTasks<'a> {
    /// Makes it.
    pub fn new(lua: &'a Lua) -> LuaTasks<'a> {
        LuaTasks { lua, config: None, locks: None }
    }

    /// Has the lock of a config be written when the builds are over.
    #[must_use]
    pub fn locking(self, config: Option<&'a Path>) -> LuaTasks<'a> {
        LuaTasks { config, ..self }
    }

    /// Returns what was written into the lock, where that was done.
    pub fn into_locks(self) -> Option<Vec<LuaTable>> {
        self.locks
    }

    fn context(&self) -> LuaResult<LuaTable> {
        self.lua.globals().get::<LuaFunction>("require")?.call("syslua.context")
    }

    fn task(&self, build: Arc<Build>, in_place: bool) -> Answer<Box<dyn Task>> {
        let derivation = &build.derivation;
        let config = state::config(self.lua, derivation.hash)?;
        let config = config.ok_or_else(|| {
            Error::new(
                FailureKind::Build,
                format!("{} was declared by another run of Lua", derivation.spec.name),
            )
            .with_hint("evaluate the config again")
        })?;
        let Recipe::Function { opts, config: captured } = &derivation.spec.recipe else {
            return Err(Error::new(FailureKind::Internal, "a file is built without Lua"));
        };
        check(self.lua, &config, derivation.hash, captured, Moment::Before)?;
        let opts = options_for(self.lua, &build, opts)?;
        let context = self.context()?;
        let places = places(self.lua, &build)?;
        let perform = perform(self.lua, &build)?;
        let begin: LuaFunction = context.get("begin")?;
        let task: LuaTable = begin.call((perform, places, &config, opts, in_place))?;
        let resume = context.get("resume")?;
        Ok(Box::new(LuaTask { lua: self.lua.clone(), build, config, task, resume }))
    }

    fn write_locks(&mut self) -> Answer<()> {
        let Some(config) = self.config else { return Ok(()) };
        let locks = inputs::pending(self.lua, config)?;
        inputs::write_pending(self.lua, config)?;
        self.locks = Some(locks);
        Ok(())
    }
}

impl Tasks for LuaTasks<'_> {
    fn begin(&mut self, build: Arc<Build>, in_place: bool) -> Result<Box<dyn Task>, Failure> {
        Ok(self.task(build, in_place)?)
    }

    fn built(&mut self) -> Result<(), Failure> {
        Ok(self.write_locks()?)
    }
}

/// Returns `opts` as `config` sees them: dependencies are realized, sources are paths.
fn options_for(lua: &Lua, build: &Build, opts: &Value) -> Answer<LuaValue> {
    let text = |bytes: &[u8]| resolve(build, bytes);
    let special = |value: &Value| match value {
        Value::Source(source) => {
            Ok(lua.create_string(source_path(build, source)).map(LuaValue::String)?)
        }
        Value::Derivation(hash) => Ok(dependency(lua, build, *hash).map(LuaValue::Table)?),
        Value::Joined(parts) => {
            let mut whole = Vec::new();
            for part in parts {
                match part {
                    Value::Bytes(bytes) => whole.extend(resolve(build, bytes)?),
                    Value::Source(source) => whole.extend(source_path(build, source)),
                    _ => {}
                }
            }
            Ok(lua.create_string(whole).map(LuaValue::String)?)
        }
        _ => Ok(LuaNil),
    };
    from_value(lua, opts, &text, &special)
}

/// Returns where a build reads a source.
fn source_path(build: &Build, source: &Source) -> Vec<u8> {
    platform::bytes_of_path(&build.workspace.place_of(source)).to_vec()
}

/// Returns the path that a table stands for which was given as one: a handle, a source, or a
/// dependency.
fn path_of(lua: &Lua, build: &Build, table: &LuaTable) -> Answer<Vec<u8>> {
    let name = || "path".to_owned();
    if let Some(source) = source_of(lua, table, &name)? {
        return Ok(source_path(build, &source));
    }
    let main = match handle_of(lua, table, &name)? {
        Some(hash) => dependency(lua, build, hash).and_then(|dependency| dependency.raw_get("out")),
        None => table.raw_get("out"),
    };
    Ok(main.map(|path: LuaString| path.as_bytes().to_vec())?)
}

fn dependency(lua: &Lua, build: &Build, hash: Hash) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    let outputs = lua.create_table()?;
    if let Some(derivation) = state::read(lua, |state| state.derivation(&hash).cloned()) {
        table.raw_set("name", derivation.spec.name.as_str())?;
        table.raw_set(
            "version",
            derivation.spec.version.as_ref().map(|version| version.as_str().to_owned()),
        )?;
        for output in &derivation.spec.outputs {
            let path = lua.create_string(build.output_path(hash, output).unwrap_or_default())?;
            outputs.raw_push(output.as_str())?;
            outputs.raw_set(output.as_str(), &path)?;
            if output.is_main() || !table.contains_key("out")? {
                table.raw_set("out", path)?;
            }
        }
    }
    table.raw_set("outputs", outputs)?;
    // It says why there is no `hash`.
    table.set_metatable(lua.named_registry_value(DEPENDENCY)?)?;
    Ok(table)
}

/// The paths and facts that `ctx` shows.
fn places(lua: &Lua, build: &Build) -> LuaResult<LuaTable> {
    let path = |path: &PathBuf| lua.create_string(platform::bytes_of_path(path));
    let places = lua.create_table()?;
    let outputs = lua.create_table()?;
    for output in &build.derivation.spec.outputs {
        if let Some(place) = build.workspace.outputs.get(output) {
            outputs.raw_set(output.as_str(), path(place)?)?;
            if output.is_main() || !places.contains_key("out")? {
                places.raw_set("out", path(place)?)?;
            }
        }
    }
    places.raw_set("outputs", outputs)?;
    places.raw_set("directory", path(&build.workspace.directory)?)?;
    // Where POSIX puts a zone that needs no data: 14 hours before UTC (`Base Definitions`, 8.3).
    let (zone, locale) =
        if build.workspace.is_check { ("<+14>-14", Some("C.UTF-8")) } else { ("UTC", None) };
    places.raw_set("zone", zone)?;
    places.raw_set("locale", locale)?;
    let system = &build.derivation.spec.system;
    places.raw_set("platform", system.platform.as_str())?;
    places.raw_set("os", system.os.as_str())?;
    places.raw_set("arch", system.arch.as_str())?;
    Ok(places)
}

fn resolve(build: &Build, bytes: &[u8]) -> Answer<Vec<u8>> {
    build.resolve(bytes).map_err(|placeholder| {
        Error::new(
            FailureKind::Build,
            format!(
                "{placeholder} is the placeholder of a derivation that this build does not \
                 depend on"
            ),
        )
        .with_hint("capture its handle or name it in opts")
    })
}

/// Does the same for what names files: captured strings have the place of an input's tree in the
/// cache, and the build has a copy of it.
fn resolve_paths(build: &Build, bytes: &[u8]) -> Answer<Vec<u8>> {
    let mut text = resolve(build, bytes)?;
    let trees = Store::new(&build.workspace.settings.root).input_trees();
    for source in build
        .workspace
        .sources
        .iter()
        .filter(|source| source.path.parent() == Some(trees.as_path()))
    {
        let tree = platform::bytes_of_path(&source.path);
        if memchr::memmem::find(&text, &tree).is_some() {
            text = replace(&text, &tree, &source_path(build, source));
        }
    }
    Ok(text)
}

fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let (mut replaced, mut copied) = (Vec::with_capacity(text.len()), 0);
    for start in memchr::memmem::find_iter(text, old) {
        replaced.extend_from_slice(&text[copied..start]);
        replaced.extend_from_slice(new);
        copied = start + old.len();
    }
    replaced.extend_from_slice(&text[copied..]);
    replaced
}

struct LuaTask {
    lua: Lua,
    build: Arc<Build>,
    config: LuaFunction,
    task: LuaTable,
    resume: LuaFunction,
}

impl Task for LuaTask {
    fn resume(&mut self, answer: Option<Result<Response, OperationError>>) -> Step {
        self.step(answer).unwrap_or_else(|error| Step::Failed(Error::from(error).into()))
    }
}

impl LuaTask {
    fn step(&mut self, answer: Option<Result<Response, OperationError>>) -> LuaResult<Step> {
        let (mut succeeded, mut value) = match answer {
            None => (true, LuaNil),
            Some(answer) => answer_to_lua(&self.lua, &self.build, answer)?,
        };
        let mut was_refused = false;
        loop {
            let (step, payload) = self.resume_coroutine(succeeded, value)?;
            // Whatever it made of that.
            if interrupt().is_set() {
                return Ok(Step::Failed(Failure::interrupted()));
            }
            let ("request", LuaValue::Table(request)) = (step.as_str(), &payload) else {
                return Ok(self.finished(&step, &payload));
            };
            match request_from(&self.lua, &self.build, request) {
                Ok(request) => return Ok(Step::Request(request)),
                Err(error) if was_refused => return Ok(Step::Failed(error.into())),
                // An invalid request is answered like a failed one.
                Err(error) => {
                    was_refused = true;
                    succeeded = false;
                    value = LuaValue::Table(to_table(&self.lua, &error)?);
                }
            }
        }
    }

    /// Resumes the function. During that time, nearly all of the bindings are closed.
    fn resume_coroutine(&self, succeeded: bool, value: LuaValue) -> LuaResult<(String, LuaValue)> {
        state::change(&self.lua, |state| state.is_building = true);
        let coroutine: LuaThread = self.task.raw_get("coroutine")?;
        let result =
            loops::while_resuming(&coroutine, || self.resume.call((&self.task, succeeded, value)));
        state::change(&self.lua, |state| state.is_building = false);
        result
    }

    fn finished(&self, step: &str, payload: &LuaValue) -> Step {
        if step != "finished" && step != "restart" {
            return Step::Failed(from_lua(payload).into());
        }
        // It may have changed what it captures, or a build beside it did.
        let derivation = &self.build.derivation;
        let Recipe::Function { config, .. } = &derivation.spec.recipe else {
            return Step::Finished;
        };
        match check(&self.lua, &self.config, derivation.hash, config, Moment::After) {
            Err(error) => Step::Failed(error.into()),
            Ok(()) if step == "restart" => Step::Restart,
            Ok(()) => Step::Finished,
        }
    }
}

/// Names what is in the build directory as the config does; its own name is long, and gone when one
/// reads it.
fn in_build(build: &Build, message: &str) -> String {
    let directory = build.workspace.directory.display().to_string();
    message.replace(&format!("{directory}/"), "").replace(&directory, "the build directory")
}

fn answer_to_lua(
    lua: &Lua,
    build: &Build,
    answer: Result<Response, OperationError>,
) -> LuaResult<(bool, LuaValue)> {
    Ok(match answer {
        Ok(Response::Done) => (true, LuaNil),
        Ok(Response::Path(path)) => {
            (true, LuaValue::String(lua.create_string(platform::bytes_of_path(&path))?))
        }
        Ok(Response::Output(output)) => (true, LuaValue::String(lua.create_string(output)?)),
        Ok(Response::Names(names)) => {
            let names: LuaResult<Vec<LuaString>> =
                names.iter().map(|name| lua.create_string(name)).collect();
            (true, LuaValue::Table(lua.create_sequence_from(names?)?))
        }
        Ok(Response::Flag(flag)) => (true, LuaValue::Boolean(flag)),
        Err(error) => {
            let mut failure = operation_failure(&error);
            failure.message = in_build(build, &failure.message);
            (false, LuaValue::Table(to_table(lua, &failure)?))
        }
    })
}

/// Returns the function that performs operations of a build at once.
fn perform(lua: &Lua, build: &Arc<Build>) -> LuaResult<LuaFunction> {
    let build = Arc::clone(build);
    lua.create_function(move |lua, request: LuaTable| match request_from(lua, &build, &request) {
        Ok(request) => answer_to_lua(lua, &build, build.perform(request)),
        Err(failure) => Ok((false, LuaValue::Table(to_table(lua, &failure)?))),
    })
}

/// Reads a request of the Lua side: the name of its `operation`, and its fields. In `paths` are the
/// names of those that are paths, in `names` of others whose texts name files.
fn request_from(lua: &Lua, build: &Build, request: &LuaTable) -> Answer<Request> {
    let operation: String = request.raw_get("operation")?;
    let paths: Option<LuaTable> = request.raw_get("paths")?;
    let names: Option<LuaTable> = request.raw_get("names")?;
    let is_in = |set: &Option<LuaTable>, name: &LuaString| match set {
        Some(set) => set.raw_get::<bool>(name),
        None => Ok(false),
    };
    let mut fields = Vec::new();
    for pair in request.pairs::<LuaString, LuaValue>() {
        let (name, value) = pair?;
        if matches!(&*name.as_bytes(), b"operation" | b"paths" | b"names") {
            continue;
        }
        let field = match &value {
            LuaValue::Table(table) if is_in(&paths, &name)? => {
                Field::Bytes(path_of(lua, build, table)?)
            }
            value if is_in(&paths, &name)? || is_in(&names, &name)? => {
                field_from(value, &|text| resolve_paths(build, text))?
            }
            value => field_from(value, &|text| resolve(build, text))?,
        };
        fields.push((name.as_bytes().to_vec(), field));
    }
    let fields = Fields::from_iter(fields);
    let request = Request::read(&operation, &fields, &build.workspace.settings);
    Ok(request.map_err(|error| operation_failure(&error))?)
}

/// Makes a field of a value, whose types the Lua side checked; its texts pass through `resolve`.
fn field_from(value: &LuaValue, resolve: &dyn Fn(&[u8]) -> Answer<Vec<u8>>) -> Answer<Field> {
    Ok(match value {
        LuaValue::String(text) => Field::Bytes(resolve(&text.as_bytes())?),
        LuaValue::Integer(number) => Field::Number(*number as f64),
        LuaValue::Number(number) => Field::Number(*number),
        LuaValue::Boolean(flag) => Field::Flag(*flag),
        LuaValue::Table(table) if table.raw_len() > 0 => {
            let items = table.sequence_values::<LuaValue>();
            Field::List(items.map(|item| field_from(&item?, resolve)).collect::<Answer<_>>()?)
        }
        LuaValue::Table(table) => {
            let pairs = table.pairs::<LuaString, LuaValue>().map(|pair| {
                let (name, value) = pair?;
                Ok((name.as_bytes().to_vec(), field_from(&value, resolve)?))
            });
            Field::Table(pairs.collect::<Answer<_>>()?)
        }
        other => {
            let what = format!("a request has a {}", other.type_name());
            return Err(Error::new(FailureKind::Internal, what));
        }
    })
}
