//! `bindings.lock_tools` and its kin: tools of registries, resolved and locked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use mlua::prelude::*;
use serde::{Deserialize, Serialize};
use syslua_engine::failure::FailureKind;
use syslua_engine::hash::Hash;
use syslua_engine::inputs::{LockFile, ToolChange, place_of};
use syslua_engine::lock::{LockedFile, LockedRelease, LockedTool};
use syslua_engine::platform as files;
use syslua_engine::tools::library::resolve::{Vars, platforms, resolve, unevaluated};
use syslua_engine::tools::library::{Index, Platform, request};
use syslua_engine::tools::{self, ToolRequest, Wanted};

use crate::error::{Answer, Error, OrFail};
use crate::options::Options;
use crate::register::{register as register_function, register_working};
use crate::state;

/// What the Lua side says of a registry.
struct Registry {
    path: PathBuf,
    sha256: Option<Hash>,
}

/// The registry that was opened last.
pub struct OpenRegistry {
    path: PathBuf,
    sha256: Option<Hash>,
    index: Rc<Index>,
    /// What its files were like, where nothing else tells that they changed.
    stamp: Option<Hash>,
    /// When that was.
    opened: SystemTime,
    /// When it was last seen to be the same.
    checked: Instant,
}

/// How long a registry without a hash counts as the same, where only one package of it is asked
/// for: to look at all of its files takes longer than the answer.
const TRUST: Duration = Duration::from_secs(1);

impl OpenRegistry {
    /// Returns whether a registry is as it was opened. A package whose own files are older is
    /// answered without a look at all files.
    fn is_same(&self, path: &Path, sha256: Option<Hash>, package: Option<&str>) -> bool {
        if self.path != path || self.sha256 != sha256 {
            return false;
        }
        if sha256.is_some() {
            return true;
        }
        let is_known = package.is_some_and(|package| {
            self.checked.elapsed() < TRUST
                && match tools::find(&self.index, package) {
                    Ok(found) => !tools::is_newer(path, &found.name, self.opened),
                    Err(_) => false,
                }
        });
        is_known || self.stamp.is_some() && self.stamp == tools::stamp(path)
    }
}

fn registry(table: &LuaTable) -> Answer<Registry> {
    let path: LuaString = table.raw_get("path")?;
    let sha256: Option<String> = table.raw_get("sha256")?;
    Ok(Registry {
        path: files::path_from_bytes(&path.as_bytes()),
        sha256: sha256.and_then(|text| Hash::parse(&text).ok()),
    })
}

/// Opens a registry, once for as long as the same one is asked for. `package` is given where
/// no other is looked for.
fn open(
    lua: &Lua,
    table: &LuaTable,
    options: &Options,
    package: Option<&str>,
) -> Answer<Rc<Index>> {
    let Registry { path, sha256 } = registry(table)?;
    let known = lua.app_data_mut::<OpenRegistry>().and_then(|mut opened| {
        let is_trusted = opened.checked.elapsed() < TRUST;
        if !opened.is_same(&path, sha256, package) {
            return None;
        }
        if !is_trusted {
            opened.checked = Instant::now();
        }
        Some(Rc::clone(&opened.index))
    });
    if let Some(index) = known {
        return Ok(index);
    }
    let stamp = if sha256.is_none() { tools::stamp(&path) } else { None };
    let (begun, checked) = (SystemTime::now(), Instant::now());
    let opened = tools::open(&options.settings.root, &path, sha256)?;
    for problem in &opened.problems {
        options.settings.events.send(syslua_engine::settings::Event::Warning {
            message: format!("the registry of tools: {problem}"),
        });
    }
    let index = Rc::new(opened.index);
    let kept =
        OpenRegistry { path, sha256, index: Rc::clone(&index), stamp, opened: begun, checked };
    lua.set_app_data(kept);
    Ok(index)
}

fn platform(name: &str) -> Answer<Platform> {
    Platform::parse(name).ok_or_else(|| {
        let known = syslua_engine::tools::library::platform::PLATFORMS;
        let known: Vec<String> = known.iter().map(Platform::to_string).collect();
        Error::new(
            FailureKind::Usage,
            format!("`{name}` is not a platform that tools are released for"),
        )
        .with_hint(format!("there are {}", known.join(", ")))
    })
}

fn to_lua(lua: &Lua, value: &impl Serialize) -> Answer<LuaValue> {
    let options = LuaSerializeOptions::new().serialize_none_to_null(false);
    Ok(lua.to_value_with(value, options)?)
}

