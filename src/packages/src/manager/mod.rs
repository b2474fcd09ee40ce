//! Package managers. Each is one file, and a line in [`MANAGERS`].

mod apt;
mod brew;
mod dnf;
mod pacman;

use std::collections::BTreeSet;

use crate::call::Call;
use crate::package::{Change, Installed, Inventory, Simulation};

/// The managers, in the order in which they are asked.
pub const MANAGERS: [&dyn Manager; 4] = [&apt::Apt, &dnf::Dnf, &pacman::Pacman, &brew::Brew];

/// Returns the manager with a name, such as `apt`.
pub fn find(name: &str) -> Option<&'static dyn Manager> {
    MANAGERS.into_iter().find(|manager| manager.name() == name)
}

/// Who may change packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Root alone.
    Root,
    /// All but root.
    NotRoot,
}

/// How a change is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Seconds to wait for another process that changes packages.
    pub wait: u64,
    /// Whether nothing may be fetched from the network.
    pub offline: bool,
}

/// A package manager.
pub trait Manager: Sync {
    /// Returns its name in configs.
    fn name(&self) -> &'static str;

    /// Returns the program whose presence tells that the machine has the manager.
    fn program(&self) -> &'static str {
        self.name()
    }

    /// Returns who may change packages.
    fn rights(&self) -> Rights {
        Rights::Root
    }

    /// Checks a text that a config has as a package.
    ///
    /// # Errors
    /// When it has a form that the manager does not know, or could mean something else to it: in
    /// words that follow the text.
    fn check(&self, wanted: &str) -> Result<(), String>;

    /// Returns the name of a package as the inventory has it, without the version.
    fn name_of<'a>(&self, wanted: &'a str) -> &'a str {
        wanted
    }

    /// Returns the version that a package must have, if it is given.
    fn version_of<'a>(&self, _wanted: &'a str) -> Option<&'a str> {
        None
    }

    /// Returns the calls that list all packages.
    fn inventory(&self) -> Vec<Call>;

    /// Reads the answers to these calls.
    fn read_inventory(&self, answers: &[String]) -> Inventory;

    /// Returns the call that lists packages which were installed only because others need them.
    fn dependencies(&self) -> Option<Call>;

    /// Reads the answer to that call.
    fn read_dependencies(&self, answer: &str) -> BTreeSet<String>;

    /// Returns the calls that tell what a change would do. With `unneeded`, it also removes what is
    /// needed by nothing after that.
    fn simulate(&self, change: &Change, unneeded: bool) -> Vec<Call>;

    /// Reads the answers to these calls. `failed` tells for each whether the program failed.
    ///
    /// # Errors
    /// When an answer is a refusal: its words.
    fn read_simulation(
        &self,
        change: &Change,
        answers: &[Answer<'_>],
    ) -> Result<Simulation, String>;

    /// Returns the calls that make a change: one, where the manager can install and remove in one.
    fn perform(&self, change: &Change, options: Options) -> Vec<Call>;

    /// Returns calls that make packages count as dependencies, or as wanted for themselves: the
    /// first call that succeeds does it. A manager without such marks has none.
    fn mark(&self, names: &BTreeSet<String>, as_dependencies: bool) -> Vec<Call>;

    /// Returns the command that completes what was cut off.
    fn repair(&self) -> &'static str;

    /// Returns the command that refreshes what the manager knows of packages.
    fn refresh(&self) -> &'static str;
}

/// What a program answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// What it printed to its standard output.
    pub output: &'a str,
    /// What it printed to its standard error.
    pub errors: &'a str,
    /// Whether it succeeded.
    pub is_success: bool,
}

impl Answer<'_> {
    /// Returns the words of a refusal: its errors, or else its last lines.
    fn refusal(&self) -> String {
        let text = if self.errors.trim().is_empty() { self.output } else { self.errors };
        let lines: Vec<&str> =
            text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// Returns pairs of words, one pair a line.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    })
}

/// Returns the inventory that answers tell as pairs of a name and a version, one pair a line.
fn inventory_of_pairs(answers: &[String]) -> Inventory {
    let rows = answers.iter().flat_map(|answer| pairs(answer));
    rows.map(|(name, version)| {
        let version = version.to_owned();
        (name.to_owned(), Installed { version, is_complete: true })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINES: &str = "(Inst|Remv|Conf|Installing:|==>| a|:: removing a breaks dependency 'b' \
                         required by c) ?[ \\[\\]()a-z0-9.:-]{0,30}";

    fn lines() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec(LINES, 0..20)
    }

    proptest! {
        // Whatever a program prints, reading it ends.
        #[test]
        fn any_answer_is_read(text in ".{0,300}", lines in lines()) {
            let change = Change { install: ["a".into()].into(), remove: ["b".into()].into() };
            for text in [text, lines.join("\n")] {
                for manager in MANAGERS {
                    for is_success in [true, false] {
                        let answer = Answer { output: &text, errors: &text, is_success };
                        let _ = manager.read_simulation(&change, &[answer]);
                        let _ = manager.read_simulation(&change, &[answer, answer]);
                    }
                    let _ = manager.read_inventory(&[text.clone(), text.clone()]);
                    let _ = manager.read_dependencies(&text);
                }
            }
        }

        // A name that is accepted never is an option or several words.
        #[test]
        fn accepted_names_are_single_arguments(name in "[-a-zA-Z0-9+=:~@/. *?;$]{0,12}") {
            for manager in MANAGERS {
                if manager.check(&name).is_ok() {
                    prop_assert!(!name.is_empty() && !name.starts_with('-'));
                    prop_assert!(!name.contains([' ', '*', '?', ';', '$']));
                    prop_assert!(!manager.name_of(&name).is_empty());
                }
            }
        }
    }

    #[test]
    fn managers_are_found_by_their_names() {
        for manager in MANAGERS {
            assert_eq!(find(manager.name()).map(Manager::name), Some(manager.name()));
        }
        assert!(find("yum").is_none());
    }
}
