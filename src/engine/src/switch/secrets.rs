//! The secrets of a switch: decrypting what is to be written, and the private files of the root
//! that links in homes lead to.
//!
//! A private file is named after its content and its target, by a digest that only the root can
//! compute: another value is another file, so that a link moves from one to the other in one step,
//! and back. They follow from what is in force, and are in its journal like targets.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use syslua_secrets::{Problem, Value as SecretValue};
use zeroize::Zeroizing;

use super::desired::Entry;
use super::overlay::Overlay;
use super::step::{Mark, Step, Work};
use super::target_plan::private_mode;
use super::{Error, Plan, Targets, printed};
use crate::action::{
    self, Accounts, After, Before, Contents, Directories, Key, Named, Observed, Observer, Part,
    Reference, Role, Secret, TargetChange, without_links,
};
use crate::activation::DeclaredAction;
use crate::environment::shells;
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::names::Placeholder;
use crate::platform;
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::store::{Outputs, Store};
use crate::template::{self, Rendered};
use crate::unseal::Documents;
use crate::value::{Text, Value};

/// The rights of the directory of all private files, which users pass through to their own.
const ABOVE: u32 = 0o711;
/// The rights of those of one user.
const OWN: u32 = 0o700;
/// The permission bits of a private file.
const PRIVATE: u32 = 0o600;

/// A command, and the user that it runs as.
type Whose = (Option<String>, Vec<Text>);

/// What was decrypted for a switch. As long as it is there, the process leaves no core.
#[derive(Default)]
pub struct Secrets {
    contents: Arc<Contents>,
    /// What contents hash to, by whose they are and what they are made of: a command prints
    /// something else for another user.
    digests: HashMap<(Option<String>, Vec<u8>), Hash>,
    /// What commands printed, by whose they are.
    printed: HashMap<Whose, Hash>,
    _no_core: Option<platform::NoCore>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{} secrets>", self.digests.len())
    }
}

impl Secrets {
    /// Decrypts secrets. Nothing is changed but that the root gets its key.
    ///
    /// # Errors
    /// When a document cannot be decrypted or has no such value: the error names the secret and its
    /// line, the recipients, and the identities that were tried.
    pub fn open(
        store: &Store,
        settings: &Settings,
        needed: &[DeclaredAction],
    ) -> Result<Secrets, Error> {
        if needed.is_empty() {
            return Ok(Secrets::default());
        }
        let no_core = platform::NoCore::begin();
        let directory = store.secrets();
        platform::create_directories_as(&directory, ABOVE)?;
        let key = match Key::read(&directory)? {
            Some(key) => key,
            None => Key::make(&directory)?,
        };
        let mut making = Making {
            store,
            settings,
            key: &key,
            documents: Documents::new((settings.identities)()),
            printed: HashMap::new(),
        };
        let mut values = Vec::new();
        for activation in needed {
            let Some(secret) = secret_of(activation) else { continue };
            let content = making.content(&secret.content, activation)?;
            values.push(((activation.user.clone(), secret.sealed()), content));
        }
        let printed = making.printed;
        let (mut contents, mut digests) = (Contents::default(), HashMap::new());
        for (whose, content) in values {
            let digest = key.digest(&content);
            digests.insert(whose, digest);
            contents.add(digest, content);
        }
        Ok(Secrets { contents: Arc::new(contents), digests, printed, _no_core: Some(no_core) })
    }

    /// Returns the secrets to write.
    pub fn contents(&self) -> &Arc<Contents> {
        &self.contents
    }

