//! `bindings.projects`, `enter` and `become_program`: shells and commands in the environment of a
//! project; `trust_...`: what may be evaluated of directories that have their own entry file, and
//! their environments.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use mlua::prelude::*;
use syslua_engine::api::{Engine, Entered, Look, LookKind};
use syslua_engine::environment::Variables;
use syslua_engine::environment::shells::{self, EnteredPlaces, Identity, Shell, Watched};
use syslua_engine::failure::{Failure, FailureKind};
use syslua_engine::hash::Hash;
use syslua_engine::names::SnapshotId;
use syslua_engine::platform;
use syslua_engine::store::{Access, Store};
use syslua_engine::trust::{self, Doubt, Project};
use syslua_engine::variable::Template;

use crate::error::{Answer, Error, OrFail, to_table as failure_table};
use crate::manifests::manifest_of;
use crate::options::Options;
use crate::register::{register as register_function, register_outside, register_verb};
use crate::task::LuaTasks;
use crate::{pins, state};

fn bytes(text: &OsString) -> Vec<u8> {
    platform::bytes_of_path(std::path::Path::new(text))
}

fn text(bytes: &[u8]) -> OsString {
    platform::path_from_bytes(bytes).into_os_string()
}

/// Returns the projects that a manifest declares: `name`, `path`.
fn projects(lua: &Lua, manifest: &LuaValue) -> Answer<Vec<LuaTable>> {
    let manifest = manifest_of(lua, manifest)?;
    let mut seen = std::collections::BTreeSet::new();
    let own = manifest.actions().filter(|activation| activation.user.is_none());
    let projects = own
        .filter_map(|activation| activation.project.as_ref())
        .filter(|project| seen.insert((*project).clone()));
    let to_table = |project: &syslua_engine::activation::Project| {
        let table = lua.create_table()?;
        table.raw_set("name", project.name.as_str())?;
        table.raw_set(
            "path",
            project.path.as_ref().map(|path| lua.create_string(&path.0)).transpose()?,
        )?;
        Ok(table)
    };
    Ok(projects.map(to_table).collect::<LuaResult<_>>()?)
}

/// Builds the environment of a project. Returns `variables`, the whole environment of a program in
/// it. If `shell` names a shell that can be started in it, returns also `arguments`, `script`, and
/// the `files` that it reads in the directory that the variable `directory` names.
fn enter(
    lua: &Lua,
    manifest: &LuaValue,
    project: &str,
    shell: Option<&str>,
    options: Option<&LuaTable>,
) -> Answer<LuaTable> {
    let mut options = Options::read(lua, options)?;
    let manifest = manifest_of(lua, manifest)?;
    options.settings.pins = pins::pins_of(lua, manifest.config_path.as_deref());
    let engine = options.engine(Access::Work)?;
    let entered = engine.enter(&manifest, project, &mut LuaTasks::new(lua))?;
    start_table(lua, &[Arc::new(entered)], None, shell)
}

/// Returns what a program or a shell in projects is started with, the outermost project first.
/// `directories` are the ids of those that have an entry file of their own.
fn start_table(
    lua: &Lua,
    layers: &[Arc<Entered>],
    directories: Option<&str>,
    shell: Option<&str>,
) -> Answer<LuaTable> {
    let mut variables: Variables =
        std::env::vars_os().map(|(name, value)| (bytes(&name), bytes(&value))).collect();
    if let Some(innermost) = layers.last() {
        variables.insert(b"SYSLUA_PROJECT".to_vec(), innermost.name.as_bytes().to_vec());
        // A hook in the shell leaves alone what the shell was started in.
        let common = Identity { user: None, project: None, ..innermost.identity() }.memory();
        let [entered, inside, of_shell] =
            ["entered", "inside", "shell"].map(|what| format!("{common}_{what}").into_bytes());
        variables.remove(&inside);
        if directories.is_some() {
            variables.remove(&entered);
        }
        let before = variables.remove(&of_shell).unwrap_or_else(|| b" ".to_vec());
        let sort: &[u8] = if directories.is_some() { b":" } else { b"" };
        let names = [before.as_slice(), sort, innermost.name.as_bytes(), b" "].concat();
        variables.insert(of_shell, names);
    }
    if let Some(directories) = directories {
        variables.insert(b"SYSLUA_SHELL".to_vec(), directories.as_bytes().to_vec());
    }
    // A project that is entered again comes before all that was entered since.
    for layer in layers {
        let memory = layer.identity().memory().into_bytes();
        let start = [memory.as_slice(), b"_"].concat();
        variables.retain(|name, _| *name != memory && !name.starts_with(&start));
        let layers = variables.remove(shells::LAYERS.as_bytes()).unwrap_or_default();
        variables.insert(shells::LAYERS.as_bytes().to_vec(), layer.identity().started_in(&layers));
    }
    Ok(to_table(lua, layers, variables, shell.and_then(shells::get))?)
}

