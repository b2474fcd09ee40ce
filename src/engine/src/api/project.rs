//! Entering a project: building what its environment needs, and the environment itself. Nothing of
//! the system changes.
//!
//! What a trusted directory's own entry file gives is kept in `cache/projects/ID/KEY`, so that the
//! next shell need not evaluate it. What is kept holds its objects until its directory has no entry
//! file any more, or is trusted with another content.
//!
//! The same files may give another environment: evaluation may look whether something is there, and
//! what a directory has in it. What it saw is kept too, and compared. Each environment has a place
//! of its own, `cache/projects/ID/ENVIRONMENT`, by which shells that entered it remember it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Engine, Error};
use crate::activation::DeclaredAction;
use crate::environment::Environment;
use crate::environment::shells::{Identity, Shell};
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::names::{ObjectName, Placeholder, Segment, SnapshotId};
use crate::platform::{self, FileKind};
use crate::realize::Tasks;
use crate::trust::Project;
use crate::value::Text;

/// The version of what is kept.
const VERSION: u32 = 2;

/// A time of a file may be behind the clock by this much.
const COARSE: Duration = Duration::from_millis(20);

/// The environment of a project, with everything that it names in the store.
#[derive(Clone, Debug)]
pub struct Entered {
    /// The environment.
    pub environment: Environment,
    /// The project, for people.
    pub name: String,
    /// What tells it from other projects of the root: the name of a `project{}`, the id of a
    /// directory.
    pub key: String,
    root: PathBuf,
    /// How shells remember it: `ID/ENVIRONMENT` of a directory.
    layer: String,
}

/// What evaluation saw of a place besides the content of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The place.
    pub path: Text,
    /// What was asked.
    pub kind: LookKind,
    /// What the answer was.
    pub answer: Hash,
}

/// What evaluation asks of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookKind {
    /// Whether something is there.
    Exists,
    /// The names in a directory.
    Names,
    /// All paths below a directory.
    Tree,
    /// The content of a file.
    Content,
}

/// The most directories that a hook watches for one look at a tree.
const MOST_WATCHED: usize = 200;

impl Look {
    /// Asks now.
    pub fn take(path: &Path, kind: LookKind) -> Look {
        let answer = match kind {
            LookKind::Exists => Hash::of(&[u8::from(platform::end_of(path).is_ok())]),
            LookKind::Names => names(path, false),
            LookKind::Tree => names(path, true),
            LookKind::Content => platform::read_file(path)
                .map_or_else(|_| Hash::of(b"missing"), |text| Hash::of(&text)),
        };
        Look { path: Text(platform::bytes_of_path(path)), kind, answer }
    }

    /// Returns whether the answer is still the same.
    fn is_unchanged(&self) -> bool {
        Look::take(&platform::path_from_bytes(&self.path.0), self.kind).answer == self.answer
    }

    /// Returns the places whose times tell that the answer may be another one.
    fn watched(&self) -> Vec<PathBuf> {
        let path = platform::path_from_bytes(&self.path.0);
        let mut watched = vec![path.clone()];
        if self.kind == LookKind::Tree {
            let mut index = 0;
            while index < watched.len() && watched.len() < MOST_WATCHED {
                let directory = watched[index].clone();
                let inner = platform::list_directory(&directory).unwrap_or_default();
                let inner = inner.into_iter().filter(|(_, kind)| *kind == FileKind::Directory);
                watched.extend(inner.map(|(name, _)| directory.join(name)));
                index += 1;
            }
        }
        watched
    }
}

/// Returns the hash of the names in a directory, or of all paths below it.
fn names(directory: &Path, is_deep: bool) -> Hash {
    let mut names = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(inner) = pending.pop() {
        let listed = platform::list_directory(&directory.join(&inner));
        let Ok(listed) = listed else {
            if inner.as_os_str().is_empty() {
                return Hash::of(b"missing");
            }
            continue;
        };
        for (name, kind) in listed {
            let path = inner.join(name);
            names.push(platform::bytes_of_path(&path));
            if is_deep && kind == FileKind::Directory {
                pending.push(path);
            }
        }
    }
    names.sort();
    Hash::of(&names.join(&0))
}

impl Entered {
    /// Returns how shells remember it.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// Returns whose environment it is.
    pub fn identity(&self) -> Identity<'_> {
        Identity { root: &self.root, user: None, project: Some(&self.key), snapshot: SnapshotId(0) }
    }

    /// Returns the script of a shell that is started in projects, the outermost first.
    pub fn script(layers: &[Arc<Entered>], shell: &dyn Shell) -> Vec<u8> {
        let before = shell.subshell("").unwrap_or_default().before;
        let mut script = before.as_bytes().to_vec();
        for layer in layers {
            script.extend(shell.render(&layer.environment, &layer.identity()));
        }
        script.extend(shell.mark_prompt().as_bytes());
        script
    }
}

