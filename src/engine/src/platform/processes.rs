//! What the processes of the machine name: their programs, libraries, directories, open files, variables and
//! arguments, as raw bytes. Looking only; does not know what is searched in them.
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

/// Returns what the processes name that this user may look at. One that ends meanwhile is left out.
///
/// # Errors
/// When the processes cannot be listed.
#[cfg(target_os = "linux")]
pub fn processes() -> super::Result<Vec<ProcessTexts>> {
    use super::read::list_directory;
    use rayon::iter::{IntoParallelIterator, ParallelIterator};

    let entries = list_directory(std::path::Path::new("/proc"))?;
    let pids: Vec<u32> = entries.iter().filter_map(|(name, _)| name.to_str()?.parse().ok()).collect();
    Ok(pids.into_par_iter().map(look).collect())
}

#[cfg(target_os = "linux")]
fn look(pid: u32) -> ProcessTexts {
    use std::fs;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    let directory = PathBuf::from(format!("/proc/{pid}"));
    let mut texts = Vec::new();
    let mut links = vec![directory.join("exe"), directory.join("cwd"), directory.join("root")];
    let open = fs::read_dir(directory.join("fd")).into_iter().flatten().flatten();
    links.extend(open.map(|entry| entry.path()));
    texts.extend(links.into_iter().filter_map(|link| Some(fs::read_link(link).ok()?.into_os_string().into_vec())));
    // Our own words name what they ask about, and hold nothing.
    let words = if pid == std::process::id() { None } else { Some("cmdline") };
    for file in ["maps", "environ"].into_iter().chain(words) {
        texts.extend(fs::read(directory.join(file)).ok());
    }
    let program = fs::read(directory.join("comm")).unwrap_or_default();
    let program = String::from_utf8_lossy(&program).trim_end().to_owned();
    ProcessTexts { pid, program, texts }
}

/// Returns nothing: the system has no such list that we know of.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn processes() -> super::Result<Vec<ProcessTexts>> {
    Ok(Vec::new())
}
