//! The manifest: everything that a config declares, as plain data.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::activation::DeclaredAction;
use crate::derivation::{Derivation, Description};
use crate::hash::{DigestMap, DigestSet, Hash};
use crate::names::{OutputName, Placeholder, Segment};
use crate::value::Text;

/// The version of the manifest's JSON.
pub const VERSION: u32 = 1;

/// What a config declares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// The derivations, in order of declaration; each after those it depends on.
    pub derivations: Vec<Arc<Derivation>>,
    /// The recorded actions, in order of declaration.
    pub activations: Vec<Arc<DeclaredAction>>,
    /// The entry file.
    pub config_path: Option<PathBuf>,
    /// The Lua files that were loaded, by their absolute path, and their texts.
    pub files: Vec<(Text, Vec<u8>)>,
    /// What is read besides the sources of derivations and the files of the config: links to
    /// sources, sources with the content of another one, and installed modules.
    pub also_read: Vec<PathBuf>,
}

/// A derivation as the manifest has it.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    description: Description<'a>,
    hash: Hash,
    positions: &'a [String],
}

impl<'a> Entry<'a> {
    fn new(derivation: &'a Derivation) -> Entry<'a> {
        Entry {
            description: derivation.description(),
            hash: derivation.hash,
            positions: &derivation.positions,
        }
    }
}

impl Serialize for Manifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let derivations: Vec<_> =
            self.derivations.iter().map(|derivation| Entry::new(derivation)).collect();
        let mut json = serializer.serialize_struct("Manifest", 3)?;
        json.serialize_field("version", &VERSION)?;
        json.serialize_field("derivations", &derivations)?;
        json.serialize_field("activations", &self.activations)?;
        json.end()
    }
}

impl Manifest {
    /// Returns the canonical JSON. It holds no path of the config, so that a copy gives the same.
    pub fn to_json(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Returns the text of the same.
    pub fn to_text(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Returns the recorded actions, in order of declaration.
    pub fn actions(&self) -> impl ExactSizeIterator<Item = &DeclaredAction> + Clone {
        self.activations.iter().map(AsRef::as_ref)
    }

    /// Returns which derivation and output each placeholder stands for.
    pub fn owners(&self) -> DigestMap<Placeholder, (&Arc<Derivation>, &OutputName)> {
        let outputs = self.derivations.iter().flat_map(|derivation| {
            derivation
                .outputs()
                .map(move |(output, placeholder)| (placeholder, (derivation, output)))
        });
        outputs.collect()
    }

    /// Returns the hashes of the derivations that an apply realizes: those that no other one here
    /// uses, and those that actions name. Build-only dependencies may be missing later.
    pub fn wanted(&self) -> BTreeSet<Hash> {
        let used: DigestSet<Hash> = self
            .derivations
            .iter()
            .flat_map(|derivation| derivation.dependencies.iter().copied())
            .collect();
        let mut wanted: BTreeSet<Hash> = self
            .derivations
            .iter()
            .map(|derivation| derivation.hash)
            .filter(|hash| !used.contains(hash))
            .collect();
        if used.is_empty() {
            return wanted;
        }
        let owners = self.owners();
        for text in self.actions().flat_map(|activation| activation.action.texts()) {
            for segment in Placeholder::split(&text.0) {
                if let Segment::Placeholder(placeholder) = segment {
                    wanted.extend(owners.get(&placeholder).map(|(derivation, _)| derivation.hash));
                }
            }
        }
        wanted
    }
}
