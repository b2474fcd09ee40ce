//! The address of a package's release.
//!
//! It is over 600 lines, because the rules are applied in one order, and each is documented here.
//!
//! The rules, in the order in which they count:
//!
//! 1. **Version.** The `version_constraint` of the base is tried first. When it does not hold, the
//!    first of `version_overrides` whose constraint holds counts. When none holds, the base does,
//!    and so it does without a constraint. A constraint that cannot be evaluated does not hold.
//! 2. **Layers.** What an override by version gives replaces what the base has, whole parts too:
//!    `files`, `overrides`, `replacements`. A changed `type` forgets the fields of the other type.
//! 3. **`SemVer`** is the tag without `version_prefix`, which an override may replace.
//! 4. **No release.** `error_message` and `no_asset` say that there is none.
//! 5. **Platform.** Of `overrides` the first that fits the platform counts (`goos`, `goarch`,
//!    `envs`, `variants`); its `replacements` are added to those above it, key by key, all else
//!    replaces. `format_overrides` come before it.
//! 6. **Support.** `supported_envs` has systems, processors, `system/processor` and `all`. With
//!    `rosetta2` macOS on ARM is supported where x86 is, with `windows_arm_emulation` Windows.
//! 7. **Words.** `{{.OS}}` and `{{.Arch}}` are replaced by `replacements`; an emulated processor is
//!    `amd64` before that. `{{.GOOS}}` and `{{.GOARCH}}` never are.
//! 8. **Names.** The format is added to an asset without the ending of an archive, unless
//!    `append_ext` is false. On Windows raw files, and names without an ending if no format is
//!    given, get `.exe` (`windows_ext`, `complete_windows_ext`). A dot that only comes from the
//!    version is not an ending.
//! 9. **Addresses.** `github_release`: `HOST/OWNER/REPO/releases/download/TAG/ASSET`;
//!    `github_archive`: `HOST/OWNER/REPO/archive/refs/tags/TAG.tar.gz`; `github_content`:
//!    `RAW/OWNER/REPO/TAG/PATH`; `http`: the template `url`. Other types need a compiler.
//! 10. **Programs.** `files` names them, with `src`, a template of the path in the unpacked
//!     archive, whose top directory is part of it. Without `files` there is one program, with the
//!     name of the package.
//! 11. **Checksums.** `checksum` names a file of the release, or an address.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::expression::{self, Scope};
use crate::package::{Checksum, File, Layer, Package, Pattern, Signature};
use crate::platform::{PLATFORMS, Platform};
use crate::template::{Names, TemplateError, render};

/// The C library that files for Linux are chosen for.
const LIBC: &str = "glibc";

/// Where releases of GitHub are.
pub const GITHUB: &str = "https://github.com";

/// Where single files of repositories are.
pub const GITHUB_CONTENT: &str = "https://raw.githubusercontent.com";

/// Endings of archives and packed files, longest first. The format of a name is its ending.
const ENDINGS: [&str; 31] = [
    "tar.bz2", "tar.lz4", "tar.zst", "tar.br", "tar.gz", "tar.sz", "tar.xz", "tbz2", "tlz4", "tbr",
    "tbz", "tgz", "tsz", "txz", "tzst", "tar", "zip", "jar", "bz2", "lz4", "zst", "rar", "dmg",
    "pkg", "crx", "gz", "sz", "xz", "br", "7z", "deb",
];

/// A release for one platform.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// Where it is.
    pub url: String,
    /// The name of the file.
    pub asset: String,
    /// The format: `tar.gz`, `zip`, `raw`, `gz`, with short names written out.
    pub format: String,
    /// The programs.
    pub files: Vec<Program>,
    /// Where its checksum is.
    pub checksum: Option<ChecksumFile>,
    /// Which signatures the registry names.
    pub signatures: Vec<&'static str>,
    /// Its signature by minisign.
    pub minisign: Option<Minisign>,
    /// Whether the file is for another processor, which the system emulates.
    pub is_emulated: bool,
}

/// A program of a release.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its path in the unpacked archive; none when the download is the program.
    pub path: Option<String>,
    /// A further name, which it must be called by.
    pub link: Option<String>,
    /// Whether the further name must be a separate file.
    pub is_hard: bool,
}

/// A file of checksums.
#[derive(Clone, Debug, PartialEq)]
pub struct ChecksumFile {
    /// Where it is.
    pub url: String,
    /// `sha256`, `sha512`, `sha1` or `md5`.
    pub algorithm: String,
    /// How lines are read, where the registry says it.
    pub pattern: Option<Pattern>,
    /// Its signature by minisign.
    pub minisign: Option<Minisign>,
    /// Which signatures of it the registry names.
    pub signatures: Vec<&'static str>,
}

