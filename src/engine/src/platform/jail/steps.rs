//! The steps that make the root of a jail, as data: `view.rs` lists them, `mounts.rs` does them.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::AtomicI32;

/// A path below the root of a jail, name by name.
pub type NamePath = Vec<CString>;

/// Something of the machine that the keeper opens, since a jail does not see it.
pub struct Opened {
    /// Where.
    pub path: CString,
    /// The descriptor, until it is mounted; an error of the system, less than 0, where it could not
    /// be opened.
    pub descriptor: AtomicI32,
}

/// What is mounted.
#[derive(Clone)]
pub enum Source {
    /// What is at a path where the step is done; one without a slash is below the directory there.
    Path(CString),
    /// What the keeper opens.
    Opened(Arc<Opened>),
}

impl Source {
    /// Returns what is at a path where the step is done.
    ///
    /// # Errors
    /// When the path cannot be used.
    pub fn path(path: &Path) -> io::Result<Source> {
        Ok(Source::Path(text(path)?))
    }

    /// Returns what the keeper opens at a path of the machine.
    ///
    /// # Errors
    /// When the path cannot be used.
    pub fn opened(path: &Path) -> io::Result<Source> {
        Ok(Source::Opened(Arc::new(Opened {
            path: text(path)?,
            descriptor: AtomicI32::new(-libc::EBADF),
        })))
    }
}

/// How something is mounted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To be read and executed.
    ReadOnly,
    /// To be changed.
    Writable,
    /// A device.
    Device,
    /// As it was.
    AsItIs,
}

impl Mode {
    /// Returns the attributes of the mount.
    pub fn attributes(self) -> u64 {
        match self {
            Mode::ReadOnly => {
                libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV
            }
            Mode::Writable => libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
            Mode::Device => libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC,
            Mode::AsItIs => 0,
        }
    }
}

/// A step of making a root.
#[derive(Clone)]
pub enum Step {
    /// Makes a directory, unless it is there.
    Directory(NamePath),
    /// Makes a link, unless something is there.
    Link {
        /// Where.
        place: NamePath,
        /// Where it leads.
        target: CString,
    },
    /// Makes a file, unless something is there.
    File {
        /// Where.
        place: NamePath,
        /// Its content.
        content: &'static [u8],
    },
    /// Removes a file.
    Remove(NamePath),
    /// Mounts a new file system.
    Mount {
        /// Where; the directory is made.
        place: NamePath,
        /// Its kind.
        kind: CString,
        /// The flags of mount(2).
        flags: libc::c_ulong,
        /// The options of this kind.
        options: Option<CString>,
    },
    /// Takes the right to write from what is mounted there.
    Close(NamePath),
    /// Mounts a part of the machine.
    Show {
        /// Which.
        source: Source,
        /// Where; it is made.
        place: NamePath,
        /// Whether it is a directory.
        is_directory: bool,
        /// How.
        mode: Mode,
        /// Whether it may be missing.
        is_optional: bool,
    },
}

impl Step {
    /// Returns what it makes, for a message.
    pub fn name(&self) -> String {
        let show = |place: &NamePath| {
            place
                .iter()
                .map(|name| format!("/{}", name.to_string_lossy()))
                .collect::<Vec<_>>()
                .concat()
        };
        match self {
            Step::Directory(place)
            | Step::Link { place, .. }
            | Step::File { place, .. }
            | Step::Remove(place) => {
                format!("its own {}", show(place))
            }
            Step::Close(place) => format!("its own {} to be read only", show(place)),
            Step::Mount { place, kind, .. } => {
                format!("its own {} ({})", show(place), kind.to_string_lossy())
            }
            Step::Show { place, .. } => format!("{} in a root of its own", show(place)),
        }
    }
}

/// Returns a path for the system.
///
/// # Errors
/// When it has a zero byte.
pub fn text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Returns the place of a path.
///
/// # Errors
/// When it has a zero byte.
pub fn place(path: &Path) -> io::Result<NamePath> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => {
            Some(CString::new(name.as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into()))
        }
        _ => None,
    });
    names.collect()
}

/// Returns a constant text for the system.
pub fn literal(text: &str) -> CString {
    // Constant texts have no NUL.
    CString::new(text).unwrap_or_default()
}

/// Returns the step that mounts a file system of a kind, with the flags of mount(2) and the options
/// of the kind.
pub fn mount(place: &[&str], kind: &str, flags: libc::c_ulong, options: &str) -> Step {
    Step::Mount {
        place: place.iter().map(|name| literal(name)).collect(),
        kind: literal(kind),
        flags,
        options: Some(literal(options)),
    }
}
