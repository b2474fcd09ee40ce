//! The value of an environment variable: texts, and references to other variables, which each shell
//! renders in its own syntax. Pure; knows no shell.

use serde::{Deserialize, Serialize};

use crate::value::Text;

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum VariableValue {
    /// The whole value.
    Single(Template),
    /// Entries that precede the existing value of the variable.
    List {
        /// The entries, first one first.
        entries: Vec<Template>,
        /// The separator of entries.
        separator: String,
    },
}

/// A text, or texts and references one after the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Template {
    /// Literal from end to end, except for a leading `~/` or `$HOME/`.
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

    /// Returns the literal texts, to be changed.
    pub fn texts_mut(&mut self) -> Vec<&mut Text> {
        match self {
            Template::Text(text) => vec![text],
            Template::Parts { parts } => parts
                .iter_mut()
                .filter_map(|part| match part {
                    Part::Text(text) => Some(text),
                    Part::Reference { .. } => None,
                })
                .collect(),
        }
    }

    /// Returns the text that it begins with, to be changed.
    pub fn start_mut(&mut self) -> Option<&mut Text> {
        match self {
            Template::Text(text) => Some(text),
            Template::Parts { parts } => match parts.first_mut()? {
                Part::Text(text) => Some(text),
                Part::Reference { .. } => None,
            },
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

    /// Returns every template in it, to be changed.
    pub fn templates_mut(&mut self) -> &mut [Template] {
        match self {
            VariableValue::Single(value) => std::slice::from_mut(value),
            VariableValue::List { entries, .. } => entries,
        }
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
