//! The same properties in each shell: how a script is read, in a shell inside a shell, after other
//! snapshots.
//!
//! What a shell has is what a program gets that it starts. A shell that is not installed is left
//! out, and said so.
//!
//! It is over 600 lines, because each property has to hold in every shell of the list.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::variable::Part;

/// Variables by name, as bytes.
type Variables = BTreeMap<String, Vec<u8>>;

/// How a shell is started with a script, how that reads another one, and how it starts a program.
struct Launcher {
    shell: &'static str,
    command: &'static [&'static str],
    read: fn(&str) -> String,
    program: &'static str,
}

const LAUNCHERS: &[Launcher] = &[
    Launcher { shell: "sh", command: &["sh"], read: |path| format!(". '{path}'"), program: "" },
    Launcher {
        shell: "bash",
        command: &["bash", "--norc"],
        read: |path| format!(". '{path}'"),
        program: "",
    },
    Launcher {
        shell: "zsh",
        command: &["zsh", "-f"],
        read: |path| format!(". '{path}'"),
        program: "",
    },
    Launcher {
        shell: "fish",
        command: &["fish", "-N"],
        read: |path| format!("source '{path}'"),
        program: "",
    },
    Launcher {
        shell: "elvish",
        command: &["elvish", "-norc"],
        read: |path| format!("eval (slurp < '{path}')"),
        program: "",
    },
    Launcher {
        shell: "nushell",
        command: &["nu", "-n"],
        read: |path| format!("source '{path}'"),
        program: "^",
    },
];

/// The variables that a login gives.
fn login() -> Variables {
    let plain = [
        ("PATH", "/usr/bin:/bin"),
        ("HOME", "/tmp/home of u"),
        ("LC_ALL", "C.UTF-8"),
        ("TERM", "dumb"),
    ];
    plain.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect()
}

struct Place {
    directory: tempfile::TempDir,
    count: std::cell::Cell<usize>,
}

impl Place {
    fn new() -> Place {
        let place =
            Place { directory: tempfile::tempdir().unwrap(), count: std::cell::Cell::new(0) };
        std::fs::write(place.path("show"), "exec /usr/bin/env -0 >\"$1\"\n").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts a shell that reads scripts in turn; returns what programs get after each, and what it
    /// says on its standard error.
    fn run(
        &self,
        launcher: &Launcher,
        variables: &Variables,
        scripts: &[Vec<u8>],
    ) -> Option<(Vec<Variables>, String)> {
        let number = self.count.replace(self.count.get() + 1);
        let mut text = String::new();
        let mut outputs = Vec::new();
        for (index, script) in scripts.iter().enumerate() {
            let (path, output) = (
                self.path(&format!("script{number}-{index}")),
                self.path(&format!("out{number}-{index}")),
            );
            std::fs::write(&path, script).unwrap();
            text.push_str(&(launcher.read)(path.to_str().unwrap()));
            let show = self.path("show");
            text.push_str(&format!(
                "\n{}/bin/sh {} {}\n",
                launcher.program,
                show.display(),
                output.display()
            ));
            outputs.push(output);
        }
        let main = self.path(&format!("main{number}"));
        std::fs::write(&main, text).unwrap();
        let mut command = Command::new("timeout");
        let (program, arguments) = launcher.command.split_first()?;
        command
            .arg("30")
            .arg(resolve_program(program)?)
            .args(arguments)
            .arg(&main)
            .current_dir("/tmp")
            .env_clear();
        command
            .envs(variables.iter().map(|(name, value)| (name, OsString::from_vec(value.clone()))));
        let ended = command.output().unwrap();
        let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(0), "{}: {errors}", launcher.shell);
        Some((outputs.iter().map(|output| read_variables(output)).collect(), errors))
    }
}

/// Returns where a program is, on PATH or where the setup of tests puts what no package of the
/// system has.
fn resolve_program(name: &str) -> Option<PathBuf> {
    let line = "PATH=$PATH:/var/cache/syslua-tools/bin; command -v \"$1\"";
    let output = Command::new("sh").args(["-c", line, "sh", name]).output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end()))
        .filter(|program| program.is_absolute())
}

