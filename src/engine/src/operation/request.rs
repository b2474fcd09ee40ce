//! The requests of builds: how each is read from the fields that a config gives, and performed. A
//! new operation of `ctx` is a variant with its two arms here, and an entry of
//! `lua/syslua/operations.lua`.

use std::path::PathBuf;
use std::time::Duration;

use super::{
    Command, Commit, Download, Error, Fields, Program, Response, Result, UnpackOptions, Workspace,
    fetch_git, fetch_url, files, run, unpack,
};
use crate::platform;
use crate::settings::{Event, Settings};

/// An operation that a build asks for. Paths are as the config gave them, placeholders resolved.
#[derive(Clone, Debug)]
pub enum Request {
    /// Downloads a file.
    FetchUrl(Download),
    /// Fetches the tree of a commit.
    FetchGit(Commit),
    /// Unpacks an archive.
    Unpack {
        /// The archive.
        archive: PathBuf,
        /// The directory that it goes to.
        destination: PathBuf,
        /// How.
        options: UnpackOptions,
    },
    /// Copies a file, link or tree.
    Copy {
        /// What.
        from: PathBuf,
        /// The new name.
        to: PathBuf,
    },
    /// Gives a file, link or tree of the build another name.
    Move {
        /// What.
        from: PathBuf,
        /// The new name.
        to: PathBuf,
    },
    /// Creates a symbolic link.
    Symlink {
        /// What it points to, as it is.
        target: PathBuf,
        /// Its position.
        link: PathBuf,
    },
    /// Returns the content of a file.
    Read {
        /// The file.
        path: PathBuf,
    },
    /// Returns the names in a directory.
    List {
        /// The directory.
        path: PathBuf,
        /// Whether the files of directories in it are listed in their place.
        recursive: bool,
    },
    /// Tells whether something is there.
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// Tells whether something is a file, where links lead too.
    IsFile {
        /// Where.
        path: PathBuf,
    },
    /// Creates a directory and those above it.
    MakeDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// Writes a file.
    Write {
        /// The file.
        path: PathBuf,
        /// Its content.
        content: Vec<u8>,
    },
    /// Sets the mode of a file or tree.
    SetMode {
        /// The file or directory.
        path: PathBuf,
        /// The permission bits.
        mode: u32,
    },
    /// Runs a program.
    Run(Command),
}

impl Request {
    /// Reads a request by the name of its operation. Paths are resolved already.
    ///
    /// # Errors
    /// When a text is not UTF-8, a hash does not read as one, or a field is missing.
    pub fn read(operation: &str, fields: &Fields, settings: &Settings) -> Result<Request> {
        Ok(match operation {
            "fetch_url" => Request::FetchUrl(Download {
                url: fields.text("url")?,
                sha256: fields.hash("sha256", "sha256sum FILE prints one")?,
                mirrors: fields.texts("mirrors", "a mirror's address")?,
                name: fields.optional_text("name")?,
                stated_by: fields.optional_text("stated_by")?,
            }),
            "fetch_git" => Request::FetchGit(Commit {
                url: fields.text("url")?,
                rev: fields.text("rev")?,
                sha256: fields.hash("sha256", "nix-prefetch-git URL REV prints one")?,
                submodules: fields.flag("submodules")?,
            }),
            "unpack" => Request::Unpack {
                archive: fields.path("archive")?,
                destination: fields.path("destination")?,
                options: unpack_options(fields, settings)?,
            },
            "copy" => Request::Copy { from: fields.path("from")?, to: fields.path("to")? },
            "move" => Request::Move { from: fields.path("from")?, to: fields.path("to")? },
            "symlink" => {
                Request::Symlink { target: fields.path("target")?, link: fields.path("link")? }
            }
            "read" => Request::Read { path: fields.path("path")? },
            "list" => {
                Request::List { path: fields.path("path")?, recursive: fields.flag("recursive")? }
            }
            "exists" => Request::Exists { path: fields.path("path")? },
            "is_file" => Request::IsFile { path: fields.path("path")? },
            "mkdir" => Request::MakeDirectory { path: fields.path("path")? },
            "write" => {
                Request::Write { path: fields.path("path")?, content: fields.bytes("content")? }
            }
            "chmod" => Request::SetMode {
                path: fields.path("path")?,
                mode: fields.integer("mode")?.unwrap_or_default(),
            },
            "run" => Request::Run(command(fields)?),
            other => return Err(Error::Malformed(format!("unknown operation {other}"))),
        })
    }

