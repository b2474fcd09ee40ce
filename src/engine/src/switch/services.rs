//! Services in a plan: which units are started, stopped, restarted and reloaded, and why. No
//! manager is asked: the earlier state of a service matters only when the service changes.

use std::collections::{BTreeSet, HashMap, HashSet};

use syslua_services::declaration::Scope;
use syslua_services::manager::Job;

use super::Error;
use super::desired::{Desired, Entry};
use super::effects::Planner;
use super::service_work::{ServiceWork, UnitJob, mark_of_earlier};
use super::step::{Mark, Step, Work};
use crate::action::{OnSwitch, Service, ServiceUnit};
use crate::activation::DeclaredAction;
use crate::hash::Hash;
use crate::platform;
use crate::snapshot::Snapshot;
use crate::value::{Positions, Text};

/// Returns a key that is equal for a service and its replacement.
fn key(activation: &DeclaredAction) -> Option<(Option<&str>, String)> {
    let service = activation.action.as_service()?;
    Some((activation.user.as_deref(), format!("{:?} {}", service.scope, service.name)))
}

impl Planner<'_> {
    /// Returns the steps of all services: those that are gone, then those that are declared.
    ///
    /// # Errors
    /// When one is declared twice.
    pub fn services(&self, current: &Snapshot, entries: &[Entry]) -> Result<Vec<Step>, Error> {
        let declared = declared_once(entries)?;
        let printed = [
            printed_by(current.activations.iter().map(|activation| &**activation)),
            printed_by(entries.iter().map(|entry| &*entry.activation)),
        ];
        let mut steps = Vec::new();
        let mut present = HashMap::new();
        for activation in current.activations.iter().rev() {
            let (Some(key), Some(service)) = (key(activation), activation.action.as_service())
            else {
                continue;
            };
            if !declared.contains_key(&key) {
                // What ran before it took the name runs again.
                let user = activation.user.as_deref().filter(|_| service.scope == Scope::User);
                let stop = |unit: &ServiceUnit| {
                    let mark = mark_of_earlier(self.store, service.scope, user, &unit.name);
                    if platform::exists(&mark) {
                        UnitJob { returns: true, ..job(unit, Job::Restart) }
                    } else {
                        job(unit, Job::Stop)
                    }
                };
                let jobs = service.units.iter().map(stop).collect();
                let work = Work::Service(ServiceWork { jobs, because: Vec::new() });
                steps.push(Step { work, ..Step::new(Mark::Remove, &Entry::applied(activation)) });
            }
            present.insert(key, service);
        }
        for entry in entries {
            let activation = &entry.activation;
            let (Some(key), Some(service)) = (key(activation), activation.action.as_service())
            else {
                continue;
            };
            let (mark, work) = match present.get(&key) {
                None => {
                    let started = service.units.iter().filter(|unit| unit.starts);
                    let jobs = started.map(|unit| job(unit, Job::Start)).collect();
                    (Mark::Add, ServiceWork { jobs, because: Vec::new() })
                }
                Some(old) => {
                    let shown = entry.shown().as_service().unwrap_or(service);
                    let mut because =
                        self.changed_dependencies(old, service, shown, &activation.positions);
                    because.extend(printed_anew(service, &printed));
                    let work = self.changed_service((old, service), because, &activation.positions);
                    let is_same = *old == service && work.because.is_empty();
                    (if is_same { Mark::Unchanged } else { Mark::Change }, work)
                }
            };
            let mut step = Step::new(mark, entry);
            if mark != Mark::Unchanged {
                step.work = Work::Service(work);
            }
            steps.push(step);
        }
        Ok(steps)
    }

    /// Returns the jobs for a service that replaces another one, and the reason.
    fn changed_service(
        &self,
        (old, new): (&Service, &Service),
        mut because: Vec<String>,
        positions: &Positions,
    ) -> ServiceWork {
        let is_touched = !because.is_empty();
        // What is put back of its units the manager has to read; it starts nothing that stopped.
        let is_back = |target: &Text| self.has_touched(std::slice::from_ref(target), positions);
        let has_drop_in = |unit: &ServiceUnit| is_back(&drop_ins(unit));
        let changed_drop_ins = new.units.iter().filter(|unit| has_drop_in(unit)).map(drop_ins);
        because.extend(changed_drop_ins.map(|place| place.display()));
        let is_same = old == new && because.is_empty();
        if is_same && new.targets().any(is_back) {
            because.push("its unit on the disk".to_owned());
        }
        let has_timer =
            |service: &Service| service.units.iter().any(|unit| unit.name.ends_with(".timer"));
        let (mut jobs, mut has_changed) = (Vec::new(), false);
        for gone in &old.units {
            if !new.units.iter().any(|unit| unit.name == gone.name) {
                jobs.push(job(gone, Job::Stop));
                has_changed = true;
            }
        }
        for (number, unit) in new.units.iter().enumerate() {
            let is_main = number + 1 == new.units.len();
            let Some(before) = old.units.iter().find(|before| before.name == unit.name) else {
                has_changed = true;
                if unit.starts {
                    jobs.push(job(unit, Job::Start));
                }
                continue;
            };
            let is_other =
                before.file != unit.file || has_drop_in(unit) || is_same && is_back(&unit.target);
            has_changed |= is_other || before.starts != unit.starts;
            if !(is_other || is_touched && is_main) {
                if unit.starts && !before.starts {
                    jobs.push(job(unit, Job::Start));
                }
                continue;
            }
            let wanted = match new.on_switch {
                OnSwitch::Nothing => None,
                _ if !is_main => Some(Job::Restart),
                // The clock starts it: what runs now comes to its end, if the clock started it.
                _ if has_timer(new) && has_timer(old) => None,
                _ if has_timer(new) => Some(Job::Stop),
                OnSwitch::Restart => Some(Job::Restart),
                OnSwitch::Reload => Some(Job::Reload),
            };
            if let Some(wanted) = wanted {
                let only_if_active = !unit.starts || is_same;
                jobs.push(UnitJob { only_if_active, ..job(unit, wanted) });
            }
        }
        if new.linger && !old.linger {
            // Its manager may start only now, and what runs already stays.
            let idle = |unit: &&ServiceUnit| !jobs.iter().any(|job| job.unit == unit.name);
            let started: Vec<UnitJob> = new
                .units
                .iter()
                .filter(|unit| unit.starts)
                .filter(idle)
                .map(|unit| job(unit, Job::Start))
                .collect();
            jobs.extend(started);
            because.push("linger".to_owned());
        }
        yield_to_socket(&mut jobs, new);
        if has_changed && because.is_empty() {
            because.push("its unit".to_owned());
        }
        ServiceWork { jobs, because }
    }

    /// Returns what changed of what a service depends on, in words.
    fn changed_dependencies(
        &self,
        old: &Service,
        new: &Service,
        shown: &Service,
        positions: &Positions,
    ) -> Vec<String> {
        let contents = |service: &Service| -> BTreeSet<Text> {
            service.depends.iter().filter(|about| !self.is_target(about)).cloned().collect()
        };
        let before = contents(old);
        let has_lost = before.difference(&contents(new)).next().is_some();
        let mut because = Vec::new();
        for (about, shown) in new.depends.iter().zip(&shown.depends) {
            let words = if self.is_target(about) {
                self.has_touched(std::slice::from_ref(about), positions).then(|| about.display())
            } else {
                // A list that only grew says nothing of what is in it.
                (has_lost && !before.contains(about)).then(|| self.content_in_words(shown))
            };
            because.extend(words);
        }
        let named = new.names.iter().filter_map(|text| self.named_change(text, positions));
        because.extend(named.map(|place| place.display()));
        let mut known = HashSet::new();
        because.retain(|words| known.insert(words.clone()));
        because
    }

    /// Names an object, or content that is not built yet.
    fn content_in_words(&self, about: &Text) -> String {
        if about.0.starts_with(b"source-") {
            return "a source".to_owned();
        }
        if about.0.starts_with(b"secret-") {
            return "a secret".to_owned();
        }
        let path = about.to_path();
        let inner = path.strip_prefix(self.store.objects()).unwrap_or(&path);
        let object = inner.iter().next().map(|name| name.to_string_lossy().into_owned());
        let object = object.unwrap_or_else(|| about.display());
        // Without the digits of its hash.
        match object.rsplit_once('-') {
            Some((name, digits)) if digits.len() == 9 => name.to_owned(),
            _ => object,
        }
    }
}

