//! Files that have several names without a link, since their file system is mounted in several
//! places: bind mounts, or the same disk or share mounted twice.
//!
//! The format is that of `/proc/self/mountinfo` (proc_pid_mountinfo(5)). Other systems do not tell.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::path_from_bytes;
use crate::places::PlaceMap;

/// A mounted part of a file system.
#[derive(Debug)]
struct Mount {
    /// The number of the file system.
    device: Vec<u8>,
    /// What of it is mounted.
    root: PathBuf,
    /// Where.
    point: PathBuf,
    /// Whether a part of the same is mounted elsewhere too.
    is_shared: bool,
}

/// The mounts of this process, where parts of one file system are at several places.
#[derive(Debug, Default)]
pub struct Mounts {
    all: Vec<Mount>,
    /// The last mount at each place.
    at: PlaceMap<'static, usize>,
}

impl Mounts {
    /// Looks at the present mounts.
    pub fn now() -> Mounts {
        Mounts::parse(&std::fs::read("/proc/self/mountinfo").unwrap_or_default())
    }

    fn parse(text: &[u8]) -> Mounts {
        let mut all: Vec<Mount> = text.split(|byte| *byte == b'\n').filter_map(mount).collect();
        let mut by_device: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        for (number, mount) in all.iter().enumerate() {
            by_device.entry(mount.device.clone()).or_default().push(number);
        }
        for numbers in by_device.values() {
            for one in numbers {
                let is_shared = numbers.iter().filter(|other| *other != one).any(|other| {
                    let (one, other) = (&all[*one].root, &all[*other].root);
                    one.starts_with(other) || other.starts_with(one)
                });
                all[*one].is_shared = is_shared;
            }
        }
        if !all.iter().any(|mount| mount.is_shared) {
            return Mounts::default();
        }
        let mut at = PlaceMap::default();
        for (number, mount) in all.iter().enumerate() {
            at.insert(mount.point.clone(), number);
        }
        Mounts { all, at }
    }

    /// Returns the mount that a path is in.
    fn of(&self, path: &Path) -> Option<usize> {
        path.ancestors().find_map(|above| self.at.get(above)).copied()
    }

    /// Returns the other names of a path, whether anything is there or not. None of the directories
    /// above it may be a link.
    pub fn other_names(&self, path: &Path) -> Vec<PathBuf> {
        let Some(own) = self.of(path).filter(|own| self.all[*own].is_shared) else {
            return Vec::new();
        };
        let Mount { device, root, point, .. } = &self.all[own];
        let inside = super::join(root, path.strip_prefix(point).unwrap_or(path));
        let others =
            self.all.iter().enumerate().filter(|(number, other)| {
                *number != own && other.is_shared && other.device == *device
            });
        let names = others.filter_map(|(number, other)| {
            let name = super::join(&other.point, inside.strip_prefix(&other.root).ok()?);
            // Another mount may hide it.
            (self.of(&name) == Some(number)).then_some(name)
        });
        names.collect()
    }
}

/// Reads a line.
fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(2);
    let device = fields.next()?.to_vec();
    let (root, point) = (plain(fields.next()?), plain(fields.next()?));
    Some(Mount { device, root, point, is_shared: false })
}

/// Returns a path without escapes: what would end a field is written as three octal digits.
fn plain(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let number =
            digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match number {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    path_from_bytes(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, path: &str) -> Vec<String> {
        let names = Mounts::parse(text.as_bytes()).other_names(Path::new(path));
        names.into_iter().map(|name| name.display().to_string()).collect()
    }

    #[test]
    fn a_file_has_a_name_for_each_mount_of_it() {
        let text = "1 0 8:1 / / rw - ext4 /dev/sda rw\n\
                    2 1 8:1 /data/my\\040files /home/me rw - ext4 /dev/sda rw\n\
                    3 1 8:1 /data/my\\040files/dots/rc /srv/rc rw - ext4 /dev/sda rw\n\
                    4 1 8:2 / /data/other rw - ext4 /dev/sdb rw\n";
        let dots = ["/data/my files/dots", "/home/me/dots"];
        assert_eq!(names(text, dots[0]), [dots[1]]);
        assert_eq!(names(text, dots[1]), [dots[0]]);
        assert_eq!(names(text, "/srv/rc"), ["/data/my files/dots/rc", "/home/me/dots/rc"]);
        assert_eq!(names(text, "/home/me"), ["/data/my files"]);
        for alone in ["/", "/data", "/data/other/x", "/home", "/srv"] {
            assert_eq!(names(text, alone), Vec::<String>::new(), "{alone}");
        }
    }

    #[test]
    fn what_another_mount_hides_has_no_name_there() {
        let text = "1 0 8:1 / / rw - ext4 /dev/sda rw\n\
                    2 1 8:1 /data /mnt rw - ext4 /dev/sda rw\n\
                    3 2 8:2 / /mnt/x rw - ext4 /dev/sdb rw\n";
        assert_eq!(names(text, "/data/y"), ["/mnt/y"]);
        assert_eq!(names(text, "/data/x/y"), Vec::<String>::new());
        assert_eq!(names("", "/data"), Vec::<String>::new());
    }
}
