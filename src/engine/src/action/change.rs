//! What changes at a target, as data: what stands there before and after. The format of the
//! journal.

use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::platform::Identity;
use crate::value::Text;

/// A change of what stands at a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetChange {
    /// Where, with all links among its parents resolved.
    pub place: Text,
    /// What stands there until now.
    pub before: Before,
    /// What stands there after that.
    pub after: After,
    /// Where, as it is declared, when that is written differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Text>,
    /// Of what stands there with a secret: the mode that it gets back when it is put back. Where it
    /// is kept until then, only its owner can read it.
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

/// What stands at a target before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Before {
    /// Nothing.
    Nothing,
    /// A link of ours, which can be made again.
    Link {
        /// Where it leads.
        source: Text,
    },
    /// A directory that stays, with these rights.
    Directory {
        /// Its rights.
        #[serde(flatten)]
        rights: Rights,
    },
    /// Something that is moved away.
    Kept {
        /// Which one it is.
        identity: Identity,
        /// Where to.
        kept: Text,
        /// What it is to us.
        role: Role,
    },
}

/// What something that is moved away is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It is ours, and goes after the commit.
    Ours,
    /// It stood there before the target was managed, and comes back when that ends.
    Original,
    /// Somebody put it there while the target was managed.
    Displaced,
}

/// What stands at a target after.
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
    /// A file of ours.
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
    /// A file of ours with a secret, whose content is written nowhere else.
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
    /// A directory, which may hold what is not ours.
    Directory {
        /// Permission bits; unless given, those of a new directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
        /// The number of its owner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<u32>,
        /// The number of its group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<u32>,
    },
    /// The original, which is moved back.
    Original {
        /// Which one it is.
        identity: Identity,
        /// Where from.
        kept: Text,
    },
}
