//! Opens and reads regular files. All readers of the user's files use it: the name of a file may
//! lead to a named pipe that has no writer, to a device that never ends, or to a file that is
//! larger than the memory.
//!
//! One kind of pipe is read: that of a process substitution, such as `/dev/fd/63`, and that of
//! standard input. It has a writer, and the user named it.
#![expect(
    clippy::disallowed_methods,
    reason = "links are followed: it reads what the user names, and no build can change that"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// The largest file that is read whole unless a reader has a smaller limit, in bytes.
pub const LARGEST: u64 = 256 << 20;

/// Opens a regular file to read, or what a link leads to. It waits for nothing.
///
/// # Errors
/// When it is not a regular file, or cannot be opened.
pub fn open(path: &Path) -> io::Result<File> {
    open_sized(path).map(|(file, _)| file)
}

/// Opens a regular file, and returns the size that it is said to have.
fn open_sized(path: &Path) -> io::Result<(File, u64)> {
    let opened = without_waiting(path);
    #[cfg(unix)]
    if opened.as_ref().is_err_and(|error| {
        // As Linux says it of a socket, and others.
        use rustix::io::Errno;
        [Errno::NXIO, Errno::OPNOTSUPP]
            .map(Errno::raw_os_error)
            .map(Some)
            .contains(&error.raw_os_error())
    }) {
        return Err(not_regular("a socket or a device"));
    }
    let file = opened?;
    let found = file.metadata()?;
    let kind = found.file_type();
    if kind.is_file() {
        Ok((file, found.len()))
    } else if kind.is_dir() {
        Err(io::ErrorKind::IsADirectory.into())
    } else if !is_pipe(kind) {
        Err(not_regular("a device"))
    } else if is_descriptor(path) {
        // It has a writer, whose end is waited for.
        File::open(path).map(|file| (file, 0))
    } else {
        Err(not_regular("a named pipe"))
    }
}

#[cfg(unix)]
fn without_waiting(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(unix)]
fn is_pipe(kind: std::fs::FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_: std::fs::FileType) -> bool {
    false
}

/// Returns whether a path names an open file of this process.
fn is_descriptor(path: &Path) -> bool {
    ["/dev/fd", "/proc/self/fd"].iter().any(|directory| path.starts_with(directory))
        || path == Path::new("/dev/stdin")
}

fn not_regular(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a regular file"))
}

/// The error of a file that is larger than `most` bytes.
fn too_large(most: u64) -> io::Error {
    let size =
        if most >= 1 << 20 { format!("{} MiB", most >> 20) } else { format!("{} KiB", most >> 10) };
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {size}"))
}

/// Opens a regular file of at most `most` bytes, and returns its size with it.
///
/// # Errors
/// As [`open`]; and when it is larger.
pub fn open_small(path: &Path, most: u64) -> io::Result<(File, u64)> {
    let (file, size) = open_sized(path)?;
    if size > most { Err(too_large(most)) } else { Ok((file, size)) }
}

/// Returns the content of a regular file of at most `most` bytes.
///
/// # Errors
/// As [`open_small`], and when it cannot be read.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, size) = open_small(path, most)?;
    read_all(file, size, most)
}

/// Returns what an open file has, which is at most `most` bytes. `size` is what it is said to
/// have: it may grow.
///
/// # Errors
/// When it cannot be read, or has more.
pub fn read_all(file: File, size: u64, most: u64) -> io::Result<Vec<u8>> {
    if size > most {
        return Err(too_large(most));
    }
    // One more, so that the end is seen by a read into the same room.
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    file.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > most { Err(too_large(most)) } else { Ok(content) }
}

/// Returns the text of a regular file of at most `most` bytes.
///
/// # Errors
/// As [`read`]; and when it is not UTF-8.
pub fn read_to_string(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Returns what the user can do about a file that was not read.
pub fn remedy(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory | io::ErrorKind::FileTooLarge => {
            Some("put a regular file of text there, or name another one")
        }
        io::ErrorKind::PermissionDenied => {
            Some("check the owner and mode of the file and its directories")
        }
        _ => None,
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::Write;

    use super::*;

    fn words(result: io::Result<Vec<u8>>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn only_regular_files_are_read() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        assert!(words(read(&pipe, 10)).contains("named pipe"));
        let socket = place.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(words(read(&socket, 10)).contains("a socket"));
        assert!(words(read(Path::new("/dev/zero"), 10)).contains("a device"));
        let directory = read(place.path(), 10).unwrap_err();
        assert_eq!(directory.kind(), io::ErrorKind::IsADirectory);
        let none = read(&place.path().join("none"), 10).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        assert!(words(read(&link, 10)).contains("named pipe"));
    }

    #[test]
    fn a_file_may_be_as_large_as_the_limit() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        for (size, is_read) in [(0, true), (1, true), (1024, true), (1025, false)] {
            std::fs::write(&path, vec![b'x'; size]).unwrap();
            match read(&path, 1024) {
                Ok(content) => assert!(is_read && content.len() == size, "{size}"),
                Err(error) => assert!(!is_read && error.to_string().contains("1 KiB"), "{error}"),
            }
        }
        File::create(&path).unwrap().set_len(10 << 30).unwrap();
        assert!(words(read(&path, LARGEST)).contains("larger than 256 MiB"));
        // Its size is said to be 0.
        assert!(!read(Path::new("/proc/self/status"), LARGEST).unwrap().is_empty());
        assert!(words(read(Path::new("/proc/self/status"), 10)).contains("larger"));
    }

    #[test]
    fn the_pipe_of_a_process_substitution_is_read_to_its_end() {
        let (reader, mut writer) = io::pipe().unwrap();
        let writes = std::thread::spawn(move || {
            for _ in 0..10 {
                std::thread::sleep(std::time::Duration::from_millis(2));
                writer.write_all(b"part").unwrap();
            }
        });
        let number = std::os::fd::AsRawFd::as_raw_fd(&reader);
        let content = read(Path::new(&format!("/dev/fd/{number}")), 1024).unwrap();
        writes.join().unwrap();
        assert_eq!(content, b"part".repeat(10));
    }
}
