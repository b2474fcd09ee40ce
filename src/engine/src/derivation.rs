//! Derivations: how to produce content, as data. Pure: nothing here touches the file system.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::encode::{self, FORMAT, Recipe, References};
use crate::hash::{Hash, Hasher, Sink};
use crate::names::{Name, ObjectName, OutputName, Placeholder, Version};
use crate::settings::System;
use crate::store::Outputs;
use crate::value::{Bytes, Captures, Function, Positions, Value};

/// What a config says of a derivation.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: Option<Version>,
    /// Its outputs, in order of declaration.
    pub outputs: Vec<OutputName>,
    /// The platform it is built for.
    pub system: Arc<System>,
    /// Its options, evaluated.
    pub opts: Value,
    /// The function that builds it.
    pub config: Arc<Function>,
    /// The SHA-256 of the NAR of its only output, when that is declared.
    pub output_hash: Option<Hash>,
}

/// A derivation with its hash.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivation {
    /// What the config says.
    pub spec: Spec,
    /// The hash of the recipe.
    pub hash: Hash,
    /// The outputs of other derivations that occur in it, by placeholder.
    pub placeholders: BTreeMap<Placeholder, (Hash, OutputName)>,
    /// The derivations it depends on.
    pub dependencies: BTreeSet<Hash>,
    /// The chain of positions that declared it, innermost first. No part of the hash.
    pub positions: Positions,
    /// The placeholders of its outputs, in their order.
    own: Vec<Placeholder>,
}

/// A placeholder that belongs to no derivation known here.
#[derive(Debug, thiserror::Error)]
#[error("{0} is the placeholder of no derivation that was declared here")]
pub struct UnknownPlaceholder(pub Placeholder);

impl Derivation {
    /// Computes hash and dependencies; `owner` tells which derivation a placeholder belongs to.
    ///
    /// # Errors
    /// When `owner` does not know a placeholder.
    pub fn new(
        spec: Spec,
        owner: impl Fn(Placeholder) -> Option<(Hash, OutputName)>,
    ) -> Result<Derivation, UnknownPlaceholder> {
        let mut placeholders = BTreeMap::new();
        let mut dependencies = BTreeSet::new();
        let mut unknown = None;
        let mut visit = |value: &Value| match value {
            Value::Derivation(hash) => {
                dependencies.insert(*hash);
            }
            Value::Bytes(text) => note_placeholders(text, &owner, &mut placeholders, &mut unknown),
            Value::Map(map) => {
                for key in map.keys() {
                    note_placeholders(key, &owner, &mut placeholders, &mut unknown);
                }
            }
            _ => {}
        };
        spec.opts.walk(&mut visit);
        spec.config.captures.iter().for_each(|(_, value)| value.walk(&mut visit));
        if let Some(unknown) = unknown {
            return Err(UnknownPlaceholder(unknown));
        }
        dependencies.extend(placeholders.values().map(|(hash, _)| *hash));
        let hash = hash(&spec, &Recipe);
        let own = spec.outputs.iter().map(|output| Placeholder::new(hash, output)).collect();
        Ok(Derivation { spec, hash, placeholders, dependencies, positions: Positions::default(), own })
    }

    /// Adds who declared it.
    #[must_use]
    pub fn declared_at(mut self, positions: Positions) -> Derivation {
        self.positions = positions;
        self
    }

    /// Returns name and version for people.
    pub fn title(&self) -> String {
        let version = self.spec.version.as_ref().map(|version| format!(" {version}"));
        format!("{}{}", self.spec.name, version.unwrap_or_default())
    }

    /// Returns the placeholder of an output.
    pub fn placeholder(&self, output: &OutputName) -> Placeholder {
        let place = self.spec.outputs.iter().position(|own| own == output);
        place.map_or_else(|| Placeholder::new(self.hash, output), |place| self.own[place])
    }

    /// Returns its outputs and their placeholders.
    pub fn outputs(&self) -> impl Iterator<Item = (&OutputName, Placeholder)> {
        self.spec.outputs.iter().zip(self.own.iter().copied())
    }

    /// Returns the hash in which dependencies stand as the objects they became.
    ///
    /// `realized` tells the objects of each dependency.
    pub fn resolved_hash(&self, realized: &BTreeMap<Hash, Outputs>) -> Hash {
        hash(&self.spec, &Resolved { derivation: self, realized })
    }

    /// Returns the names its outputs have in its slot while it is built.
    pub fn temporary_names(&self) -> BTreeMap<OutputName, ObjectName> {
        let spec = &self.spec;
        let name = |output| ObjectName::new(&spec.name, spec.version.as_ref(), output, self.hash);
        spec.outputs.iter().map(|output| (output.clone(), name(output))).collect()
    }

    /// Returns the description that `.drv` files hold: every input of the hash.
    pub fn description(&self) -> Description<'_> {
        let spec = &self.spec;
        Description {
            format: FORMAT,
            name: &spec.name,
            version: spec.version.as_ref(),
            outputs: &spec.outputs,
            sys: &spec.system,
            opts: &spec.opts,
            config: ConfigDescription { text: Bytes(&spec.config.text), captures: Captures(&spec.config.captures) },
            dependencies: &self.dependencies,
            output_sha256: spec.output_hash,
        }
    }
}

