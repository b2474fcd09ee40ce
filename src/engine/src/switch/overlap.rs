//! Files that the config reads are never targets: sources and targets do not overlap, and targets
//! are never above the root.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Error;
use super::conflicts::Declared;
use super::step::Step;
use crate::action::{Before, TargetChange};
use crate::places::{OwnPlaces, PlaceMap};
use crate::platform::{self, FileKind, Mounts};
use crate::store::Store;
use crate::value::Text;

/// As many links as the system itself follows in one path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The files and directories that the config reads, with all links on the way to them.
#[derive(Debug, Default)]
pub struct Reads {
    /// By where they really are, as they are named.
    named: PlaceMap<'static, PathBuf>,
    /// The directories above them and above the links that lead to them.
    above: PlaceMap<'static, PathBuf>,
    /// The links that lead to them.
    links: PlaceMap<'static, PathBuf>,
    /// The links that lead to what is read in the store, with all that is read by them.
    links_into_store: PlaceMap<'static, Vec<PathBuf>>,
    /// The directories above the root, and the links that lead to it.
    above_root: OwnPlaces,
    /// What holds the root, as it is named and where it really is.
    around_root: Option<(PathBuf, PathBuf)>,
    /// The first link on the way to the root.
    link_to_root: Option<PathBuf>,
    /// By which a file has several names.
    mounts: Mounts,
}

/// Where a path leads, and the links on the way.
#[derive(Debug, Default)]
struct Way {
    end: PathBuf,
    links: Vec<PathBuf>,
}

/// Follows paths, looking at every directory once.
#[derive(Default)]
struct Ways {
    known: PlaceMap<'static, Rc<Way>>,
}

impl Ways {
    /// Follows a path to where it really leads; what is missing is taken as it is written.
    fn follow(&mut self, path: &Path, depth: usize) -> Way {
        let Some(parent) = path.parent() else {
            return Way { end: path.to_owned(), links: Vec::new() };
        };
        let above = self.directory(parent, depth);
        let Some(name) = path.file_name() else {
            // `x/..`: the directory above where `x` leads.
            let end = above.end.parent().unwrap_or(Path::new("/")).to_owned();
            return Way { end, links: above.links.clone() };
        };
        let mut way = Way { end: above.end.join(name), links: above.links.clone() };
        if depth < MOST_LINKS
            && matches!(platform::kind_of(&way.end), Ok(Some(FileKind::Symlink)))
            && let Ok(target) = platform::read_link(&way.end)
        {
            let further = self.follow(&above.end.join(target), depth + 1);
            way.links.push(std::mem::replace(&mut way.end, further.end));
            way.links.extend(further.links);
        }
        way
    }

    fn directory(&mut self, path: &Path, depth: usize) -> Rc<Way> {
        if let Some(known) = self.known.get(path) {
            return Rc::clone(known);
        }
        let way = Rc::new(self.follow(path, depth));
        self.known.insert(path.to_owned(), Rc::clone(&way));
        way
    }
}

impl Reads {
    /// Resolves a path that is read to its real place. Files in the store are read too, but no
    /// action can change them.
    pub fn new(store: &Store, paths: impl IntoIterator<Item = PathBuf>) -> Reads {
        let mounts = Mounts::now();
        let (mut reads, mut ways) = (Reads { mounts, ..Reads::default() }, Ways::default());
        let root = ways.follow(store.root(), 0);
        for path in paths.into_iter().filter(|path| path.is_absolute()) {
            let way = ways.follow(&path, 0);
            if way.end.starts_with(&root.end) {
                for link in way.links {
                    reads.links_into_store.or_insert_with(link, Vec::new).push(path.clone());
                }
                continue;
            }
            for link in way.links {
                reads.add_above(&link, &path);
                reads.links.or_insert_with(link, || path.clone());
            }
            reads.add_above(&way.end, &path);
            if root.end.starts_with(&way.end) {
                reads.around_root.get_or_insert_with(|| (path.clone(), way.end.clone()));
            }
            reads.named.or_insert_with(way.end, || path);
        }
        reads.above_root.extend(root.end.ancestors().map(Path::to_owned));
        reads.link_to_root = root.links.first().cloned();
        for link in root.links {
            reads.above_root.extend(link.ancestors().map(Path::to_owned));
        }
        reads
    }

    fn add_above(&mut self, place: &Path, named: &Path) {
        for above in place.ancestors().skip(1) {
            if self.above.contains(above) {
                break;
            }
            self.above.insert(above.to_owned(), named.to_owned());
        }
    }

    /// Returns whether a file is read, or is inside a read directory.
    pub fn is_read(&self, place: &Path) -> bool {
        let holds = |place: &Path| place.ancestors().any(|above| self.named.contains(above));
        holds(place) || self.mounts.other_names(place).iter().any(|place| holds(place))
    }

    /// Returns whether a directory is read, is inside a read directory, or contains one.
    pub fn needs(&self, directory: &Path) -> bool {
        let is_above = |directory: &Path| self.above.contains(directory);
        is_above(directory)
            || self.is_read(directory)
            || self.mounts.other_names(directory).iter().any(|directory| is_above(directory))
    }

