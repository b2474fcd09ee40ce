//! Which objects are alive: those that are named from outside, and all that they refer to.
//!
//! Who names objects, this module does not know: it is told the names, or finds them in texts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::hash::Hash;
use crate::names::ObjectName;
use crate::platform;
use crate::store::{Result, Store, read_info, tree};

/// What is done about an object whose record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damaged {
    /// Its dependencies are unknown: that is an error.
    Refuse,
    /// Its bytes tell, as they do where there is no record.
    Read,
}

/// Objects that are alive.
#[derive(Clone, Debug, Default)]
pub struct Living {
    /// Each with the object through which it was found first; `None` for an object that is named
    /// from outside.
    pub objects: BTreeMap<ObjectName, Option<ObjectName>>,
    /// Each that a living object refers to, with all those that do.
    pub referrers: BTreeMap<ObjectName, Vec<ObjectName>>,
    /// The derivations that made them.
    pub derivers: BTreeSet<Hash>,
}

impl Living {
    /// Returns all objects that lead to one, itself among them, each with the next on its shortest
    /// way there; `None` is the end of the way.
    pub fn ways(&self, object: &ObjectName) -> BTreeMap<ObjectName, Option<ObjectName>> {
        let mut ways = BTreeMap::from([(object.clone(), None)]);
        let mut queue = VecDeque::from([object.clone()]);
        while let Some(object) = queue.pop_front() {
            for referrer in self.referrers.get(&object).into_iter().flatten() {
                if !ways.contains_key(referrer) {
                    ways.insert(referrer.clone(), Some(object.clone()));
                    queue.push_back(referrer.clone());
                }
            }
        }
        ways
    }
}

/// Returns the objects on a way of `Living::ways`, from one on, without the end; `None` when that
/// one leads nowhere.
pub fn way(
    ways: &BTreeMap<ObjectName, Option<ObjectName>>,
    from: &ObjectName,
) -> Option<Vec<ObjectName>> {
    let mut way = Vec::new();
    let mut at = from;
    while let Some(next) = ways.get(at)? {
        way.push(at.clone());
        at = next;
    }
    Some(way)
}

/// Returns the names of all objects that are there, in order.
///
/// # Errors
/// When the directory of objects cannot be listed.
pub fn present(store: &Store) -> Result<BTreeSet<ObjectName>> {
    let entries = match platform::list_directory(store.objects()) {
        Err(error) if error.is_not_found() => Vec::new(),
        entries => entries?,
    };
    Ok(entries.iter().filter_map(|(name, _)| ObjectName::of_file(name.to_str()?)).collect())
}

/// Returns the closure of some objects over their references. `present` are all existing objects;
/// for a missing one, its record counts, if it has one.
///
/// # Errors
/// When the record of a living object cannot be read and is to be, or an object cannot be read
/// instead of its record.
pub fn closure(
    store: &Store,
    present: &BTreeSet<ObjectName>,
    roots: impl IntoIterator<Item = ObjectName>,
    damaged: Damaged,
) -> Result<Living> {
    let mut living = Living::default();
    let mut front = Vec::new();
    for root in roots {
        if living.objects.insert(root.clone(), None).is_none() {
            front.push(root);
        }
    }
    while !front.is_empty() {
        let observe = |object| {
            references(store, present, &object, damaged)
                .map(|(deriver, found)| (object, deriver, found))
        };
        let looked: Vec<_> = front.into_par_iter().map(observe).collect::<Result<_>>()?;
        front = Vec::new();
        for (object, deriver, found) in looked {
            living.derivers.extend(deriver);
            for reference in found {
                if reference != object {
                    living.referrers.entry(reference.clone()).or_default().push(object.clone());
                }
                if !living.objects.contains_key(&reference) {
                    living.objects.insert(reference.clone(), Some(object.clone()));
                    front.push(reference);
                }
            }
        }
    }
    Ok(living)
}

