//! Texts in XML.

use crate::declaration::check_text;
use crate::problem::Refusal;

/// Returns a text as the content of an element.
///
/// # Errors
/// When XML cannot hold it.
pub(super) fn escaped(field: &str, text: &str) -> Result<String, Refusal> {
    check_text(field, text)?;
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\u{fffe}' | '\u{ffff}' => {
                return Err(Refusal::new(field, "has a character that XML cannot hold"));
            }
            _ => escaped.push(character),
        }
    }
    Ok(escaped)
}
