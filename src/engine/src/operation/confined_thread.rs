//! The threads that start programs. Each has confined itself by what many programs have in common,
//! so that this is not done again for each of them, and runs one program at a time: what it can
//! signal was started by that.
//!
//! A build has a thread for itself as long as it has a jail; otherwise for each program.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use crate::platform;
use crate::platform::jail::{Base, Keeper, Machine, Places};
use crate::platform::lock::Lock;
use crate::platform::process::prepare_thread;

type Job = Box<dyn FnOnce(&mut Runner) + Send>;

/// What a job on such a thread works with.
pub struct Runner {
    /// What confines the thread; `None` when nothing does.
    pub places: Option<Places>,
    /// What makes jails for its programs, once one is needed.
    pub keeper: Option<Keeper>,
    /// The lock of the jail, which its processes hold too: they have the descriptors of this
    /// thread.
    pub lock: Option<Lock>,
    /// Why there is no jail, after a job that was to make one.
    pub refusal: Option<String>,
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

/// The idle threads, by their confinement, and the known facts about the machine.
#[derive(Default)]
pub struct Runners {
    idle: Mutex<BTreeMap<Option<Base>, Vec<Sender<Job>>>>,
    machine: OnceLock<Result<Machine, String>>,
    /// Whether there are namespaces here, once that is known, or why there are none.
    pub has_namespaces: OnceLock<Result<(), String>>,
    /// The first user checks it.
    pub first_try: Mutex<()>,
}

impl Runners {
    /// Returns what this machine has that builds see.
    ///
    /// # Errors
    /// When it cannot be read; in words.
    pub fn machine(&self) -> Result<&Machine, String> {
        let observe = || Machine::observe().map_err(|error| platform::reason(&error));
        self.machine.get_or_init(observe).as_ref().map_err(Clone::clone)
    }

    /// Returns a thread that is confined so, for the caller alone.
    ///
    /// # Errors
    /// When there is no such thread, or it cannot be confined.
    pub fn lease(self: &Arc<Runners>, base: Option<Base>) -> Result<Lease, Error> {
        let known = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(&base)
            .and_then(Vec::pop);
        let jobs = known.map_or_else(|| begin(base), Ok)?;
        Ok(Lease { runners: Arc::clone(self), base, jobs })
    }
}

/// A thread in use.
pub struct Lease {
    runners: Arc<Runners>,
    base: Option<Base>,
    jobs: Sender<Job>,
}

impl Lease {
    /// Does a job on the thread, and waits for it. The job may open descriptors, which are its own,
    /// and closes them.
    ///
    /// # Errors
    /// When the thread is gone.
    ///
    /// # Panics
    /// When the job does.
    pub fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Runner) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (sender, receiver) = channel();
        let job = move |runner: &mut Runner| {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(runner)));
            // The caller waits.
            let _ = sender.send(result);
        };
        self.jobs.send(Box::new(job)).map_err(|_| gone())?;
        let result = receiver.recv().map_err(|_| gone())?;
        Ok(result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }
}

impl Lease {
    /// Does a job on the thread, without waiting for it.
    ///
    /// # Errors
    /// When the thread is gone.
    pub fn start(&self, job: impl FnOnce(&mut Runner) + Send + 'static) -> Result<(), Error> {
        let job = move |runner: &mut Runner| {
            drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(runner))));
        };
        self.jobs.send(Box::new(job)).map_err(|_| gone())
    }

    /// Does a last job on the thread, without waiting for it. Others get the thread afterwards.
    pub fn end(self, job: impl FnOnce(&mut Runner) + Send + 'static) {
        let jobs = self.jobs.clone();
        let job = move |runner: &mut Runner| {
            drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(runner))));
            drop(self);
        };
        // Without its thread there is nothing to do it with.
        let _ = jobs.send(Box::new(job));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut idle = self.runners.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.entry(self.base).or_default().push(self.jobs.clone());
    }
}

/// Starts a thread; it ends when its job channel is closed.
fn begin(base: Option<Base>) -> Result<Sender<Job>, Error> {
    let (sender, jobs) = channel::<Job>();
    let (ready, is_ready) = channel();
    let run = move || {
        let restricted = base.map_or(Ok(()), Base::restrict).map_err(Error::NotConfined);
        let prepared = restricted.and_then(|()| prepare_thread().map_err(Error::NotPrepared));
        let is_fine = prepared.is_ok();
        let _ = ready.send(prepared);
        if is_fine {
            let mut runner =
                Runner { places: base.map(Base::places), keeper: None, lock: None, refusal: None };
            jobs.into_iter().for_each(|job| job(&mut runner));
        }
    };
    thread::Builder::new().name("syslua-run".to_owned()).spawn(run).map_err(Error::NoThread)?;
    is_ready.recv().map_err(|_| gone())??;
    Ok(sender)
}

fn gone() -> Error {
    Error::NoThread(io::Error::other("it is gone"))
}
