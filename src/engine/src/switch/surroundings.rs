//! The surroundings of effects during a switch, and while it is undone.

use crate::action::Surroundings;
use crate::environment::shells;
use crate::names::SnapshotId;
use crate::settings::{Interrupt, Settings};
use crate::store::Store;

/// Returns the surroundings of a user's effects with the environment of a snapshot.
pub fn surroundings<'a>(
    store: &Store,
    settings: &'a Settings,
    id: SnapshotId,
    user: Option<&'a str>,
    interrupt: Option<&'a Interrupt>,
) -> Surroundings<'a> {
    let snapshot = store.snapshot(id);
    let own = user.map(|user| snapshot.join("users").join(user).join(shells::COMMANDS));
    let environment = std::iter::once(snapshot.join(shells::COMMANDS)).chain(own).collect();
    let shared = settings.shared_environment.as_slice();
    Surroundings {
        home: &settings.home,
        user,
        environment,
        journal: store.journal(),
        shared,
        interrupt,
        events: &settings.events,
    }
}