    /// Says of secrets what they hash to and where their private files are, as far as that is
    /// known: of what was decrypted, and of what is in force and is still made of the same.
    pub fn complete(&self, store: &Store, entries: &mut [Entry], current: &Snapshot) {
        let mut known = None;
        for entry in entries {
            if secret_of(&entry.activation).is_none() {
                continue;
            }
            let known = known.get_or_insert_with(|| in_force(current));
            let activation = Arc::make_mut(&mut entry.activation);
            let directory = directory_of(store, activation);
            let subject = subject(activation);
            let Some(secret) = activation.action.as_secret_mut() else { continue };
            let before = known.get(&subject).copied().and_then(secret_of);
            let before = before.filter(|before| before.sealed() == secret.sealed());
            secret.digest = self
                .digests
                .get(&(subject.0.clone(), secret.sealed()))
                .copied()
                .or(secret.digest)
                .or(before.and_then(|before| before.digest));
            let user = &subject.0;
            secret.each_command_mut(|command, printed| {
                let whose = (user.clone(), command.to_vec());
                *printed = self.printed.get(&whose).copied().or(*printed).or_else(|| {
                    let mut known = before?.commands().into_iter();
                    known.find_map(|(other, printed)| printed.filter(|_| other == command))
                });
            });
            secret.put_into(directory);
        }
    }
}

/// Makes contents of secrets.
struct Making<'a> {
    store: &'a Store,
    settings: &'a Settings,
    key: &'a Key,
    documents: Documents,
    /// What the commands printed that ran now.
    printed: HashMap<Whose, Hash>,
}

impl Making<'_> {
    /// Returns what parts come to.
    fn content(
        &mut self,
        parts: &[Part],
        activation: &DeclaredAction,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut content = Zeroizing::new(Vec::new());
        for part in parts {
            match part {
                Part::Plain { text } => content.extend_from_slice(&text.0),
                Part::Value(value) => {
                    let found = self.value(value, activation)?;
                    content.extend_from_slice(&found.to_content());
                }
                Part::Template { template, texts, values } => {
                    let values = self.values(values, activation)?;
                    let texts = texts.iter().map(|(name, text)| {
                        (name.clone(), text.as_ref().map(|text| text.0.clone()))
                    });
                    let rendered = template::render(&texts.collect(), template, &values);
                    let problem = match rendered {
                        Ok(Rendered::Done(bytes)) => {
                            content.extend_from_slice(&Zeroizing::new(bytes));
                            continue;
                        }
                        // What it says may be a value.
                        Err(error) => match error.line {
                            Some(line) => {
                                format!("line {line} of the template cannot be rendered with it")
                            }
                            None => "the template cannot be rendered with it".to_owned(),
                        },
                        Ok(Rendered::Missing(_)) => "the template includes another one".to_owned(),
                    };
                    return Err(not_made(activation, Problem::new(problem)));
                }
                Part::Command { command, printed } => {
                    let value = self.printed(command, *printed, activation);
                    let value = value.map_err(|error| match error {
                        printed::Error::Interrupted => Error::Interrupted,
                        printed::Error::Failed(problem) => not_made(activation, problem),
                    })?;
                    content.extend_from_slice(&value);
                }
                Part::Variable { shell, variable, value } => {
                    let value = self.content(value, activation)?;
                    let line = shells::assignment(shell, variable, &value).map_err(|problem| {
                        let problem = format!("{shell} cannot set {variable}: {problem}");
                        not_made(activation, Problem::new(problem))
                    })?;
                    content.extend_from_slice(&Zeroizing::new(line));
                }
            }
        }
        Ok(content)
    }

    /// Returns the output of a command: the kept output, or the present one. A command of several
    /// secrets runs once.
    fn printed(
        &mut self,
        command: &[Text],
        kept: Option<Hash>,
        activation: &DeclaredAction,
    ) -> Result<Zeroizing<Vec<u8>>, printed::Error> {
        let whose = (activation.user.clone(), command.to_vec());
        if let Some(printed) = kept.or(self.printed.get(&whose).copied()) {
            return Ok(printed::kept(self.store, printed)?);
        }
        let value = printed::run(self.settings, command, activation.user.as_deref())?;
        let printed = printed::keep(self.store, self.key, &value)?;
        self.printed.insert(whose, printed);
        Ok(value)
    }

    /// Returns what the names in a template stand for. Numbers and truth values are such.
    fn values(&mut self, named: &[Named], activation: &DeclaredAction) -> Result<Value, Error> {
        let mut values = Tree::Inner(BTreeMap::new());
        for Named { path, value, plain } in named {
            let value = match (plain, value.as_slice()) {
                (Some(plain), _) => plain_value(plain),
                (None, [Part::Value(reference)]) => match &self.value(reference, activation)? {
                    SecretValue::Int(number) => Value::Int(*number),
                    SecretValue::Float(number) => Value::Float(*number),
                    SecretValue::Bool(truth) => Value::Bool(*truth),
                    other => Value::Bytes(other.to_content().to_vec()),
                },
                (None, parts) => Value::Bytes(self.content(parts, activation)?.to_vec()),
            };
            values.put(path, value);
        }
        Ok(values.into_value())
    }

    fn value(
        &mut self,
        value: &Reference,
        activation: &DeclaredAction,
    ) -> Result<SecretValue, Error> {
        let read = || {
            platform::read_file(&value.document.to_path())
                .map_err(|error| Problem::new(error.to_string()))
        };
        // The object has another name than the file that it is of.
        let origin = value.origin.to_path();
        let found = self.documents.value(&value.document.0, &origin, &value.key, read);
        found.map_err(|problem| failed(problem, value, activation))
    }
}

