//! Changes at a target, as data: its state before and after. The format of the journal.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::declared_keys::Edit;
use crate::hash::Hash;
use crate::platform::Identity;
use crate::value::Text;

/// A change at a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetChange {
    /// Where, with all links among its parents resolved.
    pub place: Text,
    /// The state before.
    pub before: Before,
    /// The state after.
    pub after: After,
    /// Where, as it is declared, when that is written differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Text>,
    /// For an existing secret file: the mode that it gets back when it is restored. Until then,
    /// only its owner can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<u32>,
    /// Where new content is prepared, beside the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporary: Option<Text>,
}

/// The rights of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Permission bits.
    pub mode: u32,
    /// The number of its owner.
    pub owner: u32,
    /// The number of its group.
    pub group: u32,
}

/// The state of a target before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Before {
    /// Nothing.
    Nothing,
    /// A link of sys.lua, which can be made again.
    Link {
        /// Where it leads.
        source: Text,
    },
    /// A directory that stays, with these rights.
    Directory {
        /// Its rights.
        #[serde(flatten)]
        rights: Rights,
        /// Those that it had before it first got declared ones, if that is recorded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        original: Option<Rights>,
    },
    /// Something that is moved away.
    Kept {
        /// Which one it is.
        identity: Identity,
        /// Where to.
        kept: Text,
        /// Its role.
        role: Role,
    },
}

/// The role of a file that is moved away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It belongs to sys.lua, and is removed after the commit.
    Ours,
    /// It existed before the target was managed, and is restored when that ends.
    Original,
    /// It was put there while the target was managed.
    Displaced,
}

/// The state of a target after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum After {
    /// Nothing.
    Nothing,
    /// A link.
    Link {
        /// Where it leads.
        source: Text,
    },
    /// A file of sys.lua.
    File {
        /// The file that has its content.
        source: Text,
        /// The SHA-256 of the content.
        digest: Hash,
        /// Permission bits.
        mode: u32,
        /// The number of its owner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<u32>,
        /// The number of its group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<u32>,
        /// What tells other roots whose file it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<Text>,
    },
    /// A file of sys.lua with a secret, whose content is written nowhere else.
    Secret {
        /// HMAC-SHA-256 of the content.
        digest: Hash,
        /// The file with the key for that.
        key: Text,
        /// Permission bits.
        mode: u32,
        /// The number of its owner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<u32>,
        /// The number of its group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<u32>,
    },
    /// A directory, which may contain foreign files.
    Directory {
        /// Permission bits; by default those of a new directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
        /// The number of its owner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<u32>,
        /// The number of its group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<u32>,
    },
    /// A file that a program owns too, with declared keys.
    Merged {
        /// What changes in it.
        edit: Box<Edit>,
    },
    /// The original, which is moved back.
    Original {
        /// Which one it is.
        identity: Identity,
        /// Where from.
        kept: Text,
    },
}

/// What became of a target that was to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// It is as it was before.
    Done,
    /// It was changed in the meantime: it stays as it is.
    LeftAlone {
        /// The target.
        place: PathBuf,
        /// The existing file, in words.
        found: String,
        /// The place of the earlier file, if it is kept.
        kept: Option<PathBuf>,
    },
}
