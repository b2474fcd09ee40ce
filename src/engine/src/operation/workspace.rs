//! The directories of one build, and the paths that it may read and write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::cache::Cache;
use super::{BuildSandbox, Error, Result};
use crate::failure::{Explain, Failure, FailureKind, chain};
use crate::hash::Hash;
use crate::names::{ObjectName, OutputName};
use crate::pins::PinnedHashes;
use crate::platform::jail::Rules;
use crate::platform::{self, Actor};
use crate::settings::Settings;
use crate::store::tree::{Digest, Pattern};
use crate::value::Source;

/// The directories and rights of one build.
pub struct Workspace {
    /// The build directory: relative paths start here, and it is deleted when the build ends. It is
    /// created on demand, which most builds of a single file never need.
    pub directory: PathBuf,
    /// The directory of the outputs, which is empty at first and this build's alone.
    pub building: PathBuf,
    /// Where each output is built. They do not exist at first.
    pub outputs: BTreeMap<OutputName, PathBuf>,
    /// The directories of objects. Operations read those of them that `sees` names.
    pub objects: Vec<PathBuf>,
    /// Tells which objects operations may read: what the build depends on, and what that refers to.
    pub sees: Sees,
    /// Declared sources, which may be read.
    pub sources: Vec<Source>,
    /// Where downloads are kept, by hash.
    pub downloads: PathBuf,
    /// Where what the build's programs are known by is noted.
    pub mark: PathBuf,
    /// The lock that its jail holds.
    pub jail: PathBuf,
    /// The file of the log.
    pub log: PathBuf,
    /// The settings of the call.
    pub settings: Settings,
    /// Whether programs may use the network: the result has a declared hash then.
    pub network: bool,
    /// What this build fetched, which may be read.
    pub fetched: Mutex<Vec<PathBuf>>,
    /// What of it the build is given in its own directory, where it is another user: the place
    /// there, and the original.
    pub given: Mutex<Vec<(PathBuf, PathBuf)>>,
    /// What of it the lock pins.
    pub pins: Mutex<PinnedHashes>,
    /// Where that came from: an address by the path in the cache.
    pub origins: Mutex<BTreeMap<PathBuf, String>>,
    /// What was not fetched because of how this call runs: the message, and what to do about it.
    pub refusal: Mutex<Option<(String, Option<String>)>>,
    /// Set once the sources are copied into the build directory.
    pub copied_sources: Mutex<bool>,
    /// Whether this is a second build, to see what the first one depended on: its programs get
    /// other surroundings.
    pub is_check: bool,
    /// Returns the patterns to search for in an output, or `None` if they are not known.
    pub search: Option<Search>,
    /// The known facts about sources and outputs.
    pub copies: Mutex<Copies>,
    /// What confines its programs.
    pub sandbox: BuildSandbox,
}

/// Tells what to search for in what becomes of an output.
pub type Search = Box<dyn Fn(&OutputName) -> Option<Vec<Pattern>> + Send + Sync>;

/// Tells whether operations may read an object.
pub type Sees = Box<dyn Fn(&ObjectName) -> bool + Send + Sync>;

/// The known facts about sources and outputs.
#[derive(Debug, Default)]
pub struct Copies {
    /// The sources that were read in their own place.
    looked_at: BTreeSet<PathBuf>,
    /// The outputs that are copies, and the facts recorded while they were made.
    outputs: BTreeMap<OutputName, Digest>,
    /// Whether a program ran, which may have left others running.
    has_run: bool,
}

/// The directory of sources in a build directory.
const SOURCES: &str = "sources";
/// The directory of downloads, there.
const FETCHED: &str = "fetched";

