//! `syslua.lock`: what the inputs of a config resolved to, and what its builds fetched without a
//! hash. The format only: it touches neither network nor disk.
//!
//! It is JSON with one line per entry, in the order of the keys, so that git merges it line by
//! line. Sections that this version does not know are kept as they are.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

use crate::hash::Hash;
use crate::pins::{Pin, parts_of};

/// The version of the format that is written.
pub const VERSION: u64 = 1;

/// The name of the file, in the directory of the entry file.
pub const FILE_NAME: &str = "syslua.lock";

/// The section of inputs.
const INPUTS: &str = "inputs";

/// The section of tools.
const TOOLS: &str = "tools";

/// The section of pins.
const FETCHES: &str = "fetches";

/// What an input is fetched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A commit of a repository.
    Git,
    /// A directory of this machine.
    Path,
    /// A tarball or zip.
    Archive,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Git => "git",
            Kind::Path => "path",
            Kind::Archive => "archive",
        })
    }
}

/// What an input resolved to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockedInput {
    /// Its way to be fetched.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The address, as the config has it.
    pub url: String,
    /// The branch, tag or commit that the address names.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The full commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<String>,
    /// How many leading components of names in an archive are left out, where the config says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip: Option<usize>,
    /// The NAR hash of the tree. A directory of this machine has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Hash>,
    /// When the commit was made, in seconds since the epoch.
    #[serde(rename = "lastModified", default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<i64>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub others: BTreeMap<String, Json>,
}

/// A tool, as it was resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockedTool {
    /// The name of its package in the registry.
    pub package: String,
    /// The tag of its release.
    pub version: String,
    /// The input that its registry is, where that is not the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// What the config gave for the registry's templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// Its releases with known hashes, by platform.
    pub platforms: BTreeMap<String, LockedRelease>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub others: BTreeMap<String, Json>,
}

/// The release of a tool for one platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockedRelease {
    /// Where it is.
    pub url: String,
    /// `tar.gz`, `zip`, `raw`, `gz`.
    pub format: String,
    /// What it hashes to.
    pub sha256: Hash,
    /// Where the hash is from; a download where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Its programs by name.
    pub files: BTreeMap<String, LockedFile>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub others: BTreeMap<String, Json>,
}

/// A program of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LockedFile {
    /// Its path in the archive; empty where the download is the program.
    Path(String),
    /// With a further name.
    Linked {
        /// Its path in the archive.
        path: String,
        /// The further name.
        link: String,
        /// Whether that must be a separate file.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        hard: bool,
    },
}

impl LockedTool {
    /// Checks what an entry must have; answers what is wrong, to come after the key.
    fn check(&self) -> Result<(), &'static str> {
        let is_inside = |path: &str| {
            !path.starts_with('/')
                && !path.contains('\\')
                && path.split('/').all(|part| !matches!(part, "." | ".."))
        };
        let is_name = |name: &str| {
            !matches!(name, "" | "." | "..") && !name.contains(['/', '\\']) && is_printable(name)
        };
        for release in self.platforms.values() {
            for (name, file) in &release.files {
                let (path, link) = match file {
                    LockedFile::Path(path) => (path, None),
                    LockedFile::Linked { path, link, .. } => (path, Some(link)),
                };
                if !is_name(name) || link.is_some_and(|link| !is_name(link)) {
                    return Err("has a program whose name cannot be a file name");
                }
                if !is_inside(path) || !is_printable(path) {
                    return Err("has a program that is not inside of its archive");
                }
            }
        }
        Ok(())
    }
}

fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// A lock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LockDocument {
    /// The inputs by their keys: the name, and of an input of an input `parent/name`.
    pub inputs: BTreeMap<String, LockedInput>,
    /// What builds fetched without a hash, by the keys of pins.
    pub fetches: BTreeMap<String, Pin>,
    /// The tools, by name and request: `node@22`.
    pub tools: BTreeMap<String, LockedTool>,
    /// The other sections, in the order of their names.
    pub others: BTreeMap<String, Json>,
}

