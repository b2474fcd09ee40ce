//! tar and zip, compressed or not, into a tree in memory that believes nothing.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use syslua_archive::problem::Result;
use syslua_archive::{Archive, Content, Creation, Destination, Limits, Options};

const LIMITS: Limits =
    Limits { bytes: 4 << 20, ratio: 200, entries: 500, path: 300, depth: 20, memory: 4 << 20 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntryKind {
    Directory,
    File,
    Symlink,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<Vec<u8>, EntryKind>,
    bytes: u64,
}

impl State {
    /// Creates an entry, as a file system would: through directories only, and over nothing.
    fn create(&mut self, name: &[&[u8]], kind: EntryKind) {
        for part in name {
            assert!(
                !part.is_empty() && *part != b"." && *part != b"..",
                "the name {name:?} leads elsewhere"
            );
            assert!(!part.contains(&b'/') && !part.contains(&0), "{name:?} is not a name");
        }
        assert!(name.len() as u64 <= LIMITS.depth);
        for length in 1..name.len() {
            let above =
                self.entries.entry(name[..length].join(&b'/')).or_insert(EntryKind::Directory);
            assert_eq!(*above, EntryKind::Directory, "{name:?} goes through something else");
        }
        let before = self.entries.insert(name.join(&b'/'), kind);
        let is_again = before == Some(EntryKind::Directory) && kind == EntryKind::Directory;
        assert!(before.is_none() || is_again, "{name:?} was {before:?} and is now {kind:?}");
        assert!(self.entries.len() as u64 <= LIMITS.entries + 1);
    }
}

struct Memory<'a>(&'a Mutex<State>);

struct File<'a>(&'a Mutex<State>);

impl<'a> Destination for Memory<'a> {
    type Content = File<'a>;

    fn directory(&mut self, name: &[&[u8]]) -> Result<()> {
        if !name.is_empty() {
            self.0.lock().unwrap().create(name, EntryKind::Directory);
        }
        Ok(())
    }

    fn file(&mut self, name: &[&[u8]], _mode: u32, creation: Creation) -> Result<File<'a>> {
        let mut state = self.0.lock().unwrap();
        if creation == Creation::Replace {
            assert_eq!(state.entries.remove(&name.join(&b'/')), Some(EntryKind::File));
        }
        state.create(name, EntryKind::File);
        Ok(File(self.0))
    }

    fn symlink(&mut self, name: &[&[u8]], target: &[u8]) -> Result<()> {
        assert!(!target.is_empty() && !target.contains(&0));
        self.0.lock().unwrap().create(name, EntryKind::Symlink);
        Ok(())
    }

    fn link(&mut self, name: &[&[u8]], original: &[&[u8]]) -> Result<u64> {
        let mut state = self.0.lock().unwrap();
        let kind = state.entries[&original.join(&b'/')];
        assert_ne!(kind, EntryKind::Directory);
        state.create(name, kind);
        Ok(0)
    }
}

impl Content for File<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.skip(bytes.len() as u64)
    }

    fn skip(&mut self, count: u64) -> Result<()> {
        let mut state = self.0.lock().unwrap();
        state.bytes += count;
        // The last entry may go beyond a limit by what it had in hand.
        assert!(state.bytes <= LIMITS.bytes + (1 << 20), "more was written than is allowed");
        Ok(())
    }

    fn finish(self) -> Result<()> {
        Ok(())
    }
}

/// Reads bytes.
pub fn target(bytes: &[u8]) {
    for strip in [0, 1] {
        let state = Mutex::default();
        let options = Options { strip, limits: LIMITS, ..Options::default() };
        let archive = Archive {
            source: bytes,
            length: bytes.len() as u64,
            options: &options,
            // A panic on another thread would be an error.
            threads: 1,
            interrupt: &AtomicBool::new(false),
        };
        if let Err(problem) = archive.unpack(&|| Ok(Memory(&state))) {
            let message = problem.to_string();
            assert!(
                !message.is_empty() && !message.contains('\n') && message.len() < 2000,
                "{message}"
            );
            assert!(!message.contains("its decoder gave up"), "a decoder panicked");
        }
    }
}