impl Workspace {
    /// Returns the absolute path that a config means, without `.` and `..`.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        platform::normalize(&self.directory.join(path))
    }

    /// Returns where a build sees a source: in its own directory, so that neither its place on this
    /// machine nor what its filter left out can become part of a result.
    pub fn place_of(&self, source: &Source) -> PathBuf {
        self.directory.join(SOURCES).join(source.name())
    }

    /// Returns the name of a path for people: for a path in the cache, its origin.
    pub fn name_of(&self, path: &Path) -> String {
        let origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let found =
            origins.iter().find_map(|(place, url)| Some((url, path.strip_prefix(place).ok()?)));
        match found {
            Some((url, inner)) if inner.as_os_str().is_empty() => url.clone(),
            Some((url, inner)) => format!("{} of {url}", inner.display()),
            None => path.display().to_string(),
        }
    }

    /// Records that the build fetched from an address, and returns the path for the build: in its
    /// own directory if it runs as another user, who cannot enter the cache.
    pub fn give_fetched(&self, original: PathBuf, url: String) -> PathBuf {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.push(original.clone());
        origins.insert(original.clone(), url.clone());
        let (Some(_), Some(name)) = (self.sandbox.user(), original.file_name()) else {
            return original;
        };
        let place = self.directory.join(FETCHED).join(fetched.len().to_string()).join(name);
        origins.insert(place.clone(), url);
        self.given.lock().unwrap_or_else(PoisonError::into_inner).push((place.clone(), original));
        place
    }

    /// Returns where things are fetched to.
    pub fn cache(&self) -> Cache<'_> {
        Cache { settings: &self.settings, downloads: &self.downloads }
    }

    /// Notes that the build depends on a pin.
    pub fn note_pin(&self, key: &str, sha256: Hash) {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), sha256);
    }

    /// Notes that something was not fetched because of how this call runs.
    pub(super) fn note_refusal(&self, error: &Error) {
        let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        refusal.get_or_insert_with(|| (chain(error), error.hint()));
    }

    /// Returns what was not fetched because of how this call runs, as the failure of a build that
    /// went on without it.
    pub fn refusal(&self) -> Option<Failure> {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        let (message, hint) = refusal.as_ref()?;
        let message = format!(
            "{message}; the build went on without it, and is not kept: \
             another call would get another result"
        );
        Some(Failure { hint: hint.clone(), ..Failure::new(FailureKind::Build, message) })
    }

    /// Returns the pins that the build depends on.
    pub fn pins(&self) -> PinnedHashes {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the user whose file permissions operations use below the build's own directories, if
    /// it is another one.
    pub(super) fn actor(&self) -> Option<Actor> {
        self.sandbox.user().map(Actor::alone)
    }

    /// Returns whether the build's user can read something by its path.
    pub fn may_build_read(&self, path: &Path) -> bool {
        Actor::act(self.actor().as_ref(), || platform::can_read(path))
    }

    /// Gives a directory to the user of the build.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn give(&self, directory: &Path) -> platform::Result<()> {
        self.sandbox.user().map_or(Ok(()), |user| platform::give_to_number(directory, user))
    }

    /// Returns where what the build sees at a path is: for a source that is not copied, the source
    /// itself.
    pub(super) fn actual(&self, path: PathBuf) -> PathBuf {
        let within = |place: &Path, original: &Path| {
            let inner = path.strip_prefix(place).ok()?;
            // Joining nothing would add a slash, which a file must not have.
            Some(if inner.as_os_str().is_empty() {
                original.to_owned()
            } else {
                original.join(inner)
            })
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
        let inside =
            self.sources.iter().find_map(|source| within(&self.place_of(source), &source.path));
        inside.unwrap_or(path)
    }

    /// Returns whether a path is among the copies of sources and downloads.
    pub(super) fn is_in_copies(&self, path: &Path) -> bool {
        [SOURCES, FETCHED].iter().any(|inner| path.starts_with(self.directory.join(inner)))
    }

    /// Returns the source at a path, if the path is not one inside it.
    pub(super) fn whole_source(&self, path: &Path) -> Option<&Source> {
        self.sources.iter().find(|source| source.path == path)
    }

    /// Returns what a filter left out of a part of a source.
    pub(super) fn excluded_below(&self, path: &Path) -> Option<BTreeSet<PathBuf>> {
        let source = self.sources.iter().find(|source| path.starts_with(&source.path))?;
        let inner = path.strip_prefix(&source.path).ok()?;
        let below = source.excluded.iter().filter_map(|excluded| excluded.strip_prefix(inner).ok());
        Some(below.map(Path::to_owned).collect())
    }

    /// Records that a source itself was read, and not a copy: then it must still have the same hash
    /// when the build ends.
    pub(super) fn note_look(&self, path: &Path) {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let looked = self.sources.iter().filter(|source| path.starts_with(&source.path));
        copies.looked_at.extend(looked.map(|source| source.path.clone()));
    }

    /// Returns whether something in a source itself was looked at.
    pub fn is_looked_at(&self, source: &Source) -> bool {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).looked_at.contains(&source.path)
    }

    /// Returns what to search for in what becomes of an output.
    pub(super) fn patterns(&self, path: &Path) -> Vec<Pattern> {
        let output = self.outputs.iter().find(|(_, place)| *place == path);
        output
            .and_then(|(output, _)| self.search.as_ref().and_then(|search| search(output)))
            .unwrap_or_default()
    }

    /// Records the facts about an output while it was copied; `id` are the numbers of the copy.
    pub(super) fn note_copy(&self, path: &Path, id: (u64, u64), digest: Digest) {
        let output =
            self.outputs.iter().find(|(_, place)| *place == path).map(|(output, _)| output.clone());
        if let (Some(output), Some(_)) = (output, &self.search) {
            let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
            if copies.has_run {
                return;
            }
            copies.outputs.insert(output, Digest { id, ..digest });
        }
    }

    /// Forgets the facts about an output that is written to.
    pub(super) fn forget_copies(&self, path: &Path) {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.outputs.retain(|output, _| {
            !self.outputs.get(output).is_some_and(|place| path.starts_with(place))
        });
    }

    /// Forgets the facts about all outputs.
    pub(super) fn forget_all_copies(&self) {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).outputs.clear();
    }

    /// Forgets the facts about all outputs, and records no later ones: a program runs, and may
    /// leave processes that write at any time.
    pub(super) fn note_run(&self) {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).has_run = true;
        self.forget_all_copies();
    }

    /// Returns the facts about outputs that are unchanged since they were copied.
    pub fn take_copies(&self) -> BTreeMap<OutputName, Digest> {
        std::mem::take(&mut self.copies.lock().unwrap_or_else(PoisonError::into_inner).outputs)
    }

    /// Returns what programs of this build may touch; `more` may be read too.
    pub fn rules(&self, more: Vec<PathBuf>) -> Rules {
        let mut more = more;
        if self.sandbox.user().is_none() {
            more.extend(
                self.fetched.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned(),
            );
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

    /// Creates the build directory, unless it is there.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn make_directory(&self) -> Result<()> {
        const PRIVATE: u32 = 0o700;
        // Its parent is there.
        match platform::create_directory_as(&self.directory, PRIVATE) {
            Ok(()) => self.give(&self.directory)?,
            Err(error) if error.is_already_there() && platform::is_directory(&self.directory) => {}
            Err(_) => {
                platform::create_directories_as(&self.directory, PRIVATE)?;
                self.give(&self.directory)?;
            }
        }
        Ok(())
    }

    /// Creates the directories above a path in the cache that is going to be written.
    ///
    /// # Errors
    /// When one cannot be created.
    pub fn make_parents(&self, path: &Path) -> Result<()> {
        if let Some(parent) = path.parent() {
            platform::create_directories(parent)?;
        }
        Ok(())
    }
}
