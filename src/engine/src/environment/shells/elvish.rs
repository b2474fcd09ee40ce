//! Elvish: its script, and the file that reads it.

use std::path::PathBuf;

use super::common::{self, Words};
use super::{Identity, Places, ScriptPath, Shell};
use crate::environment::Environment;

const FUNCTIONS: &str = include_str!("elvish.elv");

/// Elvish.
pub struct Elvish;

impl Words for Elvish {
    fn quote(&self, text: &[u8]) -> Result<Vec<u8>, &'static str> {
        // A script is UTF-8; other bytes have escapes, which are bytes.
        let is_plain = std::str::from_utf8(text)
            .is_ok_and(|text| !text.contains(|letter: char| letter.is_control()));
        let mut quoted = Vec::new();
        if is_plain {
            quoted.push(b'\'');
            for &byte in text {
                quoted.extend_from_slice(if byte == b'\'' {
                    b"''"
                } else {
                    std::slice::from_ref(&byte)
                });
            }
            quoted.push(b'\'');
        } else {
            quoted.push(b'"');
            for &byte in text {
                match byte {
                    b'"' | b'\\' => quoted.extend([b'\\', byte]),
                    b' '..=b'~' => quoted.push(byte),
                    _ => quoted.extend(format!("\\x{byte:02x}").into_bytes()),
                }
            }
            quoted.push(b'"');
        }
        Ok(quoted)
    }

    fn reference(&self, name: &str) -> Vec<u8> {
        format!("(__syslua_get {name})").into_bytes()
    }
}

impl Shell for Elvish {
    fn name(&self) -> &'static str {
        "elvish"
    }

    fn file(&self) -> &'static str {
        "env.elv"
    }

    fn profile(&self, places: &Places<'_>) -> Option<PathBuf> {
        Some(places.config.join("elvish/rc.elv"))
    }

    fn source_line(&self, scripts: &[ScriptPath]) -> String {
        let quoted = |path: &str| common::quoted(self, path);
        let branch = |script: &ScriptPath| {
            let word = match script {
                ScriptPath::BelowHome(path) => format!("$E:HOME{}", quoted(path)),
                ScriptPath::At(path) => quoted(path),
            };
            format!(
                "if (path:is-regular &follow-symlink=$true {word}) \
                 {{ eval (slurp < {word}) }}"
            )
        };
        format!("use path; {}", scripts.iter().map(branch).collect::<Vec<_>>().join(" el"))
    }

    fn render(&self, environment: &Environment, identity: &Identity<'_>) -> Vec<u8> {
        let (mut rest, declared) = common::lines(self, environment);
        rest.extend_from_slice(b"__syslua_end\n");
        for (name, command) in &environment.aliases {
            // A function of the user's editor, which is there only in an interactive shell.
            let text = [format!("edit:add-var {name}~ {{|@a| ").as_bytes(), &command.0, b" $@a }"]
                .concat();
            let text = self.quote(&text).unwrap_or_default();
            rest.extend([b"try { eval ".as_slice(), &text, b" } catch problem { nop }\n"].concat());
        }
        for (name, text) in common::functions(environment, self.name()) {
            let text =
                [format!("edit:add-var {name}~ {{|@args| ").as_bytes(), &text.0, b"\n}"].concat();
            let text = self.quote(&text).unwrap_or_default();
            rest.extend([b"try { eval ".as_slice(), &text, b" } catch problem { nop }\n"].concat());
        }
        for path in super::scripts_of(environment, self) {
            if let Ok(path) = self.template(path) {
                rest.extend([b"__syslua_source ".as_slice(), &path, b"\n"].concat());
            }
        }
        let stamp = identity.stamp(environment);
        let begin =
            format!("__syslua_begin {} {stamp} {}\n", identity.memory(), declared.join(" "));
        common::script(identity, &stamp, FUNCTIONS, &[begin.as_bytes(), &rest])
    }
}
