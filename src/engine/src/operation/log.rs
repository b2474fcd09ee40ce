//! What the programs of a build print: the beginning of it in a file, the last lines for an error.
//!
//! Its memory is limited for any amount of output and any length of line. The file is limited too.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::Result;
use crate::platform;
use crate::platform::process::Stream;
use crate::tail::Tail;

/// How many of the last lines an error shows.
const LAST_LINES: usize = 20;

/// The log of one program, in the file of its build.
pub struct Log {
    path: PathBuf,
    file: Option<File>,
    /// The most bytes that the file gets from the programs of its build.
    limit: u64,
    /// How many it may still get.
    left: u64,
    tail: Tail<2>,
}

impl Log {
    /// Makes it; nothing is written yet. `limit` is in bytes, of the whole file.
    pub fn new(path: &Path, limit: u64) -> Log {
        Log { path: path.to_owned(), file: None, limit, left: limit, tail: Tail::new(LAST_LINES) }
    }

    /// Opens the file and writes what runs.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn begin(&mut self, command: &str) -> Result<()> {
        let file = platform::append_file(&self.path)?;
        // The output of earlier programs of the build counts too. The last line, which says that
        // the log is cut, comes after the limit.
        let length = file.metadata().map_err(platform::failed("access", &self.path))?.len();
        self.left = self.limit.saturating_sub(length);
        self.file = Some(file);
        self.write(b"$ ");
        self.write(command.as_bytes());
        self.write(b"\n");
        Ok(())
    }

    /// Closes the file; the last lines stay.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// A full disk is noticed where it hurts: a log alone does not end a build.
    fn write(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
        if self.left == 0 {
            return;
        }
        let fitting = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let _ = file.write_all(&bytes[..fitting]);
        self.left -= fitting as u64;
        if self.left == 0 {
            let _ = write!(
                file,
                "\n[the log ends here, at its limit of {}: SYSLUA_LOG_LIMIT]\n",
                super::in_words(self.limit)
            );
        }
    }

    /// Takes output of a program.
    pub fn put(&mut self, stream: Stream, bytes: &[u8]) {
        self.write(bytes);
        self.tail.put(usize::from(stream == Stream::Error), bytes);
    }

    /// Returns whether the program printed more than the last lines.
    pub fn is_cut(&self) -> bool {
        self.tail.is_cut()
    }

    /// Returns the limit of the file when it was reached, in bytes.
    pub fn reached(&self) -> Option<u64> {
        (self.left == 0).then_some(self.limit)
    }

    /// Returns the last lines, of both streams in the order in which they ended.
    pub fn last_lines(&self) -> String {
        self.tail.lines().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_a_limit_that_all_programs_of_a_build_share() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        for number in 0..50 {
            let mut log = Log::new(&path, 1000);
            log.begin("print").unwrap();
            for _ in 0..200 {
                log.put(Stream::Output, &[b'a' + number % 26; 7]);
                log.put(Stream::Error, b"\n");
            }
            assert_eq!(log.reached(), Some(1000));
            log.close();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("$ print\naaaaaaa\n"));
        assert!(
            text.ends_with("\n[the log ends here, at its limit of 1000 bytes: SYSLUA_LOG_LIMIT]\n"),
            "{text}"
        );
        assert_eq!(text.matches("[the log").count(), 1);
        assert_eq!(text.find("\n[the log"), Some(1000));
    }

    #[test]
    fn a_log_below_its_limit_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = Log::new(&path, 1000);
        log.begin("true").unwrap();
        log.put(Stream::Output, b"\xff\0one");
        assert_eq!(log.reached(), None);
        assert_eq!(std::fs::read(&path).unwrap(), b"$ true\n\xff\0one");
    }
}
