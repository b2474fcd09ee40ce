//! Links that follow their tree: after an edit they lead into another object, most of them to the
//! same file as before.

use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::platform::{self, FileKind};

/// Returns whether two paths are files with the same bytes that can both be run or both not, or
/// equal links. What cannot be read is not the same.
pub fn is_same_file(first: &Path, second: &Path) -> bool {
    match (platform::observe(first), platform::observe(second)) {
        (Ok(Some(a)), Ok(Some(b))) if a.kind == b.kind => match a.kind {
            FileKind::File => {
                a.identity == b.identity || has_same_bytes(first, second).unwrap_or(false)
            }
            FileKind::Symlink => {
                let texts = (platform::read_link(first), platform::read_link(second));
                matches!(texts, (Ok(first), Ok(second)) if first == second)
            }
            _ => false,
        },
        _ => false,
    }
}

fn has_same_bytes(first: &Path, second: &Path) -> io::Result<bool> {
    let open = |path| platform::open_node(path).map_err(|error| error.cause);
    let ((first, a), (second, b)) = (open(first)?, open(second)?);
    if a.size != b.size || a.is_executable() != b.is_executable() {
        return Ok(false);
    }
    let (mut first, mut second) = (BufReader::new(first), BufReader::new(second));
    loop {
        let (a, b) = (first.fill_buf()?, second.fill_buf()?);
        let length = a.len().min(b.len());
        if length == 0 {
            return Ok(a.len() == b.len());
        }
        if a[..length] != b[..length] {
            return Ok(false);
        }
        first.consume(length);
        second.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_the_same_by_bytes_and_by_whether_they_can_be_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let write = |name: &str, text: &[u8], mode: u32| {
            fs::write(path(name), text).unwrap();
            platform::set_mode(&path(name), mode).unwrap();
        };
        write("one", b"text", 0o644);
        write("same", b"text", 0o600);
        write("run", b"text", 0o755);
        write("other", b"next", 0o644);
        write("long", &[1; 20_000], 0o644);
        write("longer", &[1; 20_001], 0o644);
        platform::symlink(Path::new("one"), &path("link")).unwrap();
        platform::symlink(Path::new("one"), &path("equal")).unwrap();
        platform::symlink(Path::new("two"), &path("elsewhere")).unwrap();
        for (first, second, expected) in [
            ("one", "one", true),
            ("one", "same", true),
            ("one", "run", false),
            ("one", "other", false),
            ("long", "longer", false),
            ("long", "long", true),
            ("link", "equal", true),
            ("link", "elsewhere", false),
            ("link", "one", false),
            ("one", "missing", false),
        ] {
            assert_eq!(is_same_file(&path(first), &path(second)), expected, "{first} {second}");
        }
    }
}