/// A signature by minisign.
#[derive(Clone, Debug, PartialEq)]
pub struct Minisign {
    /// Where it is.
    pub url: String,
    /// The public key, in base64.
    pub public_key: String,
}

/// Why there is no release to download.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unavailable {
    /// This version has no files.
    #[error("version {version} of {name} was released without files to download")]
    NoAsset {
        /// The package.
        name: String,
        /// The tag.
        version: String,
    },
    /// The registry says why.
    #[error("{name}: {message}")]
    Message {
        /// The package.
        name: String,
        /// The registry's words.
        message: String,
    },
    /// There is nothing for this platform.
    #[error("version {version} of {name} is not released for {platform}")]
    Platform {
        /// The package.
        name: String,
        /// The tag.
        version: String,
        /// The platform that was asked for.
        platform: Platform,
        /// Those that there is something for.
        supported: Vec<Platform>,
    },
    /// It must be built.
    #[error("{name} is not released as a file: its type `{kind}` needs a compiler")]
    NeedsCompiler {
        /// The package.
        name: String,
        /// `cargo`, `go_install`, `go_build`.
        kind: String,
    },
    /// The entry says too little, or what this library does not know.
    #[error("the registry entry of {name} is invalid: {problem}")]
    Entry {
        /// The package.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

/// A constraint that could not be evaluated, and so did not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Unevaluated {
    /// The expression.
    pub expression: String,
    /// Why.
    pub problem: String,
}

/// Values of the user for `{{.Vars.NAME}}`.
pub type Vars = BTreeMap<String, String>;

/// Resolves a package in a version (the whole tag) for a platform.
///
/// # Errors
/// When there is nothing to download, with the reason.
pub fn resolve(
    package: &Package,
    version: &str,
    platform: Platform,
    vars: &Vars,
) -> Result<Release, Unavailable> {
    let (layer, semver) = layer_of(package, version, &mut Vec::new());
    Resolver { package, version, semver: &semver, platform, vars }.resolve(layer)
}

/// Returns the platforms that a version is released for.
pub fn platforms(package: &Package, version: &str, vars: &Vars) -> Vec<Platform> {
    let has = |platform: &Platform| resolve(package, version, *platform, vars).is_ok();
    PLATFORMS.into_iter().filter(has).collect()
}

/// Returns the constraints of a package that cannot be evaluated for a version.
pub fn unevaluated(package: &Package, version: &str) -> Vec<Unevaluated> {
    let mut notes = Vec::new();
    layer_of(package, version, &mut notes);
    notes
}

/// Returns a tag without the prefix that the package has for it.
pub fn semver_of(package: &Package, version: &str) -> String {
    layer_of(package, version, &mut Vec::new()).1
}

fn without_prefix(version: &str, prefix: Option<&str>) -> String {
    prefix.and_then(|prefix| version.strip_prefix(prefix)).unwrap_or(version).to_owned()
}

/// Returns the layer that counts for a version, and `SemVer` (rules 1 to 3).
fn layer_of(package: &Package, version: &str, notes: &mut Vec<Unevaluated>) -> (Layer, String) {
    let base = &package.base;
    let mut holds = |text: &str, semver: &str| {
        let held = expression::is_true(text, &Scope { version, semver, platform: None });
        held.unwrap_or_else(|error| {
            notes.push(Unevaluated { expression: text.to_owned(), problem: error.to_string() });
            false
        })
    };
    let semver = without_prefix(version, base.version_prefix.as_deref());
    let counts = base.version_constraint.as_deref().is_none_or(|text| holds(text, &semver));
    if !counts {
        for layer in &base.version_overrides {
            let prefix = layer.version_prefix.as_deref().or(base.version_prefix.as_deref());
            let semver = without_prefix(version, prefix);
            let constraint = layer.version_constraint.as_deref().unwrap_or("");
            if !constraint.is_empty() && holds(constraint, &semver) {
                return (base.below(layer), semver);
            }
        }
    }
    (base.bare(), semver)
}

impl Layer {
    /// Returns the layer without its overrides by version.
    fn bare(&self) -> Layer {
        let mut layer = Layer::default();
        layer.cover(self);
        layer
    }