/// A text that is not a lock of a known version.
#[derive(Debug, thiserror::Error)]
pub enum LockFileError {
    /// A merge of git is not finished.
    #[error("line {line} is a conflict marker of git")]
    Conflict {
        /// The line of the first marker, counted from 1.
        line: usize,
    },
    /// It is not valid JSON of this form.
    #[error("{0}")]
    Damaged(#[from] serde_json::Error),
    /// A newer program wrote it.
    #[error("it has version {0}, which a newer sys.lua wrote")]
    Newer(u64),
    /// A pin is not in canonical form.
    #[error("the pin `{}` {problem}", short(key))]
    Pin {
        /// Its key.
        key: String,
        /// What is wrong, to come after the key.
        problem: &'static str,
    },
    /// A tool has an unknown form.
    #[error("the tool `{key}` {problem}")]
    Tool {
        /// Its key.
        key: String,
        /// What is wrong, to come after the key.
        problem: &'static str,
    },
    /// An entry is not in canonical form.
    #[error("the input `{}` {problem}", short(key))]
    Input {
        /// The key of the entry.
        key: String,
        /// What is wrong, to come after the key.
        problem: &'static str,
    },
}

impl LockFileError {
    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            LockFileError::Conflict { .. } => {
                "keep the lines of both sides, with a comma after each but the last; \
                 or take one side (`git checkout --theirs syslua.lock`) and apply: \
                 what is missing is locked again"
            }
            LockFileError::Newer(_) => {
                "update sys.lua, or take the file back that the older version wrote"
            }
            LockFileError::Damaged(_)
            | LockFileError::Input { .. }
            | LockFileError::Pin { .. }
            | LockFileError::Tool { .. } => {
                "take the file back from version control; or remove it, and the next apply locks \
                 what the inputs are then"
            }
        }
    }
}

/// The whole file as it is read.
#[derive(Deserialize)]
struct File {
    version: u64,
    #[serde(default)]
    inputs: Unique<LockedInput>,
    #[serde(default)]
    fetches: Unique<Pin>,
    #[serde(default)]
    tools: Unique<LockedTool>,
    #[serde(flatten)]
    others: BTreeMap<String, Json>,
}

/// A map in which no key occurs twice: a merge by hand may leave two entries of one name.
struct Unique<T>(BTreeMap<String, T>);

impl<T> Default for Unique<T> {
    fn default() -> Unique<T> {
        Unique(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique<T>, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Unique<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique<T>, A::Error> {
                let mut all = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    let entry = map.next_value()?;
                    if all.contains_key(&key) {
                        return Err(A::Error::custom(format!("`{}` occurs twice", short(&key))));
                    }
                    all.insert(key, entry);
                }
                Ok(Unique(all))
            }
        }
        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}

/// Returns the line of the first marker that a merge of git leaves, counted from 1.
fn find_marker(text: &[u8]) -> Option<usize> {
    let markers = [b"<<<<<<<".as_slice(), b"|||||||", b"=======", b">>>>>>>"];
    let is_marker = |line: &[u8]| markers.iter().any(|marker| line.starts_with(marker));
    text.split(|byte| *byte == b'\n').position(is_marker).map(|index| index + 1)
}

/// Returns whether a text names an input: a word that `require` can have after `inputs.`.
pub fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters
            .all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'))
}

/// Returns the beginning of a key, for a message.
fn short(key: &str) -> String {
    const LENGTH: usize = 200;
    match key.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}...", &key[..end]),
        None => key.to_owned(),
    }
}

