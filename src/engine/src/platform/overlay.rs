//! Operations that an overlay refuses and other file systems perform.

use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;

use super::{Directory, FileKind, Result, kind_of, observe};

/// Returns whether the file system refuses to rename the file at `place`: an overlay does so for
/// directories of its lower layers (overlayfs.rst in the kernel's documentation, "renaming
/// directories"). Only a rename tells these from others: a rename onto a non-empty directory, which
/// fails in any case and changes nothing. That directory exists only for the moment, in `own` if
/// this is in the same mount, otherwise beside the place.
///
/// # Errors
/// When the other directory cannot be made.
pub fn is_fixed(place: &Path, own: &Path) -> Result<bool> {
    let (Some(above), Some(name)) = (place.parent(), place.file_name()) else { return Ok(false) };
    if !is_overlay(place) || kind_of(place)? != Some(FileKind::Directory) {
        return Ok(false);
    }
    let mount = |path: &Path| observe(path).ok().flatten().map(|seen| seen.device.1);
    let from = Directory::open(above)?;
    if mount(own)
        .is_some_and(|mount_of_own| mount_of_own != 0 && Some(mount_of_own) == mount(above))
        && let Ok(own) = Directory::at(own)
        && let Ok(is_fixed) = refuses(&from, name, &own)
    {
        return Ok(is_fixed);
    }
    refuses(&from, name, &from)
}

/// What makes the directory full that is renamed onto.
const INNER: &str = "full";

/// Returns whether a rename is refused as one to another file system is, though the new name is in
/// the same one.
fn refuses(from: &Directory, name: &OsStr, to: &Directory) -> Result<bool> {
    remove_leftovers(to);
    let number = RandomState::new().hash_one(name);
    let full = format!("{PREFIX}{}-{number}{SUFFIX}", std::process::id());
    let full = OsStr::new(&full);
    let inner = OsStr::new(INNER);
    to.make_directory_with(full, 0o700)?;
    let attempt = to.directory(full).and_then(|directory| {
        directory.make_directory_with(inner, 0o700)?;
        let renamed = from.rename_over(name, to, full);
        Ok((directory, renamed))
    });
    match attempt {
        Ok((directory, Err(error))) => {
            directory.remove_directory(inner)?;
            to.remove_directory(full)?;
            Ok(error.cause.kind() == io::ErrorKind::CrossesDevices)
        }
        // Only if that directory was emptied in the meantime.
        Ok((_, Ok(()))) => to.rename_new(full, from, name).map(|()| false),
        Err(error) => {
            to.remove_directory(full)?;
            Err(error)
        }
    }
}

/// What the names of such directories begin and end with; the number of their process follows.
const PREFIX: &str = ".syslua-";
const SUFFIX: &str = ".tmp";

/// Removes such directories of processes that were killed, as far as they hold nothing else.
fn remove_leftovers(directory: &Directory) {
    let is_left = |name: &OsStr| -> Option<bool> {
        let process = name.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.split_once('-')?.0;
        Some(!Path::new("/proc").join(process.parse::<u32>().ok()?.to_string()).exists())
    };
    let entries = directory.list().unwrap_or_default();
    for (name, _) in entries.iter().filter(|(name, _)| is_left(name) == Some(true)) {
        if let Ok(full) = directory.directory(name) {
            let _ = full.remove_directory(OsStr::new(INNER));
            let _ = directory.remove_directory(name);
        }
    }
}

#[cfg(target_os = "linux")]
fn is_overlay(path: &Path) -> bool {
    /// The numbers that statfs(2) gives for overlayfs and, as rootless containers use it, for file
    /// systems of programs.
    const OVERLAY: [i128; 2] = [0x794c_7630, 0x6573_5546];
    // The number has another type on other machines.
    rustix::fs::statfs(path).is_ok_and(|data| OVERLAY.contains(&i128::from(data.f_type)))
}

#[cfg(not(target_os = "linux"))]
fn is_overlay(_path: &Path) -> bool {
    false
}

#[cfg(all(test, unix))]
#[expect(clippy::disallowed_methods, reason = "a test")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn directories_of_killed_processes_go_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        // No process has such a number: pid_max is at most 2^22 (proc_sys_kernel(5)).
        let own = format!(".syslua-{}-1.tmp", std::process::id());
        let stay =
            [own.as_str(), ".syslua-4194305-3.tmp", ".syslua-x-1.tmp", "syslua-4194305-1.tmp"];
        for name in stay.iter().chain(&[".syslua-4194305-1.tmp", ".syslua-4194305-2.tmp"]) {
            fs::create_dir_all(base.path().join(name).join(INNER)).unwrap();
        }
        fs::remove_dir(base.path().join(".syslua-4194305-2.tmp").join(INNER)).unwrap();
        fs::write(base.path().join(stay[1]).join("mine"), "mine").unwrap();
        remove_leftovers(&Directory::open(&base.path().canonicalize().unwrap()).unwrap());
        let mut left: Vec<_> = fs::read_dir(base.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut expected = stay.map(str::to_owned).to_vec();
        expected.sort();
        assert_eq!(left, expected);
        assert_eq!(fs::read(base.path().join(stay[1]).join("mine")).unwrap(), b"mine");
    }
}
