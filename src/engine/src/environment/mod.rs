//! The environment that a snapshot gives to shells: one model, one renderer per family of shells.
//! Gives bytes; knows no file.

mod posix;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::activation::{Action, Activation, Shell, Template, VariableValue};
use crate::value::Text;

/// Variables, entries of list variables, and scripts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Variables with one value.
    pub single: BTreeMap<String, Template>,
    /// Variables whose entries stand before what they have: separator and entries.
    pub lists: BTreeMap<String, (String, Vec<Template>)>,
    /// Scripts to source, in order, and the shells that do.
    pub scripts: Vec<(Text, BTreeSet<Shell>)>,
}

/// Returns the users that actions are scoped to.
pub fn users<'a>(activations: impl IntoIterator<Item = &'a Activation>) -> BTreeSet<&'a str> {
    activations.into_iter().filter_map(|activation| activation.user.as_deref()).collect()
}

impl Environment {
    /// Collects the environment of whoever applies; `home` is what `~/` stands for.
    pub fn new<'a>(activations: impl IntoIterator<Item = &'a Activation>, home: &Path) -> Environment {
        let mut environment = Environment::default();
        let of_all = |activation: &&Activation| activation.user.is_none() && activation.project.is_none();
        activations.into_iter().filter(of_all).for_each(|activation| environment.collect(activation, home));
        environment
    }

    /// Collects the environment of a user: what is the user's own, and what everybody has where the user has
    /// nothing else. `home` is the user's.
    pub fn of_user<'a>(
        activations: impl IntoIterator<Item = &'a Activation> + Clone,
        user: &str,
        home: &Path,
    ) -> Environment {
        let mut environment = Environment::default();
        let own =
            |activation: &&Activation| activation.user.as_deref() == Some(user) && activation.project.is_none();
        activations.clone().into_iter().filter(own).for_each(|activation| environment.collect(activation, home));
        let general = Environment::new(activations, home);
        for (name, value) in general.single {
            if !environment.lists.contains_key(&name) {
                environment.single.entry(name).or_insert(value);
            }
        }
        for (name, (separator, entries)) in general.lists {
            environment.add(&name, &separator, &entries, home);
        }
        environment.scripts = general.scripts.into_iter().chain(environment.scripts).collect();
        environment
    }

    fn collect(&mut self, activation: &Activation, home: &Path) {
        match &activation.action {
            Action::AddToPath { directory } => self.add("PATH", ":", &[directory.clone().into()], home),
            Action::SetVariable { name, value: VariableValue::List { entries, separator } } => {
                self.add(name, separator, entries, home);
            }
            Action::SetVariable { name, value: VariableValue::Single(value) } => {
                self.single.insert(name.clone(), value.map_start(|text| expand_home(text, home)));
            }
            Action::SourceInShell { script, shells } => {
                self.scripts.push((expand_home(script, home), shells.iter().copied().collect()));
            }
            Action::Symlink { .. } => {}
        }
    }

    fn add(&mut self, name: &str, separator: &str, entries: &[Template], home: &Path) {
        let (_, list) = self.lists.entry(name.to_owned()).or_insert_with(|| (separator.to_owned(), Vec::new()));
        for entry in entries {
            let entry = entry.map_start(|text| expand_home(text, home));
            if !list.contains(&entry) {
                list.push(entry);
            }
        }
    }

    /// Returns all names in the order in which they can be set: a variable after those that it refers to;
    /// otherwise those with one value first, each kind in the order of its bytes.
    pub fn order(&self) -> Vec<&str> {
        fn visit<'a>(environment: &'a Environment, name: &'a str, seen: &mut BTreeSet<&'a str>, order: &mut Vec<&'a str>) {
            let templates = match (environment.single.get(name), environment.lists.get(name)) {
                (Some(value), _) => std::slice::from_ref(value),
                (None, Some((_, entries))) => entries.as_slice(),
                (None, None) => return,
            };
            if seen.insert(name) {
                for reference in templates.iter().flat_map(Template::references) {
                    visit(environment, reference, seen, order);
                }
                order.push(name);
            }
        }
        let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
        for name in self.single.keys().chain(self.lists.keys()) {
            visit(self, name, &mut seen, &mut order);
        }
        order
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
