//! Package managers in a switch: one call of each before the journal. What it did is not undone
//! when the switch fails later: the record of packages, the message and `status` say so.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use syslua_packages::package::Inventory;

use super::Error;
use super::packages::{ManagerWork, PackageWork, about, failure};
use super::plan::Plan;
use super::service_jobs;
use crate::packages::{self, Managed, Pending, Problem, Record, add_installed};
use crate::platform;
use crate::settings::{Event, Settings};
use crate::store::Store;

/// Calls the managers of a plan, where they have something to do. Packages bring files: then the
/// plan must be computed again, and have what this returns instead of its own work.
///
/// # Errors
/// When one fails. What the others did stays done.
pub fn call_packages(
    store: &Store,
    settings: &Settings,
    plan: &Plan,
) -> Result<Option<PackageWork>, Error> {
    if !plan.packages.managers.iter().any(ManagerWork::is_needed) {
        return Ok(None);
    }
    service_jobs::prepare(store, settings, plan)?;
    let done = perform(store, settings, &plan.packages)?;
    Ok(Some(PackageWork { done, ..PackageWork::default() }))
}

/// Calls the managers. Returns in words what they installed and removed, which no failure undoes.
///
/// # Errors
/// When one fails. What the others did stays done.
pub fn perform(
    store: &Store,
    settings: &Settings,
    work: &PackageWork,
) -> Result<Vec<String>, Error> {
    let mut done = work.done.clone();
    if !work.absent.is_empty() {
        settings.events.send(Event::Warning {
            message: format!(
                "no packages are installed: this machine has none of {}",
                work.absent.join(", ")
            ),
        });
    }
    let mut record = work.record.clone();
    for one in &work.managers {
        let recorded = record.managers.get(one.manager.name());
        if !one.is_needed() && recorded.is_none_or(|recorded| *recorded == one.managed) {
            continue;
        }
        one.perform(store, settings, &mut record, &mut done)?;
    }
    Ok(done)
}

impl ManagerWork {
    fn perform(
        &self,
        store: &Store,
        settings: &Settings,
        record: &mut Record,
        done: &mut Vec<String>,
    ) -> Result<(), Error> {
        let manager = self.manager;
        let is_new = |name: &&String| !self.managed.packages.contains_key(*name);
        let installs: BTreeSet<String> = self
            .simulation
            .installs
            .iter()
            .map(|item| item.name.clone())
            .chain(self.change.install.iter().map(|wanted| manager.name_of(wanted).to_owned()))
            // What was there before stays, whatever version it has now.
            .filter(|name| !self.foreign.contains(name))
            .collect();
        let declared = self.declared.keys().filter(|name| installs.contains(*name));
        let pending = Pending {
            started_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            declared: declared.cloned().collect(),
            installs,
        };
        platform::create_directories_as(&store.metadata(), 0o755)?;
        let mut managed = self.managed.clone();
        let ended = if self.change.is_empty() {
            Ok(())
        } else {
            managed.pending = Some(pending.clone());
            record.managers.insert(manager.name().to_owned(), managed.clone());
            packages::store(store, record)?;
            packages::perform(settings, manager, &self.change)
        };
        let fail = |problem: Problem, hint: Option<String>| {
            let text = format!("{}\n{}", problem.output, self.change_in_words());
            let positions = about(&text, self.declared.iter());
            failure(problem, positions, hint)
        };
        let inventory = packages::inventory(manager).map_err(|problem| fail(problem, None))?;
        managed.pending = None;
        add_installed(&mut managed, &pending, &inventory);
        managed.packages.retain(|name, _| inventory.contains_key(name));
        for name in self.change.remove.iter().filter(|name| !inventory.contains_key(*name)) {
            done.push(format!("{} removed {name}", manager.name()));
        }
        let came: Vec<&String> = pending
            .installs
            .iter()
            .filter(is_new)
            .filter(|name| inventory.contains_key(*name))
            .collect();
        done.extend(came.iter().map(|name| format!("{} installed {name}", manager.name())));
        if ended.is_ok() {
            self.set_marks(&mut managed, &inventory).map_err(|problem| fail(problem, None))?;
        }
        record.managers.insert(manager.name().to_owned(), managed);
        packages::store(store, record)?;
        let half: Vec<&str> = inventory
            .iter()
            .filter(|(_, found)| !found.is_complete)
            .map(|(name, _)| name.as_str())
            .collect();
        ended.map_err(|mut problem| {
            // What is half installed is what failed.
            let failed = half.iter().find_map(|name| self.declared.get(*name));
            if !done.is_empty() {
                problem.message = format!("{}; this stays: {}", problem.message, done.join(", "));
            }
            let hint = (!half.is_empty()).then(|| {
                format!(
                    "half installed: {}. `{}` completes it; without it in the config, the next \
                     apply removes it",
                    half.join(", "),
                    manager.repair()
                )
            });
            match failed {
                Some(positions) => failure(problem, positions.clone(), hint),
                None => fail(problem, hint),
            }
        })
    }

    /// Has packages count as wanted, or as dependencies of others, and records that.
    fn set_marks(&self, managed: &mut Managed, inventory: &Inventory) -> Result<(), Problem> {
        packages::mark(self.manager, &self.marks, false)?;
        for name in &self.marks {
            let was_there = !managed.packages.contains_key(name);
            let kept = managed.packages.entry(name.clone()).or_default();
            kept.declared = true;
            kept.was_there |= was_there;
            kept.version =
                inventory.get(name).map(|found| found.version.clone()).unwrap_or_default();
        }
        let there = self.releases.iter().filter(|name| inventory.contains_key(*name));
        packages::mark(self.manager, &there.cloned().collect(), true)?;
        for name in &self.releases {
            match managed.packages.get_mut(name) {
                // Another one needs it, and takes it along one day.
                Some(kept) if !kept.was_there && !self.is_foreign_need(name) => {
                    kept.declared = false;
                }
                _ => {
                    managed.packages.remove(name);
                }
            }
        }
        Ok(())
    }

    /// Returns whether a package stays for another package, which sys.lua does not know.
    fn is_foreign_need(&self, name: &str) -> bool {
        self.stays.get(name).is_some_and(|other| !self.managed.packages.contains_key(other))
    }

    fn change_in_words(&self) -> String {
        let names = self.change.install.iter().chain(&self.change.remove);
        names.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}
