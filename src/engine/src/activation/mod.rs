//! Activations: recorded actions, and who declared them. Pure.

mod fields;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::names::Placeholder;
use crate::value::{Positions, Text};

/// An action and who declared it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeclaredAction {
    /// What to do.
    #[serde(flatten)]
    pub action: Action,
    /// The chain of positions that declared it, innermost first, such as `modules/git.lua:4`.
    pub positions: Positions,
    /// The user of its `user{}`; `None` is the applying user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The project whose environment it is part of; `None` is the common one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
    /// Where it was put, when its target does not tell since a link is above it. In snapshots only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Text>,
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

impl DeclaredAction {
    /// Returns an action of the applying user, outside of projects.
    pub fn new(action: Action, positions: impl Into<Positions>) -> DeclaredAction {
        DeclaredAction {
            action,
            positions: positions.into(),
            user: None,
            project: None,
            place: None,
            priority: None,
            overridden: Vec::new(),
        }
    }

    /// Returns the subject of its action, with the user and the project that it is for.
    pub fn scoped_subject(&self) -> Vec<u8> {
        let scope = format!("{:?} {:?} ", self.user, self.project);
        [scope.as_bytes(), &self.action.subject()].concat()
    }

    /// Returns whether both are private scripts for shells with the same content, whatever its
    /// encryption.
    pub fn has_same_script(&self, other: &DeclaredAction) -> bool {
        let digest = |activation: &DeclaredAction| {
            activation.action.as_environment()?;
            activation.action.as_secret()?.digest
        };
        self.scoped_subject() == other.scoped_subject()
            && digest(self).is_some_and(|own| digest(other) == Some(own))
    }

    /// Returns it with another action.
    #[must_use]
    pub fn with_action(&self, action: Action) -> DeclaredAction {
        let DeclaredAction { action: _, positions, user, project, place, priority, overridden } =
            self;
        DeclaredAction {
            action,
            positions: positions.clone(),
            user: user.clone(),
            project: project.clone(),
            place: place.clone(),
            priority: *priority,
            overridden: overridden.clone(),
        }
    }

    /// Returns whether it is a link, and what another one is once its placeholders are paths.
    pub fn is_of(
        &self,
        declared: &DeclaredAction,
        path: &impl Fn(Placeholder) -> Option<Vec<u8>>,
    ) -> bool {
        self.user == declared.user
            && self.project == declared.project
            && self.place == declared.place
            && self.priority == declared.priority
            && self.overridden == declared.overridden
            && self.positions == declared.positions
            && self.action.is_link_of(&declared.action, path)
    }

    /// Returns a text that is equal for equal actions of the same user and project, whatever their
    /// positions.
    pub fn key(&self) -> String {
        serde_json::to_string(&(&self.user, &self.project, &self.action)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{File, Link};

    #[test]
    fn activations_survive_json() {
        let link = Link::new("/a".into(), "~/a".into());
        let file =
            File { source: "/a".into(), target: "~/a".into(), mutable: true, ..File::default() };
        for action in [Action::from(link), file.into()] {
            let mut activation = DeclaredAction::new(action, vec!["init.lua:3".into()]);
            activation.user = Some("ada".into());
            activation.project = Some(Project { name: "web".into(), path: Some("~/web".into()) });
            activation.overridden = vec![Overridden {
                value: "/x".into(),
                priority: 1000,
                positions: ["init.lua:1".into()].into(),
            }];
            let json = serde_json::to_string(&activation).unwrap();
            assert_eq!(serde_json::from_str::<DeclaredAction>(&json).unwrap(), activation);
        }
    }
}