fn to_table(
    lua: &Lua,
    layers: &[Arc<Entered>],
    mut variables: Variables,
    shell: Option<&'static dyn Shell>,
) -> LuaResult<LuaTable> {
    let table = lua.create_table()?;
    let to_lua = |variables: &Variables| {
        let all = lua.create_table()?;
        for (name, value) in variables {
            all.raw_set(lua.create_string(name)?, lua.create_string(value)?)?;
        }
        LuaResult::Ok(all)
    };
    if let Some((shell, started)) =
        shell.and_then(|shell| Some((shell, shell.subshell(platform::SCRIPT)?)))
    {
        // Its script enters the projects after the user's files, which may read the environment of
        // another snapshot.
        let own = to_lua(&variables)?;
        for (name, value) in &started.variables {
            own.raw_set(name.as_str(), value.as_str())?;
        }
        table.raw_set("shell_variables", own)?;
        table.raw_set("arguments", started.arguments.clone())?;
        table.raw_set("script", lua.create_string(Entered::script(layers, shell))?)?;
        if let Some((variable, files)) = started.files {
            table.raw_set("directory", variable)?;
            table.raw_set("files", lua.create_table_from(files.iter().copied())?)?;
        }
    }
    for layer in layers {
        layer.environment.apply_to(&mut variables, &layer.identity());
    }
    table.raw_set("variables", to_lua(&variables)?)?;
    let entries = layers
        .iter()
        .filter_map(|layer| layer.environment.lists.get("PATH"))
        .flat_map(|(_, entries)| entries);
    let directories = entries.filter_map(|entry| match entry {
        Template::Text(text) => Some(lua.create_string(&text.0)),
        Template::Parts { .. } => None,
    });
    table.raw_set("directories", directories.collect::<LuaResult<Vec<_>>>()?)?;
    Ok(table)
}

fn path_of(text: &LuaString) -> PathBuf {
    platform::path_from_bytes(&text.as_bytes())
}

fn open_project(store: &Store, directory: &LuaString) -> Answer<Project> {
    Ok(Project::open(store, &path_of(directory))?)
}

fn store_of(lua: &Lua, options: Option<&LuaTable>) -> Answer<Store> {
    Ok(Store::new(&Options::read(lua, options)?.settings.root))
}

/// Returns the directories with an entry file around a directory, the working directory unless
/// given, outermost first.
fn directories(lua: &Lua, directory: Option<&LuaString>) -> Answer<Vec<LuaString>> {
    let start = match directory {
        Some(directory) => path_of(directory),
        None => std::env::current_dir()
            .or_fail_with(FailureKind::Usage, "the working directory is unusable")?,
    };
    let to_string = |path: &PathBuf| lua.create_string(platform::bytes_of_path(path));
    Ok(trust::around(&start).iter().map(to_string).collect::<LuaResult<_>>()?)
}

