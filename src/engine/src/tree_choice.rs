//! What of a tree is taken: patterns as gitignore(5) has them, by the crate of ripgrep. It does not
//! know what is made of the files.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use serde::{Deserialize, Serialize};

use crate::failure::{Explain, FailureKind};
use crate::platform::{self, FileKind};

/// The file at the top of a tree that says what is left out of it. It is not taken itself.
pub const IGNORE_FILE: &str = ".sysluaignore";

/// What version control keeps of a tree: never taken, as a directory, a file or a link.
const REPOSITORY: &str = ".git";

/// Why it is not known what of a tree is taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A pattern is wrong.
    #[error("{place}: {problem}: {pattern:?}")]
    Pattern {
        /// Where it is: a field, or a line of a file.
        place: String,
        /// The text.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The list of a tree cannot be read as text.
    #[error("{} is not UTF-8", .0.display())]
    NoText(PathBuf),
    /// Something cannot be read.
    #[error(transparent)]
    Platform(#[from] platform::Error),
}

impl Explain for Error {
    fn kind(&self) -> FailureKind {
        FailureKind::Config
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Error::Pattern { .. } => {
                "patterns are those of .gitignore, such as \"*.bak\", \"/cache/\" and \"!keep\""
            }
            Error::NoText(_) => return None,
            Error::Platform(error) => platform::remedy(&error.cause)?,
        };
        Some(text.to_owned())
    }
}

/// Which files of a tree are taken, as a config says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// What alone is taken, unless it is left out; everything when there is no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include: Option<Vec<String>>,
}

/// What of a tree is not taken, by the paths below its top.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// All of it; a directory stands for everything below it.
    pub paths: BTreeSet<PathBuf>,
    /// Those that are neither files nor links, but would be taken: sockets, pipes and devices.
    pub special: Vec<PathBuf>,
}

/// Returns a pattern for a directory whose name ends with a backslash, which is escaped, in a form
/// that the crate does not take for an escaped slash.
fn with_last_backslash(pattern: &str) -> Cow<'_, str> {
    let Some(name) = pattern.strip_suffix('/') else { return Cow::Borrowed(pattern) };
    let count = name.len() - name.trim_end_matches('\\').len();
    if count > 0 && count.is_multiple_of(2) {
        Cow::Owned(format!("{}[\\]/", &name[..name.len() - 2]))
    } else {
        Cow::Borrowed(pattern)
    }
}

/// Patterns: the last matching one counts.
struct Patterns(Gitignore);

impl Patterns {
    /// Reads patterns, each with the place that messages name.
    fn new<'a>(patterns: impl IntoIterator<Item = (String, &'a str)>) -> Result<Patterns, Error> {
        let mut builder = GitignoreBuilder::new("");
        // A class that does not end matches nothing in git: that is a slip.
        builder.allow_unclosed_class(false);
        let failed = |place: &str, pattern: &str, problem: String| Error::Pattern {
            place: place.to_owned(),
            pattern: pattern.to_owned(),
            problem,
        };
        for (place, pattern) in patterns {
            let text = without_alternatives(pattern);
            builder
                .add_line(None, &with_last_backslash(&text))
                .map_err(|error| failed(&place, pattern, problem_of(&error)))?;
        }
        let set = builder.build();
        set.map(Patterns).map_err(|error| failed("the patterns", "", problem_of(&error)))
    }

    /// Returns whether they name a path. What names the directories above it is another question.
    fn name(&self, path: &Path, is_directory: bool) -> bool {
        self.0.matched(path, is_directory).is_ignore()
    }
}

fn problem_of(error: &ignore::Error) -> String {
    match error {
        ignore::Error::Glob { err, .. } => err.clone(),
        other => other.to_string(),
    }
}

/// Returns a pattern in which braces and commas stand for themselves, as in git: the crate knows
/// alternatives.
fn without_alternatives(pattern: &str) -> String {
    let mut escaped = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    // How many characters of a class were read.
    let mut class: Option<usize> = None;
    while let Some(character) = characters.next() {
        match (character, class) {
            ('\\', None) => {
                escaped.push('\\');
                escaped.extend(characters.next());
                continue;
            }
            ('{' | '}' | ',', None) => escaped.push('\\'),
            ('[', None) => {
                class = Some(0);
                escaped.push('[');
                if let Some(negation) = characters.next_if(|next| "!^".contains(*next)) {
                    escaped.push(negation);
                }
                continue;
            }
            (']', Some(read)) if read > 0 => class = None,
            _ => {}
        }
        class = class.map(|read| read + 1);
        escaped.push(character);
    }
    escaped
}

