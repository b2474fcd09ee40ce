//! A file for an editor that other users cannot read, in memory where the system supports that.
#![expect(
    clippy::disallowed_methods,
    reason = "the directory is private, and no other user can write it"
)]

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// What the names of directories begin with; the number of the process follows.
const PREFIX: &str = "syslua-secret-";

/// A private file in its own directory. Dropping it overwrites and removes both.
pub struct PrivateFile {
    directory: PathBuf,
    file: PathBuf,
    in_memory: bool,
}

/// Makes directories that only their owner can use.
#[cfg(unix)]
fn new_builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Makes directories; their rights follow from those above.
#[cfg(not(unix))]
fn new_builder() -> DirBuilder {
    DirBuilder::new()
}

impl PrivateFile {
    /// Makes one with a name and a content, in the first of these directories that is in memory,
    /// else in the last. What processes that were killed left there is removed.
    ///
    /// # Errors
    /// When none of the directories can be written.
    pub fn new(places: &[PathBuf], name: &str, content: &[u8]) -> io::Result<Self> {
        let mut last =
            io::Error::new(io::ErrorKind::NotFound, "there is no directory for temporary files");
        let memory = places.iter().filter(|place| is_memory(place));
        for (place, in_memory) in
            memory.map(|place| (place, true)).chain(places.last().map(|place| (place, false)))
        {
            sweep(place);
            match Self::make(place, name, content, in_memory) {
                Ok(file) => return Ok(file),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn make(place: &Path, name: &str, content: &[u8], in_memory: bool) -> io::Result<Self> {
        let mut attempt = 0;
        let directory = loop {
            let directory = place.join(format!("{PREFIX}{}-{attempt}", std::process::id()));
            match new_builder().create(&directory) {
                Ok(()) => break directory,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        };
        // From here on dropping it cleans up.
        let made = Self { file: directory.join(name), directory, in_memory };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&made.file)?.write_all(content)?;
        Ok(made)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Whether it never reaches a disk (but by swapping).
    pub fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// What is in it now.
    ///
    /// # Errors
    /// When the editor removed it.
    pub fn read(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut file = std::fs::File::open(&self.file)?;
        let size = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        let mut content = Zeroizing::new(Vec::with_capacity(size + 1));
        file.read_to_end(&mut content)?;
        Ok(content)
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        wipe(&self.directory);
    }
}

/// Overwrites and removes a directory with its files: editors leave copies beside.
fn wipe(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Ok(mut file) = OpenOptions::new().write(true).open(entry.path())
            && let Ok(found) = file.metadata()
        {
            let _ = file.write_all(&vec![0; usize::try_from(found.len()).unwrap_or(0)]);
        }
    }
    let _ = std::fs::remove_dir_all(directory);
}

/// Removes what killed processes of this user left.
fn sweep(place: &Path) {
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .and_then(|rest| rest.split('-').next());
        let Some(number) = number.and_then(|number| number.parse::<u32>().ok()) else { continue };
        if is_own(&entry.path()) && !is_alive(number) {
            wipe(&entry.path());
        }
    }
}

#[cfg(unix)]
fn is_own(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
fn is_own(path: &Path) -> bool {
    path.is_dir()
}

#[cfg(unix)]
fn is_alive(number: u32) -> bool {
    let process = i32::try_from(number).ok().and_then(rustix::process::Pid::from_raw);
    process.is_some_and(|process| {
        rustix::process::test_kill_process(process) != Err(rustix::io::Errno::SRCH)
    })
}

#[cfg(not(unix))]
fn is_alive(_number: u32) -> bool {
    true
}

/// Whether a directory is on a file system in memory.
#[cfg(target_os = "linux")]
fn is_memory(place: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    rustix::fs::statfs(place).is_ok_and(|found| matches!(found.f_type, TMPFS | RAMFS))
}

#[cfg(not(target_os = "linux"))]
fn is_memory(_place: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::PrivateFile;

    #[test]
    fn it_is_private_and_goes_with_all_that_editors_leave() {
        let place = tempfile::tempdir().expect("a directory");
        // A process that is long gone.
        let left = place.path().join("syslua-secret-4194304-0");
        std::fs::create_dir(&left).expect("it is made");
        let file =
            PrivateFile::new(&[place.path().to_owned()], "s.yaml", b"a: 1\n").expect("it is made");
        assert!(!left.exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &std::path::Path| {
                std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
            };
            assert_eq!(mode(file.path()), 0o600);
            assert_eq!(mode(file.path().parent().expect("it has one")), 0o700);
        }
        std::fs::write(file.path().with_file_name(".s.yaml.swp"), b"x").expect("it is written");
        assert_eq!(&**file.read().expect("it is read"), b"a: 1\n");
        drop(file);
        assert_eq!(std::fs::read_dir(place.path()).expect("it is there").count(), 0);
    }
}
