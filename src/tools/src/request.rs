//! Which version is meant: `latest`, `22`, `22.1`, `>=1.2, <2`, `14.1.1`, or a whole tag.

use std::cmp::Ordering;

use crate::expression::{Expression, Scope};
use crate::package::Package;
use crate::version::{Range, Version};

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Request {
    /// The newest release.
    Latest,
    /// The newest in a range.
    Range(Range),
    /// The newest whose numbers begin so, or the version itself.
    Prefix(String),
    /// This version, or this tag.
    Exact(String),
}

/// A text that asks for no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version: write one such as \"1.2.3\", \"22\", \">=1.2, <2\" or \"latest\"")]
pub struct BadRequest(pub String);

impl Request {
    /// Reads the text of a config.
    ///
    /// # Errors
    /// When it is empty, has control characters, or is a range that cannot be read.
    pub fn parse(text: &str) -> Result<Request, BadRequest> {
        let bad = || BadRequest(text.to_owned());
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.chars().any(char::is_control) {
            return Err(bad());
        }
        if trimmed == "latest" || trimmed == "*" {
            return Ok(Request::Latest);
        }
        if trimmed.starts_with(['<', '>', '=', '!', '~']) {
            return Range::parse(trimmed).map(Request::Range).ok_or_else(bad);
        }
        if let Some(rest) = trimmed.strip_prefix('^') {
            return caret(rest).map(Request::Range).ok_or_else(bad);
        }
        if trimmed.contains(char::is_whitespace) {
            return Err(bad());
        }
        let bare = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let bare = bare.strip_suffix(".x").unwrap_or(bare);
        let is_short = bare.split('.').count() < 3
            && bare.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if is_short && Version::parse(bare).is_some() {
            return Ok(Request::Prefix(bare.to_owned()));
        }
        Ok(Request::Exact(trimmed.to_owned()))
    }

    /// Returns whether only one version can be meant, so that no other may replace it.
    pub fn is_exact(&self) -> bool {
        matches!(self, Request::Exact(_))
    }
}

/// Reads what follows `^`: up to the next version that may break things.
fn caret(text: &str) -> Option<Range> {
    let version = Version::parse(text)?;
    let place = version.segments.iter().position(|number| *number != 0).unwrap_or(0);
    let mut end: Vec<String> =
        version.segments.iter().take(place + 1).map(u64::to_string).collect();
    if let Some(last) = end.last_mut() {
        *last = version.segments.get(place)?.checked_add(1)?.to_string();
    }
    Range::parse(&format!(">= {text}, < {}", end.join(".")))
}

/// Returns the prefix of the numbers in the tags of a package, such as `v` or `cli-v`.
///
/// The newest tag that the registry's own tests use shows it.
pub fn prefix(package: &Package) -> String {
    let known = package.base.version_prefix.as_deref().unwrap_or("");
    match package.sample.as_deref() {
        Some(sample) => split(sample, known).map_or(known, |(prefix, _)| prefix).to_owned(),
        None => known.to_owned(),
    }
}

/// Cuts a tag into prefix and version.
fn split<'a>(tag: &'a str, known: &str) -> Option<(&'a str, &'a str)> {
    let start = if tag.starts_with(known) { known.len() } else { 0 };
    let mut before = None;
    for (place, letter) in tag.char_indices() {
        let begins = letter.is_ascii_digit()
            && !before.is_some_and(|before: char| before.is_ascii_digit() || before == '.');
        before = Some(letter);
        if place < start || !begins {
            continue;
        }
        let (prefix, version) = tag.split_at(place);
        if Version::parse(version).is_some() {
            return Some((prefix, version));
        }
    }
    None
}

/// A tag that is a version of a package.
#[derive(Clone, Debug)]
pub struct Tagged<'a> {
    /// The tag.
    pub tag: &'a str,
    /// The version in it, as text.
    pub version: &'a str,
    /// The version in it.
    pub parsed: Version,
}

/// Returns the tags that are versions of a package, newest first.
///
/// They have the prefix that the package's tags have, and pass its `version_filter`.
pub fn versions<'a>(package: &Package, tags: &[&'a str]) -> Vec<Tagged<'a>> {
    let prefix = prefix(package);
    let filter = package.base.version_filter.as_deref().map(Expression::parse);
    let base = package.base.version_prefix.as_deref().unwrap_or("");
    let passes = |tag: &str| match &filter {
        None => true,
        // As in constraints, what cannot be evaluated does not hold.
        Some(Err(_)) => false,
        Some(Ok(filter)) => {
            let semver = tag.strip_prefix(base).unwrap_or(tag);
            filter.is_true(&Scope { version: tag, semver, platform: None }).unwrap_or(false)
        }
    };
    let tagged = tags.iter().filter_map(|tag| {
        let version = tag.strip_prefix(prefix.as_str())?;
        // A registry of one's own has no tests: then `v1.2` and `1.2` both count.
        let version = match &package.sample {
            None => version.strip_prefix('v').unwrap_or(version),
            Some(_) => version,
        };
        let parsed = Version::parse(version).filter(|_| !version.starts_with('v'))?;
        passes(tag).then_some(Tagged { tag, version, parsed })
    });
    let mut versions: Vec<_> = tagged.collect();
    versions.sort_by(|left, right| match right.parsed.compare(&left.parsed) {
        Ordering::Equal => right.version.cmp(left.version),
        unequal => unequal,
    });
    versions
}

