//! A registry on the disk. Its tree is converted once, and the index is cached by its content.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use syslua_tools::Index;
use syslua_tools::index::Source;

use crate::failure::{Failure, FailureKind, chain};
use crate::hash::Hash;
use crate::platform::{self, FileKind};
use crate::store::Store;

/// What the files of a registry are called.
const REGISTRY: &str = "registry.yaml";

/// What the files of its tests are called.
const TESTS: &str = "pkg.yaml";

/// How deep packages are.
const DEEPEST: usize = 12;

/// How large a file of a registry may be, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// A registry that was opened.
pub struct Opened {
    /// Its packages.
    pub index: Index,
    /// Files of it that are not as they should be, each with what is wrong.
    pub problems: Vec<String>,
}

/// Opens a registry: a directory with `pkgs/**/registry.yaml`, or with one `registry.yaml`. What
/// has a hash is converted once for a store; a directory of the user each time.
///
/// # Errors
/// When it cannot be read, or is not a registry.
pub fn open(root: &Path, directory: &Path, sha256: Option<Hash>) -> Result<Opened, Failure> {
    let store = Store::new(root);
    let place = sha256.map(|sha256| {
        store.input_trees().with_file_name("tools").join(format!("{}.json", sha256.to_hex()))
    });
    let kept = place.as_ref().and_then(|place| platform::read_file(place).ok());
    if let Some(index) = kept.and_then(|bytes| Index::parse(&bytes).ok()) {
        return Ok(Opened { index, problems: Vec::new() });
    }
    let files = read(directory)?;
    let sources = files.iter().map(|(file, registry, tests)| Source {
        file,
        registry,
        tests: tests.as_deref(),
    });
    let (index, problems) = Index::build(sources);
    let problems: Vec<String> =
        problems.into_iter().map(|problem| format!("{}: {}", problem.file, problem.what)).collect();
    if index.entries().is_empty() {
        let message = format!("{} is not a registry of tools", directory.display());
        let failure = Failure::new(FailureKind::Tools, message)
            .with_hint("a registry has files pkgs/**/registry.yaml in the format of aqua");
        return Err(match problems.first() {
            Some(problem) => failure.with_details(problem.clone()),
            None => failure,
        });
    }
    if let Some(place) = place {
        // It is made again where it cannot be kept.
        let directory = store.input_trees().with_file_name("tools");
        let kept = platform::create_directories(&directory)
            .and_then(|_| platform::write_file_atomically(&place, &index.to_bytes()));
        drop(kept);
    }
    Ok(Opened { index, problems })
}

/// Returns what tells whether a registry that has no hash changed: the sizes and times of its
/// files. It is `None` where they cannot be read.
pub fn stamp(directory: &Path) -> Option<Hash> {
    let mut facts = Vec::new();
    let packages = directory.join("pkgs");
    if platform::is_directory(&packages) {
        add_facts(&packages, 0, &mut facts)?;
    }
    add_file_facts(directory, &mut facts)?;
    Some(Hash::of(&facts))
}

fn add_facts(place: &Path, depth: usize, facts: &mut Vec<u8>) -> Option<()> {
    add_file_facts(place, facts)?;
    if depth == DEEPEST {
        return Some(());
    }
    for (name, kind) in platform::list_directory(place).ok()? {
        if kind == FileKind::Directory {
            add_facts(&place.join(name), depth + 1, facts)?;
        }
    }
    Some(())
}

fn add_file_facts(place: &Path, facts: &mut Vec<u8>) -> Option<()> {
    for name in [REGISTRY, TESTS] {
        let path = place.join(name);
        let found = platform::metadata_of(&path).ok()?;
        let Some(found) = found else { continue };
        let time = found.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        facts.extend_from_slice(&platform::bytes_of_path(&path));
        facts.extend_from_slice(&found.len().to_le_bytes());
        facts.extend_from_slice(&time.as_nanos().to_le_bytes());
    }
    Some(())
}

/// Returns whether the files of a package, where registries usually have them, are newer than a
/// moment.
pub fn is_newer(directory: &Path, package: &str, than: SystemTime) -> bool {
    let own = directory.join("pkgs").join(package);
    let is_newer = |path: PathBuf| {
        let found = platform::metadata_of(&path).ok().flatten();
        found.and_then(|found| found.modified().ok()).is_some_and(|time| time >= than)
    };
    [own.join(REGISTRY), own.join(TESTS), directory.join(REGISTRY)].into_iter().any(is_newer)
}

type Files = Vec<(String, String, Option<String>)>;

fn read(directory: &Path) -> Result<Files, Failure> {
    let mut files = Vec::new();
    let packages = directory.join("pkgs");
    if platform::is_directory(&packages) {
        walk(&packages, directory, 0, &mut files)?;
    } else {
        take(directory, directory, &mut files)?;
    }
    Ok(files)
}

fn failed(error: &platform::Error) -> Failure {
    Failure::new(FailureKind::Io, chain(error))
}

fn walk(place: &Path, top: &Path, depth: usize, files: &mut Files) -> Result<(), Failure> {
    take(place, top, files)?;
    if depth == DEEPEST {
        return Ok(());
    }
    let entries = platform::list_directory(place).map_err(|error| failed(&error))?;
    for (name, kind) in entries {
        // Links lead nowhere: a registry from elsewhere has no say in what is read.
        if kind == FileKind::Directory {
            walk(&place.join(name), top, depth + 1, files)?;
        }
    }
    Ok(())
}

/// Takes the files of one directory, where it has them.
fn take(place: &Path, top: &Path, files: &mut Files) -> Result<(), Failure> {
    let text = |path: PathBuf| -> Result<Option<String>, Failure> {
        if platform::kind_of(&path).map_err(|error| failed(&error))? != Some(FileKind::File) {
            return Ok(None);
        }
        let facts = platform::metadata_of(&path).map_err(|error| failed(&error))?;
        if facts.is_some_and(|facts| facts.len() > LARGEST) {
            let message = format!("{} is larger than 64 MB", path.display());
            return Err(Failure::new(FailureKind::Tools, message));
        }
        let bytes = platform::read_file(&path).map_err(|error| failed(&error))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    };
    if let Some(registry) = text(place.join(REGISTRY))? {
        let file = place.join(REGISTRY);
        let file = file.strip_prefix(top).unwrap_or(&file).display().to_string();
        files.push((file, registry, text(place.join(TESTS))?));
    }
    Ok(())
}
