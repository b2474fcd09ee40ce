//! The shells that read the environment. A new one is a file beside this one and a line in the
//! list.

mod cmd;
mod common;
mod elvish;
mod fish;
mod nushell;
mod posix;
mod powershell;
#[cfg(test)]
mod toy;

use std::path::{Path, PathBuf};

use self::common::Words;
pub use self::common::{Call, List, calls};
use super::{Environment, lists};
use crate::hash::Hash;
use crate::names::SnapshotId;
use crate::platform;
use crate::variable::Template;

/// A shell: what its script is called, and how it is written.
pub trait Shell: Sync {
    /// Returns its name, as users know it.
    fn name(&self) -> &'static str;

    /// Returns the name of its script in the root. Shells of one language share one.
    fn file(&self) -> &'static str;

    /// Returns the file that it reads when an interactive shell begins; `None` when there is none.
    fn profile(&self, places: &Places<'_>) -> Option<PathBuf>;

    /// Returns the line for that file that reads the first of these scripts that exists.
    fn source_line(&self, scripts: &[ScriptPath]) -> String;

    /// Returns what has an interactive shell look at each prompt whether there is another
    /// environment; `None` when that cannot be said.
    fn hook(&self, _places: &HookPlaces<'_>) -> Option<String> {
        None
    }

    /// Returns the script that a shell runs to leave a project: a variable that has another value
    /// by now stays.
    fn render_leave(&self, _identity: &Identity<'_>) -> Option<Vec<u8>> {
        None
    }

    /// Returns what its hook evaluates after it entered and left directories with an entry file:
    /// what it remembers of them, and how it sees that something changed. `None` for a shell whose
    /// hook does not serve them.
    fn render_entered(&self, _entered: &EnteredPlaces<'_>) -> Option<Vec<u8>> {
        None
    }

    /// Returns how an interactive shell of its own is started that reads one more script, at
    /// `script`, after the user's files. The shell is marked by `SYSLUA_PROJECT`. `None` when that
    /// cannot be said: then it has the variables only.
    fn subshell(&self, _script: &str) -> Option<Subshell> {
        None
    }

    /// Returns what the script of such a shell does after the environment: it marks the prompt.
    fn mark_prompt(&self) -> &'static str {
        ""
    }

    /// Returns the script that gives an environment to the shell.
    fn render(&self, environment: &Environment, identity: &Identity<'_>) -> Vec<u8>;
}

/// How a shell inside a shell is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subshell {
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables for it alone.
    pub variables: Vec<(String, String)>,
    /// What its script does first.
    pub before: &'static str,
    /// Files that it reads, in a directory that the variable named first leads to.
    pub files: Option<(&'static str, &'static [(&'static str, &'static str)])>,
}

/// What a hook looks at.
#[derive(Clone, Copy, Debug)]
pub struct HookPlaces<'a> {
    /// The script that the shell reads.
    pub script: &'a Path,
    /// The directory of the current snapshot: a link.
    pub current: &'a Path,
    /// The directory of all snapshots.
    pub snapshots: &'a Path,
    /// The variable of the memory.
    pub memory: &'a str,
    /// What prints how directories with an entry file are entered and left.
    pub step: Step<'a>,
}

/// What a hook runs.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Variables for it alone.
    pub variables: &'a [(String, Vec<u8>)],
    /// A program and its arguments.
    pub words: &'a [Vec<u8>],
}

/// What a hook remembers of the directories with an entry file that it entered.
#[derive(Clone, Copy, Debug)]
pub struct EnteredPlaces<'a> {
    /// The variable of the memory.
    pub memory: &'a str,
    /// The entered directories, outermost first, each followed by a blank.
    pub layers: &'a str,
    /// The notices already shown, so that each is shown once.
    pub said: &'a str,
    /// The innermost project, for the prompt; empty when all were left. Nothing leaves the name
    /// alone.
    pub name: Option<&'a str>,
    /// Files, each with a file that is older unless it changed.
    pub watched: &'a [Watched],
}

/// A file that a hook looks at.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The file.
    pub file: PathBuf,
    /// The file that it is compared with, if it exists.
    pub note: Option<PathBuf>,
    /// Whether it is there: it has changed when that is otherwise.
    pub is_there: bool,
}

/// Returns the end of the names that a hook has for itself.
fn hook_id(memory: &str) -> &str {
    memory.rsplit('_').next().unwrap_or_default()
}