/// Returns the directory of what is added to a unit.
fn drop_ins(unit: &ServiceUnit) -> Text {
    Text([unit.target.0.as_slice(), b".d"].concat())
}

/// Returns the declared services by what makes each one of a kind.
///
/// # Errors
/// When one is declared twice.
pub fn declared_once(entries: &[Entry]) -> Result<HashMap<(Option<&str>, String), &Entry>, Error> {
    let mut declared: HashMap<_, &Entry> = HashMap::new();
    for entry in entries {
        let Some(key) = key(&entry.activation) else { continue };
        if let Some(first) = declared.insert(key, entry) {
            return Err(twice(first, entry));
        }
    }
    Ok(declared)
}

/// What begins the text of a service that depends on what a command prints. Its words follow, each
/// after one byte.
const OF_COMMAND: &[u8] = b"secret-command-";

/// Returns what commands of secrets printed, by the texts of services that depend on them.
fn printed_by<'a>(
    activations: impl Iterator<Item = &'a DeclaredAction>,
) -> HashMap<Vec<u8>, BTreeSet<Hash>> {
    let mut printed: HashMap<Vec<u8>, BTreeSet<Hash>> = HashMap::new();
    for secret in activations.filter_map(|activation| activation.action.as_secret()) {
        for (words, value) in secret.commands() {
            let words: Vec<&[u8]> = words.iter().map(|word| word.0.as_slice()).collect();
            let text = [OF_COMMAND, words.join(&1).as_slice()].concat();
            printed.entry(text).or_default().extend(value);
        }
    }
    printed
}

