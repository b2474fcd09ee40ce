//! The applied state, compared with the file system. Takes no lock, and shows one consistent state
//! while a switch runs.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::altered::{self, Altered};
use super::report::{displaced_report, snapshot_report};
use super::{Engine, Error, PendingReport, StatusReport, TargetReport};
use crate::action::{self, Accounts, Aspect, Directories, Drift, Observed, Observer, Target};
use crate::activation::DeclaredAction;
use crate::failure::chain;
use crate::generations;
use crate::journal::Change;
use crate::platform;
use crate::platform::lock::{Lock, Sharing};
use crate::snapshot::Snapshot;
use crate::store::Outputs;
use crate::store::examination::{Alteration, Difference};
use crate::switch::{self, Backup, Backups, Pending, Targets};
use crate::value::Text;

/// The number of attempts when a switch happens in the meantime.
const TRIES: usize = 10;

impl Engine {
    /// Compares the applied state with the file system.
    ///
    /// # Errors
    /// When the snapshot cannot be read.
    pub fn status(&self) -> Result<StatusReport, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let before = switch::pending(&self.store)?;
            let link = self.current_link();
            let mut current = generations::current(&self.store)?;
            current.follow_moves(self.store.root(), &self.settings.home);
            let altered = self.altered(&current)?;
            let mut targets = self.targets(&current, &altered);
            let after = switch::pending(&self.store)?;
            // Switching there and back makes another link.
            let is_quiet =
                mark(before.as_ref()) == mark(after.as_ref()) && self.current_link() == link;
            if !is_quiet && tries < TRIES {
                continue;
            }
            match &after {
                _ if !is_quiet => leave_out(&mut targets, |_| true),
                Some(pending) if !pending.is_committed => {
                    let places = places(pending);
                    leave_out(&mut targets, |place| places.contains(place));
                }
                _ => {}
            }
            let backups = Backups::load(&self.store, &self.settings.home);
            let displaced = backups.displaced(&self.store);
            // During a switch, originals are being moved.
            let lost =
                if after.is_none() { self.lost_originals(&backups, &current) } else { Vec::new() };
            let services = self.service_states(&current);
            let stopped = services.iter().filter(|service| service.is_drift()).count();
            let packages = self.package_states(&current);
            let wrong = packages.iter().filter(|package| package.is_drift()).count();
            return Ok(StatusReport {
                root: self.settings.root.clone(),
                managed: targets.len(),
                derivations: current.derivations.len(),
                drift: targets.iter().filter(|(_, target)| target.is_drift()).count()
                    + stopped
                    + wrong,
                services,
                packages,
                snapshot: snapshot_report(&current),
                targets: targets.into_iter().map(|(_, target)| target).collect(),
                old_snapshots: self.old_snapshots(&current),
                displaced: displaced.iter().map(displaced_report).collect(),
                lost_originals: lost.iter().map(displaced_report).collect(),
                environments: super::environment::stamps(
                    self.store.root(),
                    &current,
                    &self.settings.home,
                ),
                pending: after.map(|pending| self.pending_report(&pending)),
            });
        }
    }

    fn targets(&self, current: &Snapshot, altered: &Altered) -> Vec<(PathBuf, TargetReport)> {
        let places = Targets::new(&self.settings.home);
        let (directories, accounts) =
            (Directories::default().stopped_by(&self.settings.interrupt), Accounts::default());
        let inspection = Inspection {
            observer: Observer { directories: &directories, accounts: &accounts },
            objects: self.store.objects(),
            gone: self.gone(current),
            is_on_the_way: switch::Ways::of(&self.store, current.actions())
                .stand(&self.store, &directories)
                .is_ok_and(|stand| stand),
        };
        let home = &self.settings.home;
        let other_home = current.home.as_ref().map(Text::to_path).filter(|other| other != home);
        let mut targets = Vec::with_capacity(current.activations.len());
        for activation in &current.activations {
            let in_other_home = other_home.as_ref().map(|other| DeclaredAction {
                action: activation.action.in_home(other),
                ..DeclaredAction::clone(activation)
            });
            let activation = in_other_home.as_ref().unwrap_or(activation);
            let Some(target) = activation.action.as_target() else { continue };
            let recorded = current.place_of(activation, &self.settings.home).unwrap_or_default();
            match places.place(&recorded, &activation.positions) {
                Ok(place) => {
                    let mut report = inspection.at(&place, activation, target);
                    if let ("ok", Some(found)) = (report.state, altered.at(self, activation)) {
                        report = altered_report(activation, found);
                    }
                    targets.push((place, report));
                }
                Err(error) => targets
                    .push((target.target().to_path(), unreadable(activation, Vec::new(), &error))),
            }
        }
        targets
    }

    /// Returns the originals that no managed target gets back.
    fn lost_originals(&self, backups: &Backups, current: &Snapshot) -> Vec<Backup> {
        let mut originals = backups.originals(&self.store);
        if originals.is_empty() {
            return originals;
        }
        let home = &self.settings.home;
        let places = Targets::new(home);
        let mut reached = HashSet::new();
        for activation in &current.activations {
            let Some(target) = activation.action.as_target() else { continue };
            let recorded = current.place_of(activation, home).unwrap_or_default();
            let at = [
                places.place(&recorded, &activation.positions),
                places.place_of(target, &recorded, &activation.positions),
            ];
            let declared = activation.place.as_ref().or(activation.action.target());
            let declared = declared.map(|declared| declared.expand_home(home).to_path());
            let found = at
                .iter()
                .flatten()
                .filter_map(|place| backups.original_of(&self.store, place, declared.as_deref()));
            reached.extend(found.map(|path| platform::canonical(&path)));
        }
        originals
            .retain(|original| !reached.contains(&platform::canonical(&original.path.to_path())));
        originals
    }

    /// Returns the objects of a snapshot that are not in the store.
    fn gone(&self, current: &Snapshot) -> HashSet<OsString> {
        let Ok(directory) = platform::Directory::open(&platform::canonical(self.store.objects()))
        else {
            return HashSet::new();
        };
        let objects = current.derivations.values().flat_map(Outputs::values);
        let names = objects.map(|object| OsString::from(object.to_string()));
        names.filter(|name| matches!(directory.observe(name), Ok(None))).collect()
    }

    /// Returns the switch that is not over, if there is one.
    pub(super) fn pending(&self) -> Result<Option<PendingReport>, Error> {
        Ok(switch::pending(&self.store)?.map(|pending| self.pending_report(&pending)))
    }

    fn pending_report(&self, pending: &Pending) -> PendingReport {
        let state = if pending.is_confirmable {
            "unconfirmed"
        } else if matches!(Lock::try_take(&self.store.switch_lock(), Sharing::Shared), Ok(None)) {
            "running"
        } else {
            "interrupted"
        };
        PendingReport {
            state,
            from: pending.from,
            to: pending.to,
            started_at: pending.started_at,
            process: pending.process,
            deadline: pending.deadline.filter(|_| pending.is_confirmable),
        }
    }
}

