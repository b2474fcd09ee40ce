//! What the programs of a build print: all of it in a file, the last lines for an error.
//!
//! It holds little, however much is printed, and however long a line is.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::Result;
use crate::platform;
use crate::platform::process::Stream;

/// How many of the last lines an error shows, and how much of each, in bytes.
const LAST_LINES: usize = 20;
const LINE_LENGTH: usize = 1000;

/// The log of one program, in the file of its build.
pub struct Log {
    path: PathBuf,
    file: Option<File>,
    last: VecDeque<Vec<u8>>,
    /// The line that each stream is in.
    current: [Vec<u8>; 2],
    is_cut: bool,
}

impl Log {
    /// Makes it; nothing is written yet.
    pub fn new(path: &Path) -> Log {
        Log { path: path.to_owned(), file: None, last: VecDeque::new(), current: Default::default(), is_cut: false }
    }

    /// Opens the file and writes what runs.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn begin(&mut self, command: &str) -> Result<()> {
        self.file = Some(platform::append_file(&self.path)?);
        self.write(format!("$ {command}\n").as_bytes());
        Ok(())
    }

    /// Closes the file; the last lines stay.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// A full disk is noticed where it hurts: a log alone does not end a build.
    fn write(&mut self, bytes: &[u8]) {
        if let Some(file) = &mut self.file {
            let _ = file.write_all(bytes);
        }
    }

    /// Takes what came from a program.
    pub fn put(&mut self, stream: Stream, bytes: &[u8]) {
        self.write(bytes);
        let number = usize::from(stream == Stream::Error);
        let mut rest = bytes;
        // Of many lines only the last can be wanted.
        if let Some(end) = memchr::memrchr_iter(b'\n', bytes).nth(LAST_LINES) {
            self.current[number].clear();
            self.is_cut = true;
            rest = &bytes[end + 1..];
        }
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.add(number, &rest[..end]);
            let line = std::mem::take(&mut self.current[number]);
            self.last.push_back(line);
            if self.last.len() > LAST_LINES {
                self.last.pop_front();
                self.is_cut = true;
            }
            rest = &rest[end + 1..];
        }
        self.add(number, rest);
    }

    fn add(&mut self, number: usize, bytes: &[u8]) {
        let line = &mut self.current[number];
        let fitting = bytes.len().min(LINE_LENGTH - line.len());
        line.extend_from_slice(&bytes[..fitting]);
        self.is_cut = self.is_cut || fitting < bytes.len();
    }

    /// Returns whether the file has more than the last lines.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Returns the last lines, of both streams in the order in which they ended.
    pub fn last_lines(&self) -> String {
        let open = self.current.iter().filter(|line| !line.is_empty());
        let lines: Vec<&Vec<u8>> = self.last.iter().chain(open).collect();
        let shown = &lines[lines.len().saturating_sub(LAST_LINES)..];
        shown.iter().map(|line| String::from_utf8_lossy(line).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_both_streams_are_kept() {
        let mut log = Log::new(Path::new("/nowhere"));
        log.put(Stream::Output, b"one\ntw");
        log.put(Stream::Error, b"oops\n");
        log.put(Stream::Output, b"o\nthree");
        assert_eq!(log.last_lines(), "one\noops\ntwo\nthree");
        assert!(!log.is_cut());
    }

    #[test]
    fn little_is_held_however_much_comes() {
        let mut log = Log::new(Path::new("/nowhere"));
        for _ in 0..100 {
            log.put(Stream::Error, &[b'x'; 10_000]);
        }
        for number in 0..30 {
            log.put(Stream::Output, format!("{number}\n").as_bytes());
        }
        assert!(log.is_cut());
        assert_eq!(log.last_lines().lines().count(), LAST_LINES);
        assert!(log.last_lines().len() < LINE_LENGTH + 100);
    }
}
