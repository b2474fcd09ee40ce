//! Where a path of a build leads: to a directory that is open, and a name in it.
//!
//! Every component below a directory of the build is opened separately, and a link is followed by a
//! new lookup of its target. So whatever a program swaps in, only files that the build may use are
//! reached.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::{Error, Result, Workspace};
use crate::names::ObjectName;
use crate::platform::{self, Directory, FileKind};

/// How many links may lead to each other, as on Linux.
const MOST_LINKS: usize = 40;

/// The name of a directory in itself.
const ITSELF: &str = ".";

/// A name in an open directory. It is not a link, unless links are not followed.
#[derive(Clone, Debug)]
pub struct Place {
    /// The directory.
    pub directory: Arc<Directory>,
    /// The name.
    pub name: OsString,
}

impl Place {
    /// Returns its path, without links.
    pub fn path(&self) -> PathBuf {
        if self.name == ITSELF {
            return self.directory.path().into_owned();
        }
        self.directory.path().join(&self.name)
    }

    /// Returns the file at it, if any.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn kind(&self) -> platform::Result<Option<FileKind>> {
        Ok(self.directory.node(&self.name)?.map(|node| node.kind))
    }

    /// Creates a directory there, unless one is there, and opens it.
    ///
    /// # Errors
    /// When another kind of file exists, or the system refuses.
    pub fn make_directory(&self) -> platform::Result<Directory> {
        match self.directory.make_with_rights(&self.name, Some(DIRECTORY)) {
            Err(error) if error.is_already_there() => {}
            made => made?,
        }
        self.directory.directory(&self.name)
    }
}

/// The mode of a directory that a build makes.
const DIRECTORY: u32 = 0o755;

/// The treatment of a link at the path itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// It is followed.
    Follow,
    /// It is what is meant.
    Keep,
}

/// What a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To look at what is there.
    Read,
    /// Missing directories above it are made.
    Write,
}

/// A directory or file that a build may use, with everything below.
struct Root<'a> {
    path: PathBuf,
    kind: RootKind,
    excluded: Option<&'a BTreeSet<PathBuf>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RootKind {
    /// The build directory.
    Directory,
    /// An output, in the directory of outputs.
    Output,
    /// A directory of objects; the build may read some of them.
    Objects,
    /// What the build only reads.
    Other,
}

/// What a path is below, by its true path, and the way from there.
struct Top {
    path: PathBuf,
    kind: RootKind,
    below: PathBuf,
}

impl Workspace {
    /// Finds the place of a path that the build wants to write. Missing directories above it are
    /// made. A link there is replaced, wherever it leads.
    ///
    /// # Errors
    /// When the build may not write there.
    pub fn place_to_write(&self, path: &Path) -> Result<Place> {
        self.resolve_to_write(path, Last::Keep)
    }

    /// The same, for what is written into whatever a link there leads to.
    ///
    /// # Errors
    /// When the build may not write there.
    pub fn place_to_write_into(&self, path: &Path) -> Result<Place> {
        self.resolve_to_write(path, Last::Follow)
    }

    fn resolve_to_write(&self, path: &Path, last: Last) -> Result<Place> {
        let path = self.absolute(path);
        if self.is_in_copies(&path) {
            self.copy_sources()?;
        }
        self.find(&path, last, Purpose::Write)
    }

    /// Finds the place of a path that the build wants to read.
    ///
    /// # Errors
    /// When the build may not read it, or something is missing on the way.
    pub fn place_to_read(&self, path: &Path, last: Last) -> Result<Place> {
        let path = self.actual(self.absolute(path));
        let place = self.find(&path, last, Purpose::Read).map_err(|error| match error {
            // Whatever is missing on the way.
            Error::File(error) if error.is_not_found() => {
                platform::failed("read", &path)(error.cause).into()
            }
            error => error,
        })?;
        if self.whole_source(&place.path()).is_none() || last == Last::Follow {
            self.note_look(&place.path());
        }
        if last == Last::Keep && place.kind()? == Some(FileKind::Symlink) {
            // What it leads to must be the build's to read too, if it is there.
            match self.find(&path, Last::Follow, Purpose::Read) {
                Err(Error::File(error)) if error.is_not_found() => {}
                found => drop(found?),
            }
        }
        Ok(place)
    }

    pub(super) fn find(&self, path: &Path, last: Last, purpose: Purpose) -> Result<Place> {
        let refused = |place: &Path| match purpose {
            Purpose::Read if self.objects.iter().any(|objects| place.starts_with(objects)) => {
                Error::UndeclaredObject(place.to_owned())
            }
            Purpose::Read => Error::ReadUndeclared(place.to_owned()),
            Purpose::Write => Error::WriteOutside(place.to_owned()),
        };
        let mut current = path.to_owned();
        for followed in 0..MOST_LINKS {
            let top = self.root_of(&current, purpose).ok_or_else(|| match followed {
                0 => refused(path),
                _ => Error::LeadsOut { link: path.to_owned(), reason: Box::new(refused(&current)) },
            })?;
            let (directory, way) = self.begin(&top)?;
            match step_down(directory, &way, last, purpose)? {
                Found::Place(place) => return Ok(place),
                Found::Link(next) if purpose == Purpose::Read => current = self.actual(next),
                Found::Link(next) => current = next,
            }
        }
        Err(platform::failed("use", path)(std::io::Error::other(
            "too many links lead to each other",
        ))
        .into())
    }

