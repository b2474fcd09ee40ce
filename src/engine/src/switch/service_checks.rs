//! The checks of services, which run before anything changes, on what is to come.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Error;
use super::mentions::with_paths;
use super::plan::Plan;
use super::step::{Mark, Step};
use super::surroundings::surroundings;
use crate::action::{After, Direction, EffectKind, Kind, Run, Service};
use crate::platform::Account;
use crate::settings::Settings;
use crate::store::Store;

/// Returns where the content is that will be at places which change. That of secrets is nowhere.
pub(super) fn new_files(plan: &Plan) -> BTreeMap<&Path, PathBuf> {
    let changing = plan.steps.iter().filter(|step| step.mark != Mark::Remove);
    let entries = changing.filter_map(|step| match &step.change()?.after {
        After::Link { source } | After::File { source, .. } => {
            Some((step.place.as_deref()?, source.to_path()))
        }
        _ => None,
    });
    entries.collect()
}

/// Runs the check of a service if the service comes or changes, or the check names a file that
/// changes. It finds these files as they will be.
///
/// # Errors
/// When the check fails.
pub(super) fn check(
    (store, settings): (&Store, &Settings),
    plan: &Plan,
    step: &Step,
    service: &Service,
    files: &BTreeMap<&Path, PathBuf>,
) -> Result<(), Error> {
    let Some(command) = service.check.as_ref().filter(|_| !settings.leaves_services) else {
        return Ok(());
    };
    let activation = &*step.activation;
    let mut run = Run {
        command: command.clone(),
        name: Some(format!("check of {}", service.name)),
        ..Run::default()
    };
    let account = activation.user.as_deref().and_then(|user| Account::of(Some(user)).ok());
    let home = account.and_then(|account| account.home);
    let home = home.as_deref().unwrap_or(&settings.home);
    let mut has_new = false;
    for text in run.texts_mut() {
        let told = with_paths(text, home, files);
        has_new |= told != *text;
        *text = told;
    }
    if step.mark == Mark::Unchanged && !has_new {
        return Ok(());
    }
    let interrupt = Some(&settings.interrupt);
    let user = activation.user.as_deref();
    let around = surroundings(store, settings, plan.current.id, user, interrupt);
    run.perform(Direction::Do, &around).map_err(Error::at(&activation.positions))
}
