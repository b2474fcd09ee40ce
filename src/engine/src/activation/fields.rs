//! Reading an activation from JSON. Links, of which a snapshot has thousands, are read straight away; for everything
//! else the derived reading of [`Action`] decides, which has to buffer what it reads.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::{Action, Activation, Overridden, Project};
use crate::value::Text;

/// What an activation has in JSON.
#[derive(Deserialize)]
pub(super) struct Fields {
    kind: String,
    source: Option<Text>,
    target: Option<Text>,
    mutable: Option<bool>,
    #[serde(default)]
    positions: Vec<String>,
    user: Option<String>,
    project: Option<Project>,
    priority: Option<i64>,
    #[serde(default)]
    overridden: Vec<Overridden>,
    #[serde(flatten)]
    rest: Map<String, Json>,
}

impl TryFrom<Fields> for Activation {
    type Error = serde_json::Error;

    fn try_from(fields: Fields) -> Result<Activation, serde_json::Error> {
        let Fields { kind, source, target, mutable, positions, user, project, priority, overridden, mut rest } = fields;
        let action = match (kind.as_str(), source, target) {
            ("symlink", Some(source), Some(target)) if rest.is_empty() => {
                Action::Symlink { source, target, mutable: mutable.unwrap_or(false) }
            }
            (_, source, target) => {
                for (name, text) in [("source", source), ("target", target)] {
                    if let Some(text) = text {
                        rest.insert(name.to_owned(), serde_json::to_value(text)?);
                    }
                }
                if let Some(mutable) = mutable {
                    rest.insert("mutable".to_owned(), mutable.into());
                }
                rest.insert("kind".to_owned(), kind.into());
                serde_json::from_value(Json::Object(rest))?
            }
        };
        Ok(Activation { action, positions, user, project, priority, overridden })
    }
}
