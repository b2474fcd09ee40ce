//! The script for sh, bash and zsh, in these shells.

use std::collections::BTreeMap;
use std::process::Command;

use super::*;
use crate::environment::lists;
use crate::names::SnapshotId;
use crate::variable::Part;
use std::path::Path;

/// The shells, and how each runs a text.
const SHELLS: [&[&str]; 6] = [
    &["sh", "-c"],
    &["dash", "-c"],
    &["bash", "-c"],
    &["bash", "--posix", "-c"],
    &["zsh", "-f", "-c"],
    &["busybox", "sh", "-c"],
];

const PATH: &str = "/usr/bin:/bin";

fn environment() -> Environment {
    Environment::default()
}

impl Environment {
    fn with(mut self, name: &str, value: &str) -> Environment {
        self.single.insert(name.to_owned(), value.into());
        self
    }

    fn with_list(mut self, name: &str, separator: &str, entries: &[&str]) -> Environment {
        let entries = entries.iter().map(|entry| Template::from(*entry)).collect();
        self.lists.insert(name.to_owned(), (separator.to_owned(), entries));
        self
    }

    fn with_script(mut self, path: &str) -> Environment {
        self.scripts.push((path.into(), vec!["sh".into(), "bash".into(), "zsh".into()]));
        self
    }
}

fn identity(snapshot: u64) -> Identity<'static> {
    Identity {
        root: Path::new("/root of tests"),
        user: None,
        project: None,
        snapshot: SnapshotId(snapshot),
    }
}

fn script(environment: &Environment, snapshot: u64) -> String {
    String::from_utf8(render(environment, &identity(snapshot))).unwrap()
}

