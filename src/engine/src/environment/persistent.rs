//! The environment of whole sessions, which programs see that no shell started: a file of
//! environment.d, and a LaunchAgent.
//!
//! environment.d(5) names the grammar: systemd reads `NAME="VALUE"` as `parse_env_file` does, and
//! expands `$` in what comes of that. launchd.plist(5) and launchctl(1) name the other.

use super::shells::{Call, List, calls};
use super::{Environment, lists};
use crate::variable::{Part, Template};

/// Why a variable cannot be said there.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the variable {name} {why}")]
pub struct Refused {
    /// The variable.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

type Result<T> = std::result::Result<T, Refused>;

/// What launchd calls the LaunchAgent.
pub const LABEL: &str = "lua.sys.environment";

/// What launchd has on PATH unless told otherwise.
const LAUNCHD_PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

fn utf8<'a>(name: &str, text: &'a [u8]) -> Result<&'a str> {
    let refuse = |why| Refused { name: name.to_owned(), why };
    let text = std::str::from_utf8(text)
        .map_err(|_| refuse("is not UTF-8, which the session's environment must be"))?;
    let is_odd = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    if text.contains(is_odd) {
        return Err(refuse("has a control character, which the session's environment cannot hold"));
    }
    Ok(text)
}

/// Returns the file of environment.d.
///
/// # Errors
/// When a value cannot be said in it.
pub fn environment_d(environment: &Environment) -> Result<Vec<u8>> {
    let mut text = String::from("# Written by sys.lua: env.persistent{} of the config.\n");
    for call in calls(environment) {
        let value = match &call {
            Call::Single(name, value) => session_text(name, value)?,
            Call::List(name, list) => session_list(name, list)?,
        };
        text.push_str(&format!("{}=\"{value}\"\n", call.name()));
    }
    Ok(text.into_bytes())
}

fn session_text(name: &str, template: &Template) -> Result<String> {
    match template {
        Template::Text(text) => Ok(escape(utf8(name, &text.0)?)),
        Template::Parts { parts } => {
            let part = |part: &Part| match part {
                Part::Text(text) => Ok(escape(utf8(name, &text.0)?)),
                Part::Reference { reference } => Ok(format!("${{{reference}}}")),
            };
            parts.iter().map(part).collect()
        }
    }
}

fn session_list(name: &str, list: &List<'_>) -> Result<String> {
    if list.separator.contains(['$', '{', '}', '"', '\\', '`']) {
        return Err(Refused {
            name: name.to_owned(),
            why: "has a separator that environment.d cannot hold",
        });
    }
    let entries: Result<Vec<String>> =
        list.entries.iter().map(|entry| session_text(name, entry)).collect();
    let entries = entries?.join(list.separator);
    let separator = list.separator;
    Ok(match list.default {
        Some(default) => {
            format!("{entries}{separator}${{{name}:-{}}}", default.replace(lists::HOME, "${HOME}"))
        }
        None => format!("{entries}${{{name}:+{separator}${{{name}}}}}"),
    })
}

/// Escapes a text inside of double quotes; a `$` is doubled, since what is read is expanded.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '$' => escaped.push_str("\\$\\$"),
            '"' | '\\' | '`' => escaped.extend(['\\', letter]),
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// Returns the LaunchAgent that sets the variables at login.
///
/// # Errors
/// When a value cannot be said in it.
pub fn launch_agent(environment: &Environment, label: &str) -> Result<Vec<u8>> {
    let mut script = String::new();
    for call in calls(environment) {
        let value = match &call {
            Call::Single(name, value) => launch_text(name, value)?,
            Call::List(name, list) => {
                let entries: Result<Vec<String>> =
                    list.entries.iter().map(|entry| launch_text(name, entry)).collect();
                let default = if *name == "PATH" { Some(LAUNCHD_PATH) } else { list.default };
                let default =
                    default.map(|default| word(&default.replace(lists::HOME, "~"))).into_iter();
                entries?.into_iter().chain(default).collect::<Vec<_>>().join(&word(list.separator))
            }
        };
        script.push_str(&format!(
            "{0}={value}; export {0}; launchctl setenv {0} \"${0}\"\n",
            call.name()
        ));
    }
    let strings =
        ["/bin/sh", "-c", &script].map(|text| format!("\t\t<string>{}</string>\n", xml(text)));
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\t<key>Label</key>\n\t<string>{}</string>\n\
         \t<key>ProgramArguments</key>\n\t<array>\n{}\t</array>\n\t<key>RunAtLoad</key>\n\t<true/>\n</dict>\n</plist>\n",
        xml(label),
        strings.concat()
    )
    .into_bytes())
}

fn launch_text(name: &str, template: &Template) -> Result<String> {
    match template {
        Template::Text(text) => Ok(word(utf8(name, &text.0)?)),
        Template::Parts { parts } => {
            let part = |part: &Part| match part {
                Part::Text(text) => Ok(word(utf8(name, &text.0)?)),
                Part::Reference { reference } => Ok(format!("\"${{{reference}-}}\"")),
            };
            parts.iter().map(part).collect()
        }
    }
}

fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Variable;
    use crate::activation::Activation;
    use crate::variable::VariableValue;

    fn of(name: &str, value: VariableValue) -> Environment {
        let action = Variable { name: name.to_owned(), value };
        Environment::of_session(&[Activation::new(action.into(), Vec::new())])
    }

    fn single(value: &str) -> Environment {
        of("A", VariableValue::Single(value.into()))
    }

    fn list(name: &str, entries: &[&str]) -> Environment {
        let entries = entries.iter().map(|entry| (*entry).into()).collect();
        of(name, VariableValue::List { entries, separator: ":".to_owned() })
    }

    fn line(environment: &Environment) -> String {
        let text = String::from_utf8(environment_d(environment).unwrap()).unwrap();
        text.split_once('\n').unwrap().1.trim_end().to_owned()
    }

    #[test]
    fn environment_d_has_every_text_quoted_and_lists_before_what_there_is() {
        assert_eq!(line(&single("a 'b' # c")), r#"A="a 'b' # c""#);
        assert_eq!(line(&single(r#""$B\`"#)), r#"A="\"\$\$B\\\`""#);
        assert_eq!(line(&single("~/x")), r#"A="${HOME}/x""#);
        assert_eq!(
            line(&list("PATH", &["~/bin", "/b"])),
            r#"PATH="${HOME}/bin:/b:${PATH:-/bin:/usr/bin}""#
        );
        assert_eq!(line(&list("CPATH", &["/b"])), r#"CPATH="/b${CPATH:+:${CPATH}}""#);
        let expected = r#"XDG_DATA_DIRS="/x:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}""#;
        assert_eq!(line(&list("XDG_DATA_DIRS", &["/x"])), expected);
        assert!(environment_d(&single("a\u{1}")).is_err());
    }

    #[test]
    fn a_launch_agent_is_xml_around_a_script() {
        let text = String::from_utf8(launch_agent(&single("a<b&'c'"), "lua.sys").unwrap()).unwrap();
        let expected = r#"A='a&lt;b&amp;'\''c'\'''; export A; launchctl setenv A "$A""#;
        assert!(text.contains(expected), "{text}");
        let text =
            String::from_utf8(launch_agent(&list("PATH", &["/x"]), "lua.sys").unwrap()).unwrap();
        assert!(
            text.contains("PATH='/x'':''/usr/bin:/bin:/usr/sbin:/sbin'; export PATH"),
            "{text}"
        );
    }
}
