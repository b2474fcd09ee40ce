//! Which objects are there: listed at once where that is quicker than to ask for each of many.

use std::collections::HashSet;

use super::{Outputs, Store};
use crate::names::ObjectName;
use crate::platform::Directory;

/// From this number on, a list is worth reading.
const MANY: usize = 32;
/// The most times that a list may be longer than the number of requested names: reading more would
/// take longer than asking.
const LIST_FACTOR: usize = 8;

/// The objects that are there and not known to be damaged.
pub struct Present<'a> {
    store: &'a Store,
    names: Names,
}

enum Names {
    /// As they were when they were listed.
    Listed(HashSet<Vec<u8>>),
    /// To be asked for in their directory, if there is one.
    Asked(Option<Directory>),
}

impl<'a> Present<'a> {
    /// Prepares for this number of questions about a store.
    pub fn observe(store: &'a Store, questions: usize) -> Present<'a> {
        let listed = (questions >= MANY).then(|| list(store, questions * LIST_FACTOR)).flatten();
        let names =
            listed.map_or_else(|| Names::Asked(Directory::at(store.objects()).ok()), Names::Listed);
        Present { store, names }
    }

    /// Returns whether an object is there.
    pub fn has(&self, object: &ObjectName) -> bool {
        let is_there = match &self.names {
            Names::Listed(listed) => listed.contains(object.as_str().as_bytes()),
            Names::Asked(directory) => {
                directory.as_ref().is_some_and(|directory| directory.has(object.as_str().as_ref()))
            }
        };
        is_there && !self.store.session().is_damaged(object)
    }

    /// Returns whether all these objects are there.
    pub fn has_all(&self, outputs: &Outputs) -> bool {
        outputs.values().all(|object| self.has(object))
    }
}

/// Lists the objects, or returns `None` if there are more than `most`, or the directory cannot be
/// read.
fn list(store: &Store, most: usize) -> Option<HashSet<Vec<u8>>> {
    let mut listed = HashSet::new();
    let mut is_short = true;
    let directory = Directory::at(store.objects()).ok()?;
    let listing = directory.each(|name| {
        listed.insert(name.into_encoded_bytes());
        is_short = listed.len() <= most;
        is_short
    });
    (listing.is_ok() && is_short).then_some(listed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_list_and_single_questions_give_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        fs::create_dir_all(store.objects()).unwrap();
        let name = |number: usize| ObjectName::parse(&format!("a-{number:09x}")).unwrap();
        (0..100).for_each(|number| fs::write(store.object(&name(2 * number)), "").unwrap());
        // Asked one by one, listed, and not listed for its length.
        for (questions, is_listed) in [(1, false), (MANY, true), (MANY - 1, false)] {
            let present = Present::observe(&store, questions);
            assert_eq!(matches!(present.names, Names::Listed(_)), is_listed);
            assert!((0..200).all(|number| present.has(&name(number)) == (number % 2 == 0)));
        }
        assert!(list(&store, 99).is_none());
    }
}
