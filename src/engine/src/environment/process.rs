//! Applies an environment to the variables of a process that will start, as the scripts do in a
//! shell.

use std::collections::BTreeMap;

use super::shells::{Call, Identity, LAYERS, List, calls};
use super::{Environment, lists};
use crate::variable::{Part, Template};

/// The variables of a process, as bytes.
pub type Variables = BTreeMap<Vec<u8>, Vec<u8>>;

impl Environment {
    /// Sets variables once for a stamp, and restores missing entries of lists. Values of an earlier
    /// stamp are reverted.
    pub fn apply_to(&self, variables: &mut Variables, identity: &Identity<'_>) {
        let (memory, stamp) = (identity.memory(), identity.stamp(self));
        let index = variables.get(memory.as_bytes()).cloned().unwrap_or_default();
        let mut words = index
            .split(|byte| *byte == b' ')
            .map(|word| String::from_utf8_lossy(word).into_owned());
        let is_new = words.next().as_deref() != Some(stamp.as_str());
        let index: Vec<String> = words.collect();
        let mut declared = Vec::new();
        let mut process = Process { variables, memory: &memory, is_new };
        let calls = calls(self);
        if is_new {
            let kept: Vec<String> = calls.iter().map(Call::word).collect();
            index.iter().filter(|word| !kept.contains(word)).for_each(|word| process.restore(word));
        }
        for call in &calls {
            declared.push(call.word());
            match call {
                Call::Single(name, value) => process.single(name, value, &index),
                Call::List(name, list) => process.list(name, list),
            }
        }
        if is_new {
            process.variables.insert(
                memory.clone().into_bytes(),
                [vec![stamp], declared].concat().join(" ").into_bytes(),
            );
        }
    }
}

struct Process<'a> {
    variables: &'a mut Variables,
    memory: &'a str,
    is_new: bool,
}

impl Process<'_> {
    fn memory_of(&self, name: &str) -> Vec<u8> {
        format!("{}_{name}", self.memory).into_bytes()
    }

    fn text(&self, template: &Template) -> Vec<u8> {
        match template {
            Template::Text(text) => text.0.clone(),
            Template::Parts { parts } => parts
                .iter()
                .flat_map(|part| match part {
                    Part::Text(text) => text.0.clone(),
                    Part::Reference { reference } => self.get(reference),
                })
                .collect(),
        }
    }

    fn get(&self, name: &str) -> Vec<u8> {
        self.variables.get(name.as_bytes()).cloned().unwrap_or_default()
    }

    fn restore(&mut self, word: &str) {
        let (name, length) =
            word.split_once('+').map_or((word, None), |(name, length)| (name, length.parse().ok()));
        let memory = self.memory_of(name);
        let remembered = self.variables.remove(&memory);
        match (length, remembered) {
            (Some(length), Some(ours)) if ours.len() >= length => {
                let separator: Vec<u8> = ours[..length].to_vec();
                let ours = split(&ours, &separator);
                let rest: Vec<_> = entries(&self.get(name), &separator)
                    .into_iter()
                    .filter(|entry| !ours.contains(entry))
                    .collect();
                self.set_list(name, &separator, &rest);
            }
            (Some(_), _) => {}
            (None, Some(old)) => drop(self.variables.insert(name.into(), old)),
            (None, None) if !["PATH", "HOME"].contains(&name) => {
                drop(self.variables.remove(name.as_bytes()));
            }
            (None, None) => {}
        }
    }

    fn single(&mut self, name: &str, value: &Template, index: &[String]) {
        let there = self.variables.get(name.as_bytes()).cloned();
        if !self.is_new && there.is_some() {
            return;
        }
        if let (true, Some(there), false) =
            (self.is_new, there, index.iter().any(|word| word == name))
        {
            self.variables.insert(self.memory_of(name), there);
        }
        let value = self.text(value);
        self.variables.insert(name.into(), value);
    }

    fn list(&mut self, name: &str, list: &List<'_>) {
        let separator = list.separator.as_bytes();
        let new: Vec<Vec<u8>> = list.entries.iter().map(|entry| self.text(entry)).collect();
        let there = entries(&self.get(name), separator);
        let meant = list.default.map(|text| {
            let home = String::from_utf8_lossy(&self.get("HOME")).into_owned();
            pieces(text.replace(lists::HOME, &home).as_bytes(), separator)
        });
        let meant = meant.unwrap_or_default();
        if !self.is_new {
            let missing: Vec<_> = new.into_iter().filter(|entry| !there.contains(entry)).collect();
            if !missing.is_empty() {
                let there = if there.is_empty() { meant } else { there };
                self.set_list(name, separator, &[missing, there].concat());
            }
            return;
        }
        let memory = self.memory_of(name);
        let ours =
            self.variables.get(&memory).map(|ours| split(ours, separator)).unwrap_or_default();
        let shared = self.shared(name, separator);
        let mut added: Vec<_> = new
            .iter()
            .filter(|entry| {
                ours.contains(entry) || shared.contains(entry) || !there.contains(entry)
            })
            .cloned()
            .collect();
        let first = there.iter().position(|entry| ours.contains(entry));
        let rest = |entry: &&Vec<u8>| !ours.contains(entry) && !new.contains(entry);
        let before: Vec<_> = there[..first.unwrap_or(0)].iter().filter(rest).cloned().collect();
        let mut after: Vec<_> = there[first.unwrap_or(0)..].iter().filter(rest).cloned().collect();
        if before.is_empty() && after.is_empty() && (first.is_some() || there.is_empty()) {
            after.clone_from(&meant);
            added.extend(meant);
        }
        let remembered: Vec<u8> = added
            .iter()
            .fold(separator.to_vec(), |all, entry| [all.as_slice(), entry, separator].concat());
        self.variables.insert(memory, remembered);
        self.set_list(name, separator, &[before, new, after].concat());
    }

    /// Returns the entries of a list that other layers remember as theirs.
    fn shared(&self, name: &str, separator: &[u8]) -> Vec<Vec<u8>> {
        let memory_of = |word: &str| {
            let own = word.split('+').next().unwrap_or_default();
            format!("{}_{own}_{name}", super::OWN_PREFIX)
        };
        let layers = self.get(LAYERS);
        String::from_utf8_lossy(&layers)
            .split_whitespace()
            .map(memory_of)
            .filter(|memory| memory.as_bytes() != self.memory_of(name))
            .flat_map(|memory| split(&self.get(&memory), separator))
            .collect()
    }

    fn set_list(&mut self, name: &str, separator: &[u8], entries: &[Vec<u8>]) {
        if entries.is_empty() {
            self.variables.remove(name.as_bytes());
        } else {
            self.variables.insert(name.into(), entries.join(separator));
        }
    }
}

/// Returns the entries of a list; none of an empty text.
fn entries(text: &[u8], separator: &[u8]) -> Vec<Vec<u8>> {
    if text.is_empty() { Vec::new() } else { pieces(text, separator) }
}

fn pieces(text: &[u8], separator: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    let mut start = 0;
    for at in memchr::memmem::find_iter(text, separator) {
        entries.push(text[start..at].to_vec());
        start = at + separator.len();
    }
    entries.push(text[start..].to_vec());
    entries
}

/// Returns what is between the first separator and the last one.
fn split(text: &[u8], separator: &[u8]) -> Vec<Vec<u8>> {
    let all = pieces(text, separator);
    if all.len() < 3 { Vec::new() } else { all[1..all.len() - 1].to_vec() }
}
