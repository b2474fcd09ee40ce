//! Reading an archive part by part, from a stream that need not be trusted.
//!
//! A tree has exactly one archive, and nothing else is read: names must be single components in the
//! order of their bytes, padding must be zeros, words must be those that [`super::Writer`] writes.
//! So the bytes of an archive that was read to its end are those that its tree would be written as.

use std::io::{self, BufRead};

use super::MAGIC;
use crate::hash::Sink;

/// The longest name of an entry that a file system takes, in bytes.
const LONGEST_NAME: u64 = 255;

/// The longest target of a link that systems take, in bytes.
const LONGEST_TARGET: u64 = 4095;

/// Why an archive was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream failed.
    #[error(transparent)]
    Stream(#[from] io::Error),
    /// The stream ended.
    #[error("it ends too early")]
    Cut,
    /// It is not what an archive is.
    #[error("{0}")]
    Wrong(String),
}

fn wrong<T>(problem: impl Into<String>) -> Result<T, ReadError> {
    Err(ReadError::Wrong(problem.into()))
}

/// A part of an archive. After a file comes its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A directory begins; entries and [`Part::End`] follow.
    Directory,
    /// An entry of the innermost directory; its kind follows.
    Entry(Vec<u8>),
    /// The innermost directory ends.
    End,
    /// A file, whose content is to be read by [`Reader::content`].
    File {
        /// Whether it is executable.
        executable: bool,
        /// Its length in bytes.
        length: u64,
    },
    /// A symbolic link to this target.
    Symlink(Vec<u8>),
}

/// A directory that is open.
#[derive(Default)]
struct Level {
    last: Option<Vec<u8>>,
    in_entry: bool,
}

/// Reads one archive. Each byte that was read is put into the sink.
pub struct Reader<'a, R: BufRead, S: Sink> {
    stream: R,
    sink: &'a mut S,
    open: Vec<Level>,
    depth: u64,
    /// Whether a node must follow: at the beginning and after an entry's name.
    node_follows: bool,
    /// The bytes of the current file that were not read yet, and its length.
    content: Option<(u64, u64)>,
}

