//! sh, bash and zsh, which read one script.
//!
//! The script remembers in the environment what it set, so that a shell inside a shell keeps the
//! user's changes, and a later version reverts removed declarations.

use std::path::PathBuf;

use super::common::{self, Words};
use super::{
    EnteredPlaces, FPATH, HookPlaces, Identity, Places, ScriptPath, Shell, Subshell, Watched,
    hook_id,
};
use crate::environment::Environment;
use crate::platform;
use crate::variable::Template;

/// Functions that the script calls.
const FUNCTIONS: &str = include_str!("posix.sh");

/// Defines aliases and functions.
const ALIASES: &str = include_str!("aliases.sh");

/// A function of zsh that takes directories of completions.
const ZSH_COMPLETIONS: &str = include_str!("completions.zsh");

/// A function of bash that takes directories of completions, and another that reads the completions
/// of a command when they are needed.
const BASH_COMPLETIONS: &str = include_str!("completions.bash");

/// What bash and zsh do at each prompt.
const HOOK: &str = include_str!("hook.sh");

/// What they do there about directories with an entry file.
const PROJECT_HOOK: &str = include_str!("project_hook.sh");

/// What marks the prompt of a bash that was started in a project.
const MARK: &str = include_str!("mark.bash");

/// The script.
pub const FILE: &str = "env.sh";

/// Any other POSIX shell, such as dash.
pub struct Sh;
/// GNU bash.
pub struct Bash;
/// zsh.
pub struct Zsh;

macro_rules! family {
    ($(
        $shell:ident $name:literal $directory:ident $profile:literal $subshell:ident
        $prompt:expr
    )*) => {
        $(
            impl Shell for $shell {
                fn name(&self) -> &'static str {
                    $name
                }

                fn file(&self) -> &'static str {
                    FILE
                }

                fn profile(&self, places: &Places<'_>) -> Option<PathBuf> {
                    Some(places.$directory.join($profile))
                }

                fn source_line(&self, scripts: &[ScriptPath]) -> String {
                    source_line(scripts)
                }

                fn hook(&self, places: &HookPlaces<'_>) -> Option<String> {
                    // sh has no place for a hook.
                    let [variables, words] =
                        places.step.render(quote, |name, value| format!("{name}={value} "));
                    let functions = quote(FUNCTIONS.as_bytes());
                    let functions = String::from_utf8_lossy(&functions).into_owned();
                    let others = [variables, words, ("FUNCTIONS", functions)];
                    Some(places.fill(&[PROJECT_HOOK, HOOK].concat(), quote, &others))
                        .filter(|_| $name != "sh")
                }

                fn render_leave(
                    &self,
                    identity: &Identity<'_>,
                ) -> Option<Vec<u8>> {
                    Some(leave(identity))
                }

                fn render_entered(&self, entered: &EnteredPlaces<'_>) -> Option<Vec<u8>> {
                    Some(render_entered(entered)).filter(|_| $name != "sh")
                }

                fn subshell(&self, script: &str) -> Option<Subshell> {
                    Some($subshell(script))
                }

                fn mark_prompt(&self) -> &'static str {
                    $prompt
                }

                fn render(&self, environment: &Environment, identity: &Identity<'_>) -> Vec<u8> {
                    render(environment, identity)
                }
            }
        )*
    };
}

family! {
    Sh "sh" home ".profile" sh "PS1=\"($SYSLUA_PROJECT) ${PS1-$ }\"\n"
    Bash "bash" home ".bashrc" bash MARK
    Zsh "zsh" zsh ".zshrc" zsh include_str!("mark.zsh")
}

fn sh(script: &str) -> Subshell {
    Subshell { variables: vec![("ENV".to_owned(), script.to_owned())], ..Subshell::default() }
}

fn bash(script: &str) -> Subshell {
    Subshell {
        arguments: vec!["--rcfile".to_owned(), script.to_owned()],
        before: "if [ -r ~/.bashrc ]; then . ~/.bashrc; fi\n",
        ..Subshell::default()
    }
}

/// What zsh reads instead of the user's files, in their order; each reads the user's one.
const ZSH_FILES: &[(&str, &str)] = &[
    (
        ".zshenv",
        "ZDOTDIR=${SYSLUA_ZDOTDIR:-$HOME}\nif [[ -r $ZDOTDIR/.zshenv ]]; then . \
         \"$ZDOTDIR/.zshenv\"; fi\nSYSLUA_ZDOTDIR=$ZDOTDIR\nZDOTDIR=$SYSLUA_OWN_ZDOTDIR\n",
    ),
    (
        ".zshrc",
        "ZDOTDIR=$SYSLUA_ZDOTDIR\nif [[ -r $ZDOTDIR/.zshrc ]]; then . \"$ZDOTDIR/.zshrc\"; fi\n\
         . \"$SYSLUA_SCRIPT\"\nunset SYSLUA_SCRIPT SYSLUA_ZDOTDIR SYSLUA_OWN_ZDOTDIR\n\
         if [[ $ZDOTDIR = $HOME ]]; then unset ZDOTDIR; fi\n",
    ),
];

