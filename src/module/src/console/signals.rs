//! Signals while a verb works: SIGINT, SIGTERM and SIGHUP ask the engine to stop, SIGPIPE does
//! nothing.
//!
//! Without this, the handler of the `lua` program would only set a hook that does not run while
//! Rust works, and the others would end the process in the middle of a switch. The earlier handlers
//! are restored when the call ends. A signal that came too late to stop anything is raised again
//! then, so that it is not lost. This room does not know what stopping means; the engine checks the
//! flag.

/// Does a verb's work, with the handlers in force. Verbs may nest: the outermost one installs and
/// puts back.
pub fn while_working<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let mut handlers = system::Handlers::install();
    let result = work();
    handlers.raise_again_if(result.is_ok());
    result
}

/// Makes a write to a closed pipe fail, instead of ending the process; until the process ends.
/// Started programs get the default.
#[cfg(unix)]
pub fn ignore_closed_pipes() {
    use syslua_engine::platform::signals::{Reaction, SIGPIPE, react};
    // SAFETY: no function is called.
    let _ = unsafe { react(SIGPIPE, Reaction::Ignore) };
}

/// There is no such signal here.
#[cfg(not(unix))]
pub fn ignore_closed_pipes() {}

#[cfg(unix)]
mod system {
    use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
    use std::sync::{Mutex, PoisonError};

    use syslua_engine::platform::signals::{
        EarlierReaction, Reaction, SIGALRM, SIGHUP, SIGINT, SIGPIPE, SIGTERM, end_process, raise,
        raise_by_default, react, set_alarm,
    };

    use crate::console::interrupt::{FLAG, interrupt};
    use crate::console::loops;

    /// The number of verbs that work, and what was in force before the first.
    static BEFORE: Mutex<(usize, Vec<EarlierReaction>)> = Mutex::new((0, Vec::new()));
    /// The last signal that came; 0 for none.
    static LAST: AtomicI32 = AtomicI32::new(0);
    /// How many came since the verb began.
    static ASKED: AtomicUsize = AtomicUsize::new(0);

    /// Who asks so often does not get an answer: a config that never ends, say.
    const ENOUGH: usize = 3;

    /// How many seconds Lua code of the user may take to reach a hook after a signal. A function of
    /// C and a finalizer never reach one.
    const PATIENCE: u32 = 1;

    /// What the command line prints of an interrupt. Lua code of the user runs before the first
    /// change of the system.
    const INTERRUPTED: &[u8] = b"error: interrupted: nothing was changed\n";

    /// The exit code of an interrupted command.
    const INTERRUPTED_CODE: i32 = 130;

    /// Touches atomics, and in the end ends the process: nearly all else is forbidden in a handler
    /// of signals.
    extern "C" fn note(signal: i32) {
        LAST.store(signal, Ordering::Relaxed);
        if ASKED.fetch_add(1, Ordering::Relaxed) + 1 >= ENOUGH {
            raise_by_default(signal);
        }
        if let Some(flag) = FLAG.get() {
            flag.store(true, Ordering::Relaxed);
        }
        if loops::stop(signal) {
            set_alarm(PATIENCE);
        }
    }

    /// Ends the process if Lua code of the user still runs, a while after a signal.
    extern "C" fn end_if_stuck(_: i32) {
        if loops::is_running() {
            end_process(INTERRUPTED, INTERRUPTED_CODE);
        }
        set_alarm(PATIENCE);
    }

    /// Keeps the handlers in force; dropping it puts back what was before.
    pub struct Handlers {
        /// Whether a late signal is raised again then, because nothing handled it.
        again: bool,
    }

    impl Handlers {
        /// Says whether a signal that stopped nothing is to be raised once more.
        pub fn raise_again_if(&mut self, succeeded: bool) {
            self.again = succeeded;
        }

        pub fn install() -> Handlers {
            let flag = interrupt();
            let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
            before.0 += 1;
            if before.0 > 1 {
                return Handlers { again: false };
            }
            flag.0.store(false, Ordering::Relaxed);
            LAST.store(0, Ordering::Relaxed);
            ASKED.store(0, Ordering::Relaxed);
            for (signal, reaction) in [
                (SIGINT, Reaction::Call(note)),
                (SIGTERM, Reaction::Call(note)),
                (SIGHUP, Reaction::Call(note)),
                (SIGALRM, Reaction::Call(end_if_stuck)),
                (SIGPIPE, Reaction::Ignore),
            ] {
                // SAFETY: the handler stores to atomics, and sends signals.
                let Ok(earlier) = (unsafe { react(signal, reaction) }) else { continue };
                if earlier.is_ignored() {
                    // As `nohup` wants it.
                    earlier.restore();
                } else {
                    before.1.push(earlier);
                }
            }
            Handlers { again: false }
        }
    }

    impl Drop for Handlers {
        fn drop(&mut self) {
            let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
            before.0 -= 1;
            if before.0 > 0 {
                return;
            }
            if ASKED.load(Ordering::Relaxed) > 0 {
                set_alarm(0);
            }
            for earlier in before.1.drain(..) {
                earlier.restore();
            }
            drop(before);
            let signal = LAST.swap(0, Ordering::Relaxed);
            if self.again && signal != 0 {
                raise(signal);
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    /// There are no such signals here.
    pub struct Handlers(());

    impl Handlers {
        pub fn install() -> Handlers {
            Handlers(())
        }

        pub fn raise_again_if(&mut self, _succeeded: bool) {}
    }
}
