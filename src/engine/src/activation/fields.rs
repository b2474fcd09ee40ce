//! Reading an activation from JSON. Snapshots have thousands of links, which are read directly;
//! everything else is read by its kind, which must buffer its input.

use std::borrow::Cow;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};

use super::{DeclaredAction, Overridden, Project};
use crate::action::{Action, Link};
use crate::value::{Positions, Text};

/// A text that need not be kept.
#[derive(Deserialize)]
struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

/// What an activation has in JSON.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<Cow<'a, str>>,
    source: Option<Text>,
    target: Option<Text>,
    mutable: Option<bool>,
    through: Option<Text>,
    positions: Option<Positions>,
    user: Option<String>,
    project: Option<Project>,
    place: Option<Text>,
    priority: Option<i64>,
    overridden: Option<Vec<Overridden>>,
    rest: Map<String, Json>,
}

impl Fields<'_> {
    fn activation(self) -> Result<DeclaredAction, serde_json::Error> {
        let Fields {
            kind, source, target, mutable, through, positions, user, project, place, ..
        } = self;
        let Fields { priority, overridden, mut rest, .. } = self;
        let kind = kind.ok_or_else(|| serde_json::Error::missing_field("kind"))?;
        let action = match (&*kind, source, target) {
            ("symlink", Some(source), Some(target)) if rest.is_empty() => {
                Link { mutable: mutable.unwrap_or(false), through, ..Link::new(source, target) }
                    .into()
            }
            (_, source, target) => {
                for (name, text) in [("source", source), ("target", target), ("through", through)] {
                    if let Some(text) = text {
                        rest.insert(name.to_owned(), serde_json::to_value(text)?);
                    }
                }
                if let Some(mutable) = mutable {
                    rest.insert("mutable".to_owned(), mutable.into());
                }
                let unknown = || serde_json::Error::custom(format!("there is no action {kind:?}"));
                Action::parse(&kind, rest).ok_or_else(unknown)??
            }
        };
        let (positions, overridden) =
            (positions.unwrap_or_default(), overridden.unwrap_or_default());
        Ok(DeclaredAction { action, positions, user, project, place, priority, overridden })
    }
}

/// Takes a value, once.
fn take<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut A,
    name: &'static str,
    field: &mut Option<T>,
) -> Result<(), A::Error> {
    if field.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *field = map.next_value()?;
    Ok(())
}

struct ActivationVisitor;

impl<'de> Visitor<'de> for ActivationVisitor {
    type Value = DeclaredAction;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an action and who declared it")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DeclaredAction, A::Error> {
        let mut fields = Fields::default();
        while let Some(Word(name)) = map.next_key()? {
            match &*name {
                "kind" => {
                    let Word(kind) = map.next_value()?;
                    fields.kind = Some(kind);
                }
                "source" => take(&mut map, "source", &mut fields.source)?,
                "target" => take(&mut map, "target", &mut fields.target)?,
                "through" => take(&mut map, "through", &mut fields.through)?,
                "mutable" => take(&mut map, "mutable", &mut fields.mutable)?,
                "positions" => fields.positions = Some(map.next_value()?),
                "user" => take(&mut map, "user", &mut fields.user)?,
                "project" => take(&mut map, "project", &mut fields.project)?,
                "place" => take(&mut map, "place", &mut fields.place)?,
                "priority" => take(&mut map, "priority", &mut fields.priority)?,
                "overridden" => fields.overridden = Some(map.next_value()?),
                _ => drop(fields.rest.insert(name.into_owned(), map.next_value()?)),
            }
        }
        fields.activation().map_err(A::Error::custom)
    }
}

impl<'de> Deserialize<'de> for DeclaredAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DeclaredAction, D::Error> {
        deserializer.deserialize_map(ActivationVisitor)
    }
}
