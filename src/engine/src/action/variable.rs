//! An environment variable.

use serde::{Deserialize, Serialize};

use super::kind::{Addition, EnvironmentKind, Kind};
use crate::value::Text;
use crate::variable::{Template, VariableValue};

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: VariableValue,
}

impl Kind for Variable {
    fn texts(&self) -> Vec<&Text> {
        self.value.templates().iter().flat_map(Template::texts).collect()
    }

    fn texts_mut(&mut self) -> Vec<&mut Text> {
        self.value.templates_mut().iter_mut().flat_map(Template::texts_mut).collect()
    }

    fn starts_mut(&mut self) -> Vec<&mut Text> {
        self.value.templates_mut().iter_mut().filter_map(Template::start_mut).collect()
    }
}

impl EnvironmentKind for Variable {
    fn subject(&self) -> Vec<u8> {
        self.name.clone().into_bytes()
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn detail(&self) -> Text {
        Text(self.value.display().into_bytes())
    }

    fn addition(&self) -> Addition<'_> {
        match &self.value {
            VariableValue::Single(value) => Addition::Single(&self.name, value),
            VariableValue::List { entries, separator } => {
                Addition::Entries(&self.name, separator, entries.clone())
            }
        }
    }
}
