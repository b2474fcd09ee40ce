//! Each rule of the resolver against a small registry.
#![allow(
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops where something is wrong"
)]

use syslua_tools::index::{Matches, Source};
use syslua_tools::platform::PLATFORMS;
use syslua_tools::resolve::{Vars, platforms, resolve, unevaluated};
use syslua_tools::{Index, Package, Platform, Release, Unavailable};

const REGISTRY: &str = include_str!("registry.yaml");
const TESTS: &str = "packages:\n  - name: acme/hammer@v2.1.0\n  - name: acme/hammer\n    version: \
                     v1.0.0\n  - name: acme/anvil/cli@cli-v3.0\n";

fn index() -> Index {
    let source = Source { file: "registry.yaml", registry: REGISTRY, tests: Some(TESTS) };
    let (index, problems) = Index::build([source]);
    assert_eq!(problems, []);
    Index::parse(&index.to_bytes()).unwrap()
}

fn package(name: &str) -> Package {
    let index = index();
    let entry = index.entries().iter().find(|entry| entry.name == name);
    index.package(entry.expect(name)).unwrap()
}

fn resolved(name: &str, version: &str, platform: &str) -> Result<Release, Unavailable> {
    resolve(&package(name), version, Platform::parse(platform).unwrap(), &Vars::new())
}

fn file_of(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}

#[test]
fn releases_of_github_have_their_address_from_tag_and_asset() {
    let release = resolved("acme/hammer", "v2.1.0", "x86_64-linux").unwrap();
    assert_eq!(
        release.url,
        "https://github.com/acme/hammer/releases/download/v2.1.0/\
         hammer-2.1.0-x64-unknown-linux.tar.gz"
    );
    assert_eq!(release.format, "tar.gz");
    let programs: Vec<_> = release.files.iter().map(|file| (&*file.name, &file.path)).collect();
    let path = |name: &str| Some(format!("hammer-2.1.0-x64-unknown-linux/bin/{name}"));
    assert_eq!(programs, [("hammer", &path("hammer")), ("nail", &path("nail"))]);
    assert_eq!(release.files[0].link.as_deref(), Some("hm"));
    assert_eq!(file_of(&release.checksum.unwrap().url), "checksums-v2.1.0.txt");
    assert_eq!(release.signatures, ["cosign"]);
}

#[test]
fn only_the_first_override_that_fits_a_platform_applies() {
    let file = |platform: &str| {
        file_of(&resolved("acme/hammer", "v2.1.0", platform).unwrap().url).to_owned()
    };
    assert_eq!(file("aarch64-linux"), "hammer-2.1.0-arm64-linux-gnu.tar.gz");
    assert_eq!(file("aarch64-darwin"), "hammer-2.1.0-arm64-darwin.tar.gz");
    assert_eq!(file("x86_64-windows"), "hammer-2.1.0-x64-windows.zip");
    let windows = resolved("acme/hammer", "v2.1.0", "x86_64-windows").unwrap();
    assert_eq!(windows.checksum, None);
    assert_eq!(windows.files[0].path.as_deref(), Some("hammer-2.1.0-x64-windows/bin/hammer.exe"));
}

#[test]
fn overrides_by_version_are_tried_in_their_order_and_unreadable_ones_do_not_hold() {
    let release = resolved("acme/hammer", "v1.5.0", "x86_64-linux").unwrap();
    assert_eq!(file_of(&release.url), "hammer_linux_x86_64");
    assert_eq!((release.format.as_str(), &release.files[0].path), ("raw", &None));
    assert_eq!(release.checksum, None);
    let notes = unevaluated(&package("acme/hammer"), "v1.5.0");
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(notes[0].expression, "nonsense(Version)");
}

