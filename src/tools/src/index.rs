//! All packages of a registry. A registry is converted once; the index then finds a package by
//! name and reads only that one.
//!
//! The index is a line of JSON that names the packages and where they are, and then one line of
//! JSON for each.

use serde::{Deserialize, Serialize};

use crate::package::{Entry as RegistryEntry, Package};
use crate::yaml;

/// The version of the format of the index.
const FORMAT: u64 = 3;

/// What the index knows of a package without reading it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The name, mostly `owner/repo`.
    #[serde(rename = "n")]
    pub name: String,
    /// Former names.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What its programs are called.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// Its description, in a line.
    #[serde(rename = "d", default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Further words for searches.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// Whether it must be built by a compiler.
    #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_compiler: bool,
    #[serde(rename = "o")]
    start: usize,
    #[serde(rename = "l")]
    length: usize,
}

/// A file of a registry that is not as it should be. The rest of the registry counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which file.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

/// Bytes that are no index, or one of another version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this index of tools has an unknown format")]
pub struct NoIndex;

#[derive(Serialize, Deserialize)]
struct Head {
    format: u64,
    entries: Vec<Entry>,
}

/// The packages of a registry.
#[derive(Clone, Debug, Default)]
pub struct Index {
    entries: Vec<Entry>,
    body: Vec<u8>,
}

/// What a word names.
#[derive(Clone, Debug, PartialEq)]
pub enum Matches<'a> {
    /// This package.
    One(&'a Entry),
    /// One of these.
    Several(Vec<&'a Entry>),
    /// Nothing; these names are near.
    Nothing(Vec<&'a str>),
}

/// The two files that describe packages, as they are in one directory of a registry.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// The path of the `registry.yaml`, for messages.
    pub file: &'a str,
    /// Its text.
    pub registry: &'a str,
    /// The text of the `pkg.yaml` beside it.
    pub tests: Option<&'a str>,
}

impl Index {
    /// Converts a registry. What cannot be read is answered too, and left out.
    pub fn build<'a>(sources: impl IntoIterator<Item = Source<'a>>) -> (Index, Vec<Problem>) {
        let mut packages = Vec::new();
        let mut problems = Vec::new();
        for source in sources {
            let fail = |what: String| Problem { file: source.file.to_owned(), what };
            match read(source.registry) {
                Ok((read, bad)) => {
                    let tested = source.tests.map(tested_versions).unwrap_or_default();
                    packages.extend(read.into_iter().map(|(mut package, words)| {
                        let of_this = |(name, _): &&(String, String)| {
                            *name == package.name || package.aliases.contains(name)
                        };
                        let mut tags =
                            tested.iter().filter(of_this).map(|(_, version)| version.clone());
                        package.sample = tags.next();
                        package.tested = tags.collect();
                        (package, words)
                    }));
                    problems.extend(bad.into_iter().map(fail));
                }
                Err(what) => problems.push(fail(what)),
            }
        }
        packages.sort_by(|left, right| left.0.name.cmp(&right.0.name));
        packages.dedup_by(|left, right| left.0.name == right.0.name);
        let mut index = Index::default();
        for (package, words) in packages {
            let start = index.body.len();
            // Plain data of this crate: it can always be written.
            if serde_json::to_writer(&mut index.body, &package).is_err() {
                index.body.truncate(start);
                continue;
            }
            let length = index.body.len() - start;
            index.body.push(b'\n');
            let needs_compiler = !package.is_released();
            let programs = package.programs().into_iter().map(str::to_owned).collect();
            let Package { name, aliases, description, .. } = package;
            index.entries.push(Entry {
                name,
                aliases,
                programs,
                description,
                words,
                needs_compiler,
                start,
                length,
            });
        }
        (index, problems)
    }

    /// Returns the index as bytes, to be kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = Head { format: FORMAT, entries: self.entries.clone() };
        let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Reads what [`Index::to_bytes`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(bytes: &[u8]) -> Result<Index, NoIndex> {
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(NoIndex)?;
        let (head, body) = bytes.split_at(end);
        let head: Head = serde_json::from_slice(head).map_err(|_| NoIndex)?;
        let body = body.get(1..).unwrap_or(&[]).to_vec();
        let is_inside = |entry: &Entry| {
            entry.start.checked_add(entry.length).is_some_and(|end| end <= body.len())
        };
        if head.format != FORMAT || !head.entries.iter().all(is_inside) {
            return Err(NoIndex);
        }
        Ok(Index { entries: head.entries, body })
    }

    /// Returns what it knows of all packages, in the order of their names.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Reads a package.
    ///
    /// # Errors
    /// When the index was changed since it was written.
    pub fn package(&self, entry: &Entry) -> Result<Package, NoIndex> {
        let bytes = self.body.get(entry.start..entry.start + entry.length).ok_or(NoIndex)?;
        serde_json::from_slice(bytes).map_err(|_| NoIndex)
    }

    /// Finds what a word names: a whole name, else a former name, else the last part of a name,
    /// else a program.
    pub fn find(&self, word: &str) -> Matches<'_> {
        let last = |name: &str| name.rsplit('/').next() == Some(word);
        let steps: [&dyn Fn(&Entry) -> bool; 6] = [
            &|entry| entry.name == word,
            &|entry| entry.name.eq_ignore_ascii_case(word),
            &|entry| entry.aliases.iter().any(|alias| alias == word),
            &|entry| last(&entry.name),
            &|entry| entry.aliases.iter().any(|alias| last(alias)),
            &|entry| entry.programs.iter().any(|program| program == word),
        ];
        for is_meant in steps {
            let mut found: Vec<&Entry> =
                self.entries.iter().filter(|entry| is_meant(entry)).collect();
            // What cannot be installed is meant only where nothing else is.
            if found.iter().any(|entry| !entry.needs_compiler) {
                found.retain(|entry| !entry.needs_compiler);
            }
            match found.as_slice() {
                [] => {}
                [one] => return Matches::One(one),
                // Of several, the one whose only program is called so: `owner/NAME` that has it.
                _ => {
                    let runs = |entry: &&&Entry| entry.programs.iter().any(|name| name == word);
                    let running: Vec<_> = found.iter().filter(runs).collect();
                    return match running.as_slice() {
                        [one] => Matches::One(one),
                        _ => Matches::Several(found),
                    };
                }
            }
        }
        Matches::Nothing(self.near(word))
    }

    /// Returns the names that are nearest to a word, at most five.
    fn near(&self, word: &str) -> Vec<&str> {
        let lower = word.to_lowercase();
        let wanted = lower.rsplit('/').next().unwrap_or(&lower);
        let limit = 1 + wanted.chars().count() / 4;
        let mut near: Vec<(usize, &str)> = Vec::new();
        for entry in &self.entries {
            let names = std::iter::once(&entry.name).chain(&entry.programs).chain(&entry.aliases);
            let distance = names
                .map(|name| distance(name.rsplit('/').next().unwrap_or(name), wanted))
                .min()
                .unwrap_or(usize::MAX);
            if distance <= limit {
                near.push((distance, &entry.name));
            }
        }
        near.sort_unstable();
        near.into_iter().take(5).map(|(_, name)| name).collect()
    }

    /// Returns the packages that have a word in name, programs, description or words for searches:
    /// those with the word as a name first.
    pub fn search(&self, word: &str) -> Vec<&Entry> {
        let word = word.to_lowercase();
        let rank = |entry: &Entry| {
            let has = |text: &str| text.to_lowercase().contains(&word);
            let is = |text: &str| text.to_lowercase() == word;
            let last = entry.name.rsplit('/').next().unwrap_or(&entry.name);
            if is(last) || entry.programs.iter().any(|name| is(name)) {
                Some(0)
            } else if has(&entry.name) || entry.programs.iter().any(|name| has(name)) {
                Some(1)
            } else if entry.aliases.iter().chain(&entry.words).any(|text| has(text)) {
                Some(2)
            } else if has(&entry.description) {
                Some(3)
            } else {
                None
            }
        };
        let mut found: Vec<_> =
            self.entries.iter().filter_map(|entry| Some((rank(entry)?, entry))).collect();
        found.sort_by(|left, right| (left.0, &left.1.name).cmp(&(right.0, &right.1.name)));
        found.into_iter().map(|(_, entry)| entry).collect()
    }
}