/// A derivation as `.drv` files hold it.
#[derive(Serialize)]
pub struct Description<'a> {
    format: u64,
    name: &'a Name,
    version: Option<&'a Version>,
    outputs: &'a [OutputName],
    sys: &'a System,
    opts: &'a Value,
    config: ConfigDescription<'a>,
    dependencies: &'a BTreeSet<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_sha256: Option<Hash>,
}

#[derive(Serialize)]
struct ConfigDescription<'a> {
    text: Bytes<'a>,
    captures: Captures<'a>,
}

fn note_placeholders(
    text: &[u8],
    owner: &impl Fn(Placeholder) -> Option<(Hash, OutputName)>,
    placeholders: &mut BTreeMap<Placeholder, (Hash, OutputName)>,
    unknown: &mut Option<Placeholder>,
) {
    let mut rest = text;
    while let Some((start, placeholder)) = Placeholder::find(rest) {
        match owner(placeholder) {
            Some(found) => {
                placeholders.insert(placeholder, found);
            }
            None => *unknown = Some(placeholder),
        }
        rest = &rest[start + Placeholder::LENGTH..];
    }
}

/// References stand for the objects they became, so that equal content means an equal hash.
struct Resolved<'a> {
    derivation: &'a Derivation,
    realized: &'a BTreeMap<Hash, Outputs>,
}

impl References for Resolved<'_> {
    fn derivation(&self, hash: Hash) -> Vec<u8> {
        let mut text = Vec::new();
        for (output, object) in self.realized.get(&hash).into_iter().flatten() {
            encode::bytes(&mut text, output.as_str().as_bytes());
            encode::bytes(&mut text, object.as_str().as_bytes());
        }
        text
    }

    fn placeholder(&self, placeholder: Placeholder) -> Vec<u8> {
        let object = self
            .derivation
            .placeholders
            .get(&placeholder)
            .and_then(|(hash, output)| self.realized.get(hash).and_then(|outputs| outputs.get(output)));
        object.map(|object| object.as_str().as_bytes().to_vec()).unwrap_or_default()
    }
}

fn hash(spec: &Spec, references: &dyn References) -> Hash {
    let mut hasher = Hasher::default();
    hasher.put(b"syslua derivation");
    encode::number(&mut hasher, FORMAT);
    encode::bytes(&mut hasher, spec.name.as_str().as_bytes());
    match &spec.version {
        Some(version) => {
            hasher.put(b"v");
            encode::bytes(&mut hasher, version.as_str().as_bytes());
        }
        None => hasher.put(b"-"),
    }
    encode::number(&mut hasher, spec.outputs.len() as u64);
    for output in &spec.outputs {
        encode::bytes(&mut hasher, output.as_str().as_bytes());
    }
    for part in [&spec.system.platform, &spec.system.os, &spec.system.arch] {
        encode::bytes(&mut hasher, part.as_bytes());
    }
    encode::value(&mut hasher, references, &spec.opts);
    encode::function(&mut hasher, references, &spec.config);
    if let Some(output_hash) = spec.output_hash {
        hasher.put(b"h");
        hasher.put(output_hash.as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(opts: Value) -> Spec {
        Spec {
            name: Name::parse("demo").unwrap(),
            version: None,
            outputs: vec![OutputName::main()],
            system: Arc::new(System::new("x86_64", "linux")),
            opts,
            config: Arc::new(Function { text: b"function() end".to_vec(), captures: Vec::new() }),
            output_hash: None,
        }
    }

    fn text(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn a_placeholder_inside_a_string_is_a_dependency() {
        let dependency = Derivation::new(spec(text("dependency")), |_| None).unwrap();
        let placeholder = dependency.placeholder(&OutputName::main());
        let path = text(&format!("{placeholder}/bin/cc"));
        let owner = |found| (found == placeholder).then(|| (dependency.hash, OutputName::main()));
        let user = Derivation::new(spec(path.clone()), owner).unwrap();
        assert!(user.dependencies.contains(&dependency.hash));
        assert!(Derivation::new(spec(path), |_| None).is_err());
    }

    #[test]
    fn the_resolved_hash_sees_only_what_dependencies_became() {
        let dependency = |opts: &str| Derivation::new(spec(text(opts)), |_| None).unwrap();
        let (first, second) = (dependency("1"), dependency("2"));
        let user = |of: &Derivation| Derivation::new(spec(Value::Derivation(of.hash)), |_| None).unwrap();
        let object = ObjectName::parse("demo-123456789").unwrap();
        let outputs = Outputs::from_iter([(OutputName::main(), object)]);
        let resolved = |of: &Derivation| user(of).resolved_hash(&BTreeMap::from([(of.hash, outputs.clone())]));
        assert_ne!(user(&first).hash, user(&second).hash);
        assert_eq!(resolved(&first), resolved(&second));
    }
}