/// Returns whether a text is a full commit.
fn is_commit(rev: &str) -> bool {
    rev.len() == 40 && rev.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl LockedInput {
    /// Checks what an entry of its kind must have; answers what is wrong, to come after the key.
    fn check(&self) -> Result<(), &'static str> {
        match self.kind {
            Kind::Git if !self.rev.as_deref().is_some_and(is_commit) => {
                Err("has no `rev` of 40 hexadecimal digits")
            }
            Kind::Git | Kind::Archive if self.sha256.is_none() => Err("has no `sha256`"),
            _ => Ok(()),
        }
    }
}

impl LockDocument {
    /// Reads a lock.
    ///
    /// # Errors
    /// When the text is not a lock, or one of a newer version.
    pub fn parse(text: &[u8]) -> Result<LockDocument, LockFileError> {
        #[derive(Deserialize)]
        struct Header {
            version: u64,
        }
        if let Some(line) = find_marker(text) {
            return Err(LockFileError::Conflict { line });
        }
        let file: Result<File, _> = serde_json::from_slice(text);
        // What a newer one says otherwise cannot be read: its version can.
        let version = match &file {
            Ok(file) => Some(file.version),
            Err(_) => serde_json::from_slice::<Header>(text).ok().map(|header| header.version),
        };
        if let Some(version) = version.filter(|version| *version > VERSION) {
            return Err(LockFileError::Newer(version));
        }
        let file = file?;
        for (key, input) in &file.inputs.0 {
            let invalid = |problem| LockFileError::Input { key: key.clone(), problem };
            if !key.split('/').all(is_name) {
                return Err(invalid("has a key that no input can have"));
            }
            input.check().map_err(invalid)?;
        }
        for (key, pin) in &file.fetches.0 {
            let invalid = |problem| LockFileError::Pin { key: key.clone(), problem };
            if key.is_empty() || key.chars().any(char::is_control) {
                return Err(invalid("has a key that no pin can have"));
            }
            if parts_of(key).is_some() && !pin.rev.as_deref().is_some_and(is_commit) {
                return Err(invalid("has no `rev` of 40 hexadecimal digits"));
            }
        }
        for (key, tool) in &file.tools.0 {
            let invalid = |problem| LockFileError::Tool { key: key.clone(), problem };
            if !key.contains('@') || !is_printable(key) {
                return Err(invalid("has a key that no tool can have"));
            }
            tool.check().map_err(invalid)?;
        }
        Ok(LockDocument {
            inputs: file.inputs.0,
            fetches: file.fetches.0,
            tools: file.tools.0,
            others: file.others,
        })
    }

    /// Returns the text of the file.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = format!("{{\n  \"version\": {VERSION}");
        let inputs = self.inputs.iter().map(|(key, input)| (key.as_str(), spaced(&json(input))));
        add_section(&mut text, INPUTS, &inputs.collect::<Vec<_>>());
        if !self.fetches.is_empty() {
            let pins = self.fetches.iter().map(|(key, pin)| (key.as_str(), spaced(&json(pin))));
            add_section(&mut text, FETCHES, &pins.collect::<Vec<_>>());
        }
        if !self.tools.is_empty() {
            let tools = self.tools.iter().map(|(key, tool)| (key.as_str(), spaced(&json(tool))));
            add_section(&mut text, TOOLS, &tools.collect::<Vec<_>>());
        }
        for (name, section) in &self.others {
            match section {
                Json::Object(entries) => {
                    let entries = entries.iter().map(|(key, entry)| (key.as_str(), spaced(entry)));
                    add_section(&mut text, name, &entries.collect::<Vec<_>>());
                }
                other => text.push_str(&format!(",\n  {}: {}", json(&name), spaced(other))),
            }
        }
        text.push_str("\n}\n");
        text.into_bytes()
    }
}

/// Returns plain data as JSON.
fn json(value: &impl Serialize) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

/// Adds a section with one line for each entry.
fn add_section(text: &mut String, name: &str, entries: &[(&str, String)]) {
    text.push_str(&format!(",\n  {}: {{", json(&name)));
    for (index, (key, entry)) in entries.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&format!("    {}: {entry}", json(key)));
    }
    text.push_str(if entries.is_empty() { "}" } else { "\n  }" });
}

