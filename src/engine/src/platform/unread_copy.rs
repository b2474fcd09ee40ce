//! Copying a large file without reading it: the file system shares its blocks, or the disk takes
//! the bytes from the page cache, where they are.
//!
//! `ioctl_ficlone(2)` is the first; Btrfs and XFS know it. For the second the file is mapped, and
//! the mapping is written with `O_DIRECT`. No code here touches the mapping, so a file that becomes
//! shorter in between is an error of the write (EFAULT), and no signal.

use std::fs::File;
use std::io;

/// Copies a file of a length to an empty one; returns whether it did. If it did not, the other is
/// empty still. What is copied is what is in the file at some time: the caller checks that nothing
/// wrote to it. `proceed` is asked before each part.
///
/// # Errors
/// When the system refuses, for example because the disk is full, or `proceed` does.
pub fn copy_unread(
    from: &File,
    to: &mut File,
    length: u64,
    proceed: impl FnMut() -> io::Result<()>,
) -> io::Result<bool> {
    system::copy(from, to, length, proceed)
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::File;
    use std::io::{self, Seek, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::FileExt;

    use crate::platform::past_cache::{ALIGNMENT, set_direct};

    /// Bytes that one call writes.
    const PIECE: usize = 16 << 20;

    pub(super) fn copy(
        from: &File,
        to: &mut File,
        length: u64,
        mut proceed: impl FnMut() -> io::Result<()>,
    ) -> io::Result<bool> {
        if rustix::fs::ioctl_ficlone(&*to, from).is_ok() {
            return Ok(true);
        }
        let Some(pages) = MappedPages::of(from, length) else { return Ok(false) };
        if set_direct(to, true).is_err() {
            return Ok(false);
        }
        match write(&pages, from, to, &mut proceed) {
            Ok(()) => Ok(true),
            // The disk wants another alignment, or the file is shorter by now.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EFAULT)) => {
                set_direct(to, false)?;
                to.set_len(0)?;
                to.rewind()?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn write(
        pages: &MappedPages,
        from: &File,
        to: &mut File,
        proceed: &mut impl FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        let aligned = pages.length - pages.length % ALIGNMENT;
        let mut done = 0;
        pages.read_ahead(0, PIECE);
        while done < aligned {
            proceed()?;
            let piece = PIECE.min(aligned - done);
            pages.read_ahead(done + piece, PIECE);
            match pages.write(done, piece, to) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                // The last write ended in the middle of a block: the rest is refused, and copied
                // otherwise.
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        set_direct(to, false)?;
        let mut last = [0; ALIGNMENT];
        let last = &mut last[..pages.length - aligned];
        match from.read_exact_at(last, aligned as u64) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(io::Error::from_raw_os_error(libc::EFAULT))
            }
            read => read.and_then(|()| to.write_all(last)),
        }
    }

    /// The pages of a file in memory. Their bytes are never looked at.
    struct MappedPages {
        start: *mut libc::c_void,
        length: usize,
    }

    impl MappedPages {
        fn of(file: &File, length: u64) -> Option<MappedPages> {
            let length = usize::try_from(length).ok().filter(|length| *length >= ALIGNMENT)?;
            let (protection, kind) = (libc::PROT_READ, libc::MAP_SHARED);
            // SAFETY: a new mapping of an open file, which nothing dereferences.
            let start = unsafe {
                libc::mmap(std::ptr::null_mut(), length, protection, kind, file.as_raw_fd(), 0)
            };
            (start != libc::MAP_FAILED).then_some(MappedPages { start, length })
        }

        /// Lets the system read what is not in memory.
        fn read_ahead(&self, offset: usize, length: usize) {
            let length = length.min(self.length.saturating_sub(offset));
            if length > 0 {
                // SAFETY: a part of the mapping; the advice changes no byte.
                unsafe { libc::madvise(self.at(offset), length, libc::MADV_WILLNEED) };
            }
        }

        fn write(&self, offset: usize, length: usize, to: &File) -> io::Result<usize> {
            debug_assert!(offset + length <= self.length);
            // SAFETY: a part of the mapping, which the kernel reads.
            let written = unsafe { libc::write(to.as_raw_fd(), self.at(offset), length) };
            usize::try_from(written).map_err(|_| io::Error::last_os_error())
        }

        fn at(&self, offset: usize) -> *mut libc::c_void {
            self.start.wrapping_byte_add(offset)
        }
    }

    impl Drop for MappedPages {
        fn drop(&mut self) {
            // SAFETY: the mapping is this one's own.
            unsafe { libc::munmap(self.start, self.length) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::fs::File;
    use std::io;

    pub(super) fn copy(
        _from: &File,
        _to: &mut File,
        _length: u64,
        _go_on: impl FnMut() -> io::Result<()>,
    ) -> io::Result<bool> {
        Ok(false)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;

    use super::*;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|number| (number % 251) as u8).collect()
    }

    fn files(length: usize) -> (tempfile::TempDir, File, File) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("from");
        fs::write(&path, content(length)).unwrap();
        let to = File::create(directory.path().join("to")).unwrap();
        (directory, File::open(path).unwrap(), to)
    }

    #[test]
    fn a_copy_has_all_bytes_whatever_their_number() {
        for length in [4096, 4097, 300_000, (16 << 20) - 1, (16 << 20) + 1, (33 << 20) + 777] {
            let (directory, from, mut to) = files(length);
            let is_copied = copy_unread(&from, &mut to, length as u64, || Ok(())).unwrap();
            let expected = if is_copied { content(length) } else { Vec::new() };
            assert!(fs::read(directory.path().join("to")).unwrap() == expected, "{length}");
        }
    }

    #[test]
    fn a_file_that_becomes_shorter_meanwhile_is_not_copied() {
        const LENGTH: usize = 40 << 20;
        let (directory, from, mut to) = files(LENGTH);
        let path = directory.path().join("from");
        let mut parts = 0;
        let cut = || {
            parts += 1;
            if parts == 2 {
                File::options().write(true).open(&path).unwrap().set_len(5000)?;
            }
            Ok(())
        };
        let is_copied = copy_unread(&from, &mut to, LENGTH as u64, cut).unwrap();
        // Where blocks are shared, nothing is asked for in between.
        assert_eq!(is_copied, parts == 0);
        let length = fs::metadata(directory.path().join("to")).unwrap().len();
        assert_eq!(length, if is_copied { LENGTH as u64 } else { 0 });
    }

    #[test]
    fn a_file_that_is_shorter_than_said_is_not_copied() {
        let (directory, from, mut to) = files(5000);
        if !copy_unread(&from, &mut to, 9000, || Ok(())).unwrap() {
            assert_eq!(fs::metadata(directory.path().join("to")).unwrap().len(), 0);
        }
    }

    #[test]
    fn an_interrupt_ends_it() {
        let (_directory, from, mut to) = files(1 << 20);
        let stop = || Err(io::ErrorKind::Interrupted.into());
        if let Err(error) = copy_unread(&from, &mut to, 1 << 20, stop) {
            assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        }
    }
}
