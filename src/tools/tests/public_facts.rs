//! The resolver against facts from public lock files, and against all packages of a public
//! registry.
//!
//! `SYSLUA_TOOL_FACTS` names a directory with `aqua-registry.tar.xz` and `tool-truth.json`. Without
//! it these tests do nothing, and say so.
#![allow(
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test reads what it is given, and reports"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use syslua_tools::index::Source;
use syslua_tools::platform::PLATFORMS;
use syslua_tools::resolve::{Vars, resolve, unevaluated};
use syslua_tools::{Index, Package, Platform};

fn facts() -> Option<PathBuf> {
    let directory = std::env::var_os("SYSLUA_TOOL_FACTS").map(PathBuf::from);
    let directory = directory.filter(|directory| directory.join("tool-truth.json").is_file());
    if directory.is_none() {
        eprintln!("skipped: SYSLUA_TOOL_FACTS names no directory with tool-truth.json");
    }
    directory
}

/// Unpacks the registry and reads its files: path, `registry.yaml`, `pkg.yaml`.
fn files(facts: &Path) -> Vec<(String, String, Option<String>)> {
    fn walk(directory: &Path, all: &mut Vec<(String, String, Option<String>)>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, all);
            } else if path.file_name().is_some_and(|name| name == "registry.yaml") {
                let tests = std::fs::read_to_string(path.with_file_name("pkg.yaml")).ok();
                let name = path.display().to_string();
                all.push((name, std::fs::read_to_string(&path).unwrap(), tests));
            }
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let archive = facts.join("aqua-registry.tar.xz");
    let mut tar = std::process::Command::new("tar");
    let status = tar.arg("-xJf").arg(archive).arg("-C").arg(directory.path()).status().unwrap();
    assert!(status.success());
    let mut all = Vec::new();
    walk(directory.path(), &mut all);
    all
}

fn index(facts: &Path) -> Index {
    let files = files(facts);
    let sources = files.iter().map(|(file, registry, tests)| Source {
        file,
        registry,
        tests: tests.as_deref(),
    });
    let begin = Instant::now();
    let (index, problems) = Index::build(sources);
    eprintln!("converted {} packages in {:?}", index.entries().len(), begin.elapsed());
    assert!(problems.is_empty(), "{problems:?}");
    let bytes = index.to_bytes();
    let begin = Instant::now();
    let read = Index::parse(&bytes).unwrap();
    eprintln!("read an index of {} bytes in {:?}", bytes.len(), begin.elapsed());
    assert_eq!(read.to_bytes(), bytes);
    read
}

/// Decodes `%40` and the like: addresses are compared decoded.
fn decoded(url: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = url.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn find<'a>(packages: &'a BTreeMap<String, Package>, name: &str) -> Option<&'a Package> {
    packages.get(name).or_else(|| {
        packages.values().find(|package| package.aliases.iter().any(|alias| alias == name))
    })
}

fn all_packages(index: &Index) -> BTreeMap<String, Package> {
    let read = index.entries().iter().map(|entry| {
        let package = index.package(entry).unwrap();
        (package.name.clone(), package)
    });
    read.collect()
}

type Rows = BTreeMap<String, BTreeMap<String, BTreeMap<String, (String, String)>>>;

