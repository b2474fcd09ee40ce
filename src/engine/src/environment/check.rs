//! Checks a declared environment: names, values and entries with which a shell or every program
//! would fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{lists, reserved, shells};
use crate::action::Addition;
use crate::activation::DeclaredAction;
use crate::names::Placeholder;
use crate::platform;
use crate::value::{Positions, Text};
use crate::variable::{Part, Template};

/// For which machine an environment is checked.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its operating system, as in `System::os`.
    pub os: &'a str,
    /// The home and the root, when it is this machine.
    pub places: Option<(&'a Path, &'a Path)>,
}

/// Why an environment is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Who declared it, innermost first.
    pub positions: Positions,
}

/// How long a variable and all of them may be, in bytes.
struct Limits {
    /// `NAME=value` with the byte that ends it.
    variable: usize,
    /// All that is declared: a share of what a program can be started with, since the user's own
    /// variables and arguments need the rest.
    total: usize,
}

impl Limits {
    fn of(os: &str) -> Limits {
        match os {
            // execve(2): MAX_ARG_STRLEN is 32 pages; all strings have a quarter of a stack of 8
            // MiB.
            "linux" => Limits { variable: 128 * 1024, total: 512 * 1024 },
            // sysconf(3), ARG_MAX: 1 MiB.
            "darwin" => Limits { variable: 256 * 1024, total: 256 * 1024 },
            // SetEnvironmentVariable: 32,767 characters.
            _ => Limits { variable: 32_767, total: 512 * 1024 },
        }
    }
}

/// Room for what a list has before declared entries come to it.
const ROOM_OF_LISTS: usize = 16 * 1024;

/// Room for what the variable that remembers all names has besides them, in bytes: its own name,
/// the root and the hash of the script.
const ROOM_OF_NAMES: usize = 8 * 1024;

/// What the variable that remembers one earlier value has in its name besides that of the variable,
/// in bytes.
const MEMORY_OF_VARIABLE: usize = 48;

/// How long the separator of a list may be.
const LONGEST_SEPARATOR: usize = 9;

/// Checks the environment that activations declare.
///
/// # Errors
/// What is refused first.
pub fn check<'a>(
    activations: impl IntoIterator<Item = &'a DeclaredAction>,
    target: Target<'_>,
) -> Result<(), Box<Refusal>> {
    let limits = Limits::of(target.os);
    let (mut total, mut in_lists) = (0, BTreeMap::<_, usize>::new());
    let mut names = Names::default();
    for activation in activations {
        let Some(part) = activation.action.as_environment() else { continue };
        let checking = Checking { activation, target };
        let addition = part.addition();
        if let Addition::Single(name, _) | Addition::Entries(name, ..) = &addition {
            total += names.add(activation, name);
            let length = names.longest_with(activation);
            if length + ROOM_OF_NAMES > limits.variable {
                let message = format!(
                    "the names of all variables have {length} bytes: one variable remembers them, \
                     and no program could be started with it"
                );
                let hint = format!("they have at most {} bytes", limits.variable - ROOM_OF_NAMES);
                return Err(checking.refusal(message, Some(hint)));
            }
        }
        match addition {
            Addition::Single(name, value) => {
                checking.name(name)?;
                checking.single(name, value)?;
                let length = name.len() + length(value) + 2;
                if length > limits.variable {
                    let message = format!(
                        "the value of {name} has {} bytes: no program could be started with it",
                        length - name.len() - 2
                    );
                    let hint =
                        format!("a variable has at most {} bytes with its name", limits.variable);
                    return Err(checking.refusal(message, Some(hint)));
                }
                total += length;
            }
            Addition::Entries(name, separator, entries) => {
                checking.name(name)?;
                checking.separator(name, separator)?;
                for entry in &entries {
                    checking.entry(name, separator, entry)?;
                }
                let scope = (&activation.user, &activation.project, name.to_owned());
                let length =
                    entries.iter().map(|entry| length(entry) + separator.len()).sum::<usize>();
                let of_list = in_lists.entry(scope).or_default();
                *of_list += length;
                if *of_list + name.len() + ROOM_OF_LISTS > limits.variable {
                    let message = format!(
                        "the entries of {name} have {of_list} bytes: no program could be started \
                         with them"
                    );
                    let hint =
                        format!("they have at most {} bytes", limits.variable - ROOM_OF_LISTS);
                    return Err(checking.refusal(message, Some(hint)));
                }
                // The environment also remembers which entries sys.lua added.
                total += 2 * length;
            }
            Addition::Alias(name, command) => checking.alias(name, command)?,
            Addition::Function(name, bodies) => checking.function(name, bodies)?,
            // A private script whose place is not known yet.
            Addition::Script(script, _) if script.0.is_empty() => {}
            Addition::Script(script, of_shells) => {
                checking.script(script)?;
                for name in of_shells {
                    if shells::get(name).is_none() {
                        let known: Vec<_> =
                            shells::SHELLS.iter().map(|shell| shell.name()).collect();
                        let message =
                            format!("ctx.source_in_shell does not know the shell `{name}`");
                        return Err(checking
                            .refusal(message, Some(format!("it knows {}", known.join(", ")))));
                    }
                }
            }
        }
        if total > limits.total {
            let message = format!(
                "all variables together have {total} bytes: programs could not be started with them"
            );
            let hint = format!("they have at most {} bytes; lists count twice", limits.total);
            return Err(checking.refusal(message, Some(hint)));
        }
    }
    Ok(())
}