impl HookPlaces<'_> {
    /// Puts the places into the text of a hook, as words of the shell, and what else stands for
    /// marks in it.
    fn fill(
        &self,
        text: &str,
        quote: impl Fn(&[u8]) -> Vec<u8>,
        others: &[(&str, String)],
    ) -> String {
        let word = |path: &Path| {
            String::from_utf8_lossy(&quote(&platform::bytes_of_path(path))).into_owned()
        };
        let places = [
            ("FILE", word(self.script)),
            ("CURRENT", word(self.current)),
            ("SNAPSHOTS", word(self.snapshots)),
            ("MEMORY", self.memory.to_owned()),
            ("_ID", format!("_{}", hook_id(self.memory))),
            ("SHORT", hook_id(self.memory).to_owned()),
        ];
        let marks: Vec<&(&str, String)> = places.iter().chain(others).collect();
        // In one pass: a path may have the text of a mark in it.
        let (mut filled, mut rest) = (String::new(), text);
        let next = |rest: &str| {
            let found = marks
                .iter()
                .filter_map(|(mark, with)| Some((rest.find(mark)?, *mark, with.as_str())));
            found.min_by_key(|(at, _, _)| *at)
        };
        while let Some((at, mark, with)) = next(rest) {
            filled.push_str(&rest[..at]);
            filled.push_str(with);
            rest = &rest[at + mark.len()..];
        }
        filled + rest
    }
}

impl Step<'_> {
    /// Returns its variables, each as `assign` has its name and its quoted value, and its words.
    fn render(
        &self,
        quote: impl Fn(&[u8]) -> Vec<u8>,
        assign: impl Fn(&str, &str) -> String,
    ) -> [(&'static str, String); 2] {
        let word = |bytes: &[u8]| String::from_utf8_lossy(&quote(bytes)).into_owned();
        let variables = self.variables.iter().map(|(name, value)| assign(name, &word(value)));
        let words = self.words.iter().map(|one| word(one));
        [
            ("STEP_VARIABLES", variables.collect()),
            ("STEP_WORDS", words.collect::<Vec<_>>().join(" ")),
        ]
    }
}

/// Where the files of shells are.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The home directory.
    pub home: &'a Path,
    /// `XDG_CONFIG_HOME`, or `.config` in the home.
    pub config: &'a Path,
    /// `ZDOTDIR`, or the home.
    pub zsh: &'a Path,
    /// The operating system, as in `System::os`.
    pub os: &'a str,
}

/// Where a script is, for lines in files that several machines may share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptPath {
    /// Below the home, from a slash on.
    BelowHome(String),
    /// Anywhere.
    At(String),
}

impl ScriptPath {
    /// Returns the path of a script as a line in a file has it.
    pub fn new(script: &Path, home: &Path) -> ScriptPath {
        match script.strip_prefix(home) {
            Ok(below) if home.parent().is_some() => {
                ScriptPath::BelowHome(format!("/{}", below.display()))
            }
            _ => ScriptPath::At(script.display().to_string()),
        }
    }
}

/// The script that commands of a config are run with.
pub const COMMANDS: &str = posix::FILE;

/// All of them.
pub const SHELLS: &[&dyn Shell] = &[
    &posix::Sh,
    &posix::Bash,
    &posix::Zsh,
    &fish::Fish,
    &elvish::Elvish,
    &nushell::Nushell,
    &powershell::PowerShell,
    &cmd::Cmd,
    #[cfg(test)]
    &toy::Toy,
];

/// Returns the shell of a name.
pub fn get(name: &str) -> Option<&'static dyn Shell> {
    SHELLS.iter().copied().find(|shell| shell.name() == name)
}

/// Returns one shell for each script.
pub fn scripts() -> impl Iterator<Item = &'static dyn Shell> {
    let first = |(index, shell): &(usize, &&dyn Shell)| {
        SHELLS[..*index].iter().all(|other| other.file() != shell.file())
    };
    SHELLS.iter().enumerate().filter(first).map(|(_, shell)| *shell)
}

/// Whose environment a script has.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The root.
    pub root: &'a Path,
    /// The user, unless it is the environment of all.
    pub user: Option<&'a str>,
    /// The project, unless it is the environment of a user or of all.
    pub project: Option<&'a str>,
    /// The snapshot; 0 for what is not applied.
    pub snapshot: SnapshotId,
}

