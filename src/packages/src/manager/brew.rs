//! Homebrew, on macOS and Linux. The forms are those of Homebrew 4 and newer.
//!
//! It refuses root, and it has no simulation of a removal: what needs a formula is asked with
//! `brew uses --installed`, of one formula at a time.

use std::collections::BTreeSet;

use super::{Answer, Manager, Options, Rights};
use crate::call::Call;
use crate::name::Alphabet;
use crate::package::{Change, Installed, Inventory, Item, Simulation};

/// `brew`.
#[derive(Debug)]
pub struct Brew;

/// Names of formulae and casks, with or without their tap.
const NAMES: Alphabet = Alphabet { first: "", rest: "@._+-/", upper: true };

fn item(name: &str) -> Item {
    Item { name: name.to_owned(), version: String::new(), old: None }
}

fn brew(arguments: &[&str]) -> Call {
    Call {
        variables: &[
            ("LC_ALL", "C.UTF-8"),
            ("HOMEBREW_NO_AUTO_UPDATE", "1"),
            ("HOMEBREW_NO_COLOR", "1"),
            ("HOMEBREW_NO_EMOJI", "1"),
            ("HOMEBREW_NO_ENV_HINTS", "1"),
        ],
        ..Call::new("brew", arguments)
    }
}

impl Manager for Brew {
    fn name(&self) -> &'static str {
        "brew"
    }

    fn rights(&self) -> Rights {
        Rights::NotRoot
    }

    fn check(&self, wanted: &str) -> Result<(), String> {
        NAMES.check(wanted)?;
        if self.name_of(wanted).is_empty() {
            return Err("has no name after the last `/`".to_owned());
        }
        Ok(())
    }

    fn name_of<'a>(&self, wanted: &'a str) -> &'a str {
        wanted.rsplit_once('/').map_or(wanted, |(_, name)| name)
    }

    fn inventory(&self) -> Vec<Call> {
        vec![brew(&["list", "--formula", "--versions"]), brew(&["list", "--cask", "--versions"])]
            .into_iter()
            // On Linux there are no casks.
            .map(|call| Call { accepts: &[0, 1], ..call })
            .collect()
    }

    fn read_inventory(&self, answers: &[String]) -> Inventory {
        let lines = answers.iter().flat_map(|answer| answer.lines());
        lines
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let name = words.next()?;
                // The newest one is the last.
                let version = words.last().unwrap_or_default().to_owned();
                Some((name.to_owned(), Installed { version, is_complete: true }))
            })
            .collect()
    }

    fn dependencies(&self) -> Option<Call> {
        None
    }

    fn read_dependencies(&self, _answer: &str) -> BTreeSet<String> {
        BTreeSet::new()
    }

    fn simulate(&self, change: &Change, _unneeded: bool) -> Vec<Call> {
        let mut calls = Vec::new();
        if !change.install.is_empty() {
            calls.push(brew(&["install", "--dry-run"]).with(change.install.iter().cloned()));
        }
        for name in &change.remove {
            calls.push(brew(&["uses", "--installed", name]));
        }
        calls
    }

    fn read_simulation(
        &self,
        change: &Change,
        answers: &[Answer<'_>],
    ) -> Result<Simulation, String> {
        let mut simulation = Simulation::default();
        if let Some(refused) = answers.iter().find(|answer| !answer.is_success) {
            return Err(refused.refusal());
        }
        let (installs, removals) =
            answers.split_at(answers.len().min(usize::from(!change.install.is_empty())));
        for answer in installs {
            let mut is_list = false;
            for line in answer.output.lines() {
                if line.starts_with("==>") {
                    is_list = line.starts_with("==> Would install");
                } else if is_list {
                    simulation.installs.extend(line.split_whitespace().map(item));
                }
            }
        }
        for (name, answer) in change.remove.iter().zip(removals) {
            let users = answer.output.split_whitespace();
            simulation.needed_by.extend(users.map(|user| (name.clone(), user.to_owned())));
            simulation.removes.push(item(name));
        }
        Ok(simulation)
    }

    fn perform(&self, change: &Change, _options: Options) -> Vec<Call> {
        let mut calls = Vec::new();
        if !change.remove.is_empty() {
            calls.push(brew(&["uninstall"]).with(change.remove.iter().cloned()));
        }
        if !change.install.is_empty() {
            calls.push(brew(&["install"]).with(change.install.iter().cloned()));
        }
        calls
    }

    fn mark(&self, _names: &BTreeSet<String>, _as_dependencies: bool) -> Vec<Call> {
        Vec::new()
    }

    fn repair(&self) -> &'static str {
        "brew doctor"
    }

    fn refresh(&self) -> &'static str {
        "brew update"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_installed_is_read() {
        let output = "==> Would install 1 formula:\nwget\n\
            ==> Would install 2 dependencies for wget:\nlibidn2 openssl@3\n";
        let answer = Answer { output, errors: "", is_success: true };
        let needed = Answer { output: "curl\n", ..answer };
        let change = Change { install: ["wget".into()].into(), remove: ["zlib".into()].into() };
        let simulation = Brew.read_simulation(&change, &[answer, needed]).unwrap();
        let names: Vec<&str> = simulation.installs.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["wget", "libidn2", "openssl@3"]);
        assert_eq!(simulation.needed_by, [("zlib".to_owned(), "curl".to_owned())]);
        assert_eq!(simulation.removes[0].name, "zlib");
    }
}