/// A tool that the Lua side asks for.
#[derive(Deserialize)]
struct Given {
    key: String,
    name: String,
    version: String,
    #[serde(default)]
    vars: BTreeMap<String, String>,
    registry: Option<String>,
    position: Option<String>,
    #[serde(default)]
    refresh: bool,
    #[serde(default)]
    again: bool,
    /// What the lock has, where that is not the lock of the evaluation.
    locked: Option<LockedTool>,
    /// The platforms that it is wanted for, where these are not those of the call.
    platforms: Option<Vec<String>>,
    /// Whether the config does not declare it: then that it cannot be resolved is worth a notice.
    #[serde(default)]
    undeclared: bool,
}

/// How the Lua side wants tools resolved.
#[derive(Deserialize)]
struct How {
    github: Option<String>,
    platforms: Vec<String>,
    /// Whether a platform without a release is left out.
    #[serde(default)]
    lenient: bool,
    /// Whether tools that cannot be resolved stay as they are locked, and are named by
    /// `lock_failures`.
    #[serde(default)]
    partial: bool,
}

impl How {
    fn read(self) -> Answer<Wanted> {
        let platforms = self.platforms.iter().map(|name| platform(name));
        Ok(Wanted {
            github: self.github,
            platforms: platforms.collect::<Answer<_>>()?,
            is_strict: !self.lenient,
        })
    }
}

/// Returns what tools are locked to, by their keys: of each the package, the version, and the
/// release for the platform of the evaluation. Every evaluation asks for all tools of a config, and
/// a lock has them for six platforms.
fn locked(lua: &Lua, keys: &[String]) -> Answer<LuaTable> {
    let found = state::read(lua, |state| {
        let Some(evaluation) = state.evaluations.last() else { return Vec::new() };
        let tool = |key: &String| {
            let tool = evaluation.lock.as_ref()?.tool(key)?;
            let release = tool.platforms.get(&evaluation.system.platform).cloned();
            let heads = (tool.package.clone(), tool.version.clone());
            Some((key.clone(), heads, (tool.registry.clone(), tool.vars.clone()), release))
        };
        let found = keys.iter().filter_map(tool);
        found.map(|tool| (tool, evaluation.system.platform.clone())).collect()
    });
    let tables = || -> LuaResult<LuaTable> {
        let entries = lua.create_table()?;
        for ((key, (package, version), (registry, vars), release), platform) in found {
            let entry = lua.create_table()?;
            entry.raw_set("package", package)?;
            entry.raw_set("version", version)?;
            entry.raw_set("registry", registry)?;
            entry.raw_set("vars", lua.create_table_from(vars)?)?;
            let platforms = lua.create_table()?;
            if let Some(release) = release {
                platforms.raw_set(platform, release_table(lua, &release)?)?;
            }
            entry.raw_set("platforms", platforms)?;
            entries.raw_set(key, entry)?;
        }
        Ok(entries)
    };
    Ok(tables()?)
}

fn release_table(lua: &Lua, release: &LockedRelease) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    table.raw_set("url", release.url.as_str())?;
    table.raw_set("format", release.format.as_str())?;
    table.raw_set("sha256", release.sha256.to_hex())?;
    table.raw_set("checksum", release.checksum.as_deref())?;
    let files = lua.create_table()?;
    for (name, file) in &release.files {
        let inner = lua.create_table()?;
        match file {
            LockedFile::Path(path) => inner.raw_set("path", path.as_str())?,
            LockedFile::Linked { path, link, hard } => {
                inner.raw_set("path", path.as_str())?;
                inner.raw_set("link", link.as_str())?;
                inner.raw_set("hard", hard.then_some(true))?;
            }
        }
        files.raw_set(name.as_str(), inner)?;
    }
    table.raw_set("files", files)?;
    Ok(table)
}

/// Refuses what `--locked` and a config that is restored from a copy do not allow.
fn check_frozen(lua: &Lua, given: &[Given]) -> Answer<()> {
    let (is_frozen, is_restored) = state::read(lua, |state| {
        let session = state.evaluations.last().and_then(|evaluation| evaluation.lock.as_ref());
        session.map_or((false, false), |session| (session.is_frozen, session.is_restored))
    });
    let Some(first) = given.first().filter(|_| is_frozen || is_restored) else { return Ok(()) };
    let platform = state::read(lua, |state| {
        let evaluation = state.evaluations.last();
        evaluation.map(|evaluation| evaluation.system.platform.clone()).unwrap_or_default()
    });
    let reason = if is_restored {
        "and a restored config resolves nothing"
    } else {
        "and --locked forbids adding it"
    };
    Err(Error::new(
        FailureKind::Lock,
        format!("syslua.lock has no `{}` for {platform}, {reason}", first.key),
    )
    .with_hint(format!(
        "apply once without --locked, or `sys lock --platform {platform}`, and commit syslua.lock"
    ))
    .at(first.position.clone()))
}