/// What is kept of a directory that was entered.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u32,
    directory: Text,
    /// The hash of the content that was trusted.
    trusted: Hash,
    name: String,
    /// Whether the same files give the same environment: nothing else was read, such as sources.
    is_final: bool,
    environment: Environment,
    objects: Vec<ObjectName>,
    /// What evaluation saw.
    looks: Vec<Look>,
    /// The name of the environment's own place.
    layer: String,
}

/// Something that is kept, as far as it matters to what holds objects.
#[derive(Debug)]
pub(super) struct KeptProject {
    /// The directory of what is kept.
    pub place: PathBuf,
    /// The project's directory.
    pub directory: PathBuf,
    /// What its environment names.
    pub objects: Vec<ObjectName>,
    /// Whether the directory is still trusted with the same content.
    pub is_in_use: bool,
}

impl Engine {
    /// Builds what the environment of a `project{}` names, and returns that environment.
    ///
    /// # Errors
    /// When something cannot be built.
    pub fn enter(
        &self,
        manifest: &Manifest,
        project: &str,
        tasks: &mut dyn Tasks,
    ) -> Result<Entered, Error> {
        let (environment, _) = self.environment_of(manifest, project, tasks)?;
        Ok(self.entered(environment, project.to_owned(), project.to_owned(), ""))
    }

    /// Does the same for a directory with an entry file, whose manifest is given, and keeps the
    /// result. `trusted` is the hash of the content that is trusted, `looks` what evaluation saw
    /// besides.
    ///
    /// # Errors
    /// When something cannot be built, or the cache cannot be written.
    pub fn enter_directory(
        &self,
        manifest: &Manifest,
        project: &Project,
        trusted: Hash,
        looks: Vec<Look>,
        tasks: &mut dyn Tasks,
    ) -> Result<Entered, Error> {
        let name = project.name();
        let (environment, objects) = self.environment_of(manifest, &name, tasks)?;
        let has_sources = manifest
            .derivations
            .iter()
            .any(|derivation| !derivation.spec.recipe.sources().is_empty());
        let is_final = !has_sources && manifest.also_read.is_empty();
        let directory = Text(platform::bytes_of_path(project.directory()));
        let key = self.key_of(trusted);
        let whole = serde_json::to_vec(&(&key, &environment)).unwrap_or_default();
        let layer = Hash::of(&whole).to_hex()[..16].to_owned();
        let kept = Kept {
            version: VERSION,
            directory,
            trusted,
            name: name.clone(),
            is_final,
            environment,
            objects,
            looks,
            layer: layer.clone(),
        };
        let text = serde_json::to_vec(&kept).unwrap_or_default();
        let above = self.all_kept().join(project.id());
        // The second is what the next shell finds.
        for place in [above.join(&layer), above.join(&key)] {
            platform::create_directories_as(&place, 0o700)?;
            platform::write_private_file_atomically(&place.join("environment.json"), &text)?;
        }
        Ok(self.entered(kept.environment, name, project.id(), &layer))
    }

    /// Returns what is kept of a directory with a content, as long as it can be entered so: its
    /// objects are there, and evaluation would see the same.
    pub fn kept(&self, id: &str, trusted: Hash) -> Option<Entered> {
        let kept = read_kept(&self.place_of(id, trusted))?;
        let is_whole =
            kept.objects.iter().all(|object| platform::exists(&self.store.object(object)));
        (kept.is_final && is_whole && kept.looks.iter().all(Look::is_unchanged))
            .then(|| self.entered(kept.environment, kept.name, id.to_owned(), &kept.layer))
    }

    /// Returns the places that a hook watches besides the files that are trusted: what evaluation
    /// looked at.
    pub fn looked_at(&self, id: &str, trusted: Hash) -> Vec<PathBuf> {
        let kept = read_kept(&self.place_of(id, trusted));
        kept.iter().flat_map(|kept| &kept.looks).flat_map(Look::watched).collect()
    }

    /// Returns what a shell entered, by the name that [`Entered::layer`] gave it, or `None` if it
    /// is kept no more.
    pub fn left(&self, layer: &str) -> Option<Entered> {
        let (id, key) = layer.split_once('/')?;
        let is_plain =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_plain(id) || !is_plain(key) {
            return None;
        }
        let kept = read_kept(&self.all_kept().join(id).join(key));
        let (environment, name) =
            kept.map(|kept| (kept.environment, kept.name)).unwrap_or_default();
        Some(self.entered(environment, name, id.to_owned(), key))
    }