/// Compares the files of a directory with what is trusted. Returns `directory`, `id`, `name`;
/// `hash` when they are trusted, else `doubt`, a failure, and whether it `can_be_settled`;
/// `watched`, the files that were compared, and `record`.
fn check(lua: &Lua, directory: &LuaString, options: Option<&LuaTable>) -> Answer<LuaTable> {
    let started = SystemTime::now();
    let store = store_of(lua, options)?;
    let (project, found) = match open_project(&store, directory)?.check() {
        Ok((project, hash)) => (project, Ok(hash)),
        Err((project, doubt)) => (project, Err(doubt)),
    };
    let to_table = || -> LuaResult<LuaTable> {
        let table = lua.create_table()?;
        let string = |path: &Path| lua.create_string(platform::bytes_of_path(path));
        table.raw_set("directory", string(project.directory())?)?;
        table.raw_set("id", project.id())?;
        table.raw_set("name", project.name())?;
        table.raw_set("entry", string(&project.directory().join(trust::ENTRY))?)?;
        table.raw_set("lock", string(&project.directory().join(trust::LOCK))?)?;
        table.raw_set("record", string(project.place())?)?;
        let since = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        table.raw_set("compared_at", since.as_secs_f64())?;
        let mut files = project.files();
        let entry = project.directory().join(trust::ENTRY);
        if !files.contains(&entry) {
            files.push(entry);
        }
        table.raw_set(
            "files",
            files.iter().map(|file| string(file)).collect::<LuaResult<Vec<_>>>()?,
        )?;
        match &found {
            Ok(hash) => table.raw_set("hash", hash.to_hex())?,
            Err(doubt) => {
                table.raw_set(
                    "doubt",
                    failure_table(lua, &Failure::of(FailureKind::Untrusted, doubt))?,
                )?;
                table.raw_set("can_be_settled", doubt.can_be_settled())?;
                table.raw_set("content", content_of(&project, &files, doubt).to_hex())?;
            }
        }
        Ok(table)
    };
    Ok(to_table()?)
}

/// Returns the text that separates untrusted files from others.
fn content_of(project: &Project, files: &[PathBuf], doubt: &Doubt) -> Hash {
    let content = |file: &PathBuf| match project.observe(file) {
        Ok(look) => look.hash.to_hex(),
        Err(doubt) => doubt.to_string(),
    };
    let whole: Vec<String> =
        std::iter::once(doubt.to_string()).chain(files.iter().map(content)).collect();
    Hash::of(whole.join("\n").as_bytes())
}

/// Returns a file of a directory that is trusted as it is.
fn read(
    lua: &Lua,
    directory: &LuaString,
    file: &LuaString,
    options: Option<&LuaTable>,
) -> Answer<LuaString> {
    let project = open_project(&store_of(lua, options)?, directory)?;
    let text = project.read(&path_of(file)).map_err(failure_of)?;
    Ok(lua.create_string(text)?)
}

/// Returns a file of a directory that may be trusted: `text`, `sha256`, and whether it
/// `is_trusted`; nil when it is not known.
fn observe(
    lua: &Lua,
    directory: &LuaString,
    file: &LuaString,
    options: Option<&LuaTable>,
) -> Answer<LuaTable> {
    let project = open_project(&store_of(lua, options)?, directory)?;
    let look = project.observe(&path_of(file)).map_err(failure_of)?;
    let to_table = || -> LuaResult<LuaTable> {
        let table = lua.create_table()?;
        table.raw_set("text", lua.create_string(&look.text)?)?;
        table.raw_set("sha256", look.hash.to_hex())?;
        table.raw_set("is_trusted", look.is_trusted)?;
        Ok(table)
    };
    Ok(to_table()?)
}

/// A missing file is an ordinary error, not a question of trust.
fn failure_of(doubt: Doubt) -> Error {
    let is_missing = matches!(doubt, Doubt::Missing(_));
    let mut error = Error::from(doubt);
    if is_missing {
        error.kind = FailureKind::Missing;
    }
    error
}

fn parse_hash(text: &str) -> Answer<Hash> {
    Hash::parse(text).or_fail(FailureKind::Internal)
}

/// Trusts files of a directory, each with a hash, and `sources`; what is there no more is
/// forgotten.
fn accept(
    lua: &Lua,
    directory: &LuaString,
    files: &LuaTable,
    sources: Option<&LuaTable>,
    options: Option<&LuaTable>,
) -> Answer<()> {
    let engine = Options::read(lua, options)?.engine(Access::Work)?;
    engine.store().create().or_fail(FailureKind::Io)?;
    let mut project = open_project(engine.store(), directory)?;
    for pair in files.pairs::<LuaString, String>() {
        let (file, hash) = pair?;
        project.accept(&path_of(&file), parse_hash(&hash)?);
    }
    for pair in sources.into_iter().flat_map(LuaTable::pairs::<LuaString, String>) {
        let (file, hash) = pair?;
        project.accept_source(&path_of(&file), parse_hash(&hash)?);
    }
    project.drop_missing();
    Ok(project.save()?)
}

/// Returns whether a source is trusted with a hash; nil when it is not known.
fn trusts_source(
    lua: &Lua,
    directory: &LuaString,
    source: &LuaString,
    hash: &str,
    options: Option<&LuaTable>,
) -> Answer<Option<bool>> {
    let project = open_project(&store_of(lua, options)?, directory)?;
    Ok(project.trusts_source(&path_of(source), parse_hash(hash)?))
}

