//! Code that the renderers share: the calls of a script, and the frame around them.

use std::collections::BTreeMap;

use super::{FPATH, Identity, Shell, lists};
use crate::environment::Environment;
use crate::platform;
use crate::value::Text;
use crate::variable::{Part, Template};

/// A variable that a script sets.
pub enum Call<'a> {
    /// One with one value.
    Single(&'a str, &'a Template),
    /// A list.
    List(&'a str, List<'a>),
}

/// A list that a script puts entries into.
pub struct List<'a> {
    /// What separates entries.
    pub separator: &'a str,
    /// What the list means while it is unset.
    pub default: Option<&'static str>,
    /// The entries, the first one first.
    pub entries: &'a [Template],
}

impl Call<'_> {
    /// Returns the variable.
    pub fn name(&self) -> &str {
        match self {
            Call::Single(name, _) | Call::List(name, _) => name,
        }
    }

    /// Returns how the memory has it.
    pub fn word(&self) -> String {
        match self {
            Call::Single(name, _) => (*name).to_owned(),
            Call::List(name, list) => format!("{name}+{}", list.separator.len()),
        }
    }
}

/// Returns the variables in the order in which they can be set.
pub fn calls(environment: &Environment) -> Vec<Call<'_>> {
    let call = |name| match (environment.single.get(name), environment.lists.get(name)) {
        (Some(value), _) => Some(Call::Single(name, value)),
        (None, Some((separator, entries))) => {
            let default = lists::default_of(name, separator);
            Some(Call::List(name, List { separator, default, entries }))
        }
        (None, None) => None,
    };
    environment.order().into_iter().filter_map(call).collect()
}

/// Returns the directories `share` of packages whose programs are on PATH: `bin` in an object of
/// the root's store.
pub fn shares(environment: &Environment, identity: &Identity<'_>) -> Vec<Vec<u8>> {
    let objects = [platform::bytes_of_path(identity.root).as_slice(), b"/store/obj/"].concat();
    let entries =
        environment.lists.get("PATH").map(|(_, entries)| entries.as_slice()).unwrap_or_default();
    let share = |entry: &Template| match entry {
        Template::Text(text) if text.0.starts_with(&objects) => {
            Some([text.0.strip_suffix(b"/bin")?, b"/share"].concat())
        }
        _ => None,
    };
    entries.iter().filter_map(share).collect()
}

/// Returns the functions of a shell: names and texts. What is for sh counts in bash and zsh too,
/// unless they have their own.
pub fn functions<'a>(environment: &'a Environment, shell: &str) -> Vec<(&'a str, &'a Text)> {
    let is_posix = shell == "bash" || shell == "zsh";
    let text = |bodies: &'a BTreeMap<String, Text>| {
        bodies.get(shell).or_else(|| bodies.get("sh").filter(|_| is_posix))
    };
    environment
        .functions
        .iter()
        .filter_map(|(name, bodies)| Some((name.as_str(), text(bodies)?)))
        .collect()
}

/// Returns a whole script: its first line, functions, and what it calls.
pub fn script(identity: &Identity<'_>, stamp: &str, functions: &str, calls: &[&[u8]]) -> Vec<u8> {
    let about =
        b"# The environment that sys.lua applied. Each apply writes it anew: edits are lost.\n";
    [&identity.first_line(stamp), about.as_slice(), functions.as_bytes(), b"\n", &calls.concat()]
        .concat()
}

/// A shell's way to write texts and references.
pub trait Words {
    /// Quotes a text so that the shell takes every byte of it literally; `Err` says what it cannot
    /// say.
    ///
    /// # Errors
    /// When no text of the shell has this value.
    fn quote(&self, text: &[u8]) -> Result<Vec<u8>, &'static str>;

    /// Returns what a variable has when the script is read, or nothing.
    fn reference(&self, name: &str) -> Vec<u8>;

    /// Returns the name of a variable as an argument.
    fn name_word(&self, name: &str) -> Vec<u8> {
        name.as_bytes().to_vec()
    }

    /// Returns the line that writes a message, without quotes in it, to the standard error.
    fn say(&self, message: &str) -> String {
        format!("echo '{message}' >&2")
    }

