//! The files of a block that are a path and a content, and the trees, as data.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::rc::Rc;

use mlua::prelude::*;
use syslua_engine::platform;

/// A file that is a path and a content or a source.
#[derive(Debug, Default)]
pub struct PlainFile {
    /// Where it is to be, as it is written.
    pub target: Vec<u8>,
    /// The content, or where the source is.
    pub text: Vec<u8>,
    /// Whether the text is the content.
    pub is_content: bool,
    /// Stands for the lines that declared it, and its place in the order of declaration.
    pub ticket: usize,
}

/// A tree whose files are declared one by one.
#[derive(Debug)]
pub struct Tree {
    /// Where it is to be, in the one way to write it.
    pub place: Vec<u8>,
    /// What is left of it.
    pub members: Members,
    /// What is not taken of it.
    pub left_out: Rc<BTreeSet<PathBuf>>,
}

/// The files of a block.
#[derive(Debug, Default)]
pub struct Collection {
    /// The home that `~` stands for, with a slash at its end: as it is given, which is where
    /// sources are, and in the one way to write it, by which places are compared.
    pub homes: [Vec<u8>; 2],
    /// Files that are a path and a content.
    pub files: Vec<PlainFile>,
    /// The trees.
    pub trees: Vec<Tree>,
}

/// What has a place that others have too, taken out of a collection.
#[derive(Debug)]
pub enum Contested {
    /// A file of the block.
    File(PlainFile),
    /// A file of a tree.
    Member {
        /// The number of the tree, counted from 1.
        tree: usize,
        /// The path below it.
        below: Vec<u8>,
        /// Where a link ends that leads out of the tree.
        followed: Option<PathBuf>,
    },
}

impl Contested {
    /// Returns it as `helpers/file.lua` makes them. `home` has a slash at its end.
    pub fn into_table(self, lua: &Lua, home: &[u8]) -> LuaResult<LuaTable> {
        let table = lua.create_table_with_capacity(0, 6)?;
        match self {
            Contested::File(file) => {
                let place = match file.target.strip_prefix(b"~/") {
                    Some(rest) => [home, rest].concat(),
                    None => file.target.clone(),
                };
                table.raw_set("path", lua.create_string(&file.target)?)?;
                table.raw_set("place", lua.create_string(place)?)?;
                table.raw_set(
                    if file.is_content { "content" } else { "source" },
                    lua.create_string(&file.text)?,
                )?;
                table.raw_set("ticket", file.ticket)?;
            }
            Contested::Member { tree, below, followed } => {
                table.raw_set("tree", tree)?;
                table.raw_set("below", lua.create_string(below)?)?;
                let followed = followed
                    .map(|end| lua.create_string(platform::bytes_of_path(&end)))
                    .transpose()?;
                table.raw_set("followed", followed)?;
            }
        }
        Ok(table)
    }
}

impl Collection {
    /// Returns the files, and forgets them.
    pub fn take(&mut self) -> Vec<PlainFile> {
        std::mem::take(&mut self.files)
    }

    /// Returns what is left of the tree of a number, counted from 1, and forgets it.
    pub fn take_members(&mut self, number: usize) -> Option<Members> {
        self.trees.get_mut(number.checked_sub(1)?).map(|tree| std::mem::take(&mut tree.members))
    }

    /// Returns what is not taken of the tree of a number, counted from 1.
    pub fn left_out(&self, number: usize) -> Rc<BTreeSet<PathBuf>> {
        let tree = number.checked_sub(1).and_then(|number| self.trees.get(number));
        tree.map(|tree| Rc::clone(&tree.left_out)).unwrap_or_default()
    }

    /// Returns where a source is: absolute, or relative to the config's directory.
    pub fn source_path(&self, file: &PlainFile) -> Vec<u8> {
        match file.text.strip_prefix(b"~/") {
            Some(rest) => [self.homes[0].as_slice(), rest].concat(),
            None => file.text.clone(),
        }
    }

