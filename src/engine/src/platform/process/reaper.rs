//! Processes that a program left running outside of its process group.
//!
//! When their parent ends, they become children of this process, of its first thread, and `/proc`
//! lists those (proc(5)). Several programs may run at a time, each with daemons that it still
//! needs. The sandbox tells to which program a child belongs: a confined thread can signal only its
//! own descendants, and a build of root has its own user. Without the sandbox, each program of a
//! build inherits a file with a random name and no path (memfd_create(2)).

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, child_subreaper, getpid, kill_process, set_child_subreaper, waitpid,
};

use super::ProgramLimits;

/// The time limit for the end of killed processes.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(1);

/// The number of programs that run, and what held before the first.
static RUNNING: Mutex<(usize, Option<Pid>)> = Mutex::new((0, None));

/// While one exists, processes that lose their parent become children of this process.
pub struct Reaper(());

impl Reaper {
    /// Begins.
    pub fn begin() -> Reaper {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if running.0 == 0 {
            running.1 = child_subreaper().ok().flatten();
            let _ = set_child_subreaper(Some(Pid::INIT));
        }
        running.0 += 1;
        Reaper(())
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.0 -= 1;
        if running.0 == 0 {
            let _ = set_child_subreaper(running.1);
        }
    }
}

/// Ends what the program of this thread left running. Returns whether nothing of that is left.
pub(super) fn end(limits: &ProgramLimits<'_>) -> bool {
    let list = format!("/proc/self/task/{}/children", getpid().as_raw_pid());
    let begin = Instant::now();
    let mut ended: Vec<Pid> = Vec::new();
    loop {
        // All at once: a process that forks cannot be faster.
        if let Some(user) = limits.user {
            let _ = super::launch::signal_all_of(user);
        } else if limits.has_scoped_signals {
            super::launch::signal_all_in_scope();
        }
        let mut children = String::new();
        // Its length is nothing to ask for.
        let read = fs::File::open(&list)
            .and_then(|list| list.take(u64::MAX).read_to_string(&mut children));
        if read.is_err() {
            return true;
        }
        let children = children
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .filter_map(Pid::from_raw);
        for child in children {
            let is_left = !ended.contains(&child) && is_ours(child, limits);
            // A child of another program refuses.
            if is_left && kill_process(child, Signal::KILL).is_ok() {
                ended.push(child);
            }
        }
        // Those that were reaped are gone, and their own children are now children of this process.
        let before = ended.len();
        ended.retain(|child| matches!(waitpid(Some(*child), WaitOptions::NOHANG), Ok(None)));
        if before == 0 || begin.elapsed() >= PATIENCE {
            return ended.is_empty();
        }
        if before == ended.len() {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Kills every process of a user that belongs to one build only. Needs root.
///
/// # Errors
/// When the system refuses, or one does not end.
pub fn end_user(user: u32) -> io::Result<()> {
    let begin = Instant::now();
    while has_processes(user) {
        super::launch::signal_all_of(user)?;
        if begin.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
        } else if is_running(user) {
            return Err(io::Error::other(format!("a process of the user {user} cannot be ended")));
        } else {
            break;
        }
    }
    Ok(())
}

/// Returns whether a user has processes, including zombies. It needs no `/proc`, and unlike
/// `kill(-1)` it reports only this user.
fn has_processes(user: u32) -> bool {
    rustix::process::getpriority_user(rustix::process::Uid::from_raw(user)).is_ok()
}

/// Returns whether a process of a user runs: a zombie may wait forever to be reaped.
fn is_running(user: u32) -> bool {
    let Ok(entries) = fs::read_dir("/proc") else { return true };
    entries.flatten().any(|entry| {
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let word = |name| {
            status.lines().find_map(|line: &str| line.strip_prefix(name)?.split_whitespace().next())
        };
        word("Uid:") == Some(user.to_string().as_str())
            && !matches!(word("State:"), Some("Z" | "X"))
    })
}

/// Ends whatever still holds a mark: programs of a build whose own process was killed. Without
/// `/proc` none is found.
pub fn end_marked(mark: &str) {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let processes =
            entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
        let end = |process: &Pid| {
            // The number may be reused by another process, but the descriptor cannot.
            let Ok(handle) =
                rustix::process::pidfd_open(*process, rustix::process::PidfdFlags::empty())
            else {
                return false;
            };
            has_mark(*process, mark)
                && rustix::process::pidfd_send_signal(&handle, Signal::KILL).is_ok()
        };
        // A zombie has no descriptors any more.
        if processes.filter(|process| *process != getpid()).filter(end).count() == 0 {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Says in words what a program may leave running that is not found on this machine; `None` for
/// nothing. `is_scoped` tells whether programs can be ended by what they may signal, `has_user`
/// whether by their user.
pub fn missing(is_scoped: bool, has_user: bool) -> Option<&'static str> {
    missing_without(Path::new("/proc"), is_scoped, has_user)
}

fn missing_without(processes: &Path, is_scoped: bool, has_user: bool) -> Option<&'static str> {
    if has_user || processes.join("self/fd").is_dir() {
        None
    } else if is_scoped {
        Some("without /proc, processes are not found that run on after sys.lua was killed")
    } else {
        Some("without /proc, processes are not found that programs leave running")
    }
}

/// Returns whether a process holds the file without a place that a build's programs inherit.
fn has_mark(process: Pid, mark: &str) -> bool {
    let wanted = format!("/memfd:{mark} (deleted)");
    let open =
        fs::read_dir(format!("/proc/{}/fd", process.as_raw_pid())).into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|link| link.as_os_str() == wanted.as_str())
}

fn is_ours(child: Pid, limits: &ProgramLimits<'_>) -> bool {
    use std::os::unix::fs::MetadataExt;
    match limits.user {
        Some(user) => fs::metadata(format!("/proc/{}", child.as_raw_pid()))
            .is_ok_and(|found| found.uid() == user),
        None => limits.has_scoped_signals || has_mark(child, limits.mark),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::settings::Interrupt;

    /// Set when a thread that [`trap_signals_to_all`] wanted to signal everybody.
    static WAS_TRAPPED: AtomicBool = AtomicBool::new(false);

    extern "C" fn note(_signal: libc::c_int) {
        WAS_TRAPPED.store(true, Ordering::SeqCst);
    }

    /// From now on this thread gets SIGSYS in place of `kill(-1)`, which does nothing.
    fn trap_signals_to_all() {
        let step = |code: u32, jt, jf, k| libc::sock_filter {
            code: u16::try_from(code).unwrap(),
            jt,
            jf,
            k,
        };
        let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        let give = libc::BPF_RET | libc::BPF_K;
        let mut filter = [
            step(load, 0, 0, 0),
            step(equal, 0, 2, u32::try_from(libc::SYS_kill).unwrap()),
            step(load, 0, 0, 16),
            step(equal, 1, 0, u32::MAX),
            step(give, 0, 0, libc::SECCOMP_RET_ALLOW),
            step(give, 0, 0, libc::SECCOMP_RET_TRAP),
        ];
        let program = libc::sock_fprog { len: 6, filter: filter.as_mut_ptr() };
        rustix::thread::set_no_new_privs(true).unwrap();
        // SAFETY: the handler stores a value; the program lives until the call returns.
        unsafe {
            libc::signal(libc::SIGSYS, note as *const () as libc::sighandler_t);
            assert_eq!(
                libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program),
                0
            );
        }
    }

    #[test]
    fn nobody_signals_everybody_where_signals_have_no_scope() {
        std::thread::spawn(|| {
            trap_signals_to_all();
            let interrupt = Interrupt::default();
            let limits = ProgramLimits {
                input: &[],
                deadline: None,
                interrupt: &interrupt,
                has_scoped_signals: false,
                user: None,
                mark: "syslua-none-has-this",
            };
            assert!(end(&limits));
            end_marked(limits.mark);
            assert!(!WAS_TRAPPED.load(Ordering::SeqCst));
            super::super::launch::signal_all_in_scope();
            assert!(WAS_TRAPPED.load(Ordering::SeqCst), "the trap works");
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_user_without_processes_has_none() {
        const NOBODY: u32 = 1_899_999_999;
        assert!(!has_processes(NOBODY) && !is_running(NOBODY));
        let own = rustix::process::getuid().as_raw();
        assert!(has_processes(own) && is_running(own));
    }

    #[test]
    fn a_machine_without_proc_says_what_it_does_not_find() {
        let place = tempfile::tempdir().unwrap();
        let missing = |is_scoped, has_user| missing_without(place.path(), is_scoped, has_user);
        assert_eq!(missing(false, true), None);
        assert!(missing(true, false).unwrap().contains("was killed"));
        assert!(missing(false, false).unwrap().contains("leave running"));
        fs::create_dir_all(place.path().join("self/fd")).unwrap();
        assert_eq!(missing(false, false), None);
    }
}