impl<'a, R: BufRead, S: Sink> Reader<'a, R, S> {
    /// Begins; `depth` is how many directories may be inside of each other.
    ///
    /// # Errors
    /// When the stream fails or does not begin as an archive does.
    pub fn new(stream: R, sink: &'a mut S, depth: u64) -> Result<Reader<'a, R, S>, ReadError> {
        let mut reader =
            Reader { stream, sink, open: Vec::new(), depth, node_follows: true, content: None };
        reader.expect(MAGIC)?;
        Ok(reader)
    }

    /// Returns the next part; `None` at the end of the archive, after which the stream may
    /// continue. The rest of a file's content is skipped.
    ///
    /// # Errors
    /// When the stream fails or ends, or is not an archive.
    pub fn next_part(&mut self) -> Result<Option<Part>, ReadError> {
        while self.content(|_| Ok::<(), ReadError>(()))? {}
        if std::mem::take(&mut self.node_follows) {
            return self.node().map(Some);
        }
        let Some(level) = self.open.last_mut() else { return Ok(None) };
        if std::mem::take(&mut level.in_entry) {
            self.expect(b")")?;
        }
        match self.string(LONGEST_WORD, "word")?.as_slice() {
            b")" => {
                self.open.pop();
                Ok(Some(Part::End))
            }
            b"entry" => self.entry().map(Some),
            other => wrong(format!("it has `{}` where an entry belongs", show(other))),
        }
    }

    /// Hands the next bytes of the current file on; returns whether there may be more.
    ///
    /// # Errors
    /// When the stream fails or ends, or `take` fails.
    pub fn content<E: From<ReadError>>(
        &mut self,
        take: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        let Some((left, length)) = self.content else { return Ok(false) };
        if left == 0 {
            self.content = None;
            self.padding(length)?;
            self.expect(b")")?;
            return Ok(false);
        }
        let bytes = self.stream.fill_buf().map_err(ReadError::from)?;
        if bytes.is_empty() {
            return Err(ReadError::Cut.into());
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.sink.put(&bytes[..most]);
        take(&bytes[..most])?;
        self.stream.consume(most);
        self.content = Some((left - most as u64, length));
        Ok(true)
    }

    fn entry(&mut self) -> Result<Part, ReadError> {
        self.expect(b"(")?;
        self.expect(b"name")?;
        let name = self.string(LONGEST_NAME, "name")?;
        if name.is_empty()
            || name == b"."
            || name == b".."
            || name.contains(&b'/')
            || name.contains(&0)
        {
            return wrong(format!(
                "an entry is called `{}`, which is not a valid file name",
                show(&name)
            ));
        }
        if let Some(level) = self.open.last_mut() {
            if let Some(last) = level.last.as_ref().filter(|last| **last >= name) {
                let how = if *last == name { "occurs twice" } else { "is not in order" };
                return wrong(format!("the entry `{}` {how}", show(&name)));
            }
            level.last = Some(name.clone());
            level.in_entry = true;
        }
        self.expect(b"node")?;
        self.node_follows = true;
        Ok(Part::Entry(name))
    }

    fn node(&mut self) -> Result<Part, ReadError> {
        self.expect(b"(")?;
        self.expect(b"type")?;
        match self.string(LONGEST_WORD, "word")?.as_slice() {
            b"regular" => {
                let word = self.string(LONGEST_WORD, "word")?;
                let executable = word == b"executable";
                if executable {
                    self.expect(b"")?;
                    self.expect(b"contents")?;
                } else if word != b"contents" {
                    return wrong(format!(
                        "it has `{}` where the contents of a file belong",
                        show(&word)
                    ));
                }
                let length = self.number()?;
                self.content = Some((length, length));
                Ok(Part::File { executable, length })
            }
            b"symlink" => {
                self.expect(b"target")?;
                let target = self.string(LONGEST_TARGET, "target of a link")?;
                if target.is_empty() || target.contains(&0) {
                    return wrong(format!(
                        "a link leads to `{}`, which is not a valid path",
                        show(&target)
                    ));
                }
                self.expect(b")")?;
                Ok(Part::Symlink(target))
            }
            b"directory" => {
                if self.open.len() as u64 >= self.depth {
                    return wrong(format!(
                        "more than {} directories are inside of each other",
                        self.depth
                    ));
                }
                self.open.push(Level::default());
                Ok(Part::Directory)
            }
            other => wrong(format!(
                "it has a `{}`, which is neither file, directory nor link",
                show(other)
            )),
        }
    }

    fn expect(&mut self, word: &[u8]) -> Result<(), ReadError> {
        let found = self.string(LONGEST_WORD, "word")?;
        if found == word {
            return Ok(());
        }
        wrong(format!("it has `{}` where `{}` belongs", show(&found), show(word)))
    }

    fn string(&mut self, longest: u64, what: &str) -> Result<Vec<u8>, ReadError> {
        let length = self.number()?;
        if length > longest {
            return wrong(format!("it has a {what} of {length} bytes"));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.exactly(&mut bytes)?;
        self.padding(length)?;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, ReadError> {
        let mut bytes = [0; 8];
        self.exactly(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn padding(&mut self, length: u64) -> Result<(), ReadError> {
        let mut bytes = [0; 8];
        let padding = &mut bytes[..(length.wrapping_neg() % 8) as usize];
        self.exactly(padding)?;
        if padding.iter().any(|byte| *byte != 0) {
            wrong("its padding is not zero")
        } else {
            Ok(())
        }
    }

    fn exactly(&mut self, bytes: &mut [u8]) -> Result<(), ReadError> {
        self.stream.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Cut,
            _ => error.into(),
        })?;
        self.sink.put(bytes);
        Ok(())
    }
}

/// The longest of the format's own words is that which it begins with.
const LONGEST_WORD: u64 = 64;

/// Returns bytes of an archive as a message shows them.
fn show(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes).chars().take(80).collect();
    text.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::Writer;
    use super::*;

    fn parts(bytes: &[u8]) -> Result<Vec<String>, ReadError> {
        let mut read = Vec::new();
        let mut reader = Reader::new(bytes, &mut read, 3)?;
        let mut parts = Vec::new();
        while let Some(part) = reader.next_part()? {
            parts.push(match part {
                Part::Directory => "directory".to_owned(),
                Part::Entry(name) => format!("entry {}", show(&name)),
                Part::End => "end".to_owned(),
                Part::Symlink(target) => format!("link {}", show(&target)),
                Part::File { executable, length } => {
                    let mut content = Vec::new();
                    while reader.content(|bytes| {
                        content.extend_from_slice(bytes);
                        Ok::<(), ReadError>(())
                    })? {}
                    format!("file {executable} {length} {}", show(&content))
                }
            });
        }
        assert_eq!(read, bytes, "what was read is what is hashed");
        Ok(parts)
    }

    fn archive() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.begin_directory();
        writer.begin_entry(b"bin");
        writer.begin_directory();
        writer.begin_entry(b"run");
        writer.begin_file(true, 5);
        writer.content(b"hello");
        writer.end_file(5);
        writer.end_entry();
        writer.end_directory();
        writer.end_entry();
        writer.begin_entry(b"empty");
        writer.begin_file(false, 0);
        writer.end_file(0);
        writer.end_entry();
        writer.begin_entry(b"link");
        writer.symlink(b"../elsewhere");
        writer.end_entry();
        writer.end_directory();
        bytes
    }

    #[test]
    fn an_archive_is_read_as_it_was_written() {
        let expected = [
            "directory",
            "entry bin",
            "directory",
            "entry run",
            "file true 5 hello",
            "end",
            "entry empty",
            "file false 0 ",
            "entry link",
            "link ../elsewhere",
            "end",
        ];
        assert_eq!(parts(&archive()).unwrap(), expected);
    }

    #[test]
    fn a_cut_archive_is_refused_wherever_it_is_cut() {
        let bytes = archive();
        for length in 0..bytes.len() {
            assert!(matches!(parts(&bytes[..length]), Err(ReadError::Cut)), "{length}");
        }
    }

    #[test]
    fn no_other_byte_than_that_of_a_name_or_content_can_change() {
        let bytes = archive();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            // What still reads is another tree, of which the same bytes are written.
            if let Ok(parts) = parts(&changed) {
                assert_ne!(parts, self::parts(&bytes).unwrap(), "{place}");
            }
        }
    }

    fn single(names: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.begin_directory();
        for name in names {
            writer.begin_entry(name);
            writer.symlink(b"x");
            writer.end_entry();
        }
        writer.end_directory();
        bytes
    }

    #[test]
    fn names_that_lead_elsewhere_or_come_twice_are_refused() {
        for names in [
            vec![b"..".as_slice()],
            vec![b"."],
            vec![b""],
            vec![b"a/b"],
            vec![b"/etc"],
            vec![b"a\0b"],
            vec![b"a", b"a"],
            vec![b"b", b"a"],
            vec![&[b'x'; 256]],
        ] {
            assert!(matches!(parts(&single(&names)), Err(ReadError::Wrong(_))), "{names:?}");
        }
        assert_eq!(parts(&single(&[b"a", b"b"])).unwrap().len(), 6);
    }

    #[test]
    fn depth_and_sizes_are_bounded() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        for _ in 0..100_000 {
            writer.begin_directory();
            writer.begin_entry(b"d");
        }
        assert!(parts(&bytes).unwrap_err().to_string().contains("more than 3 directories"));
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.begin_file(false, u64::MAX);
        writer.content(b"short");
        assert!(matches!(parts(&bytes), Err(ReadError::Cut)));
        let mut bytes = single(&[b"name"]);
        let place = bytes.windows(4).position(|part| part == b"name").unwrap() - 8;
        bytes[place..place + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(
            parts(&bytes).unwrap_err().to_string().contains("a word of 18446744073709551615 bytes")
        );
    }
}
