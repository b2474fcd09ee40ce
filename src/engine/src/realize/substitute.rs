//! Using an object of the system's store instead of building one.
//!
//! The object is rooted there first, in the directory that root made for this user; here a link
//! stands for it. Without such a directory every user builds their own.
//!
//! No lock of that store is taken: a user who could hold one could block root. A running gc moves
//! an object away before it reads the roots for the last time. So either it finds the new root, or
//! the object is not found.

use std::path::Path;

use super::Error;
use crate::derivation::Derivation;
use crate::hash::Hash;
use crate::names::ObjectName;
use crate::platform;
use crate::settings::Settings;
use crate::store::{self, Outputs, Store, get_outputs, read_info, verify, write_info};

/// Returns the store whose objects this user may use: the system's, when root made the directory
/// that keeps them alive.
pub fn lender(settings: &Settings) -> Option<Store> {
    let other = settings.substitute.as_ref().filter(|root| **root != settings.root);
    other
        .map(|root| Store::new(root))
        .filter(|other| platform::exists(&other.user_roots(platform::user_number())))
}

/// Returns the outputs of a derivation that another store has realized, linked into this one;
/// `None` if it has not, or if they cannot be kept alive.
///
/// # Errors
/// When this store cannot be written.
pub fn borrow(
    store: &Store,
    other: &Store,
    derivation: &Derivation,
    hashes: &[Hash],
    is_enough: &dyn Fn(&Outputs) -> bool,
) -> Result<Option<Outputs>, Error> {
    let roots = other.user_roots(platform::user_number());
    // Whatever is wrong with the other store, this user can still build.
    let known = hashes.iter().find_map(|hash| get_outputs(other, *hash, is_enough).ok().flatten());
    let Some(outputs) = known else { return Ok(None) };
    let asked_for = derivation.spec.outputs.iter().all(|output| outputs.contains_key(output));
    if !asked_for || !outputs.values().all(|object| root(other, &roots, object)) {
        return Ok(None);
    }
    for object in outputs.values() {
        link(store, other, object)?;
    }
    Ok(Some(outputs))
}

/// Keeps an object of the other store alive; returns whether it is there, whole, and will stay.
fn root(other: &Store, roots: &Path, object: &ObjectName) -> bool {
    let target = other.object(object);
    let link = roots.join(object.as_str());
    let is_rooted = platform::read_link(&link).is_ok_and(|present| present == target)
        || platform::symlink(&target, &link).is_ok();
    // Only now, when it stays.
    is_rooted && platform::exists(&target) && verify::observe(other, object).is_ok()
}

fn link(store: &Store, other: &Store, object: &ObjectName) -> Result<(), store::Error> {
    if platform::exists(&store.object(object)) {
        return Ok(());
    }
    let Some(mut info) = read_info(other, object)? else { return Ok(()) };
    info.borrowed = true;
    let _open = store.lock_publication()?;
    write_info(store, object, &info)?;
    Ok(platform::symlink(&other.object(object), &store.object(object))?)
}