/// Resolves tools, and notes them for the lock of the evaluation. Returns the entries and notices.
fn lock(
    lua: &Lua,
    source: &LuaTable,
    given: Vec<Given>,
    how: How,
    options: Option<&LuaTable>,
) -> Answer<LuaTable> {
    check_frozen(lua, &given)?;
    let is_partial = how.partial;
    let wanted = how.read()?;
    let options = Options::read(lua, options)?;
    let index = open(lua, source, &options, None)?;
    let undeclared: Vec<bool> = given.iter().map(|given| given.undeclared).collect();
    let requests = given
        .into_iter()
        .map(|given| {
            let locked = given.locked.or_else(|| {
                state::read(lua, |state| {
                    let evaluation = state.evaluations.last()?;
                    evaluation.lock.as_ref()?.tool(&given.key).cloned()
                })
            });
            let Given { key, name, version, vars, registry, position, refresh, again, .. } = given;
            let read = |names: Vec<String>| names.iter().map(|name| platform(name)).collect();
            let platforms: Option<Vec<Platform>> = given.platforms.map(read).transpose()?;
            Ok(ToolRequest {
                key,
                name,
                version,
                vars,
                registry,
                position,
                locked,
                refresh,
                again,
                platforms,
            })
        })
        .collect::<Answer<Vec<ToolRequest>>>()?;
    let answers = tools::resolve(&options.settings, &index, &requests, &wanted);
    let mut failures = Vec::new();
    let mut entries = BTreeMap::new();
    let mut notices = Vec::new();
    let mut failed = Vec::new();
    for ((request, answer), is_undeclared) in requests.iter().zip(answers).zip(undeclared) {
        match answer {
            Ok(mut resolved) => {
                notices.append(&mut resolved.notices);
                entries.insert(request.key.clone(), resolved.entry);
            }
            Err(failure) if !is_partial || failure.kind == FailureKind::Interrupted => {
                failures.push(failure);
            }
            Err(failure) if is_undeclared => notices.push(format!(
                "{}: {}; the config does not declare it here: `sys lock --prune` removes tools \
                 that are declared for no platform",
                request.key, failure.message
            )),
            Err(failure) => failed.push((request.key.clone(), failure)),
        }
    }
    if !failures.is_empty() {
        return Err(crate::error::joined(failures));
    }
    state::change(lua, |state| {
        let session = state.evaluations.last_mut().and_then(|evaluation| evaluation.lock.as_mut());
        if let Some(session) = session {
            for (key, entry) in &entries {
                session.set_tool(key.clone(), entry.clone());
            }
            session.add_failures(failed);
        }
    });
    let table = lua.create_table()?;
    table.raw_set("entries", to_lua(lua, &entries)?)?;
    table.raw_set("notices", notices)?;
    Ok(table)
}

/// What a person reads of a package.
#[derive(Serialize)]
struct Summary<'a> {
    name: &'a str,
    description: &'a str,
    aliases: &'a [String],
    programs: &'a [String],
}

/// Returns the packages that a word is found in.
fn search(lua: &Lua, index: &Index, word: &str) -> Answer<LuaValue> {
    let found: Vec<Summary<'_>> = index
        .search(word)
        .into_iter()
        .map(|entry| Summary {
            name: &entry.name,
            description: &entry.description,
            aliases: &entry.aliases,
            programs: &entry.programs,
        })
        .collect();
    to_lua(lua, &found)
}

/// What `syslua.tools.resolve` returns.
#[derive(Serialize)]
struct Resolved {
    name: String,
    version: String,
    url: String,
    asset: String,
    format: String,
    files: Vec<ResolvedFile>,
    checksum: Option<ResolvedChecksum>,
    signatures: Vec<&'static str>,
    emulated: bool,
    platforms: Vec<String>,
    unevaluated: Vec<String>,
}

#[derive(Serialize)]
struct ResolvedFile {
    name: String,
    path: Option<String>,
    link: Option<String>,
    hard: bool,
}

#[derive(Serialize)]
struct ResolvedChecksum {
    url: String,
    algorithm: String,
}

/// Resolves one release, without a server. A bare version gets the prefix that the package's tags
/// have.
fn resolve_one(
    lua: &Lua,
    index: &Index,
    name: &str,
    version: &str,
    platform_name: &str,
    vars: &Vars,
) -> Answer<LuaValue> {
    let package = tools::find(index, name)?;
    let platform = platform(platform_name)?;
    let prefix = request::prefix(&package);
    let is_bare = version.starts_with(|letter: char| letter.is_ascii_digit());
    let tag = if is_bare { format!("{prefix}{version}") } else { version.to_owned() };
    let release = resolve(&package, &tag, platform, vars).or_fail(FailureKind::Tools)?;
    let notes = unevaluated(&package, &tag);
    let resolved = Resolved {
        name: package.name.clone(),
        version: tag.clone(),
        url: release.url,
        asset: release.asset,
        format: release.format,
        files: release
            .files
            .into_iter()
            .map(|file| ResolvedFile {
                name: file.name,
                path: file.path,
                link: file.link,
                hard: file.is_hard,
            })
            .collect(),
        checksum: release
            .checksum
            .map(|file| ResolvedChecksum { url: file.url, algorithm: file.algorithm }),
        signatures: release.signatures,
        emulated: release.is_emulated,
        platforms: platforms(&package, &tag, vars).iter().map(Platform::to_string).collect(),
        unevaluated: notes
            .into_iter()
            .map(|note| format!("{}: {}", note.expression, note.problem))
            .collect(),
    };
    to_lua(lua, &resolved)
}

