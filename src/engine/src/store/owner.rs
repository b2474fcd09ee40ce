//! The owner of a root. The owner of any of its directories can put anything into it at any moment.

use std::path::PathBuf;

use super::{Error, Result, Store};
use crate::platform;

/// What is to be done in a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only. All users may read the system's root, as far as its modes allow it.
    Look,
    /// Changing it.
    Work,
}

/// Refuses a root of another user.
///
/// # Errors
/// When one of its own directories belongs to another user, or cannot be looked at.
pub fn check_owner(store: &Store, access: Access) -> Result<()> {
    let Some(own) = platform::own_number() else { return Ok(()) };
    let is_trusted = |owner: u32| owner == own || (access == Access::Look && owner == SYSTEM);
    for path in own_directories(store) {
        match platform::owner_of(&path) {
            Ok(Some(owner)) if !is_trusted(owner) => {
                return Err(Error::Foreign { path, owner, own, access });
            }
            // A private root can only be read by permitted users.
            Err(error) if error.is_denied() && access == Access::Look => {}
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
    }
    Ok(())
}

/// The user whose root is the system's.
const SYSTEM: u32 = 0;

fn own_directories(store: &Store) -> [PathBuf; 7] {
    let root = store.root();
    let objects = store.objects();
    let top = objects.parent().unwrap_or(root);
    [
        root.to_owned(),
        top.to_owned(),
        objects.to_owned(),
        store.metadata(),
        root.join("backups"),
        root.join("cache"),
        store.trust(),
    ]
}
