//! Changes of a text at several places at once.

use std::ops::Range;

use zeroize::Zeroize;

/// Replacements that do not overlap. They are wiped when they are dropped: some are decrypted
/// values.
pub(crate) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// Puts a text into the place of a range.
    pub fn replace(&mut self, range: Range<usize>, text: String) {
        self.0.push((range, text));
    }

    /// Puts a text before a byte.
    pub fn insert(&mut self, at: usize, text: String) {
        self.0.push((at..at, text));
    }

    /// The text with all changes. What overlaps an earlier change is left out, which no caller
    /// makes.
    pub fn apply(mut self, text: &str) -> String {
        self.0.sort_by_key(|(range, _)| (range.start, range.end));
        let grown: usize = self.0.iter().map(|(_, text)| text.len()).sum();
        let mut out = String::with_capacity(text.len() + grown);
        let mut at = 0;
        for (range, replacement) in &self.0 {
            if range.start < at {
                continue;
            }
            out.push_str(&text[at..range.start]);
            out.push_str(replacement);
            at = range.end;
        }
        out.push_str(&text[at..]);
        out
    }
}

impl Drop for Edits {
    fn drop(&mut self) {
        for (_, text) in &mut self.0 {
            text.zeroize();
        }
    }
}