/// Keeps a project trusted whose file sys.lua itself wrote. `before` is the file's content before,
/// nil when there was none.
fn follow(
    lua: &Lua,
    file: &LuaString,
    before: Option<&LuaString>,
    after: &LuaString,
    options: Option<&LuaTable>,
) -> Answer<bool> {
    let path = path_of(file);
    let Some(directory) = path.parent() else { return Ok(false) };
    if !platform::exists(&directory.join(trust::ENTRY)) {
        return Ok(false);
    }
    let store = store_of(lua, options)?;
    let mut project = Project::open(&store, directory)?;
    let path = project.directory().join(path.file_name().unwrap_or_default());
    let before = before.map(|text| Hash::of(&text.as_bytes()));
    Ok(project.follow(&path, before, Hash::of(&after.as_bytes()))?)
}

fn remember(lua: &Lua, entered: Entered) -> usize {
    state::change(lua, |state| {
        state.entered.push(Arc::new(entered));
        state.entered.len()
    })
    .unwrap_or_default()
}

fn layers_of(lua: &Lua, numbers: &[usize]) -> Vec<Arc<Entered>> {
    let find = |number: &usize| {
        state::read(lua, |state| state.entered.get(number.wrapping_sub(1)).cloned())
    };
    numbers.iter().filter_map(find).collect()
}

/// Returns the number of the environment that is kept of a directory with a content; nil when none
/// is.
fn kept(
    lua: &Lua,
    directory: &LuaString,
    hash: &str,
    options: Option<&LuaTable>,
) -> Answer<Option<usize>> {
    let engine = Options::read(lua, options)?.engine(Access::Look)?;
    let project = open_project(engine.store(), directory)?;
    Ok(engine.kept(&project.id(), parse_hash(hash)?).map(|entered| remember(lua, entered)))
}

/// Returns what evaluation sees of a place: `kind` is `exists`, `names`, `tree` or `content`.
fn observe_at(path: &LuaString, kind: &str) -> Answer<Look> {
    let kind = match kind {
        "exists" => LookKind::Exists,
        "names" => LookKind::Names,
        "tree" => LookKind::Tree,
        "content" => LookKind::Content,
        kind => return Err(Error::new(FailureKind::Internal, format!("no look is called {kind}"))),
    };
    Ok(Look::take(&path_of(path), kind))
}

/// Builds the environment of a directory with the given manifest, and keeps it; returns its number.
/// `looks` are the tables with `path`, `kind` and `answer` that `project_look` returned.
fn enter_directory(
    lua: &Lua,
    manifest: &LuaValue,
    (directory, hash): (&LuaString, &str),
    looks: &[LuaTable],
    options: Option<&LuaTable>,
) -> Answer<usize> {
    let mut options = Options::read(lua, options)?;
    let manifest = manifest_of(lua, manifest)?;
    options.settings.pins = pins::pins_of(lua, manifest.config_path.as_deref());
    let engine = options.engine(Access::Work)?;
    let project = open_project(engine.store(), directory)?;
    let trusted = parse_hash(hash)?;
    let observe = |table: &LuaTable| {
        let path: LuaString = table.get("path")?;
        let kind: String = table.get("kind")?;
        let answer: String = table.get("answer")?;
        Ok(Look { answer: parse_hash(&answer)?, ..observe_at(&path, &kind)? })
    };
    let looks = looks.iter().map(observe).collect::<Answer<Vec<_>>>()?;
    let entered =
        engine.enter_directory(&manifest, &project, trusted, looks, &mut LuaTasks::new(lua))?;
    Ok(remember(lua, entered))
}

/// What a hook does after directories were compared: `shell`, `user`, `entered` and `said` as its
/// shell has them, `is_new` in a shell that did nothing yet; `layers`, what is to be entered:
/// tables with `number`; `watched`: tables with `id`, `hash` where it is trusted,
/// `compared_at`, `files`, `record`. Returns the script.
fn step(lua: &Lua, wanted: &LuaTable, options: Option<&LuaTable>) -> Answer<LuaString> {
    let engine = Options::read(lua, options)?.engine(Access::Look)?;
    let script = step_script(lua, wanted, &engine)?;
    Ok(lua.create_string(script)?)
}

