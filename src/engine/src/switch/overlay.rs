//! The state of targets after the removals of a switch.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use crate::action::merging::Merges;
use crate::action::{self, Accounts, Directories, Observed, Observer};
use crate::activation::DeclaredAction;
use crate::places::OwnPlaces;
use crate::platform::{self, FileKind, Result};
use crate::snapshot::Moves;
use crate::store::Store;
use crate::value::Text;

use super::backups::Backups;
use super::overlap::Reads;
use super::targets::may_change;

/// The targets as a switch will find them.
pub struct Overlay<'a> {
    /// It belongs to sys.lua.
    pub store: &'a Store,
    /// Where objects are, as bytes.
    pub objects: Vec<u8>,
    /// Where objects, the ways to them and secrets were before the root got another place.
    old_objects: Option<[PathBuf; 3]>,
    moves: Option<Moves>,
    /// What `~` stands for.
    pub home: &'a Path,
    /// What the config reads.
    pub reads: Reads,
    /// The directories that are open.
    pub directories: Directories,
    accounts: Accounts,
    backups: OnceCell<Backups>,
    /// Links and files of sys.lua that are removed.
    removed: OwnPlaces,
    /// Originals that are restored where a target is removed.
    restored: BTreeMap<PathBuf, PathBuf>,
    /// Directories that replace other files.
    made: OwnPlaces,
    /// Directories that a switch opens for changes in them.
    closable: OwnPlaces,
    /// What an earlier plan merged.
    pub merges: Merges,
}

/// The future state of a path.
enum Actual {
    /// The file at this one.
    At(PathBuf),
    /// A new directory.
    Directory,
    /// Nothing.
    Nothing,
}

