//! The bytes of a NAR, part by part.

use syslua_engine::hash::Sink;
use syslua_engine::nar::read::{Part, ReadError, Reader};

struct Buffer(Vec<u8>);

impl Sink for Buffer {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

fn read(stream: &mut &[u8], seen: &mut Buffer) -> Result<(), ReadError> {
    let mut reader = Reader::new(stream, seen, 32)?;
    let mut depth = 0i64;
    while let Some(part) = reader.next_part()? {
        match part {
            Part::Directory => depth += 1,
            Part::End => depth -= 1,
            Part::Entry(name) => {
                assert!(!name.is_empty() && name != b"." && name != b".." && name.len() <= 255);
                assert!(!name.contains(&b'/') && !name.contains(&0));
            }
            Part::Symlink(target) => assert!(!target.is_empty() && !target.contains(&0)),
            Part::File { length, .. } => {
                let mut count = 0;
                while reader.content(|bytes| {
                    count += bytes.len() as u64;
                    Ok::<(), ReadError>(())
                })? {}
                assert_eq!(count, length);
            }
        }
        assert!((0..=32).contains(&depth));
    }
    assert_eq!(depth, 0);
    Ok(())
}

/// Reads bytes.
pub fn target(bytes: &[u8]) {
    let (mut stream, mut seen) = (bytes, Buffer(Vec::new()));
    if read(&mut stream, &mut seen).is_ok() {
        // The bytes that were read are hashed.
        assert_eq!(seen.0, bytes[..bytes.len() - stream.len()]);
    }
}
