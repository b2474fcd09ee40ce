//! Derivations: how to produce content, as data. Pure: nothing here touches the file system.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::encode::{self, FORMAT, References};
use crate::hash::{Hash, Hasher, Sink};
use crate::names::{Name, ObjectName, OutputName, Placeholder, Version};
use crate::settings::System;
use crate::store::Outputs;
use crate::value::{Bytes, Captures, Function, Positions, Source, Value};

/// Raised when a file recipe makes something else than before, so that files are built again.
const FILE_FORMAT: u64 = 1;

/// How content is produced.
#[derive(Clone, Debug, PartialEq)]
pub enum Recipe {
    /// A file or tree that is given as data. The engine builds it without Lua.
    File(FileRecipe),
    /// A function of Lua and its options.
    Function {
        /// The options, evaluated.
        opts: Value,
        /// The function.
        config: Arc<Function>,
    },
}

/// What a file or tree is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRecipe {
    /// Its content.
    pub content: FileContent,
    /// Whether it can be run, whatever the mode of its source.
    pub executable: bool,
}

/// Where the content of a file recipe is from.
#[derive(Clone, Debug, PartialEq)]
pub enum FileContent {
    /// These bytes. Placeholders in them become paths.
    Text(Vec<u8>),
    /// A local file or tree.
    Source(Source),
    /// A path in what another derivation makes, with a placeholder.
    Built(Vec<u8>),
    /// A directory with one file of this name: some programs know a file by its name.
    Named(String, Vec<u8>),
}

impl Recipe {
    /// Calls `visit` for every value in it.
    fn walk(&self, visit: &mut impl FnMut(&Value)) {
        if let Recipe::Function { opts, config } = self {
            opts.walk(visit);
            config.captures.iter().for_each(|(_, value)| value.walk(visit));
        }
    }

    /// Returns the local files and trees that it reads.
    pub fn sources(&self) -> Vec<&Source> {
        let mut sources = Vec::new();
        match self {
            Recipe::File(FileRecipe { content: FileContent::Source(source), .. }) => {
                sources.push(source);
            }
            Recipe::File(_) => {}
            Recipe::Function { opts, config } => {
                opts.add_sources(&mut sources);
                config.captures.iter().for_each(|(_, value)| value.add_sources(&mut sources));
            }
        }
        sources
    }
}

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
    /// How it is built.
    pub recipe: Recipe,
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
#[error("{0} is not the placeholder of a declared derivation")]
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
        spec.recipe.walk(&mut visit);
        if let Recipe::File(FileRecipe {
            content:
                FileContent::Text(text) | FileContent::Built(text) | FileContent::Named(_, text),
            ..
        }) = &spec.recipe
        {
            note_placeholders(text, &owner, &mut placeholders, &mut unknown);
        }
        if let Some(unknown) = unknown {
            return Err(UnknownPlaceholder(unknown));
        }
        dependencies.extend(placeholders.values().map(|(hash, _)| *hash));
        let hash = hash(&spec, &encode::Recipe);
        let own = spec.outputs.iter().map(|output| Placeholder::new(hash, output)).collect();
        Ok(Derivation {
            spec,
            hash,
            placeholders,
            dependencies,
            positions: Positions::default(),
            own,
        })
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

    /// Returns the hash in which dependencies count by their objects.
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
        let (format, sys, file, opts, config) = match &spec.recipe {
            Recipe::File(file) => (FILE_FORMAT, None, Some(FileDescription::new(file)), None, None),
            Recipe::Function { opts, config } => {
                let config = ConfigDescription {
                    text: Bytes(&config.text),
                    captures: Captures(&config.captures),
                };
                (FORMAT, Some(spec.system.as_ref()), None, Some(opts), Some(config))
            }
        };
        Description {
            format,
            name: &spec.name,
            version: spec.version.as_ref(),
            outputs: &spec.outputs,
            sys,
            file,
            opts,
            config,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    sys: Option<&'a System>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileDescription<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opts: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<ConfigDescription<'a>>,
    dependencies: &'a BTreeSet<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_sha256: Option<Hash>,
}

#[derive(Serialize)]
struct ConfigDescription<'a> {
    text: Bytes<'a>,
    captures: Captures<'a>,
}

/// A file recipe: one of `content`, `source` (a SHA-256) and `built` (a path). With `name` it is a
/// directory with a file of that name.
#[derive(Default, Serialize)]
struct FileDescription<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    built: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    executable: bool,
}

impl<'a> FileDescription<'a> {
    fn new(file: &'a FileRecipe) -> FileDescription<'a> {
        let description =
            FileDescription { executable: file.executable, ..FileDescription::default() };
        match &file.content {
            FileContent::Text(text) => {
                FileDescription { content: Some(Bytes(text)), ..description }
            }
            FileContent::Source(source) => {
                FileDescription { source: Some(source.nar), ..description }
            }
            FileContent::Built(path) => FileDescription { built: Some(Bytes(path)), ..description },
            FileContent::Named(name, text) => {
                FileDescription { content: Some(Bytes(text)), name: Some(name), ..description }
            }
        }
    }
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
        let object = self.derivation.placeholders.get(&placeholder).and_then(|(hash, output)| {
            self.realized.get(hash).and_then(|outputs| outputs.get(output))
        });
        object.map(|object| object.as_str().as_bytes().to_vec()).unwrap_or_default()
    }
}