fn zsh(script: &str) -> Subshell {
    Subshell {
        variables: vec![("SYSLUA_SCRIPT".to_owned(), script.to_owned())],
        files: Some(("ZDOTDIR", ZSH_FILES)),
        ..Subshell::default()
    }
}

/// Returns the line that reads the first of these scripts that exists.
fn source_line(scripts: &[ScriptPath]) -> String {
    if let [script] = scripts {
        let word = path_word(script);
        return format!("[ ! -r {word} ] || . {word}");
    }
    let branch = |script| {
        let word = path_word(script);
        format!("if [ -r {word} ]; then . {word}; ")
    };
    format!("{}fi", scripts.iter().map(branch).collect::<Vec<_>>().join("el"))
}

/// Returns a path as a word that people would write.
fn path_word(script: &ScriptPath) -> String {
    let is_plain = |path: &str| {
        path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" /._+,@~-".contains(&byte))
    };
    let quoted = |path: &str| String::from_utf8_lossy(&quote(path.as_bytes())).into_owned();
    match script {
        ScriptPath::BelowHome(path) if is_plain(path) => format!("\"$HOME{path}\""),
        ScriptPath::BelowHome(path) => format!("\"$HOME\"{}", quoted(path)),
        ScriptPath::At(path) if is_plain(path) && !path.contains([' ', '~']) => path.clone(),
        ScriptPath::At(path) => quoted(path),
    }
}

fn render(environment: &Environment, identity: &Identity<'_>) -> Vec<u8> {
    let (calls, declared) = common::lines(&Sh, environment);
    let fpath = environment.lists.get(FPATH).map(|(_, entries)| words(entries)).unwrap_or_default();
    let mut script = Script(calls);
    script.line(&[b"__syslua_fpath", &fpath]);
    script.line(&[b"__syslua_end"]);
    let stamp = identity.stamp(environment);
    script.aliases(environment, identity, &stamp);
    script.completions(&common::shares(environment, identity), &identity.memory());
    script.sources(&environment.scripts);
    let begin = format!(
        "__syslua_begin {} '{stamp}' '{}' '{}'\n",
        identity.memory(),
        declared.join(" "),
        identity.sort()
    );
    common::script(identity, &stamp, FUNCTIONS, &[begin.as_bytes(), &script.0])
}

/// Returns the script that leaves a project: what no longer has the project's value stays as it is.
fn leave(identity: &Identity<'_>) -> Vec<u8> {
    format!("{FUNCTIONS}__syslua_leave {}\n__syslua_end\n", identity.memory()).into_bytes()
}

/// Returns what a hook remembers of directories that it entered.
fn render_entered(entered: &EnteredPlaces<'_>) -> Vec<u8> {
    let mut script = Script(Vec::new());
    let (memory, id) = (entered.memory, hook_id(entered.memory));
    script.line(&[format!("__syslua_said_{id}=").as_bytes(), &quote(entered.said.as_bytes())]);
    script.line(&[format!("__syslua_watch_{id}() {{").as_bytes()]);
    for Watched { file, note, is_there } in entered.watched {
        let file = quote(&platform::bytes_of_path(file));
        if let Some(note) = note {
            let note = quote(&platform::bytes_of_path(note));
            script.line(&[b"  if [ ", &file, b" -nt ", &note, b" ]; then \\return 0; fi"]);
        }
        let changed: &[u8] = if *is_there { b"! -e " } else { b"-e " };
        script.line(&[b"  if [ ", changed, &file, b" ]; then \\return 0; fi"]);
    }
    script.line(&[b"  \\return 1\n}"]);
    let set = |name: &str, value: &str| {
        let assigned =
            [b"\\export ".as_slice(), name.as_bytes(), b"=", &quote(value.as_bytes())].concat();
        if value.is_empty() { format!("\\unset {name}").into_bytes() } else { assigned }
    };
    script.line(&[&set(&format!("{memory}_entered"), entered.layers)]);
    // Last: the user may have made it read-only, and that ends a script in zsh, where `command`
    // looks for a program.
    if let Some(name) = entered.name {
        let line = set("SYSLUA_PROJECT", name);
        script.line(&[b"if [ -n \"${ZSH_VERSION-}\" ]; then ", &line]);
        script.line(&[b"else \\command ", &line[1..], b" || :; fi"]);
    }
    script.0
}

