//! Nushell: its script, and the file that reads it.

use std::path::PathBuf;

use super::common::{self, Words};
use super::{EnteredPlaces, HookPlaces, Identity, Places, ScriptPath, Shell, Watched, hook_id};
use crate::environment::Environment;
use crate::platform;

const FUNCTIONS: &str = include_str!("nushell.nu");

/// What it does at each prompt.
const HOOK: &str = include_str!("hook.nu");

/// Names that Nushell sets itself and refuses to have set. Source: its book, Special Variables.
/// Case of letters does not count there.
const RESERVED: [&str; 7] = [
    "CURRENT_FILE",
    "ENV_CONVERSIONS",
    "FILE_PWD",
    "LAST_EXIT_CODE",
    "NU_VERSION",
    "PROCESS_PATH",
    "PWD",
];

/// Words that no command can have as its name. Source: its book, the commands of kind `keyword`.
const KEYWORDS: [&str; 16] = [
    "extern",
    "false",
    "hide",
    "hide-env",
    "if",
    "loop",
    "match",
    "module",
    "mut",
    "null",
    "overlay",
    "plugin",
    "register",
    "source-env",
    "true",
    "where",
];

/// Nushell.
pub struct Nushell;

impl Words for Nushell {
    fn quote(&self, text: &[u8]) -> Result<Vec<u8>, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
        let mut quoted = String::from("\"");
        for letter in text.chars() {
            match letter {
                '"' | '\\' => quoted.extend(['\\', letter]),
                letter if letter.is_control() => {
                    quoted.push_str(&format!("\\u{{{:x}}}", u32::from(letter)));
                }
                letter => quoted.push(letter),
            }
        }
        quoted.push('"');
        Ok(quoted.into_bytes())
    }

    fn reference(&self, name: &str) -> Vec<u8> {
        format!("(__syslua_get \"{name}\")").into_bytes()
    }

    fn takes_alias(&self, name: &str) -> bool {
        !KEYWORDS.contains(&name)
    }

    // A bare word may be a value of another kind, such as `true`.
    fn name_word(&self, name: &str) -> Vec<u8> {
        format!("\"{name}\"").into_bytes()
    }

    fn join(&self, parts: Vec<Vec<u8>>) -> Vec<u8> {
        [b"(".as_slice(), &parts.join(b" + ".as_slice()), b")"].concat()
    }

    fn say(&self, message: &str) -> String {
        format!("print --stderr '{message}'")
    }

    fn check_name(&self, name: &str) -> Result<(), &'static str> {
        // `Path` is PATH there.
        let is_path = name != "PATH" && name.eq_ignore_ascii_case("PATH");
        if is_path || RESERVED.iter().any(|kept| kept.eq_ignore_ascii_case(name)) {
            Err("Nushell keeps the name for itself")
        } else {
            Ok(())
        }
    }
}

