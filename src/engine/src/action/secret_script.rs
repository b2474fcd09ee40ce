//! A private script that shells source. It sets secrets.

use serde::{Deserialize, Serialize};

use super::kind::{Addition, EnvironmentKind, Kind};
use super::secret::{Part, Secret};
use crate::value::Text;

/// A private script that shells source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretScript {
    /// The script; it has no target.
    pub secret: Secret,
    /// The names of the shells.
    pub shells: Vec<String>,
}

impl Kind for SecretScript {
    fn texts(&self) -> Vec<&Text> {
        self.secret.texts()
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        self.secret.texts_mut()
    }

    fn starts_mut(&mut self) -> Vec<&mut Text> {
        self.secret.starts_mut()
    }
}

impl EnvironmentKind for SecretScript {
    fn subject(&self) -> Vec<u8> {
        serde_json::to_vec(&("secrets", &self.shells)).unwrap_or_default()
    }

    fn name(&self) -> Option<&str> {
        None
    }

    fn detail(&self) -> Text {
        let variable = |part: &Part| match part {
            Part::Variable { variable, value, .. } => {
                let content = value.clone();
                let secret = Secret { content, ..Secret::default() };
                Some(format!("{variable} (secret {})", secret.name()))
            }
            _ => None,
        };
        let variables: Vec<_> = self.secret.content.iter().filter_map(variable).collect();
        Text(variables.join(", ").into_bytes())
    }

    /// Before it is known where the script is, that is nowhere.
    fn addition(&self) -> Addition<'_> {
        Addition::Script(self.secret.kept.as_ref().unwrap_or(&self.secret.target), &self.shells)
    }
}
