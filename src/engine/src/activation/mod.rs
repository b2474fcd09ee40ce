//! Activations: what to do with content, as recorded actions. Pure.

mod fields;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::names::Placeholder;
use crate::value::{Positions, Text};
pub use crate::variable::{Template, VariableValue};

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
    /// A real file at `target` with the content of `source`.
    Install {
        /// The file with the content.
        source: Text,
        /// Where the file stands; `~/` is the user's home.
        target: Text,
        /// Permission bits in octal; unless given, 0644, or 0755 for a source that can be run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<String>,
        /// The owner, a name or number; whoever applies, unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        /// The group, a name or number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        /// Whether it is written once, and belongs to the user after that.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mutable: bool,
        /// The SHA-256 of the content that was written; absent until it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Hash>,
    },
    /// A command.
    Run {
        /// What runs.
        command: Command,
        /// What takes it back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo: Option<Command>,
        /// Whether it runs at each apply.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        always: bool,
        /// The directory that it runs in; the home unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cwd: Option<Text>,
        /// Variables besides those of the environment.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        env: BTreeMap<String, Text>,
        /// The shell for lines; the system's own unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shell: Option<Text>,
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

/// A line for the shell, or a program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Command {
    /// A line for the shell.
    Line(Text),
    /// The program and its arguments. Never empty.
    Arguments(Vec<Text>),
}

impl Command {
    /// Returns the command as a person would type it, for messages.
    pub fn display(&self) -> String {
        match self {
            Command::Line(line) => line.display(),
            Command::Arguments(words) => words.iter().map(Text::display).collect::<Vec<_>>().join(" "),
        }
    }

    fn texts(&self) -> &[Text] {
        match self {
            Command::Line(line) => std::slice::from_ref(line),
            Command::Arguments(words) => words,
        }
    }

    fn map(&self, text: impl Fn(&Text) -> Text) -> Command {
        match self {
            Command::Line(line) => Command::Line(text(line)),
            Command::Arguments(words) => Command::Arguments(words.iter().map(text).collect()),
        }
    }

    fn try_map<E>(&self, text: impl Fn(&Text) -> Result<Text, E>) -> Result<Command, E> {
        Ok(match self {
            Command::Line(line) => Command::Line(text(line)?),
            Command::Arguments(words) => Command::Arguments(words.iter().map(text).collect::<Result<_, _>>()?),
        })
    }
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activation {
    /// What to do.
    #[serde(flatten)]
    pub action: Action,
    /// The chain of positions that declared it, innermost first, such as `modules/git.lua:4`.
    pub positions: Positions,
    /// The user that `user{}` scopes it to; `None` is whoever applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The project whose environment it is part of; `None` is everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
    /// The number by which it won over others, when it was declared with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Declarations of the same thing that lost. For explaining only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overridden: Vec<Overridden>,
}

/// A project, whose environment only `shell` and its directory activate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Its directory, if it has one; `~/` is the user's home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
}

/// A declaration that lost against another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overridden {
    /// What it declared, for people.
    pub value: Text,
    /// Its number: the lowest one wins.
    pub priority: i64,
    /// Who declared it, innermost first.
    pub positions: Positions,
}

impl Activation {
    /// Returns an action of whoever applies, outside of projects.
    pub fn new(action: Action, positions: impl Into<Positions>) -> Activation {
        Activation {
            action,
            positions: positions.into(),
            user: None,
            project: None,
            priority: None,
            overridden: Vec::new(),
        }
    }

    /// Returns it with another action.
    #[must_use]
    pub fn with_action(&self, action: Action) -> Activation {
        let Activation { action: _, positions, user, project, priority, overridden } = self;
        Activation {
            action,
            positions: positions.clone(),
            user: user.clone(),
            project: project.clone(),
            priority: *priority,
            overridden: overridden.clone(),
        }
    }

    /// Returns a text that is equal for equal actions of the same user and project, whoever declared them.
    pub fn key(&self) -> String {
        serde_json::to_string(&(&self.user, &self.project, &self.action)).unwrap_or_default()
    }
}

