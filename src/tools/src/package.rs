//! A package as its registry describes it: layers, which [`crate::resolve`] joins. Unknown fields
//! are omitted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};

/// A package.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// The name, mostly `owner/repo`.
    pub name: String,
    /// Former names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Its description, in a line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The newest tag that the registry's own tests use: its prefix is that of the tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
    /// The other tags that the registry's own tests use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tested: Vec<String>,
    /// What counts where no override says otherwise.
    pub base: Layer,
}

/// A layer: the base of a package, an override by version, or one by platform.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layer {
    /// How it is released.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The owner of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo_owner: Option<String>,
    /// The name of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo_name: Option<String>,
    /// The template of the file's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<String>,
    /// The template of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The template of a path in the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The format of what is downloaded: `tar.gz`, `zip`, `raw`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The programs in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<File>>,
    /// Words for systems and processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacements: Option<BTreeMap<String, String>>,
    /// By platform; the first that fits counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Vec<Layer>>,
    /// The format by system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format_overrides: Option<Vec<FormatOverride>>,
    /// The platforms that it is released for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supported_envs: Option<Vec<String>>,
    /// Whether macOS on ARM takes the file for x86.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rosetta2: Option<bool>,
    /// Whether Windows on ARM takes the file for x86.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows_arm_emulation: Option<bool>,
    /// Whether names get an ending on Windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_windows_ext: Option<bool>,
    /// Which ending that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows_ext: Option<String>,
    /// Whether the format is added to names without an ending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_ext: Option<bool>,
    /// Whether there is no file to download.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_asset: Option<bool>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Where the checksum is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// An expression: whether a tag is one of this package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_filter: Option<String>,
    /// The prefix of the version in a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_prefix: Option<String>,
    /// Values that the user may choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vars: Option<Vec<Variable>>,
    /// A signature by cosign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cosign: Option<Signature>,
    /// A signature by minisign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minisign: Option<Signature>,
    /// A provenance of SLSA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slsa_provenance: Option<Signature>,
    /// An attestation of GitHub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github_artifact_attestations: Option<Signature>,

    /// An expression: when the layer counts.
    #[serde(deserialize_with = "expression", skip_serializing_if = "Option::is_none")]
    pub version_constraint: Option<String>,
    /// By version; the first that holds counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub version_overrides: Vec<Layer>,

    /// Of an override by platform: the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goos: Option<String>,
    /// Of an override by platform: the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goarch: Option<String>,
    /// Of an override by platform: such as `linux/amd64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envs: Option<Vec<String>>,
    /// Of an override by platform: further facts, such as the C library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variants: Option<Vec<Variant>>,
}

/// Reads an expression: `true` may be without quotes.
fn expression<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Bool(bool),
        Text(String),
    }
    Ok(Option::<Given>::deserialize(deserializer)?.map(|given| match given {
        Given::Bool(value) => value.to_string(),
        Given::Text(text) => text,
    }))
}

/// A program in what is downloaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// What the program is called.
    pub name: String,
    /// The template of its path in the unpacked archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<String>,
    /// A further name for it, beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Whether the further name must be a separate file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard: Option<bool>,
}

/// The format of one system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FormatOverride {
    /// The system.
    pub goos: String,
    /// The format of what is downloaded: `tar.gz`, `zip`, `raw`.
    pub format: String,
}

/// Where the checksums of a release are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checksum {
    /// `github_release` or `http`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The template of its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<String>,
    /// The template of its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `sha256`, `sha512`, `sha1` or `md5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// `regexp` when `pattern` counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_format: Option<String>,
    /// How lines are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// Whether it is there: `false` takes back what is said above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Words for systems and processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacements: Option<BTreeMap<String, String>>,
    /// Its signature by cosign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cosign: Option<Signature>,
    /// Its signature by minisign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minisign: Option<Signature>,
    /// Its attestation of GitHub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github_artifact_attestations: Option<Signature>,
}

/// How a file of checksums is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pattern {
    /// A regular expression whose first group is the checksum.
    pub checksum: String,
    /// One whose first group is the name of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// A value that the user may choose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// The value when nothing is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// That there is a signature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Signature {
    /// Whether it is there: `false` takes back what is said above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Of minisign: `github_release` or `http`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of minisign: the template of the name of the signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<String>,
    /// Of minisign: the template of its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of minisign: the key that signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// A further fact of a platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Which fact.
    pub key: String,
    /// What it must be.
    pub value: String,
}

/// An entry of `packages` in a `registry.yaml`.
#[derive(Deserialize)]
pub(crate) struct Entry {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    aliases: Vec<Alias>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    search_words: Vec<String>,
    #[serde(flatten)]
    base: Layer,
}

#[derive(Deserialize)]
struct Alias {
    name: String,
}

impl Entry {
    /// Makes a package of it; answers its words for searches too.
    pub(crate) fn into_package(self) -> Option<(Package, Vec<String>)> {
        let name = match (self.name, &self.base) {
            (Some(name), _) => name,
            (None, Layer { repo_owner: Some(owner), repo_name: Some(name), .. }) => {
                format!("{owner}/{name}")
            }
            (None, Layer { path: Some(path), .. }) => path.clone(),
            _ => return None,
        };
        let package = Package {
            name,
            aliases: self.aliases.into_iter().map(|alias| alias.name).collect(),
            description: self.description.unwrap_or_default(),
            base: self.base,
            ..Package::default()
        };
        Some((package, self.search_words))
    }
}

impl Package {
    /// Returns what its only program is called where no files are named.
    pub fn default_program(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// Returns what its programs are called, in whatever version.
    pub fn programs(&self) -> BTreeSet<&str> {
        fn collect<'a>(layer: &'a Layer, names: &mut BTreeSet<&'a str>) {
            names.extend(layer.files.iter().flatten().map(|file| file.name.as_str()));
            layer.overrides.iter().flatten().for_each(|inner| collect(inner, names));
            layer.version_overrides.iter().for_each(|inner| collect(inner, names));
        }
        let mut names = BTreeSet::new();
        collect(&self.base, &mut names);
        if names.is_empty() {
            names.insert(self.default_program());
        }
        names
    }

    /// Returns whether some version of it is released as a file, and needs no compiler.
    pub fn is_released(&self) -> bool {
        fn needs_compiler(layer: &Layer) -> bool {
            matches!(layer.kind.as_deref(), Some("cargo" | "go_install" | "go_build"))
        }
        let mut overrides = self.base.version_overrides.iter();
        !needs_compiler(&self.base)
            || overrides.any(|layer| layer.kind.is_some() && !needs_compiler(layer))
    }

    /// Returns the repository of the tags, `owner/repo`.
    pub fn repository(&self) -> Option<String> {
        match (&self.base.repo_owner, &self.base.repo_name) {
            (Some(owner), Some(name)) => Some(format!("{owner}/{name}")),
            _ => None,
        }
    }
}
