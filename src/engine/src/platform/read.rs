//! Reads of the file system, with errors that name the path.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use syslua_reading::LARGEST;

use super::{Node, Result, failed};
use crate::hash::{Hash, Hasher, READ_SIZE, Sink};
use crate::settings::Interrupt;

/// The file at a path; a symbolic link is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A socket, a device, a named pipe.
    Special,
}

/// Returns the file at a path, or `None` if there is none.
///
/// # Errors
/// When the system does not tell, for example for lack of permission.
pub fn kind_of(path: &Path) -> Result<Option<FileKind>> {
    Ok(metadata_of(path)?.map(|metadata| kind_from(metadata.file_type())))
}

/// Returns the metadata of a path, or `None` if it does not exist; a symbolic link is not followed.
///
/// # Errors
/// When the system does not tell, for example for lack of permission.
pub fn metadata_of(path: &Path) -> Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path).map_err(failed("access", path)) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns what the system tells of what a path leads to, or `None` where that is nothing.
///
/// # Errors
/// When the system does not tell, for example for lack of permission.
pub fn followed(path: &Path) -> Result<Option<fs::Metadata>> {
    match fs::metadata(path).map_err(failed("access", path)) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns whether others than its owner and its group cannot read a file, or cannot enter a
/// directory, as the system tells of it.
pub fn is_private(metadata: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        super::keeps_others_out(u64::from(metadata.mode()), metadata.is_dir())
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        false
    }
}

/// Returns whether a path leads to a directory; links are followed.
pub fn is_directory(path: &Path) -> bool {
    path.is_dir()
}

/// Returns whether a path leads to a regular file; links are followed.
pub fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Returns whether a path leads to anything; links are followed.
pub fn leads_somewhere(path: &Path) -> bool {
    path.exists()
}

pub(super) fn kind_from(file_type: fs::FileType) -> FileKind {
    if file_type.is_symlink() {
        FileKind::Symlink
    } else if file_type.is_dir() {
        FileKind::Directory
    } else if file_type.is_file() {
        FileKind::File
    } else {
        FileKind::Special
    }
}

/// Returns whether this user can read a file, or list and enter a directory.
pub fn can_read(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            fs::read_dir(path).is_ok() && fs::metadata(path.join(".")).is_ok()
        }
        Ok(found) if found.is_file() => fs::File::open(path).is_ok(),
        other => other.is_ok(),
    }
}

/// Returns whether a path exists, as a dangling link too.
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Returns where a path leads, with all links in it resolved.
///
/// # Errors
/// When that is nothing, or the system does not tell.
pub fn end_of(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}

/// Returns a path with all links in it resolved, or unchanged if that is impossible.
pub fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Removes `.` and `..` from an absolute path, by name only.
pub fn normalize(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

/// Opens a regular file to read, or what a link leads to. Unlike `File::open` it never waits for
/// the other end of a named pipe.
///
/// # Errors
/// When it is not a regular file, or cannot be opened.
pub fn open_regular(path: &Path) -> io::Result<File> {
    syslua_reading::open(path)
}

/// Opens a regular file to read, and returns its metadata. The last component of the path must not
/// be a link.
///
/// # Errors
/// When it is not one, or cannot be read.
pub fn open_node(path: &Path) -> Result<(File, Node)> {
    super::system_directory::open_file_at(path).map_err(failed("read", path))
}

/// Opens what a path leads to, which may be a named pipe: then this waits for its other end.
///
/// # Errors
/// When it cannot be read.
pub fn open_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Returns the content of a regular file, or of what a link leads to.
///
/// # Errors
/// When it is not a regular file, is larger than 256 MiB, or cannot be read.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    syslua_reading::read(path, LARGEST).map_err(failed("read", path))
}

/// Returns the content of a regular file, or of what a link leads to; nothing if it is longer than
/// `most` bytes. A named pipe or a device is not read.
///
/// # Errors
/// When it is not a regular file, or cannot be read.
pub fn read_regular(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    match syslua_reading::read(path, most) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(None),
        content => content.map(Some).map_err(failed("read", path)),
    }
}

/// Follows the links at a path to where its file is, or would be: unlike [`end_of`] also where the
/// last of them leads to nothing.
///
/// # Errors
/// When links go in a circle, or there is no directory for the file.
pub fn destination_of(path: &Path) -> Result<PathBuf> {
    // As many as Linux follows.
    const MOST_LINKS: usize = 40;
    let mut place = path.to_owned();
    for _ in 0..MOST_LINKS {
        let parent = place.parent().unwrap_or(Path::new("/"));
        let directory = fs::canonicalize(parent).map_err(failed("open the directory", parent))?;
        let Some(name) = place.file_name() else { return Ok(directory) };
        place = directory.join(name);
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_symlink() => {
                let target = fs::read_link(&place).map_err(failed("read the link", &place))?;
                place = directory.join(target);
            }
            _ => return Ok(place),
        }
    }
    let circle = std::io::Error::other("its links go in a circle");
    Err(failed("follow", path)(circle))
}

/// Returns the content and metadata of a regular file that another user may have made, or nothing
/// if it is longer than `most` bytes. The last component of the path must not be a link, and a
/// named pipe is not waited for.
///
/// # Errors
/// When it is not a regular file, or cannot be read.
pub fn read_foreign(path: &Path, most: u64) -> Result<Option<(Vec<u8>, Node)>> {
    let (file, node) = open_node(path)?;
    let mut content = Vec::new();
    // It may grow during the read.
    file.take(most.saturating_add(1)).read_to_end(&mut content).map_err(failed("read", path))?;
    Ok((content.len() as u64 <= most).then_some((content, node)))
}

/// Returns the digest of a file's content, reading it in pieces.
///
/// # Errors
/// When the file cannot be read, or on an interrupt.
pub fn digest_of(path: &Path, interrupt: &Interrupt) -> Result<Hash> {
    let digest = || {
        let mut file = open_regular(path)?;
        let mut buffer = vec![0; READ_SIZE];
        let mut hasher = Hasher::default();
        loop {
            interrupt.check()?;
            match file.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                read => hasher.put(&buffer[..read]),
            }
        }
    };
    digest().map_err(failed("read", path))
}

/// Returns the content of a file that must be UTF-8.
///
/// # Errors
/// When it cannot be read or is not UTF-8.
pub fn read_to_string(path: &Path) -> Result<String> {
    syslua_reading::read_to_string(path, LARGEST).map_err(failed("read", path))
}

/// Returns the target of a symbolic link.
///
/// # Errors
/// When it cannot be read or is not a link.
pub fn read_link(path: &Path) -> Result<PathBuf> {
    fs::read_link(path).map_err(failed("read the link", path))
}

/// Returns the names in a directory sorted by bytes, with the kind of each. Names that disappear
/// are skipped.
///
/// # Errors
/// When it cannot be read.
pub fn list_directory(path: &Path) -> Result<Vec<(OsString, FileKind)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed("list", path))? {
        let entry = entry.map_err(failed("list", path))?;
        match entry.file_type().map_err(failed("access", path)) {
            Ok(kind) => entries.push((entry.file_name(), kind_from(kind))),
            // Where the list does not tell kinds, as /proc for a process that ends, what is gone is
            // found gone.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    entries.sort_by(|(a, _), (b, _)| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
    Ok(entries)
}