/// The separator of scripts: a shell that defines a function once in a file reads each as a
/// separate file.
const NEXT: &[u8] = b"\n# sys.lua: next\n";

/// Returns the name of the project that this shell was started in, or nothing.
fn name_of_shell(engine: &Engine) -> String {
    let common = Identity {
        root: engine.store().root(),
        user: None,
        project: None,
        snapshot: SnapshotId(0),
    };
    let names = std::env::var(format!("{}_shell", common.memory())).unwrap_or_default();
    let name = names.split_whitespace().last().unwrap_or_default();
    name.strip_prefix(':').unwrap_or(name).to_owned()
}

fn step_script(lua: &Lua, wanted: &LuaTable, engine: &Engine) -> LuaResult<Vec<u8>> {
    let shell = wanted.get::<String>("shell")?;
    let Some(shell) = shells::get(&shell) else { return Ok(Vec::new()) };
    let user = wanted.get::<Option<String>>("user")?;
    let before = wanted.get::<String>("entered")?;
    let mut before: Vec<&str> = before.split_whitespace().collect();
    let had_layers = !before.is_empty();
    let (mut numbers, mut name) = (Vec::new(), None);
    for layer in wanted.get::<Vec<LuaTable>>("layers")? {
        numbers.push(layer.get::<usize>("number")?);
    }
    let layers = layers_of(lua, &numbers);
    let now: Vec<&str> = layers.iter().map(|layer| layer.layer()).collect();
    let kept = before.iter().zip(&now).take_while(|(before, now)| before == now).count();
    let mut script = Vec::new();
    for layer in before.split_off(kept).into_iter().rev().filter_map(|layer| engine.left(layer)) {
        script.extend(shell.render_leave(&layer.identity()).unwrap_or_default());
        script.extend_from_slice(NEXT);
    }
    // Aliases, completions and scripts are of each shell.
    let first = if wanted.get::<bool>("is_new")? { 0 } else { kept };
    for layer in layers.iter().skip(first) {
        script.extend(shell.render(&layer.environment, &layer.identity()));
        script.extend_from_slice(NEXT);
    }
    // In a shell that was started in a project, a hook that entered nothing leaves its name alone.
    match layers.last() {
        Some(innermost) => name = Some(innermost.name.clone()),
        None if had_layers => name = Some(name_of_shell(engine)),
        None => {}
    }
    let mut watched = Vec::new();
    for table in wanted.get::<Vec<LuaTable>>("watched")? {
        let trusted = table.get::<Option<String>>("hash")?.and_then(|hash| parse_hash(&hash).ok());
        let at = SystemTime::UNIX_EPOCH
            + std::time::Duration::from_secs_f64(table.get::<f64>("compared_at")?);
        // What cannot be noted is not watched.
        let note = engine.note_comparison(&table.get::<String>("id")?, trusted, at).ok().flatten();
        let files = table.get::<Vec<LuaString>>("files")?;
        let mut files: Vec<PathBuf> = files.iter().map(path_of).collect();
        files.push(path_of(&table.get::<LuaString>("record")?));
        if let Some(trusted) = trusted {
            files.extend(engine.looked_at(&table.get::<String>("id")?, trusted));
        }
        for file in files {
            watched.push(Watched { is_there: platform::exists(&file), file, note: note.clone() });
        }
    }
    let identity = Identity {
        root: engine.store().root(),
        user: user.as_deref(),
        project: None,
        snapshot: SnapshotId(0),
    };
    let memory = identity.memory();
    let layers: String = now.iter().map(|layer| format!("{layer} ")).collect();
    let said = wanted.get::<String>("said")?;
    let places = EnteredPlaces {
        memory: &memory,
        layers: &layers,
        said: &said,
        name: name.as_deref(),
        watched: &watched,
    };
    script.extend(shell.render_entered(&places).unwrap_or_default());
    Ok(script)
}