    /// Returns the layer with another one on top, which replaces what it gives (rule 2).
    fn below(&self, top: &Layer) -> Layer {
        let mut layer = self.bare();
        if let Some(kind) = top.kind.as_deref().filter(|kind| Some(*kind) != self.kind.as_deref()) {
            layer.change_type(kind);
        }
        layer.cover(top);
        layer
    }

    /// Takes over all that another layer gives.
    fn cover(&mut self, top: &Layer) {
        macro_rules! replace {
            ($($field:ident)*) => {
                $(if top.$field.is_some() {
                    self.$field.clone_from(&top.$field);
                })*
            };
        }
        replace!(
            kind repo_owner repo_name asset url path format files replacements overrides
            format_overrides supported_envs rosetta2 windows_arm_emulation complete_windows_ext
            windows_ext append_ext no_asset error_message checksum version_filter version_prefix
            vars cosign minisign slsa_provenance github_artifact_attestations
        );
    }

    /// Forgets what belongs to other types.
    fn change_type(&mut self, kind: &str) {
        if kind != "http" {
            self.url = None;
        }
        if kind != "github_release" {
            self.asset = None;
        }
        if !matches!(kind, "github_content" | "go_install" | "go_build") {
            self.path = None;
        }
        if !matches!(kind, "http" | "github_release" | "github_content") {
            self.format = None;
            self.append_ext = None;
            self.windows_ext = None;
            self.complete_windows_ext = None;
        }
        if !matches!(kind, "http" | "github_release") {
            self.rosetta2 = None;
            self.windows_arm_emulation = None;
        }
    }

    /// Returns whether the platform is one of `system`, `processor`, `system/processor`, `all`.
    fn names(envs: &[String], os: &str, arch: &str) -> bool {
        envs.iter().any(|env| {
            env == "all"
                || env == os
                || env == arch
                || env.split_once('/').is_some_and(|env| env == (os, arch))
        })
    }

    fn fits(&self, platform: Platform) -> bool {
        let Platform { os, arch } = platform;
        self.goos.as_deref().is_none_or(|goos| goos == os)
            && self.goarch.as_deref().is_none_or(|goarch| goarch == arch)
            && self.envs.as_deref().is_none_or(|envs| Layer::names(envs, os, arch))
            && self
                .variants
                .iter()
                .flatten()
                .all(|variant| variant.key == "libc" && (os != "linux" || variant.value == LIBC))
    }

    /// Returns the layer for a platform (rule 5).
    fn on(&self, platform: Platform) -> Layer {
        let mut layer = self.clone();
        let formats = layer.format_overrides.iter().flatten();
        if let Some(format) = { formats }.find(|format| format.goos == platform.os) {
            layer.format = Some(format.format.clone());
        }
        let overrides = layer.overrides.take();
        let Some(top) = overrides.iter().flatten().find(|inner| inner.fits(platform)) else {
            return layer;
        };
        let mut words = layer.replacements.clone().unwrap_or_default();
        words.extend(top.replacements.clone().unwrap_or_default());
        let mut layer = layer.below(top);
        layer.replacements = Some(words);
        layer
    }

    /// Returns whether another processor is emulated on a platform (rule 6).
    fn emulates(&self, platform: Platform) -> bool {
        platform.arch == "arm64"
            && match platform.os {
                "darwin" => self.rosetta2 == Some(true),
                "windows" => self.windows_arm_emulation == Some(true),
                _ => false,
            }
    }

    fn supports(&self, platform: Platform) -> bool {
        let Some(envs) = &self.supported_envs else {
            return true;
        };
        Layer::names(envs, platform.os, platform.arch)
            || (self.emulates(platform) && Layer::names(envs, platform.os, "amd64"))
    }
}

/// Returns a name without the ending of an archive, and that ending.
pub fn split_ending(name: &str) -> (&str, Option<&'static str>) {
    let found = ENDINGS.into_iter().find_map(|ending| {
        let rest = name.strip_suffix(ending)?.strip_suffix('.')?;
        Some((rest, Some(ending)))
    });
    match found {
        Some(found) => found,
        None => (name.strip_suffix(".exe").or(name.strip_suffix(".sh")).unwrap_or(name), None),
    }
}

/// Returns whether a name has an ending that the version did not bring.
fn has_ending(name: &str, version: &str) -> bool {
    let name = name.replace(version, "");
    let base = name.rsplit('/').next().unwrap_or(&name);
    base.contains('.')
}