fn not_made(activation: &DeclaredAction, problem: Problem) -> Error {
    Error::Secret {
        verb: "make",
        secret: secret_of(activation)
            .map(Secret::name)
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "of a template".to_owned()),
        problem: problem.message,
        hint: problem.hint,
        positions: activation.positions.clone(),
    }
}

/// Returns a number, a truth value or an empty list of the config as templates see it.
fn plain_value(plain: &serde_json::Value) -> Value {
    match plain {
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::Bytes(text.clone().into_bytes()),
        _ => Value::List(Vec::new()),
    }
}

/// The values of a template, while they are put together.
enum Tree {
    Leaf(Value),
    Inner(BTreeMap<String, Tree>),
}

impl Tree {
    fn put(&mut self, path: &[String], value: Value) {
        match (path.split_first(), self) {
            (None, tree) => *tree = Tree::Leaf(value),
            (Some((name, rest)), Tree::Inner(inner)) => {
                let below = inner.entry(name.clone());
                below.or_insert_with(|| Tree::Inner(BTreeMap::new())).put(rest, value);
            }
            (Some(_), Tree::Leaf(_)) => {}
        }
    }

    /// What has the numbers from 1 as its names is a list.
    fn into_value(self) -> Value {
        let mut inner = match self {
            Tree::Leaf(value) => return value,
            Tree::Inner(inner) => inner,
        };
        let is_list = (1..=inner.len()).all(|number| inner.contains_key(&number.to_string()));
        if is_list && !inner.is_empty() {
            let items = (1..=inner.len()).filter_map(|number| inner.remove(&number.to_string()));
            return Value::List(
                items.collect::<Vec<_>>().into_iter().map(Tree::into_value).collect(),
            );
        }
        let entries = inner.into_iter();
        Value::Map(entries.map(|(name, tree)| (name.into_bytes(), tree.into_value())).collect())
    }
}

fn failed(problem: Problem, value: &Reference, activation: &DeclaredAction) -> Error {
    Error::Secret {
        verb: "decrypt",
        secret: value.to_string(),
        problem: problem.message,
        hint: problem.hint,
        positions: activation.positions.clone(),
    }
}

fn secret_of(activation: &DeclaredAction) -> Option<&Secret> {
    activation.action.as_secret()
}

/// Whose secret at which target.
fn subject(activation: &DeclaredAction) -> (Option<String>, Vec<u8>) {
    (activation.user.clone(), activation.action.subject())
}

fn in_force(current: &Snapshot) -> HashMap<(Option<String>, Vec<u8>), &DeclaredAction> {
    let secrets = current.actions().filter(|activation| secret_of(activation).is_some());
    secrets.map(|activation| (subject(activation), activation)).collect()
}

/// Returns the directory for the private files of a secret's owner.
fn directory_of(store: &Store, activation: &DeclaredAction) -> Text {
    let holder = activation.user.clone().unwrap_or_else(|| {
        let number = platform::user_number();
        let name = platform::user_name(number);
        if name.contains([' ', '/']) { number.to_string() } else { name }
    });
    Text(platform::bytes_of_path(&store.secrets().join(holder)))
}

