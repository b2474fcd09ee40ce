//! `snapshot.json`: what one apply left in force. The format only.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::activation::DeclaredAction;
use crate::hash::Hash;
use crate::names::SnapshotId;
use crate::platform::{self, Account};
use crate::store::Outputs;
use crate::value::{Text, path_from_json, path_to_json};

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// The end of the year 9999, in seconds since the epoch: what is later cannot be shown everywhere.
const LAST_MOMENT: u64 = 253_402_300_799;

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The version of this format.
    pub version: u32,
    /// Its number.
    pub id: SnapshotId,
    /// The snapshot that was current when it was made.
    pub parent: Option<SnapshotId>,
    /// When it was made, in seconds since the epoch. For people: the order is that of the numbers.
    pub created_at: u64,
    /// A line for people.
    pub description: String,
    /// The entry file it was made from.
    #[serde(default, serialize_with = "path_to_json", deserialize_with = "path_from_json")]
    pub config_path: Option<PathBuf>,
    /// The root when it was made; older versions did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Text>,
    /// The home behind `~/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Text>,
    /// The homes that targets are in, and which directories these are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub homes: Vec<HomeAt>,
    /// The derivations that were realized, and the objects of their outputs.
    #[serde(deserialize_with = "derivations_from_json")]
    pub derivations: Arc<BTreeMap<Hash, Outputs>>,
    /// The resolved actions, with the positions that declared them.
    pub activations: Vec<Arc<DeclaredAction>>,
    /// Where the root was and what was moved since, once its paths are read as they are now.
    #[serde(skip)]
    pub moved: Option<(PathBuf, Moves)>,
}

/// Reads the derivations of a snapshot. They are sorted in the text: to make a map of all of them
/// at once takes less than to add them.
fn derivations_from_json<'de, D: Deserializer<'de>>(
    json: D,
) -> Result<Arc<BTreeMap<Hash, Outputs>>, D::Error> {
    struct Pairs;
    impl<'de> Visitor<'de> for Pairs {
        type Value = Arc<BTreeMap<Hash, Outputs>>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("the outputs of derivations by their hashes")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry::<Hash, Outputs>()? {
                pairs.push(pair);
            }
            Ok(Arc::new(pairs.into_iter().collect()))
        }
    }
    json.deserialize_map(Pairs)
}

/// A home, and which directory it is: another place in the same file system does not change that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeAt {
    /// The user, if it is not the applying one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// Where it was.
    path: Text,
    /// The same without links, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    real: Option<Text>,
    /// The numbers of its file system and of itself there.
    id: (u64, u64),
}

impl HomeAt {
    /// Returns the home of the applying user, and those of other users.
    pub fn all<'a>(home: &Path, users: impl Iterator<Item = &'a str>) -> Vec<HomeAt> {
        let users: BTreeSet<&str> = users.collect();
        let users = users.into_iter().filter_map(|user| Some((Some(user), home_of(user)?)));
        let at = |(user, path): (Option<&str>, PathBuf)| {
            let real = platform::canonical(&path);
            let id = platform::id_at(&real)?;
            let real = (real != path).then(|| Text(platform::bytes_of_path(&real)));
            let (user, path) = (user.map(str::to_owned), Text(platform::bytes_of_path(&path)));
            Some(HomeAt { user, path, real, id })
        };
        [(None, home.to_owned())].into_iter().chain(users).filter_map(at).collect()
    }

    /// Returns from where to where it was moved since, if it was.
    fn moved(&self, home: &Path) -> Vec<(PathBuf, PathBuf)> {
        let old = self.path.to_path();
        let now = match &self.user {
            None => Some(home.to_owned()),
            Some(user) => home_of(user),
        };
        let Some(now) = now.filter(|now| *now != old || self.real.is_some()) else {
            return Vec::new();
        };
        let real = platform::canonical(&now);
        let old_end = if now == old { real.clone() } else { platform::canonical(&old) };
        if real == old_end {
            // A link of the same name that leads to another disk now.
            let old_real = self.real.as_ref().map(Text::to_path);
            let is_gone =
                |old_real: &PathBuf| *old_real != real && !platform::leads_somewhere(old_real);
            return old_real
                .filter(is_gone)
                .map(|old_real| (old_real, real.clone()))
                .into_iter()
                .collect();
        }
        // By another path, such as a bind mount, it may be the same.
        let is_same = |home: &Path| platform::id_at(home) == Some(self.id);
        if !is_same(&real) || platform::leads_somewhere(&old) && !is_same(&old_end) {
            return Vec::new();
        }
        let real_move = self.real.as_ref().map(|old| (old.to_path(), real));
        [(old, now)].into_iter().chain(real_move).collect()
    }
}