impl Identity<'_> {
    /// Returns the variable in which shells remember what the script set. Each root, user and
    /// project has one.
    pub fn memory(&self) -> String {
        let root = platform::bytes_of_path(self.root);
        let mut whole = [root.as_slice(), b"\0", self.user.unwrap_or_default().as_bytes()].concat();
        if let Some(project) = self.project {
            whole.extend([b"\0", project.as_bytes()].concat());
        }
        format!("{}_{}", super::OWN_PREFIX, &Hash::of(&whole).to_hex()[..8])
    }

    /// Returns the sort of its layer, for the variable [`LAYERS`]: nothing for the
    /// environment of a root or a user; for a project a `+`, a number, and whose it is.
    pub fn sort(&self) -> String {
        let sort = match self.snapshot {
            SnapshotId(0) => 2,
            SnapshotId(_) => 1,
        };
        let root = Identity { user: None, project: None, ..*self }.memory();
        self.project.map(|_| format!("+{sort}.{}", hook_id(&root))).unwrap_or_default()
    }

    /// Returns the order of layers with this one on top, as what a shell is started in: nothing
    /// comes below it later but what the layers of roots and users set.
    pub fn started_in(&self, layers: &[u8]) -> Vec<u8> {
        let memory = self.memory();
        let own = hook_id(&memory);
        let others = layers
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty() && !word.starts_with(own.as_bytes()));
        let mut layers: Vec<u8> =
            others.flat_map(|word| [word, b" ".as_slice()].concat()).collect();
        let root = Identity { user: None, project: None, ..*self }.memory();
        layers.extend(format!("{own}+9.{} ", hook_id(&root)).into_bytes());
        layers
    }

    /// Returns what tells an environment from those of other snapshots, and from others of its own:
    /// the same in all shells, since one may start another.
    pub fn stamp(&self, environment: &Environment) -> String {
        format!("{}-{}", self.snapshot, &environment.digest().to_hex()[..16])
    }

    /// Returns the line with which a script begins: snapshot, hash and root. A hook compares it as
    /// a whole.
    pub fn first_line(&self, stamp: &str) -> Vec<u8> {
        let root = platform::bytes_of_path(self.root);
        let root: Vec<u8> = root
            .into_iter()
            .map(|byte| if byte.is_ascii_control() { b'?' } else { byte })
            .collect();
        let user = self.user.map(|user| format!(" {user}")).unwrap_or_default();
        [format!("# sys.lua environment {stamp}{user} ").as_bytes(), &root, b"\n"].concat()
    }
}

/// The variable in which shells have the order of all layers, the lowest first: each is the end of
/// the name of its memory, its sort, and a blank.
pub const LAYERS: &str = "__SYSLUA_LAYERS";

/// A list that only zsh has, and that no other program takes from the environment.
const FPATH: &str = "FPATH";

/// Returns the line by which a shell sets a variable and exports it. A value that the shell cannot
/// have is left out, and the line says so.
///
/// # Errors
/// When there is no such shell, or no variable can have the value.
pub fn assignment(shell: &str, variable: &str, value: &[u8]) -> Result<Vec<u8>, &'static str> {
    if value.contains(&0) {
        return Err("the value contains a NUL byte, which a variable cannot contain");
    }
    let line = |before: &str, words: &dyn Words, after: &str| {
        let quoted = words.check_name(variable).and_then(|()| match shell {
            "powershell" | "cmd" if value.is_empty() => Err(common::EMPTY),
            _ => words.quote(value),
        });
        match quoted {
            Ok(quoted) => [before.as_bytes(), &quoted, after.as_bytes()].concat(),
            Err(reason) => {
                let end = after.trim_start_matches('"');
                let message = common::refusal(shell, variable, reason);
                [words.say(&message).as_bytes(), end.as_bytes()].concat()
            }
        }
    };
    Ok(match shell {
        "sh" | "bash" | "zsh" => line(&format!("export {variable}="), &posix::Sh, "\n"),
        "fish" => line(&format!("set -gx {variable} "), &fish::Fish, "\n"),
        "elvish" => line(&format!("set-env {variable} "), &elvish::Elvish, "\n"),
        "nushell" => line(&format!("$env.{variable} = "), &nushell::Nushell, "\n"),
        "powershell" => line(&format!("$env:{variable} = "), &powershell::PowerShell, "\n"),
        "cmd" => line(&format!("@set \"{variable}="), &cmd::Cmd, "\"\r\n"),
        _ => return Err("there is no such shell"),
    })
}

/// Returns the scripts that a shell sources.
fn scripts_of<'a>(
    environment: &'a Environment,
    shell: &dyn Shell,
) -> impl Iterator<Item = &'a Template> {
    let name = shell.name();
    let is_for = move |shells: &[String]| shells.iter().any(|shell| shell == name);
    environment.scripts.iter().filter(move |(_, shells)| is_for(shells)).map(|(path, _)| path)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
