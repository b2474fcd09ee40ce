//! Which names an archive has used, and for what: so that no entry goes over or through another.
//!
//! It keeps hashes, 16 bytes a name, so that many long names take little memory. The hash keys are
//! random each time, so an attacker cannot choose names that collide.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::destination::Creation;
use crate::problem::{Problem, Result};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A directory, which may be named again.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// One more name of an entry before it.
    Link,
}

/// A hash is a hash already.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// The names of an archive.
pub struct Registry {
    // By the hash of the folded name: that of the exact one, and in its lowest two bits the kind.
    known: HashMap<u64, u64, BuildHasherDefault<Ready>>,
    keys: RandomState,
    folds: bool,
    limit: u64,
}

impl Registry {
    /// Makes it for at most `limit` names, directories that are only implied included.
    pub fn new(limit: u64, allow_case_collisions: bool) -> Registry {
        Registry {
            known: HashMap::default(),
            keys: RandomState::new(),
            folds: !allow_case_collisions,
            limit,
        }
    }

    /// Notes an entry, and the directories that it is in. A regular file may take the place of
    /// another one: of these the last counts.
    ///
    /// # Errors
    /// When another entry has the name, or a name that differs only in case; when it goes through
    /// something other than a directory; when there are too many.
    pub fn add(&mut self, parts: &[&[u8]], kind: NameKind) -> Result<Creation> {
        let mut exact = self.keys.build_hasher();
        let mut folded = self.keys.build_hasher();
        for (index, part) in parts.iter().enumerate() {
            let is_last = index + 1 == parts.len();
            let kind = if is_last { kind } else { NameKind::Directory };
            let name = || parts[..=index].join(&b'/');
            let value = hash_step(&mut exact, part) & !3 | kind as u64;
            let key = if self.folds { hash_step(&mut folded, &fold(part)) } else { value & !3 };
            let Some(there) = self.known.insert(key, value) else {
                if self.known.len() as u64 > self.limit {
                    let what = "it has more entries".to_owned();
                    return Err(Problem::Limit { what, limit: "entries", value: self.limit });
                }
                continue;
            };
            if there & !3 != value & !3 {
                return Err(Problem::NotAllowed {
                    name: name(),
                    reason: "has a name that differs from another one in case only, \
                             and some file systems cannot tell them apart"
                        .to_owned(),
                    allow: "case_collisions",
                    effect: "both files are kept if the file system supports it",
                });
            }
            if there == value && kind == NameKind::Directory {
                continue;
            }
            if there == value && kind == NameKind::File {
                return Ok(Creation::Replace);
            }
            return Err(if is_last {
                Problem::entry(
                    &name(),
                    "occurs twice: two entries have this name, and not both are regular files",
                )
            } else {
                let what =
                    if kind_of(there) == NameKind::Symlink { "a symbolic link" } else { "a file" };
                let through = crate::problem::show(&name());
                Problem::entry(
                    &parts.join(&b'/'),
                    format!("goes through {through}, which is {what} of the archive"),
                )
            });
        }
        Ok(Creation::New)
    }

    /// Returns what an entry is that was noted.
    pub fn get(&self, parts: &[&[u8]]) -> Option<NameKind> {
        let mut exact = self.keys.build_hasher();
        let mut folded = self.keys.build_hasher();
        let (mut value, mut key) = (0, 0);
        for part in parts {
            value = hash_step(&mut exact, part) & !3;
            key = if self.folds { hash_step(&mut folded, &fold(part)) } else { value };
        }
        self.known.get(&key).filter(|there| *there & !3 == value).map(|there| kind_of(*there))
    }

