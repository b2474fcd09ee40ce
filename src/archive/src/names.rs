//! The names of entries: split, stripped and checked. It does not look at any file system.

use crate::limits::Limits;
use crate::problem::{Problem, Result};

/// No known file system can hold this in one component.
const LONGEST_COMPONENT: usize = 255;

/// Where the name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// tar: any bytes, as on the machine where it was made.
    Tar,
    /// zip: only `/` separates, APPNOTE 4.4.17, and no drive begins it.
    Zip,
}

/// A name that stays below the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// Its components; none for the destination itself.
    pub parts: Vec<&'a [u8]>,
    /// Whether it ends in a slash, as those of directories may.
    pub has_slash: bool,
    /// Whether nothing of it is left after stripping.
    pub is_stripped: bool,
}

/// Checks a name and splits it.
///
/// # Errors
/// When it leads out of the destination, cannot be a name, or goes beyond a limit.
pub fn parse<'a>(raw: &'a [u8], origin: Origin, strip: usize, limits: &Limits) -> Result<Name<'a>> {
    let refuse = |reason: &str| Err(Problem::entry(raw, reason));
    if raw.is_empty() {
        return refuse("has no name");
    }
    if raw.contains(&0) {
        return refuse("has a NUL byte in its name");
    }
    if raw.contains(&b'\n') {
        return refuse("has a line break in its name");
    }
    if raw[0] == b'/' {
        return refuse("has an absolute name");
    }
    let is_foreign = origin == Origin::Zip || cfg!(windows);
    if is_foreign && raw.contains(&b'\\') {
        return refuse("has a backslash in its name, which separates directories on some systems");
    }
    if is_foreign && matches!(raw, [drive, b':', ..] if drive.is_ascii_alphabetic()) {
        return refuse("has a name that begins with a drive");
    }
    if raw.len() as u64 > limits.path {
        let what = format!("it has an entry whose name is {} bytes long", raw.len());
        return Err(Problem::Limit { what, limit: "path", value: limits.path });
    }
    let all: Vec<&[u8]> = raw.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
    for part in &all {
        if *part == b".." {
            return refuse("leads out of its directory with ..");
        }
        if part.len() > LONGEST_COMPONENT {
            return refuse("has a component longer than 255 bytes in its name");
        }
        if cfg!(windows)
            && let Some(reason) = refused_by_windows(part)
        {
            return refuse(reason);
        }
    }
    let is_stripped = strip > 0 && all.len() <= strip;
    let kept = all.get(strip.min(all.len())..).unwrap_or_default();
    let parts: Vec<&[u8]> = kept.iter().copied().filter(|part| *part != b".").collect();
    if parts.len() as u64 > limits.depth {
        let what = format!("it has an entry in {} directories", parts.len() - 1);
        return Err(Problem::Limit { what, limit: "depth", value: limits.depth });
    }
    Ok(Name { parts, has_slash: raw.ends_with(b"/"), is_stripped })
}

/// Returns why Windows would take a component for something else.
fn refused_by_windows(part: &[u8]) -> Option<&'static str> {
    const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
    let Ok(text) = std::str::from_utf8(part) else { return Some("has a name that is not UTF-8") };
    let stem = text.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_port =
        |kind| stem.strip_prefix(kind).is_some_and(|number: &str| number.chars().count() == 1);
    if text.contains([':', '<', '>', '"', '|', '?', '*']) || text.bytes().any(|byte| byte < b' ') {
        Some("has a character in its name that this system does not allow")
    } else if text != "." && text.ends_with(['.', ' ']) {
        Some("has a name that ends in a dot or a space, which this system removes")
    } else if DEVICES.contains(&stem.as_str()) || is_port("com") || is_port("lpt") {
        Some("has the name of a device of this system")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(raw: &str, strip: usize) -> Option<String> {
        let limits = Limits::default();
        let name = parse(raw.as_bytes(), Origin::Tar, strip, &limits).unwrap();
        let text = name
            .parts
            .iter()
            .map(|part| String::from_utf8_lossy(part))
            .collect::<Vec<_>>()
            .join("/");
        (!name.is_stripped).then_some(text)
    }

    #[test]
    fn names_are_split_and_stripped_as_tar_does() {
        assert_eq!(parts("a/b//c/", 0).unwrap(), "a/b/c");
        assert_eq!(parts("./a/./b", 0).unwrap(), "a/b");
        assert_eq!(parts("./", 0).unwrap(), "");
        assert_eq!(parts("a/b", 1).unwrap(), "b");
        assert_eq!(parts("./a/b", 1).unwrap(), "a/b");
        assert_eq!(parts("a/", 1), None);
        assert_eq!(parts("a", 3), None);
        assert_eq!(parts("...", 0).unwrap(), "...");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let limits = Limits { path: 300, depth: 3, ..Limits::default() };
        for origin in [Origin::Tar, Origin::Zip] {
            for raw in [
                "",
                "/etc/passwd",
                "../a",
                "a/../b",
                "a/..",
                "..",
                "a\0b",
                "a\nb",
                "a/b/c/d",
                "//a",
            ] {
                assert!(parse(raw.as_bytes(), origin, 0, &limits).is_err(), "{raw:?}");
            }
            assert!(parse("n".repeat(256).as_bytes(), origin, 0, &limits).is_err());
            assert!(parse("n/".repeat(200).as_bytes(), origin, 0, &limits).is_err());
            assert!(parse("../a".as_bytes(), origin, 5, &limits).is_err());
        }
        for raw in ["a\\..\\b", "C:a", "c:/a", "..\\a"] {
            assert!(parse(raw.as_bytes(), Origin::Zip, 0, &limits).is_err(), "{raw:?}");
        }
        // File systems other than those of Windows have such names, systemd's units for one.
        if cfg!(unix) {
            assert!(parse(b"dev-disk-by\\x2dlabel.device", Origin::Tar, 0, &limits).is_ok());
            assert!(parse(b"Module::Name.3pm", Origin::Tar, 0, &limits).is_ok());
        }
    }

    #[test]
    fn windows_takes_some_names_for_something_else() {
        for name in ["con", "NUL.txt", "com1", "a:b", "end.", "end ", "lpt9.log"] {
            assert!(refused_by_windows(name.as_bytes()).is_some(), "{name}");
        }
        for name in ["console", "com10", "a.b", ".", ".gitignore"] {
            assert!(refused_by_windows(name.as_bytes()).is_none(), "{name}");
        }
    }
}