fn hash(spec: &Spec, references: &dyn References) -> Hash {
    let mut hasher = Hasher::default();
    match &spec.recipe {
        Recipe::File(file) => put_file(&mut hasher, references, spec, file),
        Recipe::Function { opts, config } => {
            put_function(&mut hasher, spec);
            encode::value(&mut hasher, references, opts);
            encode::function(&mut hasher, references, config);
        }
    }
    if let Some(output_hash) = spec.output_hash {
        hasher.put(b"h");
        hasher.put(output_hash.as_bytes());
    }
    hasher.finish()
}

/// Writes a file recipe. It makes the same on every platform, which is why that is not in it.
fn put_file(hasher: &mut Hasher, references: &dyn References, spec: &Spec, file: &FileRecipe) {
    hasher.put(b"syslua file");
    encode::number(hasher, FILE_FORMAT);
    encode::bytes(hasher, spec.name.as_str().as_bytes());
    hasher.put(if file.executable { b"x" } else { b"-" });
    match &file.content {
        FileContent::Text(text) => {
            hasher.put(b"t");
            encode::text(hasher, references, text);
        }
        FileContent::Source(source) => {
            hasher.put(b"s");
            hasher.put(source.nar.as_bytes());
        }
        FileContent::Built(path) => {
            hasher.put(b"b");
            encode::text(hasher, references, path);
        }
        FileContent::Named(name, text) => {
            hasher.put(b"n");
            encode::bytes(hasher, name.as_bytes());
            encode::text(hasher, references, text);
        }
    }
}

/// Writes what a derivation with a function is besides its options and the function.
fn put_function(hasher: &mut Hasher, spec: &Spec) {
    hasher.put(b"syslua derivation");
    encode::number(hasher, FORMAT);
    encode::bytes(hasher, spec.name.as_str().as_bytes());
    match &spec.version {
        Some(version) => {
            hasher.put(b"v");
            encode::bytes(hasher, version.as_str().as_bytes());
        }
        None => hasher.put(b"-"),
    }
    encode::number(hasher, spec.outputs.len() as u64);
    for output in &spec.outputs {
        encode::bytes(hasher, output.as_str().as_bytes());
    }
    for part in [&spec.system.platform, &spec.system.os, &spec.system.arch] {
        encode::bytes(hasher, part.as_bytes());
    }
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
            recipe: Recipe::Function {
                opts,
                config: Arc::new(Function {
                    text: b"function() end".to_vec(),
                    captures: Vec::new(),
                }),
            },
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
        let user =
            |of: &Derivation| Derivation::new(spec(Value::Derivation(of.hash)), |_| None).unwrap();
        let object = ObjectName::parse("demo-123456789").unwrap();
        let outputs = Outputs::from_iter([(OutputName::main(), object)]);
        let resolved =
            |of: &Derivation| user(of).resolved_hash(&BTreeMap::from([(of.hash, outputs.clone())]));
        assert_ne!(user(&first).hash, user(&second).hash);
        assert_eq!(resolved(&first), resolved(&second));
    }

    fn file(content: FileContent, executable: bool) -> Spec {
        Spec { recipe: Recipe::File(FileRecipe { content, executable }), ..spec(Value::Nil) }
    }

    #[test]
    fn file_recipes_differ_in_each_of_their_parts() {
        let source = |nar: &[u8], path: &str| {
            FileContent::Source(Source {
                path: path.into(),
                nar: Hash::of(nar),
                excluded: BTreeSet::new(),
            })
        };
        let hash = |spec: Spec| Derivation::new(spec, |_| None).unwrap().hash;
        let plain = || FileContent::Text(b"a".to_vec());
        let named = Spec { name: Name::parse("other").unwrap(), ..file(plain(), false) };
        let different = [
            hash(file(plain(), false)),
            hash(file(plain(), true)),
            hash(file(FileContent::Text(b"b".to_vec()), false)),
            hash(file(FileContent::Built(b"a".to_vec()), false)),
            hash(file(source(b"1", "/a"), false)),
            hash(file(source(b"2", "/a"), false)),
            hash(named),
            hash(spec(text("a"))),
        ];
        assert_eq!(different.iter().collect::<BTreeSet<_>>().len(), different.len());
        // Neither the place of a source nor the platform matters.
        assert_eq!(hash(file(source(b"1", "/a"), false)), hash(file(source(b"1", "/b.c"), false)));
        let elsewhere =
            Spec { system: Arc::new(System::new("aarch64", "darwin")), ..file(plain(), false) };
        assert_eq!(hash(elsewhere), hash(file(plain(), false)));
    }

    #[test]
    fn a_file_depends_on_what_its_text_names() {
        let dependency = Derivation::new(spec(text("dependency")), |_| None).unwrap();
        let path = format!("{}/bin/cc", dependency.placeholder(&OutputName::main())).into_bytes();
        let owner = |_| Some((dependency.hash, OutputName::main()));
        for content in [FileContent::Text(path.clone()), FileContent::Built(path)] {
            let user = Derivation::new(file(content, false), owner).unwrap();
            assert!(user.dependencies.contains(&dependency.hash));
            let resolved = |name: &str| {
                let outputs =
                    Outputs::from_iter([(OutputName::main(), ObjectName::parse(name).unwrap())]);
                user.resolved_hash(&BTreeMap::from([(dependency.hash, outputs)]))
            };
            assert_ne!(resolved("demo-123456789"), resolved("demo-123456780"));
        }
    }
}