/// Returns the secrets of a manifest, with the objects of their documents. Those whose document is
/// not there are left out.
pub fn declared(
    store: &Store,
    manifest: &Manifest,
    realized: &BTreeMap<Hash, Outputs>,
) -> Vec<DeclaredAction> {
    let secrets = manifest.actions().filter(|one| secret_of(one).is_some());
    let mut owners = None;
    let mut found = Vec::new();
    for activation in secrets {
        let owners = owners.get_or_insert_with(|| manifest.owners());
        let path = |placeholder: Placeholder| {
            let (derivation, output) = owners.get(&placeholder)?;
            let object = realized.get(&derivation.hash)?.get(*output)?;
            Some(platform::bytes_of_path(&store.object(object)))
        };
        if let Ok(action) = activation.action.resolve(&path) {
            found.push(activation.with_action(action));
        }
    }
    found
}

/// Returns whether a manifest has secrets that commands print.
pub fn has_commands(manifest: &Manifest) -> bool {
    let mut secrets = manifest.actions().filter_map(secret_of);
    secrets.any(|secret| !secret.commands().is_empty())
}

/// Marks the secrets whose commands run again: what these print is not known before.
pub fn expect_other_secrets(plan: &mut Plan) {
    for step in &mut plan.steps {
        let secret = secret_of(&step.activation);
        if step.mark == Mark::Unchanged && secret.is_some_and(|one| !one.commands().is_empty()) {
            (step.mark, step.may_change) = (Mark::Change, true);
            plan.changes = true;
        }
    }
}

/// Returns the secrets that must be decrypted: the others are unchanged. With `refresh`, it
/// includes secrets from commands, which then run again; otherwise their output is known from the
/// applied state.
pub fn needed(
    store: &Store,
    home: &Path,
    mut wanted: Vec<DeclaredAction>,
    current: &Snapshot,
    refresh: bool,
) -> Vec<DeclaredAction> {
    if wanted.is_empty() {
        return wanted;
    }
    let before = in_force(current);
    if !refresh {
        let mut known: HashMap<Whose, Hash> = HashMap::new();
        for old in before.values() {
            let commands = secret_of(old).map(Secret::commands).unwrap_or_default().into_iter();
            let printed = commands.filter_map(|(words, printed)| Some((words, printed?)));
            known.extend(printed.map(|(words, hash)| ((old.user.clone(), words.to_vec()), hash)));
        }
        for activation in &mut wanted {
            let user = activation.user.clone();
            let Some(secret) = activation.action.as_secret_mut() else { continue };
            secret.each_command_mut(|command, printed| {
                *printed =
                    printed.or_else(|| known.get(&(user.clone(), command.to_vec())).copied());
            });
        }
    }
    let runs = |activation: &DeclaredAction| {
        refresh && secret_of(activation).is_some_and(|secret| !secret.commands().is_empty())
    };
    let (directories, accounts) = (Directories::observer(), Accounts::default());
    let observer = Observer { directories: &directories, accounts: &accounts };
    let targets = Targets::new(home);
    let is_in_place = |activation: &DeclaredAction| -> Option<bool> {
        let mut secret = secret_of(activation)?.clone();
        if secret.digest.is_none() {
            let old = secret_of(before.get(&subject(activation))?)?;
            if action::TargetKind::content(old) != action::TargetKind::content(&secret) {
                return Some(false);
            }
            secret.digest = old.digest;
        }
        secret.put_into(directory_of(store, activation));
        if !secret.copy {
            return secret.is_kept(&directories).ok();
        }
        let declared = activation.place.as_ref().unwrap_or(&secret.target);
        let place = targets.place(declared, &activation.positions).ok()?;
        let found = action::observe(&directories, &place).ok()?;
        action::TargetKind::has_result(&secret, observer, &place, &found).ok()
    };
    let is_needed =
        |activation: &DeclaredAction| runs(activation) || is_in_place(activation) != Some(true);
    wanted.into_iter().filter(is_needed).collect()
}

