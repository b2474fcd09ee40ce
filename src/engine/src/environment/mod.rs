//! The environment that a snapshot gives to shells: one model, one renderer per family of shells.
//! Gives bytes; knows no file.

mod posix;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::activation::{Action, Activation, Shell, VariableValue};
use crate::value::Text;

/// Variables, entries of list variables, and scripts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Variables with one value.
    pub single: BTreeMap<String, Text>,
    /// Variables whose entries stand before what they have: separator and entries.
    pub lists: BTreeMap<String, (String, Vec<Text>)>,
    /// Scripts to source, in order, and the shells that do.
    pub scripts: Vec<(Text, BTreeSet<Shell>)>,
}

impl Environment {
    /// Collects the environment of resolved actions; `home` is what `~/` stands for.
    pub fn new<'a>(activations: impl IntoIterator<Item = &'a Activation>, home: &Path) -> Environment {
        let mut environment = Environment::default();
        for activation in activations {
            match &activation.action {
                Action::AddToPath { directory } => environment.add("PATH", ":", std::slice::from_ref(directory), home),
                Action::SetVariable { name, value: VariableValue::List { entries, separator } } => {
                    environment.add(name, separator, entries, home);
                }
                Action::SetVariable { name, value: VariableValue::Single(value) } => {
                    environment.single.insert(name.clone(), expand_home(value, home));
                }
                Action::SourceInShell { script, shells } => {
                    environment.scripts.push((expand_home(script, home), shells.iter().copied().collect()));
                }
                Action::Symlink { .. } | Action::Install { .. } | Action::Run { .. } => {}
            }
        }
        environment
    }

    fn add(&mut self, name: &str, separator: &str, entries: &[Text], home: &Path) {
        let (_, list) = self.lists.entry(name.to_owned()).or_insert_with(|| (separator.to_owned(), Vec::new()));
        for entry in entries {
            let entry = expand_home(entry, home);
            if !list.contains(&entry) {
                list.push(entry);
            }
        }
    }

    /// Returns the script for sh, bash and zsh.
    pub fn render_posix(&self) -> Vec<u8> {
        posix::render(self)
    }
}

/// Replaces a leading `~/` or `$HOME/`, or either alone, by the home directory.
pub fn expand_home(text: &Text, home: &Path) -> Text {
    for prefix in [b"~".as_slice(), b"$HOME".as_slice()] {
        if let Some(rest) = text.0.strip_prefix(prefix)
            && (rest.is_empty() || rest.starts_with(b"/"))
        {
            return Text([crate::platform::bytes_of_path(home).as_slice(), rest].concat());
        }
    }
    text.clone()
}
