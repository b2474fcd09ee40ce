//! Versions, compared the way registries expect it: the rules of hashicorp/go-version.
//!
//! A version is any count of numbers with dots, after an optional `v`; then a prerelease, with or
//! without a `-`; then metadata after `+`, which is not compared. A prerelease sorts below its
//! release, and ranges do not exclude it.

use std::cmp::Ordering;

/// A version.
#[derive(Clone, Debug)]
pub struct Version {
    /// The numbers, at least three.
    pub segments: Vec<u64>,
    /// How many numbers the text has.
    pub given: usize,
    /// What follows the numbers, empty for a release.
    pub prerelease: String,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'~')
}

/// Returns whether a text is words with dots between them.
fn is_words(text: &str) -> bool {
    text.split('.').all(|word| !word.is_empty() && word.bytes().all(is_word))
}

impl Version {
    /// Reads a version. Returns `None` for a text that is not a version.
    pub fn parse(text: &str) -> Option<Version> {
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (rest, metadata) = match rest.split_once('+') {
            Some((rest, metadata)) => (rest, Some(metadata)),
            None => (rest, None),
        };
        if metadata.is_some_and(|metadata| !is_words(metadata)) {
            return None;
        }
        let bytes = rest.as_bytes();
        let (mut end, mut place) = (0, 0);
        while place < bytes.len() {
            let start = place;
            while bytes.get(place).is_some_and(u8::is_ascii_digit) {
                place += 1;
            }
            if place == start {
                break;
            }
            end = place;
            if bytes.get(place) != Some(&b'.') {
                break;
            }
            place += 1;
        }
        if end == 0 {
            return None;
        }
        let numbers = rest.get(..end)?;
        let mut segments =
            numbers.split('.').map(|number| number.parse().ok()).collect::<Option<Vec<u64>>>()?;
        let given = segments.len();
        while segments.len() < 3 {
            segments.push(0);
        }
        let rest = rest.get(end..)?;
        let prerelease = match rest.strip_prefix('-') {
            _ if rest.is_empty() => "",
            Some(words) => words,
            // Without a `-`, it begins with a letter.
            None => rest,
        };
        if !rest.is_empty() && !is_words(prerelease) {
            return None;
        }
        Some(Version { segments, given, prerelease: prerelease.to_owned() })
    }

    /// Compares two versions.
    pub fn compare(&self, other: &Version) -> Ordering {
        let count = self.segments.len().max(other.segments.len());
        for index in 0..count {
            let number = |version: &Version| version.segments.get(index).copied().unwrap_or(0);
            match number(self).cmp(&number(other)) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
        match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_prereleases(&self.prerelease, &other.prerelease),
        }
    }
}

fn compare_prereleases(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (left, right) => compare_words(left.unwrap_or(""), right.unwrap_or("")),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn compare_words(left: &str, right: &str) -> Ordering {
    let numbers = (left.parse::<i64>(), right.parse::<i64>());
    match (left, right, numbers) {
        _ if left == right => Ordering::Equal,
        ("", _, (_, Ok(_))) | (_, "", (Err(_), _)) => Ordering::Less,
        ("", _, _) | (_, "", _) => Ordering::Greater,
        (_, _, (Ok(left), Ok(right))) => left.cmp(&right),
        (_, _, (Ok(_), Err(_))) => Ordering::Less,
        (_, _, (Err(_), Ok(_))) => Ordering::Greater,
        _ => left.cmp(right),
    }
}

/// A comparison, such as `>= 1.2`.
#[derive(Clone, Debug)]
struct Comparison {
    operator: &'static str,
    version: Version,
}

/// Comparisons that must all hold: `>= 1.2, < 2`.
#[derive(Clone, Debug)]
pub struct Range(Vec<Comparison>);

const OPERATORS: [&str; 7] = [">=", "<=", "!=", "~>", ">", "<", "="];

impl Range {
    /// Reads a range. Returns `None` for a text that is not a range. A version without an operator
    /// must be equal.
    pub fn parse(text: &str) -> Option<Range> {
        let comparisons = text.split(',').map(|part| {
            let part = part.trim();
            let operator = OPERATORS.into_iter().find(|operator| part.starts_with(operator));
            let version = part.get(operator.map_or(0, str::len)..)?.trim();
            let version = Version::parse(version)?;
            Some(Comparison { operator: operator.unwrap_or("="), version })
        });
        comparisons.collect::<Option<Vec<_>>>().map(Range)
    }

    /// Returns whether a version is in the range.
    pub fn has(&self, version: &Version) -> bool {
        self.0.iter().all(|comparison| {
            let order = version.compare(&comparison.version);
            match comparison.operator {
                ">=" => order.is_ge(),
                "<=" => order.is_le(),
                "!=" => order.is_ne(),
                ">" => order.is_gt(),
                "<" => order.is_lt(),
                // At least this version, with all of its numbers but the last.
                "~>" => {
                    let kept = comparison.version.given.saturating_sub(1);
                    let base = comparison.version.segments.iter().take(kept);
                    order.is_ge() && base.eq(version.segments.iter().take(kept))
                }
                _ => order.is_eq(),
            }
        })
    }

    /// Returns whether the range itself names a prerelease.
    pub fn names_prerelease(&self) -> bool {
        self.0.iter().any(|comparison| !comparison.version.prerelease.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_the_way_go_version_does() {
        // In ascending order, each below all that follow it.
        let ordered = [
            "v0.0.1-alpha",
            "0.0.1",
            "1.2.0-alpha.1",
            "1.2.0-alpha.beta",
            "1.2.0-beta",
            "1.2.0-beta.2",
            "1.2.0-beta.11",
            "1.2.0rc1",
            "v1.2",
            "1.2.0.1",
            "1.2.10",
            "2.0.0b3",
            "2",
            "20240101.1",
        ];
        for (left_index, left) in ordered.iter().enumerate() {
            for (right_index, right) in ordered.iter().enumerate() {
                let order = Version::parse(left).unwrap().compare(&Version::parse(right).unwrap());
                assert_eq!(order, left_index.cmp(&right_index), "{left} {right}");
            }
        }
        let same = [("1", "v1.0.0"), ("1.2", "1.2.0+build.5"), ("1.0.0-a", "1.0.0a")];
        for (left, right) in same {
            let (left, right) = (Version::parse(left).unwrap(), Version::parse(right).unwrap());
            assert_eq!(left.compare(&right), Ordering::Equal);
        }
    }

    #[test]
    fn what_is_no_version_is_none() {
        let none =
            ["", "v", "main", "1..2", "1.2.", "-1", "1.2 ", "1+", "1-", "1_2", "1.x!", "vv1"];
        for text in none {
            assert!(Version::parse(text).is_none(), "{text:?}");
        }
        assert!(Version::parse("99999999999999999999999").is_none());
    }

    #[test]
    fn ranges_hold() {
        let holds = [
            (">= 1.2, < 2", "1.9.9", true),
            (">= 1.2, < 2", "2.0.0-rc1", true),
            ("<= 0.0.9", "0.0.9", true),
            ("1.0", "1", true),
            ("!= 1.0", "1", false),
            ("~> 1.2", "1.9", true),
            ("~> 1.2.3", "1.3", false),
            ("> 1.2", "1.2-rc", false),
        ];
        for (range, version, expected) in holds {
            let version = Version::parse(version).unwrap();
            assert_eq!(Range::parse(range).unwrap().has(&version), expected, "{range} {version:?}");
        }
        for text in ["", ">=", "^1", ">= 1,, < 2", "newest"] {
            assert!(Range::parse(text).is_none(), "{text:?}");
        }
    }
}