/// Returns whether a version is a year where the package counts otherwise: repositories that
/// changed from dates to numbers keep tags that look newer than all that came after.
fn is_stray_date(package: &Package, version: &Version) -> bool {
    let first = |version: &Version| version.segments.first().copied().unwrap_or(0);
    let prefix = prefix(package);
    let sample = package.sample.as_deref().and_then(|sample| sample.strip_prefix(prefix.as_str()));
    let is_counted = sample.and_then(Version::parse).is_some_and(|sample| first(&sample) < 1900);
    is_counted && first(version) >= 1900
}

/// Returns the tags that a request can mean, the best first.
///
/// `latest`, prefixes and ranges mean releases; prereleases count only for a package that has
/// nothing else, and for a range that names one.
pub fn choose<'a>(package: &Package, request: &Request, tags: &[&'a str]) -> Vec<&'a str> {
    if let Request::Exact(text) = request {
        if let Some(tag) = tags.iter().find(|tag| *tag == text) {
            return vec![tag];
        }
        let bare = text.strip_prefix('v').unwrap_or(text);
        let all = versions(package, tags);
        let exact = all.iter().find(|tagged| tagged.version == bare);
        // `1.2.3` may also be the beginning of `1.2.3.4`.
        return match exact {
            Some(tagged) => vec![tagged.tag],
            None => chosen(package, &all, |version| begins(version, bare)),
        };
    }
    let all = versions(package, tags);
    match request {
        Request::Range(range) if range.names_prerelease() => {
            all.iter().filter(|tagged| range.has(&tagged.parsed)).map(|tagged| tagged.tag).collect()
        }
        Request::Range(range) => chosen(package, &all, |version| range.has(version)),
        Request::Prefix(text) => chosen(package, &all, |version| begins(version, text)),
        Request::Latest | Request::Exact(_) => {
            chosen(package, &all, |version| !is_stray_date(package, version))
        }
    }
}

fn begins(version: &Version, text: &str) -> bool {
    let numbers: Option<Vec<u64>> = text.split('.').map(|number| number.parse().ok()).collect();
    numbers.is_some_and(|numbers| version.segments.starts_with(&numbers))
}

fn chosen<'a>(
    package: &Package,
    all: &[Tagged<'a>],
    is_meant: impl Fn(&Version) -> bool,
) -> Vec<&'a str> {
    let meant = || all.iter().filter(|tagged| is_meant(&tagged.parsed));
    let is_release = |tagged: &&Tagged<'_>| tagged.parsed.prerelease.is_empty();
    let releases: Vec<&str> = meant().filter(is_release).map(|tagged| tagged.tag).collect();
    // Some name all of their releases so: `2024-05-01`, `1.2.3-stable`.
    let sample = package.sample.as_deref().and_then(|sample| split(sample, &prefix(package)));
    let uses_prereleases = sample
        .and_then(|(_, version)| Version::parse(version))
        .is_some_and(|version| !version.prerelease.is_empty());
    let has_releases = all.iter().any(|tagged| tagged.parsed.prerelease.is_empty());
    if uses_prereleases || !has_releases {
        return meant().map(|tagged| tagged.tag).collect();
    }
    releases
}

