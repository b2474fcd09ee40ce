//! What the processes of the machine name: their programs, libraries, directories, open files,
//! variables and arguments, as raw bytes. Looking only; does not know what is searched in them.
//!
//! Elsewhere than on Linux there is no list of that kind, and none is returned.

/// A process, and texts that name files it uses.
#[derive(Clone, Debug)]
pub struct ProcessTexts {
    /// Its number.
    pub pid: u32,
    /// The name of its program.
    pub program: String,
    /// What it names.
    pub texts: Vec<Vec<u8>>,
}

/// Passes on the paths in processes that this user may inspect, one process after the other:
/// together they may not fit in memory. A process that ends is skipped. So is a process that does
/// not answer: its memory may be in a file system of its user that never answers.
///
/// # Errors
/// When the processes cannot be listed.
#[cfg(target_os = "linux")]
pub fn each_process(mut take: impl FnMut(ProcessTexts)) -> super::Result<()> {
    use std::collections::VecDeque;
    use std::sync::mpsc::sync_channel;
    use std::sync::{Arc, Mutex, PoisonError};

    let entries = super::read::list_directory(std::path::Path::new("/proc"))?;
    let pids: VecDeque<u32> =
        entries.iter().filter_map(|(name, _)| name.to_str()?.parse().ok()).collect();
    let pids = Arc::new(Mutex::new(pids));
    let (send, receive) = sync_channel(0);
    for _ in 0..READERS {
        let (pids, send) = (Arc::clone(&pids), send.clone());
        // Not waited for: if it hangs, it ends with the process.
        let _ = std::thread::Builder::new().name("syslua-processes".to_owned()).spawn(move || {
            let next = || pids.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            while let Some(pid) = next() {
                if send.send(observe(pid)).is_err() {
                    return;
                }
            }
        });
    }
    drop(send);
    while let Ok(process) = receive.recv_timeout(PATIENCE) {
        take(process);
    }
    Ok(())
}

/// How many threads read.
#[cfg(target_os = "linux")]
const READERS: usize = 4;

/// How long none of them may bring anything.
#[cfg(target_os = "linux")]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// How much is read of the maps, variables or arguments of a process, in bytes.
#[cfg(target_os = "linux")]
const MOST_TEXT: u64 = 16 << 20;

/// How many of its open files are looked at.
#[cfg(target_os = "linux")]
const MOST_FILES: usize = 1 << 16;

#[cfg(target_os = "linux")]
fn observe(pid: u32) -> ProcessTexts {
    use std::fs;
    use std::io::Read;
    use std::os::unix::ffi::OsStringExt;
    use std::path::{Path, PathBuf};

    let read = |path: &Path| {
        let mut text = Vec::new();
        fs::File::open(path).ok()?.take(MOST_TEXT).read_to_end(&mut text).ok()?;
        Some(text)
    };
    let directory = PathBuf::from(format!("/proc/{pid}"));
    let mut texts = Vec::new();
    let mut links = vec![directory.join("exe"), directory.join("cwd"), directory.join("root")];
    let open = fs::read_dir(directory.join("fd")).into_iter().flatten().flatten().take(MOST_FILES);
    links.extend(open.map(|entry| entry.path()));
    texts.extend(
        links
            .into_iter()
            .filter_map(|link| Some(fs::read_link(link).ok()?.into_os_string().into_vec())),
    );
    // The arguments of this process name the objects that the user asks about, and keep nothing.
    let words = if pid == std::process::id() { None } else { Some("cmdline") };
    for file in ["maps", "environ"].into_iter().chain(words) {
        texts.extend(read(&directory.join(file)));
    }
    let program = read(&directory.join("comm")).unwrap_or_default();
    let program = String::from_utf8_lossy(&program).trim_end().to_owned();
    ProcessTexts { pid, program, texts }
}

/// Passes on nothing: the system has no known list of this kind.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn each_process(_take: impl FnMut(ProcessTexts)) -> super::Result<()> {
    Ok(())
}
