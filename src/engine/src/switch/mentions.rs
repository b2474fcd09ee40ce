//! Places that texts name: the arguments of a command, a line for the shell, the path of a file
//! with variables. Programs have forms of their own for paths (`-c/etc/x`, `source=/etc/x,ro`,
//! `file:///etc/x`, `"$HOME"/x`), so no form is parsed: what changes is looked for in the text.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::platform;
use crate::value::Text;

/// How a text names a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// It names the place, or a directory above it.
    Whole,
    /// It names what is below it: the path from there.
    Below(PathBuf),
}

/// A text in which places are looked for.
pub struct Mentions {
    /// The text, and the text as the shell reads its quotes; in both, paths are in their shortest
    /// form.
    readings: Vec<Vec<u8>>,
}

/// Returns whether a byte is one of a path that needs no quotes. Others end a path, unless the
/// place itself has them.
fn is_of_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"._-+@%~".contains(&byte)
}

/// Returns the text with each path in its shortest form: without double slashes, `.` and `..`.
fn shortest(text: &[u8]) -> Vec<u8> {
    let mut parts: Vec<Cow<'_, [u8]>> = Vec::new();
    let mut given = text.split(|byte| *byte == b'/').peekable();
    while let Some(part) = given.next() {
        let is_first = parts.is_empty();
        match part {
            b"" if !is_first && given.peek().is_some() => {}
            b"." if !is_first => {}
            b".." if parts.len() > 1 => {
                parts.pop();
            }
            _ if part.ends_with(b":") && part.len() > 1 => {
                let mut part = part.to_vec();
                // The host of an address is not a directory, nor is the rest a path here.
                let mut rest = given.clone();
                let has_host = rest.next().is_some_and(<[u8]>::is_empty)
                    && rest.next().is_some_and(|host| !host.is_empty());
                if has_host {
                    given.next();
                    part.extend(b"//");
                    part.extend(given.next().unwrap_or_default());
                }
                parts.push(Cow::Owned(part));
            }
            _ => parts.push(Cow::Borrowed(part)),
        }
    }
    parts.join(&b'/')
}

/// Returns the text with the home in the place of each `~` that begins a path.
fn with_home(text: &[u8], home: &[u8]) -> Vec<u8> {
    let mut expanded = Vec::with_capacity(text.len());
    for (index, byte) in text.iter().enumerate() {
        let begins = index.checked_sub(1).is_none_or(|before| !is_of_path(text[before]));
        let is_home = *byte == b'~' && begins && text.get(index + 1) == Some(&b'/');
        if is_home && text.get(index.wrapping_sub(1)) != Some(&b'/') {
            expanded.extend_from_slice(home);
        } else {
            expanded.push(*byte);
        }
    }
    expanded
}

impl Mentions {
    /// Reads a text. `home` is what `~` stands for.
    pub fn of(text: &Text, home: &Path) -> Mentions {
        let home = platform::bytes_of_path(home);
        let home = home.strip_suffix(b"/").unwrap_or(&home);
        let unquoted = text.0.iter().copied().filter(|byte| !b"\"'\\".contains(byte));
        let mut readings: Vec<Vec<u8>> = [text.0.clone(), unquoted.collect()]
            .iter()
            .map(|text| shortest(&with_home(text, home)))
            .collect();
        readings.dedup();
        Mentions { readings }
    }

    /// Returns how the text names a place, if it does.
    pub fn find(&self, place: &Path) -> Option<Named> {
        let place = platform::bytes_of_path(place);
        let found = self.readings.iter().filter_map(|text| find(text, &place));
        // The whole counts for more than a part.
        found.reduce(|first, other| if first == Named::Whole { first } else { other })
    }

