//! The difference between a manifest and what is applied. `plan` and `apply` both call this.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::{Error, Targets};
use crate::action::symlink::{self, Found};
use crate::activation::{Action, Activation};
use crate::environment::{self, Environment};
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::names::{ObjectName, OutputName, Placeholder};
use crate::platform::{self, FileKind};
use crate::snapshot::Snapshot;
use crate::store::{Outputs, Store};

/// What happens to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// It is new.
    Add,
    /// It replaces another one of its kind, or repairs it.
    Change,
    /// It is gone.
    Remove,
    /// It is in force.
    Unchanged,
}

/// One entry of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// What happens.
    pub mark: Mark,
    /// The action: resolved as far as its content is known; the old one if it is removed.
    pub activation: Activation,
    /// The action as people read it: content that is not built yet is `<name>`.
    pub shown: Action,
    /// Whether it names content that is not built yet.
    pub may_change: bool,
    /// For links: where.
    pub place: Option<PathBuf>,
    /// For links: the link that stands there now.
    pub before: Option<PathBuf>,
}

/// A plan.
#[derive(Debug)]
pub struct Plan {
    /// What is applied.
    pub current: Snapshot,
    /// What happens, in the order in which it is performed: removals, links, environment.
    pub steps: Vec<Step>,
    /// The actions that will be in force.
    pub activations: Vec<Activation>,
    /// The objects that will be in force.
    pub derivations: BTreeMap<Hash, Outputs>,
    /// Whether the environment of shells changes.
    pub environment_changes: bool,
    /// Whether anything changes at all.
    pub changes: bool,
}

/// Computes the plan from a manifest, what is applied, and what is realized of the manifest.
///
/// # Errors
/// When targets contradict each other, or something that is not ours stands at one.
pub fn plan(
    store: &Store,
    home: &Path,
    manifest: &Manifest,
    current: Snapshot,
    realized: &BTreeMap<Hash, Outputs>,
) -> Result<Plan, Error> {
    let resolved = resolve(store, manifest, realized)?;
    let targets = Targets::new(home);
    let wanted = links(&targets, &resolved)?;
    let present = present_links(&targets, &current)?;
    let mut steps = removed_links(&wanted, &present)?;
    steps.extend(wanted_links(&wanted, &present)?);
    steps.extend(environment_steps(&current, &resolved));

    let activations: Vec<Activation> = distinct(resolved.into_iter().map(|resolved| resolved.activation));
    let environment_changes = environments(&activations, home) != environments(&current.activations, home);
    let wanted_derivations = manifest.wanted();
    let derivations: BTreeMap<Hash, Outputs> =
        realized.iter().filter(|(hash, _)| wanted_derivations.contains(hash)).map(|(h, o)| (*h, o.clone())).collect();
    let all_realized = derivations.len() == wanted_derivations.len();
    let changes = environment_changes
        || !all_realized
        || objects(&derivations) != objects(&current.derivations)
        || steps.iter().any(|step| step.mark != Mark::Unchanged);
    Ok(Plan { current, steps, activations, derivations, environment_changes, changes })
}

/// Returns everybody's environment, that of each user, and what makes those of projects.
fn environments(
    activations: &[Activation],
    home: &Path,
) -> (Environment, BTreeMap<String, Environment>, BTreeSet<String>) {
    let of_user = |user: &str| (user.to_owned(), Environment::of_user(activations, user));
    let users = environment::users(activations).into_iter().map(of_user).collect();
    let projects = activations.iter().filter(|activation| activation.project.is_some());
    (Environment::new(activations, home), users, projects.map(Activation::key).collect())
}

fn objects(derivations: &BTreeMap<Hash, Outputs>) -> BTreeSet<&ObjectName> {
    derivations.values().flat_map(BTreeMap::values).collect()
}

struct Resolved {
    activation: Activation,
    shown: Action,
    may_change: bool,
}