/// The names of variables, which the environment remembers in one variable: of the common ones,
/// those of each user, and those of each project.
#[derive(Default)]
struct Names<'a> {
    known: BTreeSet<(NameScope<'a>, &'a str)>,
    lengths: BTreeMap<NameScope<'a>, usize>,
}

/// The user and the project of a declaration.
type NameScope<'a> = (Option<&'a str>, Option<&'a str>);

fn scope_of(activation: &DeclaredAction) -> NameScope<'_> {
    let project = activation.project.as_ref().map(|project| project.name.as_str());
    (activation.user.as_deref(), project)
}

impl<'a> Names<'a> {
    /// Adds a name; returns by how much the environment grows besides the name and the value.
    fn add(&mut self, activation: &'a DeclaredAction, name: &'a str) -> usize {
        let scope = scope_of(activation);
        if !self.known.insert((scope, name)) {
            return 0;
        }
        // A blank, and of a list the length of its separator.
        let word = name.len() + 3;
        *self.lengths.entry(scope).or_default() += word;
        word + name.len() + MEMORY_OF_VARIABLE
    }

    /// Returns the greatest length of the names in one environment that has those of a declaration:
    /// the environment of a user has the common ones too.
    fn longest_with(&self, activation: &DeclaredAction) -> usize {
        let of = |scope: NameScope<'_>| self.lengths.get(&scope).copied().unwrap_or_default();
        match scope_of(activation) {
            (None, None) => {
                let of_users = self.lengths.iter().filter(|((_, project), _)| project.is_none());
                let users = of_users.filter(|((user, _), _)| user.is_some());
                of((None, None)) + users.map(|(_, length)| *length).max().unwrap_or_default()
            }
            (user, None) => of((None, None)) + of((user, None)),
            scope => of(scope),
        }
    }
}

struct Checking<'a> {
    activation: &'a DeclaredAction,
    target: Target<'a>,
}

