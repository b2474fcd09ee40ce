//! Windows PowerShell and PowerShell.

use std::path::PathBuf;

use super::common::{self, Call, Words};
use super::{
    EnteredPlaces, FPATH, HookPlaces, Identity, Places, ScriptPath, Shell, Watched, hook_id,
};
use crate::environment::Environment;
use crate::platform;
use crate::variable::Template;

const FUNCTIONS: &str = include_str!("powershell.ps1");

/// What it does at each prompt.
const HOOK: &str = include_str!("hook.ps1");

/// What it does there about directories with an entry file.
const PROJECT_HOOK: &str = include_str!("project_hook.ps1");

/// What defines functions of users, and takes them back. A name that was an alias is one again:
/// aliases come before functions.
const FUNCTIONS_OF_USERS: &str = include_str!("functions.ps1");

/// By this Windows PowerShell knows that a script is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// PowerShell.
pub struct PowerShell;

impl Words for PowerShell {
    fn quote(&self, text: &[u8]) -> Result<Vec<u8>, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
        let mut quoted = String::from("'");
        for letter in text.chars() {
            // about_Quoting_Rules: typographic quotes count as quotes.
            if matches!(letter, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
                quoted.push(letter);
            }
            quoted.push(letter);
        }
        quoted.push('\'');
        Ok(quoted.into_bytes())
    }

    fn reference(&self, name: &str) -> Vec<u8> {
        format!("$env:{name}").into_bytes()
    }

    fn join(&self, parts: Vec<Vec<u8>>) -> Vec<u8> {
        // A text first: otherwise what is unset would not be one.
        [b"('' + ".as_slice(), &parts.join(b" + ".as_slice()), b")"].concat()
    }

    fn say(&self, message: &str) -> String {
        format!("[Console]::Error.WriteLine('{message}')")
    }

    fn check_value(&self, value: &Template) -> Result<Vec<u8>, &'static str> {
        let is_empty = matches!(value, Template::Text(text) if text.0.is_empty());
        if is_empty { Err(common::EMPTY) } else { self.template(value) }
    }
}

impl Shell for PowerShell {
    fn name(&self) -> &'static str {
        "powershell"
    }

    fn file(&self) -> &'static str {
        "env.ps1"
    }

    fn profile(&self, places: &Places<'_>) -> Option<PathBuf> {
        Some(match places.os {
            "windows" => places.home.join("Documents/PowerShell/profile.ps1"),
            _ => places.config.join("powershell/profile.ps1"),
        })
    }

    fn source_line(&self, scripts: &[ScriptPath]) -> String {
        let quoted = |path: &str| common::quoted(self, path);
        let branch = |script: &ScriptPath| {
            let word = match script {
                ScriptPath::BelowHome(path) => format!("($HOME + {})", quoted(path)),
                ScriptPath::At(path) => quoted(path),
            };
            format!("if (Test-Path -LiteralPath {word}) {{ . {word} }}")
        };
        scripts.iter().map(branch).collect::<Vec<_>>().join(" else")
    }

    fn hook(&self, places: &HookPlaces<'_>) -> Option<String> {
        let quote = |text: &[u8]| self.quote(text).unwrap_or_default();
        let [variables, _] =
            places.step.render(quote, |name, value| format!("'{name}' = {value}; "));
        let (program, arguments) = places.step.words.split_first()?;
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|word| argument(word)).collect();
        let word = |text: &[u8]| String::from_utf8_lossy(&quote(text)).into_owned();
        let step = [
            variables,
            ("STEP_PROGRAM", word(program)),
            ("STEP_ARGUMENTS", word(&arguments.join(b" ".as_slice()))),
            ("FUNCTIONS", word(FUNCTIONS.as_bytes())),
        ];
        Some(places.fill(&[PROJECT_HOOK, HOOK].concat(), quote, &step))
    }

    fn render_entered(&self, entered: &EnteredPlaces<'_>) -> Option<Vec<u8>> {
        let (memory, id) = (entered.memory, hook_id(entered.memory));
        let quote = |text: &[u8]| self.quote(text).ok();
        let mut script = Vec::new();
        let mut set = |name: &str, value: &str| {
            // An empty value removes a variable of the environment.
            script.extend(
                [format!("${name} = ").as_bytes(), &quote(value.as_bytes())?, b"\n"].concat(),
            );
            Some(())
        };
        set(&format!("env:{memory}_entered"), entered.layers)?;
        if let Some(name) = entered.name {
            set("env:SYSLUA_PROJECT", name)?;
        }
        set(&format!("global:__syslua_said_{id}"), entered.said)?;
        script.extend(format!("$global:__syslua_watched_{id} = @(\n").into_bytes());
        for Watched { file, note, is_there } in entered.watched {
            let note = note.as_ref().map(|note| platform::bytes_of_path(note)).unwrap_or_default();
            // What it cannot say, it does not look at.
            if let (Some(file), Some(note)) = (quote(&platform::bytes_of_path(file)), quote(&note))
            {
                let end = format!(", ${is_there})\n");
                script.extend([b"  ,@(".as_slice(), &file, b", ", &note, end.as_bytes()].concat());
            }
        }
        script.extend_from_slice(b")\n");
        Some(script)
    }

    fn render_leave(&self, identity: &Identity<'_>) -> Option<Vec<u8>> {
        let memory = identity.memory();
        let calls = format!("__syslua_leave '{memory}'\n__syslua_end\n");
        let functions = self.functions(&Environment::default(), &memory);
        Some([FUNCTIONS.as_bytes(), calls.as_bytes(), &functions].concat())
    }

    fn render(&self, environment: &Environment, identity: &Identity<'_>) -> Vec<u8> {
        let (mut rest, mut declared) = (Vec::new(), Vec::new());
        for call in common::calls(environment).iter().filter(|call| call.name() != FPATH) {
            match self.line(call) {
                Ok(line) => {
                    declared.push(format!("'{}'", call.word()));
                    rest.extend(line);
                }
                Err(reason) => rest.extend(
                    self.say(&common::refusal(self.name(), call.name(), reason)).into_bytes(),
                ),
            }
            rest.push(b'\n');
        }
        rest.extend_from_slice(b"__syslua_end\n");
        rest.extend(self.functions(environment, &identity.memory()));
        for path in super::scripts_of(environment, self) {
            if let Ok(path) = self.template(path) {
                rest.extend(
                    [b"if (Test-Path -LiteralPath ".as_slice(), &path, b") { . ", &path, b" }\n"]
                        .concat(),
                );
            }
        }
        let stamp = identity.stamp(environment);
        let begin = format!(
            "__syslua_begin '{}' '{stamp}' '{}' @({})\n",
            identity.memory(),
            identity.sort(),
            declared.join(", ")
        );
        let script = common::script(identity, &stamp, FUNCTIONS, &[begin.as_bytes(), &rest]);
        if script.is_ascii() { script } else { [BYTE_ORDER_MARK, &script].concat() }
    }
}

