//! Trees as an attacker makes them, for the tests of everything that works on trees: deep trees,
//! trees with random names and kinds of files, and trees that change during the work.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};

use super::{Directory, FileKind, Step, Walk, locate, remove_tree};

/// Deeper than any path, any stack and any table of descriptors.
pub const DEEP: usize = 50_000;

/// What files outside hold. It may never be read, and never change.
pub const CANARY: &str = "canary";

/// Returns a directory in memory if possible: a disk is slow with this many directories.
pub fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub fn top(path: &Path) -> Arc<Directory> {
    Arc::new(Directory::follow(path).unwrap())
}

/// Makes a named pipe.
pub fn make_pipe(path: &Path) {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name ends with a zero.
    let answer = unsafe { libc::mkfifo(name.as_ptr(), 0o700) };
    assert_eq!(answer, 0, "{}: {}", path.display(), std::io::Error::last_os_error());
}

/// Makes directories called `a` in each other, the lowest with a file that holds `text`.
pub fn make_deep(path: &Path, depth: usize, text: &[u8]) {
    let (directory, name) = locate(path).unwrap();
    directory.make_directory(name).unwrap();
    let mut inner = directory.directory(name).unwrap();
    for _ in 1..depth {
        inner.make_directory(OsStr::new("a")).unwrap();
        inner = inner.directory(OsStr::new("a")).unwrap();
    }
    inner.overwrite(OsStr::new("file"), text, 0o644).unwrap();
}

/// Returns the path of the file of [`make_deep`], below the top.
pub fn deep_file(depth: usize) -> PathBuf {
    let mut path: PathBuf = std::iter::repeat_n("a", depth - 1).collect();
    path.push("file");
    path
}

/// Returns how many names there are at a path and below it.
pub fn count(path: &Path) -> usize {
    let (directory, name) = locate(path).unwrap();
    let mut walk = Walk::new(directory, name);
    let mut nodes = 0;
    while let Some(step) = walk.step().unwrap() {
        nodes += usize::from(matches!(step, Step::Node { .. }));
    }
    nodes
}

/// Panics when a file at a path or below it holds what only files outside hold.
pub fn holds_no_canary(path: &Path) {
    let (directory, name) = locate(path).unwrap();
    let mut walk = Walk::new(directory, name);
    while let Some(step) = walk.step().unwrap() {
        if let Step::Node { directory, name, kind: FileKind::File } = step {
            let content = directory.read_file(&name).unwrap();
            assert!(
                memchr::memmem::find(&content, CANARY.as_bytes()).is_none(),
                "{}",
                name.display()
            );
        }
    }
}

/// A generator of numbers: xorshift64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % limit
    }

    /// Returns a name: plain, of bytes that are not text, of maximum length, or difficult for
    /// shells and lists.
    fn name(&mut self) -> OsString {
        let bytes = match self.below(6) {
            0 => (0..=self.below(12)).map(|_| 1 + u8::try_from(self.below(255)).unwrap()).collect(),
            1 => vec![b'n'; 255],
            2 => {
                let odd: [&[u8]; 9] = [
                    b"-rf",
                    b" ",
                    b"a\nb",
                    b"...",
                    b"*",
                    b"~",
                    b"\xff\xfe",
                    b"$(id)",
                    "\u{202e}txt".as_bytes(),
                ];
                odd[self.below(odd.len())].to_vec()
            }
            3 => {
                if self.below(2) == 0 {
                    b"Case".to_vec()
                } else {
                    b"case".to_vec()
                }
            }
            _ => format!("f{}", self.below(1000)).into_bytes(),
        };
        let is_usable = !bytes.contains(&b'/') && bytes != b"." && bytes != b"..";
        OsString::from_vec(if is_usable { bytes } else { b"x".to_vec() })
    }
}

/// Which kinds of files a random tree has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    /// What an object can hold.
    Storable,
    /// Named pipes and sockets too.
    All,
}

