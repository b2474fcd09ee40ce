//! The environment of sessions, which also reaches programs that no shell started: a file of
//! environment.d, a LaunchAgent, and scripts that change the Windows registry.
//!
//! environment.d(5) names the grammar: systemd reads `NAME="VALUE"` as `parse_env_file` does, and
//! expands `$` in what comes of that. launchd.plist(5) and launchctl(1) name the second. Windows
//! reads `HKEY_CURRENT_USER\Environment`, and expands `%NAME%` in values of the kind REG_EXPAND_SZ:
//! <https://learn.microsoft.com/windows/win32/procthread/environment-variables>.

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
            // systemd calls such a line invalid, and ignores it.
            Call::Single(name, Template::Text(value)) if value.0.is_empty() => {
                return Err(Refused {
                    name: (*name).to_owned(),
                    why: "is empty, which environment.d cannot hold: leave it out",
                });
            }
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
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST \
         1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n\
         <dict>\n\t<key>Label</key>\n\t<string>{}</string>\n\t<key>ProgramArguments</key>\n\
         \t<array>\n{}\t</array>\n\t<key>RunAtLoad</key>\n\t<true/>\n</dict>\n</plist>\n",
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

/// Two scripts of PowerShell for one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryScripts {
    /// Sets the variables.
    pub set: String,
    /// Takes them back: earlier values return, and a value that changed since stays.
    pub unset: String,
}

/// The beginning of both scripts. A registry key remembers the values that they set and the earlier
/// ones, so that a script can run twice. It contains no double quotes: it is one argument of a
/// program.
const REGISTRY_FUNCTIONS: &str = r"$ErrorActionPreference = 'Stop'
$user = [Microsoft.Win32.Registry]::CurrentUser
$environment = $user.CreateSubKey('Environment')
$memory = $user.CreateSubKey('Software\sys.lua\Environment')
$raw = 'DoNotExpandEnvironmentNames'
function Set-Single($name, $value, $kind) {
  if ($null -eq $memory.GetValue('ours:' + $name)) {
    $before = $environment.GetValue($name, $null, $raw)
    if ($null -ne $before) {
      $memory.SetValue('before:' + $name, $before, $environment.GetValueKind($name))
    }
  }
  $memory.SetValue('ours:' + $name, $value)
  $environment.SetValue($name, $value, $kind)
}
function Remove-Single($name) {
  $ours = $memory.GetValue('ours:' + $name)
  if ($null -eq $ours) { return }
  if ($environment.GetValue($name, $null, $raw) -ceq $ours) {
    $before = $memory.GetValue('before:' + $name, $null, $raw)
    if ($null -eq $before) {
      $environment.DeleteValue($name, $false)
    } else {
      $environment.SetValue($name, $before, $memory.GetValueKind('before:' + $name))
    }
  }
  $memory.DeleteValue('ours:' + $name, $false)
  $memory.DeleteValue('before:' + $name, $false)
}
function Get-Entries($name, $separator) {
  $value = [string]$environment.GetValue($name, '', $raw)
  @($value -split [regex]::Escape($separator) | Where-Object { $_ -ne '' })
}
function Remove-List($name, $separator) {
  $ours = $memory.GetValue('ours:' + $name)
  if ($null -eq $ours) { return }
  $left = @(Get-Entries $name $separator | Where-Object { $ours -cnotcontains $_ })
  if ($left.Count -gt 0) {
    $environment.SetValue($name, ($left -join $separator), 'ExpandString')
  } else {
    $environment.DeleteValue($name, $false)
  }
  $memory.DeleteValue('ours:' + $name, $false)
}
function Set-List($name, $separator, $entries) {
  Remove-List $name $separator
  $there = @(Get-Entries $name $separator)
  $new = @($entries | Where-Object { $there -cnotcontains $_ })
  $memory.SetValue('ours:' + $name, [string[]]$new, 'MultiString')
  $environment.SetValue($name, (($new + $there) -join $separator), 'ExpandString')
}
";

/// Has running programs read the environment again: this call tells them, by `WM_SETTINGCHANGE`.
const REGISTRY_END: &str = r"[Environment]::SetEnvironmentVariable('SYSLUA_CHANGED', '1', 'User')
[Environment]::SetEnvironmentVariable('SYSLUA_CHANGED', $null, 'User')
";