    /// Opens the directory where the way to something begins. What is the build's own is used with
    /// the rights of its user.
    fn begin(&self, root: &Top) -> Result<(Directory, PathBuf)> {
        let invalid =
            || platform::failed("use", &root.path)(std::io::ErrorKind::InvalidInput.into());
        let (Some(above), Some(name)) = (root.path.parent(), root.path.file_name()) else {
            return Err(invalid().into());
        };
        if root.kind == RootKind::Directory {
            // The user of the build may have no right to the directory that it is in.
            self.make_directory()?;
            let below =
                if root.below.as_os_str().is_empty() { ITSELF.into() } else { root.below.clone() };
            return Ok((
                Directory::follow(above)?.directory(name)?.with_actor(self.actor()),
                below,
            ));
        }
        let directory = Directory::follow(above)?;
        // Joining nothing would add a slash.
        let way = std::iter::once(name).chain(&root.below).collect();
        Ok((
            if root.kind == RootKind::Output {
                directory.with_actor(self.actor())
            } else {
                directory
            },
            way,
        ))
    }

    /// Returns whether operations may read a path below a directory of objects: not the directory
    /// itself, whose list depends on earlier builds.
    fn sees_in(&self, below: &Path) -> bool {
        let name = below
            .components()
            .next()
            .and_then(|name| ObjectName::of_file(name.as_os_str().to_str()?));
        name.is_some_and(|name| (self.sees)(&name))
    }

    /// Returns what of the build's own a path is below, and the way from there.
    fn root_of(&self, path: &Path, purpose: Purpose) -> Option<Top> {
        let root = |kind| move |path: &PathBuf| Root { path: path.clone(), kind, excluded: None };
        let mut roots: Vec<Root<'_>> = self.outputs.values().map(root(RootKind::Output)).collect();
        roots.push(root(RootKind::Directory)(&self.directory));
        if purpose == Purpose::Read {
            let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
            roots.extend(fetched.iter().map(root(RootKind::Other)));
            roots.extend(self.objects.iter().map(root(RootKind::Objects)));
            roots.extend(self.sources.iter().map(|source| Root {
                excluded: Some(&source.excluded),
                ..root(RootKind::Other)(&source.path)
            }));
        }
        let found = |root: &Root<'_>, top: &Path| -> Option<Top> {
            let below = path.strip_prefix(top).ok()?;
            let is_excluded = |excluded: &BTreeSet<PathBuf>| {
                below.ancestors().any(|above| excluded.contains(above))
            };
            let is_allowed = !root.excluded.is_some_and(is_excluded)
                && (root.kind != RootKind::Objects || self.sees_in(below));
            is_allowed.then(|| Top {
                path: top.to_owned(),
                kind: root.kind,
                below: below.to_owned(),
            })
        };
        // Links name places by their true paths, and a source may be a link itself.
        roots.iter().find_map(|root| found(root, &root.path)).or_else(|| {
            roots.iter().find_map(|root| {
                let above = root.path.parent().map(platform::canonical)?;
                let place = above.join(root.path.file_name()?);
                // Only what is not the build's to swap is followed.
                let follow = || {
                    if matches!(root.kind, RootKind::Objects | RootKind::Other) {
                        found(root, &platform::canonical(&root.path))
                    } else {
                        None
                    }
                };
                found(root, &place).or_else(follow)
            })
        })
    }
}

enum Found {
    Place(Place),
    Link(PathBuf),
}

/// Descends from a directory, one component after the other.
fn step_down(directory: Directory, way: &Path, last: Last, purpose: Purpose) -> Result<Found> {
    let mut directory = Arc::new(directory);
    // A path that is only `.` has it as a component.
    let mut rest = way.components().map(|component| component.as_os_str().to_owned());
    let Some(mut name) = rest.next() else {
        return Err(platform::failed("use", &directory.path())(
            std::io::ErrorKind::InvalidInput.into(),
        )
        .into());
    };
    loop {
        let next = rest.next();
        let target = |directory: &Directory, name: &OsString| -> Result<Option<PathBuf>> {
            let Some(target) = directory.read_link(name)? else { return Ok(None) };
            Ok(Some(directory.path().join(target)))
        };
        let Some(next) = next else {
            return match (last, purpose) {
                (Last::Follow, _) => Ok(match target(&directory, &name)? {
                    Some(target) => Found::Link(platform::normalize(&target)),
                    None => Found::Place(Place { directory, name }),
                }),
                (Last::Keep, _) => Ok(Found::Place(Place { directory, name })),
            };
        };
        let inner = match directory.directory(&name) {
            Err(error)
                if error.is_not_found() && purpose == Purpose::Write && !directory.has(&name) =>
            {
                Place { directory: Arc::clone(&directory), name: name.clone() }.make_directory()
            }
            opened => opened,
        };
        match inner {
            Ok(inner) => directory = Arc::new(inner),
            Err(error) => match target(&directory, &name)? {
                Some(target) => {
                    let rest: PathBuf = std::iter::once(next).chain(rest).collect();
                    return Ok(Found::Link(platform::normalize(&target.join(rest))));
                }
                None => return Err(error.into()),
            },
        }
        name = next;
    }
}
