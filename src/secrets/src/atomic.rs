//! Writing files so that a kill leaves the old or the new one.
#![expect(
    clippy::disallowed_methods,
    reason = "documents are files of the user, and no build can change them"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Replaces a file, or makes one with these rights. A link is followed, and the rights and the
/// owner of what was there are kept.
///
/// # Errors
/// When the directory cannot be written. Then nothing is changed.
pub fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let name = path.file_name().ok_or_else(|| io::Error::other("it is not the path of a file"))?;
    let mut temporary =
        directory.join(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
    let mut file = None;
    for attempt in 0..100 {
        match create(&temporary) {
            Ok(made) => {
                file = Some(made);
                break;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                temporary.set_file_name(format!(
                    ".{}.{}-{attempt}.new",
                    name.to_string_lossy(),
                    std::process::id()
                ));
            }
            Err(error) => return Err(error),
        }
    }
    let file = file.ok_or_else(|| io::Error::other("no temporary name is free"))?;
    let done = fill(file, content, &path, mode).and_then(|()| std::fs::rename(&temporary, &path));
    if let Err(error) = done {
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    sync_directory(&directory);
    Ok(())
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn fill(mut file: File, content: &[u8], target: &Path, mode: u32) -> io::Result<()> {
    file.write_all(content)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
        let mut mode = mode;
        if let Ok(old) = std::fs::metadata(target) {
            mode = old.mode() & 0o7777;
            let own = file.metadata()?;
            if (old.uid(), old.gid()) != (own.uid(), own.gid()) {
                // Only root can give a file away; for others the group is what they may not be able
                // to keep.
                let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
            }
        }
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = (target, mode);
    file.sync_all()
}

fn sync_directory(directory: &Path) {
    #[cfg(unix)]
    if let Ok(directory) = File::open(directory) {
        let _ = directory.sync_all();
    }
    #[cfg(not(unix))]
    let _ = directory;
}
