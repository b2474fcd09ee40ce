//! Bytes as the text that the engine for templates works on, and back: nothing is lost.

use std::borrow::Cow;

/// A byte that is not part of UTF-8 is this character plus the byte; bytes below 0x80 never are.
/// The characters are for private use. Where a text has them itself, their bytes are taken one by
/// one.
const ESCAPE: u32 = 0x0010_ff00;

fn escape(byte: u8) -> char {
    char::from_u32(ESCAPE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Returns the byte that a character stands for, if it is a private-use one.
pub fn escaped_byte(character: char) -> Option<u8> {
    let number = u32::from(character).checked_sub(ESCAPE)?;
    u8::try_from(number).ok().filter(|byte| *byte >= 0x80)
}

/// Returns bytes as a text. [`encode`] gives the bytes again.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.chars().any(|character| escaped_byte(character).is_some())
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if escaped_byte(character).is_some() {
                let mut buffer = [0; 4];
                text.extend(character.encode_utf8(&mut buffer).bytes().map(escape));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(escape));
    }
    Cow::Owned(text)
}

/// Returns the bytes that a text stands for.
pub fn encode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match escaped_byte(character) {
            Some(byte) => bytes.push(byte),
            None => {
                let mut buffer = [0; 4];
                bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
        }
    }
    bytes
}

/// Returns a text for a message.
pub fn show(text: &str) -> String {
    String::from_utf8_lossy(&encode(text)).into_owned()
}
