//! The keys that are looked at. A large document has many others, which only have their places in
//! the tree.

use std::collections::HashMap;

/// Paths of keys, as a tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    below: HashMap<String, Paths>,
}

impl Paths {
    /// Collects paths.
    pub fn of<'p>(paths: impl IntoIterator<Item = &'p [String]>) -> Paths {
        let mut all = Paths::default();
        for path in paths {
            let mut at = &mut all;
            for key in path {
                at = at.below.entry(key.clone()).or_default();
            }
        }
        all
    }

    /// Returns the paths below a key, if there are any.
    pub fn below(&self, key: &str) -> Option<&Paths> {
        self.below.get(key)
    }

    /// Returns the paths below another path.
    pub fn at(&self, path: &[String]) -> Option<&Paths> {
        path.iter().try_fold(self, |paths, key| paths.below(key))
    }
}
