//! Verbs that only look: what is in the store, and how derivations differ.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::report::{ActionsReport, CheckReport, DiffReport, Difference, InfoReport, ListReport, ObjectReport};
use super::report::{derivation_report, snapshot_report};
use super::{Engine, Error};
use crate::derivation::Derivation;
use crate::generations;
use crate::hash::Hash;
use crate::names::ObjectName;
use crate::platform;
use crate::realize::{self, Tasks};
use crate::settings::Event;
use crate::store::{self, find_derivations, read_derivation, read_info};

impl Engine {
    /// Lists the objects of the store.
    ///
    /// # Errors
    /// When the store or the current snapshot cannot be read.
    pub fn list(&self) -> Result<ListReport, Error> {
        let current = generations::current(&self.store)?;
        let current: BTreeSet<&ObjectName> =
            current.derivations.values().flat_map(|outputs| outputs.values()).collect();
        let entries = match platform::list_directory(self.store.objects()) {
            Err(error) if error.is_not_found() => Vec::new(),
            entries => entries.map_err(store::Error::from)?,
        };
        let mut objects = Vec::new();
        for (entry, _) in entries {
            let Some(object) = entry.to_str().and_then(|name| ObjectName::parse(name).ok()) else { continue };
            // One without a good record is damaged: `verify` names it.
            if let Ok(Some(info)) = read_info(&self.store, &object) {
                objects.push(ObjectReport {
                    path: self.store.object(&object),
                    name: info.name.to_string(),
                    version: info.derivation_version.map(|version| version.to_string()),
                    output: info.output.to_string(),
                    size: info.size,
                    content: info.content,
                    nar: info.nar,
                    deriver: info.deriver,
                    references: info.references,
                    relocatable: info.relocatable,
                    sandbox: info.sandbox,
                    current: current.contains(&object),
                    object,
                });
            }
        }
        Ok(ListReport { root: self.settings.root.clone(), objects })
    }

    /// Returns the actions that are in force, with who declared them and over what they won.
    ///
    /// # Errors
    /// When the current snapshot cannot be read.
    pub fn actions(&self) -> Result<ActionsReport, Error> {
        let current = generations::current(&self.store)?;
        Ok(ActionsReport {
            root: self.settings.root.clone(),
            snapshot: snapshot_report(&current),
            actions: current.activations,
        })
    }

    /// Tells about the root as a whole.
    ///
    /// # Errors
    /// When the store or the current snapshot cannot be read.
    pub fn info(&self) -> Result<InfoReport, Error> {
        let listed = self.list()?;
        Ok(InfoReport {
            platform: self.settings.system.platform.clone(),
            snapshot: snapshot_report(&generations::current(&self.store)?),
            objects: listed.objects.len(),
            size: listed.objects.iter().map(|object| object.size).sum(),
            root: listed.root,
        })
    }

    /// Says which inputs of two derivations differ. Each is given by the beginning of its hash.
    ///
    /// # Errors
    /// When one is unknown or ambiguous, or its description cannot be read.
    pub fn diff_derivations(&self, first: &str, second: &str) -> Result<DiffReport, Error> {
        let (first, second) = (self.find_derivation(first)?, self.find_derivation(second)?);
        let mut differences = Vec::new();
        compare(
            "",
            Some(&read_derivation(&self.store, first)?),
            Some(&read_derivation(&self.store, second)?),
            &mut differences,
        );
        Ok(DiffReport { first, second, differences })
    }

    fn find_derivation(&self, prefix: &str) -> Result<Hash, Error> {
        match find_derivations(&self.store, prefix)?.as_slice() {
            [hash] => Ok(*hash),
            [] => Err(Error::NoDerivation { prefix: prefix.to_owned() }),
            several => Err(Error::Ambiguous { prefix: prefix.to_owned(), count: several.len() }),
        }
    }

    /// Builds a derivation again and compares; it is realized first if it is not.
    ///
    /// # Errors
    /// When one of the builds fails.
    pub fn check(
        &self,
        derivations: &[Arc<Derivation>],
        derivation: &Arc<Derivation>,
        tasks: &mut dyn Tasks,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<CheckReport, Error> {
        let wanted: BTreeSet<Hash> = derivation.dependencies.iter().copied().chain([derivation.hash]).collect();
        let realized = realize::realize(&self.store, &self.settings, derivations, &wanted, tasks, on_event)?;
        let outputs = realized.outputs.get(&derivation.hash).cloned().unwrap_or_default();
        let paths = outputs.iter().map(|(output, object)| (output.to_string(), self.store.object(object))).collect();
        let difference = realize::check(&self.store, &self.settings, derivation, &realized.outputs, tasks, on_event)?;
        let mut report = CheckReport {
            derivation: derivation_report(derivation, paths),
            reproducible: difference.is_none(),
            output: None,
            file: None,
            how: None,
        };
        if let Some(difference) = difference {
            report.output = Some(difference.output.to_string());
            report.file = Some(difference.file.strip_prefix(".").map(Into::into).unwrap_or(difference.file));
            report.how = Some(difference.how);
        }
        Ok(report)
    }
}

/// Collects where two descriptions differ; lists and objects are gone into.
fn compare(path: &str, first: Option<&Json>, second: Option<&Json>, differences: &mut Vec<Difference>) {
    if first == second {
        return;
    }
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (first, second) {
        (Some(Json::Object(a)), Some(Json::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                compare(&join(key), a.get(key), b.get(key), differences);
            }
        }
        // A captured variable is a pair of its name and its value: the name tells more than a number.
        (Some(Json::Array(a)), Some(Json::Array(b))) if path.ends_with("captures") => {
            let named = |list: &[Json]| -> Vec<(String, Json)> {
                list.iter().filter_map(|pair| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.clone()))).collect()
            };
            let (a, b) = (named(a), named(b));
            let names: BTreeSet<&String> = a.iter().chain(&b).map(|(name, _)| name).collect();
            for name in names {
                let find =
                    |list: &[(String, Json)]| list.iter().find(|(other, _)| other == name).map(|(_, v)| v.clone());
                compare(&join(name), find(&a).as_ref(), find(&b).as_ref(), differences);
            }
        }
        (Some(Json::Array(a)), Some(Json::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                compare(&format!("{path}[{}]", index + 1), a.get(index), b.get(index), differences);
            }
        }
        _ => differences.push(Difference {
            path: path.to_owned(),
            first: first.map(ToString::to_string),
            second: second.map(ToString::to_string),
        }),
    }
}
