//! `bindings.open_lock`, `resolve_inputs`, `write_lock` and their kin.
//!
//! It is over 600 lines, because all that reads or changes the lock of a config is here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::failure::{Failure, FailureKind};
use syslua_engine::hash::Hash;
use syslua_engine::inputs::{
    self, Change, Changes, Declarer, InputAddress, LockFile, Move, Request, Resolved, SealedPart,
    ToolChange, Written, redact,
};
use syslua_engine::lock::{LockedInput, is_name};
use syslua_engine::pins::{PinChange, Pins, Rule};
use syslua_engine::platform;
use syslua_engine::store::Store;
use syslua_engine::trust::Project;
use syslua_engine::value::Text;
use zeroize::Zeroizing;

use crate::error::{Answer, Error, OrFail, joined, to_table};
use crate::given::Piece;
use crate::locks::{LockSession, PendingLock, config_path};
use crate::options::{Options, flag};
use crate::register::{register as register_function, register_verb, register_working};
use crate::{pins, state};

fn not_evaluating() -> Error {
    Error::new(FailureKind::Internal, "no evaluation is under way")
}

fn is_restored(lua: &Lua) -> bool {
    state::read(lua, |state| {
        state.evaluations.last().is_some_and(|evaluation| !evaluation.places.is_empty())
    })
}

/// Reads the lock of a config; returns the keys of its inputs.
fn open_lock(lua: &Lua, entry: &LuaString, options: Option<&LuaTable>) -> Answer<Vec<String>> {
    let entry = platform::path_from_bytes(&entry.as_bytes());
    let is_restored = is_restored(lua);
    let mut path = inputs::place_of(&entry);
    if is_restored {
        // The directory may be another one by now: the copy has it by the path of that time.
        let beside = entry.with_file_name(syslua_engine::lock::FILE_NAME);
        let is_copied = |path: &PathBuf| state::locate(lua, path.clone()) != *path;
        path = if is_copied(&path) { path } else { beside };
    }
    let file = LockFile::read(&path, &state::locate(lua, path.clone()))?;
    let expected =
        options.map(|options| options.raw_get::<Option<String>>("lock_sha256")).transpose();
    if let Some(expected) = expected?.flatten()
        && file.text.as_ref().map_or_else(String::new, |text| Hash::of(text).to_hex()) != expected
    {
        let message = format!("{} has changed since it was trusted", path.display());
        return Err(Error::new(FailureKind::Untrusted, message)
            .with_hint("`sys shell --trust` lists the files and asks"));
    }
    let keys = file.lock.inputs.keys().cloned().collect();
    let session = LockSession {
        file,
        inputs: BTreeMap::new(),
        tools: BTreeMap::new(),
        is_frozen: flag(options, "locked")?,
        is_restored,
        failures: Vec::new(),
        once: Arc::default(),
    };
    state::change(lua, |state| {
        state
            .evaluations
            .last_mut()
            .map(|evaluation| evaluation.lock = Some(session))
            .ok_or_else(not_evaluating)
    })
    .unwrap_or_else(|| Err(not_evaluating()))?;
    Ok(keys)
}

/// Reads a request of the Lua side.
fn request(lua: &Lua, table: &LuaTable) -> Answer<Request> {
    let text = |name: &str| table.raw_get::<Option<LuaString>>(name);
    let required = |name: &str| -> Answer<String> {
        Ok(text(name)?.map_or_else(String::new, |text| text.to_string_lossy()))
    };
    let path = |name: &str| -> Answer<Option<PathBuf>> {
        Ok(text(name)?.map(|text| platform::path_from_bytes(&text.as_bytes())))
    };
    let flag =
        |name: &str| -> Answer<bool> { Ok(table.raw_get::<Option<bool>>(name)?.unwrap_or(false)) };
    let (key, directory) = (required("key")?, path("directory")?.unwrap_or_default());
    let declarer = match path("tree")? {
        Some(tree) => Declarer::Foreign { directory, tree, is_local: flag("is_local")? },
        None => Declarer::Own(directory),
    };
    let locked = state::read(lua, |state| {
        let session = state.evaluations.last().and_then(|evaluation| evaluation.lock.as_ref());
        session.and_then(|session| session.file.lock.inputs.get(&key).cloned())
    });
    let url = required("url")?;
    // What names it moved: it may name another address now.
    let has_other = locked.as_ref().is_some_and(|locked: &LockedInput| locked.url != url);
    let refresh = flag("refresh")? || flag("moved")? && has_other;
    Ok(Request {
        key,
        url,
        auth: text("auth")?.map(|text| Zeroizing::new(text.to_string_lossy())),
        sealed_auth: sealed(table)?,
        github: text("github")?.map(|text| text.to_string_lossy()),
        strip: table.raw_get("strip")?,
        declarer,
        locked,
        refresh,
        position: text("position")?.map(|text| text.to_string_lossy()),
    })
}

