//! Where one build works, and what it may touch.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{BuildSandbox, Error, Result};
use crate::names::OutputName;
use crate::platform::jail::Rules;
use crate::platform::{self, Actor};
use crate::settings::{EventSink, Settings};
use crate::value::Source;

/// The directories and rights of one build.
pub struct Workspace {
    /// The build directory: relative paths start here, and it goes when the build ends. It is made when
    /// something needs it, which most builds of a single file never do.
    pub directory: PathBuf,
    /// The directory of the outputs, which is empty at first and this build's alone.
    pub building: PathBuf,
    /// Where each output is built. They do not exist at first.
    pub outputs: BTreeMap<OutputName, PathBuf>,
    /// The directories of objects, which may be read.
    pub objects: Vec<PathBuf>,
    /// Declared sources, which may be read.
    pub sources: Vec<Source>,
    /// Where downloads are kept, by hash.
    pub downloads: PathBuf,
    /// Where what the build's programs are known by is noted.
    pub mark: PathBuf,
    /// Where the log goes.
    pub log: PathBuf,
    /// The settings of the call.
    pub settings: Settings,
    /// Takes progress.
    pub events: EventSink,
    /// Whether programs may use the network: the result has a declared hash then.
    pub network: bool,
    /// What this build fetched, which may be read.
    pub fetched: Mutex<Vec<PathBuf>>,
    /// What of it the build is given in its own directory, where it is another user: the place there, and the original.
    pub given: Mutex<Vec<(PathBuf, PathBuf)>>,
    /// The build's own directories, held open where it is another user, and the way there.
    pub anchors: Mutex<BTreeMap<PathBuf, (File, PathBuf)>>,
    /// Where that came from: an address by the path in the cache.
    pub origins: Mutex<BTreeMap<PathBuf, String>>,
    /// Set once the sources are copied into the build directory.
    pub copied_sources: Mutex<bool>,
    /// Whether this is a second build, to see what the first one depended on: its programs get other surroundings.
    pub is_check: bool,
    /// What confines its programs.
    pub sandbox: BuildSandbox,
}

/// The directory of sources in a build directory.
const SOURCES: &str = "sources";
/// The directory of what was fetched, there.
const FETCHED: &str = "fetched";

