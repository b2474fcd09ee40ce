//! The value of an environment variable: texts, and references to other variables, which each shell
//! renders in its own syntax. Pure; knows no shell.

use serde::{Deserialize, Serialize};

use crate::names::Placeholder;
use crate::value::Text;

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum VariableValue {
    /// The whole value.
    Single(Template),
    /// Entries that stand before whatever the variable has.
    List {
        /// The entries, first one first.
        entries: Vec<Template>,
        /// What stands between entries.
        separator: String,
    },
}

/// A text, or texts and references one after the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Template {
    /// Literal from end to end, but for a leading `~/` or `$HOME/`.
    Text(Text),
    /// Several parts.
    Parts {
        /// In their order.
        parts: Vec<Part>,
    },
}

/// A part of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Part {
    /// What another variable has when the script is sourced.
    Reference {
        /// The variable's name.
        reference: String,
    },
    /// Literal text.
    Text(Text),
}

impl From<&str> for Template {
    fn from(text: &str) -> Template {
        Template::Text(text.into())
    }
}

impl From<Text> for Template {
    fn from(text: Text) -> Template {
        Template::Text(text)
    }
}

impl Template {
    /// Returns the literal texts.
    pub fn texts(&self) -> Vec<&Text> {
        match self {
            Template::Text(text) => vec![text],
            Template::Parts { parts } => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Text(text) => Some(text),
                    Part::Reference { .. } => None,
                })
                .collect(),
        }
    }

    /// Returns the names that it refers to.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        let parts = match self {
            Template::Text(_) => [].as_slice(),
            Template::Parts { parts } => parts.as_slice(),
        };
        parts.iter().filter_map(|part| match part {
            Part::Reference { reference } => Some(reference.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Returns the template with every text changed.
    ///
    /// # Errors
    /// The first one that `change` answers.
    pub fn try_map<E>(&self, change: &impl Fn(&Text) -> Result<Text, E>) -> Result<Template, E> {
        Ok(match self {
            Template::Text(text) => Template::Text(change(text)?),
            Template::Parts { parts } => {
                let part = |part: &Part| match part {
                    Part::Text(text) => change(text).map(Part::Text),
                    reference @ Part::Reference { .. } => Ok(reference.clone()),
                };
                Template::Parts { parts: parts.iter().map(part).collect::<Result<_, _>>()? }
            }
        })
    }

    /// Returns the template with its first text changed, when that is what it begins with.
    pub fn map_start(&self, change: impl Fn(&Text) -> Text) -> Template {
        match self {
            Template::Text(text) => Template::Text(change(text)),
            Template::Parts { parts } => {
                let mut parts = parts.clone();
                if let Some(Part::Text(text)) = parts.first_mut() {
                    *text = change(text);
                }
                Template::Parts { parts }
            }
        }
    }

    /// Returns it for people: a reference is `$NAME`.
    pub fn display(&self) -> String {
        match self {
            Template::Text(text) => text.display(),
            Template::Parts { parts } => parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.display(),
                    Part::Reference { reference } => format!("${reference}"),
                })
                .collect(),
        }
    }
}

impl VariableValue {
    /// Returns every template in it.
    pub fn templates(&self) -> &[Template] {
        match self {
            VariableValue::Single(value) => std::slice::from_ref(value),
            VariableValue::List { entries, .. } => entries,
        }
    }

    /// Returns the value with the start of every template changed.
    #[must_use]
    pub fn map_starts(&self, change: impl Fn(&Text) -> Text) -> VariableValue {
        match self {
            VariableValue::Single(value) => VariableValue::Single(value.map_start(change)),
            VariableValue::List { entries, separator } => VariableValue::List {
                entries: entries.iter().map(|entry| entry.map_start(&change)).collect(),
                separator: separator.clone(),
            },
        }
    }

    /// Returns the value with every placeholder replaced by its path.
    ///
    /// # Errors
    /// The first placeholder that `path` does not know.
    pub fn resolve(&self, path: &impl Fn(Placeholder) -> Option<Vec<u8>>) -> Result<VariableValue, Placeholder> {
        let text = |given: &Text| Placeholder::resolve(&given.0, path).map(Text);
        Ok(match self {
            VariableValue::Single(value) => VariableValue::Single(value.try_map(&text)?),
            VariableValue::List { entries, separator } => VariableValue::List {
                entries: entries.iter().map(|entry| entry.try_map(&text)).collect::<Result<_, _>>()?,
                separator: separator.clone(),
            },
        })
    }

    /// Returns it for people, on one line.
    pub fn display(&self) -> String {
        let texts: Vec<_> = self.templates().iter().map(Template::display).collect();
        match self {
            VariableValue::Single(_) => texts.concat(),
            VariableValue::List { separator, .. } => texts.join(separator),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_json() {
        let parts = vec![Part::Reference { reference: "HOME".into() }, Part::Text("/x".into())];
        let template = Template::Parts { parts };
        for value in [
            VariableValue::Single("vim".into()),
            VariableValue::Single(template.clone()),
            VariableValue::List { entries: vec![template, "~/bin".into()], separator: ":".into() },
        ] {
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<VariableValue>(&json).unwrap(), value);
        }
        let text = r#"{"parts":[{"reference":"HOME"},"/x"]}"#;
        let value: VariableValue = serde_json::from_str(text).unwrap();
        assert_eq!(value.display(), "$HOME/x");
        assert_eq!(value.templates()[0].references().collect::<Vec<_>>(), ["HOME"]);
    }
}