impl Action {
    /// Returns every text that may hold placeholders.
    pub fn texts(&self) -> Vec<&Text> {
        match self {
            Action::Symlink { source, target, .. } | Action::Install { source, target, .. } => vec![source, target],
            Action::Run { command, undo, cwd, env, shell, .. } => {
                let commands = [Some(command), undo.as_ref()].into_iter().flatten().flat_map(Command::texts);
                commands.chain(cwd).chain(shell).chain(env.values()).collect()
            }
            Action::AddToPath { directory } => vec![directory],
            Action::SourceInShell { script, .. } => vec![script],
            Action::SetVariable { value, .. } => value.templates().iter().flat_map(Template::texts).collect(),
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
            Action::Install { source, target, mode, owner, group, mutable, digest } => Action::Install {
                source: text(source)?,
                target: text(target)?,
                mode: mode.clone(),
                owner: owner.clone(),
                group: group.clone(),
                mutable: *mutable,
                digest: *digest,
            },
            Action::Run { command, undo, always, cwd, env, shell } => Action::Run {
                command: command.try_map(text)?,
                undo: undo.as_ref().map(|undo| undo.try_map(text)).transpose()?,
                always: *always,
                cwd: cwd.as_ref().map(text).transpose()?,
                env: env.iter().map(|(name, value)| Ok((name.clone(), text(value)?))).collect::<Result<_, _>>()?,
                shell: shell.as_ref().map(text).transpose()?,
            },
            Action::AddToPath { directory } => Action::AddToPath { directory: text(directory)? },
            Action::SourceInShell { script, shells } => {
                Action::SourceInShell { script: text(script)?, shells: shells.clone() }
            }
            Action::SetVariable { name, value } => {
                Action::SetVariable { name: name.clone(), value: value.resolve(path)? }
            }
        })
    }

    /// Returns the action with every text changed.
    #[must_use]
    pub fn map_texts(&self, change: &impl Fn(&Text) -> Text) -> Action {
        match self {
            Action::Symlink { source, target, mutable } => {
                Action::Symlink { source: change(source), target: change(target), mutable: *mutable }
            }
            Action::Install { source, target, mode, owner, group, mutable, digest } => Action::Install {
                source: change(source),
                target: change(target),
                mode: mode.clone(),
                owner: owner.clone(),
                group: group.clone(),
                mutable: *mutable,
                digest: *digest,
            },
            Action::Run { command, undo, always, cwd, env, shell } => Action::Run {
                command: command.map(change),
                undo: undo.as_ref().map(|undo| undo.map(change)),
                always: *always,
                cwd: cwd.as_ref().map(change),
                env: env.iter().map(|(name, value)| (name.clone(), change(value))).collect(),
                shell: shell.as_ref().map(change),
            },
            Action::AddToPath { directory } => Action::AddToPath { directory: change(directory) },
            Action::SourceInShell { script, shells } => {
                Action::SourceInShell { script: change(script), shells: shells.clone() }
            }
            Action::SetVariable { name, value } => {
                Action::SetVariable { name: name.clone(), value: value.map_starts(change) }
            }
        }
    }

    /// Returns whether it is part of the environment of shells, and nothing else.
    pub fn is_environment(&self) -> bool {
        matches!(self, Action::AddToPath { .. } | Action::SourceInShell { .. } | Action::SetVariable { .. })
    }

    /// Returns the target of an action that has one.
    pub fn target(&self) -> Option<&Text> {
        match self {
            Action::Symlink { target, .. } | Action::Install { target, .. } => Some(target),
            _ => None,
        }
    }

    /// Returns the kind as it is called in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Action::Symlink { .. } => "symlink",
            Action::Install { .. } => "install",
            Action::Run { .. } => "run",
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
        let value = VariableValue::List { entries: vec!["~/bin".into()], separator: ":".into() };
        let action = Action::SetVariable { name: "PATH".into(), value };
        let mut activation = Activation::new(action, vec!["init.lua:3".into()]);
        activation.user = Some("ada".into());
        activation.project = Some(Project { name: "web".into(), path: Some("~/web".into()) });
        activation.overridden =
            vec![Overridden { value: "/x".into(), priority: 1000, positions: ["init.lua:1".into()].into() }];
        let json = serde_json::to_string(&activation).unwrap();
        assert_eq!(serde_json::from_str::<Activation>(&json).unwrap(), activation);
    }
}