    /// Returns what is equal for two ways to write one place.
    fn key<'a>(&self, target: Cow<'a, [u8]>) -> (bool, Cow<'a, [u8]>) {
        let home = self.homes[1].as_slice();
        let start = [b"~/".as_slice(), home]
            .into_iter()
            .find(|start| target.starts_with(start))
            .map(<[u8]>::len);
        match (start, target) {
            (Some(start), Cow::Borrowed(target)) => (true, Cow::Borrowed(&target[start..])),
            (Some(start), Cow::Owned(target)) => (true, Cow::Owned(target[start..].to_vec())),
            (None, target) => (false, target),
        }
    }

    /// Returns what is equal for places of files of trees, of all trees in a row.
    fn keys_of_members(&self) -> impl Iterator<Item = (bool, Cow<'_, [u8]>)> {
        let members = |tree: &Tree| {
            tree.members.below.iter().map(|below| join(&tree.place, below)).collect::<Vec<_>>()
        };
        self.trees.iter().flat_map(members).map(|place| self.key(Cow::Owned(place)))
    }

    /// Takes out what has a place that others have too, or, with `takes_all`, everything.
    pub fn take_contested(&mut self, others: &[Vec<u8>], takes_all: bool) -> Vec<Contested> {
        // The files of one tree are all at different places.
        if !takes_all && others.is_empty() && self.files.is_empty() && self.trees.len() <= 1 {
            return Vec::new();
        }
        let (of_files, of_members) = {
            let files =
                || self.files.iter().map(|file| self.key(Cow::Borrowed(file.target.as_slice())));
            let mut seen: HashMap<(bool, Cow<'_, [u8]>), usize> =
                HashMap::with_capacity(self.files.len() + others.len());
            let others = others.iter().map(|place| self.key(Cow::Borrowed(place.as_slice())));
            let mut count = 0;
            for place in others.chain(files()).chain(self.keys_of_members()) {
                count += 1;
                *seen.entry(place).or_default() += 1;
            }
            // Nearly always all are alone.
            if seen.len() == count && !takes_all {
                return Vec::new();
            }
            let is_contested = |key: (bool, Cow<'_, [u8]>)| {
                takes_all || seen.get(&key).is_some_and(|count| *count > 1)
            };
            let of_files: Vec<bool> = files().map(is_contested).collect();
            (of_files, self.keys_of_members().map(is_contested).collect::<Vec<bool>>())
        };
        let mut of_files = of_files.into_iter();
        let (taken, left) = self.take().into_iter().partition(|_| of_files.next() == Some(true));
        self.files = left;
        let mut taken: Vec<Contested> = taken.into_iter().map(Contested::File).collect();
        let mut of_members = of_members.into_iter();
        for (number, Tree { members: Members { below, followed, .. }, .. }) in
            self.trees.iter_mut().enumerate()
        {
            let (gone, left) =
                std::mem::take(below).into_iter().partition(|_| of_members.next() == Some(true));
            *below = left;
            let member = |below: Vec<u8>| {
                let followed = followed.get(&below).cloned();
                Contested::Member { tree: number + 1, below, followed }
            };
            taken.extend(gone.into_iter().map(member));
        }
        taken
    }
}

/// Returns a path below a place.
pub fn join(place: &[u8], below: &[u8]) -> Vec<u8> {
    if place.ends_with(b"/") { [place, below].concat() } else { [place, b"/", below].concat() }
}

/// Returns whether a target is absolute or below `~`, and has nothing that can be left out:
/// `path.is_plain`.
pub fn is_plain_target(target: &[u8]) -> bool {
    let rest = target.strip_prefix(b"~").unwrap_or(target);
    let Some(inner) = rest.strip_prefix(b"/") else { return false };
    !target.contains(&0)
        && inner
            .split(|byte| *byte == b'/')
            .all(|component| !matches!(component, b"" | b"." | b".."))
}

/// What is in a tree, by its paths below it.
#[derive(Debug, Default)]
pub struct Members {
    /// The files and links, in the order of their bytes.
    pub below: Vec<Vec<u8>>,
    /// The directories in which there is nothing.
    pub empty: Vec<PathBuf>,
    /// Where those links end that lead to another place in the config's directory.
    pub followed: BTreeMap<Vec<u8>, PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_targets_have_nothing_to_leave_out() {
        for plain in ["/a", "~/a", "~/.a/..b/c.", "/a b/c"] {
            assert!(is_plain_target(plain.as_bytes()), "{plain}");
        }
        for other in [
            "", "/", "~", "~/", "a", "~a/b", "/a/", "/a//b", "~/./a", "~/../a", "/a/..", "/a/.",
            "/a\0",
        ] {
            assert!(!is_plain_target(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn places_are_contested_however_they_are_written() {
        let file = |target: &str| PlainFile { target: target.into(), ..PlainFile::default() };
        let tree = |place: &str, below: &[&str]| Tree {
            place: place.into(),
            members: Members {
                below: below.iter().map(|below| below.as_bytes().to_vec()).collect(),
                ..Members::default()
            },
            left_out: Rc::default(),
        };
        let homes = [b"/home/a/".to_vec(), b"/home/a/".to_vec()];
        let targets = ["~/x", "/home/a/x", "~/y", "/etc/y", "~/z", "/home/b/x", "~/t/1"];
        let mut collection = Collection {
            homes,
            files: targets.map(file).into(),
            trees: vec![
                tree("/home/a/t", &["1", "2", "u/3"]),
                tree("/home/a/t/u", &["3", "4"]),
                tree("/", &["etc/w"]),
            ],
        };
        let taken =
            collection.take_contested(&[b"/home/a/z".to_vec(), b"/home/a/other".to_vec()], false);
        let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let names: Vec<String> = taken
            .iter()
            .map(|contested| match contested {
                Contested::File(file) => name(&file.target),
                Contested::Member { tree, below, .. } => format!("{tree}: {}", name(below)),
            })
            .collect();
        assert_eq!(names, ["~/x", "/home/a/x", "~/z", "~/t/1", "1: 1", "1: u/3", "2: 3"]);
        let left: Vec<String> = collection.files.iter().map(|file| name(&file.target)).collect();
        assert_eq!(left, ["~/y", "/etc/y", "/home/b/x"]);
        let left: Vec<usize> =
            collection.trees.iter().map(|tree| tree.members.below.len()).collect();
        assert_eq!(left, [1, 1, 1]);
        assert!(collection.take_contested(&[], false).is_empty());
        assert_eq!(collection.take_contested(&[], true).len(), 6);
        assert_eq!(collection.take_members(3).unwrap().below.len(), 0);
        assert!(collection.take_members(4).is_none());
    }
}