#[test]
fn emulated_processors_take_the_file_for_x86() {
    let release = resolved("acme/hammer", "v1.5.0", "aarch64-darwin").unwrap();
    assert_eq!(file_of(&release.url), "hammer_macos_x86_64");
    assert!(release.is_emulated);
    let release = resolved("acme/hammer", "v1.5.0", "aarch64-windows").unwrap();
    assert_eq!(file_of(&release.url), "hammer_windows_x86_64.exe");
    let release = resolved("acme/hammer", "v1.5.0", "aarch64-linux").unwrap();
    assert_eq!(file_of(&release.url), "hammer_linux_arm64");
    assert!(!release.is_emulated);
}

#[test]
fn no_release_has_a_reason() {
    let linux = "x86_64-linux";
    let reason = |name: &str, version: &str| resolved(name, version, linux).unwrap_err();
    assert!(matches!(reason("acme/hammer", "v0.5.0"), Unavailable::NoAsset { .. }));
    let error = reason("acme/hammer", "v0.1.0").to_string();
    assert_eq!(error, "acme/hammer: this version was withdrawn");
    assert!(matches!(reason("acme/rusty", "1"), Unavailable::NeedsCompiler { .. }));
    for name in ["acme/odd", "acme/escape"] {
        assert!(matches!(reason(name, "1"), Unavailable::Entry { .. }), "{name}");
    }
    let mut package = package("acme/hammer");
    package.base.version_overrides[3].rosetta2 = None;
    let platform = Platform::parse("aarch64-darwin").unwrap();
    let error = resolve(&package, "v1.0.0", platform, &Vars::new()).unwrap_err();
    let Unavailable::Platform { supported, .. } = error else { panic!("{error}") };
    assert_eq!(supported, platforms(&package, "v1.0.0", &Vars::new()));
    assert_eq!(supported.len(), 5);
}

#[test]
fn other_types_have_addresses_of_their_own() {
    let url = |name: &str, version: &str| resolved(name, version, "x86_64-linux").unwrap().url;
    assert_eq!(url("acme/anvil/cli", "cli-v3.0"), "https://example.org/v3.0/anvil-linux-amd64.zip");
    assert_eq!(
        url("acme/scripts", "v1.2"),
        "https://github.com/acme/scripts/archive/refs/tags/v1.2.tar.gz"
    );
    assert_eq!(
        url("acme/single", "v1 b"),
        "https://raw.githubusercontent.com/acme/single/v1%20b/bin/single"
    );
    let anvil = resolved("acme/anvil/cli", "cli-v3.0", "x86_64-linux").unwrap();
    assert_eq!(anvil.files[0].name, "cli");
}

#[test]
fn a_dot_of_the_version_is_no_ending() {
    let release = resolved("other/hammer", "1.2", "x86_64-windows").unwrap();
    assert_eq!(release.asset, "tool-1.2-windows-amd64.exe");
}

#[test]
fn words_name_packages() {
    let index = index();
    let one = |word: &str| match index.find(word) {
        Matches::One(entry) => entry.name.clone(),
        other => format!("{other:?}"),
    };
    for (word, name) in [
        ("acme/hammer", "acme/hammer"),
        ("old/hammer", "acme/hammer"),
        ("hammer", "acme/hammer"),
        ("nail", "acme/hammer"),
        ("sledge", "other/hammer"),
        ("scr", "acme/scripts"),
        ("Acme/Single", "acme/single"),
    ] {
        assert_eq!(one(word), name);
    }
    assert_eq!(index.find("hamer"), Matches::Nothing(vec!["acme/hammer", "other/hammer"]));
    let found: Vec<_> = index.search("HIT").iter().map(|entry| entry.name.clone()).collect();
    assert_eq!(found, ["acme/anvil/cli", "acme/hammer"]);
    assert_eq!(index.search("nail")[0].name, "acme/hammer");
}