/// Returns the tools of the lock of a config, by key.
fn of_config(lua: &Lua, config: &LuaString) -> Answer<LuaValue> {
    let path = place_of(&files::path_from_bytes(&config.as_bytes()));
    to_lua(lua, &LockFile::read(&path, &path)?.lock.tools)
}

/// Reads a document of another tool: TOML or YAML.
fn parse_document(lua: &Lua, format: &str, text: &str) -> Answer<LuaValue> {
    if format == "toml" {
        let value: toml::Value = toml::from_str(text).or_fail(FailureKind::Import)?;
        return to_lua(lua, &value);
    }
    let value = syslua_engine::tools::library::yaml::parse(text);
    to_lua(lua, &value.or_fail(FailureKind::Import)?)
}

/// Returns changes of tools as a list of `{ name, section, old?, new? }`.
pub fn changes(lua: &Lua, changes: &[ToolChange]) -> Answer<Vec<LuaTable>> {
    let table = |change: &ToolChange| {
        let table = lua.create_table()?;
        let set = |name: &str, value: LuaValue| table.raw_set(name, value);
        set("name", to_lua(lua, &change.key)?)?;
        set("section", to_lua(lua, &"tools")?)?;
        for (name, tool) in [("old", &change.old), ("new", &change.new)] {
            if let Some(tool) = tool {
                set(name, to_lua(lua, tool)?)?;
            }
        }
        Ok(table)
    };
    changes.iter().map(table).collect()
}

/// Registers the functions.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(lua, native, "locked_tools", |lua, keys: Vec<String>| locked(lua, &keys))?;
    register_function(lua, native, "tools_of_config", |lua, config: LuaString| {
        of_config(lua, &config)
    })?;
    register_working(
        lua,
        native,
        "lock_tools",
        |lua, (source, given, how, options): (LuaTable, LuaValue, LuaValue, Option<LuaTable>)| {
            let given = lua.from_value(given)?;
            let how = lua.from_value(how)?;
            lock(lua, &source, given, how, options.as_ref())
        },
    )?;
    register_working(
        lua,
        native,
        "search_tools",
        |lua, (source, word, options): (LuaTable, String, Option<LuaTable>)| {
            let options = Options::read(lua, options.as_ref())?;
            let index = open(lua, &source, &options, None)?;
            search(lua, &index, &word)
        },
    )?;
    register_working(
        lua,
        native,
        "find_tool",
        |lua, (source, name, options): (LuaTable, String, Option<LuaTable>)| {
            let options = Options::read(lua, options.as_ref())?;
            Ok(tools::find(&*open(lua, &source, &options, Some(&name))?, &name)?.name)
        },
    )?;
    register_working(
        lua,
        native,
        "tool_versions",
        |lua,
         (source, name, github, options): (
            LuaTable,
            String,
            Option<String>,
            Option<LuaTable>,
        )| {
            let options = Options::read(lua, options.as_ref())?;
            let package = tools::find(&*open(lua, &source, &options, Some(&name))?, &name)?;
            let versions = tools::versions(&options.settings, &package, github.as_deref())?;
            let names: Vec<String> = versions.into_iter().map(|(version, _)| version).collect();
            to_lua(lua, &names)
        },
    )?;
    register_working(
        lua,
        native,
        "resolve_tool",
        |lua,
         (source, name, version, platform, options): (
            LuaTable,
            String,
            String,
            String,
            Option<LuaTable>,
        )| {
            let vars = options.as_ref().map(|options| options.raw_get("vars"));
            let vars: Option<Vars> = vars.transpose()?.flatten();
            let options = Options::read(lua, options.as_ref())?;
            let index = open(lua, &source, &options, Some(&name))?;
            resolve_one(lua, &index, &name, &version, &platform, &vars.unwrap_or_default())
        },
    )?;
    register_function(lua, native, "parse_document", |lua, (format, text): (String, String)| {
        parse_document(lua, &format, &text)
    })?;
    register_function(lua, native, "mirrored", |_, (url, github): (String, Option<String>)| {
        Ok(tools::mirrored(&url, github.as_deref()))
    })
}