/// Returns JSON on one line, with a space after each comma and colon.
fn spaced(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", "))
        }
        Json::Object(map) if map.is_empty() => "{}".to_owned(),
        Json::Object(map) => {
            let entries =
                map.iter().map(|(key, value)| format!("{}: {}", json(key), spaced(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn git(url: &str) -> LockedInput {
        LockedInput {
            kind: Kind::Git,
            url: url.to_owned(),
            reference: Some("main".to_owned()),
            rev: Some("ab".repeat(20)),
            strip: None,
            sha256: Some(Hash::of(b"tree")),
            last_modified: Some(1_700_000_000),
            others: BTreeMap::new(),
        }
    }

    fn pin(rev: Option<String>) -> Pin {
        Pin {
            rev,
            sha256: Hash::of(b"content"),
            last_modified: None,
            mirrors: Vec::new(),
            platforms: ["a".to_owned(), "b".to_owned()].into(),
            others: BTreeMap::new(),
        }
    }

    fn tool(path: &str) -> LockedTool {
        let linked = LockedFile::Linked { path: path.to_owned(), link: "t".to_owned(), hard: true };
        let release = LockedRelease {
            url: "https://host/tool.tar.gz".to_owned(),
            format: "tar.gz".to_owned(),
            sha256: Hash::of(b"archive"),
            checksum: None,
            files: BTreeMap::from([
                ("tool".to_owned(), LockedFile::Path(path.to_owned())),
                ("other".to_owned(), linked),
            ]),
            others: BTreeMap::new(),
        };
        LockedTool {
            package: "owner/tool".to_owned(),
            version: "v1.0".to_owned(),
            registry: None,
            vars: BTreeMap::new(),
            platforms: BTreeMap::from([("x86_64-linux".to_owned(), release)]),
            others: BTreeMap::new(),
        }
    }

    #[test]
    fn a_tool_whose_programs_are_elsewhere_is_refused() {
        for path in ["../tool", "/bin/tool", "a/../../b", "a\\b", "a\nb"] {
            let mut lock = LockDocument::default();
            lock.tools.insert("tool@1".to_owned(), tool(path));
            let error = LockDocument::parse(&lock.to_text()).unwrap_err();
            assert!(matches!(error, LockFileError::Tool { .. }), "{path}: {error}");
        }
        let mut lock = LockDocument::default();
        lock.tools.insert("tool".to_owned(), tool("tool"));
        assert!(LockDocument::parse(&lock.to_text()).is_err());
    }

    fn path(url: &str) -> LockedInput {
        let kind = Kind::Path;
        LockedInput {
            kind,
            reference: None,
            rev: None,
            sha256: None,
            last_modified: None,
            ..git(url)
        }
    }

    #[test]
    fn a_lock_is_read_as_it_was_written_with_one_line_for_each_entry() {
        let mut lock = LockDocument::default();
        for key in ["b", "a", "a/b", "zsh-plugins"] {
            lock.inputs.insert(key.to_owned(), git(&format!("git:https://host/{key}\"#main")));
        }
        lock.inputs.insert("own".to_owned(), path("path:./own"));
        lock.fetches.insert("https://a".to_owned(), pin(None));
        lock.fetches.insert("https://a#main".to_owned(), pin(Some("ab".repeat(20))));
        lock.tools.insert("tool@1".to_owned(), tool("bin/tool"));
        lock.others.insert("later".to_owned(), json!({ "tool@1": { "version": "1.0" } }));
        let text = String::from_utf8(lock.to_text()).unwrap();
        assert_eq!(LockDocument::parse(text.as_bytes()).unwrap(), lock);
        assert_eq!(text.lines().filter(|line| line.starts_with("    \"")).count(), 9, "{text}");
        assert!(
            text.contains("    \"own\": { \"type\": \"path\", \"url\": \"path:./own\" }"),
            "{text}"
        );
        assert_eq!(
            LockDocument::parse(&LockDocument::default().to_text()).unwrap(),
            LockDocument::default()
        );
        // What this version does not know stays where it is, and the rest does not move.
        let newer = text.replacen("\"type\": \"path\"", "\"type\": \"path\", \"extra\": [1]", 1);
        let read = LockDocument::parse(newer.as_bytes()).unwrap();
        assert_eq!(read.inputs["own"].others["extra"], json!([1]));
        assert_eq!(LockDocument::parse(&read.to_text()).unwrap(), read);
    }

    #[test]
    fn what_is_no_lock_is_refused() {
        let (rev, hash) = ("ab".repeat(20), Hash::of(b""));
        let entry =
            |key: &str, entry: &str| format!(r#"{{"version":1,"inputs":{{"{key}":{entry}}}}}"#);
        let refused = [
            String::new(),
            "[]".to_owned(),
            "{}".to_owned(),
            r#"{"version":"1"}"#.to_owned(),
            r#"{"version":1,"inputs":[]}"#.to_owned(),
            entry("a", "{}"),
            entry("a", r#"{"type":"svn","url":"x"}"#),
            entry("a", r#"{"type":"git","url":"x"}"#),
            entry("a", &format!(r#"{{"type":"git","url":"x","rev":"main","sha256":"{hash}"}}"#)),
            entry("a", &format!(r#"{{"type":"git","url":"x","rev":"{rev}"}}"#)),
            entry("a", r#"{"type":"archive","url":"x"}"#),
            entry("a/../b", r#"{"type":"path","url":"x"}"#),
            entry("-a", r#"{"type":"path","url":"x"}"#),
            r#"{"version":1,"fetches":[]}"#.to_owned(),
            r#"{"version":1,"fetches":{"https://a":{}}}"#.to_owned(),
            r#"{"version":1,"fetches":{"https://a":{"sha256":"x"}}}"#.to_owned(),
            format!(r#"{{"version":1,"fetches":{{"https://a#b":{{"sha256":"{hash}"}}}}}}"#),
            format!(r#"{{"version":1,"fetches":{{"":{{"sha256":"{hash}"}}}}}}"#),
            concat!(
                r#"{"version":1,"inputs":{"a":{"type":"path","url":"x"},"#,
                r#""a":{"type":"path","url":"y"}}}"#
            )
            .to_owned(),
            format!("{{\"version\":1,\"x\":{}1{}}}", "[".repeat(500), "]".repeat(500)),
        ];
        for text in refused {
            assert!(LockDocument::parse(text.as_bytes()).is_err(), "{text}");
        }
        let newer = LockDocument::parse(br#"{"version":2,"inputs":[]}"#).unwrap_err();
        assert!(matches!(newer, LockFileError::Newer(2)), "{newer}");
    }

    #[test]
    fn an_unfinished_merge_is_told_by_its_line() {
        let text =
            "{\n  \"version\": 1,\n<<<<<<< HEAD\n  \"inputs\": {}\n=======\n>>>>>>> other\n}\n";
        assert!(matches!(
            LockDocument::parse(text.as_bytes()),
            Err(LockFileError::Conflict { line: 3 })
        ));
    }

    #[test]
    fn a_lock_that_is_cut_or_changed_is_never_a_panic() {
        let mut lock = LockDocument::default();
        lock.inputs.insert("a".to_owned(), git("git:https://host/a#main"));
        let text = lock.to_text();
        for place in 0..text.len() {
            let _ = LockDocument::parse(&text[..place]);
            for byte in [0, b'"', b'{', b'9', 0xff] {
                let mut changed = text.clone();
                changed[place] = byte;
                let _ = LockDocument::parse(&changed);
            }
        }
    }
}