#[test]
fn bad_entries_are_named_and_the_others_count() {
    let registry = "packages:\n  - type: http\n  - type: [a]\n    name: x/y\n  - name: good/one\n";
    let source = |registry| Source { file: "f.yaml", registry, tests: Some("packages: 7") };
    let (index, problems) = Index::build([source(registry), source("]"), source("a: 1")]);
    assert_eq!(index.entries().len(), 1);
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(Index::parse(b"{}\n").is_err());
    assert!(Index::parse(b"").is_err());
    let text = String::from_utf8(index.to_bytes()).unwrap().replacen("\"l\":", "\"l\":9", 1);
    assert!(Index::parse(text.as_bytes()).is_err());
}

#[test]
fn no_registry_is_a_panic() {
    for place in (0..REGISTRY.len()).step_by(7) {
        for letter in ["{{", "[", "\"", "9", ": "] {
            let text = format!("{}{letter}{}", &REGISTRY[..place], &REGISTRY[place + 1..]);
            let source = Source { file: "f", registry: &text, tests: None };
            let (index, _) = Index::build([source]);
            for entry in index.entries() {
                let package = index.package(entry).unwrap();
                for platform in PLATFORMS {
                    let _ = resolve(&package, "v1.5.0", platform, &Vars::new());
                }
            }
        }
    }
}

/// Builds an index of packages with one program each: name, type, more lines.
fn small(packages: &[(&str, &str, &str)]) -> Index {
    let entries = packages.iter().map(|(name, kind, more)| {
        let (owner, repository) = name.split_once('/').unwrap();
        format!(
            "  - type: {kind}\n    name: {name}\n    repo_owner: {owner}\n    repo_name: \
             {repository}\n    asset: file\n    format: raw\n{more}"
        )
    });
    let text = format!("packages:\n{}", entries.collect::<String>());
    Index::build([Source { file: "registry.yaml", registry: &text, tests: None }]).0
}

#[test]
fn what_needs_a_compiler_is_meant_only_where_nothing_else_is() {
    for kind in ["cargo", "go_install", "go_build"] {
        let index = small(&[
            ("crates.io/bat", kind, ""),
            ("sharkdp/bat", "github_release", ""),
            ("crates.io/only", kind, ""),
        ]);
        for word in ["bat", "sharkdp/bat"] {
            let found = index.find(word);
            assert!(
                matches!(found, Matches::One(entry) if entry.name == "sharkdp/bat"),
                "{found:?}"
            );
        }
        for word in ["crates.io/bat", "only"] {
            assert!(matches!(index.find(word), Matches::One(entry) if entry.needs_compiler));
        }
    }
}

#[test]
fn vars_may_have_any_name() {
    for name in ["channel", "go_version", "flavour", "a", "Edition2"] {
        let more = format!(
            "    files:\n      - name: p\n    url: \"https://h/{{{{.Vars.{name}}}}}\"\n    vars:\n\
             \x20     - name: {name}\n        default: plain\n"
        );
        let index = small(&[("acme/vary", "http", &more)]);
        let package = index.package(&index.entries()[0]).unwrap();
        for (given, expected) in [(None, "plain"), (Some("other"), "other")] {
            let vars: Vars =
                given.map(|value| (name.to_owned(), value.to_owned())).into_iter().collect();
            let release = resolve(&package, "v1", PLATFORMS[0], &vars).unwrap();
            assert_eq!(release.url, format!("https://h/{expected}"));
        }
    }
}

#[test]
fn names_of_programs_that_no_lock_may_have_are_refused() {
    for (letter, shown) in
        [("\\u0001", 1), ("\\n", 10), ("\\x1b", 27), ("\\x7f", 127), ("\\x9b", 155)]
    {
        for line in ["name: \"aXb\"", "name: p\n        src: \"d/aXb\""] {
            let more = format!("    files:\n      - {}\n", line.replace('X', letter));
            let index = small(&[("acme/odd", "github_archive", &more)]);
            let package = index.package(&index.entries()[0]).unwrap();
            let release = resolve(&package, "v1", PLATFORMS[0], &Vars::new());
            assert!(
                matches!(release, Err(Unavailable::Entry { .. })),
                "{shown} {line}: {release:?}"
            );
        }
    }
}
