//! Verbs that only look: what is in the store, and how derivations differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::report::{
    ActionsReport, CheckReport, DiffReport, Difference, InfoReport, ListReport, ObjectReport, UnreadableReport,
};
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
        let (mut objects, mut unreadable) = (Vec::new(), Vec::new());
        for (entry, _) in entries {
            let Some(object) = entry.to_str().and_then(|name| ObjectName::parse(name).ok()) else { continue };
            match read_info(&self.store, &object) {
                Ok(Some(info)) => objects.push(ObjectReport {
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
                }),
                Ok(None) => unreadable.push(UnreadableReport { object, problem: "it has no record".to_owned() }),
                Err(error) => unreadable.push(UnreadableReport { object, problem: error.to_string() }),
            }
        }
        Ok(ListReport { root: self.settings.root.clone(), objects, unreadable })
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
            size: listed.objects.iter().map(|object| object.size).fold(0, u64::saturating_add),
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
                // The entries of a table stand for the table, and what a function captures for the function.
                let inner = if key == "$table" || key == "$captures" { path.to_owned() } else { join(key) };
                match (key.as_str(), a.get(key), b.get(key)) {
                    ("captures" | "$captures" | "$table", Some(Json::Array(a)), Some(Json::Array(b))) => {
                        compare_pairs(&inner, a, b, differences);
                    }
                    (_, a, b) => compare(&inner, a, b, differences),
                }
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

/// Compares lists of keys and values, such as those of captured variables: the key tells more than a number, and one
/// more is one difference. Keys that are tables may occur several times, and are compared in their order.
fn compare_pairs(path: &str, first: &[Json], second: &[Json], differences: &mut Vec<Difference>) {
    let group = |pairs: &[Json]| -> BTreeMap<String, Vec<Json>> {
        let mut groups: BTreeMap<String, Vec<Json>> = BTreeMap::new();
        for pair in pairs {
            let key = match pair.get(0) {
                Some(Json::String(name)) if path.is_empty() => name.clone(),
                Some(Json::String(name)) => format!("{path}.{name}"),
                Some(other) => format!("{path}[{other}]"),
                None => continue,
            };
            groups.entry(key).or_default().push(pair.get(1).cloned().unwrap_or_default());
        }
        groups
    };
    let (first, second) = (group(first), group(second));
    let keys: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    for key in keys {
        let (a, b) = (first.get(key), second.get(key));
        for index in 0..a.map_or(0, Vec::len).max(b.map_or(0, Vec::len)) {
            let of = |values: Option<&Vec<Json>>| values.and_then(|values| values.get(index).cloned());
            compare(key, of(a).as_ref(), of(b).as_ref(), differences);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(first: &Json, second: &Json) -> Vec<String> {
        let mut differences = Vec::new();
        compare("", Some(first), Some(second), &mut differences);
        differences.into_iter().map(|difference| difference.path).collect()
    }

    #[test]
    fn one_key_more_in_a_captured_table_is_one_difference() {
        let config = |entries: Json| json!({ "config": { "captures": [["t", { "$table": entries }]] } });
        let first = config(json!([["b", 1], ["c", 2], ["d", 3]]));
        assert_eq!(paths(&first, &config(json!([["a", 0], ["b", 1], ["c", 2], ["d", 3]]))), ["config.captures.t.a"]);
        assert_eq!(paths(&first, &config(json!([["b", 1], ["c", 4], ["d", 3]]))), ["config.captures.t.c"]);
        assert_eq!(
            paths(&config(json!([[1, 1]])), &config(json!([[1, 2], [2, 3]]))),
            ["config.captures.t[1]", "config.captures.t[2]"]
        );
        let function = |value| config(json!([["f", { "$function": "", "$captures": [["y", value]] }]]));
        assert_eq!(paths(&function(1), &function(2)), ["config.captures.t.f.y"]);
    }
}
