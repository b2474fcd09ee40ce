//! Units of systemd, read as its manual says that they are read; where `systemd-analyze` is there,
//! by it too.

use std::process::Command as Process;

use proptest::prelude::*;

use super::super::{Manager, Unit, given, render};
use crate::declaration::{Declaration, Scope};
use crate::unit_file::UnitFile;

fn declared(json: serde_json::Value) -> Declaration {
    serde_json::from_value(json).unwrap()
}

fn systemd(json: serde_json::Value) -> Vec<Unit> {
    render(&declared(json), Manager::Systemd).unwrap()
}

/// Reads words as `ExecStart=` does: quotes, backslashes, then specifiers and dollars.
fn read_words(line: &str) -> Vec<String> {
    let (mut words, mut characters) = (Vec::new(), line.chars().peekable());
    while characters.next_if_eq(&' ').is_some() || characters.peek().is_some() {
        let Some('"') = characters.next() else { panic!("no quote in {line}") };
        let mut word = String::new();
        loop {
            match characters.next().unwrap() {
                '"' => break,
                '\\' => word.push(characters.next().unwrap()),
                // What is not expanded in the program's path is not doubled there either.
                '$' if words.is_empty() => word.push('$'),
                twice @ ('%' | '$') => {
                    assert_eq!(characters.next(), Some(twice), "{line}");
                    word.push(twice);
                }
                character => word.push(character),
            }
        }
        words.push(word);
    }
    words
}

proptest! {
    #[test]
    fn words_are_read_as_they_are_written(
        program in "/[a-z$% ]{0,6}x",
        words in prop::collection::vec("\\PC{0,12}|[%$\"'\\\\; ]{0,6}", 0..5),
        value in "\\PC{0,12}|[%$\"'\\\\; ]{0,6}",
    ) {
        let mut command = vec![program];
        command.extend(words);
        let units = systemd(serde_json::json!({
            "name": "web", "command": command, "environment": { "A_1": value },
        }));
        let file = UnitFile::parse(&units[0].text);
        let line = file.values("Service", "ExecStart").next().unwrap();
        prop_assert_eq!(read_words(line), command);
        let variable = file.values("Service", "Environment").next().unwrap();
        // Dollars count in arguments only.
        prop_assert_eq!(read_words(variable), vec![format!("A_1={value}")]);
    }

    #[test]
    fn control_characters_are_refused(text in "\\PC{0,3}\\p{Cc}\\PC{0,3}") {
        for field in [
            "description", "command", "directory", "environment", "environment_files", "user",
            "after", "limits", "schedule", "socket", "unit",
        ] {
            let value = match field {
                "command" => serde_json::json!(["/bin/x", text]),
                "environment" => serde_json::json!({ "A": text }),
                "environment_files" => serde_json::json!([format!("/{text}")]),
                "after" => serde_json::json!([text]),
                "limits" => serde_json::json!({ "memory": text }),
                "schedule" => serde_json::json!({ "calendar": [text] }),
                "socket" => serde_json::json!({ "listen": [format!("/{text}")] }),
                "unit" => serde_json::json!({ "Service": { "A": [text] } }),
                "directory" => serde_json::json!(format!("/{text}")),
                _ => serde_json::json!(text),
            };
            let mut json = serde_json::json!({
                "name": "web", "scope": "system", "command": ["/bin/x"],
            });
            json[field] = value;
            prop_assert!(render(&declared(json), Manager::Systemd).is_err(), "{}", field);
        }
    }
}

#[test]
fn what_is_started_otherwise_is_not_started_with_the_machine() {
    let units = systemd(serde_json::json!({
        "name": "backup", "scope": "system", "command": "backup", "ready": "oneshot",
        "schedule": { "calendar": ["daily"], "every": "15m", "on_boot": "1m" },
        "unit": { "Timer": { "AccuracySec": ["1s"] }, "Service": { "Nice": ["5"] } },
    }));
    assert_eq!(
        units.iter().map(|unit| (unit.name.as_str(), unit.starts)).collect::<Vec<_>>(),
        [("backup.timer", true), ("backup.service", false)]
    );
    assert!(
        units[0].text.contains("OnUnitActiveSec=15min\n") && units[0].text.contains("AccuracySec")
    );
    assert!(!units[1].text.contains("[Install]") && units[1].text.contains("Nice=5"));
    assert_eq!(
        units[0].links,
        [(
            "/etc/systemd/system/timers.target.wants/backup.timer".to_owned(),
            "/etc/systemd/system/backup.timer".to_owned()
        )]
    );
}

#[test]
fn a_list_repeats_the_key_and_what_is_given_replaces_what_is_rendered() {
    let units = systemd(serde_json::json!({
        "name": "web", "command": ["/bin/x"],
        "unit": { "Service": { "ExecStart": ["", "/bin/y"], "Type": ["simple"] } },
    }));
    let file = UnitFile::parse(&units[0].text);
    assert_eq!(file.values("Service", "ExecStart").collect::<Vec<_>>(), ["", "/bin/y"]);
    assert_eq!(file.values("Service", "Type").collect::<Vec<_>>(), ["simple"]);
}