type Packages = Vec<(Package, Vec<String>)>;

/// Reads a `registry.yaml`: its packages, and what is wrong with others.
fn read(text: &str) -> Result<(Packages, Vec<String>), String> {
    let document = yaml::parse(text).map_err(|error| error.to_string())?;
    let Some(serde_json::Value::Array(entries)) = document.get("packages") else {
        return Err("it has no list `packages`".to_owned());
    };
    let (mut packages, mut problems) = (Vec::new(), Vec::new());
    for (place, entry) in entries.iter().enumerate() {
        match RegistryEntry::deserialize(entry).map(RegistryEntry::into_package) {
            Ok(Some(package)) => packages.push(package),
            Ok(None) => problems.push(format!("package {} has no name", place + 1)),
            Err(error) => problems.push(format!("package {}: {error}", place + 1)),
        }
    }
    Ok((packages, problems))
}

/// Reads a `pkg.yaml`: names and versions, the newest first.
fn tested_versions(text: &str) -> Vec<(String, String)> {
    let document = yaml::parse(text).unwrap_or_default();
    let Some(serde_json::Value::Array(entries)) = document.get("packages") else {
        return Vec::new();
    };
    let versions = entries.iter().filter_map(|entry| {
        let name = entry.get("name")?.as_str()?;
        match entry.get("version").and_then(|version| version.as_str()) {
            Some(version) => Some((name.to_owned(), version.to_owned())),
            None => {
                // The version may have an `@` too: `@biomejs/biome@1.2` follows the first one.
                let place = name.find('@').filter(|place| *place > 0)?;
                let (name, version) = name.split_at(place);
                Some((name.to_owned(), version.strip_prefix('@')?.to_owned()))
            }
        }
    });
    versions.collect()
}

/// Returns how many letters must change to make one word of the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.to_lowercase().chars().enumerate() {
        let mut corner = above;
        let mut before = above + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (other, cell) in right.iter().zip(row.iter_mut().skip(1)) {
            let changed = corner + usize::from(letter != *other);
            corner = *cell;
            before = changed.min(before + 1).min(corner + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or(0)
}