fn home_of(user: &str) -> Option<PathBuf> {
    Account::of(Some(user)).ok()?.home
}

/// Where a root and a home are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moves {
    /// What begins with the first begins with the second now; the longer ones come first.
    prefixes: Vec<(PathBuf, PathBuf)>,
}

impl Moves {
    /// Compares where a root and the home were with where they are. When the way from one to the
    /// other is the same, both were moved together; a home may also be the same by another name. So
    /// were a home that is gone and the root in it when the present home is a third one.
    pub fn new((old_root, old_home): (&Path, &Path), (root, home): (&Path, &Path)) -> Moves {
        let mut prefixes = Vec::new();
        if old_root != root {
            prefixes.push((old_root.to_owned(), root.to_owned()));
        }
        let is_moved = || old_root != root && way(old_home, old_root) == way(home, root);
        if old_home != home
            && (is_moved()
                || platform::end_of(old_home).is_ok_and(|end| end == platform::canonical(home)))
        {
            prefixes.push((old_home.to_owned(), home.to_owned()));
        } else if old_home != home
            && let Some(now) = home_above(old_root, old_home, root)
            && !platform::exists(old_home)
        {
            prefixes.push((old_home.to_owned(), now));
        }
        // Targets of another home than the applying one may be in the directory that moved.
        if let Some((old, now)) = moved_above(old_root, root)
            && prefixes.iter().all(|(known, _)| known != old)
        {
            prefixes.push((old.to_owned(), now.to_owned()));
        }
        // A root in a home before the home.
        prefixes.sort_by_key(|(old, _)| Reverse(old.components().count()));
        Moves { prefixes }
    }

    /// Adds homes that were moved.
    #[must_use]
    pub fn with_homes(mut self, homes: &[HomeAt], home: &Path) -> Moves {
        for (old, new) in homes.iter().flat_map(|each| each.moved(home)) {
            if !self.prefixes.iter().any(|(known, _)| *known == old) {
                self.prefixes.push((old, new));
            }
        }
        self.prefixes.sort_by_key(|(old, _)| Reverse(old.components().count()));
        self
    }

    /// Returns whether nothing was moved.
    pub fn is_none(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// Returns a path as it is now.
    pub fn follow(&self, path: &Text) -> Text {
        let given = path.to_path();
        for (old, new) in &self.prefixes {
            if let Ok(rest) = given.strip_prefix(old) {
                let now = if rest.as_os_str().is_empty() { new.clone() } else { new.join(rest) };
                return Text(platform::bytes_of_path(&now));
            }
        }
        path.clone()
    }
}

/// Returns where a home is when it was moved with the root in it.
fn home_above(old_root: &Path, old_home: &Path, root: &Path) -> Option<PathBuf> {
    let below =
        old_root.strip_prefix(old_home).ok().filter(|below| !below.as_os_str().is_empty())?;
    let above =
        root.ends_with(below).then(|| root.ancestors().nth(below.components().count()))??;
    (above != old_home && platform::is_directory(above)).then(|| above.to_owned())
}

/// Returns from where to where a directory was moved with the root in it, if it is no longer where
/// it was. It is the outermost directory with another name now.
fn moved_above<'a>(old_root: &'a Path, root: &'a Path) -> Option<(&'a Path, &'a Path)> {
    let same = old_root.components().rev().zip(root.components().rev());
    let same = same.take_while(|(old, now)| old == now).count();
    let (old, now) = (old_root.ancestors().nth(same)?, root.ancestors().nth(same)?);
    let is_moved = same > 0 && old.file_name().is_some() && now.file_name().is_some();
    (is_moved && !platform::exists(old)).then_some((old, now))
}