/// Encodes characters that the path of an address cannot contain.
fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/@+!$&'()*,;=:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn full_format(format: &str) -> &str {
    match format {
        "tgz" => "tar.gz",
        "tbz" | "tbz2" => "tar.bz2",
        "txz" => "tar.xz",
        "tzst" => "tar.zst",
        "jar" => "raw",
        other => other,
    }
}

struct Resolver<'a> {
    package: &'a Package,
    version: &'a str,
    semver: &'a str,
    platform: Platform,
    vars: &'a Vars,
}

impl Resolver<'_> {
    fn problem(&self, problem: impl Into<String>) -> Unavailable {
        Unavailable::Entry { name: self.package.name.clone(), problem: problem.into() }
    }

    fn missing(&self, field: &str) -> Unavailable {
        self.problem(format!("it has no `{field}`"))
    }

    fn resolve(&self, layer: Layer) -> Result<Release, Unavailable> {
        let name = || self.package.name.clone();
        let whole = layer;
        let layer = whole.on(self.platform);
        if let Some(message) = layer.error_message.as_ref().filter(|message| !message.is_empty()) {
            return Err(Unavailable::Message { name: name(), message: message.trim().to_owned() });
        }
        if layer.no_asset == Some(true) {
            return Err(Unavailable::NoAsset { name: name(), version: self.version.to_owned() });
        }
        if !layer.supports(self.platform) {
            let is_supported = |platform: &Platform| whole.on(*platform).supports(*platform);
            return Err(Unavailable::Platform {
                name: name(),
                version: self.version.to_owned(),
                platform: self.platform,
                supported: PLATFORMS.into_iter().filter(is_supported).collect(),
            });
        }
        match layer.kind.as_deref().unwrap_or("") {
            "github_release" => self.github_release(&layer),
            "github_archive" => self.github_archive(&layer),
            "github_content" => self.github_content(&layer),
            "http" => self.http(&layer),
            kind @ ("cargo" | "go_install" | "go_build") => {
                Err(Unavailable::NeedsCompiler { name: name(), kind: kind.to_owned() })
            }
            kind => Err(self.problem(format!("its type `{kind}` is not known"))),
        }
    }

    /// Returns what names in templates mean (rule 7).
    fn names(&self, layer: &Layer) -> Result<Names<'static>, Unavailable> {
        let Platform { os, arch } = self.platform;
        let emulated = if layer.emulates(self.platform) { "amd64" } else { arch };
        let replaced = |word: &str| {
            let words = layer.replacements.as_ref();
            words.and_then(|words| words.get(word)).map_or(word, String::as_str).to_owned()
        };
        let names = [
            ("Version", self.version.to_owned()),
            ("SemVer", self.semver.to_owned()),
            ("OS", replaced(os)),
            ("Arch", replaced(emulated)),
            ("GOOS", os.to_owned()),
            ("GOARCH", arch.to_owned()),
            ("Format", layer.format.clone().unwrap_or_default()),
        ];
        let mut names: Names<'static> =
            names.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
        for variable in layer.vars.iter().flatten() {
            let value = self.vars.get(&variable.name).or(variable.default.as_ref());
            let Some(value) = value else {
                return Err(self.problem(format!("`vars.{}` must be given", variable.name)));
            };
            names.insert(Cow::Owned(format!("Vars.{}", variable.name)), value.clone());
        }
        Ok(names)
    }

    fn render(&self, what: &str, text: &str, names: &Names<'_>) -> Result<String, Unavailable> {
        let named = |error: TemplateError| self.problem(format!("`{what}`: {error}"));
        render(text, names).map_err(named)
    }

    fn repository(&self, layer: &Layer) -> Result<String, Unavailable> {
        match (&layer.repo_owner, &layer.repo_name) {
            (Some(owner), Some(name)) => Ok(format!("{owner}/{name}")),
            (None, _) => Err(self.missing("repo_owner")),
            (_, None) => Err(self.missing("repo_name")),
        }
    }

    fn windows_ending(&self, layer: &Layer, name: &str) -> String {
        let is_script = matches!(layer.kind.as_deref(), Some("github_content" | "github_archive"));
        if !layer.complete_windows_ext.unwrap_or(!is_script) {
            return name.to_owned();
        }
        let default = if is_script { ".sh" } else { ".exe" };
        format!("{name}{}", layer.windows_ext.as_deref().unwrap_or(default))
    }

    /// Completes the name of a file (rule 8).
    fn complete(&self, layer: &Layer, name: String) -> String {
        let format = layer.format.as_deref().unwrap_or("");
        let mut name = name;
        if layer.append_ext != Some(false)
            && !matches!(format, "" | "raw")
            && split_ending(&name).1.is_none()
            && !name.ends_with(&format!(".{format}"))
        {
            name = format!("{name}.{format}");
        }
        if !self.platform.is_windows() || name.ends_with(".exe") {
            return name;
        }
        let is_bare = format.is_empty() && !has_ending(&name, self.version);
        if format == "raw" || is_bare { self.windows_ending(layer, &name) } else { name }
    }

    fn github_release(&self, layer: &Layer) -> Result<Release, Unavailable> {
        let names = self.names(layer)?;
        let asset = layer.asset.as_deref().ok_or_else(|| self.missing("asset"))?;
        let asset = self.complete(layer, self.render("asset", asset, &names)?);
        let url = self.release_file(layer, &asset)?;
        self.release(layer, url, asset, names)
    }

    fn release_file(&self, layer: &Layer, asset: &str) -> Result<String, Unavailable> {
        let repository = self.repository(layer)?;
        let path = format!("{repository}/releases/download/{}/{asset}", self.version);
        Ok(format!("{GITHUB}/{}", encode(&path)))
    }

    fn github_archive(&self, layer: &Layer) -> Result<Release, Unavailable> {
        let repository = self.repository(layer)?;
        let path = format!("{repository}/archive/refs/tags/{}.tar.gz", self.version);
        let asset = format!("{}.tar.gz", self.version.replace('/', "-"));
        let names = self.names(layer)?;
        let layer = Layer { format: Some("tar.gz".to_owned()), ..layer.clone() };
        self.release(&layer, format!("{GITHUB}/{}", encode(&path)), asset, names)
    }

    fn github_content(&self, layer: &Layer) -> Result<Release, Unavailable> {
        let repository = self.repository(layer)?;
        let names = self.names(layer)?;
        let path = layer.path.as_deref().ok_or_else(|| self.missing("path"))?;
        let path = self.render("path", path, &names)?;
        let asset = path.rsplit('/').next().unwrap_or(&path).to_owned();
        let address = encode(&format!("{repository}/{}/{path}", self.version));
        let layer = Layer { format: Some("raw".to_owned()), ..layer.clone() };
        self.release(&layer, format!("{GITHUB_CONTENT}/{address}"), asset, names)
    }

    fn http(&self, layer: &Layer) -> Result<Release, Unavailable> {
        let names = self.names(layer)?;
        let url = layer.url.as_deref().ok_or_else(|| self.missing("url"))?;
        let url = self.complete(layer, self.render("url", url, &names)?);
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(self.problem(format!("`{url}` is not a web address")));
        }
        let path = url.split(['?', '#']).next().unwrap_or(&url);
        let asset = path.rsplit('/').next().unwrap_or(path).to_owned();
        self.release(layer, url, asset, names)
    }

    fn release(
        &self,
        layer: &Layer,
        url: String,
        asset: String,
        mut names: Names<'static>,
    ) -> Result<Release, Unavailable> {
        let (stem, ending) = split_ending(&asset);
        let format = match layer.format.as_deref() {
            None | Some("") => ending.unwrap_or("raw"),
            Some(format) => format,
        };
        let format = full_format(format).to_owned();
        names.insert("AssetWithoutExt".into(), stem.to_owned());
        names.insert("Asset".into(), asset.clone());
        let files = self.programs(layer, &format, &mut names)?;
        let checksum = self.checksum(layer, &names)?;
        let signatures = [
            ("cosign", &layer.cosign),
            ("minisign", &layer.minisign),
            ("slsa_provenance", &layer.slsa_provenance),
            ("github_artifact_attestations", &layer.github_artifact_attestations),
        ];
        let minisign = self.minisign(layer, layer.minisign.as_ref(), &names)?;
        Ok(Release {
            url,
            asset,
            format,
            files,
            checksum,
            signatures: named(&signatures),
            minisign,
            is_emulated: layer.emulates(self.platform),
        })
    }

    /// Returns the programs (rule 10).
    fn programs(
        &self,
        layer: &Layer,
        format: &str,
        names: &mut Names<'static>,
    ) -> Result<Vec<Program>, Unavailable> {
        let default = [File { name: self.package.default_program().to_owned(), ..File::default() }];
        let files = match layer.files.as_deref() {
            Some(files) if !files.is_empty() => files,
            _ => &default,
        };
        let is_bare = matches!(format, "raw" | "gz" | "xz" | "zst" | "bz2");
        let programs = files.iter().map(|file| {
            names.insert("FileName".into(), file.name.clone());
            let path = if is_bare {
                None
            } else {
                let source = file.src.as_deref().unwrap_or(&file.name);
                let path = self.render("files.src", source, names)?;
                let is_complete = !self.platform.is_windows() || has_ending(&path, self.version);
                let path = if is_complete { path } else { self.windows_ending(layer, &path) };
                let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
                if !is_path_inside(&path) {
                    return Err(self.problem(format!("`files.src`: {path:?} is not a path inside")));
                }
                Some(path)
            };
            if !is_file_name(&file.name) {
                return Err(
                    self.problem(format!("`files.name`: {:?} is not a file name", file.name))
                );
            }
            let link = file.link.as_deref().map(|link| self.render("files.link", link, names));
            let link = link.transpose()?;
            // Further names are in the directory of programs, not deeper.
            let link = link.filter(|link| is_file_name(link) && *link != file.name);
            let is_hard = file.hard == Some(true);
            Ok(Program { name: file.name.clone(), path, link, is_hard })
        });
        programs.collect()
    }

    /// Returns where the checksum is (rule 11).
    fn checksum(
        &self,
        layer: &Layer,
        names: &Names<'static>,
    ) -> Result<Option<ChecksumFile>, Unavailable> {
        let Some(checksum) = &layer.checksum else {
            return Ok(None);
        };
        let Checksum { kind, asset, url, algorithm, enabled, pattern, .. } = checksum;
        if *enabled == Some(false) {
            return Ok(None);
        }
        let mut names = names.clone();
        for (name, word) in [("OS", self.platform.os), ("Arch", self.platform.arch)] {
            let words = checksum.replacements.as_ref();
            if let Some(word) = words.and_then(|words| words.get(word)) {
                names.insert(name.into(), word.clone());
            }
        }
        let url = match (kind.as_deref(), asset, url) {
            (Some("github_release"), Some(asset), _) => {
                let asset = self.render("checksum.asset", asset, &names)?;
                self.release_file(layer, &asset)?
            }
            (Some("http"), _, Some(url)) => self.render("checksum.url", url, &names)?,
            // Other kinds of files cannot be fetched: the download is hashed.
            _ => return Ok(None),
        };
        let is_pattern = checksum.file_format.as_deref() == Some("regexp");
        Ok(Some(ChecksumFile {
            url,
            algorithm: algorithm.clone().unwrap_or_else(|| "sha256".to_owned()),
            pattern: pattern.clone().filter(|_| is_pattern),
            minisign: self.minisign(layer, checksum.minisign.as_ref(), &names)?,
            signatures: named(&[
                ("cosign", &checksum.cosign),
                ("minisign", &checksum.minisign),
                ("github_artifact_attestations", &checksum.github_artifact_attestations),
            ]),
        }))
    }

    /// Returns where a signature by minisign is; nothing without a key.
    fn minisign(
        &self,
        layer: &Layer,
        signature: Option<&Signature>,
        names: &Names<'static>,
    ) -> Result<Option<Minisign>, Unavailable> {
        let Some(signature) = signature.filter(|signature| signature.enabled != Some(false)) else {
            return Ok(None);
        };
        let Signature { kind, asset, url, public_key, .. } = signature;
        let Some(public_key) = public_key.clone() else { return Ok(None) };
        let url = match (kind.as_deref(), asset, url) {
            (Some("github_release"), Some(asset), _) => {
                let asset = self.render("minisign.asset", asset, names)?;
                self.release_file(layer, &asset)?
            }
            (Some("http"), _, Some(url)) => self.render("minisign.url", url, names)?,
            _ => return Ok(None),
        };
        Ok(Some(Minisign { url, public_key }))
    }
}

/// Returns the names of the signatures that are there.
fn named(signatures: &[(&'static str, &Option<Signature>)]) -> Vec<&'static str> {
    let is_there = |signature: &Signature| signature.enabled != Some(false);
    let names = signatures
        .iter()
        .filter_map(|(name, signature)| signature.as_ref().is_some_and(is_there).then_some(*name));
    names.collect()
}

/// Returns whether a text can name a file beside others. Locks are held to it too.
pub fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\\']) && is_printable(name)
}

/// Returns whether a text is a path that stays inside of the directory where it begins. Locks are
/// held to it too.
pub fn is_path_inside(path: &str) -> bool {
    let is_part = |part: &str| !matches!(part, "" | "." | "..");
    path.split('/').all(is_part) && !path.contains('\\') && is_printable(path)
}

fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
