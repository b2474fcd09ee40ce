//! The threads that operations run on, and the channel that their results come back by.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::settings::Event;

/// What comes back from a thread.
pub enum Message<R> {
    /// The result of the job that was given under this number.
    Done(usize, R),
    /// A job panicked; the text says how.
    Panicked(usize, String),
    /// Progress.
    Event(Event),
}

/// Threads and a channel.
pub struct Pool<R> {
    threads: rayon::ThreadPool,
    sender: Sender<Message<R>>,
    receiver: Receiver<Message<R>>,
}

impl<R: Send + 'static> Pool<R> {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn new(threads: usize) -> Result<Pool<R>, rayon::ThreadPoolBuildError> {
        let (sender, receiver) = channel();
        let name = |number| format!("syslua-{number}");
        let threads = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build()?;
        Ok(Pool { threads, sender, receiver })
    }

    /// Runs a job on a thread; its result comes back under `number`.
    pub fn run(&self, number: usize, job: impl FnOnce() -> R + Send + 'static) {
        let sender = self.sender.clone();
        self.threads.spawn(move || {
            let message = match catch_unwind(AssertUnwindSafe(job)) {
                Ok(result) => Message::Done(number, result),
                Err(panic) => Message::Panicked(number, panic_text(panic.as_ref())),
            };
            // Nobody listens any more when the call has ended early.
            let _ = sender.send(message);
        });
    }

    /// Runs a job that spreads over all threads, and waits for it.
    pub fn spread<T: Send>(&self, job: impl FnOnce() -> T + Send) -> T {
        self.threads.install(job)
    }

    /// Returns a sender of events for jobs.
    pub fn events(&self) -> impl Fn(Event) + Send + Sync + 'static {
        let sender = self.sender.clone();
        move |event| drop(sender.send(Message::Event(event)))
    }

    /// Waits for the next message.
    pub fn receive(&self, timeout: Duration) -> Option<Message<R>> {
        self.receiver.recv_timeout(timeout).ok()
    }
}

/// Returns what a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