fn read_variables(path: &Path) -> Variables {
    let bytes = std::fs::read(path).unwrap_or_default();
    let entries = bytes.split(|byte| *byte == 0).filter_map(|entry| {
        let at = entry.iter().position(|byte| *byte == b'=')?;
        Some((String::from_utf8(entry[..at].to_vec()).ok()?, entry[at + 1..].to_vec()))
    });
    entries.collect()
}

fn environment() -> Environment {
    Environment::default()
}

fn with(mut environment: Environment, name: &str, value: &[u8]) -> Environment {
    environment.single.insert(name.to_owned(), Template::Text(crate::value::Text(value.to_vec())));
    environment
}

fn with_list(
    mut environment: Environment,
    name: &str,
    separator: &str,
    entries: &[&str],
) -> Environment {
    let entries = entries.iter().map(|entry| Template::from(*entry)).collect();
    environment.lists.insert(name.to_owned(), (separator.to_owned(), entries));
    environment
}

fn identity(snapshot: u64) -> Identity<'static> {
    Identity {
        root: Path::new("/root of tests"),
        user: None,
        project: None,
        snapshot: SnapshotId(snapshot),
    }
}

/// Says that something was left out.
fn say_missing(name: &str) {
    let _ = writeln!(std::io::stderr(), "{name} is not installed: not exercised");
}

/// Calls a check with each shell that is there.
fn each(check: impl Fn(&'static dyn Shell, &Launcher, &Place)) {
    let place = Place::new();
    for launcher in LAUNCHERS {
        if place.run(launcher, &login(), &[]).is_none() {
            say_missing(launcher.shell);
            continue;
        }
        check(get(launcher.shell).unwrap(), launcher, &place);
    }
}

fn text<'a>(variables: &'a Variables, name: &str) -> Option<&'a str> {
    variables.get(name).map(|value| std::str::from_utf8(value).unwrap())
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

const PIECES: &[&[u8]] = &[
    b"a",
    b"Z9",
    b" ",
    b"  ",
    b"\t",
    b"\n",
    b"\r",
    b"'",
    b"''",
    b"\"",
    b"\\",
    b"$",
    b"$HOME",
    b"${x}",
    b"$(",
    b")",
    b"`",
    b"!",
    b"!!",
    b"%",
    b"%PATH%",
    b"^",
    b"&",
    b"|",
    b";",
    b"#",
    b"*",
    b"?",
    b"[",
    b"]",
    b"{",
    b"}",
    b"~",
    b"~/",
    b"=",
    b":",
    b",",
    b"<",
    b">",
    b"-",
    b"--",
    b"@",
    "ü".as_bytes(),
    "\u{2019}".as_bytes(),
    "\u{1f600}".as_bytes(),
    "\u{202e}".as_bytes(),
    b"\x1b[0m",
    b"\x01",
    b"\x7f",
    b"\\n",
    b"\\x41",
    b"(x)",
];

#[test]
fn values_arrive_byte_for_byte_or_are_refused_by_name() {
    each(|shell, launcher, place| {
        let mut random = Random(5);
        let mut declared = environment();
        let mut values = Vec::new();
        for index in 0..120 {
            let mut value = Vec::new();
            for _ in 0..random.below(7) {
                value.extend_from_slice(PIECES[random.below(PIECES.len())]);
            }
            if index % 4 == 0 {
                value.push(random.below(255) as u8 + 1);
            }
            let name = format!("V{index}");
            declared = with(declared, &name, &value);
            values.push((name, value));
        }
        let script = shell.render(&declared, &identity(1));
        let (found, errors) = place.run(launcher, &login(), &[script]).unwrap();
        let mut refused = 0;
        for (name, value) in values {
            match found[0].get(&name) {
                Some(found) => assert_eq!(found, &value, "{}: {name}", shell.name()),
                None => {
                    let says =
                        format!("sys.lua: {} cannot have the value of {name}: ", shell.name());
                    assert!(errors.contains(&says), "{}: {name} {value:?} {errors}", shell.name());
                    refused += 1;
                }
            }
        }
        assert!(
            refused == 0 || shell.name() == "nushell" && refused < 30,
            "{}: {refused} refused",
            shell.name()
        );
    });
}

