//! What an overlay refuses that other file systems do.

use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;

use super::{Directory, FileKind, Result, kind_of, look};

/// Returns whether the file system refuses to rename what stands at `place`, to wherever: an overlay does so for directories of its
/// lower layers (overlayfs.rst in the kernel's documentation, "renaming directories"). Only a rename tells these from others: one
/// onto a full directory, which fails at any rate and changes nothing. That directory is made for the moment, in `own` where this is
/// in the same mount, else beside the place.
///
/// # Errors
/// When the other directory cannot be made.
pub fn is_fixed(place: &Path, own: &Path) -> Result<bool> {
    let (Some(above), Some(name)) = (place.parent(), place.file_name()) else { return Ok(false) };
    if !is_overlay(place) || kind_of(place)? != Some(FileKind::Directory) {
        return Ok(false);
    }
    let mount = |path: &Path| look(path).ok().flatten().map(|seen| seen.device.1);
    let from = Directory::open(above)?;
    if mount(own).is_some_and(|mount_of_own| mount_of_own != 0 && Some(mount_of_own) == mount(above))
        && let Ok(own) = Directory::at(own)
        && let Ok(is_fixed) = refuses(&from, name, &own)
    {
        return Ok(is_fixed);
    }
    refuses(&from, name, &from)
}

/// Returns whether a rename is refused as one to another file system is, though the new name is in the same one.
fn refuses(from: &Directory, name: &OsStr, to: &Directory) -> Result<bool> {
    let number = RandomState::new().hash_one(name);
    let full = format!(".syslua-{}-{number}.tmp", std::process::id());
    let full = OsStr::new(&full);
    let inner = OsStr::new("full");
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
        // Only where that directory was emptied meanwhile.
        Ok((_, Ok(()))) => to.rename_new(full, from, name).map(|()| false),
        Err(error) => {
            to.remove_directory(full)?;
            Err(error)
        }
    }
}

#[cfg(target_os = "linux")]
fn is_overlay(path: &Path) -> bool {
    /// The numbers that statfs(2) gives for overlayfs and, as rootless containers use it, for file systems of programs.
    const OVERLAY: [i128; 2] = [0x794c_7630, 0x6573_5546];
    // The number has another type on other machines.
    rustix::fs::statfs(path).is_ok_and(|data| OVERLAY.contains(&i128::from(data.f_type)))
}

#[cfg(not(target_os = "linux"))]
fn is_overlay(_path: &Path) -> bool {
    false
}