/// Replaces placeholders by paths where the content is there.
fn resolve(store: &Store, manifest: &Manifest, realized: &BTreeMap<Hash, Outputs>) -> Result<Vec<Resolved>, Error> {
    let owners: HashMap<Placeholder, (Hash, OutputName)> = manifest.owners();
    let path = |placeholder: Placeholder| {
        let (hash, output) = owners.get(&placeholder)?;
        let object = realized.get(hash)?.get(output)?;
        Some(platform::bytes_of_path(&store.object(object)))
    };
    let title = |placeholder: Placeholder| {
        let (hash, _) = owners.get(&placeholder)?;
        let derivation = manifest.derivations.iter().find(|derivation| derivation.hash == *hash)?;
        path(placeholder).or_else(|| Some(format!("<{}>", derivation.title()).into_bytes()))
    };
    let mut result = Vec::with_capacity(manifest.activations.len());
    for activation in &manifest.activations {
        let unknown = |placeholder| Error::Placeholder { placeholder, positions: activation.positions.clone() };
        let (action, shown, may_change) = match activation.action.resolve(&path) {
            Ok(action) => (action.clone(), action, false),
            Err(_) => (activation.action.clone(), activation.action.resolve(&title).map_err(unknown)?, true),
        };
        let activation = activation.with_action(action);
        result.push(Resolved { activation, shown, may_change });
    }
    Ok(result)
}

/// Identical actions collapse; the first declaration is remembered.
fn distinct(activations: impl Iterator<Item = Activation>) -> Vec<Activation> {
    let mut seen = BTreeSet::new();
    activations.filter(|activation| seen.insert(activation.key())).collect()
}

struct Link<'a> {
    place: PathBuf,
    source: PathBuf,
    resolved: &'a Resolved,
}

fn describe(link: &Link<'_>) -> String {
    let position = link.resolved.activation.positions.first().map_or("an unknown place", String::as_str);
    match &link.resolved.shown {
        Action::Symlink { source, .. } => format!("{} at {position}", source.display()),
        _ => position.to_owned(),
    }
}

/// Collects the links that are wanted, in order of declaration, each place once.
fn links<'a>(targets: &Targets<'_>, resolved: &'a [Resolved]) -> Result<Vec<Link<'a>>, Error> {
    let mut links: Vec<Link<'a>> = Vec::new();
    let mut by_place: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for resolved in resolved {
        let activation = &resolved.activation;
        let Action::Symlink { source, target, .. } = &activation.action else { continue };
        let place = targets.place(target, &activation.positions)?;
        let link = Link { source: source.to_path(), resolved, place: place.clone() };
        match by_place.get(&place) {
            Some(&first) if links[first].source == link.source => {}
            Some(&first) => {
                return Err(Error::Conflict {
                    target: place,
                    first: describe(&links[first]),
                    second: describe(&link),
                    positions: activation.positions.clone(),
                });
            }
            None => {
                by_place.insert(place, links.len());
                links.push(link);
            }
        }
    }
    for link in &links {
        if let Some(&above) = link.place.ancestors().skip(1).find_map(|directory| by_place.get(directory)) {
            let above = &links[above];
            return Err(Error::BelowLink {
                target: link.place.clone(),
                above: above.place.clone(),
                above_position: above.resolved.activation.positions.first().cloned().unwrap_or_default(),
                positions: link.resolved.activation.positions.clone(),
            });
        }
    }
    Ok(links)
}

struct Present<'a> {
    source: PathBuf,
    activation: &'a Activation,
}

fn present_links<'a>(targets: &Targets<'_>, current: &'a Snapshot) -> Result<BTreeMap<PathBuf, Present<'a>>, Error> {
    let mut present = BTreeMap::new();
    for activation in &current.activations {
        if let Action::Symlink { source, target, .. } = &activation.action {
            let place = targets.place(target, &activation.positions)?;
            present.insert(place, Present { source: source.to_path(), activation });
        }
    }
    Ok(present)
}

