//! Property lists of launchd: `launchd.plist(5)`.
//!
//! launchd knows no order of services: it ignores `after`, `requires`, `wants` and `unit`, and
//! takes a program for ready when it runs.

use super::calendar::Calendar;
use super::values::{Address, Limit, Listener, seconds};
use super::xml::escaped;
use super::{Role, Unit};
use crate::declaration::{Command, Declaration, Ready, Restart, Scope};
use crate::problem::Refusal;

/// A value of a property list.
enum Value {
    Text(String, String),
    Number(i64),
    Flag(bool),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

fn text(field: &str, text: &str) -> Value {
    Value::Text(field.to_owned(), text.to_owned())
}

fn write(value: &Value, depth: usize, to: &mut String) -> Result<(), Refusal> {
    let indent = "  ".repeat(depth);
    match value {
        Value::Text(field, text) => {
            to.push_str(&format!("{indent}<string>{}</string>\n", escaped(field, text)?));
        }
        Value::Number(number) => to.push_str(&format!("{indent}<integer>{number}</integer>\n")),
        Value::Flag(flag) => to.push_str(&format!("{indent}<{flag}/>\n")),
        Value::List(list) if list.is_empty() => to.push_str(&format!("{indent}<array/>\n")),
        Value::List(list) => {
            to.push_str(&format!("{indent}<array>\n"));
            for value in list {
                write(value, depth + 1, to)?;
            }
            to.push_str(&format!("{indent}</array>\n"));
        }
        Value::Map(entries) => {
            to.push_str(&format!("{indent}<dict>\n"));
            for (key, value) in entries {
                to.push_str(&format!("{indent}  <key>{}</key>\n", escaped(key, key)?));
                write(value, depth + 1, to)?;
            }
            to.push_str(&format!("{indent}</dict>\n"));
        }
    }
    Ok(())
}

/// Returns what launchd calls a service.
pub(super) fn label(name: &str) -> String {
    format!("lua.sys.{name}")
}

pub(super) fn render(declaration: &Declaration) -> Result<Unit, Refusal> {
    let label = label(&declaration.name);
    let entries = entries(declaration, &label)?;
    let mut body = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST \
         1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n",
    );
    write(&Value::Map(entries), 0, &mut body)?;
    body.push_str("</plist>\n");
    let directory = match declaration.scope {
        Scope::System => "/Library/LaunchDaemons",
        Scope::User => "~/Library/LaunchAgents",
    };
    Ok(Unit {
        target: format!("{directory}/{label}.plist"),
        name: label,
        role: Role::Main,
        copy: true,
        text: body,
        links: Vec::new(),
        starts: true,
    })
}

