//! The threads that run operations, and the channel for their results.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::settings::{Event, Events};

/// The result of a thread.
pub enum Message<R> {
    /// The result of the job that was given under this number.
    Done(usize, R),
    /// A job panicked; the text says how.
    Panicked(usize, String),
    /// Progress.
    Event(Event),
}

/// A job and its number.
type Job<R> = (usize, Box<dyn FnOnce() -> R + Send>);

/// The threads that take jobs one by one.
struct Queue<R> {
    jobs: Sender<Job<R>>,
    /// The thread that waits for the next job holds it.
    next: Arc<Mutex<Receiver<Job<R>>>>,
    /// How many threads there are by now.
    consumers: usize,
}

impl<R: Send + 'static> Queue<R> {
    fn new() -> Queue<R> {
        let (jobs, next) = channel();
        Queue { jobs, next: Arc::new(Mutex::new(next)), consumers: 0 }
    }

    /// Passes a job to the threads, at most `most`; returns it if there is none.
    fn give(
        &mut self,
        most: usize,
        sender: &Sender<Message<R>>,
        number: usize,
        job: Box<dyn FnOnce() -> R + Send>,
    ) -> Result<(), Box<dyn FnOnce() -> R + Send>> {
        if self.consumers < most {
            self.add_consumer(sender);
        }
        if self.consumers == 0 {
            return Err(job);
        }
        self.jobs.send((number, job)).map_err(|refused| refused.0.1)
    }

    /// Starts one more thread, where the system gives one.
    fn add_consumer(&mut self, sender: &Sender<Message<R>>) {
        let (next, sender) = (Arc::clone(&self.next), sender.clone());
        let take = move || {
            loop {
                // A separate statement: the next one may wait while the job is done.
                let job = next.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok((number, job)) = job else { return };
                perform(&sender, number, job);
            }
        };
        if thread::Builder::new().name("syslua-op".to_owned()).spawn(take).is_ok() {
            self.consumers += 1;
        }
    }
}

/// How many of the jobs in line may be at work.
pub struct Turns {
    free: Mutex<usize>,
    returned: Condvar,
}

impl Turns {
    fn new(count: usize) -> Turns {
        Turns { free: Mutex::new(count), returned: Condvar::new() }
    }

    /// Waits for a turn.
    pub fn take(&self) -> Turn<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.returned.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Turn(self)
    }
}

/// A turn; another job has it afterwards.
pub struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.returned.notify_one();
    }
}

/// Threads and a channel.
pub struct Pool<R> {
    threads: rayon::ThreadPool,
    line: Queue<R>,
    /// Those of the jobs in that line, once there is one.
    turns: Option<Arc<Turns>>,
    small: Queue<R>,
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
        let threads =
            rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build()?;
        let (line, small) = (Queue::new(), Queue::new());
        Ok(Pool { threads, line, turns: None, small, sender, receiver })
    }

    /// Runs a job on a thread; its result is sent with `number`.
    pub fn run(&self, number: usize, job: impl FnOnce() -> R + Send + 'static) {
        let sender = self.sender.clone();
        self.threads.spawn(move || perform(&sender, number, job));
    }

    /// Runs a job that may take long, in order. At most `most` have a turn at a time, which the job
    /// takes; as many more make themselves ready. They have their own threads, so that no other job
    /// waits for one, and each thread takes the next job itself: the caller may be busy.
    pub fn run_in_line(
        &mut self,
        most: usize,
        number: usize,
        job: impl FnOnce(&Turns) -> R + Send + 'static,
    ) {
        let turns = Arc::clone(self.turns.get_or_insert_with(|| Arc::new(Turns::new(most.max(1)))));
        let job = move || job(&turns);
        match self.line.give(most * 2, &self.sender, number, Box::new(job)) {
            Ok(()) => {}
            Err(job) => self.run(number, job),
        }
    }

    /// Runs a job that is done soon and spreads over no threads, besides those in line. The threads
    /// of the pool look for more work over and over before they sleep, which costs more than such a
    /// job.
    pub fn run_small(
        &mut self,
        most: usize,
        number: usize,
        job: impl FnOnce() -> R + Send + 'static,
    ) {
        match self.small.give(most, &self.sender, number, Box::new(job)) {
            Ok(()) => {}
            Err(job) => self.run(number, job),
        }
    }

    /// Runs a job that spreads over all threads, and waits for it.
    pub fn spread<T: Send>(&self, job: impl FnOnce() -> T + Send) -> T {
        self.threads.install(job)
    }

    /// Returns where jobs send events.
    pub fn events(&self) -> Events {
        let sender = self.sender.clone();
        Events::new(move |event| drop(sender.send(Message::Event(event))))
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
    // The receiver is gone when the call ended early.
    let _ = sender.send(message);
}

/// Returns what a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn of_jobs_in_line_only_some_run_at_a_time_and_one_that_panics_holds_up_none() {
        const MOST: usize = 2;
        let mut pool = Pool::new(1).unwrap();
        let (running, greatest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for number in 0..20 {
            let (running, greatest) = (Arc::clone(&running), Arc::clone(&greatest));
            pool.run_in_line(MOST, number, move |turns| {
                let _turn = turns.take();
                greatest.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(1));
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
        // Those who took them wait for more.
        pool.run_in_line(MOST, 20, |_| 20);
        assert!(matches!(pool.receive(Duration::from_secs(10)), Some(Message::Done(20, 20))));
    }
}
