//! The steps of a view, done: mounts, directories and files of a root, and the ruleset of Landlock.
//!
//! It runs in processes beside a thread, and calls the system only.

use std::ffi::{CStr, CString, c_int};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use super::steps::{Mode, NamePath, Source, Step};
use super::system_call::{OWN_DIRECTORY, checked, close, descriptor, system_call};
use super::view::View;

const OPEN_TREE_CLONE: u32 = 1;
const MOVE_MOUNT_BOTH_EMPTY: u32 = 0x4 | 0x40;
const AT_RECURSIVE: u32 = 0x8000;

/// Mounts a file system.
///
/// # Errors
/// The error of the system, as a positive number.
///
/// # Safety
/// To be called in its own process.
pub unsafe fn mount(
    source: Option<&CStr>,
    place: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    options: Option<&CStr>,
) -> Result<(), i32> {
    let pointer = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: all texts end with NUL.
    let answer = unsafe {
        system_call!(
            libc::SYS_mount,
            pointer(source),
            place.as_ptr(),
            pointer(kind),
            flags,
            pointer(options)
        )
    };
    checked(answer).map(drop)
}

/// Sets attributes of a mount; its existing ones stay.
///
/// # Errors
/// The error of the system, as a positive number.
///
/// # Safety
/// To be called in its own process.
pub unsafe fn set_attributes(
    at: RawFd,
    path: &CStr,
    attributes: u64,
    flags: u32,
) -> Result<(), i32> {
    let change =
        libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the call reads a structure of that size.
    let answer = unsafe {
        system_call!(
            libc::SYS_mount_setattr,
            at,
            path.as_ptr(),
            flags,
            &raw const change,
            size_of::<libc::mount_attr>()
        )
    };
    checked(answer).map(drop)
}

/// As many directories in a row as are held open.
const DEEPEST: usize = 32;

/// The directories above the place that was looked at last, held open: the next is often a
/// neighbour.
pub struct Walk<'a> {
    names: &'a [CString],
    opened: [RawFd; DEEPEST],
    count: usize,
}

impl<'a> Walk<'a> {
    /// Begins in the directory of this process.
    pub fn new() -> Walk<'a> {
        Walk { names: &[], opened: [0; DEEPEST], count: 0 }
    }

    /// Closes what is held open.
    ///
    /// # Safety
    /// To be called in its own process.
    pub unsafe fn end(&mut self) {
        // SAFETY: as the caller says.
        unsafe { self.close_beyond(0) };
    }

    unsafe fn close_beyond(&mut self, count: usize) {
        while self.count > count {
            self.count -= 1;
            // SAFETY: this code owns it.
            unsafe { close(self.opened[self.count]) };
        }
    }

    /// Returns the directory of a path, and its last name. Missing directories are created; links
    /// are not followed, because the build may have made them.
    unsafe fn go(&mut self, place: &'a NamePath) -> Result<(RawFd, &'a CStr), i32> {
        let Some((last, above)) = place.split_last() else { return Err(libc::EINVAL) };
        if above.len() > DEEPEST {
            return Err(libc::ENAMETOOLONG);
        }
        let is_same = |(one, other): &(&CString, &CString)| one == other;
        let same = self.names[..self.count].iter().zip(above).take_while(is_same).count();
        // SAFETY: as for the whole process.
        unsafe {
            self.close_beyond(same);
            self.names = above;
            for name in &above[same..] {
                let directory = self.directory();
                self.opened[self.count] = open_directory(directory, name)?;
                self.count += 1;
            }
        }
        Ok((self.directory(), last))
    }

    fn directory(&self) -> RawFd {
        if self.count == 0 { OWN_DIRECTORY } else { self.opened[self.count - 1] }
    }
}

unsafe fn open_directory(directory: RawFd, name: &CStr) -> Result<RawFd, i32> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name ends with NUL.
    unsafe {
        let open = || descriptor(system_call!(libc::SYS_openat, directory, name.as_ptr(), flags));
        match open() {
            Err(libc::ENOENT) => {
                checked(system_call!(libc::SYS_mkdirat, directory, name.as_ptr(), 0o755))?;
                open()
            }
            answer => answer,
        }
    }
}