fn entries(declaration: &Declaration, label: &str) -> Result<Vec<(String, Value)>, Refusal> {
    if declaration.ready == Ready::Forking {
        return Err(Refusal::new(
            "ready",
            "cannot be \"forking\": launchd takes a program that \
             leaves for an ended program",
        ));
    }
    if !declaration.environment_files.is_empty() {
        return Err(Refusal::new("environment_files", "is not supported by launchd")
            .with_hint("declare `environment`, or have the command read them"));
    }
    let mut entries: Vec<(String, Value)> = Vec::new();
    let mut add = |key: &str, value: Value| entries.push((key.to_owned(), value));
    add("Label", text("name", label));
    let words = match &declaration.command {
        Command::Line(line) => {
            vec![text("", "/bin/sh"), text("", "-c"), text("command", line)]
        }
        Command::Words(words) => words.iter().map(|word| text("command", word)).collect(),
    };
    if words.is_empty() {
        return Err(Refusal::new("command", "is empty"));
    }
    add("ProgramArguments", Value::List(words));
    if !declaration.environment.is_empty() {
        let variables = declaration.environment.iter();
        let variables = variables
            .map(|(name, value)| (name.clone(), text(&format!("environment.{name}"), value)));
        add("EnvironmentVariables", Value::Map(variables.collect()));
    }
    for (key, field, value) in [
        ("UserName", "user", &declaration.user),
        ("GroupName", "group", &declaration.group),
        ("WorkingDirectory", "directory", &declaration.directory),
    ] {
        if let Some(value) = value {
            add(key, text(field, value));
        }
    }
    let is_started_later = declaration.schedule.is_some() || declaration.socket.is_some();
    match declaration.restart() {
        // What keeps it alive starts it with the machine too.
        _ if is_started_later => {}
        Restart::Always => add("KeepAlive", Value::Flag(true)),
        Restart::OnFailure => {
            add("KeepAlive", Value::Map(vec![("SuccessfulExit".to_owned(), Value::Flag(false))]));
        }
        Restart::No => {}
    }
    for (limit, value) in &declaration.limits {
        match Limit::read(limit, value)? {
            Limit::Nice(nice) => add("Nice", Value::Number(nice)),
            Limit::Files(count) => {
                let count = Value::Number(i64::try_from(count).unwrap_or(i64::MAX));
                add("SoftResourceLimits", Value::Map(vec![("NumberOfFiles".to_owned(), count)]));
            }
            _ => {
                let field = format!("limits.{limit}");
                return Err(Refusal::new(field, "is not supported by launchd"));
            }
        }
    }
    if let Some(schedule) = &declaration.schedule {
        let each = schedule.calendar.iter().map(|calendar| {
            let calendar = Calendar::parse("schedule.calendar", calendar)?;
            let number = |key: &str, value: u8| (key.to_owned(), Value::Number(i64::from(value)));
            let optional = [
                calendar.weekday.map(|day| number("Weekday", day)),
                calendar.day.map(|day| number("Day", day)),
                calendar.hour.map(|hour| number("Hour", hour)),
                Some(number("Minute", calendar.minute)),
            ];
            Ok(Value::Map(optional.into_iter().flatten().collect()))
        });
        let each = each.collect::<Result<Vec<_>, Refusal>>()?;
        if !each.is_empty() {
            add("StartCalendarInterval", Value::List(each));
        }
        if let Some(every) = &schedule.every {
            let seconds = seconds("schedule.every", every)?;
            add("StartInterval", Value::Number(i64::try_from(seconds).unwrap_or(i64::MAX)));
        }
        if schedule.on_boot.is_some() {
            return Err(Refusal::new(
                "schedule.on_boot",
                "is not supported by launchd, which starts at once or by the clock",
            )
            .with_hint("leave `schedule` out: it starts with the machine or the session"));
        }
    }
    if let Some(socket) = &declaration.socket {
        let mut listeners = Vec::new();
        for (index, listen) in socket.listen.iter().enumerate() {
            let field = format!("socket.listen[{}]", index + 1);
            let listener = Listener::read(&field, listen)?;
            let entry = |key: &str, value: &str| (key.to_owned(), text(&field, value));
            let kind = if listener.is_datagram { "dgram" } else { "stream" };
            let mut entries = vec![entry("SockType", kind)];
            match listener.address {
                Address::Path(path) => entries.push(entry("SockPathName", &path)),
                Address::Port(port) => entries.push(entry("SockServiceName", &port.to_string())),
                Address::V4(host, port) => {
                    entries.push(entry("SockNodeName", &host.to_string()));
                    entries.push(entry("SockServiceName", &port.to_string()));
                }
                Address::V6(host, port) => {
                    entries.push(entry("SockNodeName", &host.to_string()));
                    entries.push(entry("SockServiceName", &port.to_string()));
                }
                Address::Abstract(_) => {
                    return Err(Refusal::new(field, "begins with `@`, which only Linux has"));
                }
            }
            listeners.push(Value::Map(entries));
        }
        add("Sockets", Value::Map(vec![("Listeners".to_owned(), Value::List(listeners))]));
    }
    if !is_started_later {
        add("RunAtLoad", Value::Flag(true));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::File;
    use std::process::Command as Process;

    use proptest::prelude::*;

    use super::super::{Manager, render};
    use crate::declaration::Declaration;

    /// What tells of a property list as JSON.
    const READ: &str = "import json, plistlib, sys\n\
                        print(json.dumps(plistlib.load(sys.stdin.buffer)))";

    /// Reads a property list as `plistutil` writes it again, or `None` if it is not installed.
    fn read(plist: &str) -> Option<serde_json::Value> {
        let directory = tempfile::tempdir().unwrap();
        let (given, written) = (directory.path().join("a"), directory.path().join("b"));
        std::fs::write(&given, plist).unwrap();
        let arguments = [OsStr::new("-i"), given.as_ref(), OsStr::new("-o"), written.as_ref()];
        let output = Process::new("plistutil").args(arguments).output().ok()?;
        assert!(output.status.success(), "{plist}\n{}", String::from_utf8_lossy(&output.stderr));
        let mut child = Process::new("python3");
        child.args(["-c", READ]).stdin(File::open(&written).unwrap());
        let output = child.output().unwrap();
        assert!(output.status.success(), "{plist}\n{}", String::from_utf8_lossy(&output.stderr));
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }

    fn declared(json: serde_json::Value) -> Declaration {
        serde_json::from_value(json).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_text_is_read_as_it_is_written(word in "\\PC{0,20}", value in "\\PC{0,20}") {
            let declaration = declared(serde_json::json!({
                "name": "web", "scope": "user", "command": ["/bin/x", word.clone()],
                "environment": { "A": value.clone() },
                "schedule": { "calendar": ["Mon 03:30"], "every": "15m" },
                "socket": { "listen": ["127.0.0.1:80", "/run/x"] },
            }));
            if let Ok(units) = render(&declaration, Manager::Launchd) {
                if let Some(read) = read(&units[0].text) {
                    prop_assert_eq!(&read["ProgramArguments"][1], &word);
                    prop_assert_eq!(&read["EnvironmentVariables"]["A"], &value);
                    prop_assert_eq!(&read["StartCalendarInterval"][0]["Weekday"], 1);
                    prop_assert_eq!(&read["StartInterval"], 900);
                    prop_assert_eq!(&read["Sockets"]["Listeners"][1]["SockPathName"], "/run/x");
                }
            } else {
                let is_refused = (word + &value).contains(['\u{fffe}', '\u{ffff}']);
                prop_assert!(is_refused);
            }
        }
    }

    #[test]
    fn what_starts_later_is_not_kept_alive() {
        for (field, value) in [
            ("schedule", serde_json::json!({ "calendar": ["daily"] })),
            ("socket", serde_json::json!({ "listen": ["8080", "udp:/run/x"] })),
        ] {
            for restart in ["on-failure", "always"] {
                let mut json = serde_json::json!({ "name": "web", "command": ["/bin/x"] });
                (json[field], json["restart"]) = (value.clone(), restart.into());
                let text = &render(&declared(json), Manager::Launchd).unwrap()[0].text;
                assert!(!text.contains("KeepAlive") && !text.contains("RunAtLoad"), "{text}");
            }
        }
    }

    #[test]
    fn what_launchd_does_not_know_is_refused() {
        for (field, value) in [
            ("ready", serde_json::json!("forking")),
            ("environment_files", serde_json::json!(["/etc/x"])),
            ("limits", serde_json::json!({ "memory": "512M" })),
            ("schedule", serde_json::json!({ "calendar": ["Mon..Fri 03:00"] })),
            ("command", serde_json::json!(["/bin/x", "a\u{7}"])),
            ("command", serde_json::json!(["relative"])),
            ("command", serde_json::json!("")),
            ("schedule", serde_json::json!({ "on_boot": "5m" })),
            ("schedule", serde_json::json!({})),
            ("socket", serde_json::json!({ "listen": ["@abstract"] })),
            ("socket", serde_json::json!({ "listen": ["run/x"] })),
            ("socket", serde_json::json!({ "listen": ["0"] })),
            ("directory", serde_json::json!("x/../y")),
            ("directory", serde_json::json!("~")),
            ("user", serde_json::json!("bob")),
            ("environment", serde_json::json!({ "A=B": "x" })),
            ("environment", serde_json::json!({ "": "x" })),
            ("limits", serde_json::json!({ "nice": "99" })),
            ("limits", serde_json::json!({ "files": "-1" })),
        ] {
            let mut json = serde_json::json!({ "name": "web", "command": ["/bin/x"] });
            json[field] = value;
            assert!(render(&declared(json), Manager::Launchd).is_err(), "{field}");
        }
    }
}