/// Reads a token that is a secret.
fn sealed(table: &LuaTable) -> Answer<Option<Vec<SealedPart>>> {
    let Some(parts) = table.raw_get::<Option<Vec<LuaValue>>>("sealed_auth")? else {
        return Ok(None);
    };
    let (key, position) =
        (table.raw_get::<String>("key")?, table.raw_get::<Option<String>>("position")?);
    let part = |value| match Piece::read(value)? {
        Piece::Plain(text) => Ok(SealedPart::Plain(text)),
        Piece::Value { name, content, key, .. } => {
            Ok(SealedPart::Value { name: platform::path_from_bytes(&name), content, key })
        }
        Piece::Template { .. } | Piece::Command(_) => {
            let message = format!(
                "`auth` of the input `{key}` is a secret that only a switch makes: \
                 inputs are fetched before"
            );
            Err(Error::new(FailureKind::Config, message)
                .with_hint("take a value of a document: auth = sops.load(FILE).KEY")
                .at(position.clone()))
        }
    };
    parts.into_iter().map(part).collect::<Answer<_>>().map(Some)
}

/// Refuses what `--locked` does not allow.
fn check_frozen(requests: &[Request]) -> Answer<()> {
    match requests.iter().find(|request| request.locked.is_none()) {
        Some(request) => Err(Error::new(
            FailureKind::Lock,
            format!(
                "the input `{}` is not in syslua.lock, and --locked forbids adding it",
                request.key
            ),
        )
        .with_hint("apply once without --locked, and commit syslua.lock")
        .at(request.position.clone())),
        None => Ok(()),
    }
}

/// Keeps an input of the lock as it is, without looking for its tree; returns its address and when
/// it was made, where the lock has it. With an address, only when it has it from there.
fn keep(lua: &Lua, key: &str, url: Option<&str>) -> Answer<Option<LuaTable>> {
    let entry = state::change(lua, |state| {
        let session = state.evaluations.last_mut()?.lock.as_mut()?;
        let entry = session.file.lock.inputs.get(key)?.clone();
        if url.is_some_and(|url| entry.url != url) {
            return None;
        }
        session.inputs.insert(key.to_owned(), entry.clone());
        Some(entry)
    });
    Ok(entry.flatten().map(|entry| entry_table(lua, &entry)).transpose()?)
}

/// Returns an input of a config that is restored from a copy: the copy has the files, whether its
/// tree is in the cache or not.
fn restored(root: &Path, request: &Request) -> Answer<Resolved> {
    let missing = || {
        Error::new(
            FailureKind::Lock,
            format!("the copy of the lock has no input `{}`", request.key),
        )
    };
    let entry = request.locked.clone().ok_or_else(missing)?;
    let address = InputAddress::parse(&request.url).or_fail(FailureKind::Input)?;
    let tree =
        entry.sha256.map(|sha256| (Store::new(root).input_trees().join(sha256.to_hex()), sha256));
    let path = match (&tree, &address.dir, &address.origin) {
        (Some((tree, _)), Some(dir), _) => tree.join(dir),
        (Some((tree, _)), None, _) => tree.clone(),
        (None, _, inputs::Origin::Path(path)) => {
            let (Declarer::Own(directory) | Declarer::Foreign { directory, .. }) =
                &request.declarer;
            platform::normalize(&directory.join(path))
        }
        (None, ..) => return Err(missing()),
    };
    Ok(Resolved { path, tree, entry, notices: Vec::new(), is_local: address.is_local() })
}