/// Returns the words for a command that a service depends on, if it printed something else.
fn printed_anew(
    service: &Service,
    [old, new]: &[HashMap<Vec<u8>, BTreeSet<Hash>>; 2],
) -> Option<String> {
    let is_other = |about: &&Text| match (old.get(&about.0), new.get(&about.0)) {
        (Some(old), Some(new)) => old != new,
        _ => false,
    };
    service.depends.iter().find(is_other).map(|_| "a secret".to_owned())
}

/// Restarts a running service when its socket is new, because systemd does not start a socket whose
/// service runs.
fn yield_to_socket(jobs: &mut Vec<UnitJob>, new: &Service) {
    let Some(main) = new.units.last() else { return };
    let begins = |job: &UnitJob| {
        job.unit.ends_with(".socket") && matches!(job.job, Job::Start | Job::Restart)
    };
    if jobs.iter().any(begins) && !main.starts {
        jobs.retain(|job| job.unit != main.name);
        jobs.push(UnitJob { only_if_active: true, ..job(main, Job::Restart) });
    }
}

fn job(unit: &ServiceUnit, job: Job) -> UnitJob {
    UnitJob { unit: unit.name.clone(), job, only_if_active: false, returns: false }
}

fn twice(first: &Entry, second: &Entry) -> Error {
    let service = second.activation.action.as_service();
    let positions = &second.activation.positions;
    Error::ServiceTwice {
        name: service.map(|service| service.name.clone()).unwrap_or_default(),
        first: first.activation.positions.first().cloned().unwrap_or_default(),
        positions: positions.clone(),
    }
}

/// Returns the targets that belong to services.
pub fn own_targets<'a>(activations: impl Iterator<Item = &'a DeclaredAction>) -> HashSet<&'a Text> {
    activations
        .filter_map(|activation| activation.action.as_service())
        .flat_map(Service::targets)
        .collect()
}

/// Leaves services unchanged and asks their managers for nothing. Returns the names of services
/// that would have changed.
pub(super) fn leave_alone(steps: &mut [Step]) -> Vec<String> {
    let mut names = Vec::new();
    for step in steps.iter_mut().filter(|step| step.mark != Mark::Unchanged) {
        names.extend(step.activation.action.as_service().map(|service| service.name.clone()));
        (step.mark, step.work) = (Mark::Unchanged, Work::None);
    }
    names
}

impl Desired {
    /// Leaves services as they are in force: those that are declared do not come, change or go, nor
    /// do the files of their units. Returns the names of those that would have.
    pub fn leave_out_services(&mut self, current: &Snapshot) -> Vec<String> {
        self.leaves_services = true;
        let belongs = |activation: &DeclaredAction, own: &HashSet<Text>| {
            activation.action.as_service().is_some()
                || activation.action.target().is_some_and(|target| own.contains(target))
        };
        let owned = |activations: &mut dyn Iterator<Item = &DeclaredAction>| -> HashSet<Text> {
            own_targets(activations).into_iter().cloned().collect()
        };
        let declared = owned(&mut self.entries.iter().map(|entry| &*entry.activation));
        let present = owned(&mut current.activations.iter().map(|activation| &**activation));
        let names = |services: Vec<&Service>| -> BTreeSet<String> {
            services.into_iter().map(|service| service.name.clone()).collect()
        };
        let in_force: Vec<&Service> =
            current.activations.iter().filter_map(|one| one.action.as_service()).collect();
        let wanted: Vec<&Service> =
            self.entries.iter().filter_map(|entry| entry.activation.action.as_service()).collect();
        let differs = |service: &&Service, others: &[&Service]| !others.contains(service);
        let mut left_out =
            names(wanted.iter().copied().filter(|one| differs(one, &in_force)).collect());
        left_out
            .extend(names(in_force.iter().copied().filter(|one| differs(one, &wanted)).collect()));
        self.entries.retain(|entry| !belongs(&entry.activation, &declared));
        let kept = current.activations.iter().filter(|one| belongs(one, &present));
        self.entries.extend(kept.map(Entry::applied));
        left_out.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_their_links_belong_to_services() {
        let unit = ServiceUnit {
            target: "~/a".into(),
            links: vec!["~/b".into()],
            ..ServiceUnit::default()
        };
        let service = Service { units: vec![unit], ..Service::default() };
        let activation = DeclaredAction::new(service.into(), Vec::<String>::new());
        let targets = own_targets(std::iter::once(&activation));
        assert_eq!(targets, [&"~/a".into(), &"~/b".into()].into());
    }
}