/// Returns the scripts that set variables in the registry of Windows, and take them back.
///
/// # Errors
/// When a value cannot be said there.
pub fn registry(environment: &Environment) -> Result<RegistryScripts> {
    let (mut set, mut unset) = (REGISTRY_FUNCTIONS.to_owned(), REGISTRY_FUNCTIONS.to_owned());
    for call in calls(environment) {
        let name = single_quoted(call.name());
        match &call {
            Call::Single(variable, value) => {
                let (value, kind) = registry_text(variable, value, false)?;
                set.push_str(&format!("Set-Single {name} {} '{kind}'\n", single_quoted(&value)));
                unset.push_str(&format!("Remove-Single {name}\n"));
            }
            Call::List(variable, list) => {
                let entry =
                    |entry: &Template| Ok(single_quoted(&registry_text(variable, entry, true)?.0));
                let entries = list.entries.iter().map(entry).collect::<Result<Vec<_>>>()?;
                let separator = single_quoted(list.separator);
                set.push_str(&format!("Set-List {name} {separator} @({})\n", entries.join(", ")));
                unset.push_str(&format!("Remove-List {name} {separator}\n"));
            }
        }
    }
    set.push_str(REGISTRY_END);
    unset.push_str(REGISTRY_END);
    Ok(RegistryScripts { set, unset })
}

/// Returns a value as the registry has it, and the kind of it. `expands` is for values that Windows
/// expands in any case.
fn registry_text(name: &str, template: &Template, expands: bool) -> Result<(String, &'static str)> {
    let parts: &[Part] = match template {
        Template::Text(text) => &[Part::Text(text.clone())],
        Template::Parts { parts } => parts,
    };
    let expands = expands || parts.iter().any(|part| matches!(part, Part::Reference { .. }));
    let mut value = String::new();
    for part in parts {
        match part {
            Part::Text(text) => {
                let text = utf8(name, &text.0)?;
                if text.contains(['\n', '\0', '"']) {
                    return Err(Refused {
                        name: name.to_owned(),
                        why: "has a line end or a double quote: the script cannot hold it",
                    });
                } else if expands && text.contains('%') {
                    return Err(Refused {
                        name: name.to_owned(),
                        why: "has a `%`, which Windows would expand",
                    });
                }
                value.push_str(text);
            }
            // Windows calls it so.
            Part::Reference { reference } if reference == "HOME" => value.push_str("%USERPROFILE%"),
            Part::Reference { reference } => value.push_str(&format!("%{reference}%")),
        }
    }
    Ok((value, if expands { "ExpandString" } else { "String" }))
}

/// Quotes a text for PowerShell: about_Quoting_Rules counts typographic quotes as quotes.
fn single_quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for letter in text.chars() {
        if matches!(letter, '\'' | '\u{2018}'..='\u{201b}') {
            quoted.push(letter);
        }
        quoted.push(letter);
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Variable;
    use crate::activation::DeclaredAction;
    use crate::variable::VariableValue;

    fn of(name: &str, value: VariableValue) -> Environment {
        let action = Variable { name: name.to_owned(), value };
        Environment::of_session(&[DeclaredAction::new(action.into(), Vec::new())])
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
        // systemd ignores such a line.
        assert!(environment_d(&single("")).is_err());
    }

    #[test]
    fn the_registry_has_texts_as_they_are_and_references_in_percent_signs() {
        let scripts = |environment: &Environment| {
            let RegistryScripts { set, unset } = registry(environment).unwrap();
            let inner = |script: &str| {
                let script = script.strip_prefix(REGISTRY_FUNCTIONS).unwrap().to_owned();
                script.strip_suffix(REGISTRY_END).unwrap().trim_end().to_owned()
            };
            (inner(&set), inner(&unset))
        };
        assert_eq!(
            scripts(&single("it's 100 %")),
            ("Set-Single 'A' 'it''s 100 %' 'String'".to_owned(), "Remove-Single 'A'".to_owned())
        );
        assert_eq!(scripts(&single("~/x")).0, "Set-Single 'A' '%USERPROFILE%/x' 'ExpandString'");
        assert_eq!(
            scripts(&list("PATH", &["~/bin", "C:/b"])),
            (
                "Set-List 'PATH' ':' @('%USERPROFILE%/bin', 'C:/b')".to_owned(),
                "Remove-List 'PATH' ':'".to_owned()
            )
        );
        for refused in ["a\nb", "a\"b", "a\u{1}"] {
            assert!(registry(&single(refused)).is_err(), "{refused:?}");
        }
        assert!(registry(&list("PATH", &["100%"])).is_err());
        assert!(!REGISTRY_FUNCTIONS.contains('"') && !REGISTRY_END.contains('"'));
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