/// Returns the first secret whose hash is unknown.
pub fn unknown(activations: &[Arc<DeclaredAction>]) -> Option<&DeclaredAction> {
    activations
        .iter()
        .map(AsRef::as_ref)
        .find(|one| secret_of(one).is_some_and(|secret| secret.digest.is_none()))
}

/// Returns whether a path is a private file.
pub fn is_private_file(store: &Store, place: &Path) -> bool {
    place.starts_with(platform::canonical(&store.secrets()))
}

/// Plans the private files: first those that are to be there before links lead to them, then those
/// that go after that.
///
/// # Errors
/// When the file cannot be observed.
pub fn steps(
    overlay: &Overlay<'_>,
    current: &Snapshot,
    entries: &[Entry],
) -> Result<(Vec<Step>, Vec<Step>), Error> {
    let old = kept(current.actions());
    let new = kept(entries.iter().map(|entry| &*entry.activation));
    let (mut made, mut gone) = (Vec::new(), Vec::new());
    for (place, (activation, secret, digest)) in &new {
        if secret.is_kept(&overlay.directories)? {
            continue;
        }
        let found = action::observe(&overlay.directories, place)?;
        let before = before(overlay, secret, place, *digest, &found)?;
        let after = After::Secret {
            digest: *digest,
            key: secret.key_path(),
            mode: PRIVATE,
            owner: None,
            group: None,
        };
        made.push(step(activation, place, before, after));
    }
    for (place, (activation, secret, digest)) in old {
        let found = action::observe(&overlay.directories, &place)?;
        if found == Observed::Nothing || new.contains_key(&place) {
            continue;
        }
        let before = before(overlay, secret, &place, digest, &found)?;
        gone.push(step(activation, &place, before, After::Nothing));
    }
    Ok((made, gone))
}

/// Returns the private files of actions, by their places.
fn kept<'a>(
    activations: impl Iterator<Item = &'a DeclaredAction>,
) -> BTreeMap<PathBuf, (&'a DeclaredAction, &'a Secret, Hash)> {
    let file = |activation: &'a DeclaredAction| {
        let secret = secret_of(activation)?;
        let place = without_links(&secret.kept.as_ref()?.to_path());
        Some((place, (activation, secret, secret.digest?)))
    };
    activations.filter_map(file).collect()
}

/// The existing file is unchanged, or an edit.
fn before(
    overlay: &Overlay<'_>,
    secret: &Secret,
    place: &Path,
    digest: Hash,
    found: &Observed,
) -> Result<Before, Error> {
    let Some(seen) = found.seen() else { return Ok(Before::Nothing) };
    let is_ours = match Key::read_file(&secret.key_path().to_path())? {
        Some(key) => key.is_at(&overlay.directories, place, found, digest)?,
        None => false,
    };
    let role = if is_ours { Role::Ours } else { Role::Displaced };
    Ok(Before::Kept { identity: seen.identity.clone(), kept: Text::default(), role })
}

fn step(activation: &DeclaredAction, place: &Path, before: Before, after: After) -> Step {
    let private = private_mode(&before, place);
    let text = Text(platform::bytes_of_path(place));
    let change =
        TargetChange { place: text, before, after, declared: None, private, temporary: None };
    let entry = Entry::applied(&Arc::new(activation.clone()));
    Step { work: Work::Target(change), ..Step::at(Mark::Unchanged, &entry, place) }
}

/// Makes the directories that private files are written into, each for its user only.
///
/// # Errors
/// When the file system refuses.
pub fn make_directories(store: &Store, steps: &[Step]) -> Result<(), Error> {
    for step in steps {
        let Some((place, change)) = step.place.as_ref().zip(step.change()) else { continue };
        let is_made = matches!(change.after, After::Secret { .. }) && is_private_file(store, place);
        let Some(directory) = place.parent().filter(|_| is_made) else { continue };
        if platform::exists(directory) {
            continue;
        }
        platform::create_directories_as(&store.secrets(), ABOVE)?;
        platform::create_directories_as(directory, OWN)?;
        if let Some(user) = step.activation.user.as_ref().filter(|_| platform::is_system_user()) {
            platform::give_to(directory, user)?;
        }
    }
    Ok(())
}
