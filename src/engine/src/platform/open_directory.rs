//! A directory that is held open: what is done in it happens there, whatever its path leads to by then.
//!
//! Names are single components, and no symbolic link is ever followed: one that stands where a
//! directory is opened is an error. On Windows paths stand in for descriptors.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::read::FileKind;
use super::{Facts, Result, failed, fault, system_directory};

/// A directory that is held open.
#[derive(Debug)]
pub struct OpenDirectory {
    handle: system_directory::Handle,
    path: PathBuf,
}

impl OpenDirectory {
    /// Opens a directory. Links among its parents are followed; the last component may be none.
    ///
    /// # Errors
    /// When there is none, or a link in its place.
    pub fn open(path: &Path) -> Result<OpenDirectory> {
        let handle = system_directory::open(path).map_err(failed("open the directory", path))?;
        Ok(OpenDirectory { handle, path: path.to_owned() })
    }

    /// Returns the path that it was opened by, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory in this one.
    ///
    /// # Errors
    /// When there is none, or a link in its place.
    pub fn open_directory(&self, name: &OsStr) -> Result<OpenDirectory> {
        let handle = self.named("open the directory", name, system_directory::open_in(&self.handle, name))?;
        Ok(OpenDirectory { handle, path: self.path.join(name) })
    }

    /// Creates a directory in this one.
    ///
    /// # Errors
    /// When the name is taken, or the system refuses.
    pub fn create_directory(&self, name: &OsStr, mode: u32) -> Result<()> {
        let created = fault::point().and_then(|()| system_directory::create_in(&self.handle, name, mode));
        self.named("create the directory", name, created)
    }

    /// Creates a file to write to. The mode loses what the umask takes.
    ///
    /// # Errors
    /// When the name is taken, also by a link that leads nowhere, or the system refuses.
    pub fn create_file(&self, name: &OsStr, mode: u32) -> Result<File> {
        let created = fault::point().and_then(|()| system_directory::create_file_in(&self.handle, name, mode));
        self.named("create", name, created)
    }

    /// Removes a file or link.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &OsStr) -> Result<()> {
        let removed = fault::point().and_then(|()| system_directory::remove_in(&self.handle, name));
        self.named("remove", name, removed)
    }

    /// Creates a symbolic link.
    ///
    /// # Errors
    /// When the name is taken, or the system refuses.
    pub fn symlink(&self, target: &Path, name: &OsStr) -> Result<()> {
        let created = fault::point().and_then(|()| system_directory::symlink_in(&self.handle, target, name));
        self.named("create the link", name, created)
    }

    /// Gives a file one more name; a symbolic link gets one too, and is not followed.
    ///
    /// # Errors
    /// When the name is taken, or the system refuses.
    pub fn link(&self, name: &OsStr, of: &OpenDirectory, original: &OsStr) -> Result<()> {
        let created = fault::point().and_then(|()| system_directory::link_in(&of.handle, original, &self.handle, name));
        self.named("create the hard link", name, created)
    }

    /// Returns what stands at a name, and its size in bytes.
    ///
    /// # Errors
    /// When nothing does, or the system does not tell.
    pub fn look(&self, name: &OsStr) -> Result<(FileKind, u64)> {
        self.named("look at", name, system_directory::look_in(&self.handle, name))
    }

    /// Returns whether anything stands at a name, a dangling link included.
    pub fn has(&self, name: &OsStr) -> bool {
        system_directory::exists_in(&self.handle, name)
    }

    /// Returns what the system tells of a name without reading what stands there.
    ///
    /// # Errors
    /// When nothing does, or the system does not tell.
    pub fn facts_of(&self, name: &OsStr) -> Result<Facts> {
        self.named("look at", name, system_directory::facts_in(&self.handle, name))
    }

    fn named<T>(&self, operation: &'static str, name: &OsStr, result: io::Result<T>) -> Result<T> {
        result.map_err(|cause| failed(operation, &self.path.join(name))(cause))
    }
}

/// Gives an open file exactly these permission bits.
///
/// # Errors
/// When the system refuses.
pub fn set_mode_of(file: &File, path: &Path, mode: u32) -> Result<()> {
    fault::point().and_then(|()| system_directory::set_mode_of(file, mode)).map_err(failed("change the mode of", path))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("outside")).unwrap();
        std::fs::create_dir(place.path().join("inside")).unwrap();
        symlink("../outside", place.path().join("inside/way")).unwrap();
        symlink("../outside/file", place.path().join("inside/file")).unwrap();
        symlink("inside", place.path().join("door")).unwrap();
        let inside = OpenDirectory::open(&place.path().join("inside")).unwrap();
        assert!(inside.open_directory("way".as_ref()).is_err());
        assert!(inside.create_file("file".as_ref(), 0o644).is_err());
        assert!(inside.create_directory("way".as_ref(), 0o755).is_err());
        assert!(OpenDirectory::open(&place.path().join("door")).is_err());
        inside.link("second".as_ref(), &inside, "way".as_ref()).unwrap();
        assert_eq!(inside.look("second".as_ref()).unwrap().0, FileKind::Symlink);
        assert_eq!(std::fs::read_dir(place.path().join("outside")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_done_happens_there_though_the_path_leads_elsewhere() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("directory");
        std::fs::create_dir(&path).unwrap();
        std::fs::create_dir(place.path().join("outside")).unwrap();
        let directory = OpenDirectory::open(&path).unwrap();
        std::fs::rename(&path, place.path().join("moved")).unwrap();
        symlink("outside", &path).unwrap();
        drop(directory.create_file("file".as_ref(), 0o644).unwrap());
        assert!(place.path().join("moved/file").exists());
        assert!(!place.path().join("outside/file").exists());
    }
}