impl Choice {
    /// Returns whether nothing was chosen.
    pub fn is_everything(&self) -> bool {
        self.exclude.is_empty() && self.include.is_none()
    }

    /// Checks the patterns without a tree.
    ///
    /// # Errors
    /// When a pattern is wrong.
    pub fn check(&self) -> Result<(), Error> {
        let include = self.include.iter().flatten();
        Patterns::new(named("exclude", &self.exclude))?;
        Patterns::new(named("include", include)).map(drop)
    }

    /// Returns what of the tree at a place is not taken: what is excluded, by the choice or by the
    /// list of the tree, what is not included, repositories of git, and what is not a file. A
    /// directory is left out when nothing in it is taken.
    ///
    /// The list itself is not among it: a copy of the tree needs it to say the same.
    ///
    /// # Errors
    /// When a pattern is wrong, or a directory cannot be read.
    pub fn left_out(&self, top: &Path) -> Result<LeftOut, Error> {
        let mut look = self.observe(top)?;
        let mut paths = Vec::new();
        look.directory(Path::new(""), look.include.is_none(), &mut paths)?;
        Ok(LeftOut { paths: paths.into_iter().collect(), special: look.special })
    }

    /// Returns whether a file of this path below the top would be taken if it were there.
    ///
    /// # Errors
    /// When a pattern is wrong, or the list of the tree cannot be read.
    pub fn takes(&self, top: &Path, inner: &Path) -> Result<bool, Error> {
        let look = self.observe(top)?;
        let mut is_included = look.include.is_none();
        let mut ways: Vec<&Path> = inner.ancestors().collect();
        // The last one is the top.
        ways.pop();
        for path in ways.into_iter().rev() {
            let is_directory = path != inner;
            if look.leaves_out(path, is_directory) {
                return Ok(false);
            }
            is_included |= look.includes(path, is_directory);
        }
        Ok(is_included && inner != Path::new(IGNORE_FILE))
    }

    fn observe<'a>(&self, top: &'a Path) -> Result<Look<'a>, Error> {
        let list = top.join(IGNORE_FILE);
        let listed = match platform::kind_of(&list) {
            Ok(Some(FileKind::File)) => {
                let bytes = platform::read_file(&list)?;
                String::from_utf8(bytes).map_err(|_| Error::NoText(list.clone()))?
            }
            _ => String::new(),
        };
        let listed = listed.strip_prefix('\u{feff}').unwrap_or(&listed).lines();
        let of_list = (1..).zip(listed);
        let of_list = of_list.map(|(number, line)| (format!("{}:{number}", list.display()), line));
        // Those of the config come last, and can take back what the list says.
        let exclude = of_list.chain(named("exclude", &self.exclude));
        Ok(Look {
            top,
            exclude: Patterns::new(exclude)?,
            include: match &self.include {
                Some(include) => Some(Patterns::new(named("include", include))?),
                None => None,
            },
            special: Vec::new(),
        })
    }
}

fn named<'a>(
    field: &'a str,
    patterns: impl IntoIterator<Item = &'a String>,
) -> impl Iterator<Item = (String, &'a str)> {
    patterns.into_iter().map(move |pattern| (format!("`{field}`"), pattern.as_str()))
}

/// A look at a tree.
struct Look<'a> {
    top: &'a Path,
    exclude: Patterns,
    include: Option<Patterns>,
    special: Vec<PathBuf>,
}

