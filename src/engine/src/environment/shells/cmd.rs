//! The command prompt of Windows, cmd.
//!
//! It has no functions and no lists, so that each call is written out.

use std::fmt::Write;
use std::path::PathBuf;

use super::common::{self, Call, Words};
use super::{FPATH, Identity, Places, ScriptPath, Shell};
use crate::environment::Environment;
use crate::variable::Template;

/// Reverts what is no longer declared. `MEMORY` is the variable of the memory. All entries of lists
/// are removed, and added again.
const TAKE_BACK: &str = r#"@set "__syslua_new=1"
@for /f "tokens=1" %%S in ("%MEMORY%") do @if "%%S"=="STAMP" set "__syslua_new="
@if not defined __syslua_new goto __syslua_declare
@for %%W in (%MEMORY%) do @call :__syslua_take_back %%W
@goto __syslua_declare

:__syslua_take_back
@for /f "tokens=1,2 delims=+" %%A in ("%1") do @call :__syslua_undo %%A %%B
@goto :eof

:__syslua_undo
@if not "%2"=="" goto __syslua_remove
@if /i "%1"=="PATH" goto :eof
@set "%1="
@if not defined MEMORY_%1 goto :eof
@for /f "tokens=1,* delims==" %%A in ('set MEMORY_%1') do @if /i "%%A"=="MEMORY_%1" set "%1=%%B"
@set "MEMORY_%1="
@goto :eof

:__syslua_keep
@for /f "tokens=1,* delims==" %%A in ('set %1') do @if /i "%%A"=="%1" set "MEMORY_%1=%%B"
@goto :eof

:__syslua_remove
@if not defined MEMORY_%1 goto :eof
@call set "__syslua_there=;%%%1%%;"
@call set "__syslua_ours=%%MEMORY_%1%%"
@for %%E in ("%__syslua_ours:;=" "%") do @if not "%%~E"=="" call set "__syslua_there=%%__syslua_there:;%%~E;=;%%"
@set "MEMORY_%1="
@if "%__syslua_there%"==";" set "%1=" & goto :eof
@set "%1=%__syslua_there:~1,-1%"
@goto :eof

:__syslua_declare
"#;

/// cmd.
pub struct Cmd;

impl Words for Cmd {
    fn quote(&self, text: &[u8]) -> Result<Vec<u8>, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
        if text.contains(|letter: char| letter.is_control() && letter != '\t') {
            return Err("it has a line break or another control character");
        } else if text.contains('"') && text.contains(['&', '|', '<', '>', '^', '(', ')']) {
            return Err("it has quotes and characters that end a command");
        }
        Ok(text.replace('%', "%%").into_bytes())
    }

    fn reference(&self, name: &str) -> Vec<u8> {
        format!("%{name}%").into_bytes()
    }

    fn say(&self, message: &str) -> String {
        format!("@echo {} >&2", message.replace('%', "%%"))
    }

    fn check_value(&self, value: &Template) -> Result<Vec<u8>, &'static str> {
        let is_empty = matches!(value, Template::Text(text) if text.0.is_empty());
        if is_empty { Err(common::EMPTY) } else { self.template(value) }
    }
}