/// What it takes to look at many targets.
struct Inspection<'a> {
    observer: Observer<'a>,
    objects: &'a Path,
    gone: HashSet<OsString>,
    /// Whether the links of the root's through which links lead are as they should be.
    is_on_the_way: bool,
}

impl Inspection<'_> {
    fn at(&self, place: &Path, activation: &DeclaredAction, target: &Target) -> TargetReport {
        let found = match action::observe(self.observer.directories, place) {
            Ok(found) => found,
            Err(error) => return unreadable(activation, Vec::new(), &error),
        };
        let drift = match target.drift(self.observer, place, &found) {
            Ok(drift) => drift,
            Err(error) => {
                let rights = found.seen().map(|seen| target.rights(self.observer, seen));
                return unreadable(activation, rights.unwrap_or_default(), &error);
            }
        };
        match drift {
            Drift::None if !self.is_on_the_way && leads_elsewhere(target) => TargetReport {
                differs: vec![Aspect::Link],
                found: found_on_the_way(target),
                ..TargetReport::new(activation, "changed")
            },
            Drift::None if self.is_broken(target) => TargetReport::new(activation, "broken"),
            Drift::None => TargetReport::new(activation, "ok"),
            Drift::Missing => TargetReport::new(activation, "missing"),
            Drift::Replaced => TargetReport {
                found: Some(found.in_words()),
                ..TargetReport::new(activation, "replaced")
            },
            Drift::Changed(differs) => {
                let keys = || {
                    let keys = target.merge()?.changed(self.observer, place);
                    Some(keys).filter(|keys| !keys.is_empty())
                };
                let found = in_words(&found, &differs).or_else(keys);
                TargetReport { differs, found, ..TargetReport::new(activation, "changed") }
            }
        }
    }

    /// Whether a link leads into an object, or to a file of the user's own, that is not there any
    /// more.
    fn is_broken(&self, target: &Target) -> bool {
        if target.properties().mutable
            && target.leads_to().is_some_and(|source| !platform::leads_somewhere(&source.to_path()))
        {
            return true;
        }
        let Some(source) = target.leads_to().filter(|_| !self.gone.is_empty()) else {
            return false;
        };
        let source = source.to_path();
        let object =
            source.strip_prefix(self.objects).ok().and_then(|inner| inner.components().next());
        object.is_some_and(|object| self.gone.contains(object.as_os_str()))
    }
}

