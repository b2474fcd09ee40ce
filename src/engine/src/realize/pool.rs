//! The threads that operations run on, and the channel that their results come back by.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
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

type Job<R> = Box<dyn FnOnce() -> R + Send>;

/// Jobs of which only some run at a time.
struct Line<R> {
    waiting: VecDeque<(usize, Job<R>)>,
    /// How many threads are taking them.
    takers: usize,
}

impl<R> Line<R> {
    /// Returns the next job for a thread that takes them; nothing when it is to stop.
    fn next(line: &Mutex<Line<R>>) -> Option<(usize, Job<R>)> {
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        let next = line.waiting.pop_front();
        if next.is_none() {
            line.takers -= 1;
        }
        next
    }
}

/// Threads and a channel.
pub struct Pool<R> {
    threads: rayon::ThreadPool,
    line: Arc<Mutex<Line<R>>>,
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
        let line = Arc::new(Mutex::new(Line { waiting: VecDeque::new(), takers: 0 }));
        Ok(Pool { threads, line, sender, receiver })
    }

    /// Runs a job on a thread; its result comes back under `number`.
    pub fn run(&self, number: usize, job: impl FnOnce() -> R + Send + 'static) {
        let sender = self.sender.clone();
        self.threads.spawn(move || perform(&sender, number, job));
    }

    /// Runs a job on a thread, but no more than `most` of these at a time, in their order. A thread that is done with one
    /// goes on with the next by itself: whoever gives them may be busy.
    pub fn run_in_line(&self, most: usize, number: usize, job: impl FnOnce() -> R + Send + 'static) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.waiting.push_back((number, Box::new(job)));
        if line.takers >= most {
            return;
        }
        line.takers += 1;
        let (line, sender) = (Arc::clone(&self.line), self.sender.clone());
        self.threads.spawn(move || {
            while let Some((number, job)) = Line::next(&line) {
                perform(&sender, number, job);
            }
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

/// Does a job and sends its result.
fn perform<R>(sender: &Sender<Message<R>>, number: usize, job: impl FnOnce() -> R) {
    let message = match catch_unwind(AssertUnwindSafe(job)) {
        Ok(result) => Message::Done(number, result),
        Err(panic) => Message::Panicked(number, panic_text(panic.as_ref())),
    };
    // Nobody listens any more when the call has ended early.
    let _ = sender.send(message);
}

/// Returns what a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn of_jobs_in_line_only_some_run_at_a_time_and_one_that_panics_holds_up_none() {
        const MOST: usize = 2;
        let pool = Pool::new(MOST + 2).unwrap();
        let (running, greatest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for number in 0..20 {
            let (running, greatest) = (Arc::clone(&running), Arc::clone(&greatest));
            pool.run_in_line(MOST, number, move || {
                greatest.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(1));
                running.fetch_sub(1, Ordering::SeqCst);
                assert_ne!(number, 3, "as a bug would");
                number
            });
        }
        let (mut done, mut panicked) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            match pool.receive(Duration::from_secs(10)).unwrap() {
                Message::Done(number, result) => {
                    assert_eq!(number, result);
                    done.push(number);
                }
                Message::Panicked(number, _) => panicked.push(number),
                Message::Event(_) => unreachable!(),
            }
        }
        done.sort_unstable();
        assert_eq!(done, (0..20).filter(|number| *number != 3).collect::<Vec<_>>());
        assert_eq!(panicked, [3]);
        assert_eq!(greatest.load(Ordering::SeqCst), MOST);
        // Whoever took the last ones has stopped, and another begins.
        pool.run_in_line(MOST, 20, || 20);
        assert!(matches!(pool.receive(Duration::from_secs(10)), Some(Message::Done(20, 20))));
    }
}