#[test]
fn reading_twice_changes_nothing_and_a_later_snapshot_takes_back() {
    let first = |number| {
        let declared = with(with(environment(), "EDITOR", b"vi"), "OTHER", b"1");
        let declared = with_list(declared, "PATH", ":", &["/a b", "/c"]);
        (with_list(declared, "LIST", ";", &["x", "y"]), identity(number))
    };
    let second = with_list(with(environment(), "EDITOR", b"ed"), "PATH", ":", &["/d", "/bin"]);
    each(|shell, launcher, place| {
        let (declared, one) = first(1);
        let scripts = [
            shell.render(&declared, &one),
            shell.render(&declared, &one),
            shell.render(&second, &identity(2)),
            shell.render(&environment(), &identity(3)),
        ];
        let mut variables = login();
        variables.insert("OTHER".into(), b"mine".to_vec());
        let (found, errors) = place.run(launcher, &variables, &scripts).unwrap();
        assert_eq!(errors, "", "{}", shell.name());
        let show = |variables: &Variables| {
            ["PATH", "EDITOR", "OTHER", "LIST"]
                .map(|name| text(variables, name).unwrap_or("unset").to_owned())
        };
        assert_eq!(
            show(&found[0]),
            ["/a b:/c:/usr/bin:/bin", "vi", "1", "x;y"],
            "{}",
            shell.name()
        );
        assert_eq!(show(&found[1]), show(&found[0]), "{}", shell.name());
        assert_eq!(
            show(&found[2]),
            ["/d:/bin:/usr/bin", "ed", "mine", "unset"],
            "{}",
            shell.name()
        );
        assert_eq!(
            show(&found[3]),
            ["/bin:/usr/bin", "unset", "mine", "unset"],
            "{}",
            shell.name()
        );
    });
}

#[test]
fn a_shell_inside_a_shell_puts_back_what_is_missing_only() {
    let declared = with_list(with(environment(), "EDITOR", b"vi"), "PATH", ":", &["/a", "/b"]);
    each(|shell, launcher, place| {
        let script = shell.render(&declared, &identity(1));
        let (outer, _) = place.run(launcher, &login(), std::slice::from_ref(&script)).unwrap();
        // A virtual environment, and then a login shell.
        for (path, editor, expected) in [
            ("/venv:/a:/b:/usr/bin:/bin", "emacs", "/venv:/a:/b:/usr/bin:/bin"),
            ("/usr/bin:/bin", "emacs", "/a:/b:/usr/bin:/bin"),
            ("/b:/usr/bin:/bin", "", "/a:/b:/usr/bin:/bin"),
        ] {
            let mut inner = outer[0].clone();
            inner.insert("PATH".into(), path.as_bytes().to_vec());
            inner.insert("EDITOR".into(), editor.as_bytes().to_vec());
            let (found, _) = place.run(launcher, &inner, std::slice::from_ref(&script)).unwrap();
            assert_eq!(text(&found[0], "PATH"), Some(expected), "{}", shell.name());
            assert_eq!(text(&found[0], "EDITOR"), Some(editor), "{}", shell.name());
        }
        let mut venv = outer[0].clone();
        venv.insert("PATH".into(), b"/venv:/a:/b:/usr/bin:/bin".to_vec());
        let new = with_list(environment(), "PATH", ":", &["/a", "/new"]);
        let (found, _) = place.run(launcher, &venv, &[shell.render(&new, &identity(2))]).unwrap();
        assert_eq!(
            text(&found[0], "PATH"),
            Some("/venv:/a:/new:/usr/bin:/bin"),
            "{}",
            shell.name()
        );
        assert_eq!(text(&found[0], "EDITOR"), None, "{}", shell.name());
    });
}

/// One shell starts another: both have one memory.
#[test]
fn shells_understand_what_another_one_remembers() {
    let first = with_list(with(environment(), "EDITOR", b"vi"), "PATH", ":", &["/a", "/b"]);
    let first = with_list(first, "XDG_DATA_DIRS", ":", &["/x"]);
    let second = with_list(environment(), "PATH", ":", &["/b", "/c"]);
    each(|outer, outer_launcher, place| {
        let script = outer.render(&first, &identity(1));
        let (found, _) = place.run(outer_launcher, &login(), &[script]).unwrap();
        each(|inner, launcher, place| {
            let scripts = [inner.render(&first, &identity(1)), inner.render(&second, &identity(2))];
            // The hash of a script is part of its stamp, and each language has another one.
            let (found, errors) = place.run(launcher, &found[0], &scripts).unwrap();
            let about = format!("{} in {}", inner.name(), outer.name());
            assert_eq!(errors, "", "{about}");
            assert_eq!(text(&found[0], "PATH"), Some("/a:/b:/usr/bin:/bin"), "{about}");
            assert_eq!(text(&found[1], "PATH"), Some("/b:/c:/usr/bin:/bin"), "{about}");
            assert_eq!(text(&found[1], "EDITOR"), None, "{about}");
            assert_eq!(text(&found[1], "XDG_DATA_DIRS"), None, "{about}");
        });
    });
}