    /// Returns the absolute paths of usual characters that it names.
    pub fn paths(&self) -> Vec<Text> {
        let mut paths = Vec::new();
        for text in &self.readings {
            for start in starts(text) {
                let end = text[start..].iter().position(|b| !is_of_path(*b) && *b != b'/');
                let path = &text[start..end.map_or(text.len(), |end| start + end)];
                let path = path.strip_suffix(b"/").unwrap_or(path);
                if !path.is_empty() && !paths.iter().any(|known: &Text| known.0 == path) {
                    paths.push(Text(path.to_vec()));
                }
            }
        }
        paths
    }
}

/// Returns a text that names other paths in the places of some: what is below a place is below its
/// other path too. A place is named by its path, or from `~/` or `$HOME/`.
pub fn with_paths(text: &Text, home: &Path, paths: &BTreeMap<&Path, PathBuf>) -> Text {
    let home = platform::bytes_of_path(home);
    let (text, mut result) = (&text.0, Vec::with_capacity(text.0.len()));
    let begins: BTreeSet<usize> = starts(text).collect();
    let mut next = 0;
    while next < text.len() {
        let rest = &text[next..];
        let short = ["~", "$HOME", "${HOME}"].into_iter().find(|short| {
            let before = next.checked_sub(1).map(|before| text[before]);
            rest.starts_with(&[short.as_bytes(), b"/"].concat())
                && before.is_none_or(|before| !is_of_path(before) && before != b'/')
        });
        let (given, rest) = match short {
            Some(short) => (short.len(), [&home, &rest[short.len()..]].concat()),
            None if begins.contains(&next) => (0, rest.to_vec()),
            None => {
                result.push(text[next]);
                next += 1;
                continue;
            }
        };
        // The longest place that the text names.
        let found = paths.iter().rev().find_map(|(place, path)| {
            let place = platform::bytes_of_path(place);
            let after = rest.strip_prefix(place.as_slice())?;
            let is_whole = !after.first().is_some_and(|byte| is_of_path(*byte));
            is_whole.then_some((place.len(), path))
        });
        match found {
            Some((length, path)) => {
                result.extend(platform::bytes_of_path(path));
                let above = if short.is_some() { home.len() } else { 0 };
                next += given + length - above;
            }
            None => {
                result.push(text[next]);
                next += 1;
            }
        }
    }
    Text(result)
}

/// Returns where absolute paths begin in a text.
fn starts(text: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let slashes = text.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(index, _)| index).filter(|index| {
        let before = &text[..*index];
        let word = before.iter().rev().take_while(|byte| is_of_path(**byte)).count();
        let (rest, word) = before.split_at(index - word);
        // `/a/b`: the second slash begins nothing; `-c/b` and `@/b` are a path behind something.
        // Two slashes are those of a host.
        rest.last() != Some(&b'/')
            && text.get(index + 1) != Some(&b'/')
            && (word.is_empty() || word.starts_with(b"-") || word.ends_with(b"@"))
    })
}