impl Look<'_> {
    fn leaves_out(&self, path: &Path, is_directory: bool) -> bool {
        path.file_name().is_some_and(|name| name == REPOSITORY)
            || self.exclude.name(path, is_directory)
    }

    fn includes(&self, path: &Path, is_directory: bool) -> bool {
        self.include.as_ref().is_some_and(|include| include.name(path, is_directory))
    }

    /// Looks at a directory, which is included itself or not; adds what is left out of it. Returns
    /// whether something in it is taken.
    fn directory(
        &mut self,
        inner: &Path,
        is_included: bool,
        left: &mut Vec<PathBuf>,
    ) -> Result<bool, Error> {
        let entries = platform::list_directory(&self.top.join(inner))?;
        let mut is_taken = entries.is_empty() && is_included;
        for (name, kind) in entries {
            let path = inner.join(&name);
            if inner.as_os_str().is_empty() && name == IGNORE_FILE {
                continue;
            }
            let is_directory = kind == FileKind::Directory;
            if self.leaves_out(&path, is_directory) {
                left.push(path);
                continue;
            }
            let is_included = is_included || self.includes(&path, is_directory);
            match kind {
                FileKind::Directory => {
                    let mut below = Vec::new();
                    if self.directory(&path, is_included, &mut below)? {
                        left.append(&mut below);
                        is_taken = true;
                    } else {
                        left.push(path);
                    }
                }
                _ if !is_included => left.push(path),
                FileKind::Special => {
                    left.push(path.clone());
                    self.special.push(path);
                }
                FileKind::File | FileKind::Symlink => is_taken = true,
            }
        }
        Ok(is_taken)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    /// Everything below a directory, with whether it is one.
    fn entries(top: &Path, inner: &Path, all: &mut Vec<(PathBuf, bool)>) {
        for (name, kind) in platform::list_directory(&top.join(inner)).unwrap() {
            let path = inner.join(name);
            let is_directory = kind == FileKind::Directory;
            all.push((path.clone(), is_directory));
            if is_directory {
                entries(top, &path, all);
            }
        }
    }

    fn git(top: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(top).args(arguments).env("HOME", top.join("none"));
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        command
    }

    /// Makes a tree of files and directories, whose paths end with a slash.
    fn make(top: &Path, paths: &[String]) {
        for path in paths {
            let place = top.join(path);
            // A file may stand where another path has a directory.
            if path.ends_with('/') {
                let _ = fs::create_dir_all(&place);
            } else if fs::create_dir_all(place.parent().unwrap()).is_ok() && !place.exists() {
                let _ = fs::write(&place, b"");
            }
        }
    }

    /// The files and directories that git ignores with these patterns.
    fn ignored(top: &Path, patterns: &[String]) -> HashSet<PathBuf> {
        assert!(git(top, &["init", "-q", "."]).status().unwrap().success());
        fs::write(top.join(".git/info/exclude"), patterns.join("\n") + "\n").unwrap();
        let mut all = Vec::new();
        entries(top, Path::new(""), &mut all);
        all.retain(|(path, _)| !path.starts_with(".git"));
        let mut child = git(top, &["check-ignore", "--no-index", "--stdin", "-z"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let names: Vec<u8> = all
            .iter()
            .flat_map(|(path, is_directory)| {
                let mut name = platform::bytes_of_path(path);
                name.extend_from_slice(if *is_directory { b"/\0" } else { b"\0" });
                name
            })
            .collect();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &names).unwrap();
        let output = child.wait_with_output().unwrap();
        fs::remove_dir_all(top.join(".git")).unwrap();
        let printed = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        printed.map(|name| platform::path_from_bytes(name).components().collect()).collect()
    }

    /// Returns the files that are taken.
    fn taken(top: &Path, choice: &Choice) -> Vec<PathBuf> {
        let left = choice.left_out(top).unwrap().paths;
        let mut all = Vec::new();
        entries(top, Path::new(""), &mut all);
        all.retain(|(path, is_directory)| {
            !is_directory && !path.ancestors().any(|above| left.contains(above))
        });
        all.into_iter().map(|(path, _)| path).collect()
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => "[ab]{1,2}",
            2 => "[ab]\\.(o|c)",
            1 => "\\.[ab]",
            1 => r"[ab !#,{}\[\]*?\\-]{1,3}".prop_filter("a name", |name| !name.trim().is_empty()),
            1 => "(ä|é|日)[ab]?",
        ]
    }

    fn path() -> impl Strategy<Value = String> {
        (prop::collection::vec(name(), 1..4), prop::bool::weighted(0.2))
            .prop_map(|(names, is_directory)| names.join("/") + if is_directory { "/" } else { "" })
    }

    /// A part of a pattern: a name, or what stands for several.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => name().prop_map(|name| escape(&name)),
            2 => Just("*".to_owned()),
            1 => Just("**".to_owned()),
            1 => Just("?".to_owned()),
            1 => "[ab]\\*",
            1 => "\\*\\.(o|c)",
            1 => "\\[(a|ab|!a|\\^b|a-c|!a-b|\\]a|!\\]|a,|\\{\\}|\\\\\\\\b|[[:alpha:]])\\][ab*]?",
            1 => "\\{a,b\\}",
            // Before a slash, git takes the asterisks of `a**` for those of `**/`.
            1 => "a\\*\\*b",
        ]
    }

    fn escape(name: &str) -> String {
        let mut escaped = String::new();
        for (index, character) in name.chars().enumerate() {
            let is_first = index == 0 && "!#".contains(character);
            let is_last = index + 1 == name.chars().count() && character == ' ';
            if "*?[\\".contains(character) || is_first || is_last {
                escaped.push('\\');
            }
            escaped.push(character);
        }
        escaped
    }

    fn pattern() -> impl Strategy<Value = String> {
        let pieces = prop::collection::vec(piece(), 1..4);
        let sign = prop_oneof![3 => Just(""), 1 => Just("!")];
        let start = prop_oneof![3 => Just(""), 1 => Just("/")];
        let end = prop_oneof![4 => Just(""), 1 => Just("/"), 1 => Just("  ")];
        (sign, start, pieces, end)
            .prop_map(|(sign, start, pieces, end)| [sign, start, &pieces.join("/"), end].concat())
    }

    fn cases() -> u32 {
        std::env::var("SYSLUA_TREE_CASES").map_or(60, |count| count.parse().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

        #[test]
        fn patterns_mean_what_git_says(
            paths in prop::collection::vec(path(), 1..14),
            exclude in prop::collection::vec(pattern(), 0..6),
            include in prop::option::weighted(0.4, prop::collection::vec(pattern(), 1..4)),
            listed in prop::collection::vec(pattern(), 0..3),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let top = directory.path();
            make(top, &paths);
            let together: Vec<String> = listed.iter().chain(&exclude).cloned().collect();
            let excluded = ignored(top, &together);
            let included = include.as_ref().map(|include| ignored(top, include));
            let mut all = Vec::new();
            entries(top, Path::new(""), &mut all);
            let expected: Vec<PathBuf> = all
                .iter()
                .filter(|(path, is_directory)| {
                    !is_directory
                        && !excluded.contains(path)
                        && included.as_ref().is_none_or(|included| included.contains(path))
                })
                .map(|(path, _)| path.clone())
                .collect();
            fs::write(top.join(IGNORE_FILE), listed.join("\r\n")).unwrap();
            let choice = Choice { exclude, include };
            let mut found = taken(top, &choice);
            found.retain(|path| path != Path::new(IGNORE_FILE));
            prop_assert_eq!(&found, &expected);
            for (path, is_directory) in &all {
                let is_taken = choice.takes(top, path).unwrap();
                prop_assert!(*is_directory || is_taken == expected.contains(path), "{:?}", path);
            }

            // A copy without what is left out says the same once more.
            let left = choice.left_out(top).unwrap();
            for path in &left.paths {
                let place = top.join(path);
                if place.is_dir() {
                    fs::remove_dir_all(place).unwrap();
                } else {
                    fs::remove_file(place).unwrap();
                }
            }
            prop_assert_eq!(choice.left_out(top).unwrap(), LeftOut::default());
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("[a"), b"").unwrap();
        let choice = Choice { exclude: vec!["*.o".to_owned(), "[a".to_owned()], include: None };
        let error = choice.left_out(directory.path()).unwrap_err().to_string();
        assert_eq!(error, "`exclude`: unclosed character class; missing ']': \"[a\"");
        fs::write(directory.path().join(IGNORE_FILE), "ok\n\n# [\nb[\n").unwrap();
        let error = Choice::default().left_out(directory.path()).unwrap_err().to_string();
        assert!(error.contains("/.sysluaignore:4: unclosed character class"), "{error}");
        fs::write(directory.path().join(IGNORE_FILE), b"\xff\n").unwrap();
        let error = Choice::default().left_out(directory.path()).unwrap_err().to_string();
        assert!(error.ends_with("/.sysluaignore is not UTF-8"), "{error}");
    }

    #[test]
    fn repositories_are_never_taken() {
        let directory = tempfile::tempdir().unwrap();
        let paths = [".git/config", "a/.git", "b/.git/config", "b/c", ".gitignore", "d/.git/"];
        make(directory.path(), &paths.map(str::to_owned));
        let choice = Choice {
            exclude: vec!["!.git".to_owned()],
            include: Some(vec!["*".to_owned(), ".git".to_owned()]),
        };
        let left = choice.left_out(directory.path()).unwrap();
        let expected = [".git", "a", "b/.git", "d"].map(PathBuf::from);
        assert_eq!(left.paths, expected.into_iter().collect());
        assert_eq!(taken(directory.path(), &choice), [".gitignore", "b/c"].map(PathBuf::from));
    }
}
