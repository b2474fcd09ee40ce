//! Activations: what to do with content, as recorded actions. Pure.

use serde::{Deserialize, Serialize};

use crate::names::Placeholder;
use crate::value::Text;

/// One action that an activation recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// A symbolic link at `target` that points to `source`.
    Symlink {
        /// What the link points to.
        source: Text,
        /// Where the link stands; `~/` is the user's home.
        target: Text,
        /// Whether it points to the user's own file instead of the store.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mutable: bool,
    },
    /// An entry of `PATH`.
    AddToPath {
        /// The directory.
        directory: Text,
    },
    /// A script that shells source.
    SourceInShell {
        /// The script.
        script: Text,
        /// Which shells.
        shells: Vec<Shell>,
    },
    /// An environment variable.
    SetVariable {
        /// Its name.
        name: String,
        /// Its value.
        value: VariableValue,
    },
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum VariableValue {
    /// The whole value.
    Single(Text),
    /// Entries that stand before whatever the variable has.
    List {
        /// The entries, first one first.
        entries: Vec<Text>,
        /// What stands between entries.
        separator: String,
    },
}

/// A shell that environment scripts are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shell {
    /// A POSIX shell that is none of the others, such as dash.
    Sh,
    /// GNU bash.
    Bash,
    /// zsh.
    Zsh,
}

/// An action and who declared it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    /// What to do.
    #[serde(flatten)]
    pub action: Action,
    /// The chain of positions that declared it, innermost first, such as `modules/git.lua:4`.
    #[serde(default)]
    pub positions: Vec<String>,
}

impl Action {
    /// Returns every text that may hold placeholders.
    pub fn texts(&self) -> Vec<&Text> {
        match self {
            Action::Symlink { source, target, .. } => vec![source, target],
            Action::AddToPath { directory } => vec![directory],
            Action::SourceInShell { script, .. } => vec![script],
            Action::SetVariable { value: VariableValue::Single(value), .. } => vec![value],
            Action::SetVariable { value: VariableValue::List { entries, .. }, .. } => entries.iter().collect(),
        }
    }

    /// Returns the action with every placeholder replaced by its path.
    ///
    /// # Errors
    /// The first placeholder that `path` does not know.
    pub fn resolve(&self, path: &impl Fn(Placeholder) -> Option<Vec<u8>>) -> Result<Action, Placeholder> {
        let text = |given: &Text| Placeholder::resolve(&given.0, path).map(Text);
        Ok(match self {
            Action::Symlink { source, target, mutable } => {
                Action::Symlink { source: text(source)?, target: text(target)?, mutable: *mutable }
            }
            Action::AddToPath { directory } => Action::AddToPath { directory: text(directory)? },
            Action::SourceInShell { script, shells } => {
                Action::SourceInShell { script: text(script)?, shells: shells.clone() }
            }
            Action::SetVariable { name, value } => {
                let value = match value {
                    VariableValue::Single(value) => VariableValue::Single(text(value)?),
                    VariableValue::List { entries, separator } => VariableValue::List {
                        entries: entries.iter().map(text).collect::<Result<_, _>>()?,
                        separator: separator.clone(),
                    },
                };
                Action::SetVariable { name: name.clone(), value }
            }
        })
    }

    /// Returns the kind as it is called in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Action::Symlink { .. } => "symlink",
            Action::AddToPath { .. } => "add_to_path",
            Action::SourceInShell { .. } => "source_in_shell",
            Action::SetVariable { .. } => "set_variable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_survive_json() {
        let activation = Activation {
            action: Action::SetVariable {
                name: "PATH".into(),
                value: VariableValue::List { entries: vec!["~/bin".into()], separator: ":".into() },
            },
            positions: vec!["init.lua:3".into()],
        };
        let json = serde_json::to_string(&activation).unwrap();
        assert_eq!(serde_json::from_str::<Activation>(&json).unwrap(), activation);
    }
}