#[test]
fn lists_keep_their_defaults_and_references_their_values() {
    each(|shell, launcher, place| {
        let mut declared = environment();
        for list in lists::LISTS.iter().filter(|list| !["PATH", "FPATH"].contains(&list.name)) {
            declared = with_list(declared, list.name, list.separator, &["/x"]);
        }
        let reference = |name: &str| Part::Reference { reference: name.to_owned() };
        let parts = vec![
            Part::Text("<".into()),
            reference("TOP"),
            Part::Text("/it's>".into()),
            reference("NOT_SET"),
        ];
        declared.single.insert("A".into(), Template::Parts { parts });
        declared.single.insert(
            "TOP".into(),
            Template::Parts { parts: vec![reference("HOME"), Part::Text("/top".into())] },
        );
        let (found, errors) =
            place.run(launcher, &login(), &[shell.render(&declared, &identity(1))]).unwrap();
        assert_eq!(errors, "", "{}", shell.name());
        for list in lists::LISTS.iter().filter(|list| !["PATH", "FPATH"].contains(&list.name)) {
            let mut expected = format!("/x{}{}", list.separator, list.default.unwrap_or_default());
            if list.default.is_none() {
                expected = "/x".to_owned();
            }
            // fish takes an empty entry of CDPATH for the current directory, and writes it so.
            if shell.name() == "fish" && list.name == "CDPATH" {
                expected = "/x:.".to_owned();
            }
            let expected = expected.replace(lists::HOME, "/tmp/home of u");
            assert_eq!(
                text(&found[0], list.name),
                Some(expected.as_str()),
                "{} {}",
                shell.name(),
                list.name
            );
        }
        assert_eq!(text(&found[0], "A"), Some("</tmp/home of u/top/it's>"), "{}", shell.name());
        assert_eq!(text(&found[0], "FPATH"), None, "{}", shell.name());
    });
}

#[test]
fn whatever_the_memory_holds_a_script_ends_and_sets_all() {
    let declared = with_list(with(environment(), "EDITOR", b"vi"), "PATH", ":", &["/a", "/b c"]);
    each(|shell, launcher, place| {
        let scripts =
            [shell.render(&declared, &identity(1)), shell.render(&declared, &identity(2))];
        let (outer, _) = place.run(launcher, &login(), &scripts[..1]).unwrap();
        let mut random = Random(9);
        for round in 0..6 {
            let mut inner = if round % 2 == 0 { login() } else { outer[0].clone() };
            for (name, value) in outer[0].iter().filter(|(name, _)| name.starts_with("__SYSLUA")) {
                let text = String::from_utf8(value.clone()).unwrap();
                let cut = random.below(text.len() + 1);
                let altered = match random.below(5) {
                    0 => text[..cut].to_owned(),
                    1 => text[cut..].to_owned(),
                    2 => text.to_lowercase(),
                    3 => String::new(),
                    _ => format!("{text} +1 a+9 $(x) PATH HOME"),
                };
                inner.insert(name.clone(), altered.into_bytes());
            }
            let (found, _) = place.run(launcher, &inner, &scripts).unwrap();
            for variables in found {
                assert_eq!(text(&variables, "EDITOR"), Some("vi"), "{}", shell.name());
                let path = text(&variables, "PATH").unwrap();
                for entry in ["/a", "/b c", "/usr/bin", "/bin"] {
                    assert!(
                        path.split(':').any(|found| found == entry),
                        "{}: {path}",
                        shell.name()
                    );
                }
            }
        }
    });
}