impl Workspace {
    /// Returns the absolute path that a config means, without `.` and `..`.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        normalize(&self.directory.join(path))
    }

    /// Returns where a build sees a source: in its own directory, so that neither its place on this machine
    /// nor what its filter left out can become part of a result.
    pub fn place_of(&self, source: &Source) -> PathBuf {
        self.directory.join(SOURCES).join(source.name())
    }

    /// Returns what people call a path: where it came from, when it lies in the cache.
    pub fn name_of(&self, path: &Path) -> String {
        let origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let found = origins.iter().find_map(|(place, url)| Some((url, path.strip_prefix(place).ok()?)));
        match found {
            Some((url, inner)) if inner.as_os_str().is_empty() => url.clone(),
            Some((url, inner)) => format!("{} of {url}", inner.display()),
            None => path.display().to_string(),
        }
    }

    /// Copies the sources to where the build sees them. Until a program runs or something is written there
    /// it need not be done: operations look at the sources themselves.
    ///
    /// # Errors
    /// When one cannot be copied.
    pub fn copy_sources(&self) -> Result<()> {
        let mut copied = self.copied_sources.lock().unwrap_or_else(PoisonError::into_inner);
        if !*copied {
            for source in &self.sources {
                let place = self.place_of(source);
                self.make_parents(&place)?;
                if !platform::exists(&place) {
                    super::files::copy_tree(self, &source.path, &place)?;
                }
            }
            *copied = true;
        }
        drop(copied);
        let given = std::mem::take(&mut *self.given.lock().unwrap_or_else(PoisonError::into_inner));
        for (place, original) in given {
            self.make_parents(&place)?;
            super::files::copy_tree(self, &original, &place)?;
        }
        Ok(())
    }

    /// Notes that the build fetched something from an address, and returns where it finds that: in its own directory where it is
    /// another user, to whom the cache is closed.
    pub fn give_fetched(&self, original: PathBuf, url: String) -> PathBuf {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.push(original.clone());
        origins.insert(original.clone(), url.clone());
        let (Some(_), Some(name)) = (self.sandbox.user(), original.file_name()) else { return original };
        let place = self.directory.join(FETCHED).join(fetched.len().to_string()).join(name);
        origins.insert(place.clone(), url);
        self.given.lock().unwrap_or_else(PoisonError::into_inner).push((place.clone(), original));
        place
    }

    /// Does something with the rights of the build to files: where root builds, those of the build's user.
    pub fn as_build<T>(&self, path: &Path, act: impl FnOnce(&Path) -> T) -> T {
        let place = self.within_reach(path);
        Actor::act(self.sandbox.user().map(Actor::alone).as_ref(), || act(&place))
    }

    /// Returns whether the build's user can read something by its path.
    pub fn may_build_read(&self, path: &Path) -> bool {
        Actor::act(self.sandbox.user().map(Actor::alone).as_ref(), || platform::can_read(path))
    }

    /// Returns a path to something below the build's own directories that the build's user can go, though the root may
    /// lie in a directory that is closed to it: a way from what we have opened.
    pub fn within_reach(&self, path: &Path) -> PathBuf {
        if self.sandbox.user().is_none() {
            return path.to_owned();
        }
        let mut anchors = self.anchors.lock().unwrap_or_else(PoisonError::into_inner);
        let own = [&self.building, &self.directory];
        let Some(root) = own.into_iter().find(|root| path.starts_with(root)) else { return path.to_owned() };
        if !anchors.contains_key(root) {
            match platform::open_anchor(root) {
                Ok(anchor) => drop(anchors.insert(root.clone(), anchor)),
                Err(_) => return path.to_owned(),
            }
        }
        match (anchors.get(root), path.strip_prefix(root)) {
            (Some((_, place)), Ok(inner)) if inner.as_os_str().is_empty() => place.join("."),
            (Some((_, place)), Ok(inner)) => place.join(inner),
            _ => path.to_owned(),
        }
    }

    /// Names what an error is about as the config knows it.
    pub fn name_as_known(&self, error: Error) -> Error {
        let anchors = self.anchors.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            Error::File(mut error) => {
                let known =
                    anchors.iter().find_map(|(root, (_, place))| Some(root.join(error.path.strip_prefix(place).ok()?)));
                error.path = known.unwrap_or(error.path);
                Error::File(error)
            }
            error => error,
        }
    }

    /// Reads something: below the build's own directories with its rights, elsewhere with ours.
    pub fn reading<T>(&self, path: &Path, read: impl FnOnce(&Path) -> T) -> T {
        if self.roots().any(|root| path.starts_with(root)) { self.as_build(path, read) } else { read(path) }
    }

    /// Gives a directory to the user of the build.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn give(&self, directory: &Path) -> platform::Result<()> {
        self.sandbox.user().map_or(Ok(()), |user| platform::give_to_number(directory, user))
    }

    /// Returns where what the build sees at a path is: for a source that is not copied, the source itself.
    fn actual(&self, path: PathBuf) -> PathBuf {
        let within = |place: &Path, original: &Path| {
            let inner = path.strip_prefix(place).ok()?;
            // Joining nothing would add a slash, which a file must not have.
            Some(if inner.as_os_str().is_empty() { original.to_owned() } else { original.join(inner) })
        };
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(original) = given.iter().find_map(|(place, original)| within(place, original)) {
            return original;
        }
        if !path.starts_with(self.directory.join(SOURCES))
            || *self.copied_sources.lock().unwrap_or_else(PoisonError::into_inner)
        {
            return path;
        }
        let inside = self.sources.iter().find_map(|source| within(&self.place_of(source), &source.path));
        inside.unwrap_or(path)
    }

    /// Returns the absolute path if the build may write there.
    ///
    /// # Errors
    /// When it may not, also when a symbolic link leads outside.
    pub fn writable(&self, path: &Path) -> Result<PathBuf> {
        let path = self.absolute(path);
        if [SOURCES, FETCHED].iter().any(|inner| path.starts_with(self.directory.join(inner))) {
            self.copy_sources()?;
        }
        // The last component is not followed: a link can be replaced, wherever it points.
        if self.is_plainly_below(&path, path.parent()) {
            return Ok(path);
        }
        let place = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => resolve_existing(parent).join(name),
            _ => path.clone(),
        };
        if self.is_own(&place) { Ok(path) } else { Err(Error::WriteOutside(path)) }
    }

    /// Returns the absolute path if the build may read it.
    ///
    /// # Errors
    /// When it may not, also when a symbolic link leads outside.
    pub fn readable(&self, path: &Path) -> Result<PathBuf> {
        let path = self.actual(self.absolute(path));
        if path == self.directory {
            self.make_directory()?;
        }
        if self.is_plainly_below(&path, Some(&path)) {
            return Ok(path);
        }
        let place = resolve_existing(&path);
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut others = self.objects.iter().chain(fetched.iter());
        let allowed = self.is_own(&place)
            || others.any(|root| place.starts_with(resolve_existing(root)))
            || self.is_declared(&place);
        if allowed { Ok(path) } else { Err(Error::ReadUndeclared(path)) }
    }

    fn roots(&self) -> impl Iterator<Item = &PathBuf> {
        self.outputs.values().chain([&self.directory])
    }

    /// Returns whether a path lies below one of our directories, and nothing on the way from there to
    /// `last` is a symbolic link: the usual case, which costs one look a component.
    fn is_plainly_below(&self, path: &Path, last: Option<&Path>) -> bool {
        let Some(root) = self.roots().find(|root| path.starts_with(root)) else { return false };
        let mut place = last;
        while let Some(current) = place.filter(|current| current.starts_with(root)) {
            if fs::symlink_metadata(current).is_ok_and(|metadata| metadata.is_symlink()) {
                return false;
            }
            place = current.parent();
        }
        true
    }

    /// Returns whether a resolved path is below one of our directories. These are named by their own
    /// place: an output that is a link somewhere must not open that place.
    fn is_own(&self, place: &Path) -> bool {
        self.roots().any(|root| match (root.parent(), root.file_name()) {
            (Some(parent), Some(name)) => place.starts_with(resolve_existing(parent).join(name)),
            _ => false,
        })
    }

    /// Returns whether a resolved path is part of a declared source.
    fn is_declared(&self, place: &Path) -> bool {
        self.sources.iter().any(|source| {
            let inner = place.strip_prefix(resolve_existing(&source.path));
            inner.is_ok_and(|inner| !inner.ancestors().any(|above| source.excluded.contains(above)))
        })
    }

    /// Returns what programs of this build may touch; `more` may be read too.
    pub fn rules(&self, more: Vec<PathBuf>) -> Rules {
        let mut more = more;
        if self.sandbox.user().is_none() {
            more.extend(self.fetched.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        }
        Rules {
            read: self.objects.clone(),
            more,
            // Sources are copied into the build's own directory.
            write: vec![self.directory.clone(), self.building.clone()],
            network: self.network,
            covered: self.log.parent().unwrap_or(Path::new("/")).to_owned(),
            user: self.sandbox.user(),
        }
    }

    /// Returns whether a filter left a path out of its source.
    pub fn is_excluded(&self, path: &Path) -> bool {
        let is_left_out =
            |source: &Source| path.strip_prefix(&source.path).is_ok_and(|inner| source.excluded.contains(inner));
        self.sources.iter().any(is_left_out)
    }

    /// Creates the build directory, unless it is there.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn make_directory(&self) -> Result<()> {
        const PRIVATE: u32 = 0o700;
        // Its parent is there.
        match platform::create_directory_as(&self.directory, PRIVATE) {
            Ok(()) => self.give(&self.directory)?,
            Err(error) if error.is_already_there() && self.directory.is_dir() => {}
            Err(_) => {
                platform::create_directories_as(&self.directory, PRIVATE)?;
                self.give(&self.directory)?;
            }
        }
        Ok(())
    }

    /// Creates the directories above a path that is going to be written.
    ///
    /// # Errors
    /// When one cannot be created.
    pub fn make_parents(&self, path: &Path) -> Result<()> {
        if self.sandbox.user().is_some() && path.starts_with(&self.directory) {
            self.make_directory()?;
        }
        if let Some(parent) = path.parent() {
            self.reading(parent, platform::create_directories)?;
        }
        Ok(())
    }
}

/// Resolves symbolic links as far as the path exists.
fn resolve_existing(path: &Path) -> PathBuf {
    if let Ok(resolved) = fs::canonicalize(path) {
        return resolved;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => resolve_existing(parent).join(name),
        _ => path.to_owned(),
    }
}

/// Removes `.` and `..` from an absolute path, by name only.
fn normalize(path: &Path) -> PathBuf {
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