impl Words for Sh {
    fn quote(&self, text: &[u8]) -> Result<Vec<u8>, &'static str> {
        Ok(quote(text))
    }

    fn reference(&self, name: &str) -> Vec<u8> {
        format!("\"${{{name}-}}\"").into_bytes()
    }
}

struct Script(Vec<u8>);

impl Script {
    fn line(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.0.extend_from_slice(part));
        self.0.push(b'\n');
    }

    /// Defines aliases and functions, once for each shell and stamp, and reverts the earlier ones.
    fn aliases(&mut self, environment: &Environment, identity: &Identity<'_>, stamp: &str) {
        let (mut define, mut undo) = (Script(Vec::new()), Script(Vec::new()));
        for (name, command) in &environment.aliases {
            define.keep(name, false);
            define.line(&[b"      \\alias ", name.as_bytes(), b"=", &quote(&command.0)]);
            undo.give_back(name, false);
        }
        for name in environment.functions.keys() {
            define.keep(name, true);
            define.function(environment, name);
            undo.give_back(name, true);
        }
        let mut rest = ALIASES;
        // In this order in the text.
        for (mark, with) in [("DEFINE", define.0), ("UNDO", undo.0)] {
            let (before, after) = rest.split_once(mark).unwrap_or((rest, ""));
            self.0.extend(common::layer(before, identity, stamp).into_bytes());
            self.0.extend(with);
            rest = after;
        }
        self.0.extend(common::layer(rest, identity, stamp).into_bytes());
    }

    /// Keeps the existing alias of a name, and for a function also the existing function, unless
    /// another environment of sys.lua keeps them already.
    fn keep(&mut self, name: &str, with_function: bool) {
        let [alias, function] = kept(name);
        self.line(&[format!("      if [ -z \"${{{alias}+x}}\" ]; then {alias}=").as_bytes()]);
        self.line(&[format!(
            "        if \\alias {name} >/dev/null 2>&1; then \
             {alias}=$(\\alias ${{ZSH_VERSION:+-L}} {name}) || :; fi"
        )
        .as_bytes()]);
        // Some shells print it without the word.
        self.line(&[format!(
            "        if [ -n \"${alias}\" ] && [ \"${{{alias}#alias }}\" = \"${alias}\" ]; \
             then {alias}=\"alias ${alias}\"; fi"
        )
        .as_bytes()]);
        self.line(&[b"      fi"]);
        if with_function {
            self.line(&[
                format!("      if [ -z \"${{{function}+x}}\" ]; then {function}=").as_bytes()
            ]);
            self.line(&[format!(
                "        if \\typeset -f {name} >/dev/null 2>&1; then \
                 {function}=$(\\typeset -f {name}) || :; fi"
            )
            .as_bytes()]);
            self.line(&[b"      fi"]);
        }
    }

    /// Removes a declared alias or function, and gives the name what was kept.
    fn give_back(&mut self, name: &str, with_function: bool) {
        let [alias, function] = kept(name);
        let remove = if with_function { "unset -f" } else { "unalias" };
        self.line(&[format!("      \\{remove} {name} 2>/dev/null || :").as_bytes()]);
        if with_function {
            self.line(&[format!(
                "      if [ -n \"${{{function}-}}\" ]; then \\eval \"${function}\" || :; fi"
            )
            .as_bytes()]);
        }
        self.line(&[format!(
            "      if [ -n \"${{{alias}-}}\" ]; then \\eval \"\\\\${alias}\" || :; fi"
        )
        .as_bytes()]);
        let both = if with_function { format!("{alias} {function}") } else { alias };
        self.line(&[format!("      \\unset {both}").as_bytes()]);
    }

    /// Defines a function. A text that the shell cannot read is an error of that function only.
    fn function(&mut self, environment: &Environment, name: &str) {
        let text = |shell: &str| {
            let functions = common::functions(environment, shell);
            let own = functions.iter().find(|(function, _)| *function == name);
            quote(&own.map(|(_, text)| text.0.clone()).unwrap_or_default())
        };
        self.line(&[b"      case ${ZSH_VERSION:+z}${BASH_VERSION:+b} in"]);
        self.line(&[b"        z) __syslua_body=", &text("zsh"), b" ;;"]);
        self.line(&[b"        b) __syslua_body=", &text("bash"), b" ;;"]);
        self.line(&[b"        *) __syslua_body=", &text("sh"), b" ;;"]);
        self.line(&[b"      esac"]);
        let name = name.as_bytes();
        // An alias of the name would stand for it.
        self.line(&[b"      if [ -n \"$__syslua_body\" ]; then"]);
        self.line(&[b"        \\unalias ", name, b" 2>/dev/null || :"]);
        self.line(&[b"        __syslua_body=\"", name, b"() {\n$__syslua_body\n}\""]);
        self.line(&[b"        if [ -n \"${ZSH_VERSION-}\" ]; then \\eval \"$__syslua_body\" || :"]);
        self.line(&[b"        else \\command eval \"$__syslua_body\" || :; fi"]);
        self.line(&[b"      fi"]);
        self.line(&[b"      \\unset __syslua_body"]);
    }

    /// Has interactive shells find the completions of packages: bash when they are asked for, zsh
    /// in fpath, and at once where its completion system runs already.
    fn completions(&mut self, shares: &[Vec<u8>], memory: &str) {
        if shares.is_empty() {
            return;
        }
        let words = |below: &[u8]| -> Vec<u8> {
            shares
                .iter()
                .flat_map(|share| [b" ".to_vec(), quote(&[share, below].concat())].concat())
                .collect()
        };
        self.line(&[b"case $-${ZSH_VERSION:+z}${BASH_VERSION:+b} in"]);
        self.line(&[b"  *i*z) \\eval '"]);
        self.0.extend_from_slice(ZSH_COMPLETIONS.replace("MEMORY", memory).as_bytes());
        self.line(&[
            b"  '; ",
            memory.as_bytes(),
            b"_complete",
            &words(b"/zsh/site-functions"),
            b" ;;",
        ]);
        self.line(&[b"  *i*b) \\eval '"]);
        self.0.extend_from_slice(BASH_COMPLETIONS.replace("MEMORY", memory).as_bytes());
        self.line(&[
            b"  '; ",
            memory.as_bytes(),
            b"_complete",
            &words(b"/bash-completion/completions"),
            b" ;;",
        ]);
        self.line(&[b"esac"]);
    }

    /// Sources scripts. A script that is missing or fails does not end the shell: the user's
    /// `set -eu` is not in force in them.
    fn sources(&mut self, scripts: &[(Template, Vec<String>)]) {
        let lines: Vec<_> =
            scripts.iter().filter_map(|(path, shells)| source(path, shells)).collect();
        if lines.is_empty() {
            return;
        }
        self.line(&[b"case $- in *e*u*|*u*e*) __syslua_strict=-eu ;; *e*) __syslua_strict=-e ;; \
              *u*) __syslua_strict=-u ;;"]);
        self.line(&[b"  *) __syslua_strict= ;; esac; \\set +eu"]);
        lines.iter().for_each(|line| self.line(&[line]));
        self.line(&[b"\\set +eu; case $__syslua_strict in -eu) \\set -eu ;; -e) \\set -e ;; \
              -u) \\set -u ;; esac; \\unset __syslua_strict"]);
    }
}

