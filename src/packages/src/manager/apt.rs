//! `apt-get` and `dpkg`, of Debian and what comes from it.
//!
//! The forms are those of apt 1.8 and newer: `dpkg-query(1)`, `apt-get(8)`, `apt-mark(8)`. What
//! `apt-get -s` prints is made for programs: `Inst NAME [OLD] (NEW RELEASE [ARCH])`,
//! `Remv NAME [OLD]`, `Conf NAME (...)`.

use std::collections::BTreeSet;

use super::{Answer, Manager, Options, pairs};
use crate::call::Call;
use crate::name::Alphabet;
use crate::package::{Change, Installed, Inventory, Item, Simulation};

/// `apt`.
#[derive(Debug)]
pub struct Apt;

/// Names as Debian's policy has them, 5.6.7.
const NAMES: Alphabet = Alphabet { first: "", rest: "+-.", upper: false };
const ARCHITECTURES: Alphabet = Alphabet { first: "", rest: "-", upper: false };
/// Versions as the policy has them, 5.6.12.
const VERSIONS: Alphabet = Alphabet { first: "", rest: "+-.:~", upper: true };

const FORMAT: &str =
    "--showformat=${db:Status-Abbrev}\\t${binary:Package}\\t${Architecture}\\t${Version}\\n";

fn apt_get(arguments: &[&str]) -> Call {
    Call {
        variables: &[
            ("LC_ALL", "C.UTF-8"),
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("APT_LISTCHANGES_FRONTEND", "none"),
            ("NEEDRESTART_MODE", "l"),
        ],
        ..Call::new("apt-get", arguments)
    }
}

/// Returns `install` and its operands. An operand with `-` at its end is removed.
fn operands(call: Call, change: &Change) -> Call {
    let call = call.with([if change.install.is_empty() { "remove" } else { "install" }]);
    let suffix = if change.install.is_empty() { "" } else { "-" };
    let removed = change.remove.iter().map(|name| format!("{name}{suffix}"));
    call.with(change.install.iter().cloned()).with(removed)
}

