//! Waits until files or trees change.
//!
//! It looks at them again and again. What a kernel offers instead loses sight of files that editors
//! replace, needs a descriptor for each directory, and is silent on network file systems. To look
//! at two thousand files takes a few milliseconds. The pauses are twenty times as long as a look,
//! but never longer than two seconds.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::hash::Hash;
use crate::platform::{self, FileKind};
use crate::settings::Interrupt;

/// The shortest pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest one: on a busy machine a look takes long without much work.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often an interruption is looked for during a pause.
const TICK: Duration = Duration::from_millis(50);
/// How much longer a pause is than the look before it.
const SHARE: u32 = 20;
/// Deeper directories are not looked at.
const DEEPEST: usize = 64;

/// Directories of version control change when nothing of a config does.
const PASSED_BY: [&str; 3] = [".git", ".hg", ".jj"];

/// Returns a digest of what the system says of files and all that is in directories: places, kinds,
/// sizes, modes and times. What is missing or cannot be looked at is part of it too.
/// A file that this process prints to is passed by: each report would be a change.
pub fn observe(paths: &[PathBuf], interrupt: &Interrupt) -> Hash {
    let mut look = Look { seen: Vec::new(), printed: printed(), interrupt };
    for path in paths {
        look.add(path, 0);
        // A file of a config may be a link, whose end is what is read.
        if platform::kind_of(path).is_ok_and(|kind| kind == Some(FileKind::Symlink)) {
            look.add(&platform::canonical(path), 0);
        }
    }
    Hash::of(&look.seen)
}

/// Returns the numbers of the file systems and files that standard output and standard error are,
/// where the system has a path for them (proc_pid_fd(5)).
fn printed() -> Vec<[u64; 2]> {
    let place = |number: u32| platform::canonical(Path::new(&format!("/proc/self/fd/{number}")));
    let facts = [1, 2].into_iter().filter_map(|number| platform::facts_of(&place(number)).ok());
    let files = facts.filter(|facts| facts.kind == FileKind::File);
    files.map(|facts| [facts.numbers[0], facts.numbers[1]]).collect()
}

/// A look at files and trees.
struct Look<'a> {
    /// What the system said.
    seen: Vec<u8>,
    /// The numbers of files that are passed by.
    printed: Vec<[u64; 2]>,
    interrupt: &'a Interrupt,
}

impl Look<'_> {
    /// Adds what is said of one place; returns its kind.
    fn note(&mut self, path: &Path) -> Option<FileKind> {
        let seen = &mut self.seen;
        seen.extend_from_slice(&platform::bytes_of_path(path));
        seen.push(0);
        let facts = platform::facts_of(path).ok()?;
        if self.printed.contains(&[facts.numbers[0], facts.numbers[1]]) {
            return Some(facts.kind);
        }
        for number in facts.numbers {
            seen.extend_from_slice(&number.to_le_bytes());
        }
        seen.extend_from_slice(format!("{:?}", facts.newest).as_bytes());
        Some(facts.kind)
    }

    fn add(&mut self, path: &Path, depth: usize) {
        if depth > DEEPEST || self.interrupt.is_set() {
            return;
        }
        if self.note(path) != Some(FileKind::Directory) {
            return;
        }
        let mut entries = platform::list_directory(path).unwrap_or_default();
        entries.sort_by(|left, right| left.0.cmp(&right.0));
        for (name, _) in entries {
            if !PASSED_BY.iter().any(|passed| name == *passed) {
                self.add(&path.join(name), depth + 1);
            }
        }
    }
}

/// Waits until a look differs from an earlier one and the next is the same, so that an editor has
/// finished; returns it, or nothing when it was interrupted.
pub fn wait(paths: &[PathBuf], known: &Hash, interrupt: &Interrupt) -> Option<Hash> {
    let mut last = *known;
    loop {
        let began = Instant::now();
        let now = observe(paths, interrupt);
        if interrupt.is_set() {
            return None;
        }
        if now != *known && now == last {
            return Some(now);
        }
        last = now;
        let pause = (began.elapsed() * SHARE).clamp(PAUSE, LONGEST_PAUSE);
        let end = Instant::now() + pause;
        while Instant::now() < end {
            if interrupt.is_set() {
                return None;
            }
            thread::sleep(TICK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_change_of_a_tree_is_seen_and_git_is_passed_by() {
        let top = tempfile::tempdir().unwrap();
        let (tree, alone) = (top.path().join("tree"), top.path().join("alone"));
        fs::create_dir_all(tree.join("a/.git")).unwrap();
        fs::write(tree.join("a/file"), "1").unwrap();
        let paths = [tree.clone(), alone.clone()];
        let interrupt = Interrupt::default();
        let mut last = observe(&paths, &interrupt);
        assert_eq!(last, observe(&paths, &interrupt));
        let changes: [&dyn Fn(); 6] = [
            &|| fs::write(tree.join("a/file"), "22").unwrap(),
            &|| fs::write(tree.join("a/new"), "").unwrap(),
            &|| fs::rename(tree.join("a/new"), tree.join("a/other")).unwrap(),
            &|| fs::remove_file(tree.join("a/other")).unwrap(),
            &|| fs::write(&alone, "x").unwrap(),
            &|| fs::remove_file(&alone).unwrap(),
        ];
        for (index, change) in changes.iter().enumerate() {
            change();
            let now = observe(&paths, &interrupt);
            assert_ne!(last, now, "{index}");
            last = now;
        }
        fs::write(tree.join("a/.git/index"), "x").unwrap();
        assert_eq!(last, observe(&paths, &interrupt));
    }
}
