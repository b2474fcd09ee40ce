//! A home with links at every level, the dotfiles of its user, and what the user does to both.
//!
//! It has over 600 lines: one world, and all that can be done to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// The names that everything has, so that trees meet.
pub const NAMES: [&str; 5] = [".config", "app", "lua", "rc", "x"];

/// Numbers that look random: xorshift64* (Vigna, 2016).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// One to three names.
    pub fn path(&mut self) -> PathBuf {
        (0..=self.below(3)).map(|_| *self.pick(&NAMES)).collect()
    }
}

/// What stands somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub mode: u32,
    /// The content of a file, or where a link leads.
    pub content: Vec<u8>,
    /// When it was changed, in nanoseconds; of directories only where that counts.
    pub changed: i128,
    pub inode: u64,
}

/// Everything below a directory.
pub type Tree = BTreeMap<PathBuf, Entry>;

pub fn entry(path: &Path) -> Option<Entry> {
    let data = fs::symlink_metadata(path).ok()?;
    let content = if data.is_symlink() {
        fs::read_link(path).unwrap().into_os_string().into_encoded_bytes()
    } else if data.is_dir() {
        Vec::new()
    } else {
        // A file that its owner may not read is told by its size.
        fs::read(path).unwrap_or_else(|_| data.len().to_string().into_bytes())
    };
    let changed = i128::from(data.mtime()) * 1_000_000_000 + i128::from(data.mtime_nsec());
    Some(Entry { mode: data.permissions().mode(), content, changed, inode: data.ino() })
}

/// Reads a tree, but for what lies at one path.
pub fn read_tree(top: &Path, without: Option<&Path>) -> Tree {
    let mut tree = Tree::new();
    let mut pending = vec![top.to_owned()];
    while let Some(path) = pending.pop() {
        let Some(found) = entry(&path).filter(|_| without != Some(path.as_path())) else {
            continue;
        };
        if found.is_directory() {
            pending.extend(fs::read_dir(&path).unwrap().map(|inner| inner.unwrap().path()));
        }
        tree.insert(path, found);
    }
    tree
}

impl Entry {
    pub fn is_directory(&self) -> bool {
        self.mode & libc_mode::KIND == libc_mode::DIRECTORY
    }

    pub fn is_link(&self) -> bool {
        self.mode & libc_mode::KIND == libc_mode::LINK
    }

    pub fn is_file(&self) -> bool {
        self.mode & libc_mode::KIND == libc_mode::FILE
    }

    /// Returns what it is, for messages.
    pub fn in_words(&self) -> String {
        format!("{:o} {:?} of {}", self.mode, String::from_utf8_lossy(&self.content), self.changed)
    }

    /// Whether both are the same, whenever they were made.
    pub fn holds_as(&self, other: &Entry) -> bool {
        self.mode == other.mode && self.content == other.content
    }

    /// Whether both are the same, also in when they were changed, but for directories, whose
    /// entries come and go.
    pub fn is_as(&self, other: &Entry) -> bool {
        let times = self.is_directory() || self.changed == other.changed;
        times && self.mode == other.mode && self.content == other.content
    }
}

/// Kinds in `st_mode` (inode(7)).
mod libc_mode {
    pub const KIND: u32 = 0o170_000;
    pub const DIRECTORY: u32 = 0o040_000;
    pub const LINK: u32 = 0o120_000;
    pub const FILE: u32 = 0o100_000;
}

/// Returns the paths at which two trees differ by `is_same`.
pub fn differing(
    before: &Tree,
    after: &Tree,
    is_same: impl Fn(&Entry, &Entry) -> bool,
) -> Vec<PathBuf> {
    let paths: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    let differs = |path: &&&PathBuf| match (before.get(**path), after.get(**path)) {
        (Some(one), Some(other)) => !is_same(one, other),
        (one, other) => one.is_some() != other.is_some(),
    };
    paths.iter().filter(differs).map(|path| (*path).clone()).collect()
}

