//! How the text of a file differs from another one, as a unified diff.

use std::io::Read;
use std::path::Path;

use crate::platform;

/// Longer files are compared as a whole.
const LARGEST: u64 = 1 << 20;

/// What can be said of two texts.
pub(super) enum TextDiff {
    /// They differ so.
    Changed(String),
    /// One of them is known only after a build.
    NeedsBuild,
    /// They are equal, or no texts.
    None,
}

/// Returns the text of a file, or `None` if it is too long or not text.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    let file = platform::open_regular(path).ok()?;
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text).ok()?;
    (text.len() as u64 <= LARGEST).then_some(text)
}

/// Compares two texts. A missing file is an empty text.
pub(super) fn compare(name: &str, before: &[u8], after: &[u8]) -> TextDiff {
    let text = |bytes| std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    let (Some(before), Some(after)) = (text(before), text(after)) else { return TextDiff::None };
    if before == after {
        return TextDiff::None;
    }
    let (old, new) = (format!("a/{name}"), format!("b/{name}"));
    let old = if before.is_empty() { "/dev/null".to_owned() } else { old };
    let new = if after.is_empty() { "/dev/null".to_owned() } else { new };
    let difference = similar::TextDiff::from_lines(before, after);
    TextDiff::Changed(difference.unified_diff().context_radius(3).header(&old, &new).to_string())
}
