//! Functions that only read: the contents of the store, and the difference between derivations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::derivation_diff::differences;
use super::diff_report::DiffReport;
use super::report::{
    ActionsReport, CheckReport, InfoReport, ListReport, ObjectReport, UnreadableReport,
};
use super::report::{derivation_report, snapshot_report};
use super::{Engine, Error};
use crate::derivation::Derivation;
use crate::generations;
use crate::hash::Hash;
use crate::names::ObjectName;
use crate::platform;
use crate::platform::jail::Level;
use crate::realize::{self, Tasks};
use crate::store::{
    self, ObjectInfo, Outputs, Store, list_derivations, read_derivation, read_info,
    recorded_outputs,
};

impl Engine {
    /// Lists the objects of the store.
    ///
    /// # Errors
    /// When the store or the current snapshot cannot be read.
    pub fn list(&self) -> Result<ListReport, Error> {
        let current = generations::current(&self.store)?;
        let current: BTreeSet<&ObjectName> =
            current.derivations.values().flat_map(Outputs::values).collect();
        let entries = match platform::list_directory(self.store.objects()) {
            Err(error) if error.is_not_found() => Vec::new(),
            entries => entries.map_err(store::Error::from)?,
        };
        let (mut objects, mut unreadable) = (Vec::new(), Vec::new());
        for (entry, _) in entries {
            let Some(object) = entry.to_str().and_then(ObjectName::of_file) else { continue };
            match read_info(&self.store, &object) {
                Ok(Some(info)) => objects.push(ObjectReport {
                    sandbox: self.level_of(&object, &info),
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
                    current: current.contains(&object),
                    object,
                }),
                // gc removed it in the meantime.
                Ok(None) if !platform::exists(&self.store.object(&object)) => {}
                Ok(None) => unreadable
                    .push(UnreadableReport { object, problem: "it has no record".to_owned() }),
                Err(error) => {
                    unreadable.push(UnreadableReport { object, problem: error.to_string() });
                }
            }
        }
        Ok(ListReport { root: self.settings.root.clone(), objects, unreadable })
    }

    /// Returns the sandbox level of the programs that built an object, from the record of its
    /// derivation. In older versions the record of the object has it.
    fn level_of(&self, object: &ObjectName, info: &ObjectInfo) -> Level {
        let recorded = recorded_outputs(&self.store, info.deriver).unwrap_or_default();
        let level = recorded
            .iter()
            .find(|outputs| outputs.values().any(|known| known == object))
            .map(Outputs::level);
        level.filter(|level| *level != Level::Unknown).unwrap_or(info.sandbox)
    }

    /// Returns the applied actions, with the lines that declared them and the declarations that
    /// they override.
    ///
    /// # Errors
    /// When the current snapshot cannot be read.
    pub fn actions(&self) -> Result<ActionsReport, Error> {
        let current = generations::current(&self.store)?;
        Ok(ActionsReport {
            root: self.settings.root.clone(),
            snapshot: snapshot_report(&current),
            environments: super::environment::stamps(
                self.store.root(),
                &current,
                &self.settings.home,
            ),
            actions: current.activations,
        })
    }

    /// Describes the root.
    ///
    /// # Errors
    /// When the store or the current snapshot cannot be read.
    pub fn info(&self) -> Result<InfoReport, Error> {
        let listed = self.list()?;
        Ok(InfoReport {
            platform: self.settings.system.platform.clone(),
            snapshot: snapshot_report(&generations::current(&self.store)?),
            objects: listed.objects.len(),
            size: listed.objects.iter().map(|object| object.size).fold(0, u64::saturating_add),
            root: listed.root,
        })
    }

    /// Returns the differing inputs of two derivations. The beginning of its hash identifies each.
    ///
    /// # Errors
    /// When one is unknown or ambiguous, or its description cannot be read.
    pub fn diff_derivations(&self, first: &str, second: &str) -> Result<DiffReport, Error> {
        let (first, second) = (self.get_derivation(first)?, self.get_derivation(second)?);
        let (old, new) =
            (read_derivation(&self.store, first)?, read_derivation(&self.store, second)?);
        let label = |hash: &str| label(&self.store, hash);
        let differences = differences(&old, &new, &label);
        Ok(DiffReport { first, second, differences })
    }

    fn get_derivation(&self, prefix: &str) -> Result<Hash, Error> {
        match list_derivations(&self.store, prefix)?.as_slice() {
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
    ) -> Result<CheckReport, Error> {
        let wanted: BTreeSet<Hash> =
            derivation.dependencies.iter().copied().chain([derivation.hash]).collect();
        let realized = realize::realize(
            &self.store,
            &self.settings,
            derivations,
            &wanted,
            BTreeMap::new(),
            tasks,
        )?;
        let outputs = realized.outputs.get(&derivation.hash).cloned().unwrap_or_default();
        let paths = outputs
            .iter()
            .map(|(output, object)| (output.to_string(), self.store.object(object)))
            .collect();
        let difference =
            realize::check(&self.store, &self.settings, derivation, &realized.outputs, tasks)?;
        let mut report = CheckReport {
            derivation: derivation_report(derivation, paths),
            reproducible: difference.is_none(),
            output: None,
            file: None,
            how: None,
        };
        if let Some(difference) = difference {
            report.output = Some(difference.output.to_string());
            report.file = Some(difference.file);
            report.how = Some(difference.how);
        }
        Ok(report)
    }
}

/// Returns the name and version of a derivation, given by its hash, when its description can be
/// read.
fn label(store: &Store, hash: &str) -> Option<String> {
    let description = read_derivation(store, Hash::parse(hash).ok()?).ok()?;
    let name = description.get("name")?.as_str()?;
    let version = description.get("version").and_then(Json::as_str);
    Some(version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}")))
}