/// Returns what is below a directory and no directory itself, relative to it.
pub fn files_below(top: &Path) -> Vec<PathBuf> {
    // A link to a tree counts as the tree.
    let top = top.canonicalize().unwrap_or_else(|_| top.to_owned());
    let tree = read_tree(&top, None);
    let files = tree.iter().filter(|(_, entry)| !entry.is_directory());
    files
        .filter_map(|(path, _)| Some(path.strip_prefix(&top).ok()?.to_owned()))
        .filter(|path| !path.as_os_str().is_empty())
        .collect()
}

pub struct World {
    pub random: Random,
    /// For what came later: homes that showed defects before are the same without it.
    more: Option<Random>,
    pub base: PathBuf,
    /// Where the home really is, and the path that it is known by.
    pub home: PathBuf,
    pub named_home: PathBuf,
    /// Another home, which the same root may be used with.
    other_home: PathBuf,
    /// The root, by its name and where it really is.
    pub root: PathBuf,
    real_root: PathBuf,
    /// The config's directory, by its name and where it really is.
    pub dotfiles: PathBuf,
    pub real_dotfiles: PathBuf,
    pub packages: Vec<PathBuf>,
    /// What would stand there, were nothing ever applied.
    pub expected: Tree,
    /// What was written once, and is the user's.
    pub given: BTreeSet<PathBuf>,
    /// Everything that a config ever read, where it really is.
    pub read: BTreeSet<PathBuf>,
    /// What the user put where nothing of the user's is: it stays, or is kept elsewhere.
    loose: BTreeSet<PathBuf>,
    /// Where directories were declared, which take over those that the user made there.
    directories: BTreeSet<PathBuf>,
    /// Directories that the user moved while others in them were made, or had another mode: whose
    /// these are cannot be known any more.
    moved: Vec<PathBuf>,
    /// Every text that the user wrote and did not remove.
    texts: BTreeSet<Vec<u8>>,
    count: usize,
    /// Whether an apply was cut off.
    pub is_disturbed: bool,
    pub log: Vec<String>,
}

impl World {
    /// Makes a home; `is_wide` with private sources, another home, and more that the user does.
    pub fn new(base: &Path, seed: u64, is_wide: bool) -> World {
        let mut random = Random::new(seed);
        let home = base.join("home");
        make_directory(&home, 0o700);
        make_directory(&base.join("elsewhere"), 0o755);
        let mut named_home = home.clone();
        if random.one_in(5) {
            named_home = base.join("way/me");
            make_directory(&base.join("way"), 0o755);
            symlink(&home, &named_home).unwrap();
        }
        // The dotfiles are in the home, or elsewhere; both are usual. Some are reached by a link.
        let real = match random.below(4) {
            0 => base.join("dotfiles"),
            1 => home.join(".dot/files"),
            _ => home.join("dotfiles"),
        };
        make_directory(&real, 0o755);
        let dotfiles = if random.one_in(4) {
            symlink(&real, home.join("dots")).unwrap();
            named_home.join("dots")
        } else {
            real.clone()
        };
        let (root, real_root) = match random.below(5) {
            0 => (named_home.join(".local/share/syslua"), home.join(".local/share/syslua")),
            1 => {
                symlink(base.join("disk"), base.join("way-to-disk")).unwrap();
                make_directory(&base.join("disk"), 0o755);
                (base.join("way-to-disk/root"), base.join("disk/root"))
            }
            _ => (base.join("root"), base.join("root")),
        };
        let packages = ["one", "two"].iter().map(|name| dotfiles.join(name)).collect();
        let mut world = World {
            random,
            more: is_wide.then(|| Random::new(!seed)),
            base: base.to_owned(),
            home,
            named_home,
            other_home: base.join("other"),
            root,
            real_root,
            dotfiles,
            real_dotfiles: real,
            packages,
            expected: Tree::new(),
            given: BTreeSet::new(),
            read: BTreeSet::new(),
            loose: BTreeSet::new(),
            directories: BTreeSet::new(),
            moved: Vec::new(),
            texts: BTreeSet::new(),
            count: 0,
            is_disturbed: false,
            log: Vec::new(),
        };
        world.fill_config();
        world.fill_packages();
        world.fill_home();
        world.close_sources();
        world.expected = world.observe();
        world
    }