impl Shell for Cmd {
    fn name(&self) -> &'static str {
        "cmd"
    }

    fn file(&self) -> &'static str {
        "env.cmd"
    }

    /// It reads no file: a value of the registry names what it runs.
    fn profile(&self, _places: &Places<'_>) -> Option<PathBuf> {
        None
    }

    fn source_line(&self, scripts: &[ScriptPath]) -> String {
        let path = |script: &ScriptPath| {
            let path = match script {
                ScriptPath::BelowHome(path) => format!("%USERPROFILE%{path}"),
                ScriptPath::At(path) => path.clone(),
            };
            path.replace('/', "\\")
        };
        if let [script] = scripts {
            let path = path(script);
            return format!("if exist \"{path}\" call \"{path}\"");
        }
        let branch = |script| {
            let path = path(script);
            format!("if exist \"{path}\" (call \"{path}\")")
        };
        scripts.iter().map(branch).collect::<Vec<_>>().join(" else ")
    }

    fn render(&self, environment: &Environment, identity: &Identity<'_>) -> Vec<u8> {
        let (memory, stamp) = (identity.memory(), identity.stamp(environment));
        let (mut calls, mut declared) = (String::new(), vec![stamp.clone()]);
        for call in common::calls(environment).iter().filter(|call| call.name() != FPATH) {
            match self.call(&memory, call) {
                Ok(lines) => {
                    calls.push_str(&lines);
                    declared.push(call.word());
                }
                Err(reason) => {
                    calls.push_str(&self.say(&common::refusal(self.name(), call.name(), reason)));
                    calls.push('\n');
                }
            }
        }
        let begin = TAKE_BACK.replace("MEMORY", &memory).replace("STAMP", &stamp);
        let mut end = format!("@if defined __syslua_new set \"{memory}={}\"\n", declared.join(" "));
        for name in ["new", "there", "ours", "missing", "page"] {
            let _ = writeln!(end, "@set \"__syslua_{name}=\"");
        }
        for (name, command) in &environment.aliases {
            let text = String::from_utf8_lossy(&command.0).into_owned();
            if text.contains(['|', '<', '>', '&', '$', '^', '"']) {
                let reason = "it has characters that doskey replaces";
                end.push_str(&self.say(&common::refusal(
                    self.name(),
                    &format!("the alias {name}"),
                    reason,
                )));
                end.push('\n');
            } else {
                let _ = writeln!(end, "@doskey {name}={} $*", text.replace('%', "%%"));
            }
        }
        for (name, text) in common::functions(environment, self.name()) {
            let text = String::from_utf8_lossy(&text.0).into_owned();
            if text.contains(['|', '<', '>', '&', '^', '"', '\n']) {
                let reason = "doskey has $B $L $G $T for | < > &, and one line";
                end.push_str(&self.say(&common::refusal(
                    self.name(),
                    &format!("the function {name}"),
                    reason,
                )));
                end.push('\n');
            } else {
                let _ = writeln!(end, "@doskey {name}={}", text.replace('%', "%%"));
            }
        }
        for path in super::scripts_of(environment, self) {
            if let Ok(path) = self.template(path) {
                let path = String::from_utf8_lossy(&path).into_owned();
                let _ = writeln!(end, "@if exist \"{path}\" call \"{path}\"");
            }
        }
        let first = String::from_utf8_lossy(&identity.first_line(&stamp)).replacen('#', "@rem", 1);
        let about = "@rem The environment that sys.lua applied. Each apply writes it anew: \
                     edits are lost.\n";
        let (mut page, mut back) = ("", "");
        if !calls.is_ascii() {
            // The prompt reads a script in the code page of its console.
            page = "@for /f \"tokens=2 delims=:.\" %%C in ('chcp') do @set \"__syslua_page=%%C\"\n\
                    @chcp 65001 >nul\n";
            back = "@chcp %__syslua_page% >nul\n";
        }
        [&first, about, page, &begin, &calls, back, &end]
            .concat()
            .replace('\n', "\r\n")
            .into_bytes()
    }
}

impl Cmd {
    fn call(&self, memory: &str, call: &Call<'_>) -> Result<String, &'static str> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        match call {
            Call::Single(name, value) => {
                let value = text(self.check_value(value)?);
                Ok(format!(
                    "@if defined __syslua_new if defined {name} call :__syslua_keep {name}\n\
                     @if defined __syslua_new set \"{name}={value}\"\n\
                     @if not defined {name} set \"{name}={value}\"\n"
                ))
            }
            Call::List(name, list) => {
                if list.separator != ";" {
                    return Err("the separator is not a semicolon");
                }
                let mut lines = format!(
                    "@set \"__syslua_there=;%{name}%;\"\n@set \
                     \"__syslua_there=%__syslua_there:\"=%\"\n@set \"__syslua_missing=\"\n"
                );
                for entry in list.entries {
                    let literal = entry
                        .texts()
                        .iter()
                        .any(|text| text.0.iter().any(|byte| b"=*\"%!".contains(byte)));
                    if literal {
                        return Err("an entry has a character that cmd cannot look for");
                    }
                    let entry = text(self.template(entry)?);
                    let _ = writeln!(
                        lines,
                        "@if \"%__syslua_there:;{entry};=%\"==\"%__syslua_there%\" set \
                         \"__syslua_missing=%__syslua_missing%{entry};\""
                    );
                }
                let rest = list.default.map_or_else(
                    || "%__syslua_missing:~0,-1%".to_owned(),
                    |default| format!("%__syslua_missing%{}", default.replace('%', "%%")),
                );
                let _ = write!(
                    lines,
                    "@if defined __syslua_new if defined __syslua_missing set \
                     \"{memory}_{name}=;%__syslua_missing%\"\n\
                     @if defined {name} set \"{name}=%__syslua_missing%%{name}%\"\n\
                     @if not defined {name} set \"{name}={rest}\"\n"
                );
                Ok(lines)
            }
        }
    }
}