/// Returns the variables in which a shell keeps the alias and the function of a name.
fn kept(name: &str) -> [String; 2] {
    let hex = data_encoding::HEXLOWER.encode(name.as_bytes());
    [format!("__syslua_alias_{hex}"), format!("__syslua_function_{hex}")]
}

/// Returns the line that sources a script in its shells; `None` when it is for none of these.
fn source(path: &Template, shells: &[String]) -> Option<Vec<u8>> {
    let path = template(path);
    let is_for = |shell: &dyn Shell| shells.iter().any(|name| name == shell.name());
    let condition: &[u8] = match (is_for(&Sh), is_for(&Bash), is_for(&Zsh)) {
        (true, true, true) => b"",
        (true, true, false) => b" && [ -z \"${ZSH_VERSION-}\" ]",
        (true, false, true) => b" && [ -z \"${BASH_VERSION-}\" ]",
        (false, true, true) => b" && [ -n \"${BASH_VERSION-}${ZSH_VERSION-}\" ]",
        (true, false, false) => b" && [ -z \"${BASH_VERSION-}${ZSH_VERSION-}\" ]",
        (false, true, false) => b" && [ -n \"${BASH_VERSION-}\" ]",
        (false, false, true) => b" && [ -n \"${ZSH_VERSION-}\" ]",
        (false, false, false) => return None,
    };
    // In zsh `command` looks for a program; in others `.` alone ends the shell when it fails.
    let zsh = [
        b"if [ -n \"${ZSH_VERSION-}\" ]; then \\. ".as_slice(),
        &path,
        b" || :; else \\command . ",
        &path,
        b" || :; fi",
    ];
    Some(
        [b"if [ -r ".as_slice(), &path, b" ]", condition, b"; then ", &zsh.concat(), b"; fi"]
            .concat(),
    )
}

/// Returns a value as a word.
fn template(template: &Template) -> Vec<u8> {
    Sh.template(template).unwrap_or_default()
}

/// Returns entries as words, each after a blank.
fn words(entries: &[Template]) -> Vec<u8> {
    entries.iter().flat_map(|entry| [b" ".to_vec(), template(entry)].concat()).collect()
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
#[path = "posix_tests.rs"]
mod tests;
