//! The symbolic links that another user put below a directory: read with limits, and never
//! followed.
//!
//! That user may change everything while it is read, make it as large and as deep as the disk
//! allows, and mount file systems there that never answer.

use std::path::{Path, PathBuf};

use super::Result;

/// How much is read.
#[derive(Clone, Copy, Debug)]
pub struct LinkLimits {
    /// Names in all.
    pub names: usize,
    /// Directories in each other, the first one included.
    pub depth: usize,
    /// The bytes of all paths and targets together.
    pub bytes: usize,
}

/// The links that were read.
#[derive(Debug, Default)]
pub struct Links {
    /// Each link, and the bytes of its target.
    pub links: Vec<(PathBuf, Vec<u8>)>,
    /// Whether there is more: beyond the limits, or what cannot be read.
    pub has_more: bool,
}

/// Reads the links in a directory and in those below it. A directory that is not there has none.
///
/// # Errors
/// When the directory itself cannot be opened.
pub fn links_below(directory: &Path, limits: LinkLimits) -> Result<Links> {
    system::links_below(directory, limits)
}

#[cfg(unix)]
mod system {
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt;
    use std::path::{Path, PathBuf};
    use std::rc::Rc;

    use rustix::ffi::CStr;
    use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, readlinkat, statat};
    use rustix::io::Errno;

    use super::{LinkLimits, Links};
    use crate::platform::{Result, failed};

    const FLAGS: OFlags = OFlags::RDONLY
        .union(OFlags::DIRECTORY)
        .union(OFlags::NOFOLLOW)
        .union(OFlags::NONBLOCK)
        .union(OFlags::CLOEXEC);

    /// A directory that is still to be read. Waiting directories share the descriptor of their
    /// parent, so there are never more descriptors than the depth.
    struct Pending {
        above: Rc<OwnedFd>,
        name: rustix::ffi::CString,
        path: PathBuf,
        depth: usize,
    }

    /// What may still be read.
    struct Left {
        names: usize,
        bytes: usize,
    }

    impl Left {
        fn take_name(&mut self) -> bool {
            let rest = self.names.checked_sub(1);
            self.names = rest.unwrap_or_default();
            rest.is_some()
        }

        fn take_bytes(&mut self, bytes: usize) -> bool {
            let rest = self.bytes.checked_sub(bytes);
            self.bytes = rest.unwrap_or_default();
            rest.is_some()
        }
    }

    pub fn links_below(directory: &Path, limits: LinkLimits) -> Result<Links> {
        let mut found = Links::default();
        let top = match openat(CWD, directory, FLAGS, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(found),
            top => top.map_err(|error| failed("open the directory", directory)(error.into()))?,
        };
        let mut left = Left { names: limits.names, bytes: limits.bytes };
        let mut pending = Vec::new();
        read(top, directory, 1, &mut left, &mut pending, &mut found);
        while let Some(next) = pending.pop() {
            if next.depth > limits.depth {
                found.has_more = true;
                continue;
            }
            match open(&next.above, &next.name) {
                Ok(inner) => {
                    read(inner, &next.path, next.depth, &mut left, &mut pending, &mut found);
                }
                Err(Errno::NOENT) => {}
                Err(_) => found.has_more = true,
            }
        }
        Ok(found)
    }

    /// Opens a directory on the same file system: what is mounted there need not answer.
    fn open(above: &OwnedFd, name: &CStr) -> std::result::Result<OwnedFd, Errno> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{ResolveFlags, openat2};
            match openat2(
                above,
                name,
                FLAGS,
                Mode::empty(),
                ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS,
            ) {
                // A kernel or a filter of system calls without it.
                Err(Errno::NOSYS | Errno::PERM) => {}
                opened => return opened,
            }
        }
        openat(above, name, FLAGS, Mode::empty())
    }

    fn read(
        directory: OwnedFd,
        path: &Path,
        depth: usize,
        left: &mut Left,
        pending: &mut Vec<Pending>,
        found: &mut Links,
    ) {
        let Ok(entries) = Dir::read_from(&directory) else {
            found.has_more = true;
            return;
        };
        let directory = Rc::new(directory);
        for entry in entries {
            let Ok(entry) = entry else {
                found.has_more = true;
                return;
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if !left.take_name() {
                found.has_more = true;
                return;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => statat(&*directory, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |data| FileType::from_raw_mode(data.st_mode)),
                kind => kind,
            };
            let inner = path.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
            if !matches!(kind, FileType::Directory | FileType::Symlink) {
                continue;
            }
            if !left.take_bytes(inner.as_os_str().len()) {
                found.has_more = true;
                return;
            }
            if kind == FileType::Directory {
                let above = Rc::clone(&directory);
                pending.push(Pending {
                    above,
                    name: name.to_owned(),
                    path: inner,
                    depth: depth + 1,
                });
            } else if let Ok(target) = readlinkat(&*directory, name, Vec::with_capacity(256)) {
                if !left.take_bytes(target.as_bytes().len()) {
                    found.has_more = true;
                    return;
                }
                found.links.push((inner, target.into_bytes()));
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::path::Path;

    use super::{LinkLimits, Links};
    use crate::platform::Result;

    /// Users have no directories for links here.
    pub fn links_below(_directory: &Path, _limits: LinkLimits) -> Result<Links> {
        Ok(Links::default())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const LIMITS: LinkLimits = LinkLimits { names: 100, depth: 3, bytes: 1 << 20 };

    #[test]
    fn links_are_read_and_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        fs::create_dir_all(top.join("a/b/c/d")).unwrap();
        symlink("/one", top.join("one")).unwrap();
        symlink("../..", top.join("a/up")).unwrap();
        symlink("loop", top.join("a/b/loop")).unwrap();
        symlink("deep", top.join("a/b/c/deep")).unwrap();
        fs::write(top.join("file"), "").unwrap();
        crate::platform::hostile::make_pipe(&top.join("pipe"));
        let mut found = links_below(&top, LIMITS).unwrap();
        found.links.sort();
        let expected = [("a/b/loop", "loop"), ("a/up", "../.."), ("one", "/one")];
        let expected = expected.map(|(path, target)| (top.join(path), target.as_bytes().to_vec()));
        assert_eq!(found.links, expected);
        // `a/b/c` is too deep.
        assert!(found.has_more);
        // A link to it does not count as a directory.
        symlink("top", place.path().join("way")).unwrap();
        assert!(links_below(&place.path().join("way"), LIMITS).unwrap().links.is_empty());
        assert!(links_below(&place.path().join("missing"), LIMITS).unwrap().links.is_empty());
    }

    #[test]
    fn not_more_names_are_read_than_the_limit() {
        let place = tempfile::tempdir().unwrap();
        (0..200)
            .for_each(|number| symlink("target", place.path().join(number.to_string())).unwrap());
        let found = links_below(place.path(), LIMITS).unwrap();
        assert_eq!((found.links.len(), found.has_more), (100, true));
        let found =
            links_below(place.path(), LinkLimits { names: 200, depth: 1, ..LIMITS }).unwrap();
        assert_eq!((found.links.len(), found.has_more), (200, false));
    }

    #[test]
    fn not_more_bytes_are_read_than_the_limit() {
        let place = tempfile::tempdir().unwrap();
        let target = "x".repeat(1000);
        (0..50).for_each(|number| symlink(&target, place.path().join(number.to_string())).unwrap());
        let found = links_below(place.path(), LinkLimits { bytes: 20_000, ..LIMITS }).unwrap();
        assert!(found.has_more && (10..20).contains(&found.links.len()), "{}", found.links.len());
        assert!(!links_below(place.path(), LIMITS).unwrap().has_more);
    }
}