#[test]
fn scripts_are_read_and_a_missing_or_failing_one_ends_nothing() {
    each(|shell, launcher, place| {
        let (good, bad) = (place.path("good script"), place.path("bad script"));
        let set = match shell.name() {
            "fish" => "set -gx SOURCED yes",
            "elvish" => "set-env SOURCED yes",
            "nushell" => "$env.SOURCED = 'yes'",
            _ => "export SOURCED=yes",
        };
        std::fs::write(&good, set).unwrap();
        std::fs::write(&bad, "no-such-command-at-all\n").unwrap();
        let mut declared = environment();
        let names = vec![shell.name().to_owned()];
        let paths = [Path::new("/no such/script"), &bad, &good];
        // In Nushell an error ends what reads the file, whatever one does.
        for path in paths.into_iter().filter(|path| *path != bad || shell.name() != "nushell") {
            declared.scripts.push((Template::from(path.to_str().unwrap()), names.clone()));
        }
        let (found, _) =
            place.run(launcher, &login(), &[shell.render(&declared, &identity(1))]).unwrap();
        assert_eq!(text(&found[0], "SOURCED"), Some("yes"), "{}", shell.name());
    });
}

/// Nushell knows no words of other shells: an alias runs `sh`. The other shells are tried in a
/// terminal, by specs.
#[test]
fn an_alias_of_nushell_takes_arguments() {
    let place = Place::new();
    let Some(program) = resolve_program("nu") else { return say_missing("nushell") };
    let mut declared = environment();
    declared.aliases.insert("say".into(), "printf '%s|' \"it's $HOME\"".into());
    let script = place.path("env.nu");
    std::fs::write(&script, get("nushell").unwrap().render(&declared, &identity(1))).unwrap();
    let main = place.path("main.nu");
    std::fs::write(
        &main,
        format!("source '{}'\nsay 'a b' $x --flag\n", script.display()).replace("$x", "c"),
    )
    .unwrap();
    let output = Command::new(program)
        .arg("-n")
        .arg(&main)
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("HOME", "/h")])
        .output();
    let output = output.unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "it's /h|a b|c|--flag|",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn each_shell_has_one_script_and_one_name() {
    let mut names: Vec<_> = SHELLS.iter().map(|shell| shell.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), SHELLS.len());
    assert_eq!(scripts().filter(|shell| shell.file() == COMMANDS).count(), 1);
    for shell in SHELLS {
        let script = shell.render(&with(environment(), "A", b"1"), &identity(7));
        let script = script.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&script);
        let first = String::from_utf8_lossy(script.split(|byte| *byte == b'\n').next().unwrap())
            .into_owned();
        assert!(
            first.contains("sys.lua environment 7-") && first.contains("/root of tests"),
            "{first}"
        );
        assert_eq!(OsString::from_vec(script.to_vec()).as_bytes(), script);
    }
}