/// Runs a text in a shell with nothing in the environment but PATH and what is given; `None`
/// without the shell.
fn run_with(shell: &[&str], variables: &BTreeMap<String, String>, text: &str) -> Option<String> {
    let mut command = Command::new("timeout");
    command.arg("20").arg("env").args(shell).arg(text);
    command.env_clear().env("PATH", PATH).env("HOME", "/home of u").envs(variables);
    let output = command.output().unwrap();
    match output.status.code() {
        Some(127) => return None,
        code => assert_eq!(
            code,
            Some(0),
            "{shell:?}: {}\n{text}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
    assert!(output.stderr.is_empty(), "{shell:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn check(text: &str, expected: &str) {
    let mut ran = 0;
    for shell in SHELLS {
        if let Some(found) = run_with(shell, &BTreeMap::new(), text) {
            assert_eq!(found, expected, "{shell:?}");
            ran += 1;
        }
    }
    assert!(ran > 0);
}

const SHOW: &str = "printf '%s|%s|%s\\n' \"$PATH\" \"${EDITOR-unset}\" \"${OTHER-unset}\"";

#[test]
fn sets_takes_back_and_gives_back() {
    let nasty = "it's $HOME `x` \"q\" \\ %\n%!";
    let first = script(
        &environment().with("EDITOR", nasty).with("OTHER", "1").with_list(
            "PATH",
            ":",
            &["/a b", "/c"],
        ),
        1,
    );
    let second = script(&environment().with("EDITOR", "vi").with_list("PATH", ":", &["/d"]), 2);
    let none = script(&environment(), 3);
    check(
        &format!(
            "set -eu\nOTHER=mine\n{first}\n{SHOW}\n{first}\n{SHOW}\n{second}\n{SHOW}\n\
             {none}\n{SHOW}"
        ),
        &format!(
            "/a b:/c:{PATH}|{nasty}|1\n/a b:/c:{PATH}|{nasty}|1\n/d:{PATH}|vi|mine\n\
             {PATH}|unset|mine\n"
        ),
    );
}

#[test]
fn leaves_alone_what_the_user_changed() {
    let first = script(
        &environment().with("EDITOR", "vi").with("OTHER", "1").with_list(
            "PATH",
            ":",
            &["/a", "/b"],
        ),
        1,
    );
    let change = "export EDITOR=emacs; PATH=/venv:/a:/usr/bin:/bin; unset OTHER";
    let second =
        script(&environment().with("EDITOR", "vi").with_list("PATH", ":", &["/a", "/c"]), 2);
    check(
        &format!(
            "{first}\n{change}\n{first}\n{SHOW}\nPATH={PATH}\n{first}\n{SHOW}\nPATH=/venv:$PATH\n\
             {second}\n{SHOW}"
        ),
        &format!("/b:/venv:/a:{PATH}|emacs|1\n/a:/b:{PATH}|emacs|1\n/venv:/a:/c:{PATH}|vi|unset\n"),
    );
}

#[test]
fn an_entry_that_was_there_stays() {
    let first = script(&environment().with_list("PATH", ":", &["/bin", "/new"]), 1);
    let none = script(&environment(), 2);
    check(
        &format!("{first}\n{SHOW}\n{none}\n{SHOW}"),
        "/bin:/new:/usr/bin|unset|unset\n/bin:/usr/bin|unset|unset\n",
    );
}

#[test]
fn roots_do_not_take_back_what_others_set() {
    let other = Identity { root: Path::new("/other"), ..identity(1) };
    let other = String::from_utf8(render(
        &environment().with("OTHER", "2").with_list("PATH", ":", &["/o"]),
        &other,
    ))
    .unwrap();
    let first = script(&environment().with("EDITOR", "vi").with_list("PATH", ":", &["/a"]), 1);
    let second = script(&environment(), 2);
    check(
        &format!("{first}\n{other}\n{first}\n{other}\n{SHOW}\n{second}\n{other}\n{SHOW}"),
        &format!("/o:/a:{PATH}|vi|2\n/o:{PATH}|unset|2\n"),
    );
}

#[test]
fn lists_keep_what_they_mean_while_unset() {
    for list in lists::LISTS.iter().filter(|list| list.name != FPATH && list.name != "PATH") {
        let separator = list.separator;
        let first = script(&environment().with_list(list.name, separator, &["/x", "/y"]), 1);
        let second = script(&environment().with_list(list.name, separator, &["/y"]), 2);
        let none = script(&environment(), 3);
        let show = format!("printf '%s\\n' \"${{{}-unset}}\"", list.name);
        let rest = list
            .default
            .map(|default| format!("{separator}{}", default.replace(lists::HOME, "/home of u")));
        let rest = rest.unwrap_or_default();
        let name = list.name;
        check(
            &format!(
                "{first}\n{show}\n{second}\n{show}\nunset {name}\n{second}\n{show}\n{none}\n\
                 {show}\n{name}='/own{separator}'\n{first}\n{show}\n{none}\n{show}"
            ),
            &format!(
                "/x{separator}/y{rest}\n/y{rest}\n/y{rest}\nunset\n\
                 /x{separator}/y{separator}/own{separator}\n/own{separator}\n"
            ),
        );
    }
}

#[test]
fn separators_of_several_characters_and_special_ones() {
    for separator in [":", ";", " ", ", ", "--", "*", "?[a", "'\"`$(", "123456789", "\\"] {
        let (one, two) = ("/one", "/t wo*");
        if two.contains(separator) {
            continue;
        }
        let first = script(&environment().with_list("OTHER", separator, &[one, two]), 1);
        let none = script(&environment(), 2);
        let own = quote(format!("own{separator}own 2").as_bytes());
        let own = String::from_utf8(own).unwrap();
        let show = "printf '%s\\n' \"$OTHER\"";
        let all = format!("{one}{separator}{two}{separator}own{separator}own 2");
        check(
            &format!("OTHER={own}\n{first}\n{show}\n{first}\n{show}\n{none}\n{show}"),
            &format!("{all}\n{all}\nown{separator}own 2\n"),
        );
    }
}

/// A generator of numbers, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Whatever the environment holds in the variables of the memory, the script ends and sets
/// everything.
#[test]
fn ends_whatever_the_memory_holds() {
    let declared = environment()
        .with("EDITOR", "vi")
        .with_list("PATH", ":", &["/a", "/b c"])
        .with_list("LUA_PATH", ";", &["/l"]);
    let old = script(&declared, 1);
    let new = script(&declared.with("OTHER", "new"), 2);
    let show = format!("{SHOW}; env -0");
    for shell in SHELLS {
        let Some(outer) = run_with(shell, &BTreeMap::new(), &format!("{old}\n{show}")) else {
            continue;
        };
        let (_, outer) = outer.split_once('\n').unwrap();
        let outer: BTreeMap<String, String> = outer
            .split('\0')
            .filter_map(|entry| entry.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let memory: Vec<_> =
            outer.keys().filter(|name| name.starts_with("__SYSLUA")).cloned().collect();
        assert!(memory.len() >= 3, "{memory:?}");
        let mut random = Random(7);
        for round in 0..24 {
            let mut variables = if round % 3 == 0 { BTreeMap::new() } else { outer.clone() };
            for name in &memory {
                let value = &outer[name];
                let cut = random.below(value.len() + 1);
                let altered = match random.below(8) {
                    0 => value.trim_end_matches([' ', ':', ';', '\n']).to_owned(),
                    1 => value[..cut].to_owned(),
                    2 => value[cut..].to_owned(),
                    3 => value.to_lowercase(),
                    4 => value.to_uppercase(),
                    5 => format!("{} {}", &value[cut..], &value[..cut]),
                    6 => ["", " ", "\n", ":", "1", "-", "$(x", "1-0 PATH HOME a+1 +1 b+0 ${"]
                        [random.below(8)]
                    .to_owned(),
                    _ => value.clone(),
                };
                variables.insert(name.clone(), altered);
            }
            if !variables.contains_key("PATH") {
                variables.insert("PATH".to_owned(), PATH.to_owned());
            }
            for (text, other) in [(&old, "unset"), (&new, "new")] {
                let found = run_with(shell, &variables, &format!("{text}\n{SHOW}")).unwrap();
                let (path, rest) = found.split_once('|').unwrap();
                assert_eq!(rest, format!("vi|{other}\n"), "{shell:?} {variables:?}");
                for entry in ["/a", "/b c", "/usr/bin", "/bin"] {
                    let count = path.split(':').filter(|found| *found == entry).count();
                    assert_eq!(count, 1, "{entry} in {path}, {shell:?} {variables:?}");
                }
            }
        }
    }
}

#[test]
fn options_of_a_shell_change_nothing() {
    let first = script(
        &environment().with("EDITOR", "a  b*").with_list("PATH", ":", &["/opt/Tool", "/opt/*"]),
        1,
    );
    let second = script(&environment().with_list("PATH", ":", &["/opt/TOOL"]), 2);
    let options: [(&[&str], &[&str]); 2] = [
        (
            SHELLS[2],
            &[
                "shopt -s nocasematch",
                "shopt -s extglob nullglob failglob",
                "set -efu",
                "set -o posix",
                "IFS=:/",
            ],
        ),
        (
            SHELLS[4],
            &[
                "setopt nocasematch nocaseglob",
                "setopt sh_word_split glob_subst",
                "setopt ksh_arrays",
                "setopt rc_quotes",
                "setopt no_unset err_exit",
                "setopt posix_builtins",
                "setopt extended_glob null_glob",
                "setopt no_equals magic_equal_subst",
                "setopt warn_create_global",
                "emulate sh",
                "emulate ksh",
                "IFS=:/",
            ],
        ),
    ];
    for (shell, options) in options {
        for option in options {
            let text = format!(
                "PATH={PATH}:/opt/tool\n{option}\n{first}\n{first}\n{SHOW}\n{second}\n{SHOW}"
            );
            if let Some(found) = run_with(shell, &BTreeMap::new(), &text) {
                let expected = format!(
                    "/opt/Tool:/opt/*:{PATH}:/opt/tool|a  b*|unset\n\
                     /opt/TOOL:{PATH}:/opt/tool|unset|unset\n"
                );
                assert_eq!(found, expected, "{shell:?} {option}");
            }
        }
    }
}

/// What a shell lists as its own is refused, or can be set without harm to what follows.
#[test]
fn names_of_shells_are_refused_or_can_be_set() {
    let modules = "for m in parameter terminfo datetime system mapfile langinfo; \
                   do zmodload zsh/$m; done 2>/dev/null;";
    let lists = [
        (SHELLS[2], "compgen -v".to_owned()),
        (SHELLS[4], format!("{modules} print -l ${{(k)parameters}}")),
        (SHELLS[1], "set | sed -n 's/^\\([A-Za-z_0-9]*\\)=.*/\\1/p'".to_owned()),
    ];
    // Their values are numbers, or they are lists of zsh that others may use.
    let of_programs = [
        "HISTSIZE",
        "SAVEHIST",
        "KEYTIMEOUT",
        "LISTMAX",
        "MAILCHECK",
        "PATH",
        "FPATH",
        "HOME",
        "WATCH",
        "prompt",
    ];
    for (shell, list) in lists {
        let Some(names) = run_with(shell, &BTreeMap::new(), &list) else { continue };
        let names = names.lines().filter(|name| {
            name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        });
        let free: Vec<_> = names
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
            .filter(|name| {
                crate::environment::keeper(name).is_none() && !of_programs.contains(name)
            })
            .collect();
        let mut declared = environment().with("ZZZ", "after");
        for name in &free {
            declared = declared.with(name, "x y");
        }
        let found = run_with(
            shell,
            &BTreeMap::new(),
            &format!("{}\n/usr/bin/env -0", script(&declared, 1)),
        )
        .unwrap();
        for name in free.iter().chain(&["ZZZ"]) {
            let value = if *name == "ZZZ" { "after" } else { "x y" };
            assert!(
                found.split('\0').any(|entry| entry == format!("{name}={value}")),
                "{shell:?}: {name}"
            );
        }
    }
}

#[test]
fn a_read_only_variable_and_a_bad_script_end_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let bad = write("bad 'name", "echo bad\nif then\n");
    let failing = write("failing", "echo failing; false");
    let strict = write("strict", "echo \"strict $NEVER_SET\"");
    let good = write("good", "echo good");
    let missing = directory.path().join("missing").to_str().unwrap().to_owned();
    let declared = environment()
        .with("AAA", "1")
        .with("EDITOR", "vi")
        .with("OTHER", "2")
        .with_script(&missing)
        .with_script(&bad)
        .with_script(&failing)
        .with_script(&strict)
        .with_script(&good);
    let text = script(&declared, 1);
    for shell in SHELLS {
        let mut command = Command::new("env");
        command
            .args(shell)
            .arg(format!("readonly EDITOR=mine; set -eu\n{text}\n{SHOW}\necho \"$-\""));
        let output = command.env_clear().env("PATH", PATH).output().unwrap();
        if output.status.code() == Some(127) {
            continue;
        }
        let found = String::from_utf8(output.stdout).unwrap();
        let expected = format!("bad\nfailing\nstrict \ngood\n{PATH}|mine|2\n");
        assert!(
            found.starts_with(&expected),
            "{shell:?}: {found} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let options = found.lines().last().unwrap();
        assert!(options.contains('e') && options.contains('u'), "{shell:?}: {options}");
    }
}

#[test]
fn references_are_what_the_variable_has_by_then() {
    let template = |parts: &[&str]| {
        let part = |part: &&str| match part.strip_prefix('$') {
            Some(name) => Part::Reference { reference: name.into() },
            None => Part::Text((*part).into()),
        };
        Template::Parts { parts: parts.iter().map(part).collect() }
    };
    let mut declared = environment();
    declared.single.insert("EDITOR".into(), template(&["<", "$OTHER", "/it's>"]));
    declared.single.insert("OTHER".into(), template(&["$HOME", "/", "$UNKNOWN", "top"]));
    declared
        .lists
        .insert("LIST".into(), (":".into(), vec![template(&["$OTHER", "/b in"]), "/c".into()]));
    let text = script(&declared, 1);
    check(
        &format!(
            "set -eu\nLIST=/own\n{text}\n{text}\nprintf '%s|%s|%s' \"$EDITOR\" \"$OTHER\" \"$LIST\""
        ),
        "</home of u/top/it's>|/home of u/top|/home of u/top/b in:/c:/own",
    );
}

#[test]
fn only_zsh_has_fpath() {
    let first = script(&environment().with_list(FPATH, ":", &["/x", "/y z"]), 1);
    let none = script(&environment(), 2);
    let text = format!(
        "{first}\n{first}\nprintf '%s\\n' \"${{FPATH-unset}}\"; env | grep -c ^FPATH= || :\n\
         {none}\nprintf '%s\\n' \"${{FPATH-unset}}\""
    );
    for shell in SHELLS {
        let Some(found) = run_with(shell, &BTreeMap::new(), &text) else { continue };
        if shell[0] == "zsh" {
            let own = run_with(shell, &BTreeMap::new(), "printf %s \"$FPATH\"").unwrap();
            assert_eq!(found, format!("/x:/y z:{own}\n0\n{own}\n"));
        } else {
            assert_eq!(found, "unset\n0\nunset\n", "{shell:?}");
        }
    }
}

/// A backslash before `local`, `export` and their like keeps aliases away, and with it what bash
/// does for their assignments: it splits `\local name=$value` into words.
#[test]
fn what_declares_a_variable_quotes_its_value() {
    let texts = [FUNCTIONS, ALIASES, BASH_COMPLETIONS, HOOK, PROJECT_HOOK, MARK];
    let is_split = |word: &str| {
        let value = word.split_once('=').map(|(_, value)| value);
        !word.starts_with('"') && value.is_some_and(|value| value.starts_with(['$', '`']))
    };
    for line in texts.iter().flat_map(|text| text.lines()) {
        for builtin in ["local", "export", "readonly", "typeset", "declare"] {
            for (at, found) in line.match_indices(&format!("\\{builtin} ")) {
                let words = line[at + found.len()..].split([';', '&', '|']).next().unwrap_or("");
                assert!(!words.split(' ').any(is_split), "{line}");
            }
        }
    }
    assert!(is_split("name=$value") && !is_split("\"name=$value\""));
}

/// A script that the hook reads unsets its variables at its end: also one of the hook by its name.
#[test]
fn the_hook_and_the_scripts_share_no_variable() {
    let names = |texts: &[&str]| -> std::collections::BTreeSet<String> {
        let whole = texts.concat();
        let is_part = |letter: char| !letter.is_ascii_lowercase() && letter != '_';
        let pieces = whole.split("__syslua_").skip(1);
        pieces.map(|piece| piece.split(is_part).next().unwrap_or("").to_owned()).collect()
    };
    let scripts = names(&[FUNCTIONS, ALIASES, BASH_COMPLETIONS, ZSH_COMPLETIONS]);
    let hooks = [HOOK, PROJECT_HOOK];
    let locals = hooks.iter().flat_map(|text| text.lines().filter(|line| line.contains("\\local")));
    let locals = names(&locals.collect::<Vec<_>>());
    assert!(locals.len() > 8, "{locals:?}");
    assert!(locals.is_disjoint(&scripts), "{:?}", locals.intersection(&scripts));
}
