//! The owner of a root. The owner of any of its directories can put anything into it at any moment.

use super::{Error, Result, Store};
use crate::platform::{self, FileKind};

/// What is to be done in a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only. All users may read the system's root, as far as its modes allow it.
    Look,
    /// Changing it.
    Work,
}

/// Refuses a root of another user, and to work in one whose directories are links: what is removed
/// in them would be another directory's. The root itself may be a link.
///
/// # Errors
/// When one of its own directories belongs to another user, is a link, or cannot be looked at.
pub fn check_owner(store: &Store, access: Access) -> Result<()> {
    let own = platform::own_number();
    let is_trusted = |owner: u32| {
        own.is_none_or(|own| owner == own) || (access == Access::Look && owner == SYSTEM)
    };
    for path in store.own_directories() {
        let seen = match platform::observe(&path) {
            Ok(Some(seen)) => seen,
            Ok(None) => continue,
            // A private root can only be read by permitted users.
            Err(error) if error.is_denied() && access == Access::Look => continue,
            Err(error) => return Err(error.into()),
        };
        let is_link = seen.kind == FileKind::Symlink;
        let owner = if is_link { platform::owner_of(&path)? } else { Some(seen.owner) };
        if let Some(owner) = owner.filter(|owner| !is_trusted(*owner)) {
            let own = own.unwrap_or_default();
            return Err(Error::Foreign { path, owner, own, access });
        }
        if is_link && access == Access::Work && path != store.root() {
            return Err(Error::Linked { path });
        }
    }
    Ok(())
}

/// The user whose root is the system's.
const SYSTEM: u32 = 0;