/// Becomes a program; returns only when it cannot be started. Windows has no such call: there it
/// runs, and its exit code is returned.
fn become_program(
    lua: &Lua,
    words: &[LuaString],
    variables: &LuaTable,
    script: Option<&LuaString>,
    options: Option<&LuaTable>,
) -> Answer<i32> {
    let root = Options::read(lua, options)?.settings.root;
    let words: Vec<OsString> = words.iter().map(|word| text(&word.as_bytes())).collect();
    let mut all = Vec::new();
    for pair in variables.pairs::<LuaString, LuaString>() {
        let (name, value) = pair?;
        all.push((text(&name.as_bytes()), text(&value.as_bytes())));
    }
    let directory = root.join("cache");
    let script = script.map(|script| script.as_bytes().to_vec());
    let script = script.as_deref().map(|script| (script, directory.as_path()));
    platform::become_program(&words, &all, script).map_err(|error| {
        let program =
            words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
        let kind = match error.kind() {
            ErrorKind::NotFound => FailureKind::NotFound,
            _ => FailureKind::NotStarted,
        };
        Error::new(kind, format!("cannot start {program}: {error}"))
    })
}

/// Registers the functions.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_outside(lua, native, "projects", |lua, manifest: LuaValue| projects(lua, &manifest))?;
    register_verb(
        lua,
        native,
        "enter",
        |lua,
         (manifest, project, shell, options): (
            LuaValue,
            String,
            Option<String>,
            Option<LuaTable>,
        )| { enter(lua, &manifest, &project, shell.as_deref(), options.as_ref()) },
    )?;
    register_trust(lua, native)?;
    register_outside(
        lua,
        native,
        "become_program",
        |lua,
         (words, variables, script, options): (
            Vec<LuaString>,
            LuaTable,
            Option<LuaString>,
            Option<LuaTable>,
        )| { become_program(lua, &words, &variables, script.as_ref(), options.as_ref()) },
    )
}

type Opts = Option<LuaTable>;

fn register_trust(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(lua, native, "project_directories", |lua, directory: Option<LuaString>| {
        directories(lua, directory.as_ref())
    })?;
    register_function(lua, native, "real_path", |lua, path: LuaString| {
        Ok(lua.create_string(platform::bytes_of_path(&platform::canonical(&path_of(&path))))?)
    })?;
    register_function(
        lua,
        native,
        "trust_check",
        |lua, (directory, options): (LuaString, Opts)| check(lua, &directory, options.as_ref()),
    )?;
    register_function(
        lua,
        native,
        "trust_read",
        |lua, (directory, file, options): (LuaString, LuaString, Opts)| {
            read(lua, &directory, &file, options.as_ref())
        },
    )?;
    register_function(
        lua,
        native,
        "trust_look",
        |lua, (directory, file, options): (LuaString, LuaString, Opts)| {
            observe(lua, &directory, &file, options.as_ref())
        },
    )?;
    register_function(
        lua,
        native,
        "trust_accept",
        |lua, (directory, files, sources, options): (LuaString, LuaTable, Opts, Opts)| {
            accept(lua, &directory, &files, sources.as_ref(), options.as_ref()).map(|()| true)
        },
    )?;
    register_function(
        lua,
        native,
        "trust_source",
        |lua, (directory, source, hash, options): (LuaString, LuaString, String, Opts)| {
            trusts_source(lua, &directory, &source, &hash, options.as_ref())
        },
    )?;
    register_outside(
        lua,
        native,
        "trust_follow",
        |lua, (file, before, after, options): (LuaString, Option<LuaString>, LuaString, Opts)| {
            follow(lua, &file, before.as_ref(), &after, options.as_ref())
        },
    )?;
    register_function(
        lua,
        native,
        "project_kept",
        |lua, (directory, hash, options): (LuaString, String, Opts)| {
            kept(lua, &directory, &hash, options.as_ref())
        },
    )?;
    register_verb(
        lua,
        native,
        "project_enter",
        |lua,
         (manifest, directory, hash, looks, options): (
            LuaValue,
            LuaString,
            String,
            Vec<LuaTable>,
            Opts,
        )| {
            enter_directory(lua, &manifest, (&directory, &hash), &looks, options.as_ref())
        },
    )?;
    register_function(lua, native, "project_look", |_, (path, kind): (LuaString, String)| {
        observe_at(&path, &kind).map(|look| look.answer.to_hex())
    })?;
    register_function(
        lua,
        native,
        "project_start",
        |lua, (numbers, shell): (Vec<usize>, Option<String>)| {
            let layers = layers_of(lua, &numbers);
            let ids: Vec<&str> = layers.iter().map(|layer| layer.key.as_str()).collect();
            start_table(lua, &layers, Some(&ids.join(" ")), shell.as_deref())
        },
    )?;
    register_function(lua, native, "project_step", |lua, (wanted, options): (LuaTable, Opts)| {
        step(lua, &wanted, options.as_ref())
    })
}