    /// Checks whether the shell can set a variable of a name.
    ///
    /// # Errors
    /// Why it cannot.
    fn check_name(&self, _name: &str) -> Result<(), &'static str> {
        Ok(())
    }

    /// Returns whether an alias can have a name. Those that no shell takes are refused before.
    fn takes_alias(&self, _name: &str) -> bool {
        true
    }

    /// Writes a whole value as a word.
    ///
    /// # Errors
    /// When a variable of the shell cannot have it.
    fn check_value(&self, value: &Template) -> Result<Vec<u8>, &'static str> {
        self.template(value)
    }

    /// Joins parts to one word.
    fn join(&self, parts: Vec<Vec<u8>>) -> Vec<u8> {
        parts.concat()
    }

    /// Writes a value as a word.
    ///
    /// # Errors
    /// When a text of it cannot be said.
    fn template(&self, template: &Template) -> Result<Vec<u8>, &'static str> {
        match template {
            Template::Text(text) => self.quote(&text.0),
            Template::Parts { parts } => {
                let part = |part: &Part| match part {
                    Part::Text(text) => self.quote(&text.0),
                    Part::Reference { reference } => Ok(self.reference(reference)),
                };
                Ok(self.join(parts.iter().map(part).collect::<Result<_, _>>()?))
            }
        }
    }

    /// Writes what a list means while it is unset, after an `x`; nothing for a list without such a
    /// meaning.
    ///
    /// # Errors
    /// As `template`.
    fn default(&self, default: Option<&str>) -> Result<Vec<u8>, &'static str> {
        let Some(text) = default else { return self.quote(b"") };
        match text.strip_prefix(lists::HOME) {
            Some(rest) => Ok(self.join(vec![
                self.quote(b"x")?,
                self.reference("HOME"),
                self.quote(rest.as_bytes())?,
            ])),
            None => self.quote(format!("x{text}").as_bytes()),
        }
    }

    /// Writes values as words.
    ///
    /// # Errors
    /// As `template`.
    fn templates(&self, templates: &[Template]) -> Result<Vec<Vec<u8>>, &'static str> {
        templates.iter().map(|template| self.template(template)).collect()
    }
}

/// Returns the calls that set variables, each a line `__syslua_single NAME VALUE` or
/// `__syslua_list NAME SEPARATOR DEFAULT ENTRY...`, and what the memory says of them. A value that
/// the shell cannot have is left out, and the line says so.
pub fn lines(shell: &(impl Shell + Words), environment: &Environment) -> (Vec<u8>, Vec<String>) {
    let (mut lines, mut declared) = (Vec::new(), Vec::new());
    // FPATH is zsh's.
    for call in calls(environment).iter().filter(|call| call.name() != FPATH) {
        let name = call.name();
        let words = || -> Result<Vec<Vec<u8>>, &'static str> {
            shell.check_name(name)?;
            match call {
                Call::Single(_, value) => Ok(vec![
                    b"__syslua_single".to_vec(),
                    shell.name_word(name),
                    shell.check_value(value)?,
                ]),
                Call::List(_, list) => {
                    let separator = shell.quote(list.separator.as_bytes())?;
                    let start = vec![
                        b"__syslua_list".to_vec(),
                        shell.name_word(name),
                        separator,
                        shell.default(list.default)?,
                    ];
                    Ok([start, shell.templates(list.entries)?].concat())
                }
            }
        };
        match words() {
            Ok(words) => {
                declared.push(call.word());
                lines.extend(words.join(&b' '));
            }
            Err(reason) => {
                lines.extend(shell.say(&refusal(shell.name(), name, reason)).into_bytes());
            }
        }
        lines.push(b'\n');
    }
    (lines, declared)
}

/// Returns the aliases that a shell can have, and the lines that name the others.
pub fn aliases<'a>(
    shell: &(impl Shell + Words),
    environment: &'a Environment,
) -> (Vec<(&'a str, &'a Text)>, Vec<u8>) {
    let all = environment.aliases.iter().map(|(name, command)| (name.as_str(), command));
    let (taken, refused): (Vec<_>, Vec<_>) = all.partition(|(name, _)| shell.takes_alias(name));
    let say = |(name, _): &(&str, _)| {
        let what = format!("the alias {name}");
        shell.say(&refusal(shell.name(), &what, "the shell keeps the name for itself")) + "\n"
    };
    (taken, refused.iter().map(say).collect::<String>().into_bytes())
}

/// Returns a path as a quoted word of a shell.
pub fn quoted(shell: &dyn Words, path: &str) -> String {
    String::from_utf8_lossy(&shell.quote(path.as_bytes()).unwrap_or_default()).into_owned()
}

/// Why a shell cannot have an empty value.
pub const EMPTY: &str = "an empty value would remove the variable";

/// Returns a part of a script that defines aliases, for one environment: its memory, its stamp, and
/// whether it comes before or after those of projects.
pub fn layer(text: &str, identity: &Identity<'_>, stamp: &str) -> String {
    let layer = if identity.project.is_some() { "top" } else { "base" };
    text.replace("MEMORY", &identity.memory()).replace("STAMP", stamp).replace("LAYER", layer)
}

/// Returns what a script says when its shell cannot have a value.
pub fn refusal(shell: &str, name: &str, reason: &str) -> String {
    format!("sys.lua: {shell} cannot have the value of {name}: {reason}")
}