    /// Checks that the root is not inside a read directory: that would change with each apply, and
    /// the root would be a part of it.
    ///
    /// # Errors
    /// When it does.
    pub fn check_root(&self, store: &Store, places: &[Declared<'_>]) -> Result<(), Error> {
        let Some((named, end)) = &self.around_root else { return Ok(()) };
        let is_of = |declared: &&Declared<'_>| {
            let own = declared.entry.own().map(Cow::Borrowed);
            let mut sources = own.into_iter().chain(declared.entry.origin());
            sources.any(|source| platform::canonical(&source).starts_with(end))
        };
        let declared = places.iter().find(is_of);
        let positions = declared
            .map(|declared| declared.entry.activation.positions.clone())
            .unwrap_or_default();
        let (root, source_path) = (store.root().to_owned(), named.clone());
        Err(Error::RootInSource { root, source_path, link: self.link_to_root.clone(), positions })
    }

    /// Checks that targets do not overlap with read files, and are not above the root.
    ///
    /// # Errors
    /// When one does.
    pub fn check(&self, places: &[Declared<'_>]) -> Result<(), Error> {
        let mut last_parent: Option<&Path> = None;
        for declared in places {
            // What is above is the same for all in one directory, and neighbours are declared
            // together.
            let parent = declared.place.parent();
            let is_beside = parent.map(Path::as_os_str) == last_parent.map(Path::as_os_str);
            self.check_one(declared, &declared.place, is_beside, places)?;
            last_parent = parent;
            for name in self.mounts.other_names(&declared.place) {
                self.check_one(declared, &name, false, places)?;
            }
        }
        Ok(())
    }

    /// Checks a target by one of its names; `is_beside` when the directories above are known to be
    /// right.
    fn check_one(
        &self,
        declared: &Declared<'_>,
        place: &Path,
        is_beside: bool,
        places: &[Declared<'_>],
    ) -> Result<(), Error> {
        let Declared { entry, target, .. } = declared;
        let refused = |how: &'static str, source: &Path| Error::Overlap {
            target: declared.place.clone(),
            how,
            source_path: source.to_owned(),
            positions: entry.activation.positions.clone(),
        };
        if let Some(source) = self.named.get(place) {
            return Err(refused("is", source));
        }
        // A link to its own place has no target, whatever is there now.
        if target.properties().mutable
            && let Some(source) = target.leads_to().map(Text::to_path)
            && let (Some(parent), Some(name)) = (source.parent(), source.file_name())
            && name == place.file_name().unwrap_or_default()
            && platform::canonical(parent).join(name) == *place
        {
            return Err(refused("is", &source));
        }
        if !is_beside
            && let Some(source) = place.ancestors().skip(1).find_map(|above| self.named.get(above))
        {
            return Err(refused("is in", source));
        }
        // A file may be read through a link of sys.lua into the store: its content would change
        // with the link.
        let by_link = self.links.get(place).or_else(|| self.links_into_store.get(place)?.first());
        if let Some(source) = by_link
            && !leads_there(declared, places)
        {
            return Err(refused("is a link that leads to", source));
        }
        // A link of sys.lua through which its own source is read.
        if let (Some(read), Some(own)) = (self.links_into_store.get(place), entry.own())
            && read.iter().any(|read| read == own)
        {
            return Err(refused("is a link that leads to", own));
        }
        if target.keeps_below() {
            return Ok(());
        }
        if let Some(source) = self.above.get(place) {
            return Err(refused("holds", source));
        }
        if self.above_root.contains(place) {
            let positions = entry.activation.positions.clone();
            return Err(Error::AboveRoot { target: declared.place.clone(), positions });
        }
        Ok(())
    }

    /// Checks that nothing goes from what is read: it would be read otherwise the next time.
    ///
    /// # Errors
    /// When something does.
    pub fn check_removals(&self, steps: &[Step]) -> Result<(), Error> {
        for step in steps {
            let keeps_below =
                step.activation.action.as_target().is_some_and(|target| target.keeps_below());
            let Some(place) =
                step.place.as_ref().filter(|_| step.change().is_some() || keeps_below)
            else {
                continue;
            };
            let moves_away = |change: &TargetChange| matches!(change.before, Before::Kept { .. });
            let moves = step.change().is_some_and(moves_away);
            let others = self.mounts.other_names(place);
            let mut names = std::iter::once(place).chain(&others);
            if let Some(source) = names.find_map(|name| self.taken_by_removal(name, moves)) {
                let positions = step.activation.positions.clone();
                let (target, source_path) = (place.clone(), source.clone());
                return Err(Error::Overlap {
                    target,
                    how: "is applied, and is or leads to",
                    source_path,
                    positions,
                });
            }
        }
        Ok(())
    }

    /// Returns what would be read otherwise once something goes from a place, or, with `moves`, all
    /// that is below it.
    fn taken_by_removal(&self, place: &Path, moves: bool) -> Option<&PathBuf> {
        place
            .ancestors()
            .find_map(|above| self.named.get(above))
            .or_else(|| self.above.get(place).filter(|_| moves))
            .or_else(|| self.links.get(place))
            .or_else(|| self.links_into_store.get(place)?.first())
    }
}

/// Returns whether a link of sys.lua has the same destination as the existing link, without another
/// target on the way.
fn leads_there(declared: &Declared<'_>, places: &[Declared<'_>]) -> bool {
    let Some(source) = declared.target.leads_to().map(Text::to_path) else { return false };
    let text = declared.target.link_text().map(Text::to_path).filter(|text| {
        // Another link on the way may move.
        *text == source || platform::canonical(text) == platform::canonical(&source)
    });
    if text.is_some() && platform::read_link(&declared.place).ok() == text {
        return true;
    }
    let way = Ways::default().follow(&source, 0);
    let is_free = way.links.iter().all(|link| places.iter().all(|other| other.place != *link));
    is_free && way.end == platform::canonical(&declared.place)
}