impl Manager for Apt {
    fn name(&self) -> &'static str {
        "apt"
    }

    fn program(&self) -> &'static str {
        "apt-get"
    }

    fn check(&self, wanted: &str) -> Result<(), String> {
        let (name, version) =
            wanted.split_once('=').map_or((wanted, None), |(name, rest)| (name, Some(rest)));
        let (name, architecture) =
            name.split_once(':').map_or((name, None), |(name, rest)| (name, Some(rest)));
        NAMES.check(name)?;
        // apt-get takes the last character for what is to be done.
        if name.ends_with('-') {
            return Err("ends with '-'".to_owned());
        }
        architecture.map_or(Ok(()), |architecture| ARCHITECTURES.check(architecture))?;
        version.map_or(Ok(()), |version| VERSIONS.check(version))
    }

    fn name_of<'a>(&self, wanted: &'a str) -> &'a str {
        wanted.split_once('=').map_or(wanted, |(name, _)| name)
    }

    fn version_of<'a>(&self, wanted: &'a str) -> Option<&'a str> {
        wanted.split_once('=').map(|(_, version)| version)
    }

    fn inventory(&self) -> Vec<Call> {
        vec![Call::new("dpkg-query", &["--show", FORMAT])]
    }

    fn read_inventory(&self, answers: &[String]) -> Inventory {
        let rows = || {
            answers.iter().flat_map(|answer| answer.lines()).filter_map(|line| {
                let mut fields = line.split('\t');
                let row = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
                // Names need not have the architecture of the system.
                Some(row)
            })
        };
        let own = rows().find(|(_, name, ..)| *name == "dpkg").map_or("", |(_, _, own, _)| own);
        let mut inventory = Inventory::new();
        for (status, name, architecture, version) in rows() {
            let is_complete = match status.chars().nth(1) {
                Some('i' | 't' | 'W') => true,
                Some('U' | 'F' | 'H') => false,
                // Not installed, or only its configuration is there.
                _ => continue,
            };
            let is_complete = is_complete && !status.contains('R');
            let installed = Installed { version: version.to_owned(), is_complete };
            let bare = name.split_once(':').map_or(name, |(bare, _)| bare);
            if architecture == own || architecture == "all" || own.is_empty() {
                inventory.insert(bare.to_owned(), installed.clone());
            }
            inventory.insert(format!("{bare}:{architecture}"), installed);
        }
        inventory
    }

    fn dependencies(&self) -> Option<Call> {
        Some(Call::new("apt-mark", &["showauto"]))
    }

    fn read_dependencies(&self, answer: &str) -> BTreeSet<String> {
        answer.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    }

    fn simulate(&self, change: &Change, unneeded: bool) -> Vec<Call> {
        // Locks do not count for what is only simulated.
        let call = apt_get(&["--simulate", "--quiet"]);
        let call = if unneeded { call.with(["--auto-remove"]) } else { call };
        vec![operands(call, change)]
    }

    fn read_simulation(
        &self,
        _change: &Change,
        answers: &[Answer<'_>],
    ) -> Result<Simulation, String> {
        let mut simulation = Simulation::default();
        for answer in answers {
            if !answer.is_success {
                let errors = answer.refusal();
                let lines = errors.lines().filter(|line| !line.starts_with("W: "));
                return Err(lines.collect::<Vec<_>>().join("\n"));
            }
            for line in answer.output.lines() {
                if let Some(rest) = line.strip_prefix("Inst ") {
                    let item = item(rest);
                    let items = if item.old.is_some() {
                        &mut simulation.changes
                    } else {
                        &mut simulation.installs
                    };
                    items.push(item);
                } else if let Some(rest) = line.strip_prefix("Remv ") {
                    let Item { name, old, .. } = item(rest);
                    simulation.removes.push(Item {
                        name,
                        version: old.unwrap_or_default(),
                        old: None,
                    });
                } else if let Some((name, _)) = line.strip_prefix("Conf ").and_then(first_pair) {
                    simulation.sets_up.insert(name.to_owned());
                }
            }
        }
        Ok(simulation)
    }

    fn perform(&self, change: &Change, options: Options) -> Vec<Call> {
        let mut call = apt_get(&[
            "--yes",
            "--quiet",
            // The administrator's files stay; questions would have no answer.
            "--option=Dpkg::Options::=--force-confdef",
            "--option=Dpkg::Options::=--force-confold",
            "--option=Dpkg::Use-Pty=0",
        ]);
        call = call.with([format!("--option=DPkg::Lock::Timeout={}", options.wait)]);
        if options.offline {
            call = call.with(["--no-download"]);
        }
        if change.remove.is_empty() {
            call = call.with(["--no-remove"]);
        }
        if change.install.iter().any(|wanted| wanted.contains('=')) {
            call = call.with(["--allow-downgrades"]);
        }
        vec![operands(call, change)]
    }

    fn mark(&self, names: &BTreeSet<String>, as_dependencies: bool) -> Vec<Call> {
        let mark = if as_dependencies { "auto" } else { "manual" };
        vec![Call::new("apt-mark", &[mark]).with(names.iter().cloned())]
    }

    fn repair(&self) -> &'static str {
        "dpkg --configure -a"
    }

    fn refresh(&self) -> &'static str {
        "apt-get update"
    }
}

fn first_pair(text: &str) -> Option<(&str, &str)> {
    pairs(text).next()
}