fn removed_links(wanted: &[Link<'_>], present: &BTreeMap<PathBuf, Present<'_>>) -> Result<Vec<Step>, Error> {
    let kept: BTreeSet<&PathBuf> = wanted.iter().map(|link| &link.place).collect();
    let mut steps = Vec::new();
    for (place, old) in present.iter().rev().filter(|(place, _)| !kept.contains(place)) {
        // What somebody put there instead of our link is theirs: only the entry goes.
        let before = match symlink::look(place)? {
            Found::Link(link) if link == old.source => Some(link),
            _ => None,
        };
        steps.push(Step {
            mark: Mark::Remove,
            activation: old.activation.clone(),
            shown: old.activation.action.clone(),
            may_change: false,
            place: Some(place.clone()),
            before,
        });
    }
    Ok(steps)
}

fn wanted_links(wanted: &[Link<'_>], present: &BTreeMap<PathBuf, Present<'_>>) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    for link in wanted {
        let old = present.get(&link.place);
        let found = symlink::look(&link.place)?;
        let (mark, before) = match (found, old) {
            (Found::Nothing, None) => (Mark::Add, None),
            // It was removed behind our back: put it back.
            (Found::Nothing, Some(_)) => (Mark::Change, None),
            (Found::Link(there), Some(_)) if there == link.source => (Mark::Unchanged, Some(there)),
            (Found::Link(there), None) if there == link.source => (Mark::Add, Some(there)),
            (Found::Link(there), Some(old)) if there == old.source => (Mark::Change, Some(there)),
            (found, _) => {
                return Err(Error::Occupied {
                    target: link.place.clone(),
                    found: in_words(&found),
                    positions: link.resolved.activation.positions.clone(),
                });
            }
        };
        steps.push(Step {
            mark,
            activation: link.resolved.activation.clone(),
            shown: link.resolved.shown.clone(),
            may_change: link.resolved.may_change,
            place: Some(link.place.clone()),
            before,
        });
    }
    Ok(steps)
}

fn in_words(found: &Found) -> String {
    match found {
        Found::Nothing => "nothing".to_owned(),
        Found::Link(target) => format!("a link to {}", target.display()),
        Found::Other(FileKind::Directory) => "a directory".to_owned(),
        Found::Other(_) => "a file".to_owned(),
    }
}

/// Compares what makes the environment: a variable by its name, everything else as a whole.
fn environment_steps(current: &Snapshot, resolved: &[Resolved]) -> Vec<Step> {
    fn environment_key(activation: &Activation) -> Option<String> {
        match &activation.action {
            Action::Symlink { .. } => None,
            Action::SetVariable { name, .. } => Some(format!("{:?} {:?} {name}", activation.user, activation.project)),
            _ => Some(activation.key()),
        }
    }
    let step = |mark, activation: &Activation, shown: &Action, may_change| Step {
        mark,
        activation: activation.clone(),
        shown: shown.clone(),
        may_change,
        place: None,
        before: None,
    };
    let mut old: BTreeMap<String, &Activation> =
        current.activations.iter().filter_map(|activation| Some((environment_key(activation)?, activation))).collect();
    let mut seen = BTreeSet::new();
    let mut steps = Vec::new();
    for Resolved { activation, shown, may_change } in resolved {
        let Some(key) = environment_key(activation) else { continue };
        if !seen.insert(key.clone()) {
            continue;
        }
        let mark = match old.remove(&key) {
            Some(old) if old.action == activation.action => Mark::Unchanged,
            Some(_) => Mark::Change,
            None => Mark::Add,
        };
        steps.push(step(mark, activation, shown, *may_change));
    }
    let removed = old.into_values().map(|activation| step(Mark::Remove, activation, &activation.action, false));
    removed.collect::<Vec<_>>().into_iter().chain(steps).collect()
}