/// Resolves inputs. Those that were to move and cannot be looked up stay as they are locked, and
/// are noted.
fn resolve_or_keep(
    lua: &Lua,
    given: &Options,
    requests: &[Request],
) -> Vec<Result<Resolved, Failure>> {
    let session = |state: &state::State| {
        let lock = state.evaluations.last()?.lock.as_ref()?;
        Some(Arc::clone(&lock.once))
    };
    let once = state::read(lua, session).unwrap_or_default();
    let mut memory =
        state::change(lua, |state| std::mem::take(&mut state.sources)).unwrap_or_default();
    let settings = &given.settings;
    let mut answers = inputs::resolve(settings, requests, &mut memory, &once);
    let mut failures = Vec::new();
    for (request, answer) in requests.iter().zip(&mut answers) {
        let Err(failure) = answer else { continue };
        if !request.refresh || request.locked.is_none() || failure.kind == FailureKind::Interrupted
        {
            continue;
        }
        let kept = Request { refresh: false, ..request.clone() };
        let again = inputs::resolve(settings, &[kept], &mut memory, &once).pop();
        if let Some(Ok(resolved)) = again {
            failures.push((request.key.clone(), failure.clone()));
            *answer = Ok(resolved);
        }
    }
    state::change(lua, |state| {
        state.sources = memory;
        let evaluation = state.evaluations.last_mut();
        if let Some(lock) = evaluation.and_then(|evaluation| evaluation.lock.as_mut()) {
            lock.failures.extend(failures);
        }
    });
    answers
}

/// Resolves inputs side by side; returns a table for each, in their order.
fn resolve(lua: &Lua, tables: &[LuaTable], options: Option<&LuaTable>) -> Answer<Vec<LuaTable>> {
    let given = Options::read(lua, options)?;
    let requests = tables.iter().map(|table| request(lua, table)).collect::<Answer<Vec<_>>>()?;
    let is_frozen = flag(options, "locked")?;
    let answers = if is_restored(lua) {
        requests.iter().map(|request| Ok(restored(&given.settings.root, request)?)).collect()
    } else {
        if is_frozen {
            check_frozen(&requests)?;
        }
        resolve_or_keep(lua, &given, &requests)
    };
    let mut resolved = Vec::with_capacity(answers.len());
    let mut failures = Vec::new();
    for answer in answers {
        match answer {
            Ok(input) => resolved.push(input),
            Err(failure) => failures.push(failure),
        }
    }
    if !failures.is_empty() {
        return Err(joined(failures));
    }
    state::change(lua, |state| {
        let trees = Rc::make_mut(&mut state.input_trees);
        trees.extend(resolved.iter().filter_map(|input| input.tree.clone()));
        let Some(session) =
            state.evaluations.last_mut().and_then(|evaluation| evaluation.lock.as_mut())
        else {
            return;
        };
        session.inputs.extend(
            requests
                .iter()
                .zip(&resolved)
                .map(|(request, input)| (request.key.clone(), input.entry.clone())),
        );
    });
    Ok(resolved.iter().map(|input| input_table(lua, input)).collect::<LuaResult<_>>()?)
}

fn input_table(lua: &Lua, input: &Resolved) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    let path = |path: &Path| lua.create_string(platform::bytes_of_path(path));
    table.raw_set("path", path(&input.path)?)?;
    table.raw_set("url", input.entry.url.as_str())?;
    table.raw_set("rev", input.entry.rev.as_deref())?;
    table.raw_set("sha256", input.entry.sha256.map(Hash::to_hex))?;
    if let Some((tree, _)) = &input.tree {
        table.raw_set("tree", path(tree)?)?;
    }
    table.raw_set("is_local", input.is_local)?;
    table.raw_set("notices", input.notices.as_slice())?;
    Ok(table)
}

/// Ends the work with a lock; returns the text that it is to have, as a file of the config.
///
/// # Errors
/// When something would change in it that must not.
pub fn finish(lua: &Lua, session: LockSession, config: &Path) -> Answer<Option<(Text, Vec<u8>)>> {
    let LockSession { file, inputs, tools, is_frozen, is_restored, failures, once } = session;
    let changes = if is_restored { Vec::new() } else { file.changes(&inputs) };
    if is_frozen && let Some(change) = changes.first() {
        let message = format!(
            "syslua.lock has the input `{}`, which the config does not have, \
             and --locked forbids changes",
            change.key
        );
        return Err(Error::new(FailureKind::Lock, message)
            .with_hint("apply once without --locked, and commit syslua.lock"));
    }
    let tools = if is_restored { Vec::new() } else { file.tool_changes(&tools) };
    let foreseen = Changes { inputs: &changes, tools: &tools, pins: &[] };
    let text = file.text_after(foreseen);
    let path = Text(platform::bytes_of_path(&file.path));
    let rule = match (is_restored, is_frozen) {
        (true, _) => Rule::Kept,
        (_, true) => Rule::Locked,
        _ => Rule::Adds,
    };
    let mut commits = once.commits();
    commits.extend(inputs.values().filter_map(inputs::known_commit));
    let pins = Arc::new(Pins::new(rule, file.lock.fetches.clone()).with_commits(commits));
    state::change(lua, |state| {
        state.pending_locks.insert(
            config.to_owned(),
            Rc::new(PendingLock {
                file,
                changes,
                tools,
                pins,
                moved: Vec::new(),
                failures,
                written: Written::default(),
            }),
        )
    });
    Ok(text.map(|text| (path, text)))
}

