//! Creation rules: the file `.sops.yaml` gives the recipients of new documents, and which parts to
//! encrypt.

use std::path::{Path, PathBuf};

use regex_lite::Regex;

use crate::options::Options;
use crate::plain::Plain;
use crate::problem::{Problem, Result};
use crate::recipient::Recipient;
use crate::value::Value;
use crate::yaml;

/// How many directories upwards are searched, as sops does.
const MAX_DEPTH: usize = 100;
/// The largest file of rules that is read, in bytes.
const LARGEST: u64 = 16 << 20;
/// Keys that cannot be used here.
const OTHER_KINDS: [&str; 7] =
    ["kms", "gcp_kms", "hckms", "azure_keyvault", "hc_vault_transit_uri", "pgp", "plugins"];

/// What a rule says about a document.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The file that the rule is from.
    pub file: PathBuf,
    /// The recipients of the document.
    pub recipients: Vec<Recipient>,
    /// What of it is encrypted.
    pub options: Options,
}

/// The rule for a document, by its absolute path. `config` is the file of rules that `SOPS_CONFIG`
/// names; without it, the nearest `.sops.yaml` above the document counts. None when there is no
/// such file, or one without rules.
///
/// # Errors
/// When the file is malformed, no rule matches, or the matching rule needs an unsupported feature.
pub fn get_rule(document: &Path, config: Option<&Path>) -> Result<Option<Rule>> {
    let rule = |text: &str, file: &Path| {
        read(text, file, document).map_err(|problem| problem.in_file(file))
    };
    if let Some(file) = config {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let text = syslua_reading::read_to_string(&file, LARGEST)
            .map_err(|error| Problem::unread(&file, &error))?;
        return rule(&text, &file);
    }
    for directory in document.ancestors().skip(1).take(MAX_DEPTH) {
        let file = directory.join(".sops.yaml");
        match syslua_reading::read_to_string(&file, LARGEST) {
            Ok(text) => return rule(&text, &file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {}
            Err(error) => return Err(Problem::unread(&file, &error)),
        }
    }
    Ok(None)
}

fn read(text: &str, file: &Path, document: &Path) -> Result<Option<Rule>> {
    let roots = yaml::read(&yaml::expand(text)?)?;
    let content = roots[0].to_plain();
    let rules = match content.get("creation_rules") {
        Some(Plain::List(rules)) => rules,
        None | Some(Plain::Value(Value::Null)) => return Ok(None),
        Some(_) => return Err(Problem::new("`creation_rules` is not a list")),
    };
    let directory = file.parent().unwrap_or(Path::new("/"));
    let relative = document.strip_prefix(directory).unwrap_or(document).to_string_lossy();
    for (index, rule) in rules.iter().enumerate() {
        let applies = match rule.get_text("path_regex") {
            None | Some("") => true,
            Some(regex) => Regex::new(regex)
                .map_err(|error| {
                    Problem::new(format!("`path_regex` is not a regular expression: {error}"))
                })?
                .is_match(&relative),
        };
        if applies {
            return make(rule, file).map(Some).map_err(|problem| Problem {
                message: format!("rule {}: {}", index + 1, problem.message),
                ..problem
            });
        }
    }
    Err(Problem::new(format!("no rule of `creation_rules` matches `{relative}`")))
}

fn make(rule: &Plain, file: &Path) -> Result<Rule> {
    let mut texts = Vec::new();
    match rule.get("key_groups") {
        Some(Plain::List(groups)) if !groups.is_empty() => {
            let [group] = groups.as_slice() else {
                return Err(Problem::new(
                    "`key_groups` are not supported: a document has one list of recipients",
                ));
            };
            if group.get("merge").is_some() {
                return Err(Problem::new("`merge` of `key_groups` is not supported"));
            }
            refuse_others(group)?;
            add(group, &mut texts)?;
        }
        _ => {
            refuse_others(rule)?;
            add(rule, &mut texts)?;
        }
    }
    let mut recipients: Vec<Recipient> = Vec::new();
    for text in &texts {
        let recipient = Recipient::parse(text)?;
        if !recipients.contains(&recipient) {
            recipients.push(recipient);
        }
    }
    if recipients.is_empty() {
        return Err(Problem::new("it names no age recipients"));
    }
    Ok(Rule { file: file.to_owned(), recipients, options: Options::read(rule)? })
}

/// Keys that would be omitted are refused, so that they do not silently lose access.
fn refuse_others(rule: &Plain) -> Result<()> {
    let is_given = |name: &&str| match rule.get(name) {
        None | Some(Plain::Value(Value::Null)) => false,
        Some(Plain::Value(Value::Str(text))) => !text.is_empty(),
        Some(Plain::List(items)) => !items.is_empty(),
        Some(_) => true,
    };
    let names: Vec<String> = OTHER_KINDS
        .iter()
        .chain(&["hc_vault"])
        .filter(|name| is_given(name))
        .map(|name| format!("`{name}`"))
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Problem::new(format!("{} is not supported here, only `age`", names.join(", "))))
}

