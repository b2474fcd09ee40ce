//! The environment for sh, bash and zsh.
//!
//! The script remembers in the shell's own environment what it set, so that a later version takes
//! back what is gone, and sourcing twice changes nothing. It starts no process.

use super::Environment;
use crate::action::Shell;
use crate::variable::Part;
use crate::variable::Template;

/// Takes back what an earlier version of the script set. Works under `set -eu`, and in zsh, which
/// splits no words.
const TAKE_BACK: &str = r#"
__syslua_rest="${__SYSLUA_VARIABLES-}"
while [ -n "$__syslua_rest" ]; do
  unset "${__syslua_rest%% *}"
  __syslua_rest="${__syslua_rest#* }"
done
__syslua_rest="${__SYSLUA_LISTS-}"
while [ -n "$__syslua_rest" ]; do
  # One record a variable: NAME, its separator, its entries, each ended by a newline; then an empty line.
  __syslua_record="${__syslua_rest%%

*}"
  __syslua_rest="${__syslua_rest#*

}"
  __syslua_name="${__syslua_record%%
*}"
  __syslua_record="${__syslua_record#*
}
"
  __syslua_separator="${__syslua_record%%
*}"
  __syslua_record="${__syslua_record#*
}"
  case "$__syslua_name" in
    ''|*[!A-Za-z0-9_]*) continue ;;
  esac
  eval "__syslua_value=\"\${$__syslua_name-}\""
  __syslua_value="$__syslua_separator$__syslua_value$__syslua_separator"
  while [ -n "$__syslua_record" ]; do
    __syslua_entry="$__syslua_separator${__syslua_record%%
*}$__syslua_separator"
    __syslua_record="${__syslua_record#*
}"
    while :; do
      case "$__syslua_value" in
        *"$__syslua_entry"*)
          __syslua_value="${__syslua_value%%"$__syslua_entry"*}$__syslua_separator${__syslua_value#*"$__syslua_entry"}" ;;
        *) break ;;
      esac
    done
  done
  __syslua_value="${__syslua_value#"$__syslua_separator"}"
  __syslua_value="${__syslua_value%"$__syslua_separator"}"
  if [ -n "$__syslua_value" ]; then
    eval "export $__syslua_name=\"\$__syslua_value\""
  else
    unset "$__syslua_name"
  fi
done
unset __syslua_rest __syslua_record __syslua_name __syslua_separator __syslua_value __syslua_entry
"#;

/// Returns the script.
pub fn render(environment: &Environment) -> Vec<u8> {
    let mut script = Script(Vec::new());
    script.line(&[b"# The environment that sys.lua applied. Made anew by each apply: edits are lost."]);
    script.0.extend_from_slice(TAKE_BACK.as_bytes());
    for name in environment.order() {
        if let Some(value) = environment.single.get(name) {
            script.line(&[b"export ", name.as_bytes(), b"=", &render_template(value)]);
        } else if let Some((separator, entries)) = environment.lists.get(name) {
            script.line(&[b"export ", name.as_bytes(), b"=", &render_list(name, separator, entries)]);
        }
    }
    let names: String = environment.single.keys().map(|name| format!("{name} ")).collect();
    script.remember("__SYSLUA_VARIABLES", &quote(names.as_bytes()));
    let mut records = Vec::new();
    for (name, (separator, entries)) in &environment.lists {
        records.extend(quote(format!("{name}\n{separator}\n").as_bytes()));
        for entry in entries {
            records.extend(render_template(entry));
            records.extend_from_slice(b"'\n'");
        }
        records.extend_from_slice(b"'\n'");
    }
    script.remember("__SYSLUA_LISTS", &records);
    for (path, shells) in &environment.scripts {
        let source = [b". ".as_slice(), &render_template(path)].concat();
        let only = |shell| shells.contains(&shell);
        let condition = match (only(Shell::Sh), only(Shell::Bash), only(Shell::Zsh)) {
            (true, true, true) => "",
            (true, true, false) => "[ -z \"${ZSH_VERSION-}\" ]",
            (true, false, true) => "[ -z \"${BASH_VERSION-}\" ]",
            (false, true, true) => "[ -n \"${BASH_VERSION-}${ZSH_VERSION-}\" ]",
            (true, false, false) => "[ -z \"${BASH_VERSION-}${ZSH_VERSION-}\" ]",
            (false, true, false) => "[ -n \"${BASH_VERSION-}\" ]",
            (false, false, true) => "[ -n \"${ZSH_VERSION-}\" ]",
            (false, false, false) => continue,
        };
        if condition.is_empty() {
            script.line(&[&source]);
        } else {
            script.line(&[b"if ", condition.as_bytes(), b"; then ", &source, b"; fi"]);
        }
    }
    script.0
}

struct Script(Vec<u8>);

impl Script {
    fn line(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.0.extend_from_slice(part));
        self.0.push(b'\n');
    }

    /// Exports what a later version of the script takes back; `value` is quoted.
    fn remember(&mut self, name: &str, value: &[u8]) {
        if value.is_empty() || value == b"''" {
            self.line(&[b"unset ", name.as_bytes()]);
        } else {
            self.line(&[b"export ", name.as_bytes(), b"=", value]);
        }
    }
}

/// Returns a value as a word: texts literally, references as what the variable has by then.
fn render_template(template: &Template) -> Vec<u8> {
    match template {
        Template::Text(text) => quote(&text.0),
        Template::Parts { parts } => parts.iter().flat_map(render_part).collect(),
    }
}

fn render_part(part: &Part) -> Vec<u8> {
    match part {
        Part::Text(text) => quote(&text.0),
        Part::Reference { reference } => format!("\"${{{reference}-}}\"").into_bytes(),
    }
}