/// Writes what is pending of the lock of a config, and what builds pinned. Returns whether there
/// was anything.
///
/// # Errors
/// When it cannot be written, or another process set another pin in the meantime.
pub fn write_pending(lua: &Lua, config: &Path) -> Answer<bool> {
    let pending = state::read(lua, |state| state.pending_locks.get(config).cloned());
    let Some(pending) = pending else { return Ok(false) };
    let pins = pending.pin_changes();
    let written = match pending.file.write(pending.changes(&pins)) {
        Ok(written) => written,
        // That a build used a pin on this platform too is worth no failure.
        Err(_) if pending.is_of_uses() => return Ok(false),
        Err(failure) => return Err(failure.into()),
    };
    let refused = written.refused.clone();
    pending.pins.note_written();
    state::change(lua, |state| {
        if let Some(pending) = state.pending_locks.get_mut(config) {
            let pending = Rc::make_mut(pending);
            pending.written = written;
            pending.changes.clear();
            pending.moved.clear();
            pending.tools.clear();
        }
    });
    if let Some(key) = refused.first() {
        return Err(Error::new(
            FailureKind::Lock,
            format!(
                "another process pinned {key} in syslua.lock in the meantime, with other content"
            ),
        )
        .with_hint("its pin stays: run the command again to build with it"));
    }
    Ok(!pending.changes(&pins).is_empty())
}

/// Finds out whether the lock of a config may and can be written, where something of it is pending.
///
/// # Errors
/// When it cannot: nothing was done yet.
pub fn check_pending(lua: &Lua, config: &Path, options: Option<&LuaTable>) -> Answer<()> {
    let pending = state::read(lua, |state| state.pending_locks.get(config).cloned());
    let Some(pending) = pending.filter(|pending| !pending.is_of_uses()) else { return Ok(()) };
    let names = pending.changes.iter().map(|change| &change.key);
    if flag(options, "locked")?
        && let Some(name) = names.chain(pending.tools.iter().map(|change| &change.key)).next()
    {
        let message = format!(
            "syslua.lock does not have `{name}` as the config has it, and --locked forbids changes"
        );
        return Err(Error::new(FailureKind::Lock, message)
            .with_hint("apply once without --locked, and commit syslua.lock"));
    }
    pending.file.check_writable().map_err(|failure| {
        let mut error = Error::from(failure);
        error.message.push_str("; nothing was built or switched");
        error
    })
}

/// Writes what is pending of the lock of a trusted project, which stays trusted by what is written;
/// returns whether anything was.
fn write_trusted(lua: &Lua, config: &Path, options: Option<&LuaTable>) -> Answer<bool> {
    let pending = state::read(lua, |state| state.pending_locks.get(config).cloned());
    let Some(pending) =
        pending.filter(|pending| !pending.changes(&pending.pin_changes()).is_empty())
    else {
        return write_pending(lua, config);
    };
    let store = Store::new(&Options::read(lua, options)?.settings.root);
    let before = pending.file.text.clone();
    let after = pending.file.text_after(pending.changes(&pending.pin_changes()));
    write_pending(lua, config)?;
    let (Some(after), Some(directory)) = (after, config.parent()) else { return Ok(true) };
    let mut project = Project::open(&store, directory)?;
    let lock = project.directory().join(syslua_engine::lock::FILE_NAME);
    // What is hashed is what was to be written: a file that is another one by now is not trusted.
    let followed = project.follow(&lock, before.map(|text| Hash::of(&text)), Hash::of(&after));
    Ok(followed?)
}