#[test]
fn releases_lie_where_public_lock_files_say() {
    let Some(facts) = facts() else { return };
    let packages = all_packages(&index(&facts));
    let text = std::fs::read_to_string(facts.join("tool-truth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows: Rows = serde_json::from_value(truth["packages"].clone()).unwrap();
    let (mut equal, mut count) = (0_u32, 0_u32);
    let mut others: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, versions) in &rows {
        let Some(package) = find(&packages, name) else {
            others.entry("no such package".to_owned()).or_default().push(name.clone());
            count += versions.values().map(|platforms| platforms.len() as u32).sum::<u32>();
            continue;
        };
        for (tag, platforms) in versions {
            for (platform, (url, _)) in platforms {
                count += 1;
                let platform = Platform::parse(platform).unwrap();
                let reason = match resolve(package, tag, platform, &Vars::new()) {
                    Ok(release) if decoded(&release.url) == decoded(url) => {
                        equal += 1;
                        continue;
                    }
                    Ok(release) => {
                        let repository =
                            |url: &str| url.split('/').take(5).collect::<Vec<_>>().join("/");
                        let kind = if repository(&release.url) == repository(url) {
                            "another file"
                        } else {
                            "another place"
                        };
                        (kind.to_owned(), format!("\n    {url}\n    {}", release.url))
                    }
                    Err(error) => ("no release".to_owned(), error.to_string()),
                };
                let row = format!("{name} {tag} {platform}: {}", reason.1);
                others.entry(reason.0).or_default().push(row);
            }
        }
    }
    let share = f64::from(equal) / f64::from(count) * 100.0;
    eprintln!("{equal} of {count} rows are equal: {share:.2} %");
    for (reason, rows) in &others {
        eprintln!("{reason}: {} rows", rows.len());
        rows.iter().for_each(|row| eprintln!("  {row}"));
    }
    assert!(share >= 99.0, "{share}");
}

#[test]
fn every_package_resolves_on_every_platform_or_says_why_not() {
    let Some(facts) = facts() else { return };
    let index = index(&facts);
    let (mut count, mut slowest) = (0_u32, Duration::ZERO);
    let mut reasons: BTreeMap<String, u32> = BTreeMap::new();
    let mut notes = Vec::new();
    let begin = Instant::now();
    for entry in index.entries() {
        let start = Instant::now();
        let package = index.package(entry).unwrap();
        let tags = package.tested.iter().chain(&package.sample).map(String::as_str);
        let mut of_one = Duration::ZERO;
        for tag in tags.chain(["v1.2.3", "0.0.1-rc.1+build", "née", "", "v999.0"]) {
            for platform in PLATFORMS {
                count += 1;
                let start = Instant::now();
                let reason = match resolve(&package, tag, platform, &Vars::new()) {
                    Ok(_) => "a release".to_owned(),
                    Err(error) => format!("{error:?}").split([' ', '{']).next().unwrap().to_owned(),
                };
                of_one = of_one.max(start.elapsed());
                *reasons.entry(reason).or_default() += 1;
            }
        }
        if let Some(sample) = &package.sample {
            notes.extend(unevaluated(&package, sample));
            for platform in PLATFORMS {
                let resolved = resolve(&package, sample, platform, &Vars::new());
                if let Err(error @ syslua_tools::Unavailable::Entry { .. }) = resolved {
                    eprintln!("{error}");
                }
            }
        }
        slowest = slowest.max(of_one);
        let _ = start;
    }
    eprintln!("{count} resolutions in {:?}, the slowest {slowest:?}: {reasons:?}", begin.elapsed());
    eprintln!("{} constraints of newest versions cannot be evaluated: {notes:?}", notes.len());
}

/// The limits hold for optimised code; a plain build is some ten times slower.
#[test]
fn resolving_is_quick() {
    let Some(facts) = facts() else { return };
    let index = index(&facts);
    let allowance = if cfg!(debug_assertions) { 10 } else { 1 };
    let begin = Instant::now();
    let mut slowest = Duration::ZERO;
    for entry in index.entries() {
        let start = Instant::now();
        let package = index.package(entry).unwrap();
        let tag = package.sample.as_deref().unwrap_or("v1.0.0");
        for platform in PLATFORMS {
            let _ = resolve(&package, tag, platform, &Vars::new());
        }
        slowest = slowest.max(start.elapsed());
    }
    let all = begin.elapsed();
    eprintln!("all packages at one version: {all:?}; the slowest, read and resolved: {slowest:?}");
    assert!(all < Duration::from_secs(5 * allowance), "{all:?}");
}
