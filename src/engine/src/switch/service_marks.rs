//! What the root remembers of service managers: which of them run without a session because a
//! service asked for it, and which other units ran in the places of services.

use std::path::{Path, PathBuf};

use syslua_services::manager::{self, Whose};

use super::Error;
use super::service_managers::{at, whose};
use super::service_work::mark_of_earlier;
use crate::journal::{Earlier, ServiceManager, UnitChange};
use crate::platform;
use crate::settings::Settings;
use crate::store::Store;
use crate::value::Positions;

/// Returns whether a manager runs without a session.
pub(super) fn lingers(settings: &Settings, of: &ServiceManager) -> Result<bool, Error> {
    let whose = whose(settings, of.scope, of.user.as_deref());
    match whose.map_err(at(&Positions::default()))? {
        Some(Whose::User { name, .. }) => {
            Ok(platform::exists(&Path::new("/var/lib/systemd/linger").join(name)))
        }
        // There is nothing to set.
        _ => Ok(true),
    }
}

/// Returns the file that says that a manager runs without a session because a service asked for it.
pub(super) fn mark_of(store: &Store, of: &ServiceManager) -> PathBuf {
    let name = of.user.as_deref().unwrap_or("self");
    store.metadata().join(format!("lingers.{name}"))
}

/// Records whether other units run in the places of services, or whose services took them.
/// `undoes` tells that it is taken back.
pub(super) fn record_earlier(
    store: &Store,
    of: &ServiceManager,
    units: &[&UnitChange],
    undoes: bool,
) -> Result<(), Error> {
    for unit in units {
        let Some(earlier) = unit.earlier else { continue };
        let mark = mark_of_earlier(store, of.scope, of.user.as_deref(), &unit.unit);
        if (earlier == Earlier::Ends) != undoes {
            platform::write_file_durably(&mark, b"")?;
        } else if platform::exists(&mark) {
            platform::remove_file(&mark)?;
        }
    }
    Ok(())
}

/// Starts or stops running a manager without a session, and records that a service requested it.
pub(super) fn change_linger(
    store: &Store,
    settings: &Settings,
    of: &ServiceManager,
    linger: bool,
) -> Result<(), Error> {
    let Some(whose) =
        whose(settings, of.scope, of.user.as_deref()).map_err(at(&Positions::default()))?
    else {
        return Ok(());
    };
    let mark = mark_of(store, of);
    if linger {
        platform::write_file_durably(&mark, b"")?;
    }
    let changed = manager::set_linger(&whose, linger);
    if linger && changed.is_err() {
        // What did not begin to linger for a service keeps lingering.
        let _ = manager::set_linger(&whose, false);
    }
    if (!linger || changed.is_err()) && platform::exists(&mark) {
        platform::remove_file(&mark)?;
    }
    changed.map(drop).map_err(at(&Positions::default()))
}
