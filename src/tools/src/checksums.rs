//! Files of checksums, as releases have them beside their archives.

use regex_lite::Regex;

use crate::package::Pattern;

/// Finds the checksum of a file in a text.
///
/// Lines are `HASH  NAME`, `HASH *NAME`, `NAME: HASH` or `SHA256 (NAME) = HASH`. Names may have
/// directories before them. A text with a single checksum and no other names is the checksum of
/// whatever it was asked for.
///
/// - `digits` is the length of the checksum in hexadecimal digits: 64 for SHA-256.
/// - `pattern` is how the registry says that lines are read.
pub fn get_checksum(
    text: &str,
    file: &str,
    digits: usize,
    pattern: Option<&Pattern>,
) -> Option<String> {
    match pattern {
        Some(pattern) => get_by_pattern(text, file, digits, pattern),
        None => get_from_lines(text, file, digits),
    }
}

fn is_hash(word: &str, digits: usize) -> bool {
    word.len() == digits && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the last part of a path.
fn base(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn get_by_pattern(text: &str, file: &str, digits: usize, pattern: &Pattern) -> Option<String> {
    let checksum = Regex::new(&pattern.checksum).ok()?;
    let name = pattern.file.as_deref().map(Regex::new).transpose().ok()?;
    let group = |regex: &Regex, line: &str| {
        let found = regex.captures(line)?;
        found.get(1).or(found.get(0)).map(|group| group.as_str().trim().to_owned())
    };
    text.lines().find_map(|line| {
        let hash = group(&checksum, line).filter(|hash| is_hash(hash, digits))?;
        let is_it = match &name {
            Some(name) => group(name, line).is_some_and(|name| base(&name) == file),
            None => true,
        };
        is_it.then(|| hash.to_ascii_lowercase())
    })
}

fn get_from_lines(text: &str, file: &str, digits: usize) -> Option<String> {
    let mut only = None;
    let mut is_only = true;
    for line in text.trim_start_matches('\u{feff}').lines() {
        let is_border = |letter: char| letter.is_whitespace() || "*()=:,\"'".contains(letter);
        let mut hash = None;
        let mut has_name = false;
        let mut is_named = false;
        for word in line.split(is_border).filter(|word| !word.is_empty()) {
            if hash.is_none() && is_hash(word, digits) {
                hash = Some(word.to_ascii_lowercase());
            } else {
                has_name |=
                    !word.eq_ignore_ascii_case("sha256") && !word.eq_ignore_ascii_case("sha512");
                is_named |= base(word) == file;
            }
        }
        let Some(hash) = hash else { continue };
        if is_named {
            return Some(hash);
        }
        is_only &= !has_name && only.is_none();
        only = Some(hash);
    }
    // A bare checksum, without a name that says otherwise.
    only.filter(|_| is_only)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(digit: &str) -> String {
        digit.repeat(64)
    }

    #[test]
    fn checksums_are_found_in_each_form() {
        let (a, b) = (hash("a"), hash("B"));
        let all = [
            format!("{a}  tool.zip\n{b}  other.zip\n"),
            format!("{b} *other.zip\r\n{a} *./dist/tool.zip\r\n"),
            format!("SHA256 (other.zip) = {b}\nSHA256 (tool.zip) = {a}\n"),
            format!("tool.zip: {a}\n"),
            format!("{a}\n"),
            format!("\u{feff}{}", a.to_uppercase()),
            format!("# of the release\n{a}\ttool.zip"),
        ];
        for text in all {
            assert_eq!(get_checksum(&text, "tool.zip", 64, None), Some(a.clone()), "{text}");
        }
    }

    #[test]
    fn a_checksum_of_something_else_is_not_taken() {
        let (a, b) = (hash("a"), hash("b"));
        let all = [
            format!("{a}  other.zip\n"),
            format!("{a}\n{b}\n"),
            "abc  tool.zip".to_owned(),
            format!("{a}a  tool.zip"),
            format!("{a}  tool.zip.sig"),
            String::new(),
            "<html>Not found</html>".to_owned(),
        ];
        for text in all {
            assert_eq!(get_checksum(&text, "tool.zip", 64, None), None, "{text}");
        }
    }

    #[test]
    fn a_pattern_says_how_lines_are_read() {
        let (a, b) = (hash("a"), hash("b"));
        let text = format!("other.zip;{b}\ntool.zip;{a}\n");
        let pattern =
            Pattern { checksum: ";([0-9a-f]{64})$".to_owned(), file: Some("^([^;]+);".to_owned()) };
        assert_eq!(get_checksum(&text, "tool.zip", 64, Some(&pattern)), Some(a.clone()));
        assert_eq!(get_checksum(&text, "none.zip", 64, Some(&pattern)), None);
        let bad = Pattern { checksum: "(".to_owned(), file: None };
        assert_eq!(get_checksum(&text, "tool.zip", 64, Some(&bad)), None);
    }
}