fn find(text: &[u8], place: &[u8]) -> Option<Named> {
    let mut below = None;
    for start in starts(text) {
        let rest = &text[start..];
        // The place, and what is above it: all of `/a/b/c`, `/a/b` and `/a`.
        let ends = place.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
        for end in ends.map(|(end, _)| end).chain([place.len()]) {
            let Some(after) = rest.strip_prefix(&place[..end]) else { break };
            let after = match after {
                [b'/', behind @ ..] => {
                    if !behind.first().is_some_and(|byte| is_of_path(*byte)) {
                        return Some(Named::Whole);
                    }
                    if end == place.len() {
                        let length = behind.iter().take_while(|b| is_of_path(**b) || **b == b'/');
                        let path = &behind[..length.count()];
                        below = Some(Named::Below(Text(path.to_vec()).to_path()));
                    }
                    continue;
                }
                other => other,
            };
            if !after.first().is_some_and(|byte| is_of_path(*byte)) {
                return Some(Named::Whole);
            }
        }
    }
    below
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str, place: &str) -> Option<Named> {
        Mentions::of(&text.into(), Path::new("/home/ada")).find(Path::new(place))
    }

    #[test]
    fn any_form_around_a_path_names_it() {
        for place in ["/p", "/srv/a.conf", "/srv/my conf/a,b=c.conf", "/srv/it's"] {
            for form in [
                "P",
                "-cP",
                "--a=P",
                "--a=b=P",
                "type=bind,source=P,target=/x",
                "file://P",
                "@P",
                "yaml:P",
                "/none:P",
                "'P'",
                "x \"P\"",
                "exec x -c P; y",
                "P/",
                "P/.",
                "P:ro",
                "if=P",
                "{P}",
                "//P",
                "/x/..P",
                "/./P",
                "x >P",
                "https://host/x P",
                "[P]",
                "(P)",
                "P\t",
                "unix://P",
                "user@P",
                "-rP,/x",
            ] {
                // A quote of the path itself would end what is quoted.
                let text = form.replace('P', place);
                assert_eq!(named(&text, place), Some(Named::Whole), "{text}");
            }
            for form in [
                "/mntP",
                "relative",
                "PP",
                "P.bak",
                "Px",
                "P-2",
                "http://hostP",
                "x/yP",
                "xP",
                "https://P.de/x",
                "/",
            ] {
                let text = form.replace('P', place);
                let found = named(&text, place);
                assert_ne!(found, Some(Named::Whole), "{text} {place}");
            }
        }
    }

    #[test]
    fn the_home_and_what_is_above_and_below_count() {
        for text in ["~/b", "x ~/b", "a:~/b", "--c=~/b", "\"~/b\"", "/home/ada/b"] {
            assert_eq!(named(text, "/home/ada/b"), Some(Named::Whole), "{text}");
        }
        assert_eq!(named("/a/~/b", "/home/ada/b"), None);
        assert_eq!(named("x~/b", "/home/ada/b"), None);
        assert_eq!(named("-d /srv/conf.d x", "/srv/conf.d/a/b"), Some(Named::Whole));
        assert_eq!(named("-d /srv/conf.d/", "/srv/conf.d/a/b"), Some(Named::Whole));
        assert_eq!(named("-d /srv/conf", "/srv/conf.d/a/b"), None);
        assert_eq!(named("-d /srv/conf.d/c", "/srv/conf.d/a/b"), None);
        assert_eq!(named("cat /srv/t/a/b; x", "/srv/t"), Some(Named::Below("a/b".into())));
        assert_eq!(named("cat /srv/t2/a/b; x", "/srv/t"), None);
        assert_eq!(named("cat /srv/my\\ dir/b", "/srv/my dir/b"), Some(Named::Whole));
    }

    #[test]
    fn other_paths_take_the_places_of_those_that_are_named() {
        let paths = [("/a", "/o/1"), ("/a/b", "/o/2"), ("/h/c d", "/o/3")];
        let paths = paths.map(|(place, path)| (Path::new(place), PathBuf::from(path)));
        let told = |text: &str| with_paths(&text.into(), Path::new("/h"), &paths.clone().into());
        for (text, expected) in [
            ("/a", "/o/1"),
            ("x /a/b -c/a/x; /ab /x/a '/h/c d'", "x /o/2 -c/o/1/x; /ab /x/a '/o/3'"),
            ("\"$HOME/c d\" ${HOME}/c d ~/c d ~/e", "\"/o/3\" /o/3 /o/3 ~/e"),
            ("--x=/a/b/y", "--x=/o/2/y"),
        ] {
            assert_eq!(told(text), expected.into(), "{text}");
        }
    }

    #[test]
    fn paths_are_those_that_begin_at_the_root() {
        let paths = |text: &str| Mentions::of(&text.into(), Path::new("/h")).paths();
        assert_eq!(paths("x -c/a/b,/c ~/d e/f http://h/g"), ["/a/b", "/c", "/h/d"].map(Text::from));
    }
}