/// Runs scripts of cmd under Wine; returns what `set` shows after each. `None` where there is no
/// Wine.
fn run_cmd(place: &Place, scripts: &[Vec<u8>]) -> Option<Vec<BTreeMap<String, String>>> {
    let wine = resolve_program("wine")?;
    let mut text = "@set __SYSLUA_\r\n@set PATH=C:\\windows\\system32\r\n\
         @set \"OTHER=my & \"own\" 100%%\"\r\n"
        .to_owned();
    for (index, script) in scripts.iter().enumerate() {
        std::fs::write(place.path(&format!("env{index}.cmd")), script).unwrap();
        text.push_str(&format!("@call env{index}.cmd\r\n@echo ---\r\n@set\r\n"));
    }
    std::fs::write(place.path("main.cmd"), text).unwrap();
    let prefix = place.path("wine");
    let mut command = Command::new("timeout");
    command
        .arg("120")
        .arg(wine)
        .args(["cmd", "/c", "main.cmd"])
        .current_dir(place.directory.path());
    command.env("WINEPREFIX", prefix).env("WINEDEBUG", "-all").env("HOME", place.directory.path());
    let output = command.output().ok()?;
    let shown = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let read = |part: &str| {
        part.lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    let found: Vec<_> = shown.split("---\n").skip(1).map(read).collect();
    assert_eq!(found.len(), scripts.len(), "{shown} {}", String::from_utf8_lossy(&output.stderr));
    Some(found)
}

/// Wine takes long to begin: one run for all.
#[test]
#[ignore = "Wine makes a whole prefix: `cargo test -- --ignored` where it is installed"]
fn cmd_sets_and_takes_back() {
    let place = Place::new();
    let cmd = get("cmd").unwrap();
    let values =
        ["100% & more | <x> ^ (y) !z!", "it's", "a \"quoted\" word", "%PATH%", "  blanks  ", "=;,"];
    let mut first =
        with_list(with(environment(), "EDITOR", b"vi"), "PATH", ";", &["C:\\a b", "C:\\c"]);
    for (index, value) in values.iter().enumerate() {
        first = with(first, &format!("V{index}"), value.as_bytes());
    }
    first = with(first, "OTHER", b"1");
    first = with(first, "LINES_OF", b"a\nb");
    let second = with_list(with(environment(), "EDITOR", b"ed"), "PATH", ";", &["C:\\d"]);
    let scripts = [
        cmd.render(&first, &identity(1)),
        cmd.render(&first, &identity(1)),
        cmd.render(&second, &identity(2)),
        cmd.render(&environment(), &identity(3)),
    ];
    let Some(found) = run_cmd(&place, &scripts) else {
        say_missing("wine");
        return;
    };
    for found in &found[..2] {
        for (index, value) in values.iter().enumerate() {
            assert_eq!(found.get(&format!("V{index}")).map(String::as_str), Some(*value));
        }
        assert_eq!(found["PATH"], "C:\\a b;C:\\c;C:\\windows\\system32");
        assert_eq!(found["EDITOR"], "vi");
        assert!(!found.contains_key("LINES_OF"));
    }
    assert_eq!(
        (found[2]["PATH"].as_str(), found[2]["EDITOR"].as_str()),
        ("C:\\d;C:\\windows\\system32", "ed")
    );
    assert!(!found[2].contains_key("V0"));
    assert_eq!((found[0]["OTHER"].as_str(), found[1]["OTHER"].as_str()), ("1", "1"));
    assert_eq!(found[2]["OTHER"], "my & \"own\" 100%");
    assert_eq!(found[3]["PATH"], "C:\\windows\\system32");
    assert!(!found[3].contains_key("EDITOR"));
}

/// PowerShell itself is in no package: its grammar says whether a script can be read, and known
/// cases what texts are.
#[test]
fn scripts_of_powershell_parse() {
    let shell = powershell::PowerShell;
    use super::common::Words;
    for (text, quoted) in [
        ("it's", "'it''s'"),
        ("$HOME `x` $(y) \"q\"", "'$HOME `x` $(y) \"q\"'"),
        ("\u{2019}\u{201a}", "'\u{2019}\u{2019}\u{201a}\u{201a}'"),
        ("a\nb", "'a\nb'"),
    ] {
        assert_eq!(shell.quote(text.as_bytes()).unwrap(), quoted.as_bytes());
    }
    assert!(shell.quote(b"\xff").is_err());
    let place = Place::new();
    let mut declared = with_list(environment(), "PATH", ":", &["/a b", "/it's"]);
    for (index, piece) in PIECES.iter().enumerate() {
        declared = with(declared, &format!("V{index}"), &[piece, b"x".as_slice(), piece].concat());
    }
    let parts = vec![Part::Text("a".into()), Part::Reference { reference: "HOME".into() }];
    declared.single.insert("R".into(), Template::Parts { parts });
    declared.scripts.push((Template::from("/a 'b"), vec!["powershell".to_owned()]));
    let script = shell.render(&with(declared, "EMPTY", b""), &identity(1));
    assert!(String::from_utf8_lossy(&script).contains("cannot have the value of EMPTY"));
    std::fs::write(place.path("env.ps1"), &script).unwrap();
    let parse = "import sys, tree_sitter, tree_sitter_pwsh\n\
        parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_pwsh.language()))\n\
        sys.exit(1 if parser.parse(open(sys.argv[1], 'rb').read()).root_node.has_error else 0)\n";
    let python = |text: &str| {
        let mut command = Command::new("python3");
        command
            .env("PYTHONPATH", "/var/cache/syslua-tools/python")
            .args(["-c", text])
            .arg(place.path("env.ps1"));
        command.output().is_ok_and(|output| output.status.success())
    };
    if python("import tree_sitter, tree_sitter_pwsh") {
        assert!(python(parse), "the script has an error:\n{}", String::from_utf8_lossy(&script));
    } else {
        say_missing("tree-sitter-pwsh");
    }
}
