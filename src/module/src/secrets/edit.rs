//! Opens the content of a document in an editor.

use std::path::{Path, PathBuf};

use mlua::prelude::*;
use syslua_engine::failure::FailureKind;
use syslua_engine::platform;
use syslua_secrets::file::Stored;
use syslua_secrets::private::PrivateFile;

use super::shared::{path_of, recipients_of_environment, rules_file};
use crate::error::{Answer, Error, OrFail};
use crate::identities::get_identities;

/// Where a private file may be, the last one on a disk.
fn private_places() -> Vec<PathBuf> {
    let runtime =
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let mut places: Vec<PathBuf> = runtime.into_iter().collect();
    places.push(PathBuf::from("/dev/shm"));
    places.push(std::env::temp_dir());
    places
}

/// Opens the content in an editor. `on_problem` is told what is wrong with the result, and says
/// whether the editor is started again.
pub(super) fn edit(
    lua: &Lua,
    path: &LuaString,
    editor: &[String],
    on_problem: &LuaFunction,
) -> Answer<LuaTable> {
    let path = path_of(path);
    let given = recipients_of_environment()?;
    let mut stored =
        Stored::open_or_make(&path, &get_identities(), &given, rules_file().as_deref())?;
    let before = stored.opened.content()?;
    let name = path
        .file_name()
        .map_or_else(|| "secrets".into(), |name| name.to_string_lossy().into_owned());
    let private = PrivateFile::new(&private_places(), &name, &before)
        .or_fail_with(FailureKind::Secrets, "cannot make a private file")?;
    if !private.is_in_memory() {
        let warning = "this system has no file system in memory: \
                       the decrypted text is on the disk while the editor runs";
        on_problem.call::<LuaValue>((warning, true))?;
    }
    loop {
        run_editor(editor, private.path())?;
        let after =
            private.read().or_fail_with(FailureKind::Secrets, "cannot read the edited file")?;
        if *after == *before {
            return edited(lua, false, stored.is_new());
        }
        // An editor that was stopped, or a disk that was full, leaves such a file.
        if after.trim_ascii().is_empty() && !before.trim_ascii().is_empty() {
            return Err(Error::new(
                FailureKind::Secrets,
                "the editor left an empty file; nothing was changed",
            )
            .with_hint("remove the document if nothing shall be in it"));
        }
        match stored.opened.replace(&after) {
            Ok(()) => break,
            Err(problem) => {
                let again: bool = on_problem.call((problem.message.as_str(), false))?;
                if !again {
                    return Err(problem.in_file(&path).into());
                }
            }
        }
    }
    let is_new = stored.is_new();
    let changed = stored.save()?;
    edited(lua, changed, is_new)
}

fn edited(lua: &Lua, changed: bool, is_new: bool) -> Answer<LuaTable> {
    let table = lua.create_table()?;
    table.set("changed", changed)?;
    table.set("created", changed && is_new)?;
    Ok(table)
}

/// Runs the editor and waits. Signals of the terminal are for the editor; those that end a process
/// end it first, so that the private file goes.
fn run_editor(editor: &[String], file: &Path) -> Answer<()> {
    let (program, arguments) = editor.split_first().ok_or_else(|| {
        Error::new(FailureKind::Usage, "the editor is not known").with_hint("set EDITOR")
    })?;
    // Before the editor is there: it may be quick.
    let guard = waiting::Guard::new();
    let mut child =
        std::process::Command::new(program).args(arguments).arg(file).spawn().map_err(|error| {
            Error::new(
                FailureKind::Secrets,
                format!("cannot start the editor `{program}`: {}", platform::reason(&error)),
            )
            .with_hint("EDITOR names it")
        })?;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if guard.asked().is_some() => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Error::interrupted());
            }
            Ok(None) => std::thread::sleep(std::time::Duration::from_millis(10)),
            Err(error) => {
                return Err(Error::new(
                    FailureKind::Secrets,
                    format!("cannot wait for the editor: {error}"),
                ));
            }
        }
    };
    if status.success() {
        return Ok(());
    }
    Err(Error::new(
        FailureKind::Secrets,
        format!("the editor `{program}` failed: {status}; nothing was changed"),
    ))
}

#[cfg(unix)]
mod waiting {
    use std::sync::atomic::{AtomicI32, Ordering};

    use syslua_engine::platform::signals::{
        EarlierReaction, Reaction, SIGHUP, SIGINT, SIGQUIT, SIGTERM, react,
    };

    /// The last signal that asks to end; 0 for none.
    static ASKED: AtomicI32 = AtomicI32::new(0);

    extern "C" fn note(signal: i32) {
        ASKED.store(signal, Ordering::Relaxed);
    }

    /// Not ignored: the editor would inherit that.
    extern "C" fn pass(_signal: i32) {}

    /// While it lives, SIGINT and SIGQUIT do nothing, and SIGTERM and SIGHUP are noted.
    pub struct Guard(Vec<EarlierReaction>);

    impl Guard {
        pub fn new() -> Self {
            ASKED.store(0, Ordering::Relaxed);
            let reactions = [
                (SIGINT, Reaction::Call(pass)),
                (SIGQUIT, Reaction::Call(pass)),
                (SIGTERM, Reaction::Call(note)),
                (SIGHUP, Reaction::Call(note)),
            ];
            // SAFETY: the handlers touch an atomic at most.
            let replaced = reactions.map(|(signal, reaction)| unsafe { react(signal, reaction) });
            Self(replaced.into_iter().flatten().collect())
        }

        /// The signal that asked to end.
        pub fn asked(&self) -> Option<i32> {
            Some(ASKED.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
        }
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.iter().for_each(EarlierReaction::restore);
        }
    }
}

#[cfg(not(unix))]
mod waiting {
    /// Windows ends all processes of a console together.
    pub struct Guard;

    impl Guard {
        pub fn new() -> Self {
            Self
        }

        pub fn asked(&self) -> Option<i32> {
            None
        }
    }
}