    /// Notes that the files of a directory were compared at a time, and returns the note, if there
    /// is a root: files that are newer than it have changed since. `trusted` is nothing for a
    /// directory that is not trusted.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub fn note_comparison(
        &self,
        id: &str,
        trusted: Option<Hash>,
        at: SystemTime,
    ) -> Result<Option<PathBuf>, Error> {
        if !platform::exists(&self.store.gc_roots()) {
            // A look makes no root.
            return Ok(None);
        }
        let place =
            trusted.map_or_else(|| self.all_kept().join(id), |trusted| self.place_of(id, trusted));
        platform::create_directories_as(&place, 0o700)?;
        let stamp = place.join("compared");
        platform::touch(&stamp, at.checked_sub(COARSE).unwrap_or(at))?;
        Ok(Some(stamp))
    }

    /// Lists everything that is kept and can be read.
    pub(super) fn all_kept_projects(&self) -> Result<Vec<KeptProject>, Error> {
        let list = |path: &Path| match platform::list_directory(path) {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            listed => listed,
        };
        let mut all = Vec::new();
        for (id, kind) in list(&self.all_kept())? {
            let above = self.all_kept().join(id);
            let entries = if kind == FileKind::Directory { list(&above)? } else { Vec::new() };
            for place in entries.into_iter().map(|(key, _)| above.join(key)) {
                let Some(kept) = read_kept(&place) else { continue };
                let directory = platform::path_from_bytes(&kept.directory.0);
                let trusted = Project::open(&self.store, &directory)
                    .ok()
                    .and_then(|project| project.recorded());
                // An earlier environment of the same content is not held.
                let is_current = read_kept(&above.join(self.key_of(kept.trusted)))
                    .is_none_or(|current| current.layer == kept.layer);
                let is_in_use = trusted == Some(kept.trusted) && is_current;
                all.push(KeptProject { place, directory, objects: kept.objects, is_in_use });
            }
        }
        Ok(all)
    }

    /// Builds what the environment of a project of a manifest names; returns it and the objects.
    fn environment_of(
        &self,
        manifest: &Manifest,
        project: &str,
        tasks: &mut dyn Tasks,
    ) -> Result<(Environment, Vec<ObjectName>), Error> {
        let is_of = |activation: &&DeclaredAction| {
            activation.user.is_none()
                && activation.project.as_ref().is_some_and(|own| own.name == project)
        };
        let own: Vec<&DeclaredAction> = manifest.actions().filter(is_of).collect();
        let owners = manifest.owners();
        let mut wanted = BTreeSet::new();
        for text in own.iter().flat_map(|activation| activation.action.texts()) {
            for segment in Placeholder::split(&text.0) {
                if let Segment::Placeholder(placeholder) = segment {
                    wanted.extend(owners.get(&placeholder).map(|(derivation, _)| derivation.hash));
                }
            }
        }
        let realized = self.build(&manifest.derivations, &wanted, tasks)?;
        let path = |placeholder: Placeholder| {
            let (derivation, output) = owners.get(&placeholder)?;
            Some(platform::bytes_of_path(
                &self.store.object(realized.get(&derivation.hash)?.get(*output)?),
            ))
        };
        let resolved: Vec<Arc<DeclaredAction>> = own
            .into_iter()
            .map(|activation| {
                let action =
                    activation.action.resolve(&path).unwrap_or_else(|_| activation.action.clone());
                Arc::new(activation.with_action(action))
            })
            .collect();
        let objects = wanted
            .iter()
            .filter_map(|hash| realized.get(hash))
            .flat_map(|outputs| outputs.values().cloned());
        let environment = Environment::of_project(
            resolved.iter().map(AsRef::as_ref),
            project,
            &self.settings.home,
        );
        Ok((environment, objects.collect()))
    }

    /// `layer` is the name of the environment's own place.
    fn entered(&self, environment: Environment, name: String, key: String, layer: &str) -> Entered {
        let layer = format!("{key}/{layer}");
        Entered { environment, name, key, root: self.settings.root.clone(), layer }
    }

    /// Returns the directory of everything that is kept.
    fn all_kept(&self) -> PathBuf {
        self.store.kept_projects()
    }

    fn place_of(&self, id: &str, trusted: Hash) -> PathBuf {
        self.all_kept().join(id).join(self.key_of(trusted))
    }

    /// Returns what an environment depends on besides the directory.
    fn key_of(&self, trusted: Hash) -> String {
        let places =
            [&self.settings.root, &self.settings.home].map(|path| platform::bytes_of_path(path));
        let whole = (
            VERSION,
            env!("CARGO_PKG_VERSION"),
            trusted.to_hex(),
            places,
            &self.settings.system.platform,
        );
        Hash::of(&serde_json::to_vec(&whole).unwrap_or_default()).to_hex()[..16].to_owned()
    }
}

fn read_kept(place: &Path) -> Option<Kept> {
    let text = platform::read_file(&place.join("environment.json")).ok()?;
    serde_json::from_slice::<Kept>(&text).ok().filter(|kept| kept.version == VERSION)
}