/// Returns what made an object and what it refers to.
fn references(
    store: &Store,
    present: &BTreeSet<ObjectName>,
    object: &ObjectName,
    damaged: Damaged,
) -> Result<(Option<Hash>, Vec<ObjectName>)> {
    match read_info(store, object) {
        Ok(Some(info)) => return Ok((Some(info.deriver), info.references)),
        Err(error) if damaged == Damaged::Refuse => return Err(error),
        _ => {}
    }
    if !present.contains(object) || !platform::exists(&store.object(object)) {
        return Ok((None, Vec::new()));
    }
    // Without its record, its bytes tell.
    let names: Vec<&ObjectName> = present.iter().collect();
    let patterns: Vec<_> =
        names.iter().map(|name| (name.as_str().as_bytes().to_vec(), None)).collect();
    let found = tree::hash_replacing(&store.object(object), &patterns, store.interrupt())?.found;
    let named = names.into_iter().zip(found).filter(|(_, paths)| !paths.is_empty());
    Ok((None, named.map(|(name, _)| name.clone()).collect()))
}

/// The characters that precede the digits of an object's name.
fn may_be_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte)
}

const DIGITS: usize = 9;

/// Returns the objects of `present` whose paths occur in a text, whichever way leads to the store
/// there. Rather too many than too few: what follows the name does not count.
pub fn mentioned(text: &[u8], present: &BTreeSet<ObjectName>) -> BTreeSet<ObjectName> {
    let mut found = BTreeSet::new();
    for start in memchr::memmem::find_iter(text, b"obj/") {
        let rest = &text[start + b"obj/".len()..];
        let length = rest.iter().take_while(|byte| may_be_in_name(**byte)).count();
        for end in DIGITS + 1..=length {
            let digits = &rest[end - DIGITS..end];
            if rest[end - DIGITS - 1] == b'-'
                && digits.iter().all(u8::is_ascii_hexdigit)
                && let Ok(name) = std::str::from_utf8(&rest[..end])
                && let Ok(name) = ObjectName::parse(name)
                && present.contains(&name)
            {
                found.insert(name);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::create_directories;

    fn name(text: &str) -> ObjectName {
        ObjectName::parse(text).unwrap()
    }

    #[test]
    fn names_are_found_wherever_they_stand() {
        let present = BTreeSet::from([
            name("a-0123456789abcdef01"),
            name("a-012345678"),
            name("b-1.0-abcdef012"),
        ]);
        let found = |text: &str| -> Vec<String> {
            mentioned(text.as_bytes(), &present).iter().map(ToString::to_string).collect()
        };
        assert_eq!(found("PATH=/r/store/obj/b-1.0-abcdef012/bin:/usr/bin"), ["b-1.0-abcdef012"]);
        assert_eq!(found("see /r/obj/b-1.0-abcdef012."), ["b-1.0-abcdef012"]);
        assert_eq!(found("obj/c-012345678 b-1.0-abcdef012"), [""; 0]);
        assert_eq!(
            found("/obj/a-012345678obj/b-1.0-abcdef012"),
            ["a-012345678", "b-1.0-abcdef012"]
        );
        assert_eq!(found("obj/"), [""; 0]);
    }

    #[test]
    fn an_object_without_a_record_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        let (a, b, c) = (name("a-000000001"), name("b-000000002"), name("c-000000003"));
        for object in [&a, &b, &c] {
            create_directories(&store.object(object)).unwrap();
        }
        std::fs::write(store.object(&a).join("file"), "see /x/b-000000002/bin").unwrap();
        let present = present(&store).unwrap();
        assert_eq!(present.len(), 3);
        let living = closure(&store, &present, [a.clone()], Damaged::Refuse).unwrap();
        assert_eq!(
            living.objects,
            BTreeMap::from([(a.clone(), None), (b.clone(), Some(a.clone()))])
        );
        assert_eq!(way(&living.ways(&b), &a), Some(vec![a.clone()]));
        assert_eq!(way(&living.ways(&b), &b), Some(Vec::new()));
        assert_eq!(way(&living.ways(&b), &c), None);
        // One that cannot be read is no guess.
        create_directories(&store.info_directory()).unwrap();
        std::fs::write(store.info(&b), "{").unwrap();
        assert_eq!(closure(&store, &present, [b.clone()], Damaged::Read).unwrap().objects.len(), 1);
        let error = closure(&store, &present, [a], Damaged::Refuse).unwrap_err().to_string();
        assert!(error.contains("b-000000002.json"), "{error}");
    }
}