unsafe fn make_file(directory: RawFd, name: &CStr, content: &[u8]) -> Result<(), i32> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name ends with NUL, and the content has that many bytes.
    unsafe {
        let file = match descriptor(system_call!(
            libc::SYS_openat,
            directory,
            name.as_ptr(),
            flags,
            0o644
        )) {
            Err(libc::EEXIST) => return Ok(()),
            answer => answer?,
        };
        let written = checked(system_call!(libc::SYS_write, file, content.as_ptr(), content.len()));
        close(file);
        written.map(drop)
    }
}

/// Does a step.
///
/// # Errors
/// The error of the system, as a positive number.
///
/// # Safety
/// To be called in its own process.
pub unsafe fn perform<'a>(step: &'a Step, walk: &mut Walk<'a>) -> Result<(), i32> {
    // SAFETY: as for the whole process.
    unsafe {
        match step {
            Step::Directory(place) => {
                let (directory, name) = walk.go(place)?;
                open_directory(directory, name).map(|made| close(made))
            }
            Step::Link { place, target } => {
                let (directory, name) = walk.go(place)?;
                match checked(system_call!(
                    libc::SYS_symlinkat,
                    target.as_ptr(),
                    directory,
                    name.as_ptr()
                )) {
                    Ok(_) | Err(libc::EEXIST) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Step::File { place, content } => {
                let (directory, name) = walk.go(place)?;
                make_file(directory, name, content)
            }
            Step::Remove(place) => {
                let (directory, name) = walk.go(place)?;
                checked(system_call!(libc::SYS_unlinkat, directory, name.as_ptr(), 0)).map(drop)
            }
            Step::Close(place) => {
                let (directory, name) = walk.go(place)?;
                set_attributes(directory, name, libc::MOUNT_ATTR_RDONLY, 0)
            }
            Step::Mount { place, kind, flags, options } => {
                let (directory, name) = walk.go(place)?;
                close(open_directory(directory, name)?);
                // No link is there: this was just made, or opened without following one.
                let mount = || mount(Some(c"none"), name, Some(kind), *flags, options.as_deref());
                if directory == OWN_DIRECTORY {
                    return mount();
                }
                let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
                let back = descriptor(system_call!(
                    libc::SYS_openat,
                    OWN_DIRECTORY,
                    c".".as_ptr(),
                    flags
                ))?;
                let mounted =
                    checked(system_call!(libc::SYS_fchdir, directory)).and_then(|_| mount());
                let returned = checked(system_call!(libc::SYS_fchdir, back));
                close(back);
                mounted.and(returned.map(drop))
            }
            Step::Show { source, place, is_directory, mode, is_optional } => {
                let shown = show(source, walk, place, *is_directory, *mode);
                if *is_optional && matches!(shown, Err(libc::ENOENT | libc::EROFS | libc::ENOTDIR))
                {
                    Ok(())
                } else {
                    shown
                }
            }
        }
    }
}

/// Mounts something at a place of the jail.
unsafe fn show<'a>(
    source: &Source,
    walk: &mut Walk<'a>,
    place: &'a NamePath,
    is_directory: bool,
    mode: Mode,
) -> Result<(), i32> {
    // SAFETY: all texts end with NUL.
    unsafe {
        let tree = match source {
            Source::Path(path) => clone_tree(path, mode)?,
            Source::Opened(opened) => match opened.descriptor.load(Ordering::SeqCst) {
                // It could not be opened.
                error if error < 0 => return Err(-error),
                // The thread closes it.
                tree => return move_tree(tree, walk, place, is_directory),
            },
        };
        let shown = move_tree(tree, walk, place, is_directory);
        close(tree);
        shown
    }
}

/// Opens what is at a path to be mounted elsewhere, with the attributes of a mode.
unsafe fn clone_tree(path: &CStr, mode: Mode) -> Result<RawFd, i32> {
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC.cast_unsigned() | AT_RECURSIVE;
    // SAFETY: all texts end with NUL.
    unsafe {
        let tree =
            descriptor(system_call!(libc::SYS_open_tree, OWN_DIRECTORY, path.as_ptr(), flags))?;
        if mode != Mode::AsItIs
            && let Err(error) = set_attributes(
                tree,
                c"",
                mode.attributes(),
                libc::AT_EMPTY_PATH.cast_unsigned() | AT_RECURSIVE,
            )
        {
            close(tree);
            return Err(error);
        }
        Ok(tree)
    }
}

