//! fish: its script, and the file that reads it.

use std::path::PathBuf;

use super::common::{self, Words};
use super::{
    EnteredPlaces, HookPlaces, Identity, Places, ScriptPath, Shell, Subshell, Watched, hook_id,
};
use crate::environment::Environment;
use crate::platform;

const FUNCTIONS: &str = include_str!("fish.fish");

/// What it does at each prompt.
const HOOK: &str = include_str!("hook.fish");

/// Defines aliases and functions.
const ALIASES: &str = include_str!("aliases.fish");

/// What it does there about directories with an entry file.
const PROJECT_HOOK: &str = include_str!("project_hook.fish");

/// fish.
pub struct Fish;

/// Names that no function can have. Source: its manual, `function`.
const RESERVED: [&str; 8] = ["[", "_", "argparse", "read", "status", "string", "ulimit", "wait"];

impl Words for Fish {
    fn takes_alias(&self, name: &str) -> bool {
        !RESERVED.contains(&name)
    }

    fn quote(&self, text: &[u8]) -> Result<Vec<u8>, &'static str> {
        let mut quoted = vec![b'\''];
        for &byte in text {
            if byte == b'\'' || byte == b'\\' {
                quoted.push(b'\\');
            }
            quoted.push(byte);
        }
        quoted.push(b'\'');
        Ok(quoted)
    }

    fn reference(&self, name: &str) -> Vec<u8> {
        format!("\"${name}\"").into_bytes()
    }
}

