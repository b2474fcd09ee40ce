//! Reads secrets without leaving copies in memory: a vector that grows leaves its old
//! bytes behind.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// How much is read at once, in bytes.
const PART: usize = 4096;

/// Reads everything.
///
/// # Errors
/// When reading fails.
pub fn read_all(mut from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::with_capacity(PART));
    let mut part = Zeroizing::new([0; PART]);
    loop {
        let count = match from.read(&mut *part) {
            Ok(0) => return Ok(content),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if content.capacity() - content.len() < count {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * content.capacity()));
            larger.extend_from_slice(&content);
            content = larger;
        }
        content.extend_from_slice(&part[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::read_all;

    #[test]
    fn all_is_read() {
        for length in [0, 1, 4095, 4096, 4097, 100_000] {
            let bytes: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
            assert!(*read_all(bytes.as_slice()).unwrap() == bytes);
        }
    }
}
