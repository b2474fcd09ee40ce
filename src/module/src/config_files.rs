//! Where the files of a config are.

/// Where the files of a config are.
pub struct ConfigFiles {
    directory: Vec<u8>,
    /// Directories that are there but not part of it: the home and the root may be.
    elsewhere: Vec<Vec<u8>>,
}

impl ConfigFiles {
    /// Makes it; nothing for `/`, below which is everything.
    pub fn new(directory: &[u8], elsewhere: &[&[u8]]) -> Option<ConfigFiles> {
        let inner =
            elsewhere.iter().filter(|other| **other != directory && is_below(other, directory));
        let elsewhere = inner.map(|other| other.to_vec()).collect();
        (directory != b"/").then(|| ConfigFiles { directory: directory.to_vec(), elsewhere })
    }

    /// Returns whether a text is the path of one. Several lines are no path.
    pub fn has(&self, text: &[u8]) -> bool {
        is_below(text, &self.directory) && !self.elsewhere.iter().any(|other| is_below(text, other))
    }
}

fn is_below(text: &[u8], directory: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(directory) else { return false };
    (rest.is_empty() || rest.starts_with(b"/")) && !rest.contains(&b'\n')
}
