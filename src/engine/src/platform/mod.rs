//! The operating system, behind one set of functions for all platforms.
//!
//! Whatever changes the file system goes through here: each such function passes its [`fault`]
//! point first, so that tests can stop or fail the program at every step. Reading is here too where
//! an error should name its path. Nowhere else may paths be used: a lint refuses it
//! (`clippy.toml`).
#![cfg_attr(
    not(test),
    expect(clippy::disallowed_methods, reason = "this is the room that uses paths")
)]

mod account;
mod become_program;
pub mod build_users;
mod directory;
pub mod fault;
#[cfg(test)]
#[cfg(unix)]
pub(crate) mod hostile;
mod impersonate;
pub mod jail;
mod links;
pub mod lock;
mod modify;
mod mounts;
mod no_core;
mod overlay;
mod owner_xattr;
mod past_cache;
pub mod process;
mod processes;
mod read;
mod session;
#[cfg(unix)]
pub mod signals;
mod tree;
#[cfg(test)]
#[cfg(unix)]
mod tree_tests;
mod unread_copy;
mod unwritten;
mod walk;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as system;
#[cfg(unix)]
pub use unix::hostname;
#[cfg(unix)]
mod unix_directory;
#[cfg(unix)]
use unix_directory as system_directory;
#[cfg(unix)]
mod unix_locks;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;
#[cfg(windows)]
mod windows_directory;
#[cfg(windows)]
use windows_directory as system_directory;

use std::io;
use std::path::{Path, PathBuf};

pub use account::{Account, group_number, user_name, user_named};
pub use become_program::{SCRIPT, become_program};
pub use directory::{
    Blank, Directory, Identity, Like, NewFile, Node, Seen, id_at, observe, set_mode_of,
};
pub use impersonate::Actor;
pub use links::{LinkLimits, Links, links_below};
pub use modify::{
    APPEND_ONLY, ImmutableFile, append_durably, append_file, copy_file, create_directories,
    create_directories_as, create_directory, create_directory_as, create_file,
    create_user_directories, create_user_file, fixing_flag, give_to, give_to_number, hard_link,
    has_old_time, immutable_file, is_immutable, remove_directory, remove_file, rename,
    replace_symlink, set_file_immutable, set_mode, set_old_time, symlink, sync_directory,
    sync_file, sync_file_system, touch, write_file, write_file_as, write_file_atomically,
    write_file_durably, write_private_file_atomically, write_record, write_user_file_atomically,
};
pub use mounts::Mounts;
pub use no_core::NoCore;
pub use overlay::is_fixed;
pub use past_cache::{Pages, PastCache};
pub use processes::{ProcessTexts, each_process};
pub use read::{
    FileKind, can_read, canonical, destination_of, digest_of, end_of, exists, followed,
    is_directory, is_file, is_private, kind_of, leads_somewhere, list_directory, metadata_of,
    normalize, open_node, open_regular, open_waiting, read_file, read_foreign, read_link,
    read_regular, read_to_string,
};
pub use session::{
    Login, SwitchTag, Terminal, has_switch_tag, login_variables, poll_child, prepare_session,
    was_interrupted,
};
pub use system::{
    ask_to_stop, bytes_of_path, end_group, facts_of, facts_of_file, free_space, has_object_mode,
    is_executable, is_executable_file, is_object_mode, is_system_user, leave_session,
    may_set_immutable, mode_of, name_from_bytes, open_standard_descriptors, own_group, own_number,
    owner_of, path_from_bytes, read_at, shell_command, signal_of, terminal_width, user_number,
    wait_for_input,
};
pub use tree::{
    copy_file_in, copy_tree, lift_immutable_tree, locate, open_up, remove_in, remove_tree,
    set_immutable, set_immutable_in,
};
pub use unread_copy::copy_unread;
pub use unwritten::Unwritten;
pub use walk::{Descent, Step, Walk};

/// How many numbers are told of a file.
pub const FACTS: usize = if cfg!(unix) { 8 } else { 4 };

/// What the system tells of a file without reading it.
#[derive(Debug)]
pub struct Facts {
    /// Its kind.
    pub kind: FileKind,
    /// Numbers that change when the file does.
    pub numbers: [u64; FACTS],
    /// The last change of content.
    pub modified: std::time::SystemTime,
    /// The last change of content or state.
    pub newest: std::time::SystemTime,
    /// Whether the file system tells times in fractions of a second.
    pub has_fractions: bool,
    /// Whether it is known to be immutable.
    pub is_immutable: bool,
    /// Whether its content has the time that all files of objects have.
    pub has_old_time: bool,
}