    /// Returns whether no entry was noted.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

fn kind_of(value: u64) -> NameKind {
    match value & 3 {
        0 => NameKind::Directory,
        1 => NameKind::File,
        2 => NameKind::Symlink,
        _ => NameKind::Link,
    }
}

/// Adds a component; returns the hash until here.
fn hash_step(hasher: &mut impl Hasher, part: &[u8]) -> u64 {
    hasher.write(part);
    // No component has one.
    hasher.write_u8(b'/');
    hasher.finish()
}

/// Returns a component without the differences that file systems of macOS and Windows ignore.
fn fold(part: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if part.iter().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return part.into();
    }
    match std::str::from_utf8(part) {
        Ok(text) => text
            .chars()
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase)
            .collect::<String>()
            .into_bytes()
            .into(),
        Err(_) => part.to_ascii_lowercase().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(registry: &mut Registry, name: &str, kind: NameKind) -> Result<Creation> {
        registry.add(&name.split('/').map(str::as_bytes).collect::<Vec<_>>(), kind)
    }

    #[test]
    fn entries_go_neither_over_nor_through_others() {
        let mut registry = Registry::new(100, false);
        assert!(registry.is_empty());
        add(&mut registry, "a/b", NameKind::File).unwrap();
        add(&mut registry, "a", NameKind::Directory).unwrap();
        add(&mut registry, "a", NameKind::Directory).unwrap();
        add(&mut registry, "a/link", NameKind::Symlink).unwrap();
        assert_eq!(add(&mut registry, "a/hard", NameKind::Link).unwrap(), Creation::New);
        assert_eq!(add(&mut registry, "a/b", NameKind::File).unwrap(), Creation::Replace);
        for (name, kind) in [
            ("a/b", NameKind::Symlink),
            ("a/b", NameKind::Link),
            ("a/b", NameKind::Directory),
            ("a/hard", NameKind::File),
            ("a/hard", NameKind::Link),
            ("a/link", NameKind::Symlink),
            ("a/link", NameKind::File),
            ("a", NameKind::File),
        ] {
            let mut registry = Registry::new(100, false);
            for (name, kind) in
                [("a/b", NameKind::File), ("a/hard", NameKind::Link), ("a/link", NameKind::Symlink)]
            {
                add(&mut registry, name, kind).unwrap();
            }
            let refused = add(&mut registry, name, kind).unwrap_err().to_string();
            assert!(refused.contains("twice"), "{name} {kind:?}: {refused}");
        }
        let through = add(&mut registry, "a/link/x", NameKind::File).unwrap_err().to_string();
        assert!(through.contains("goes through \"a/link\", which is a symbolic link"), "{through}");
        let mut registry = Registry::new(100, false);
        add(&mut registry, "a/b", NameKind::File).unwrap();
        assert!(
            add(&mut registry, "a", NameKind::Symlink).unwrap_err().to_string().contains("twice")
        );
        assert_eq!(registry.get(&[b"a"]).unwrap(), NameKind::Symlink);
        assert_eq!(registry.get(&[b"a", b"b"]), Some(NameKind::File));
        assert_eq!(registry.get(&[b"A", b"b"]), None);
    }

    #[test]
    fn names_that_differ_in_case_only_are_refused_unless_allowed() {
        for (one, other) in
            [("Makefile", "makefile"), ("dir/x", "Dir/y"), ("STRASSE", "straße"), ("É", "é")]
        {
            let mut registry = Registry::new(100, false);
            add(&mut registry, one, NameKind::File).unwrap();
            let refused = add(&mut registry, other, NameKind::File).unwrap_err();
            assert!(refused.to_string().contains("case"), "{refused}");
            assert!(refused.hint().unwrap().contains("\"case_collisions\""));
            let mut registry = Registry::new(100, true);
            add(&mut registry, one, NameKind::File).unwrap();
            assert_eq!(add(&mut registry, other, NameKind::File).unwrap(), Creation::New);
            assert_eq!(add(&mut registry, other, NameKind::File).unwrap(), Creation::Replace);
        }
    }

    #[test]
    fn implied_directories_count_too() {
        let mut registry = Registry::new(3, false);
        add(&mut registry, "a/b/c", NameKind::File).unwrap();
        assert!(
            add(&mut registry, "d", NameKind::File)
                .unwrap_err()
                .to_string()
                .contains("`entries` of 3")
        );
    }
}
