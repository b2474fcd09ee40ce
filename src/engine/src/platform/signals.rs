//! Handlers of signals, and signals to one thread of this process. It does not know what they are
//! for: the handlers and their state belong to the caller.
//!
//! Libraries for signals keep their handlers installed, and call earlier ones from there. Here an
//! earlier handler, such as that of the interpreter, must be in force again, unchanged.

use std::io;

pub use libc::{SIGALRM, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM};

/// What a signal does.
#[derive(Clone, Copy, Debug)]
pub enum Reaction {
    /// Nothing.
    Ignore,
    /// Calls a function. System calls that it interrupts are started again.
    Call(extern "C" fn(i32)),
}

/// What a signal did before [`react`].
#[derive(Debug)]
pub struct EarlierReaction {
    signal: i32,
    action: libc::sigaction,
}

impl EarlierReaction {
    /// Returns whether the signal was ignored, as `nohup` wants it.
    pub fn is_ignored(&self) -> bool {
        self.action.sa_sigaction == libc::SIG_IGN
    }

    /// Puts it in force again.
    pub fn restore(&self) {
        // SAFETY: it was in force before.
        let _ =
            unsafe { libc::sigaction(self.signal, &raw const self.action, std::ptr::null_mut()) };
    }
}

/// Decides what a signal does from now on, and returns what it did before.
///
/// # Safety
/// A function that is called does only what signal-safety(7) allows.
///
/// # Errors
/// When the system refuses it.
pub unsafe fn react(signal: i32, reaction: Reaction) -> io::Result<EarlierReaction> {
    // SAFETY: zeros are a valid action: the default, with no flags and no signals blocked.
    let (mut action, mut earlier): (libc::sigaction, libc::sigaction) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    match reaction {
        Reaction::Ignore => action.sa_sigaction = libc::SIG_IGN,
        Reaction::Call(handler) => {
            action.sa_sigaction = handler as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART;
        }
    }
    // SAFETY: both actions live on this stack; the caller answers for the function.
    match unsafe { libc::sigaction(signal, &raw const action, &raw mut earlier) } {
        0 => Ok(EarlierReaction { signal, action: earlier }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends a signal to this thread.
pub fn raise(signal: i32) {
    // SAFETY: it takes a number, and refuses a number without a signal.
    unsafe { libc::raise(signal) };
}

/// Lets a signal do what it does by default, which mostly ends the process, and raises it. A
/// handler may call this.
pub fn raise_by_default(signal: i32) {
    // SAFETY: the default calls no function of this process.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    raise(signal);
}

/// Returns a number for this thread, valid while it runs. A handler may call this.
pub fn this_thread() -> usize {
    // SAFETY: it always succeeds.
    unsafe { libc::pthread_self() as usize }
}

/// Sends a signal to a thread of this process. A handler may call this.
///
/// # Safety
/// [`this_thread`] returned the number, and that thread has not ended.
pub unsafe fn send_to_thread(thread: usize, signal: i32) {
    // SAFETY: the caller says that the thread is there.
    unsafe { libc::pthread_kill(thread as libc::pthread_t, signal) };
}

/// Sends this process `SIGALRM` after some seconds, instead of what was asked for before; 0 only
/// withdraws that. A handler may call this.
pub fn set_alarm(seconds: u32) {
    // SAFETY: it always succeeds.
    unsafe { libc::alarm(seconds) };
}

/// Writes a message to standard error and ends the process, without anything else that an end
/// does. A handler may call this.
pub fn end_process(message: &[u8], code: i32) -> ! {
    // SAFETY: the message is as long as it says. What is not written is lost.
    unsafe {
        libc::write(libc::STDERR_FILENO, message.as_ptr().cast(), message.len());
        libc::_exit(code)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI32, Ordering};

    use super::{Reaction, raise, react, send_to_thread, this_thread};

    static LAST: AtomicI32 = AtomicI32::new(0);

    extern "C" fn note(signal: i32) {
        LAST.store(signal, Ordering::SeqCst);
    }

    #[test]
    fn a_handler_is_called_until_the_earlier_reaction_is_back() {
        // No other test and nothing in the engine uses this signal.
        let signal = libc::SIGUSR2;
        // SAFETY: the handler stores to an atomic.
        let first = unsafe { react(signal, Reaction::Ignore) }.unwrap();
        assert!(!first.is_ignored());
        raise(signal);
        // SAFETY: as above.
        let second = unsafe { react(signal, Reaction::Call(note)) }.unwrap();
        assert!(second.is_ignored());
        raise(signal);
        assert_eq!(LAST.swap(0, Ordering::SeqCst), signal);
        // SAFETY: this thread runs.
        unsafe { send_to_thread(this_thread(), signal) };
        assert_eq!(LAST.swap(0, Ordering::SeqCst), signal);
        second.restore();
        raise(signal);
        assert_eq!(LAST.load(Ordering::SeqCst), 0);
        first.restore();
        // SAFETY: as above; a number that no signal has is refused.
        assert!(unsafe { react(-1, Reaction::Ignore) }.is_err());
    }
}