#[test]
fn a_given_unit_is_enabled_as_it_says() {
    let unit = given("web", Scope::User, Some("[Service]\nExecStart=/bin/x\n")).unwrap();
    assert_eq!(unit.links[0].0, "~/.config/systemd/user/default.target.wants/web.service");
    let text = "[Service]\nExecStart=/bin/x\n[Install]\nRequiredBy=a.target\nAlias=b.service\n";
    let unit = given("web", Scope::System, Some(text)).unwrap();
    let links: Vec<_> = unit.links.iter().map(|(link, _)| link.as_str()).collect();
    assert_eq!(
        links,
        ["/etc/systemd/system/a.target.requires/web.service", "/etc/systemd/system/b.service"]
    );
    assert!(given("web", Scope::User, Some("ExecStart=/bin/x")).is_err());
    let links = given("web", Scope::System, None).unwrap().links;
    assert_eq!(links[0].0, "/etc/systemd/system/multi-user.target.wants/web.service");
}

#[test]
fn what_systemd_would_ignore_or_refuse_is_refused() {
    for (field, value) in [
        ("environment", serde_json::json!({ "A": "x\u{fdd0}y" })),
        ("description", serde_json::json!("x\u{ffff}y")),
        ("command", serde_json::json!(["/srv/it's"])),
        ("command", serde_json::json!(["/srv/a\"b"])),
        ("directory", serde_json::json!(format!("/{}", "x".repeat(300)))),
        ("environment_files", serde_json::json!([format!("/{}", "x".repeat(300))])),
        ("schedule", serde_json::json!({ "calendar": ["daily", "25:00"] })),
        ("schedule", serde_json::json!({ "calendar": ["*-02-30"] })),
        ("schedule", serde_json::json!({ "every": "4294967295w" })),
        ("after", serde_json::json!(["a@"])),
        ("after", serde_json::json!(["@a"])),
        ("after", serde_json::json!(["x".repeat(247)])),
        ("requires", serde_json::json!(["a@.service"])),
        ("unit", serde_json::json!({ "Install": { "WantedBy": ["../../../tmp/evil.target"] } })),
        ("unit", serde_json::json!({ "Install": { "WantedBy": ["%n.target"] } })),
        ("unit", serde_json::json!({ "Install": { "WantedBy": ["multi-user"] } })),
        ("unit", serde_json::json!({ "Install": { "RequiredBy": ["a.target /b.target"] } })),
        ("unit", serde_json::json!({ "Install": { "Alias": ["../x.service"] } })),
        ("unit", serde_json::json!({ "Install": { "Alias": ["x.target"] } })),
    ] {
        let mut json = serde_json::json!({
            "name": "web", "scope": "system", "command": ["/bin/x"],
        });
        json[field] = value;
        let refusal = render(&declared(json.clone()), Manager::Systemd).unwrap_err();
        assert!(refusal.field.starts_with(field), "{json}: {refusal}");
    }
    assert!(given("web", Scope::User, Some("[Service]\n[Install]\nAlias=../a.service")).is_err());
}

#[test]
fn systemd_finds_nothing_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for json in [
        serde_json::json!({
            "name": "a", "scope": "system", "command": ["/bin/sleep", "%n $HOME \"';\\"],
            "description": "100 % \"x\" \\n", "environment": { "A": "% $ \\ \" '" },
            "environment_files": ["-/etc/%x $y"], "user": "root", "directory": "/tmp/a b%c",
            "restart": "always", "ready": "notify", "after": ["network.target", "dbus"],
            "wants": ["network-online.target"],
            "limits": {
                "memory": "512M", "cpu": "50%", "tasks": "64", "files": "4096", "nice": "5",
            },
        }),
        serde_json::json!({
            "name": "b", "scope": "system", "command": "exec sleep 9", "ready": "oneshot",
            "schedule": { "calendar": ["Mon *-*-* 03:00", "daily"], "on_boot": "2h" },
        }),
        serde_json::json!({
            "name": "c", "scope": "system", "command": ["/bin/cat"],
            "socket": {
                "listen": ["8080", "127.0.0.1:81", "[::1]:82", "/run/c %s", "udp:83", "@c"],
            },
        }),
    ] {
        for unit in systemd(json) {
            let path = directory.path().join(&unit.name);
            std::fs::write(&path, unit.text).unwrap();
            paths.push(path);
        }
    }
    let Ok(output) = Process::new("systemd-analyze").arg("verify").args(&paths).output() else {
        return;
    };
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    // What it says of other units, and that it cannot ask a manager, is not about these.
    let names = ["a.service", "b.service", "b.timer", "c.service", "c.socket"];
    let about: Vec<&str> =
        told.lines().filter(|line| names.iter().any(|name| line.contains(name))).collect();
    assert_eq!(about, Vec::<&str>::new(), "{told}");
}