impl Shell for Fish {
    fn name(&self) -> &'static str {
        "fish"
    }

    fn file(&self) -> &'static str {
        "env.fish"
    }

    fn profile(&self, places: &Places<'_>) -> Option<PathBuf> {
        Some(places.config.join("fish/config.fish"))
    }

    fn source_line(&self, scripts: &[ScriptPath]) -> String {
        let quoted = |path: &str| common::quoted(self, path);
        let word = |script: &ScriptPath| match script {
            ScriptPath::BelowHome(path) => format!("$HOME{}", quoted(path)),
            ScriptPath::At(path) => quoted(path),
        };
        if let [script] = scripts {
            let word = word(script);
            return format!("test -r {word}; and source {word}");
        }
        let branch = |script| {
            let word = word(script);
            format!("if test -r {word}; source {word}; ")
        };
        format!("{}end", scripts.iter().map(branch).collect::<Vec<_>>().join("else "))
    }

    fn hook(&self, places: &HookPlaces<'_>) -> Option<String> {
        let quote = |text: &[u8]| self.quote(text).unwrap_or_default();
        let [variables, words] =
            places.step.render(quote, |name, value| format!("{name}={value} "));
        let others = [variables, words, ("FUNCTIONS", common::quoted(self, FUNCTIONS))];
        Some(places.fill(&[PROJECT_HOOK, HOOK].concat(), quote, &others))
    }

    fn render_leave(&self, identity: &Identity<'_>) -> Option<Vec<u8>> {
        let calls = format!("__syslua_leave {}\n__syslua_end\n", identity.memory());
        Some([FUNCTIONS.as_bytes(), calls.as_bytes()].concat())
    }

    fn render_entered(&self, entered: &EnteredPlaces<'_>) -> Option<Vec<u8>> {
        let mut script = Vec::new();
        let (memory, id) = (entered.memory, hook_id(entered.memory));
        let quote = |text: &[u8]| self.quote(text).unwrap_or_default();
        let mut set = |name: &str, value: &str| {
            let line = [format!("set -gx {name} ").as_bytes(), &quote(value.as_bytes())].concat();
            script.extend(if value.is_empty() {
                format!("set -e {name}").into_bytes()
            } else {
                line
            });
            script.push(b'\n');
        };
        set(&format!("{memory}_entered"), entered.layers);
        if let Some(name) = entered.name {
            set("SYSLUA_PROJECT", name);
        }
        script.extend(
            [format!("set -g __syslua_said_{id} ").as_bytes(), &quote(entered.said.as_bytes())]
                .concat(),
        );
        script.extend(format!("\nfunction __syslua_watch_{id}\n").into_bytes());
        for Watched { file, note, is_there } in entered.watched {
            let file = quote(&platform::bytes_of_path(file));
            if let Some(note) = note {
                let note = quote(&platform::bytes_of_path(note));
                script.extend(
                    [b"    test ".as_slice(), &file, b" -nt ", &note, b"; and return 0\n"].concat(),
                );
            }
            let changed =
                if *is_there { b"; or return 0\n".as_slice() } else { b"; and return 0\n" };
            script.extend([b"    test -e ".as_slice(), &file, changed].concat());
        }
        script.extend_from_slice(b"    return 1\nend\n");
        Some(script)
    }

    fn subshell(&self, script: &str) -> Option<Subshell> {
        Some(Subshell {
            arguments: vec!["-C".to_owned(), format!("source {script}")],
            ..Subshell::default()
        })
    }

    fn mark_prompt(&self) -> &'static str {
        "functions -q fish_prompt; and functions -c fish_prompt __syslua_prompt\n\
         function fish_prompt; echo -n \"($SYSLUA_PROJECT) \"; functions -q __syslua_prompt; \
         and __syslua_prompt; end\n"
    }

    fn render(&self, environment: &Environment, identity: &Identity<'_>) -> Vec<u8> {
        let (mut rest, declared) = common::lines(self, environment);
        rest.extend_from_slice(b"__syslua_end\n");
        let stamp = identity.stamp(environment);
        let functions = common::functions(environment, self.name());
        let own = functions.iter().map(|(name, _)| *name);
        let (aliases, refused) = common::aliases(self, environment);
        rest.extend(refused);
        let names: Vec<&str> = aliases.iter().map(|(name, _)| *name).chain(own).collect();
        let mut define = Vec::new();
        for (name, command) in aliases {
            let command = self.quote(&command.0).unwrap_or_default();
            define.extend(
                [b"        alias ".as_slice(), name.as_bytes(), b" ", &command, b"\n"].concat(),
            );
        }
        for (name, text) in functions {
            // What cannot be read is an error of this function only.
            let whole = [format!("function {name}\n").as_bytes(), &text.0, b"\nend"].concat();
            define.extend(
                [b"        eval ".as_slice(), &self.quote(&whole).unwrap_or_default(), b"\n"]
                    .concat(),
            );
        }
        let filled =
            |text: &str| common::layer(text, identity, &stamp).replace("NAMES", &names.join(" "));
        let (before, after) = ALIASES.split_once("DEFINE").unwrap_or((ALIASES, ""));
        rest.extend([filled(before).as_bytes(), &define, filled(after).as_bytes()].concat());
        for share in common::shares(environment, identity) {
            let Ok(directory) =
                self.quote(&[&share, b"/fish/vendor_completions.d".as_slice()].concat())
            else {
                continue;
            };
            rest.extend(
                [b"builtin contains -- ".as_slice(), &directory, b" $fish_complete_path\n"]
                    .concat(),
            );
            rest.extend(
                [
                    b"or set -g fish_complete_path ".as_slice(),
                    &directory,
                    b" $fish_complete_path\n",
                ]
                .concat(),
            );
        }
        for path in super::scripts_of(environment, self) {
            if let Ok(path) = self.template(path) {
                rest.extend(
                    [b"if test -r ".as_slice(), &path, b"\n    builtin source ", &path, b"\nend\n"]
                        .concat(),
                );
            }
        }
        let begin = format!(
            "__syslua_begin {} {stamp} '{}' {}\n",
            identity.memory(),
            identity.sort(),
            declared.join(" ")
        );
        common::script(identity, &stamp, FUNCTIONS, &[begin.as_bytes(), &rest])
    }
}
