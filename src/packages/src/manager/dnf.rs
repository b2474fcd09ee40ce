//! `dnf` and `rpm`, of Fedora and what comes from it. The forms are those of dnf 4 and dnf 5.
//!
//! `dnf --assumeno` prints a table, whose sections begin with `Installing:` and the like, and ends
//! with 1 before it changes anything. The table ends with `Transaction Summary`.

use std::collections::BTreeSet;

use super::{Answer, Manager, Options, inventory_of_pairs};
use crate::call::Call;
use crate::name::Alphabet;
use crate::package::{Change, Inventory, Item, Simulation};

/// `dnf`.
#[derive(Debug)]
pub struct Dnf;

const NAMES: Alphabet = Alphabet { first: "_", rest: "._+-", upper: true };

fn dnf(arguments: &[&str]) -> Call {
    Call::new("dnf", arguments)
}

impl Manager for Dnf {
    fn name(&self) -> &'static str {
        "dnf"
    }

    fn check(&self, wanted: &str) -> Result<(), String> {
        NAMES.check(wanted)
    }

    fn inventory(&self) -> Vec<Call> {
        let format = "%{NAME}\\t%{VERSION}-%{RELEASE}\\n";
        vec![Call::new("rpm", &["--query", "--all", "--queryformat", format])]
    }

    fn read_inventory(&self, answers: &[String]) -> Inventory {
        inventory_of_pairs(answers)
    }

    fn dependencies(&self) -> Option<Call> {
        Some(dnf(&["repoquery", "--installed", "--queryformat", "%{name} %{reason}\\n"]))
    }

    fn read_dependencies(&self, answer: &str) -> BTreeSet<String> {
        let rows = answer.lines().filter_map(|line| line.trim().split_once(' '));
        rows.filter(|(_, reason)| reason.to_lowercase().contains("depend"))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    fn simulate(&self, change: &Change, unneeded: bool) -> Vec<Call> {
        let mut calls = Vec::new();
        if !change.install.is_empty() {
            calls.push(dnf(&["install", "--assumeno"]).with(change.install.iter().cloned()));
        }
        if !change.remove.is_empty() {
            let also = format!("--setopt=clean_requirements_on_remove={unneeded}");
            let call = dnf(&["remove", "--assumeno"]).with([also]);
            calls.push(call.with(change.remove.iter().cloned()));
        }
        for call in &mut calls {
            call.accepts = &[0, 1];
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
            let text = answer.output;
            let has_table = text.contains("Transaction Summary");
            if !has_table && !text.contains("Nothing to do") && !text.contains("othing to do") {
                return Err(answer.refusal());
            }
            let mut section = "";
            for line in text.lines() {
                if line.starts_with("Transaction Summary") {
                    break;
                }
                if !line.starts_with(' ') {
                    section = line.trim();
                    continue;
                }
                // NAME ARCH VERSION REPOSITORY SIZE; a name that is too long has a line of its own.
                let mut words = line.split_whitespace();
                let (Some(name), Some(_), Some(version)) =
                    (words.next(), words.next(), words.next())
                else {
                    continue;
                };
                let item = |old: Option<String>| Item {
                    name: name.to_owned(),
                    version: version.to_owned(),
                    old,
                };
                if section.starts_with("Installing") {
                    simulation.installs.push(item(None));
                } else if section.starts_with("Upgrading") || section.starts_with("Downgrading") {
                    // dnf 5 has a line `replacing` below it.
                    if name != "replacing" {
                        simulation.changes.push(item(Some(String::new())));
                    }
                } else if section.starts_with("Removing") {
                    simulation.removes.push(item(None));
                }
            }
        }
        Ok(simulation)
    }

    fn perform(&self, change: &Change, options: Options) -> Vec<Call> {
        let mut calls = Vec::new();
        if !change.remove.is_empty() {
            let call = dnf(&["remove", "--assumeyes"]);
            let call = call.with(["--setopt=clean_requirements_on_remove=false"]);
            calls.push(call.with(change.remove.iter().cloned()));
        }
        if !change.install.is_empty() {
            let call = dnf(&["install", "--assumeyes"]);
            let call = if options.offline { call.with(["--cacheonly"]) } else { call };
            calls.push(call.with(change.install.iter().cloned()));
        }
        calls
    }

    fn mark(&self, names: &BTreeSet<String>, as_dependencies: bool) -> Vec<Call> {
        // The words of dnf 5, then those of dnf 4.
        let marks = if as_dependencies { ["dependency", "remove"] } else { ["user", "install"] };
        let call = |mark| dnf(&["mark", mark]).with(names.iter().cloned());
        marks.into_iter().map(call).collect()
    }

    fn repair(&self) -> &'static str {
        "dnf check; dnf distro-sync"
    }

    fn refresh(&self) -> &'static str {
        "dnf makecache"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
Dependencies resolved.
================================================================================
 Package           Architecture  Version              Repository           Size
================================================================================
Installing:
 hello             x86_64        2.12.1-2.fc39        fedora              129 k
Installing dependencies:
 info              x86_64        7.0.3-3.fc39         fedora              182 k
Upgrading:
 glibc             x86_64        2.38-18.fc39         updates             2.2 M

Transaction Summary
================================================================================
Install  2 Packages

Operation aborted.
";

    #[test]
    fn the_table_is_read() {
        let answer = Answer { output: TABLE, errors: "", is_success: false };
        let simulation = Dnf.read_simulation(&Change::default(), &[answer]).unwrap();
        let names = |items: &[Item]| -> Vec<String> {
            items.iter().map(|item| format!("{} {}", item.name, item.version)).collect()
        };
        assert_eq!(names(&simulation.installs), ["hello 2.12.1-2.fc39", "info 7.0.3-3.fc39"]);
        assert_eq!(names(&simulation.changes), ["glibc 2.38-18.fc39"]);
        let removal = TABLE.replace("Installing", "Removing");
        let answer = Answer { output: &removal, errors: "", is_success: false };
        assert_eq!(Dnf.read_simulation(&Change::default(), &[answer]).unwrap().removes.len(), 2);
        let errors = "Error: Unable to find a match: nope\n";
        let unknown = Answer { output: "", errors, is_success: false };
        assert_eq!(Dnf.read_simulation(&Change::default(), &[unknown]).unwrap_err(), errors.trim());
    }
}
