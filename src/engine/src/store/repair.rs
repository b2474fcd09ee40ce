//! Repair: a whole copy takes the place of an object that is missing or damaged.

use std::ffi::OsString;
use std::path::Path;

use super::info::read_info;
use super::publication::{Publisher, normalise, protect};
use super::verify::{observe, quarantine};
use super::{Result, Store, tree};
use crate::names::ObjectName;
use crate::platform;

/// Puts a verified copy from another store in the place of a missing object.
///
/// Returns whether there was one: the same name is not enough, the same record is.
///
/// # Errors
/// When the file system refuses.
pub fn substitute(store: &Store, other: &Store, object: &ObjectName) -> Result<bool> {
    let (own, theirs) = (read_info(store, object), read_info(other, object));
    let (Ok(Some(own)), Ok(Some(theirs))) = (own, theirs) else { return Ok(false) };
    if own.nar != theirs.nar || observe(other, object).is_err() {
        return Ok(false);
    }
    put_back(store, object, |place| {
        platform::copy_tree(&other.object(object), place, store.interrupt())?;
        Ok(true)
    })
}

/// Puts what `write` makes in the place of an object that is missing or damaged, if it makes
/// something that has the bytes of the object's record; returns whether it did. A damaged object is
/// in the quarantine then.
///
/// # Errors
/// When the file system refuses.
pub fn put_back(
    store: &Store,
    object: &ObjectName,
    write: impl FnOnce(&Path) -> Result<bool>,
) -> Result<bool> {
    let Some(info) = read_info(store, object)? else { return Ok(false) };
    let name = OsString::from(format!("{object}.copy"));
    let publisher = Publisher::new(store)?;
    platform::remove_in(&publisher.staging, &name)?;
    if !write(&store.staging().join(&name))? {
        platform::remove_in(&publisher.staging, &name)?;
        return Ok(false);
    }
    normalise(&publisher.staging, &name, store.interrupt())?;
    let digest = tree::hash_in(&publisher.staging, &name, &[], store.interrupt())?;
    if digest.nar != info.nar {
        platform::remove_in(&publisher.staging, &name)?;
        return Ok(false);
    }
    let open = store.lock_publication()?;
    quarantine(store, object)?;
    publisher.place(&name, object, Some(digest.id))?;
    drop(open);
    protect(store, [object])?;
    Ok(true)
}