fn entry_table(lua: &Lua, entry: &LockedInput) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.raw_set("type", entry.kind.to_string())?;
    table.raw_set("url", entry.url.as_str())?;
    table.raw_set("ref", entry.reference.as_deref())?;
    table.raw_set("rev", entry.rev.as_deref())?;
    table.raw_set("sha256", entry.sha256.map(Hash::to_hex))?;
    table.raw_set("last_modified", entry.last_modified)?;
    Ok(table)
}

/// Returns what is pending of the lock of a config: a list of `{ name, section, old?, new? }`.
///
/// # Errors
/// When Lua has no memory left.
pub fn pending(lua: &Lua, config: &Path) -> Answer<Vec<LuaTable>> {
    let pending = state::read(lua, |state| state.pending_locks.get(config).cloned());
    let Some(pending) = pending else { return Ok(Vec::new()) };
    let PendingLock { changes, tools, moved, .. } = &*pending;
    let pins = pending.pins.changes();
    let table = |change: &Change| {
        let table = lua.create_table()?;
        table.raw_set("name", change.key.as_str())?;
        table.raw_set("section", "inputs")?;
        table.raw_set(
            "old",
            change.old.as_ref().map(|entry| entry_table(lua, entry)).transpose()?,
        )?;
        table.raw_set(
            "new",
            change.new.as_ref().map(|entry| entry_table(lua, entry)).transpose()?,
        )?;
        Ok(table)
    };
    let mut all = changes.iter().map(table).collect::<LuaResult<Vec<_>>>()?;
    let is_new = |change: &PinChange| !change.is_of_platforms();
    let pins: Vec<PinChange> =
        pins.into_iter().filter(is_new).chain(moved.iter().cloned()).collect();
    all.extend(pins::pin_changes(lua, &pins)?);
    all.extend(crate::tools::changes(lua, tools)?);
    Ok(all)
}

/// Returns the entries of the lock of a config, by key, and where the file is.
fn read_lock(lua: &Lua, entry: &LuaString) -> Answer<LuaTable> {
    let path = inputs::place_of(&platform::path_from_bytes(&entry.as_bytes()));
    let file = LockFile::read(&path, &path)?;
    let (table, all) = (lua.create_table()?, lua.create_table()?);
    for (key, entry) in &file.lock.inputs {
        all.raw_set(key.as_str(), entry_table(lua, entry)?)?;
    }
    table.raw_set("path", lua.create_string(platform::bytes_of_path(&file.path))?)?;
    table.raw_set("exists", file.text.is_some())?;
    table.raw_set("inputs", all)?;
    let fetches = lua.create_table()?;
    for (key, pin) in &file.lock.fetches {
        fetches.raw_set(key.as_str(), pins::pin_table(lua, key, pin)?)?;
    }
    table.raw_set("fetches", fetches)?;
    Ok(table)
}

/// Checks the address of an input; returns `type`, and `dir`, `repository`, `ref` and `submodules`
/// where it has them.
fn parse_address(lua: &Lua, url: &str) -> Answer<LuaTable> {
    let address = InputAddress::parse(url)
        .map_err(|error| Error::new(FailureKind::Input, error.to_string()).with_hint(error.hint))?;
    let table = lua.create_table()?;
    table.raw_set("type", address.kind().to_string())?;
    table.raw_set("dir", address.dir.as_deref())?;
    if let inputs::Origin::Git { repository, reference, submodules } = &address.origin {
        table.raw_set("repository", repository.as_str())?;
        table.raw_set("ref", reference.as_deref())?;
        table.raw_set("submodules", *submodules)?;
    }
    Ok(table)
}

