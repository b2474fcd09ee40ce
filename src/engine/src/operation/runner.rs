//! The threads that start programs. Each has confined itself by what many programs have in common, so that this is not done
//! again for each of them, and runs one program at a time: what it can signal was started by that.
//!
//! A thread of builds has one for each kind of program that it ran.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::platform;
use crate::platform::jail::{Base, Places};
use crate::platform::process::prepare_thread;

type Job = Box<dyn FnOnce(&Runner) + Send>;

/// What a job on such a thread works with.
pub struct Runner {
    /// What confines the thread; `None` when nothing does.
    pub places: Option<Places>,
}

/// Why a job could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thread cannot be made, or is gone.
    #[error("there is no thread to start it: {}", platform::reason(.0))]
    NoThread(#[source] io::Error),
    /// The thread cannot get a table of descriptors of its own, or what it hands to programs.
    #[error("its thread cannot be prepared: {}", platform::reason(.0))]
    NotPrepared(#[source] io::Error),
    /// The thread cannot be confined.
    #[error("it cannot be confined: {}", platform::reason(.0))]
    NotConfined(#[source] io::Error),
}

thread_local! {
    static RUNNERS: RefCell<BTreeMap<Option<Base>, Sender<Job>>> = RefCell::default();
}

/// Does a job on a thread that is confined so, and waits for it. The job may open descriptors, which are its own, and closes
/// them.
///
/// # Errors
/// When there is no such thread, or it cannot be confined.
///
/// # Panics
/// When the job does.
pub fn run_on<R: Send + 'static>(
    base: Option<Base>,
    job: impl FnOnce(&Runner) -> R + Send + 'static,
) -> Result<R, Error> {
    let known = RUNNERS.with_borrow(|runners| runners.get(&base).cloned());
    let jobs = match known {
        Some(jobs) => jobs,
        None => {
            let jobs = begin(base)?;
            RUNNERS.with_borrow_mut(|runners| runners.insert(base, jobs.clone()));
            jobs
        }
    };
    let (sender, receiver) = channel();
    let job = move |runner: &Runner| {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(runner)));
        // Whoever asked waits.
        let _ = sender.send(result);
    };
    jobs.send(Box::new(job)).map_err(|_| gone())?;
    let result = receiver.recv().map_err(|_| gone())?;
    Ok(result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// Starts a thread; it ends when the one that started it does.
fn begin(base: Option<Base>) -> Result<Sender<Job>, Error> {
    let (sender, jobs) = channel::<Job>();
    let (ready, is_ready) = channel();
    let run = move || {
        let restricted = base.map_or(Ok(()), Base::restrict).map_err(Error::NotConfined);
        let prepared = restricted.and_then(|()| prepare_thread().map_err(Error::NotPrepared));
        let is_fine = prepared.is_ok();
        let _ = ready.send(prepared);
        if is_fine {
            let runner = Runner { places: base.map(Base::places) };
            jobs.into_iter().for_each(|job| job(&runner));
        }
    };
    thread::Builder::new().name("syslua-run".to_owned()).spawn(run).map_err(Error::NoThread)?;
    is_ready.recv().map_err(|_| gone())??;
    Ok(sender)
}

fn gone() -> Error {
    Error::NoThread(io::Error::other("it is gone"))
}