impl Checking<'_> {
    fn refusal(&self, message: String, hint: Option<String>) -> Box<Refusal> {
        Box::new(Refusal { message, hint, positions: self.activation.positions.clone() })
    }

    fn name(&self, name: &str) -> Result<(), Box<Refusal>> {
        let Some(keeper) = reserved::keeper(name) else { return Ok(()) };
        let hint = match name {
            "path" | "fpath" | "manpath" | "cdpath" => {
                Some(format!("its entries are those of {}", name.to_uppercase()))
            }
            _ => None,
        };
        Err(self.refusal(format!("the variable {name} cannot be set: {keeper} reserves it"), hint))
    }

    fn alias(&self, name: &str, command: &Text) -> Result<(), Box<Refusal>> {
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if !is_name {
            let message = format!("{name:?} cannot be the name of an alias");
            let hint =
                "a name has letters, digits and `_ . -`, and begins with a letter or _".to_owned();
            return Err(self.refusal(message, Some(hint)));
        } else if reserved::is_word(name) {
            let message = format!("{name:?} cannot be the name of an alias in every shell");
            let hint = "it is a reserved word of a shell, or a command that scripts of shells need";
            return Err(self.refusal(message, Some(hint.to_owned())));
        } else if command.0.iter().all(u8::is_ascii_whitespace) {
            return Err(self.refusal(format!("the alias {name} is empty"), None));
        } else if command.0.iter().any(u8::is_ascii_control) {
            let message = format!("the alias {name} has a line break or another control character");
            return Err(
                self.refusal(message, Some("write a script, and put it on PATH".to_owned()))
            );
        }
        Ok(())
    }

    fn function(&self, name: &str, bodies: &BTreeMap<String, Text>) -> Result<(), Box<Refusal>> {
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name || reserved::is_word(name) {
            let message = format!("{name:?} cannot be the name of a function in every shell");
            let hint = "a name has letters, digits and _, does not begin with a digit, \
                and is not a reserved word of a shell";
            return Err(self.refusal(message, Some(hint.to_owned())));
        }
        for (shell, body) in bodies {
            if shells::get(shell).is_none() {
                let known: Vec<_> = shells::SHELLS.iter().map(|shell| shell.name()).collect();
                let message = format!("the function {name} is for an unknown shell, `{shell}`");
                return Err(
                    self.refusal(message, Some(format!("the shells are {}", known.join(", "))))
                );
            } else if body.0.iter().all(u8::is_ascii_whitespace) {
                return Err(
                    self.refusal(format!("the function {name} has no commands for {shell}"), None)
                );
            } else if body.0.iter().any(|byte| byte.is_ascii_control() && !b"\n\t".contains(byte)) {
                return Err(self.refusal(
                    format!("the function {name} has a control character for {shell}"),
                    None,
                ));
            }
        }
        Ok(())
    }

    fn separator(&self, name: &str, separator: &str) -> Result<(), Box<Refusal>> {
        let is_usable = (1..=LONGEST_SEPARATOR).contains(&separator.len())
            && separator
                .bytes()
                .all(|byte| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t');
        if is_usable {
            return Ok(());
        }
        let message = format!("{separator:?} cannot separate the entries of {name}");
        Err(self.refusal(
            message,
            Some("a separator is one to nine characters of ASCII, such as \":\"".to_owned()),
        ))
    }

    fn single(&self, name: &str, value: &Template) -> Result<(), Box<Refusal>> {
        let Some(text) = start(value) else { return Ok(()) };
        match of_other_home(text) {
            Some(user) if text.0.contains(&b'/') => Err(self.other_home(name, &user)),
            _ => Ok(()),
        }
    }

    fn other_home(&self, name: &str, user: &str) -> Box<Refusal> {
        let message = format!("{name}: `~{user}` is not expanded in values");
        self.refusal(message, Some("write the directory itself; `~/` is your own home".to_owned()))
    }

    fn script(&self, script: &Text) -> Result<(), Box<Refusal>> {
        if let Some(user) = of_other_home(script) {
            return Err(self.other_home("ctx.source_in_shell", &user));
        }
        if script.below_home().is_none() && !self.is_absolute(&script.0) {
            let message = format!("ctx.source_in_shell: the path {} is relative", script.display());
            return Err(self.refusal(message, Some("begin the path with `~/` or `/`".to_owned())));
        }
        Ok(())
    }

    fn entry(&self, name: &str, separator: &str, entry: &Template) -> Result<(), Box<Refusal>> {
        let shown = entry.display();
        if entry.texts().iter().any(|text| text.0.contains(&b'\n')) {
            return Err(self.refusal(
                format!("{shown:?} cannot be an entry of {name}: it has a newline"),
                None,
            ));
        }
        if let Some(text) = start(entry) {
            self.directory(name, &shown, text, entry)?;
        }
        // A path of Windows has the colon of its drive, on whatever machine it is declared.
        let is_foreign_drive = self.target.os == "windows" && self.target.places.is_none();
        let has_separator = entry
            .texts()
            .iter()
            .any(|text| memchr::memmem::find(&text.0, separator.as_bytes()).is_some());
        if has_separator && !is_foreign_drive {
            let message = format!(
                "{shown:?} cannot be an entry of {name}: it has {separator:?}, which separates \
                 entries"
            );
            return Err(self.refusal(
                message,
                Some("write each entry separately: { \"/a\", \"/b\" }".to_owned()),
            ));
        }
        let Some((home, root)) = self.target.places else { return Ok(()) };
        // Once, before all entries below it.
        for (what, place, is_below) in [
            ("home directory", home, start(entry).is_some_and(|text| text.below_home().is_some())),
            ("root", root, entry.texts().iter().any(|text| Placeholder::find(&text.0).is_some())),
        ] {
            let has_separator =
                memchr::memmem::find(&platform::bytes_of_path(place), separator.as_bytes())
                    .is_some();
            if is_below && has_separator {
                let message = format!(
                    "the {what} {} has {separator:?} in its path, which separates the entries of \
                     {name}",
                    place.display()
                );
                let hint = if what == "root" {
                    "use another root: --root DIR, or SYSLUA_ROOT"
                } else {
                    "no entry can be below it"
                };
                return Err(self.refusal(message, Some(hint.to_owned())));
            }
        }
        Ok(())
    }

    /// Checks what an entry begins with.
    fn directory(
        &self,
        name: &str,
        shown: &str,
        text: &Text,
        entry: &Template,
    ) -> Result<(), Box<Refusal>> {
        if let Some(user) = of_other_home(text) {
            return Err(self.other_home(name, &user));
        }
        let needs_absolute = lists::get(name).is_some_and(|list| list.is_absolute);
        if !needs_absolute || text.below_home().is_some() || self.is_absolute(&text.0) {
            return Ok(());
        }
        let variable = literal_reference(&text.0);
        let hint = match (&variable, entry) {
            (Some(variable), _) => {
                format!(
                    "nothing is expanded in values; refer to it: lib.ref(\"{variable}\") .. \
                     \"/...\""
                )
            }
            _ => "an entry is an absolute path, or begins with `~/`".to_owned(),
        };
        let message = format!(
            "{shown:?} cannot be an entry of {name}: it is relative to the current directory"
        );
        Err(self.refusal(message, Some(hint)))
    }

    fn is_absolute(&self, path: &[u8]) -> bool {
        let is_unix = path.starts_with(b"/");
        let is_windows = || {
            path.starts_with(b"\\")
                || path.len() > 2 && path[1] == b':' && b"/\\".contains(&path[2])
        };
        is_unix || self.target.os == "windows" && is_windows()
    }
}