impl Shell for Nushell {
    fn name(&self) -> &'static str {
        "nushell"
    }

    fn file(&self) -> &'static str {
        "env.nu"
    }

    fn profile(&self, places: &Places<'_>) -> Option<PathBuf> {
        Some(places.config.join("nushell/config.nu"))
    }

    fn source_line(&self, scripts: &[ScriptPath]) -> String {
        let branch = |script: &ScriptPath| {
            let path = match script {
                ScriptPath::BelowHome(path) => format!("~{path}"),
                ScriptPath::At(path) => path.clone(),
            };
            let word = common::quoted(self, &path);
            format!("if ({word} | path exists) {{ {word} }} else ")
        };
        format!("source ({}{{ null }})", scripts.iter().map(branch).collect::<String>())
    }

    fn hook(&self, places: &HookPlaces<'_>) -> Option<String> {
        let quote = |text: &[u8]| self.quote(text).unwrap_or_default();
        let [variables, words] =
            places.step.render(quote, |name, value| format!("{name}: {value}, "));
        let others = [variables, words, ("FUNCTIONS", common::quoted(self, FUNCTIONS))];
        Some(places.fill(HOOK, quote, &others))
    }

    fn render_entered(&self, entered: &EnteredPlaces<'_>) -> Option<Vec<u8>> {
        let (memory, id) = (entered.memory, hook_id(entered.memory));
        let quote = |text: &[u8]| self.quote(text).ok();
        let mut script = Vec::new();
        let mut set = |name: &str, value: &str| {
            let line = match value {
                "" => format!("hide-env --ignore-errors {name}\n").into_bytes(),
                _ => [format!("$env.{name} = ").as_bytes(), &quote(value.as_bytes())?, b"\n"]
                    .concat(),
            };
            script.extend(line);
            Some(())
        };
        set(&format!("{memory}_entered"), entered.layers)?;
        if let Some(name) = entered.name {
            set("SYSLUA_PROJECT", name)?;
        }
        // A record: programs do not see it.
        let start = format!("$env.__syslua_entered_{id} = {{ said: ");
        script.extend(
            [start.as_bytes(), &quote(entered.said.as_bytes())?, b", watched: [\n"].concat(),
        );
        for Watched { file, note, is_there } in entered.watched {
            let note = match note {
                Some(note) => quote(&platform::bytes_of_path(note)),
                None => Some(b"null".to_vec()),
            };
            // What it cannot say, it does not look at.
            if let (Some(file), Some(note)) = (quote(&platform::bytes_of_path(file)), note) {
                let end = format!(", is_there: {is_there} }}\n");
                script.extend(
                    [b"  { file: ".as_slice(), &file, b", note: ", &note, end.as_bytes()].concat(),
                );
            }
        }
        script.extend_from_slice(b"] }\n");
        Some(script)
    }

    fn render_leave(&self, identity: &Identity<'_>) -> Option<Vec<u8>> {
        let calls = format!(
            "__syslua_leave {}\n\
             hide-env --ignore-errors ...$env.__syslua_state.hidden __syslua_state\n",
            identity.memory()
        );
        Some([FUNCTIONS.as_bytes(), calls.as_bytes()].concat())
    }

    fn render(&self, environment: &Environment, identity: &Identity<'_>) -> Vec<u8> {
        let (mut rest, declared) = common::lines(self, environment);
        rest.extend_from_slice(b"__syslua_end\n");
        let (aliases, refused) = common::aliases(self, environment);
        rest.extend(refused);
        for (name, command) in &aliases {
            // It has no words of other shells: sh takes them.
            let text = [&command.0, b" \"$@\"".as_slice()].concat();
            match self.quote(&text) {
                Ok(text) => {
                    let start = format!("def --wrapped {name} [...rest] {{ ^sh -c ");
                    rest.extend([start.as_bytes(), &text, b" sh ...$rest }\n"].concat());
                }
                Err(reason) => rest.extend(
                    format!(
                        "{}\n",
                        self.say(&common::refusal("nushell", &format!("the alias {name}"), reason))
                    )
                    .into_bytes(),
                ),
            }
        }
        let functions = common::functions(environment, self.name());
        for (name, text) in &functions {
            if std::str::from_utf8(&text.0).is_ok() {
                let start = format!("def --env --wrapped {name} [...args] {{\n");
                rest.extend([start.as_bytes(), &text.0, b"\n}\n"].concat());
            }
        }
        // A list, which other programs do not get: only a shell that has read this knows the names.
        let memory = Identity { project: None, ..*identity }.memory();
        let own = functions.iter().map(|(name, _)| *name);
        let names: Vec<&str> = aliases.iter().map(|(name, _)| *name).chain(own).collect();
        rest.extend(
            format!(
                "$env.{memory}_aliases = ($env.{memory}_aliases? | default [] | append [{}] | \
                 uniq)\n",
                names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
            )
            .into_bytes(),
        );
        for path in super::scripts_of(environment, self) {
            // The path has to be known before anything runs.
            if let (Ok(path), None) = (self.template(path), path.references().next()) {
                rest.extend(
                    [
                        b"source (if (".as_slice(),
                        &path,
                        b" | path exists) { ",
                        &path,
                        b" } else { null })\n",
                    ]
                    .concat(),
                );
            }
        }
        let stamp = identity.stamp(environment);
        let begin = format!(
            "__syslua_begin {} {stamp} \"{}\" {}\nhide-env --ignore-errors \
             ...$env.__syslua_state.hidden\n",
            identity.memory(),
            identity.sort(),
            declared.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" ")
        );
        common::script(identity, &stamp, FUNCTIONS, &[begin.as_bytes(), &rest])
    }
}