/// `age` is a list, or a text with commas.
fn add(rule: &Plain, texts: &mut Vec<String>) -> Result<()> {
    let mut split = |text: &str| {
        texts.extend(
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned),
        );
    };
    match rule.get("age") {
        None | Some(Plain::Value(Value::Null)) => {}
        Some(Plain::Value(Value::Str(text))) => split(text),
        Some(Plain::List(items)) => {
            for item in items {
                match item {
                    Plain::Value(Value::Str(text)) => split(text),
                    _ => return Err(Problem::new("`age` contains a value that is not a text")),
                }
            }
        }
        Some(_) => return Err(Problem::new("`age` is neither a text nor a list")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::read;

    const ONE: &str = "age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn";
    const SSH: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMk0H3X7USMtn9nscJiYyVE+H14HO1Ohn4HSgrzReELk";

    fn rule(text: &str, document: &str) -> crate::Result<Option<String>> {
        let text = text.replace("ONE", ONE).replace("SSH", SSH);
        let rule = read(&text, Path::new("/c/.sops.yaml"), Path::new(document))?;
        Ok(rule.map(|rule| {
            rule.recipients.iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
        }))
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let text = "creation_rules:\n  - path_regex: ^a/.*\\.yaml$\n    age: SSH\n  - age: 'ONE, \
                    SSH,ONE'\n";
        assert_eq!(rule(text, "/c/a/x.yaml").unwrap().as_deref(), Some(SSH));
        assert_eq!(rule(text, "/c/b/x.yaml").unwrap(), Some(format!("{ONE}|{SSH}")));
        // The path counts from the directory of the rules.
        assert_eq!(rule(text, "/d/a/x.yaml").unwrap(), Some(format!("{ONE}|{SSH}")));
        let groups = "creation_rules:\n  - key_groups:\n      - age: [ONE]\n";
        assert_eq!(rule(groups, "/c/x").unwrap().as_deref(), Some(ONE));
        let anchors = "keys:\n  - &me ONE\ncreation_rules:\n  - age: [*me]\n";
        assert_eq!(rule(anchors, "/c/x").unwrap().as_deref(), Some(ONE));
        assert_eq!(rule("stores: {}\n", "/c/x").unwrap(), None);
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        for (text, part) in [
            ("creation_rules:\n  - path_regex: ^y\n    age: ONE\n", "matches `x`"),
            ("creation_rules:\n  - pgp: ABC\n    age: ONE\n", "`pgp`"),
            ("creation_rules:\n  - kms: arn\n", "`kms`"),
            (
                "creation_rules:\n  - key_groups:\n      - age: [ONE]\n      - age: [SSH]\n",
                "key_groups",
            ),
            ("creation_rules:\n  - age: ''\n", "no age recipients"),
            ("creation_rules:\n  - age: age1yubikey1qxyz\n", "plugin"),
            ("creation_rules:\n  - age: ONE\n    encrypted_regex: '('\n", "regular expression"),
            (
                "creation_rules:\n  - age: ONE\n    encrypted_regex: a\n    encrypted_suffix: b\n",
                "exclude each other",
            ),
            ("creation_rules:\n  - age: AGE-SECRET-KEY-1X\n", "identity"),
            ("creation_rules: 5\n", "not a list"),
        ] {
            let problem = rule(text, "/c/x").unwrap_err();
            assert!(problem.message.contains(part), "{part} is not in {problem}");
        }
    }
}
