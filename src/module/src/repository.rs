//! `bindings.commit_lock` and `clone`: git for people, which talks to the user itself.

use std::path::Path;
use std::process::{Command, Stdio};

use mlua::prelude::*;
use syslua_engine::failure::FailureKind;
use syslua_engine::inputs::{self, redact};
use syslua_engine::platform;

use crate::error::{Answer, Error};
use crate::locks::config_path;
use crate::register::register as register_function;
use crate::state;

/// Commits the lock of a config, whatever else is changed or staged. Where git cannot, the lock is
/// taken back: the next try finds what this one found.
fn commit(lua: &Lua, config: &Path, message: &str) -> Answer<()> {
    let lock = inputs::place_of(config);
    let directory = lock.parent().unwrap_or(Path::new("/"));
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(directory).args(words).arg("--").arg(syslua_engine::lock::FILE_NAME);
        command
    };
    let is_tracked = {
        let mut command = git(&["ls-files", "--error-unmatch"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        outside_of_repositories(&mut command);
        command.status().is_ok_and(|status| status.success())
    };
    let what = "commit syslua.lock";
    let done = run_git(&mut git(&["add", "--intent-to-add"]), what)
        .and_then(|()| run_git(&mut git(&["commit", "--quiet", "--message", message]), what));
    let Err(mut failure) = done else { return Ok(()) };
    if !is_tracked {
        let mut command = git(&["rm", "--cached", "--quiet", "--ignore-unmatch"]);
        outside_of_repositories(&mut command);
        // Without a repository there is nothing to take back.
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    let pending = state::read(lua, |state| state.pending_locks.get(config).cloned());
    let restored = pending.map(|pending| pending.file.restore(&pending.written)).transpose();
    let (state, hint) = match restored {
        Ok(Some(true)) => (
            "the lock is as it was before",
            "remove what git complains about and do it again; or update without --commit",
        ),
        Ok(_) | Err(_) => (
            "the lock is updated and not committed",
            "remove what git complains about, and commit syslua.lock",
        ),
    };
    failure.message = format!("{}: {state}", failure.message);
    failure.hint.get_or_insert_with(|| hint.to_owned());
    Err(failure)
}

/// Clones a repository into a directory, as a work tree of the user. Offline it may be one of this
/// machine.
fn clone(url: &str, branch: Option<&str>, directory: &Path, offline: bool) -> Answer<()> {
    let mut command = Command::new("git");
    // Whatever the user's configuration rewrites the address to.
    let protocols = if offline { "file" } else { "file:https:ssh" };
    command.env("GIT_ALLOW_PROTOCOL", protocols).args(["clone", "--quiet"]);
    let is_commit =
        |text: &&str| text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let commit = branch.filter(is_commit);
    if let Some(branch) = branch.filter(|_| commit.is_none()) {
        command.arg(format!("--branch={branch}"));
    }
    command.arg("--").arg(url).arg(directory);
    run_git(&mut command, "clone the config").map_err(|error| {
        let hint = if offline {
            "the network is switched off: run once without --offline".to_owned()
        } else {
            format!("check the address, and what git says to it: git ls-remote {}", redact(url))
        };
        error.or_hint(hint)
    })?;
    let Some(commit) = commit else { return Ok(()) };
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(["checkout", "--quiet", "--detach", commit]);
    run_git(&mut command, "check out the revision").map_err(|error| {
        error.or_hint(format!(
            "name a commit that a branch or tag has; the clone stays in {}",
            directory.display()
        ))
    })
}

/// Has git find the repository by the directory: a hook of another one names that in variables
/// (git(1), "The Git Repository").
fn outside_of_repositories(command: &mut Command) {
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
        "GIT_PREFIX",
    ] {
        command.env_remove(name);
    }
}

/// Runs git, which talks to the user itself.
fn run_git(command: &mut Command, what: &str) -> Answer<()> {
    let failed = |reason: String| Error::new(FailureKind::Git, format!("cannot {what}: {reason}"));
    // Its output is for people, and that of sys.lua is for programs.
    command.stdout(Stdio::null());
    outside_of_repositories(command);
    let status = command.status().map_err(|error| {
        failed(format!("git cannot be started ({error})"))
            .with_hint(format!("install git, or {what} yourself"))
    })?;
    if status.success() { Ok(()) } else { Err(failed(format!("git ended with {status}"))) }
}

/// Registers the functions.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(
        lua,
        native,
        "commit_lock",
        |lua, (config, message): (LuaString, String)| {
            commit(lua, &config_path(&config)?, &message).map(|()| true)
        },
    )?;
    register_function(
        lua,
        native,
        "clone",
        |_, (url, branch, directory, offline): (String, Option<String>, LuaString, bool)| {
            let directory = platform::path_from_bytes(&directory.as_bytes());
            clone(&url, branch.as_deref(), &directory, offline).map(|()| true)
        },
    )
}