/// Registers the functions.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(
        lua,
        native,
        "open_lock",
        |lua, (entry, options): (LuaString, Option<LuaTable>)| {
            open_lock(lua, &entry, options.as_ref())
        },
    )?;
    register_function(lua, native, "keep_input", |lua, (key, url): (String, Option<String>)| {
        keep(lua, &key, url.as_deref())
    })?;
    register_working(
        lua,
        native,
        "resolve_inputs",
        |lua, (requests, options): (Vec<LuaTable>, Option<LuaTable>)| {
            resolve(lua, &requests, options.as_ref())
        },
    )?;
    register_verb(
        lua,
        native,
        "count_commits",
        |lua, (tables, options): (Vec<LuaTable>, Option<LuaTable>)| {
            let settings = Options::read(lua, options.as_ref())?.settings;
            let moves =
                tables.iter().map(|table| move_of(lua, table)).collect::<Answer<Vec<_>>>()?;
            // A list of Lua has no holes.
            let count = |count: Option<usize>| match count {
                Some(count) => Ok(count.into_lua(lua)?),
                None => Ok(LuaValue::Boolean(false)),
            };
            let counts = inputs::count_commits(&settings, &moves).into_iter();
            counts.map(count).collect::<Answer<Vec<_>>>()
        },
    )?;
    register_function(lua, native, "pending_lock", |lua, config: LuaString| {
        pending(lua, &config_path(&config)?)
    })?;
    register_function(lua, native, "read_lock", |lua, entry: LuaString| read_lock(lua, &entry))?;
    register_function(lua, native, "write_lock", |lua, config: LuaString| {
        write_pending(lua, &config_path(&config)?)
    })?;
    register_function(
        lua,
        native,
        "write_trusted_lock",
        |lua, (config, options): (LuaString, Option<LuaTable>)| {
            write_trusted(lua, &config_path(&config)?, options.as_ref())
        },
    )?;
    register_function(lua, native, "forget_lock", |lua, config: LuaString| {
        let config = config_path(&config)?;
        Ok(state::change(lua, |state| state.pending_locks.remove(&config)).flatten().is_some())
    })?;
    register_function(lua, native, "registries_of_lock", |lua, ()| {
        Ok(state::read(lua, |state| {
            let session = state.evaluations.last()?.lock.as_ref()?;
            let tools = session.file.lock.tools.values();
            let names: BTreeSet<String> = tools.filter_map(|tool| tool.registry.clone()).collect();
            Some(names.into_iter().collect::<Vec<String>>())
        })
        .unwrap_or_default())
    })?;
    register_function(
        lua,
        native,
        "drop_tools",
        |lua, (config, keys): (LuaString, Vec<String>)| {
            drop_tools(lua, &config_path(&config)?, &keys);
            Ok(true)
        },
    )?;
    register_function(lua, native, "lock_failures", |lua, config: LuaString| {
        failures(lua, &config_path(&config)?)
    })?;
    register_function(lua, native, "redact_address", |_, text: String| Ok(redact(&text)))?;
    register_function(lua, native, "parse_input", |lua, url: String| parse_address(lua, &url))?;
    register_function(lua, native, "is_input_name", |_, name: String| Ok(is_name(&name)))
}

/// Has tools go from the lock of a config that was evaluated.
fn drop_tools(lua: &Lua, config: &Path, keys: &[String]) {
    state::change(lua, |state| {
        let Some(pending) = state.pending_locks.get_mut(config) else { return };
        let pending = Rc::make_mut(pending);
        for key in keys {
            let old = pending.file.lock.tools.get(key).cloned();
            pending.tools.retain(|change| change.key != *key);
            if old.is_some() {
                pending.tools.push(ToolChange { key: key.clone(), old, new: None });
            }
        }
    });
}

/// Returns what of a config was to move and could not be looked up: a list of failures, each with
/// the `name` of its input or pin.
fn failures(lua: &Lua, config: &Path) -> Answer<Vec<LuaTable>> {
    let pending = state::read(lua, |state| state.pending_locks.get(config).cloned());
    let Some(pending) = pending else { return Ok(Vec::new()) };
    let table = |(name, failure): &(String, Failure)| {
        let table = to_table(lua, failure)?;
        table.raw_set("name", name.as_str())?;
        Ok(table)
    };
    Ok(pending.failures.iter().map(table).collect::<LuaResult<_>>()?)
}

/// Reads a move of an input: its request, with `old` and `newer`.
fn move_of(lua: &Lua, table: &LuaTable) -> Answer<Move> {
    let request = request(lua, table)?;
    let older = lua_entry(table)?
        .ok_or_else(|| Error::new(FailureKind::Internal, "a move without an older revision"))?;
    Ok(Move { request, older, newer: table.raw_get("newer")? })
}

/// Reads the older revision that a table names.
fn lua_entry(table: &LuaTable) -> Answer<Option<LockedInput>> {
    let Some(old) = table.raw_get::<Option<LuaTable>>("old")? else {
        return Ok(None);
    };
    Ok(Some(LockedInput {
        kind: syslua_engine::lock::InputKind::Git,
        url: old.raw_get("url")?,
        reference: None,
        rev: old.raw_get("rev")?,
        strip: None,
        sha256: None,
        last_modified: old.raw_get("last_modified")?,
        others: BTreeMap::new(),
    }))
}
