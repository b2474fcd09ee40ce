//! The extended attribute that names the owner of an installed file. The content is up to the
//! caller.

use std::fs::File;

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
const NAME: &str = "user.syslua";
/// Two paths of the maximum length.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
const LONGEST: usize = 2 * 4096;

/// Returns the mark of a file, if it has one.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub fn read(file: &File) -> Option<Vec<u8>> {
    let mut mark = vec![0; LONGEST];
    let length = rustix::fs::fgetxattr(file, NAME, &mut mark[..]).ok()?;
    mark.truncate(length);
    Some(mark)
}

/// Marks a file; a file system that cannot hold it does without.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub fn set(file: &File, mark: &[u8]) {
    let _ = rustix::fs::fsetxattr(file, NAME, mark, rustix::fs::XattrFlags::empty());
}

/// Files have no marks here.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub fn read(_file: &File) -> Option<Vec<u8>> {
    None
}

/// Files have no marks here.
#[cfg(all(unix, not(any(target_os = "linux", target_vendor = "apple"))))]
pub fn set(_file: &File, _mark: &[u8]) {}
