//! What one process has learned about the objects of a store: the files that it published, what
//! they look like since they got or lost names, and which objects are damaged. The object memory
//! takes it over at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::memory::{Entry, Looked};
use crate::hash::{Hash, QuickMap};
use crate::names::ObjectName;
use crate::platform::lock::Patience;
use crate::platform::{self, FACTS, FileKind};

/// What identifies a file: the numbers of its file system and of itself.
pub type FileId = [u64; 2];

/// What a process has learned. Clones of a store share it.
#[derive(Debug, Default)]
pub struct Session {
    published: Mutex<BTreeMap<Vec<u8>, Entry>>,
    stamps: Mutex<QuickMap<FileId, [u64; FACTS]>>,
    damaged: Mutex<BTreeSet<ObjectName>>,
    unprotected: Mutex<BTreeMap<ObjectName, Vec<PathBuf>>>,
    looked: Mutex<Option<Arc<Looked>>>,
    /// Whether a thread has the publication lock, or waits for it.
    is_publishing: Mutex<bool>,
    published_one: Condvar,
}

/// The right of one thread of this process to take the publication lock.
#[derive(Debug)]
pub struct Gate(Arc<Session>);

impl Drop for Gate {
    fn drop(&mut self) {
        *held(&self.0.is_publishing) = false;
        self.0.published_one.notify_one();
    }
}

/// How often a thread that waits for others looks whether it was interrupted.
const TICK: Duration = Duration::from_millis(20);

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn newer(first: [u64; FACTS], second: [u64; FACTS]) -> [u64; FACTS] {
    if platform::changed_at(&second) > platform::changed_at(&first) { second } else { first }
}

impl Session {
    /// Waits until no other thread of this process has the publication lock: a thread that waits
    /// for a lock of a file sleeps for much longer than another one has it. Returns what is left of
    /// the patience; nothing where it was used up, and then the lock itself says who has it.
    pub fn enter(self: &Arc<Session>, patience: &Patience) -> (Option<Gate>, Patience) {
        let begin = Instant::now();
        let left = || patience.timeout.map(|timeout| timeout.saturating_sub(begin.elapsed()));
        let mut is_publishing = held(&self.is_publishing);
        while *is_publishing && !patience.interrupt.is_set() && left() != Some(Duration::ZERO) {
            let longest = left().unwrap_or(TICK).min(TICK);
            let waited = self.published_one.wait_timeout(is_publishing, longest);
            is_publishing = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let gate = (!*is_publishing).then(|| Gate(Arc::clone(self)));
        *is_publishing = true;
        (gate, Patience { timeout: left(), interrupt: patience.interrupt.clone() })
    }

    /// Notes what is in an object that was just published, by paths relative to the directory of
    /// all objects.
    pub fn note_published(&self, entries: impl IntoIterator<Item = (Vec<u8>, Entry)>) {
        let (mut published, mut stamps) = (held(&self.published), held(&self.stamps));
        for (path, entry) in entries {
            // A file that got a name was moved to its place after that.
            if let Some(stamp) = stamps.get_mut(&[entry.numbers[0], entry.numbers[1]]) {
                *stamp = newer(*stamp, entry.numbers);
            }
            published.insert(path, entry);
        }
    }

    /// Returns the published files, directories and links at a path and below it, in the order of
    /// their paths.
    pub fn published_at(&self, path: &[u8]) -> Vec<(Vec<u8>, Entry)> {
        let published = held(&self.published);
        let owned = |(path, entry): (&Vec<u8>, &Entry)| (path.clone(), entry.clone());
        let top = published.get_key_value(path);
        let is_directory = top.is_some_and(|(_, entry)| entry.kind == FileKind::Directory);
        let mut found: Vec<_> = top.map(owned).into_iter().collect();
        if is_directory {
            let below = [path, b"/"].concat();
            let rest =
                published.range(below.clone()..).take_while(|(path, _)| path.starts_with(&below));
            found.extend(rest.map(owned));
        }
        found
    }

    /// Notes what a file looks like since it got or lost a name. The caller has compared it just
    /// before.
    pub fn note_stamp(&self, numbers: [u64; FACTS]) {
        let mut stamps = held(&self.stamps);
        let known = stamps.entry([numbers[0], numbers[1]]).or_insert(numbers);
        // Of two threads, the last reader may record first.
        *known = newer(*known, numbers);
    }

    /// Returns what a file looks like since then, when it got or lost a name.
    pub fn stamp(&self, id: FileId) -> Option<[u64; FACTS]> {
        held(&self.stamps).get(&id).copied()
    }

    /// Returns whether any file got or lost a name.
    pub fn has_stamps(&self) -> bool {
        !held(&self.stamps).is_empty()
    }

    /// Takes over what the object memory knows, and what does not look as it says.
    pub fn set_looked(&self, looked: Arc<Looked>) {
        *held(&self.looked) = Some(looked);
    }

    /// Returns what the object memory knows, if it was read.
    pub fn looked(&self) -> Option<Arc<Looked>> {
        held(&self.looked).clone()
    }

    /// Returns the NAR hash of a file or link in an object, where it is known without a look:
    /// because this process published it, or because it looked as it did when it was recorded. The
    /// path is relative to the directory of all objects.
    pub fn nar_of(&self, path: &[u8]) -> Option<Hash> {
        if let Some(entry) = held(&self.published).get(path) {
            return (entry.kind != FileKind::Directory).then_some(entry.nar);
        }
        self.looked()?.nar_of(path)
    }

    /// Notes what of an object that was just published is not immutable yet: paths in it, each
    /// directory after what is in it.
    pub fn note_unprotected(&self, object: &ObjectName, paths: Vec<PathBuf>) {
        held(&self.unprotected).insert(object.clone(), paths);
    }

    /// Takes that off the notes; nothing is known of an object that was published otherwise.
    pub fn take_unprotected(&self, object: &ObjectName) -> Option<Vec<PathBuf>> {
        held(&self.unprotected).remove(object)
    }

    /// From now on these objects count as missing, so that they are built again.
    pub fn set_damaged(&self, objects: BTreeSet<ObjectName>) {
        *held(&self.damaged) = objects;
    }

    /// Returns whether an object is known to be damaged.
    pub fn is_damaged(&self, object: &ObjectName) -> bool {
        held(&self.damaged).contains(object)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn one_thread_publishes_at_a_time_and_the_others_wait_no_longer_than_they_may() {
        let session = Arc::new(Session::default());
        let patience = |timeout| Patience { timeout, ..Patience::default() };
        let (gate, left) = session.enter(&patience(None));
        assert!(gate.is_some() && left.timeout.is_none());
        let short = Duration::from_millis(30);
        let (other, left) = session.enter(&patience(Some(short)));
        assert!(other.is_none());
        assert_eq!(left.timeout, Some(Duration::ZERO));
        let stopped = Patience::default();
        stopped.interrupt.0.store(true, Ordering::Relaxed);
        assert!(session.enter(&stopped).0.is_none());
        // Who got no gate opens none.
        drop(other);
        assert!(session.enter(&patience(Some(short))).0.is_none());
        drop(gate);
        let count = Mutex::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let (_gate, _) = session.enter(&patience(None));
                        *count.try_lock().unwrap() += 1;
                    }
                });
            }
        });
        assert_eq!(*count.lock().unwrap(), 200);
    }
}
