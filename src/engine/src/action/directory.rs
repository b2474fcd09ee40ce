//! A directory at a target. It may contain other targets and other files.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::change::After;
use super::drift::{Aspect, Drift, Observer};
use super::file::{numbers, parse_mode};
use super::kind::{Kind, Properties, TargetKind};
use super::{Error, Observed};
use crate::platform::{FileKind, Result, Seen};
use crate::value::Text;

/// Directories that programs insist on having to themselves, wherever they are: with other rights
/// they refuse to work, warn, or show to others what is secret.
const PRIVATE: [&str; 23] = [
    ".ssh",
    ".gnupg",
    ".password-store",
    ".pki",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".vnc",
    ".tor",
    ".emacs.d/server",
    ".config/emacs/server",
    ".config/op",
    ".config/gcloud",
    ".config/rclone",
    ".config/sops",
    ".config/syncthing",
    ".config/borg",
    ".config/age",
    ".local/share/gnupg",
    ".local/share/keyrings",
    ".local/share/password-store",
    ".thunderbird",
];

/// Returns the mode of a directory that is created, if it is one of these or is below one.
pub fn insisted_mode(path: &Path) -> Option<u32> {
    path.ancestors()
        .any(|above| PRIVATE.iter().any(|private| above.ends_with(private)))
        .then_some(0o700)
}

/// A directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Its path; `~/` is the user's home.
    pub target: Text,
    /// Permission bits in octal; unless given, what a new directory has, and an old one keeps its
    /// own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The owner, a name or number; by default the applying user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The group, a name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it exists only because targets below it replaced a link.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfolded: bool,
}

impl Kind for Directory {
    fn texts(&self) -> Vec<&Text> {
        vec![&self.target]
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        vec![&mut self.target]
    }
}

impl TargetKind for Directory {
    fn target(&self) -> &Text {
        &self.target
    }

    fn noun(&self) -> &'static str {
        "directory"
    }

    fn in_words(&self) -> String {
        "a directory".to_owned()
    }

    fn content(&self) -> Vec<u8> {
        serde_json::to_vec(&(&self.mode, &self.owner, &self.group)).unwrap_or_default()
    }

    fn state(&self) -> Vec<u8> {
        self.content()
    }

    fn after(&self, _mark: &dyn Fn() -> Text) -> std::result::Result<After, Error> {
        let mode = self.mode.as_deref().map(parse_mode).transpose()?;
        let (owner, group) = numbers(self.owner.as_ref(), self.group.as_ref())?;
        Ok(After::Directory { mode, owner, group })
    }

    fn drift(&self, observer: Observer<'_>, _place: &Path, found: &Observed) -> Result<Drift> {
        Ok(match found {
            Observed::Nothing => Drift::Missing,
            Observed::Other(seen) if seen.kind == FileKind::Directory => {
                match self.rights(observer, seen) {
                    aspects if aspects.is_empty() => Drift::None,
                    aspects => Drift::Changed(aspects),
                }
            }
            _ => Drift::Replaced,
        })
    }

    /// What is in it, others wrote.
    fn has_written(&self, _look: Observer<'_>, _place: &Path, _found: &Observed) -> Result<bool> {
        Ok(false)
    }

    fn rights(&self, observer: Observer<'_>, seen: &Seen) -> Vec<Aspect> {
        let has_mode =
            self.mode.as_ref().is_none_or(|mode| u32::from_str_radix(mode, 8) == Ok(seen.mode));
        let mut aspects = if has_mode { Vec::new() } else { vec![Aspect::Mode] };
        aspects.extend(observer.accounts.differ(self.owner.as_ref(), self.group.as_ref(), seen));
        aspects
    }

    fn properties(&self) -> Properties<'_> {
        let (mode, owner, group) = (self.mode.as_ref(), self.owner.as_ref(), self.group.as_ref());
        Properties { mode, owner, group, mutable: false }
    }

    fn keeps_below(&self) -> bool {
        true
    }

    fn is_implied(&self) -> bool {
        self.unfolded
    }
}
