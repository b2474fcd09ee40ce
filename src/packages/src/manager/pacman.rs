//! `pacman`, of Arch Linux and what comes from it. The forms are those of pacman 6 and newer.

use std::collections::BTreeSet;

use super::{Answer, Manager, Options, inventory_of_pairs};
use crate::call::Call;
use crate::name::Alphabet;
use crate::package::{Change, Inventory, Item, Simulation};

/// `pacman`.
#[derive(Debug)]
pub struct Pacman;

/// Names as `PKGBUILD(5)` has them.
const NAMES: Alphabet = Alphabet { first: "@_+", rest: "@._+-", upper: true };

fn pacman(arguments: &[&str]) -> Call {
    Call::new("pacman", arguments)
}

fn item(name: &str, version: &str) -> Item {
    Item { name: name.to_owned(), version: version.to_owned(), old: None }
}

impl Manager for Pacman {
    fn name(&self) -> &'static str {
        "pacman"
    }

    fn check(&self, wanted: &str) -> Result<(), String> {
        NAMES.check(wanted)
    }

    fn inventory(&self) -> Vec<Call> {
        vec![pacman(&["--query"])]
    }

    fn read_inventory(&self, answers: &[String]) -> Inventory {
        inventory_of_pairs(answers)
    }

    fn dependencies(&self) -> Option<Call> {
        // It fails when there are none.
        let call = pacman(&["--query", "--deps", "--quiet"]);
        Some(Call { accepts: &[0, 1], ..call })
    }

    fn read_dependencies(&self, answer: &str) -> BTreeSet<String> {
        answer.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    }

    fn simulate(&self, change: &Change, unneeded: bool) -> Vec<Call> {
        let mut calls = Vec::new();
        if !change.install.is_empty() {
            let call = pacman(&["--sync", "--needed", "--print", "--print-format", "+ %n %v"]);
            calls.push(call.with(["--"]).with(change.install.iter().cloned()));
        }
        if !change.remove.is_empty() {
            let call = pacman(&["--remove", "--print", "--print-format", "- %n %v"]);
            let call = if unneeded { call.with(["--recursive"]) } else { call };
            let call = Call { accepts: &[0, 1], ..call };
            calls.push(call.with(["--"]).with(change.remove.iter().cloned()));
        }
        calls
    }

    fn read_simulation(
        &self,
        _change: &Change,
        answers: &[Answer<'_>],
    ) -> Result<Simulation, String> {
        let mut simulation = Simulation::default();
        for answer in answers {
            let before = simulation.needed_by.len();
            for line in answer.output.lines().chain(answer.errors.lines()) {
                let quoted: Vec<&str> = line.split_whitespace().collect();
                match quoted.as_slice() {
                    ["+", name, version] => simulation.installs.push(item(name, version)),
                    ["-", name, version] => simulation.removes.push(item(name, version)),
                    // `:: removing NAME breaks dependency 'X' required by OTHER`
                    ["::", "removing", name, "breaks", .., "required", "by", other] => {
                        simulation.needed_by.push(((*name).to_owned(), (*other).to_owned()));
                    }
                    _ => {}
                }
            }
            if !answer.is_success && simulation.needed_by.len() == before {
                return Err(answer.refusal());
            }
        }
        Ok(simulation)
    }

    fn perform(&self, change: &Change, _options: Options) -> Vec<Call> {
        let mut calls = Vec::new();
        if !change.remove.is_empty() {
            let call = pacman(&["--remove", "--noconfirm", "--noprogressbar", "--"]);
            calls.push(call.with(change.remove.iter().cloned()));
        }
        if !change.install.is_empty() {
            let call = pacman(&["--sync", "--needed", "--noconfirm", "--noprogressbar", "--"]);
            calls.push(call.with(change.install.iter().cloned()));
        }
        calls
    }

    fn mark(&self, names: &BTreeSet<String>, as_dependencies: bool) -> Vec<Call> {
        let mark = if as_dependencies { "--asdeps" } else { "--asexplicit" };
        let call = pacman(&["--database", mark, "--"]);
        vec![call.with(names.iter().cloned())]
    }

    fn repair(&self) -> &'static str {
        "rm /var/lib/pacman/db.lck"
    }

    fn refresh(&self) -> &'static str {
        "pacman -Sy"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulations_are_read() {
        let installs =
            Answer { output: "+ glibc 2.39-1\n+ hello 2.12.1-2\n", errors: "", is_success: true };
        let stays = Answer {
            output: "checking dependencies...\n",
            errors: "error: failed to prepare transaction (could not satisfy dependencies)\n\
                :: removing lua breaks dependency 'lua' required by neovim\n",
            is_success: false,
        };
        let simulation = Pacman.read_simulation(&Change::default(), &[installs, stays]).unwrap();
        assert_eq!(simulation.installs[1], item("hello", "2.12.1-2"));
        assert_eq!(simulation.needed_by, [("lua".to_owned(), "neovim".to_owned())]);
        let unknown =
            Answer { output: "", errors: "error: target not found: nope\n", is_success: false };
        let refusal = Pacman.read_simulation(&Change::default(), &[unknown]).unwrap_err();
        assert_eq!(refusal, "error: target not found: nope");
    }
}
