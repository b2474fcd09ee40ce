//! Writing entries below one directory, each relative to the descriptor of its parent.
//!
//! No link is ever followed, wherever it comes from: what the archive's names should already
//! exclude is excluded once more by how directories are opened.

use std::fs::File;

use syslua_archive::Problem;
use syslua_archive::problem::{Result, show};

use crate::platform::{self, Directory};

/// The most directories that are held open; deeper ones are opened again when they are needed.
const HELD: usize = 32;
const DIRECTORY_MODE: u32 = 0o755;

/// A directory that entries are written below.
pub struct Tree {
    root: Directory,
    // The way to the directory of the last entry. Those that were let go have only a name.
    way: Vec<(Vec<u8>, Option<Directory>)>,
    // Modes of files, and whether the umask leaves them as they are.
    modes: Vec<(u32, bool)>,
}

/// What a hard link leads to.
pub struct Original {
    // `None` for the destination itself.
    directory: Option<Directory>,
    name: Vec<u8>,
    /// Its size in bytes.
    pub size: u64,
}

impl Tree {
    /// Begins in a directory.
    pub fn new(root: Directory) -> Tree {
        Tree { root, way: Vec::new(), modes: Vec::new() }
    }

    /// Creates a directory, if it is missing, and those that it is in.
    ///
    /// # Errors
    /// When another file is in the way.
    pub fn directory(&mut self, parts: &[&[u8]]) -> Result<()> {
        self.enter(parts).map(drop)
    }

    /// Creates a file; `mode` keeps what others than the owner may do, but writing.
    ///
    /// # Errors
    /// When something has the name already.
    pub fn file(&mut self, parts: &[&[u8]], mode: u32) -> Result<File> {
        // The owner continues to use it.
        let mode = mode & 0o755 | 0o600;
        let known =
            self.modes.iter().find(|(known, _)| *known == mode).map(|(_, is_exact)| *is_exact);
        let (directory, name) = self.enter_parent(parts)?;
        let name = platform::name_from_bytes(name);
        let file = directory.create_file(&name, mode).map_err(|error| taken(parts, error))?;
        let is_exact = match known {
            Some(is_exact) => is_exact,
            None => file.metadata().is_ok_and(|metadata| platform::mode_of(&metadata) == mode),
        };
        if !is_exact {
            platform::set_mode_of(&file, &directory.path().join(&name), mode)?;
        }
        if known.is_none() {
            self.modes.push((mode, is_exact));
        }
        Ok(file)
    }

    /// Removes a file that was created.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&mut self, parts: &[&[u8]]) -> Result<()> {
        let (directory, name) = self.enter_parent(parts)?;
        Ok(directory.remove(&platform::name_from_bytes(name))?)
    }

    /// Creates a symbolic link.
    ///
    /// # Errors
    /// When something has the name already.
    pub fn symlink(&mut self, parts: &[&[u8]], target: &[u8]) -> Result<()> {
        let (directory, name) = self.enter_parent(parts)?;
        let target = platform::path_from_bytes(target);
        directory
            .symlink(&target, &platform::name_from_bytes(name))
            .map_err(|error| taken(parts, error))
    }

    /// Finds what a hard link leads to.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn original(&self, parts: &[&[u8]]) -> Result<Original> {
        let Some((name, above)) = parts.split_last() else {
            return Err(Problem::entry(b".", "is not a file"));
        };
        let mut directory: Option<Directory> = None;
        for part in above {
            let above = directory.as_ref().unwrap_or(&self.root);
            directory = Some(above.directory(&platform::name_from_bytes(part))?);
        }
        let node =
            directory.as_ref().unwrap_or(&self.root).node(&platform::name_from_bytes(name))?;
        Ok(Original { directory, name: name.to_vec(), size: node.map_or(0, |node| node.size) })
    }

    /// Creates a hard link.
    ///
    /// # Errors
    /// When something has the name already.
    pub fn link(&mut self, parts: &[&[u8]], original: &Original) -> Result<()> {
        let (_, name) = self.enter_parent(parts)?;
        let (name, of) =
            (platform::name_from_bytes(name), platform::name_from_bytes(&original.name));
        let source = original.directory.as_ref().unwrap_or(&self.root);
        source.hard_link(&of, self.current(), &name).map_err(|error| taken(parts, error))
    }

    /// Returns the path of an entry, for messages.
    pub fn path(&self, parts: &[&[u8]]) -> std::path::PathBuf {
        self.root.path().join(platform::path_from_bytes(&parts.join(&b'/')))
    }

    fn enter_parent<'p>(&mut self, parts: &[&'p [u8]]) -> Result<(&Directory, &'p [u8])> {
        match parts.split_last() {
            Some((name, above)) => Ok((self.enter(above)?, name)),
            None => Err(Problem::entry(
                b".",
                "stands for the destination itself, and is not a directory",
            )),
        }
    }

    /// Opens a directory, creating what is missing on the way.
    fn enter(&mut self, parts: &[&[u8]]) -> Result<&Directory> {
        let common =
            self.way.iter().zip(parts).take_while(|((name, _), part)| name == *part).count();
        self.way.truncate(common);
        while self.way.last().is_some_and(|(_, directory)| directory.is_none()) {
            self.way.pop();
        }
        for index in self.way.len()..parts.len() {
            let name = platform::name_from_bytes(parts[index]);
            let above = self.current();
            match above.make_directory_with(&name, DIRECTORY_MODE) {
                Err(error) if !error.is_already_there() => return Err(error.into()),
                _ => {}
            }
            let opened = above.directory(&name).map_err(|error| {
                let shown = show(&parts[..=index].join(&b'/'));
                Problem::entry(
                    &parts.join(&b'/'),
                    format!(
                        "cannot be placed: {shown} in the destination is not a directory ({error})"
                    ),
                )
            })?;
            // Of a deep tree only the first ones and the last one stay open.
            if let Some((_, last)) = self.way.get_mut(HELD..).and_then(<[_]>::last_mut) {
                *last = None;
            }
            self.way.push((parts[index].to_vec(), Some(opened)));
        }
        Ok(self.current())
    }

    /// Returns the directory that was entered last.
    fn current(&self) -> &Directory {
        self.way.last().and_then(|(_, directory)| directory.as_ref()).unwrap_or(&self.root)
    }
}

/// The archive has the name only once: the file existed before.
fn taken(parts: &[&[u8]], error: platform::Error) -> Problem {
    if error.is_already_there() {
        Problem::entry(&parts.join(&b'/'), "would replace an existing file of the destination")
    } else {
        error.into()
    }
}