/// Returns the versions that are nearest to a request that means none, for messages.
pub fn nearest<'a>(package: &Package, request: &Request, tags: &[&'a str]) -> Vec<&'a str> {
    let all = versions(package, tags);
    let count = 5;
    let wanted = match request {
        Request::Prefix(text) | Request::Exact(text) => {
            Version::parse(text.strip_prefix('v').unwrap_or(text))
        }
        _ => None,
    };
    let Some(wanted) = wanted else {
        return all.iter().take(count).map(|tagged| tagged.version).collect();
    };
    // Newest first: those just above it, and those just below.
    let place =
        all.iter().position(|tagged| tagged.parsed.compare(&wanted).is_lt()).unwrap_or(all.len());
    let start = place.saturating_sub(2).min(all.len().saturating_sub(count));
    all.iter().skip(start).take(count).map(|tagged| tagged.version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(sample: &str) -> Package {
        Package { name: "a/b".to_owned(), sample: Some(sample.to_owned()), ..Package::default() }
    }

    fn first(package: &Package, request: &str, tags: &[&str]) -> Option<String> {
        let request = Request::parse(request).unwrap();
        choose(package, &request, tags).first().map(|tag| (*tag).to_owned())
    }

    #[test]
    fn tags_count_with_and_without_v_where_no_test_tells() {
        let package = Package { name: "a/b".to_owned(), ..Package::default() };
        for (tags, request, expected) in [
            (["v1.0.0", "v1.2.0"], "latest", Some("v1.2.0")),
            (["1.0.0", "1.2.0"], "latest", Some("1.2.0")),
            (["v1.0.0", "1.2.0"], "1", Some("1.2.0")),
            (["v1.0.0", "1.2.0"], "1.0.0", Some("v1.0.0")),
            (["cli-v1.0.0", "x"], "latest", None),
        ] {
            let found = first(&package, request, &tags);
            assert_eq!(found.as_deref(), expected, "{tags:?} {request}");
        }
        let prefixed = Package {
            base: crate::package::Layer {
                version_prefix: Some("cli-".to_owned()),
                ..Default::default()
            },
            ..package
        };
        let found = first(&prefixed, "latest", &["v9.0.0", "cli-v1.0.0", "cli-1.2.0"]);
        assert_eq!(found.as_deref(), Some("cli-1.2.0"));
    }

    #[test]
    fn requests_choose_tags() {
        let tags = ["v22.1.0", "v22.10.0", "v22.2.0", "v23.0.0-rc1", "v21.0.0", "v1", "x", "v2.2"];
        let node = package("v22.1.0");
        let all = [
            ("latest", Some("v22.10.0")),
            ("22", Some("v22.10.0")),
            ("v22", Some("v22.10.0")),
            ("22.x", Some("v22.10.0")),
            ("22.1", Some("v22.1.0")),
            ("2", Some("v2.2")),
            ("1", Some("v1")),
            (">=21, <22.2", Some("v22.1.0")),
            ("^21.0", Some("v21.0.0")),
            ("~> 22.1", Some("v22.10.0")),
            ("22.2.0", Some("v22.2.0")),
            ("v22.2.0", Some("v22.2.0")),
            ("23.0.0-rc1", Some("v23.0.0-rc1")),
            (">=23.0.0-rc0", Some("v23.0.0-rc1")),
            ("23", None),
            ("3", None),
            ("x", Some("x")),
            ("9.9.9", None),
        ];
        for (request, expected) in all {
            assert_eq!(first(&node, request, &tags).as_deref(), expected, "{request}");
        }
    }

    #[test]
    fn prefixes_come_from_the_sample() {
        let all = [
            ("v1.2.3", "v"),
            ("1.2.3", ""),
            ("cli-v1.2.3", "cli-v"),
            ("go1.22.3", "go"),
            ("@biomejs/biome@2.0.0", "@biomejs/biome@"),
            ("kustomize/v5.0.0", "kustomize/v"),
            ("r53", "r"),
            ("k6-2024.1", "k6-"),
        ];
        for (sample, expected) in all {
            let mut package = package(sample);
            if sample.starts_with("k6") {
                package.base.version_prefix = Some("k6-".to_owned());
            }
            assert_eq!(prefix(&package), expected, "{sample}");
        }
        let tags = ["cli-v1.0.0", "v9.0.0", "cli-v1.2.0", "lib-v3"];
        assert_eq!(first(&package("cli-v1.0.0"), "latest", &tags).as_deref(), Some("cli-v1.2.0"));
        assert_eq!(
            first(&package("v0.1.0"), "latest", &["v2019.1.2", "v0.3.0"]).unwrap(),
            "v0.3.0"
        );
    }

    #[test]
    fn filters_and_prereleases() {
        let mut filtered = package("v1.0.0");
        filtered.base.version_filter = Some(r#"not (Version endsWith "9")"#.to_owned());
        assert_eq!(first(&filtered, "latest", &["v1.0.9", "v1.0.8"]).as_deref(), Some("v1.0.8"));
        filtered.base.version_filter = Some("nonsense(".to_owned());
        assert_eq!(first(&filtered, "latest", &["v1.0.9"]), None);
        let dated = package("2024-05-01");
        let tags = ["2024-05-01", "2024-06-10", "2024-06-02"];
        assert_eq!(first(&dated, "latest", &tags).as_deref(), Some("2024-06-10"));
        assert_eq!(first(&package("v1.0.0-rc1"), "1", &["v1.0.0-rc2"]).unwrap(), "v1.0.0-rc2");
    }

    #[test]
    fn the_nearest_are_around_what_was_asked_for() {
        let tags: Vec<String> = (0..20).map(|number| format!("v{number}.0.0")).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let request = Request::parse("10.5.0").unwrap();
        let near = nearest(&package("v1.0.0"), &request, &tags);
        assert_eq!(near, ["12.0.0", "11.0.0", "10.0.0", "9.0.0", "8.0.0"]);
    }

    #[test]
    fn what_asks_for_nothing_is_refused() {
        for text in ["", " ", ">=", "1 2", "a\nb", "^x", "< newest"] {
            assert!(Request::parse(text).is_err(), "{text:?}");
        }
    }
}
