//! How what stands at a target differs from what an action puts there. It looks only, and does not know what is
//! done about it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use super::Error;
use crate::action::{Directories, Found};
use crate::activation::Action;
use crate::platform::{self, FileKind, Seen};

/// In what a target differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// The link leads elsewhere.
    Link,
    /// The content of the file.
    Content,
    /// Its permissions.
    Mode,
    /// Its owner.
    Owner,
    /// Its group.
    Group,
}

/// What stands at a target, compared with what an action puts there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It is as it should be.
    None,
    /// Nothing stands there.
    Missing,
    /// Something of another kind does.
    Replaced,
    /// It differs in these.
    Changed(Vec<Aspect>),
}

/// Numbers of users and groups by name, each looked up once.
#[derive(Debug, Default)]
pub struct Accounts {
    users: RefCell<HashMap<String, Option<u32>>>,
    groups: RefCell<HashMap<String, Option<u32>>>,
}

impl Accounts {
    fn user(&self, name: &str) -> Option<u32> {
        find(&self.users, name, platform::user_named)
    }

    fn group(&self, name: &str) -> Option<u32> {
        find(&self.groups, name, platform::group_number)
    }
}

fn find(known: &RefCell<HashMap<String, Option<u32>>>, name: &str, look: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    if let Some(number) = known.borrow().get(name) {
        return *number;
    }
    let number = look(name);
    known.borrow_mut().insert(name.to_owned(), number);
    number
}

/// Compares what was found at a target with what an action puts there. Of a file that belongs to the user since
/// it was written, only that it is a file counts.
///
/// # Errors
/// When its content cannot be read.
pub fn drift(
    directories: &Directories,
    accounts: &Accounts,
    place: &Path,
    found: &Found,
    action: &Action,
) -> Result<Drift, Error> {
    Ok(match (action, found) {
        (_, Found::Nothing) => Drift::Missing,
        (Action::Symlink { source, .. }, Found::Link(target, _)) => {
            if *target == source.to_path() {
                Drift::None
            } else {
                Drift::Changed(vec![Aspect::Link])
            }
        }
        (Action::Install { mutable, .. }, Found::Other(seen)) if seen.kind == FileKind::File => {
            if *mutable {
                return Ok(Drift::None);
            }
            let mut aspects = rights(accounts, seen, action);
            if !has_digest(directories, place, action)? {
                aspects.insert(0, Aspect::Content);
            }
            if aspects.is_empty() { Drift::None } else { Drift::Changed(aspects) }
        }
        _ => Drift::Replaced,
    })
}

/// Returns which rights of a file differ: those that are declared, and whether it can be run.
pub fn rights(accounts: &Accounts, seen: &Seen, action: &Action) -> Vec<Aspect> {
    let Action::Install { source, mode, owner, group, .. } = action else { return Vec::new() };
    let has_mode = match mode {
        Some(mode) => u32::from_str_radix(mode, 8) == Ok(seen.mode),
        // Whatever else the user did to the bits was not declared.
        None => match std::fs::metadata(source.to_path()) {
            Ok(data) => (platform::mode_of(&data) & 0o111 != 0) == (seen.mode & 0o111 != 0),
            Err(_) => true,
        },
    };
    // An account that is gone has no number: nothing can be said of it.
    let differs = |number: Option<u32>, actual: u32| number.is_some_and(|number| number != actual);
    let has_owner = !differs(owner.as_ref().and_then(|name| accounts.user(name)), seen.owner);
    let has_group = !differs(group.as_ref().and_then(|name| accounts.group(name)), seen.group);
    let aspects = [(has_mode, Aspect::Mode), (has_owner, Aspect::Owner), (has_group, Aspect::Group)];
    aspects.into_iter().filter(|(is_same, _)| !is_same).map(|(_, aspect)| aspect).collect()
}

/// Returns whether the file at a place has the content that was written.
fn has_digest(directories: &Directories, place: &Path, action: &Action) -> Result<bool, Error> {
    let Action::Install { digest: Some(digest), .. } = action else { return Ok(false) };
    let (directory, name) = directories.of(place)?;
    Ok(directory.hash(&name)? == *digest)
}
