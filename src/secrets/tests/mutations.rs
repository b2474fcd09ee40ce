//! Damaged documents: what sops refuses is refused here. `SYSLUA_SWEEP=all` tries 2,000 of them.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    clippy::print_stderr,
    reason = "a test"
)]

mod support;

use std::path::Path;

use support::{Numbers, identities, is_whole, run, sops, vectors};
use syslua_secrets::{Document, Format};

/// What somebody could do to a document: lines go, come twice, change places; values are exchanged;
/// bytes differ.
fn mutate(text: &str, numbers: &mut Numbers) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let (one, other) = (numbers.below(lines.len()), numbers.below(lines.len()));
    match numbers.below(9) {
        0 => {
            lines.remove(one);
        }
        1 => lines.insert(one, lines[other].clone()),
        2 => lines.swap(one, other),
        3 => {
            // The values of two lines.
            let split = |line: &str| line.find(['=', ':']).map(|at| at + 1);
            if let (Some(a), Some(b)) = (split(&lines[one]), split(&lines[other]))
                && one != other
            {
                let (x, y) = (lines[one][a..].to_owned(), lines[other][b..].to_owned());
                lines[one].truncate(a);
                lines[one].push_str(&y);
                lines[other].truncate(b);
                lines[other].push_str(&x);
            }
        }
        4 => {
            lines[one] = lines[one].replacen(
                "type:str",
                ["type:int", "type:bool", "type:bytes"][numbers.below(3)],
                1,
            );
        }
        5 => lines[one] = lines[one].replacen("ENC[", "", 1),
        6 => lines.insert(
            one,
            ["added: 1", "    added: x", "# added", "- added"][numbers.below(4)].to_owned(),
        ),
        7 => lines[one] = format!("{}{}", lines[one], [" ", "]", "x", " # c"][numbers.below(4)]),
        _ => {
            let mut letters: Vec<char> = lines[one].chars().collect();
            if !letters.is_empty() {
                let at = numbers.below(letters.len());
                letters[at] = ['A', '0', ' ', ':', '=', '-'][numbers.below(6)];
                lines[one] = letters.into_iter().collect();
            }
        }
    }
    lines.join("\n")
}

#[test]
fn what_sops_refuses_is_refused() {
    let Some(sops) = sops() else { return eprintln!("left out: sops is not installed") };
    let count = if is_whole() { 2000 } else { 60 };
    let identities = identities();
    let directory = tempfile::tempdir().unwrap();
    let names = ["basic.yaml", "mac_only.yaml", "regex.yaml", "basic.json", "app.env", "app.ini"];
    let mut numbers = Numbers::new(7);
    let (mut accepted, mut stricter, mut wrong) = (0, 0, Vec::new());
    for round in 0..count {
        let name = names[round % names.len()];
        let text = std::fs::read_to_string(vectors().join("enc").join(name)).unwrap();
        let changed = mutate(&text, &mut numbers);
        let ours = Document::parse(Format::of(Path::new(name)), changed.as_bytes())
            .and_then(|document| document.open(&identities));
        if ours.is_err() {
            stricter += 1;
            continue;
        }
        let file = directory.path().join(name);
        std::fs::write(&file, &changed).unwrap();
        if let Err(why) = run(&sops, &["decrypt", name], directory.path()) {
            let line = text.lines().zip(changed.lines()).find(|(old, new)| old != new);
            wrong.push(format!("round {round}, {name}: {why}\n{line:?}"));
        }
        accepted += 1;
    }
    assert!(wrong.is_empty(), "sops refuses what is accepted here:\n{}", wrong.join("\n"));
    // Most damage is found, and some does not matter: lines of the metadata that change places,
    // say.
    assert!(stricter > count / 4 && accepted > 0, "{accepted} accepted, {stricter} refused");
}