    /// Performs it.
    ///
    /// # Errors
    /// When it fails.
    pub(super) fn perform(self, workspace: &Workspace) -> Result<Response> {
        if workspace.settings.interrupt.is_set() {
            return Err(Error::Interrupted);
        }
        if matches!(
            self,
            Request::Unpack { .. }
                | Request::Move { .. }
                | Request::Symlink { .. }
                | Request::MakeDirectory { .. }
                | Request::Write { .. }
                | Request::SetMode { .. }
        ) {
            workspace.forget_all_copies();
        }
        match self {
            Request::FetchUrl(wanted) => fetch_url::fetch(workspace, &wanted).map(Response::Path),
            Request::FetchGit(wanted) => fetch_git::fetch(workspace, &wanted).map(Response::Path),
            Request::Unpack { archive, destination, options } => {
                let name = workspace.name_of(&workspace.absolute(&archive));
                workspace.settings.events.send(Event::UnpackStarted { archive: name.clone() });
                let unpacked = unpack::unpack(workspace, &archive, &destination, &options);
                workspace.settings.events.send(Event::UnpackFinished { archive: name });
                unpacked.map(|()| Response::Done)
            }
            Request::Copy { from, to } => {
                files::copy(workspace, &from, &to).map(|()| Response::Done)
            }
            Request::Move { from, to } => {
                files::rename(workspace, &from, &to).map(|()| Response::Done)
            }
            Request::Symlink { target, link } => {
                files::symlink(workspace, &target, &link).map(|()| Response::Done)
            }
            Request::Read { path } => files::read(workspace, &path).map(Response::Output),
            Request::List { path, recursive: false } => {
                files::list(workspace, &path).map(Response::Names)
            }
            Request::List { path, recursive: true } => {
                files::list_all(workspace, &path).map(Response::Names)
            }
            Request::Exists { path } => files::exists(workspace, &path).map(Response::Flag),
            Request::IsFile { path } => files::is_file(workspace, &path).map(Response::Flag),
            Request::MakeDirectory { path } => {
                files::make_directory(workspace, &path).map(|()| Response::Done)
            }
            Request::Write { path, content } => {
                files::write(workspace, &path, &content).map(|()| Response::Done)
            }
            Request::SetMode { path, mode } => {
                files::set_mode(workspace, &path, mode).map(|()| Response::Done)
            }
            Request::Run(command) => {
                workspace.make_directory()?;
                workspace.copy_sources()?;
                workspace.note_run();
                run::run(workspace, &command).map(Response::Output)
            }
        }
    }
}

/// Reads how to unpack; the Lua side checked the names.
fn unpack_options(fields: &Fields, settings: &Settings) -> Result<UnpackOptions> {
    let mut limits = settings.unpack.clone();
    let given = fields.table("limits")?;
    for (name, limit) in [
        ("bytes", &mut limits.bytes),
        ("ratio", &mut limits.ratio),
        ("entries", &mut limits.entries),
        ("path", &mut limits.path),
        ("depth", &mut limits.depth),
        ("memory", &mut limits.memory),
    ] {
        *limit = given.integer(name)?.unwrap_or(*limit);
    }
    let allowed = fields.texts("allow", "an item of `allow`")?;
    let allows = |name: &str| allowed.iter().any(|allowed| allowed == name);
    Ok(UnpackOptions {
        strip: fields.integer("strip")?.unwrap_or(0),
        allow_case_collisions: allows("case_collisions"),
        allow_setuid: allows("setuid"),
        single: fields.optional_text("single")?,
        limits,
    })
}

/// Reads a program to run: a line for the shell, or arguments.
fn command(fields: &Fields) -> Result<Command> {
    let program = if fields.has("arguments") {
        Program::Arguments(fields.list("arguments")?)
    } else {
        Program::Line { line: fields.bytes("line")?, shell: fields.optional_path("shell")? }
    };
    Ok(Command {
        program,
        directory: fields.optional_path("directory")?,
        environment: fields.table("environment")?.into_texts()?,
        input: fields.optional_bytes("stdin")?.unwrap_or_default(),
        // A time that exceeds the clock counts as none.
        timeout: fields
            .number("timeout")?
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        read: fields.list("read")?.iter().map(|path| platform::path_from_bytes(path)).collect(),
    })
}