impl Facts {
    /// Returns whether its owner may execute it.
    pub fn is_executable(&self) -> bool {
        // The permission bits are the fourth number.
        cfg!(unix) && self.numbers[3] & 0o100 != 0
    }

    /// Returns whether others than its owner and its group cannot read a file, or cannot enter a
    /// directory.
    pub fn is_private(&self) -> bool {
        // The permission bits are the fourth number.
        self.kind != FileKind::Symlink
            && keeps_others_out(self.numbers[3], self.kind == FileKind::Directory)
    }
}

/// Returns whether others than the owner and the group of a file cannot read it, or of a directory
/// cannot enter it, by its mode.
fn keeps_others_out(mode: u64, is_directory: bool) -> bool {
    let needed = if is_directory { 0o001 } else { 0o004 };
    cfg!(unix) && mode & needed != needed
}

/// Returns when a file last changed in content or state, by the numbers of its [`Facts`]. Where the
/// system tells no such time, the beginning of all times.
pub fn changed_at(numbers: &[u64; FACTS]) -> std::time::SystemTime {
    let [.., seconds, nanoseconds] = *numbers;
    let since =
        std::time::Duration::from_secs(seconds) + std::time::Duration::from_nanos(nanoseconds);
    if cfg!(unix) { std::time::UNIX_EPOCH + since } else { std::time::UNIX_EPOCH }
}

/// Returns 32 unpredictable digits.
///
/// # Errors
/// When the system has no source of chance.
pub fn random_name() -> io::Result<String> {
    system::random_bytes().map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A failed operation on the file system.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {}", shown(path), reason(cause))]
pub struct Error {
    /// The operation, such as `read` or `create the directory`.
    pub operation: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why it failed.
    pub cause: io::Error,
}

/// Returns a path for messages: of a path that exceeds the system's limit, the beginning and the
/// end.
fn shown(path: &Path) -> String {
    const LONGEST: usize = 4096;
    const PART: usize = 200;
    let text = path.display().to_string();
    if text.len() <= LONGEST {
        return text;
    }
    let part = |text: &mut dyn Iterator<Item = char>| text.take(PART).collect::<String>();
    let (begin, end) = (part(&mut text.chars()), part(&mut text.chars().rev()));
    format!("{begin} ... {}", end.chars().rev().collect::<String>())
}

/// Returns whether the cause of an error is that the file system has no space left, or the user may
/// not use more of it.
pub fn lacks_space(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|cause| {
        matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    })
}

impl Error {
    /// Returns whether the path does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self.cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    }

    /// Returns whether the rights are missing.
    pub fn is_denied(&self) -> bool {
        self.cause.kind() == io::ErrorKind::PermissionDenied
    }

    /// Returns whether the system uses the path itself, such as a directory that something is
    /// mounted on.
    pub fn is_busy(&self) -> bool {
        self.cause.kind() == io::ErrorKind::ResourceBusy
    }

    /// Returns whether the path is longer than the system takes one.
    pub fn is_too_long(&self) -> bool {
        self.cause.kind() == io::ErrorKind::InvalidFilename
    }

    /// Returns whether the file was replaced by another one.
    fn is_change(&self) -> bool {
        use io::ErrorKind;
        matches!(
            self.cause.kind(),
            ErrorKind::NotFound
                | ErrorKind::NotADirectory
                | ErrorKind::IsADirectory
                | ErrorKind::DirectoryNotEmpty
        ) || system_directory::is_link_error(&self.cause)
    }

    /// Returns whether the path exists already.
    pub fn is_already_there(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AlreadyExists
    }
}

/// The result of an operation on the file system.
pub type Result<T> = std::result::Result<T, Error>;

/// Returns a path below a top. Joining nothing would add a slash.
pub fn join(top: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { top.to_owned() } else { top.join(below) }
}

/// Makes an error of the operation and path that failed.
pub fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |cause| Error { operation, path: path.to_owned(), cause }
}

/// Returns the system's words without "(os error 2)".
pub fn reason(error: &io::Error) -> String {
    let text = match (error.raw_os_error(), error.kind()) {
        // As the system says it.
        (None, io::ErrorKind::NotFound) => "No such file or directory".to_owned(),
        (None, io::ErrorKind::IsADirectory) => "Is a directory".to_owned(),
        (None, io::ErrorKind::NotADirectory) => "Not a directory".to_owned(),
        _ => error.to_string(),
    };
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

pub use syslua_reading::remedy;

/// Returns the time in seconds since the epoch.
pub fn now() -> f64 {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    time.map_or(0.0, |time| time.as_secs_f64())
}