/// Returns whether a link leads through another one with a wrong target.
fn leads_elsewhere(target: &Target) -> bool {
    let ways = (target.link_text().map(Text::to_path), target.leads_to().map(Text::to_path));
    matches!(
        ways,
        (Some(text), Some(source))
            if text != source && platform::canonical(&text) != platform::canonical(&source)
    )
}

/// Returns, in words, what is wrong on the way of a link: what is missing, or where it leads.
fn found_on_the_way(target: &Target) -> Option<String> {
    let text = target.link_text()?.to_path();
    let missing = text.ancestors().filter(|above| !platform::exists(above)).last();
    Some(match missing {
        Some(missing) => format!("a link through {}, which is missing", missing.display()),
        None => format!("a link that leads to {}", platform::canonical(&text).display()),
    })
}

/// Returns the report about a link that leads to what a program changed.
fn altered_report(activation: &DeclaredAction, found: &[Alteration]) -> TargetReport {
    let is_gone = found
        .iter()
        .any(|alteration| alteration.is_of_top() && alteration.change == Difference::Missing);
    if is_gone {
        return TargetReport::new(activation, "broken");
    }
    let is_below = found.iter().any(|alteration| !alteration.is_of_top());
    let found = is_below.then(|| altered::in_words(found));
    TargetReport {
        differs: vec![Aspect::Content],
        found,
        ..TargetReport::new(activation, "changed")
    }
}

fn unreadable(
    activation: &DeclaredAction,
    differs: Vec<Aspect>,
    error: &dyn std::error::Error,
) -> TargetReport {
    TargetReport {
        differs,
        problem: Some(chain(error)),
        ..TargetReport::new(activation, "unreadable")
    }
}

/// Describes the file there, if the words say more than the kind of the difference.
fn in_words(found: &Observed, differs: &[Aspect]) -> Option<String> {
    let seen = found.seen()?;
    let words = differs.iter().filter_map(|aspect| match aspect {
        Aspect::Link => Some(found.in_words()),
        Aspect::Content | Aspect::Keys => None,
        Aspect::Mode => Some(format!("mode {:03o}", seen.mode)),
        Aspect::Owner => Some(format!("owner {}", seen.owner)),
        Aspect::Group => Some(format!("group {}", seen.group)),
    });
    Some(words.collect::<Vec<_>>().join(", ")).filter(|words| !words.is_empty())
}

fn mark(pending: Option<&Pending>) -> Option<&str> {
    pending.map(|pending| pending.mark.as_str())
}

/// Returns the places that a switch changes.
fn places(pending: &Pending) -> HashSet<PathBuf> {
    let targets = pending.changes.iter().filter_map(|change| match change {
        Change::Target(change) => Some(change.place.to_path()),
        Change::Mode { path, .. } => Some(path.to_path()),
        _ => None,
    });
    targets.collect()
}

/// Marks what a switch is busy with: it is neither as before nor drift.
fn leave_out(targets: &mut [(PathBuf, TargetReport)], is_busy: impl Fn(&Path) -> bool) {
    for (place, target) in targets {
        if target.is_drift() && is_busy(place) {
            target.state = "switching";
            target.differs.clear();
            target.found = None;
            target.problem = None;
        }
    }
}