/// Reads `NAME [OLD] (NEW RELEASE [ARCH]) [...]`.
fn item(text: &str) -> Item {
    let mut words = text.split_whitespace().peekable();
    let name = words.next().unwrap_or_default().to_owned();
    let old = words
        .next_if(|word| word.starts_with('['))
        .map(|word| word.trim_matches(['[', ']']).to_owned());
    let version = words.next_if(|word| word.starts_with('('));
    let version = version.map(|word| word.trim_matches(['(', ')']).to_owned()).unwrap_or_default();
    Item { name, version, old }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(output: &str) -> Answer<'_> {
        Answer { output, errors: "", is_success: true }
    }

    #[test]
    fn the_list_of_dpkg_is_read() {
        let list = "ii \tdpkg\tamd64\t1.21.22\nii \tlibc6:amd64\tamd64\t2.36-9\n\
            ii \tlibc6:i386\ti386\t2.36-9\nrc \told\tamd64\t1\niF \tbroken\tall\t1.0\n\
            hi \theld\tamd64\t2\niU \thalf\tamd64\t3\niHR\tworse\tamd64\t3\nun \tno\t\t\n";
        let found = Apt.read_inventory(&[list.to_owned()]);
        let complete = |name: &str| found.get(name).map(|one| one.is_complete);
        for (name, expected) in [
            ("dpkg", Some(true)),
            ("libc6", Some(true)),
            ("libc6:i386", Some(true)),
            ("libc6:amd64", Some(true)),
            ("old", None),
            ("no", None),
            ("broken", Some(false)),
            ("half", Some(false)),
            ("worse", Some(false)),
            ("held", Some(true)),
        ] {
            assert_eq!(complete(name), expected, "{name}");
        }
    }

    #[test]
    fn a_simulation_is_read() {
        let output = "NOTE: This is only a simulation!\nReading package lists...\n\
            The following NEW packages will be installed:\n  hello\n\
            Inst hello (2.10-3 Debian:12.11/stable [amd64])\n\
            Inst libc6 [2.36-9] (2.36-10 Debian:12.11/stable [amd64]) []\n\
            Remv gone [1.0]\nConf hello (2.10-3 Debian:12.11/stable [amd64])\n";
        let simulation = Apt.read_simulation(&Change::default(), &[answer(output)]).unwrap();
        let item = |name: &str, version: &str, old: Option<&str>| Item {
            name: name.into(),
            version: version.into(),
            old: old.map(Into::into),
        };
        assert_eq!(simulation.installs, [item("hello", "2.10-3", None)]);
        assert_eq!(simulation.changes, [item("libc6", "2.36-10", Some("2.36-9"))]);
        assert_eq!(simulation.removes, [item("gone", "1.0", None)]);
        assert!(simulation.sets_up.contains("hello"));
    }

    #[test]
    fn installs_and_removals_are_one_call() {
        let change =
            Change { install: ["a".into(), "g++".into()].into(), remove: ["old".into()].into() };
        let [call] = Apt.perform(&change, Options::default()).try_into().unwrap();
        let shown = call.display();
        assert!(shown.ends_with(" install a g++ old-"), "{shown}");
        assert!(!shown.contains("--no-remove"), "{shown}");
        let only = Change { remove: change.remove, ..Change::default() };
        let [call] = Apt.perform(&only, Options::default()).try_into().unwrap();
        assert!(call.display().ends_with(" remove old"), "{}", call.display());
        let only = Change { install: ["a=1".into()].into(), ..Change::default() };
        let [call] = Apt.perform(&only, Options { offline: true, wait: 5 }).try_into().unwrap();
        for part in ["--no-remove", "--no-download", "Lock::Timeout=5", "--allow-downgrades"] {
            assert!(call.display().contains(part), "{}", call.display());
        }
    }

    #[test]
    fn names_may_have_architectures_and_versions() {
        for good in ["git", "libc6:i386", "git=1:2.39.5-0+deb12u2", "g++", "a=1~rc1"] {
            assert_eq!(Apt.check(good), Ok(()), "{good}");
        }
        for bad in ["git-", "Git", "git=", "git:", "git/stable", "-y", "a=b c", "lib*", "^a", ""] {
            assert!(Apt.check(bad).is_err(), "{bad}");
        }
        assert_eq!(Apt.name_of("git=1:2"), "git");
        assert_eq!(Apt.version_of("git=1:2"), Some("1:2"));
    }
}