/// Returns the text that a value begins with.
fn start(value: &Template) -> Option<&Text> {
    match value {
        Template::Text(text) => Some(text),
        Template::Parts { parts } => match parts.first()? {
            Part::Text(text) => Some(text),
            Part::Reference { .. } => None,
        },
    }
}

/// Returns the user of `~user` at the beginning of a text.
fn of_other_home(text: &Text) -> Option<String> {
    let rest = text.0.strip_prefix(b"~")?;
    let user: Vec<u8> = rest.iter().copied().take_while(|byte| *byte != b'/').collect();
    let is_name = user.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && user.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte));
    is_name.then(|| String::from_utf8_lossy(&user).into_owned())
}

/// Returns the name that `$NAME` or `${NAME}` in a literal text looks like a reference to.
pub fn literal_reference(text: &[u8]) -> Option<String> {
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    for (index, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'$') {
        let rest = &text[index + 1..];
        let (rest, is_braced) =
            rest.strip_prefix(b"{").map_or((rest, false), |inner| (inner, true));
        let length =
            rest.iter().take_while(|byte| is_start(**byte) || byte.is_ascii_digit()).count();
        let is_name = rest.first().is_some_and(|byte| is_start(*byte));
        if is_name && (!is_braced || rest.get(length) == Some(&b'}')) {
            return Some(String::from_utf8_lossy(&rest[..length]).into_owned());
        }
    }
    None
}

/// Returns the length of a value without what references stand for.
fn length(value: &Template) -> usize {
    value.texts().iter().map(|text| text.0.len()).sum()
}