unsafe fn move_tree<'a>(
    tree: RawFd,
    walk: &mut Walk<'a>,
    place: &'a NamePath,
    is_directory: bool,
) -> Result<(), i32> {
    // SAFETY: all texts end with NUL.
    unsafe {
        let (directory, name) = walk.go(place)?;
        let target = target(directory, name, is_directory)?;
        let flags = MOVE_MOUNT_BOTH_EMPTY;
        let moved =
            system_call!(libc::SYS_move_mount, tree, c"".as_ptr(), target, c"".as_ptr(), flags);
        close(target);
        checked(moved).map(drop)
    }
}

/// Opens the parts of the machine that steps show. Records the step that failed; descriptors opened
/// until then stay open.
///
/// # Errors
/// The error of the system, as a positive number.
///
/// # Safety
/// To be called in its own process.
pub unsafe fn open_all(steps: &[Step], failed: &AtomicI32) -> Result<(), i32> {
    for (number, step) in steps.iter().enumerate() {
        let Step::Show { source: Source::Opened(opened), mode, is_optional, .. } = step else {
            continue;
        };
        // SAFETY: as the caller says.
        let tree = match unsafe { clone_tree(&opened.path, *mode) } {
            Ok(tree) => tree,
            Err(error) if *is_optional => -error,
            Err(error) => {
                failed.store(i32::try_from(number).unwrap_or(-1), Ordering::SeqCst);
                return Err(error);
            }
        };
        opened.descriptor.store(tree, Ordering::SeqCst);
    }
    Ok(())
}

/// Opens what is mounted over, and makes it where it is missing.
unsafe fn target(directory: RawFd, name: &CStr, is_directory: bool) -> Result<RawFd, i32> {
    // SAFETY: as for the whole process.
    unsafe {
        if is_directory {
            return open_directory(directory, name);
        }
        make_file(directory, name, b"")?;
        let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        descriptor(system_call!(libc::SYS_openat, directory, name.as_ptr(), flags))
    }
}

/// Creates the Landlock ruleset of all commands of a build, or returns `None` if there is none.
///
/// # Errors
/// The error of the system, as a positive number.
///
/// # Safety
/// To be called in its own process.
pub unsafe fn ruleset<'a>(view: &'a View, walk: &mut Walk<'a>) -> Result<Option<RawFd>, i32> {
    let Some(attributes) = &view.handled else { return Ok(None) };
    // SAFETY: the calls read structures of the kernel's form.
    unsafe {
        let size = size_of_val(&attributes.words);
        let ruleset = descriptor(system_call!(
            libc::SYS_landlock_create_ruleset,
            attributes.words.as_ptr(),
            size,
            0
        ))?;
        for (place, access) in &view.rules {
            let (directory, name) = match place {
                None => (OWN_DIRECTORY, c"."),
                Some(place) => walk.go(place)?,
            };
            add_rule(ruleset, (directory, name), *access)?;
        }
        Ok(Some(ruleset))
    }
}

/// Allows to read what is below the directory of this process, as the ruleset of a build does below
/// its root.
///
/// # Errors
/// The error of the system, as a positive number.
///
/// # Safety
/// To be called in its own process.
pub unsafe fn allow_root(view: &View, ruleset: RawFd) -> Result<(), i32> {
    for (_, access) in view.rules.iter().filter(|(place, _)| place.is_none()) {
        // SAFETY: as the caller says.
        unsafe { add_rule(ruleset, (OWN_DIRECTORY, c"."), *access)? };
    }
    Ok(())
}

unsafe fn add_rule(
    ruleset: RawFd,
    (directory, name): (RawFd, &CStr),
    access: u64,
) -> Result<(), i32> {
    const PATH_BENEATH: c_int = 1;
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the calls read a name that ends with NUL, and a structure of the kernel's form.
    unsafe {
        let opened = descriptor(system_call!(libc::SYS_openat, directory, name.as_ptr(), flags))?;
        let rule = Rule { access, opened };
        let added =
            system_call!(libc::SYS_landlock_add_rule, ruleset, PATH_BENEATH, &raw const rule, 0);
        close(opened);
        checked(added).map(drop)
    }
}

/// `struct landlock_path_beneath_attr` of landlock(7).
#[repr(C, packed)]
struct Rule {
    access: u64,
    opened: RawFd,
}