/// Returns how many directories up and which ones down lead from one path to another.
fn way<'a>(from: &Path, to: &'a Path) -> (usize, &'a Path) {
    let common = to.ancestors().find(|above| from.starts_with(above)).unwrap_or(Path::new(""));
    let up = from.strip_prefix(common).map_or(0, |below| below.components().count());
    (up, to.strip_prefix(common).unwrap_or(to))
}

/// A text that is not a snapshot of a known version.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is not valid JSON of this form.
    #[error("{0}")]
    Damaged(#[from] serde_json::Error),
    /// A newer program wrote it.
    #[error("it has version {0}, which only a newer sys.lua reads")]
    Newer(u64),
    /// No clock shows that.
    #[error("it says that it was made {0} seconds after 1970")]
    Moment(u64),
    /// It is that of another number.
    #[error("it says that it is snapshot {0}")]
    Other(SnapshotId),
}

impl Snapshot {
    /// Returns snapshot 0, which precedes the first apply.
    pub fn empty() -> Snapshot {
        Snapshot {
            version: VERSION,
            id: SnapshotId(0),
            parent: None,
            created_at: 0,
            description: "before the first apply".to_owned(),
            config_path: None,
            root: None,
            home: None,
            homes: Vec::new(),
            derivations: Arc::default(),
            activations: Vec::new(),
            moved: None,
        }
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// When the text is not a snapshot, or one of a newer version.
    pub fn parse(text: &[u8]) -> Result<Snapshot, SnapshotError> {
        #[derive(Deserialize)]
        struct Header {
            version: u64,
        }
        let snapshot: Result<Snapshot, _> = serde_json::from_slice(text);
        let version = match &snapshot {
            Ok(snapshot) => u64::from(snapshot.version),
            // What a newer one says otherwise cannot be read: its version can.
            Err(_) => serde_json::from_slice::<Header>(text)?.version,
        };
        if version > u64::from(VERSION) {
            return Err(SnapshotError::Newer(version));
        }
        let snapshot = snapshot?;
        if snapshot.created_at > LAST_MOMENT {
            return Err(SnapshotError::Moment(snapshot.created_at));
        }
        Ok(snapshot)
    }

    /// Returns the actions in force.
    pub fn actions(&self) -> impl Iterator<Item = &DeclaredAction> + Clone {
        self.activations.iter().map(AsRef::as_ref)
    }

    /// Returns where an action put something: where it says, below the home that it was in. `home`
    /// is the present one. Where the directory is gone in which it was put, by a link above it,
    /// that is where the link leads now, if it leads anywhere.
    pub fn place_of(&self, activation: &DeclaredAction, home: &Path) -> Option<Text> {
        let target = activation.action.target()?;
        let home = self.home.as_ref().map_or_else(|| home.to_owned(), Text::to_path);
        let recorded = activation.place.as_ref().map(|place| place.expand_home(&home));
        let is_there = |place: &Text| place.to_path().parent().is_some_and(platform::exists);
        let written = target.expand_home(&home);
        Some(recorded.filter(|place| is_there(place) || !is_there(&written)).unwrap_or(written))
    }

    /// Reads all paths as they are now, where the root got another place since, alone or together
    /// with the home, or the home another name. Returns the earlier root and what was moved when
    /// that is so.
    pub fn follow_moves(&mut self, root: &Path, home: &Path) -> Option<(PathBuf, Moves)> {
        if self.moved.is_some() {
            return self.moved.clone();
        }
        let (old_root, old_home) = (self.root.as_ref()?.to_path(), self.home.as_ref()?.to_path());
        let moves = Moves::new((&old_root, &old_home), (root, home)).with_homes(&self.homes, home);
        if moves.is_none() {
            return None;
        }
        for activation in &mut self.activations {
            let activation = Arc::make_mut(activation);
            activation.place = activation.place.as_ref().map(|place| moves.follow(place));
            activation.action.change_starts(|text| moves.follow(text));
        }
        self.home = Some(moves.follow(&Text(platform::bytes_of_path(&old_home))));
        self.root = Some(Text(platform::bytes_of_path(root)));
        self.moved = Some((old_root, moves));
        self.moved.clone()
    }

    /// Returns the text of `snapshot.json`.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}