/// Makes a random tree at a free path. `outside` is a directory with files that it links to.
pub fn make_tree(path: &Path, random: &mut Random, kinds: Kinds, outside: &Path) {
    fs::create_dir(path).unwrap();
    let mut directories = vec![path.to_owned()];
    let mut files = vec![outside.join("one")];
    for _ in 0..5 + random.below(30) {
        let directory = directories[random.below(directories.len())].clone();
        let place = directory.join(random.name());
        if fs::symlink_metadata(&place).is_ok() {
            continue;
        }
        match random.below(if kinds == Kinds::All { 10 } else { 8 }) {
            0..=1 => {
                fs::create_dir(&place).unwrap();
                directories.push(place);
            }
            2..=4 => {
                let content = vec![
                    u8::try_from(random.below(256)).unwrap();
                    random.below(400) * random.below(1000)
                ];
                fs::write(&place, content).unwrap();
                let modes = [0o000, 0o4755, 0o2711, 0o1777, 0o400, 0o644, 0o666, 0o7777];
                fs::set_permissions(
                    &place,
                    Permissions::from_mode(modes[random.below(modes.len())]),
                )
                .unwrap();
                files.push(place);
            }
            5..=6 => {
                let target = match random.below(6) {
                    0 => outside.join("one"),
                    1 => outside.to_owned(),
                    2 => PathBuf::from(place.file_name().unwrap()),
                    3 => PathBuf::from("../../../../../../../etc/passwd"),
                    4 => PathBuf::from(OsStr::from_bytes(b"\xff nowhere")),
                    _ => PathBuf::from("."),
                };
                symlink(target, &place).unwrap();
            }
            // A file outside is another user's to link only where the system lets them.
            7 => drop(fs::hard_link(&files[random.below(files.len())], &place)),
            8 => make_pipe(&place),
            // A longer path cannot be the address of a socket.
            _ => drop(UnixListener::bind(&place)),
        }
    }
    // From below: what is in a closed directory cannot be reached.
    for directory in directories.iter().rev() {
        let modes = [0o755, 0o700, 0o555, 0o1777, 0o2755, 0o000, 0o111];
        fs::set_permissions(directory, Permissions::from_mode(modes[random.below(modes.len())]))
            .unwrap();
    }
}

/// A name in a directory that is open: it is found wherever that directory is moved to.
type Name = (Arc<OwnedFd>, CString);

/// Swaps names in a tree as long as it lives, as fast as it can.
pub struct Swapper {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Swapper {
    pub fn new(swaps: Vec<(Name, Name)>) -> Swapper {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let swap = move || {
            while !stopped.load(Ordering::Relaxed) {
                for ((one, a), (two, b)) in &swaps {
                    let _ = renameat_with(one, a, two, b, RenameFlags::EXCHANGE);
                }
            }
        };
        Swapper { stop, thread: Some(std::thread::spawn(swap)) }
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// A place with a tree to work on, a tree to swap in, and canaries outside.
pub struct Arena {
    place: tempfile::TempDir,
}

impl Arena {
    pub fn new() -> Arena {
        let arena = Arena { place: place() };
        fs::create_dir_all(arena.path("outside/deep")).unwrap();
        for canary in ["outside/one", "outside/deep/two"] {
            fs::write(arena.path(canary), CANARY).unwrap();
            fs::set_permissions(arena.path(canary), Permissions::from_mode(0o640)).unwrap();
        }
        fs::create_dir(arena.path("swaps")).unwrap();
        arena
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().canonicalize().unwrap().join(name)
    }

    /// Makes a tree at a path, and what takes the places of its names; returns what to swap.
    pub fn fill(&self, tree: &Path) -> Vec<(Name, Name)> {
        let _ = remove_tree(tree);
        let _ = remove_tree(&self.path("swaps"));
        fs::create_dir_all(tree.join("directory/deep")).unwrap();
        fs::create_dir(self.path("swaps")).unwrap();
        for name in ["file", "directory/one", "directory/deep/two"] {
            fs::write(tree.join(name), "inside").unwrap();
        }
        symlink(self.path("outside"), self.path("swaps/link")).unwrap();
        symlink(self.path("outside/one"), self.path("swaps/file-link")).unwrap();
        make_pipe(&self.path("swaps/pipe"));
        let open = |path: &Path| {
            Arc::new(openat(CWD, path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap())
        };
        let (tree, inner, swaps) =
            (open(tree), open(&tree.join("directory")), open(&self.path("swaps")));
        let name = |directory: &Arc<OwnedFd>, name: &str| {
            (Arc::clone(directory), CString::new(name).unwrap())
        };
        vec![
            (name(&tree, "directory"), name(&swaps, "link")),
            (name(&tree, "file"), name(&swaps, "pipe")),
            (name(&tree, "file"), name(&swaps, "file-link")),
            (name(&inner, "deep"), name(&swaps, "link")),
            (name(&inner, "one"), name(&swaps, "file-link")),
        ]
    }

    /// Panics when something outside is not as it was.
    pub fn is_unharmed(&self) {
        let names = |directory: &str| fs::read_dir(self.path(directory)).unwrap().count();
        assert_eq!((names("outside"), names("outside/deep")), (2, 1));
        for canary in ["outside/one", "outside/deep/two"] {
            assert_eq!(fs::read_to_string(self.path(canary)).unwrap(), CANARY);
            assert_eq!(
                fs::metadata(self.path(canary)).unwrap().permissions().mode() & 0o7777,
                0o640
            );
        }
    }

    /// Works repeatedly, for a while, on a tree that is swapped during the work.
    pub fn race(&self, work: impl FnMut(&Path)) {
        self.race_at(&self.path("tree"), 20, work);
    }

    /// The same for a tree at another path, a number of times for each.
    pub fn race_at(&self, tree: &Path, times: usize, mut work: impl FnMut(&Path)) {
        let end = Instant::now() + Duration::from_millis(700);
        while Instant::now() < end {
            let swapper = Swapper::new(self.fill(tree));
            (0..times).for_each(|_| work(tree));
            drop(swapper);
            self.is_unharmed();
        }
    }
}