/// Returns an argument as a part of a command line: Windows PowerShell removes quotes from words.
/// Source: Microsoft's "Parsing C command-line arguments", which .NET follows on all systems.
fn argument(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    let mut backslashes = 0;
    for &byte in word {
        if byte == b'"' {
            quoted.extend(std::iter::repeat_n(b'\\', backslashes + 1));
        }
        backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
        quoted.push(byte);
    }
    quoted.extend(std::iter::repeat_n(b'\\', backslashes));
    quoted.push(b'"');
    quoted
}

impl PowerShell {
    /// Writes aliases and functions, after the earlier ones are reverted. Both are functions there.
    fn functions(&self, environment: &Environment, memory: &str) -> Vec<u8> {
        let aliases = environment
            .aliases
            .iter()
            .map(|(name, command)| (name.as_str(), [&command.0, b" @args".as_slice()].concat()));
        let functions = common::functions(environment, self.name());
        let functions = functions.into_iter().map(|(name, text)| (name, text.0.clone()));
        let mut lines = Vec::new();
        for (name, text) in aliases.chain(functions) {
            match self.quote(&text) {
                Ok(text) => {
                    lines.extend(
                        [format!("__syslua_function '{name}' ").as_bytes(), &text, b"\n"].concat(),
                    );
                }
                Err(reason) => {
                    let refusal =
                        common::refusal(self.name(), &format!("the alias {name}"), reason);
                    lines.extend(format!("{}\n", self.say(&refusal)).into_bytes());
                }
            }
        }
        let end = b"Remove-Item -Path Function:__syslua_function\n";
        [FUNCTIONS_OF_USERS.replace("MEMORY", memory).as_bytes(), &lines, end].concat()
    }

    fn line(&self, call: &Call<'_>) -> Result<Vec<u8>, &'static str> {
        match call {
            Call::Single(name, value) => Ok([
                b"__syslua_single ".as_slice(),
                name.as_bytes(),
                b" ",
                &self.check_value(value)?,
            ]
            .concat()),
            Call::List(name, list) => {
                let entries = self.templates(list.entries)?.join(b", ".as_slice());
                let words = [
                    name.as_bytes().to_vec(),
                    self.quote(list.separator.as_bytes())?,
                    self.default(list.default)?,
                ];
                Ok([b"__syslua_list ".as_slice(), &words.join(&b' '), b" @(", &entries, b")"]
                    .concat())
            }
        }
    }
}