/// Returns entries, and after them what the variable has, as a word.
fn render_list(name: &str, separator: &str, entries: &[Template]) -> Vec<u8> {
    let separator = quote(separator.as_bytes());
    let mut word = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            word.extend_from_slice(&separator);
        }
        word.extend(render_template(entry));
    }
    // Only what is not empty is worth a separator: an empty entry of PATH is the current directory.
    word.extend_from_slice(&[b"${", name.as_bytes(), b":+", &separator, b"\"$", name.as_bytes(), b"\"}"].concat());
    word
}

/// Quotes a value so that the shell takes every byte of it literally.
fn quote(value: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in value {
        if byte == b'\'' {
            quoted.extend_from_slice(b"'\\''");
        } else {
            quoted.push(byte);
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::action::{PathEntry, Variable};
    use crate::activation::Activation;
    use crate::variable::VariableValue;

    fn path_entry(directory: &str) -> Activation {
        Activation::new(PathEntry { directory: directory.into() }.into(), Vec::new())
    }

    fn variable(name: &str, value: &str) -> Activation {
        let value = VariableValue::Single(value.into());
        Activation::new(Variable { name: name.into(), value }.into(), Vec::new())
    }

    fn rendered(activations: &[Activation]) -> String {
        String::from_utf8(Environment::new(activations, Path::new("/home/u")).render_posix()).unwrap()
    }

    fn run(shell: &str, script: &str) -> Option<String> {
        let output = Command::new(shell).arg("-c").arg(script).env("PATH", "/usr/bin:/bin").output().ok()?;
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn real_shells_take_set_and_take_back() {
        let nasty = "it's $HOME `x` \"q\" \\ %\n%";
        let first = rendered(&[path_entry("~/a b"), path_entry("/c"), variable("NASTY", nasty), variable("GONE", "1")]);
        let second = rendered(&[path_entry("/c"), variable("NASTY", nasty)]);
        let script = format!(
            "set -eu\n{first}\n{first}\nprintf '%s|%s\\n' \"$PATH\" \"$GONE\"\n{second}\nprintf '%s|%s|%s' \"$PATH\" \"$NASTY\" \"${{GONE-unset}}\"\n"
        );
        let expected = format!("/home/u/a b:/c:/usr/bin:/bin|1\n/c:/usr/bin:/bin|{nasty}|unset");
        let mut ran = 0;
        for shell in ["sh", "dash", "bash", "zsh", "busybox"] {
            let found = if shell == "busybox" { run_busybox(&script) } else { run(shell, &script) };
            if let Some(found) = found {
                assert_eq!(found, expected, "{shell}");
                ran += 1;
            }
        }
        assert!(ran > 0);
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
        let set = |name: &str, value| Activation::new(Variable { name: name.into(), value }.into(), Vec::new());
        let entries = vec![template(&["$TOP", "/b in"]), "/c".into()];
        let script = rendered(&[
            set("A", VariableValue::Single(template(&["<", "$TOP", "/it's>"]))),
            set("TOP", VariableValue::Single(template(&["~/", "$UNKNOWN", "top"]))),
            set("LIST", VariableValue::List { entries, separator: ":".into() }),
        ]);
        let script = format!(
            "set -eu\nLIST=/own\n{script}\n{script}\nprintf '%s|%s' \"$A\" \"$LIST\"\n{}\nprintf '|%s|%s' \"$LIST\" \"${{A-unset}}\"",
            rendered(&[])
        );
        for shell in ["sh", "bash", "zsh"] {
            if let Some(found) = run(shell, &script) {
                assert_eq!(found, "</home/u/top/it's>|/home/u/top/b in:/c:/own|/own|unset", "{shell}");
            }
        }
    }

    #[test]
    fn a_user_has_what_is_general_and_what_is_own() {
        let of = |user: Option<&str>, mut activation: Activation| {
            activation.user = user.map(str::to_owned);
            activation
        };
        let activations = [
            path_entry("~/general"),
            of(Some("ada"), path_entry("~/own")),
            variable("EDITOR", "vi"),
            of(Some("ada"), variable("EDITOR", "ed")),
            of(Some("bob"), variable("ONLY", "bob")),
        ];
        assert_eq!(crate::environment::users(&activations).into_iter().collect::<Vec<_>>(), ["ada", "bob"]);
        let ada = Environment::of_user(&activations, "ada");
        let path: Vec<_> = ada.lists["PATH"].1.iter().map(Template::display).collect();
        assert_eq!(path, ["$HOME/own", "$HOME/general"]);
        assert_eq!(ada.single["EDITOR"].display(), "ed");
        assert!(!ada.single.contains_key("ONLY"));
        let general = Environment::new(&activations, Path::new("/root"));
        assert_eq!(general.single["EDITOR"].display(), "vi");
        assert_eq!(general.lists["PATH"].1.len(), 1);
    }

    fn run_busybox(script: &str) -> Option<String> {
        let output = Command::new("busybox").args(["sh", "-c", script]).env("PATH", "/usr/bin:/bin").output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn an_emptied_list_variable_is_unset() {
        let list = VariableValue::List { entries: vec!["/m".into()], separator: ":".into() };
        let action = Variable { name: "MANPATH".into(), value: list }.into();
        let first = rendered(&[Activation::new(action, Vec::new())]);
        let script = format!(
            "unset MANPATH\n{first}\nprintf %s, \"$MANPATH\"\n{}\nprintf %s \"${{MANPATH-unset}}\"",
            rendered(&[])
        );
        assert_eq!(run("sh", &script).unwrap(), "/m,unset");
    }
}
