//! The environment that a snapshot gives to shells: one model, and one renderer for each language
//! of shells. Gives bytes; knows no file.

mod check;
pub mod lists;
pub mod persistent;
mod process;
mod reserved;
pub mod shells;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use check::{Refusal, Target, check, literal_reference};
pub use lists::is_list;
pub use process::Variables;
pub use reserved::{OWN_PREFIX, keeper};

use crate::action::Addition;
use crate::activation::DeclaredAction;
use crate::hash::Hash;
use crate::platform;
use crate::value::Text;
use crate::variable::{Part, Template};

/// Variables, entries of list variables, and scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Variables with one value.
    pub single: BTreeMap<String, Template>,
    /// Variables whose entries precede the existing value: separator and entries.
    pub lists: BTreeMap<String, (String, Vec<Template>)>,
    /// Short names for commands, in interactive shells.
    pub aliases: BTreeMap<String, Text>,
    /// Functions of interactive shells: their texts, by the names of shells.
    pub functions: BTreeMap<String, BTreeMap<String, Text>>,
    /// Scripts to source, in order, and the shells that do.
    pub scripts: Vec<(Template, Vec<String>)>,
}

/// Returns the users that actions are scoped to.
pub fn users<'a>(activations: impl IntoIterator<Item = &'a DeclaredAction>) -> BTreeSet<&'a str> {
    activations.into_iter().filter_map(|activation| activation.user.as_deref()).collect()
}

/// What `~/` stands for.
#[derive(Clone, Copy)]
enum Home<'a> {
    /// This directory.
    At(&'a Path),
    /// That of the process that sources the script.
    OfShell,
}

impl Home<'_> {
    fn expand(self, template: &Template) -> Template {
        match self {
            Home::At(home) => {
                let mut template = template.clone();
                if let Some(start) = template.start_mut() {
                    *start = start.expand_home(home);
                }
                template
            }
            Home::OfShell => {
                let (first, rest) = match template {
                    Template::Text(text) => (text, [].as_slice()),
                    Template::Parts { parts } => match parts.split_first() {
                        Some((Part::Text(text), rest)) => (text, rest),
                        _ => return template.clone(),
                    },
                };
                let Some(below) = first.below_home() else { return template.clone() };
                let mut parts = vec![Part::Reference { reference: "HOME".to_owned() }];
                if !below.is_empty() {
                    parts.push(Part::Text(Text(below.to_vec())));
                }
                parts.extend_from_slice(rest);
                Template::Parts { parts }
            }
        }
    }
}

