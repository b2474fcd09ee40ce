//! Unpacking archives, entry by entry, below one directory.
//!
//! Nothing is skipped silently: an entry that would leave the destination, or is neither file,
//! directory nor link, ends the build.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use super::{Error, Result, Workspace};
use crate::platform::{self, FileKind};

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Unpacks an archive, known by its first bytes, into a directory.
pub fn unpack(workspace: &Workspace, archive: &Path, destination: &Path, strip: usize) -> Result<()> {
    let archive = workspace.readable(archive)?;
    let destination = workspace.writable(destination)?;
    platform::create_directories(&destination)?;
    let mut file = std::fs::File::open(&archive).map_err(platform::failed("read", &archive))?;
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic).map_err(platform::failed("read", &archive))?;
    if magic != GZIP {
        return Err(refused(&archive, "it is no tar.gz archive"));
    }
    let content = io::Cursor::new(magic).chain(file);
    let mut target = Target { workspace, archive: &archive, destination: &destination, strip };
    target.extract(tar::Archive::new(MultiGzDecoder::new(content)))
}

fn refused(archive: &Path, reason: impl Into<String>) -> Error {
    Error::Archive { archive: archive.to_owned(), reason: reason.into() }
}

struct Target<'a> {
    workspace: &'a Workspace,
    archive: &'a Path,
    destination: &'a Path,
    strip: usize,
}

impl Target<'_> {
    fn extract(&mut self, mut archive: tar::Archive<impl Read>) -> Result<()> {
        let entries = archive.entries().map_err(|error| refused(self.archive, error.to_string()))?;
        let mut count = 0u64;
        for entry in entries {
            if self.workspace.settings.interrupt.is_set() {
                return Err(Error::Interrupted);
            }
            self.extract_entry(entry.map_err(|error| refused(self.archive, error.to_string()))?)?;
            count += 1;
        }
        if count == 0 { Err(refused(self.archive, "it is empty or damaged")) } else { Ok(()) }
    }

    fn extract_entry(&mut self, mut entry: tar::Entry<'_, impl Read>) -> Result<()> {
        let name = entry.path_bytes().into_owned();
        let Some(place) = self.place(&name)? else { return Ok(()) };
        let executable = entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
        match entry.header().entry_type() {
            EntryType::Directory => self.make_directories(&place),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.prepare(&place)?;
                let mut file = platform::create_file(&place)?;
                io::copy(&mut entry, &mut file).map_err(|error| refused(self.archive, error.to_string()))?;
                if executable {
                    platform::set_mode(&place, 0o755)?;
                }
                Ok(())
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().ok_or_else(|| self.refuse(&name, "is a link without target"))?;
                self.prepare(&place)?;
                Ok(platform::symlink(&platform::path_from_bytes(&target), &place)?)
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().ok_or_else(|| self.refuse(&name, "is a link without target"))?;
                let source = self.place(&target)?.ok_or_else(|| self.refuse(&name, "links to nothing"))?;
                self.check_parents(&source)?;
                if platform::kind_of(&source)? != Some(FileKind::File) {
                    return Err(self.refuse(&name, "is a hard link to something that is no file of the archive"));
                }
                self.prepare(&place)?;
                platform::copy_file(&source, &place)?;
                Ok(())
            }
            EntryType::XGlobalHeader => Ok(()),
            _ => Err(self.refuse(&name, "is neither a file, a directory nor a link")),
        }
    }

    fn refuse(&self, name: &[u8], what: &str) -> Error {
        refused(self.archive, format!("its entry {:?} {what}", String::from_utf8_lossy(name)))
    }

    /// Returns where an entry goes, or `None` when it is wholly among the stripped components.
    fn place(&self, name: &[u8]) -> Result<Option<PathBuf>> {
        if name.contains(&0) {
            return Err(self.refuse(name, "has a NUL byte in its name"));
        }
        let path = platform::path_from_bytes(name);
        let mut parts = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(part) => parts.push(part.to_owned()),
                Component::CurDir => {}
                Component::ParentDir => return Err(self.refuse(name, "leads out of the archive with ..")),
                Component::RootDir | Component::Prefix(_) => return Err(self.refuse(name, "has an absolute name")),
            }
        }
        if parts.len() <= self.strip {
            return Ok(None);
        }
        Ok(Some(self.destination.join(parts[self.strip..].iter().collect::<PathBuf>())))
    }

    /// Makes room for an entry that is no directory.
    fn prepare(&self, place: &Path) -> Result<()> {
        if let Some(parent) = place.parent() {
            self.make_directories(parent)?;
        }
        if platform::exists(place) {
            return Err(refused(self.archive, format!("two entries have the name {}", place.display())));
        }
        Ok(())
    }

    /// Creates the directories down to a place; a link among them would lead elsewhere.
    fn make_directories(&self, place: &Path) -> Result<()> {
        self.check_parents(place)?;
        match platform::kind_of(place)? {
            Some(FileKind::Directory) => Ok(()),
            Some(_) => Err(refused(self.archive, format!("{} is no directory", place.display()))),
            None => {
                platform::create_directories(place)?;
                Ok(())
            }
        }
    }

    fn check_parents(&self, place: &Path) -> Result<()> {
        let inside = place.strip_prefix(self.destination).unwrap_or(place);
        let mut path = self.destination.to_owned();
        for part in inside.parent().into_iter().flat_map(Path::components) {
            path.push(part);
            match platform::kind_of(&path)? {
                None => return Ok(()),
                Some(FileKind::Directory) => {}
                Some(_) => {
                    return Err(refused(
                        self.archive,
                        format!("an entry goes through {}, which is no directory", path.display()),
                    ));
                }
            }
        }
        Ok(())
    }
}