    /// Whether one of so many further things happens; never in a home that is not wide.
    pub fn also(&mut self, many: usize) -> bool {
        self.more.as_mut().is_some_and(|more| more.one_in(many))
    }

    /// Returns a number below a limit, for what happens in wide homes only.
    pub fn further(&mut self, limit: usize) -> usize {
        self.more.as_mut().map_or(0, |more| more.below(limit))
    }

    /// Makes some sources private, and fills the other home.
    fn close_sources(&mut self) {
        if self.more.is_none() {
            return;
        }
        for path in self.sources() {
            let Some(found) = entry(&path).filter(|found| !found.is_link()) else { continue };
            if self.also(6) {
                let mode = if found.is_directory() { 0o700 } else { 0o600 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        make_directory(&self.other_home.clone(), 0o700);
        for name in NAMES {
            let path = self.other_home.join(name);
            match self.further(3) {
                0 => self.write(&path, "other", 0o600),
                1 => {
                    make_directory(&path, 0o750);
                    self.write(&path.join("rc"), "other", 0o644);
                }
                _ => {}
            }
        }
    }

    /// From now on the root is used with the other home.
    pub fn change_home(&mut self) {
        std::mem::swap(&mut self.home, &mut self.other_home);
        self.named_home = self.home.clone();
        self.log.push(format!("the home is {}", self.home.display()));
    }

    /// Moves the home with the root in it, where that is so; returns how paths are called now.
    pub fn move_home(&mut self) -> Option<impl Fn(&Path) -> PathBuf + use<>> {
        if !self.real_root.starts_with(&self.home)
            || self.named_home != self.home
            || !self.real_root.exists()
        {
            return None;
        }
        let (from, to) = (self.home.clone(), self.base.join(format!("home{}", self.count)));
        self.count += 1;
        self.log.push(format!("the home moves to {}", to.display()));
        fs::rename(&from, &to).unwrap();
        let moved = move |path: &Path| match path.strip_prefix(&from) {
            Ok(below) if below.as_os_str().is_empty() => to.clone(),
            Ok(below) => to.join(below),
            Err(_) => path.to_owned(),
        };
        let one = |path: &mut PathBuf| *path = moved(path);
        for path in [
            &mut self.home,
            &mut self.named_home,
            &mut self.root,
            &mut self.real_root,
            &mut self.dotfiles,
            &mut self.real_dotfiles,
        ] {
            one(path);
        }
        self.packages.iter_mut().for_each(one);
        self.moved.iter_mut().for_each(one);
        for paths in [&mut self.given, &mut self.read, &mut self.loose, &mut self.directories] {
            *paths = paths.iter().map(|path| moved(path)).collect();
        }
        self.expected = std::mem::take(&mut self.expected)
            .into_iter()
            .map(|(path, found)| (moved(&path), found))
            .collect();
        // By this one the dotfiles are found.
        let dots = self.home.join("dots");
        if self.expected.contains_key(&dots) {
            fs::remove_file(&dots).unwrap();
            symlink(&self.real_dotfiles, &dots).unwrap();
            self.expected.insert(dots.clone(), entry(&dots).unwrap());
        }
        Some(moved)
    }

    /// Returns a path as a config may write it.
    pub fn written(&mut self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.named_home) {
            Ok(below) if below.file_name().is_some() && self.more.is_some() && self.also(2) => {
                Path::new("~").join(below)
            }
            _ => path.to_owned(),
        }
    }

    /// Returns whether a directory is above the root, and so made or changed with it.
    pub fn is_above_root(&self, path: &Path) -> bool {
        self.real_root.starts_with(path)
    }

    /// Everything but the root.
    pub fn observe(&self) -> Tree {
        read_tree(&self.base, Some(&self.real_root))
    }

    /// Returns what of a tree is the user's.
    pub fn own_of(&self, tree: &Tree) -> Tree {
        let is_own = |path: &PathBuf, found: &Entry| {
            self.expected.get(path).is_some_and(|expected| expected.inode == found.inode)
        };
        let own = tree.iter().filter(|(path, found)| !found.is_directory() && is_own(path, found));
        own.map(|(path, found)| (path.clone(), found.clone())).collect()
    }

    /// Notes that a config declares a directory.
    pub fn note_directory(&mut self, place: PathBuf) {
        self.directories.extend(real(&place));
        self.directories.insert(place);
    }

    /// Notes where that really is which was written once: the ways to it may change.
    pub fn note_given(&mut self) {
        // What is missing is left by `..` as any directory.
        let written = |path: &PathBuf| {
            path.components().fold(PathBuf::new(), |mut whole, component| {
                match component {
                    Component::ParentDir => _ = whole.pop(),
                    _ => whole.push(component),
                }
                whole
            })
        };
        let others: Vec<PathBuf> = self
            .given
            .iter()
            .flat_map(|path| real(path).into_iter().chain([written(path)]))
            .collect();
        self.given.extend(others);
    }

    /// A text that nothing else has.
    fn text(&mut self, what: &str) -> String {
        self.count += 1;
        let text = format!("{what} {}", self.count);
        self.texts.insert(text.clone().into_bytes());
        text
    }

    fn write(&mut self, path: &Path, what: &str, mode: u32) {
        let text = self.text(what);
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What the config consists of besides its sources.
    pub fn config_files(&self) -> [PathBuf; 4] {
        ["init.lua", "modules/git.lua", "syslua.lock", "syslua.local.json"]
            .map(|name| self.dotfiles.join(name))
    }

    fn fill_config(&mut self) {
        for path in self.config_files() {
            make_directory(path.parent().unwrap(), 0o755);
            self.write(&path, "config", 0o644);
        }
    }

    fn fill_packages(&mut self) {
        for package in self.packages.clone() {
            for _ in 0..=self.random.below(5) {
                let path = package.join(self.random.path());
                if fs::create_dir_all(path.parent().unwrap()).is_ok()
                    && fs::symlink_metadata(&path).is_err()
                {
                    match self.random.below(12) {
                        0 | 1 => symlink(*self.random.pick(&NAMES), &path).unwrap(),
                        2 => fs::create_dir(&path).unwrap(),
                        3 => self.write(&path, "source", 0o755),
                        _ => self.write(&path, "source", 0o644),
                    }
                }
            }
            fs::create_dir_all(&package).unwrap();
        }
    }

    /// Puts files, directories and links of all kinds into the home.
    fn fill_home(&mut self) {
        for number in 0..=self.random.below(8) {
            let below = self.random.path();
            let path = self.home.join(&below);
            let parent = path.parent().unwrap().to_owned();
            let mode = *self.random.pick(&[0o700, 0o755, 0o750]);
            // What a link above it leads to is no place for more.
            if !make_directory(&parent, mode)
                || fs::symlink_metadata(&path).is_ok()
                || parent.canonicalize().unwrap() != parent
            {
                continue;
            }
            let package = self.random.pick(&self.packages).clone();
            match self.random.below(10) {
                0 => drop(make_directory(&path, mode)),
                1 | 2 => {
                    let mode = *self.random.pick(&[0o600, 0o644, 0o755, 0o444]);
                    self.write(&path, "mine", mode);
                }
                // GNU Stow folds a directory, or links a file; it writes relative links.
                3 | 4 => symlink(package.join(&below), &path).unwrap(),
                5 if package.starts_with(&self.home) => {
                    let up: PathBuf = below.iter().skip(1).map(|_| "..").collect();
                    symlink(up.join(package.strip_prefix(&self.home).unwrap()).join(&below), &path)
                        .unwrap();
                }
                // A directory that is on another disk.
                5 | 6 => {
                    let other = self.base.join("elsewhere").join(number.to_string());
                    make_directory(&other, 0o755);
                    self.write(&other.join("rc"), "elsewhere", 0o644);
                    symlink(&other, &path).unwrap();
                }
                // A chain, a loop, or a link that leads nowhere.
                7 => {
                    let middle = path.with_file_name(format!("middle{number}"));
                    symlink(package.join(&below), &middle).unwrap();
                    symlink(&middle, &path).unwrap();
                }
                8 => symlink(self.dotfiles.clone(), &path).unwrap(),
                _ => symlink(path.file_name().unwrap(), &path).unwrap(),
            }
        }
    }

    /// Every file and directory of the packages.
    pub fn sources(&self) -> Vec<PathBuf> {
        let packages = ["one", "two"]
            .iter()
            .flat_map(|name| read_tree(&self.real_dotfiles.join(name), None).into_keys());
        packages
            .map(|path| self.dotfiles.join(path.strip_prefix(&self.real_dotfiles).unwrap()))
            .collect()
    }

    /// Returns whether nothing of ours stands at a path, by what was expected there.
    fn is_users(&self, path: &Path) -> bool {
        self.expected
            .get(path)
            .is_some_and(|expected| entry(path).is_some_and(|found| found.inode == expected.inode))
    }

    /// Returns what the user has in the home, of a kind.
    fn own(&self, is_it: impl Fn(&Entry) -> bool) -> Vec<PathBuf> {
        let mine = self
            .expected
            .iter()
            .filter(|(path, entry)| path.starts_with(&self.home) && is_it(entry));
        // By these the dotfiles are found.
        let dots = self.home.join("dots");
        let mine =
            mine.map(|(path, _)| path.clone()).filter(|path| *path != self.home && *path != dots);
        mine.filter(|path| self.is_users(path)).collect()
    }

    /// The user does something between two applies.
    pub fn edit(&mut self) {
        let tree = self.observe();
        let directories: Vec<PathBuf> = tree
            .iter()
            .filter(|(path, entry)| path.starts_with(&self.home) && entry.is_directory())
            .map(|(path, _)| path.clone())
            .collect();
        let ours: Vec<PathBuf> = tree
            .iter()
            .filter(|(_, entry)| {
                entry.is_link()
                    && entry.content.starts_with(self.root.as_os_str().as_encoded_bytes())
            })
            .map(|(path, _)| path.clone())
            .collect();
        match self.random.below(8) {
            0 | 1 if !directories.is_empty() => {
                let path = self.random.pick(&directories).join(format!("new{}", self.count));
                self.log.push(format!("edit: writes {}", path.display()));
                self.write(&path, "new", 0o644);
                if self.is_users(path.parent().unwrap()) {
                    self.expected.insert(path.clone(), entry(&path).unwrap());
                } else {
                    self.loose.insert(path);
                }
            }
            // A program that saves by renaming replaces a link.
            2 | 3 if !ours.is_empty() => {
                let path = self.random.pick(&ours).clone();
                self.log.push(format!("edit: replaces {}", path.display()));
                fs::remove_file(&path).unwrap();
                self.write(&path, "instead", 0o644);
            }
            4 if !ours.is_empty() => {
                let path = self.random.pick(&ours).clone();
                self.log.push(format!("edit: removes {}", path.display()));
                fs::remove_file(&path).unwrap();
            }
            5 => self.change_own(),
            6 => {
                let all = self.own(|entry| !entry.is_directory());
                if all.is_empty() {
                    return;
                }
                let path = self.random.pick(&all).clone();
                self.log.push(format!("edit: removes own {}", path.display()));
                if let Some(gone) = self.expected.remove(&path) {
                    self.texts.remove(&gone.content);
                }
                fs::remove_file(&path).unwrap();
            }
            7 => self.move_directory(),
            _ => {}
        }
    }

    /// The user does something that only happens in wide homes.
    pub fn edit_more(&mut self) {
        let is_placed = |(path, found): &(&PathBuf, &Entry)| {
            !found.is_directory()
                && !self.given.contains(*path)
                && !self.expected.contains_key(*path)
                && !self.loose.contains(*path)
        };
        let tree = self.observe();
        let below_home = |(path, _): &(&PathBuf, &Entry)| path.starts_with(&self.home);
        let placed = tree.iter().filter(is_placed).filter(below_home);
        let placed: Vec<(PathBuf, Entry)> =
            placed.map(|(path, found)| (path.clone(), found.clone())).collect();
        if placed.is_empty() {
            return;
        }
        let (path, found) = placed[self.further(placed.len())].clone();
        if !found.is_link()
            && !found.content.starts_with(b"text")
            && !found.content.starts_with(b"source")
        {
            return;
        }
        if found.content.starts_with(b"instead") {
            self.texts.remove(&found.content);
        }
        let what = self.further(5);
        self.log.push(format!("edit: {what} at {}", path.display()));
        match what {
            0 => {
                fs::remove_file(&path).unwrap();
                fs::create_dir(&path).unwrap();
                self.write(&path.join("x"), "instead", 0o600);
            }
            1 => {
                fs::remove_file(&path).unwrap();
                let text = self.text("instead");
                symlink(text, &path).unwrap();
            }
            2 if found.is_file() => {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
                self.write(&path, "instead", 0o644);
            }
            3 if found.is_file() => {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            }
            _ => fs::remove_file(&path).unwrap(),
        }
    }

    fn change_own(&mut self) {
        let all = self.own(Entry::is_file);
        if all.is_empty() {
            return;
        }
        let path = self.random.pick(&all).clone();
        self.log.push(format!("edit: changes own {}", path.display()));
        self.texts.remove(&self.expected[&path].content);
        let mode = self.expected[&path].mode & 0o7777;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        self.write(&path, "changed", mode);
        self.expected.insert(path.clone(), entry(&path).unwrap());
    }

    /// Returns the user's links in the home that lead to a directory, by its whole path.
    fn links_to(&self, directory: &Path) -> Vec<PathBuf> {
        let target = directory.as_os_str().as_encoded_bytes();
        self.own(|entry| entry.is_link() && entry.content == target)
    }

    /// Moves a directory, with what is managed in it, and leaves a link.
    fn move_directory(&mut self) {
        let precious = [self.real_dotfiles.clone(), self.real_root.clone(), self.home.clone()];
        let mut all = self.own(Entry::is_directory);
        if self.also(2) {
            let elsewhere = self.base.join("elsewhere");
            let there = |path: &&PathBuf| path.parent() == Some(&*elsewhere) && self.is_users(path);
            all.extend(self.expected.keys().filter(there).cloned());
        }
        all.retain(|path| {
            !precious.iter().any(|one| one.starts_with(path) || path.starts_with(&precious[0]))
        });
        if all.is_empty() {
            return;
        }
        let from = self.random.pick(&all).clone();
        let to = self.base.join(format!("moved{}", self.count));
        self.count += 1;
        self.log.push(format!("edit: moves {} to {}", from.display(), to.display()));
        fs::rename(&from, &to).unwrap();
        // A link that led there leads to the new place, or one stands at the old place.
        let links = self.links_to(&from);
        let relinked = if links.is_empty() || !self.also(2) { Vec::new() } else { links };
        for link in &relinked {
            fs::remove_file(link).unwrap();
            symlink(&to, link).unwrap();
        }
        if relinked.is_empty() {
            symlink(&to, &from).unwrap();
        }
        let moved = |path: &PathBuf| match path.strip_prefix(&from) {
            Ok(below) if !below.as_os_str().is_empty() => to.join(below),
            Ok(_) => to.clone(),
            Err(_) => path.clone(),
        };
        self.expected =
            self.expected.iter().map(|(path, entry)| (moved(path), entry.clone())).collect();
        for link in relinked.into_iter().chain([from.clone()]) {
            if let Some(found) = entry(&link) {
                self.expected.insert(link, found);
            }
        }
        self.loose = self.loose.iter().map(moved).collect();
        self.directories = self.directories.iter().map(moved).collect();
        let given: Vec<PathBuf> = self.given.iter().map(moved).collect();
        self.given.extend(given);
        self.moved.push(to);
    }

    /// Returns the texts of the user's that are nowhere any more.
    pub fn lost(&self) -> Vec<String> {
        let mut left = self.texts.clone();
        let backups = self.real_root.join("backups");
        for entry in self.observe().values().chain(read_tree(&backups, None).values()) {
            left.remove(&entry.content);
        }
        left.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }

    /// Returns where the home is not as if nothing had ever been applied, once nothing is any more.
    pub fn strange(&self) -> Vec<PathBuf> {
        let last = self.observe();
        // What was written once is the user's, with the directories that hold it and what it keeps
        // from coming back.
        let real: BTreeSet<PathBuf> =
            self.given.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let once =
            |path: &PathBuf| last.get(path).is_some_and(|entry| entry.content.starts_with(b"once"));
        let is_given = |path: &PathBuf| {
            once(path)
                || last
                    .range(path.clone()..)
                    .take_while(|(below, _)| below.starts_with(path))
                    .any(|(below, _)| once(below))
                || self.given.iter().any(|given| given.starts_with(path) || path.starts_with(given))
                || real.iter().any(|given| given.starts_with(path))
        };
        // What the config reads stays, whatever became of a target of before there; and what stands
        // where only a link leads that was put above a target since.
        let is_read = |path: &Path| path.ancestors().any(|above| self.read.contains(above));
        // A directory that the user made in the place of a target stays when the config declared a
        // directory there since.
        let is_taken_over =
            |path: &Path| path.ancestors().any(|above| self.directories.contains(above));
        let is_others = |path: &Path| {
            is_read(path)
                || is_taken_over(path)
                || self.moved.iter().any(|moved| path.starts_with(moved))
        };
        let edited = last
            .iter()
            .filter(|(path, found)| found.content.starts_with(b"instead") && is_others(path));
        let stays: Vec<&PathBuf> = edited.map(|(path, _)| path).collect();
        // So are files that the user wrote where nothing was, and the directories that they are in.
        let is_loose = |path: &PathBuf| {
            let is_above = || {
                self.loose.iter().chain(stays.iter().copied()).any(|loose| loose.starts_with(path))
            };
            stays.iter().any(|stays| path.starts_with(stays))
                || !self.expected.contains_key(path) && is_above()
        };
        let is_moved = |path: &PathBuf| {
            let is_directory = last.get(path).is_some_and(Entry::is_directory);
            is_directory && self.moved.iter().any(|moved| path.starts_with(moved))
        };
        // And displaced copies keep the root. What was made for it before a fault is not known to
        // be ours after that.
        let stays = self.real_root.exists() || self.is_disturbed;
        let is_above_root = |path: &PathBuf| stays && self.real_root.starts_with(path);
        let mut strange = differing(&self.expected, &last, Entry::is_as);
        strange.retain(|path| {
            !is_given(path) && !is_loose(path) && !is_moved(path) && !is_above_root(path)
        });
        strange
    }
}

/// Returns a path without links above it.
fn real(path: &Path) -> Option<PathBuf> {
    Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
}

/// Makes a directory and those above it; returns whether one is there.
fn make_directory(path: &Path, mode: u32) -> bool {
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    made.is_ok() && path.is_dir()
}