impl Environment {
    /// Collects the environment of the applying user; `home` is the value of `~/`.
    pub fn new<'a>(
        activations: impl IntoIterator<Item = &'a DeclaredAction>,
        home: &Path,
    ) -> Environment {
        Environment::general(activations, Home::At(home))
    }

    /// Collects the common environment, with the home of its user.
    pub fn of_session<'a>(
        activations: impl IntoIterator<Item = &'a DeclaredAction>,
    ) -> Environment {
        Environment::general(activations, Home::OfShell)
    }

    /// Collects the environment of a user: the user's own, and the common one where the user has
    /// nothing else.
    pub fn of_user<'a>(
        activations: impl IntoIterator<Item = &'a DeclaredAction> + Clone,
        user: &str,
    ) -> Environment {
        let mut environment = Environment::default();
        let own = |activation: &&DeclaredAction| {
            activation.user.as_deref() == Some(user) && activation.project.is_none()
        };
        let activations_of_user = activations.clone().into_iter().filter(own);
        activations_of_user.for_each(|activation| environment.collect(activation, Home::OfShell));
        let general = Environment::general(activations, Home::OfShell);
        for (name, value) in general.single {
            if !environment.lists.contains_key(&name) {
                environment.single.entry(name).or_insert(value);
            }
        }
        for (name, (separator, entries)) in general.lists {
            environment.add(&name, &separator, &entries, Home::OfShell);
        }
        // A name is an alias or a function.
        for (name, command) in general.aliases {
            if !environment.functions.contains_key(&name) {
                environment.aliases.entry(name).or_insert(command);
            }
        }
        for (name, bodies) in general.functions {
            if !environment.aliases.contains_key(&name) {
                environment.functions.entry(name).or_insert(bodies);
            }
        }
        environment.scripts = general.scripts.into_iter().chain(environment.scripts).collect();
        environment
    }

    /// Returns the applying user's projects that have a directory: their names and directories,
    /// outer ones first.
    pub fn projects<'a>(
        activations: impl IntoIterator<Item = &'a DeclaredAction>,
        home: &Path,
    ) -> Vec<(&'a str, Vec<u8>)> {
        let own = activations.into_iter().filter(|activation| activation.user.is_none());
        let projects = own.filter_map(|activation| activation.project.as_ref());
        let mut found: Vec<(&str, Vec<u8>)> = projects
            .filter_map(|project| {
                let path = project.path.as_ref()?.expand_home(home).0;
                // A shell has the directory without `..` and double slashes.
                let path = platform::normalize(&platform::path_from_bytes(&path));
                Some((project.name.as_str(), platform::bytes_of_path(&path)))
            })
            .filter(|(_, path)| !path.contains(&b'\n'))
            .collect();
        found.sort_by(|left, right| (left.1.len(), left).cmp(&(right.1.len(), right)));
        found.dedup();
        found
    }

    /// Collects the environment of a project of the applying user.
    pub fn of_project<'a>(
        activations: impl IntoIterator<Item = &'a DeclaredAction>,
        project: &str,
        home: &Path,
    ) -> Environment {
        let mut environment = Environment::default();
        let is_of = |activation: &&DeclaredAction| {
            activation.user.is_none()
                && activation.project.as_ref().is_some_and(|own| own.name == project)
        };
        activations
            .into_iter()
            .filter(is_of)
            .for_each(|activation| environment.collect(activation, Home::At(home)));
        environment
    }

    fn general<'a>(
        activations: impl IntoIterator<Item = &'a DeclaredAction>,
        home: Home<'_>,
    ) -> Environment {
        let mut environment = Environment::default();
        let of_all = |activation: &&DeclaredAction| {
            activation.user.is_none() && activation.project.is_none()
        };
        activations
            .into_iter()
            .filter(of_all)
            .for_each(|activation| environment.collect(activation, home));
        environment
    }

    fn collect(&mut self, activation: &DeclaredAction, home: Home<'_>) {
        let Some(part) = activation.action.as_environment() else { return };
        match part.addition() {
            Addition::Entries(name, separator, entries) => {
                self.add(name, separator, &entries, home);
            }
            Addition::Single(name, value) => {
                self.single.insert(name.to_owned(), home.expand(value));
            }
            Addition::Alias(name, command) => {
                self.aliases.insert(name.to_owned(), command.clone());
            }
            Addition::Function(name, bodies) => {
                self.functions.insert(name.to_owned(), bodies.clone());
            }
            Addition::Script(script, shells) => {
                self.scripts.push((home.expand(&script.clone().into()), shells.to_vec()));
            }
        }
    }

    fn add(&mut self, name: &str, separator: &str, entries: &[Template], home: Home<'_>) {
        let (_, list) =
            self.lists.entry(name.to_owned()).or_insert_with(|| (separator.to_owned(), Vec::new()));
        for entry in entries {
            let entry = home.expand(entry);
            if !list.contains(&entry) {
                list.push(entry);
            }
        }
    }

    /// Returns what tells it from others, for all shells alike.
    pub fn digest(&self) -> Hash {
        let whole = (&self.single, &self.lists, &self.aliases, &self.scripts);
        let mut whole = serde_json::to_vec(&whole).unwrap_or_default();
        if !self.functions.is_empty() {
            whole.extend(serde_json::to_vec(&self.functions).unwrap_or_default());
        }
        Hash::of(&whole)
    }

    /// Returns all names in the order in which they can be set: a variable after those that it
    /// refers to; otherwise those with one value first, each kind in the order of its bytes.
    pub fn order(&self) -> Vec<&str> {
        fn visit<'a>(
            environment: &'a Environment,
            name: &'a str,
            seen: &mut BTreeSet<&'a str>,
            order: &mut Vec<&'a str>,
        ) {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{PathEntry, Variable};
    use crate::variable::VariableValue;

    #[test]
    fn a_user_has_what_is_general_and_what_is_own() {
        let path_entry = |directory: &str| {
            DeclaredAction::new(PathEntry { directory: directory.into() }.into(), Vec::new())
        };
        let variable = |name: &str, value: &str| {
            let value = VariableValue::Single(value.into());
            DeclaredAction::new(Variable { name: name.into(), value }.into(), Vec::new())
        };
        let of = |user: &str, mut activation: DeclaredAction| {
            activation.user = Some(user.to_owned());
            activation
        };
        let activations = [
            path_entry("~/general"),
            of("ada", path_entry("~/own")),
            variable("EDITOR", "vi"),
            of("ada", variable("EDITOR", "ed")),
            of("bob", variable("ONLY", "bob")),
        ];
        assert_eq!(users(&activations).into_iter().collect::<Vec<_>>(), ["ada", "bob"]);
        let ada = Environment::of_user(&activations, "ada");
        let path: Vec<_> = ada.lists["PATH"].1.iter().map(Template::display).collect();
        assert_eq!(path, ["$HOME/own", "$HOME/general"]);
        assert_eq!(ada.single["EDITOR"].display(), "ed");
        assert!(!ada.single.contains_key("ONLY"));
        let general = Environment::new(&activations, Path::new("/root"));
        assert_eq!(general.single["EDITOR"].display(), "vi");
        assert_eq!(general.lists["PATH"].1.len(), 1);
    }
}
