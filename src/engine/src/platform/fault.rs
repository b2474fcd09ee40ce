//! The fault point: every mutating operation has a number and can be made to fail or to stop there.
//!
//! Only builds with the feature `fault-injection`, and this crate's own tests, count; elsewhere a
//! point costs nothing. There each operation is remembered too, so that a power failure can be
//! replayed: unsynced data may be lost.

use std::io;
use std::path::PathBuf;

/// What happens at the chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends at once, as by a kill.
    Stop,
    /// This operation and every later one fails: what a kill leaves, without ending the process.
    Halt,
    /// The operation fails with this error number of the system.
    Fail(i32),
}

/// One change of the file system, as a power cut may lose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A directory was created.
    MakeDirectory(PathBuf),
    /// A file got this content; it was created if it was missing.
    Write(PathBuf, Vec<u8>),
    /// Something got another name, over whatever had that.
    Rename(PathBuf, PathBuf),
    /// Something got a name that nothing had.
    RenameNew(PathBuf, PathBuf),
    /// Two files got each other's name.
    Exchange(PathBuf, PathBuf),
    /// A file got a second name.
    HardLink(PathBuf, PathBuf),
    /// A symbolic link to the first was created at the second.
    Symlink(PathBuf, PathBuf),
    /// A file or link was removed.
    Remove(PathBuf),
    /// An empty directory was removed.
    RemoveDirectory(PathBuf),
    /// The entries of a directory are on the disk.
    SyncDirectory(PathBuf),
    /// The content of a file is on the disk.
    SyncFile(PathBuf),
    /// Everything until now is on the disk.
    SyncFileSystem,
    /// Something that a replay leaves out, such as a mode.
    Other,
}

#[cfg(any(test, feature = "fault-injection"))]
mod counting {
    use std::io;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::sync::{Mutex, PoisonError};

    use super::{Fault, Operation};

    static COUNT: AtomicU64 = AtomicU64::new(0);
    static CHOSEN: Mutex<Option<(u64, Fault)>> = Mutex::new(None);
    static MEANWHILE: Mutex<Option<Box<dyn FnMut() + Send>>> = Mutex::new(None);
    static RECORDING: AtomicBool = AtomicBool::new(false);
    static RECORD: Mutex<Vec<Operation>> = Mutex::new(Vec::new());

    /// Chooses the operation, counted from 1, at which the fault happens, and counts anew.
    pub fn choose(chosen: Option<(u64, Fault)>) {
        *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = chosen;
        COUNT.store(0, Ordering::SeqCst);
    }

    /// Returns how many operations there were since the last choice.
    pub fn count() -> u64 {
        COUNT.load(Ordering::SeqCst)
    }

    /// Begins or ends the recording of operations; returns those recorded so far.
    pub fn record(recording: bool) -> Vec<Operation> {
        RECORDING.store(recording, Ordering::SeqCst);
        std::mem::take(&mut *RECORD.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets what another program does just before each operation.
    pub fn meanwhile(program: Option<Box<dyn FnMut() + Send>>) {
        *MEANWHILE.lock().unwrap_or_else(PoisonError::into_inner) = program;
    }

    pub(super) fn point() -> io::Result<()> {
        if let Some(program) = &mut *MEANWHILE.lock().unwrap_or_else(PoisonError::into_inner) {
            program();
        }
        let number = COUNT.fetch_add(1, Ordering::SeqCst) + 1;
        match *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((chosen, Fault::Stop)) if chosen == number => std::process::abort(),
            Some((chosen, Fault::Halt)) if chosen <= number => Err(io::Error::other("halted")),
            Some((chosen, Fault::Fail(code))) if chosen == number => {
                Err(io::Error::from_raw_os_error(code))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn done(operation: impl FnOnce() -> Operation) {
        if RECORDING.load(Ordering::SeqCst) {
            RECORD.lock().unwrap_or_else(PoisonError::into_inner).push(operation());
        }
    }
}

#[cfg(any(test, feature = "fault-injection"))]
pub use counting::{choose, count, meanwhile, record};

/// Passes the point of one mutating operation.
pub(crate) fn point() -> io::Result<()> {
    #[cfg(any(test, feature = "fault-injection"))]
    return counting::point();
    #[cfg(not(any(test, feature = "fault-injection")))]
    Ok(())
}

/// Passes the point of something that changes the system in a way of its own.
///
/// # Errors
/// When that is to fail here.
pub fn pass(what: &std::path::Path) -> super::Result<()> {
    point().map_err(super::failed("run", what))
}

/// Remembers an operation that was performed.
#[cfg_attr(
    not(any(test, feature = "fault-injection")),
    expect(unused_variables, reason = "only tests remember")
)]
pub(crate) fn done(operation: impl FnOnce() -> Operation) {
    #[cfg(any(test, feature = "fault-injection"))]
    counting::done(operation);
}