impl<'a> Overlay<'a> {
    /// Makes an overlay from which nothing is removed.
    pub fn new(store: &'a Store, home: &'a Path, reads: Reads) -> Overlay<'a> {
        Overlay {
            store,
            objects: platform::bytes_of_path(store.objects()),
            old_objects: None,
            moves: None,
            home,
            reads,
            directories: Directories::observer().stopped_by(store.interrupt()),
            accounts: Accounts::default(),
            backups: OnceCell::new(),
            removed: OwnPlaces::default(),
            restored: BTreeMap::new(),
            made: OwnPlaces::default(),
            closable: OwnPlaces::default(),
            merges: Merges::new(),
        }
    }

    /// From now on, changes in these directories are possible, whatever their modes.
    pub fn add_closable(&mut self, closable: OwnPlaces) {
        self.closable = closable;
    }

    /// Returns the directories that are opened for changes in them, besides those that were made.
    pub fn closable(&self) -> &OwnPlaces {
        &self.closable
    }

    /// Returns whether a directory is opened for changes in it.
    pub fn opens(&self, place: &Path) -> bool {
        self.closable.contains(place) || self.is_made(place) && may_change(place)
    }

    /// Returns what is needed to observe targets.
    pub fn observer(&self) -> Observer<'_> {
        Observer { directories: &self.directories, accounts: &self.accounts }
    }

    /// From now on, links to objects of this other root count as those of sys.lua, and so do links
    /// to moved files.
    pub fn add_moves(&mut self, old_root: &Path, moves: Moves) {
        let old = Store::new(old_root);
        self.old_objects = Some([old.objects().to_owned(), old.ways(), old.secrets()]);
        self.moves = Some(moves);
    }

    /// Returns whether a link was found that led to a path before that was moved.
    pub fn led_to(&self, found: &Observed, path: &Text) -> bool {
        let (Observed::Link(target, _), Some(moves)) = (found, &self.moves) else { return false };
        moves.follow(&Text(platform::bytes_of_path(target))) == *path
    }

    /// Returns whether a link into this store was found.
    pub fn leads_into_store(&self, found: &Observed) -> bool {
        let Observed::Link(target, _) = found else { return false };
        target.starts_with(self.store.objects())
            || target.starts_with(self.store.ways())
            || target.starts_with(self.store.secrets())
            || self.old_objects.iter().flatten().any(|objects| target.starts_with(objects))
    }

    /// Returns the path of a target as it is declared.
    pub fn declared(&self, activation: &DeclaredAction) -> Option<PathBuf> {
        Some(
            activation
                .place
                .as_ref()
                .or(activation.action.target())?
                .expand_home(self.home)
                .to_path(),
        )
    }

    /// Returns where the original of a target is, if it has one.
    pub fn original_of(&self, place: &Path, activation: &DeclaredAction) -> Option<PathBuf> {
        self.backups().original_of(self.store, place, self.declared(activation).as_deref())
    }

    /// Returns whether sys.lua created a directory.
    pub fn is_made(&self, place: &Path) -> bool {
        self.backups().directories.contains(&Text(platform::bytes_of_path(place)))
    }

    /// Returns the kept files of the user, read once.
    pub fn backups(&self) -> &Backups {
        self.backups.get_or_init(|| Backups::load(self.store, self.home))
    }

    /// Returns the same, to be kept.
    pub fn into_backups(self) -> Backups {
        self.backups.into_inner().unwrap_or_else(|| Backups::load(self.store, self.home))
    }

    /// From now on, what is known of the keys of a file is known of another one.
    pub fn follow_file(&mut self, from: &Text, to: &Text) {
        self.backups();
        if let Some(backups) = self.backups.get_mut() {
            backups.follow_file(from, to);
        }
    }

    /// From now on, a file of sys.lua is gone; its original is restored.
    pub fn remove(&mut self, place: PathBuf, original: Option<PathBuf>) {
        if let Some(original) = original {
            self.restored.insert(place.clone(), original);
        }
        self.removed.insert(place);
    }

    /// From now on, the original of a file that is gone is not restored.
    pub fn keep_original(&mut self, place: &Path) {
        self.restored.remove(place);
    }

    /// From now on, an empty directory is there.
    pub fn make(&mut self, place: PathBuf) {
        self.made.insert(place);
    }

    /// Returns the present place of the future file at a path.
    fn actual(&self, path: &Path) -> Actual {
        if self.removed.is_empty() && self.made.is_empty() {
            return Actual::At(path.to_owned());
        }
        for above in path.ancestors() {
            if self.made.contains(above) {
                return if above == path { Actual::Directory } else { Actual::Nothing };
            }
            if let Some(original) = self.restored.get(above) {
                return Actual::At(match path.strip_prefix(above) {
                    Ok(rest) if !rest.as_os_str().is_empty() => original.join(rest),
                    _ => original.clone(),
                });
            }
            if self.removed.contains(above) {
                return Actual::Nothing;
            }
        }
        Actual::At(path.to_owned())
    }

    /// Returns the present place of the future file at a place: a restored original is elsewhere
    /// until then.
    pub fn standing(&self, place: &Path) -> PathBuf {
        match self.actual(place) {
            Actual::At(actual) => actual,
            Actual::Directory | Actual::Nothing => place.to_owned(),
        }
    }

    /// Looks at a target.
    pub fn observe(&self, place: &Path) -> Result<Observed> {
        match self.actual(place) {
            Actual::At(actual) => match action::observe(&self.directories, &actual) {
                // Nothing of sys.lua is in it, and the change does not replace anything else.
                Err(error) if error.is_denied() && self.is_in_room(&actual) => {
                    Ok(Observed::Nothing)
                }
                found => found,
            },
            // What is made is declared, and looked at before.
            Actual::Directory | Actual::Nothing => Ok(Observed::Nothing),
        }
    }

    /// Returns the directories above a place that must be created, outermost first; or the file in
    /// their way.
    pub fn missing_parents(
        &self,
        place: &Path,
    ) -> Result<std::result::Result<Vec<PathBuf>, PathBuf>> {
        let mut missing = Vec::new();
        for directory in place.ancestors().skip(1) {
            let kind = match self.actual(directory) {
                Actual::At(actual) => match platform::kind_of(&actual) {
                    Err(error) if error.is_denied() && self.is_in_room(&actual) => None,
                    kind => kind?,
                },
                Actual::Directory => Some(FileKind::Directory),
                Actual::Nothing => None,
            };
            match kind {
                None => missing.push(directory.to_owned()),
                Some(FileKind::Directory) => break,
                Some(_) => return Ok(Err(directory.to_owned())),
            }
        }
        missing.reverse();
        Ok(Ok(missing))
    }

    fn is_in_room(&self, path: &Path) -> bool {
        path.ancestors().skip(1).any(|above| self.opens(above))
    }

    /// Returns whether a directory belongs to sys.lua and will be empty, except for directories
    /// that will be empty too.
    pub fn will_be_empty(&self, path: &Path) -> bool {
        // A restored file does not belong to sys.lua.
        if !self.is_made(path) || self.standing(path) != path || self.gets_back_below(path) {
            return false;
        }
        let entries = match platform::list_directory(path) {
            Ok(entries) => entries,
            // It is opened; if it is not empty then, it stays.
            Err(error) => return error.is_denied() && self.opens(path),
        };
        entries.iter().all(|(name, kind)| {
            let inner = path.join(name);
            // Even if it is a foreign directory: that is moved away.
            self.removed.contains(&inner)
                || *kind == FileKind::Directory && self.will_be_empty(&inner)
        })
    }

    /// Returns whether an original comes back below a place, where nothing may be now.
    fn gets_back_below(&self, path: &Path) -> bool {
        let mut after = self.restored.range::<Path, _>((Bound::Excluded(path), Bound::Unbounded));
        after.next().is_some_and(|(place, _)| place.starts_with(path))
    }
}
