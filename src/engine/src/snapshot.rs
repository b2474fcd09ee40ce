//! `snapshot.json`: what one apply left in force. The format only.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::hash::Hash;
use crate::names::SnapshotId;
use crate::store::Outputs;
use crate::value::{path_from_json, path_to_json};

/// The version of the format that we write.
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
    /// The derivations that were realized, and the objects of their outputs.
    pub derivations: Arc<BTreeMap<Hash, Outputs>>,
    /// The resolved actions, with the positions that declared them.
    pub activations: Vec<Arc<Activation>>,
}

/// A text that is no snapshot of a version that we know.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is no such JSON.
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
            derivations: Arc::default(),
            activations: Vec::new(),
        }
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// When the text is no snapshot, or one of a newer version.
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
    pub fn actions(&self) -> impl Iterator<Item = &Activation> + Clone {
        self.activations.iter().map(AsRef::as_ref)
    }

    /// Returns the text of `snapshot.json`.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}
