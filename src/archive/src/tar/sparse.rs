//! Files with holes, in the four ways in which GNU tar has written them: a map in the header and
//! blocks behind it, and in records of pax the versions 0.0, 0.1 and 1.0.

use super::BLOCK;
use super::number::number;
use super::pax::{Records, decimal};

/// More pieces than this would take too much memory.
const MOST: usize = 1 << 20;

/// A piece of a file that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its place.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
}

/// All pieces of a file.
#[derive(Debug)]
pub struct Segments {
    /// In the order of their places.
    pub all: Vec<Segment>,
    /// The size of the file.
    pub size: u64,
    /// The bytes of all pieces.
    pub stored: u64,
}

impl Segments {
    /// Checks them; errors are read after "a sparse file whose map ".
    pub fn new(all: Vec<Segment>, size: u64, stored: u64) -> Result<Segments, String> {
        let (mut end, mut sum) = (0u64, 0u64);
        for segment in &all {
            if segment.offset < end {
                return Err("has pieces that overlap".to_owned());
            }
            end = segment
                .offset
                .checked_add(segment.length)
                .ok_or("has a piece beyond all bounds")?;
            sum += segment.length;
        }
        if end > size {
            return Err("has a piece beyond the end of the file".to_owned());
        }
        if sum != stored {
            return Err(format!("says {sum} bytes where {stored} are stored"));
        }
        Ok(Segments { all, size, stored })
    }
}

/// The map of old GNU tar.
#[derive(Clone, Debug)]
pub struct OldMap {
    /// The pieces until now.
    pub segments: Vec<Segment>,
    /// The size of the file.
    pub size: u64,
    /// Whether another block of it follows.
    pub goes_on: bool,
}

impl OldMap {
    /// Reads what the header has of it; errors are read after "header number N ".
    pub fn parse(block: &[u8; BLOCK]) -> Result<OldMap, String> {
        let size = number(&block[483..495])
            .map_err(|problem| format!("has a real size that {problem}"))?;
        let mut map = OldMap { segments: Vec::new(), size, goes_on: block[482] != 0 };
        map.add(&block[386..482]).map_err(|problem| format!("has a sparse map that {problem}"))?;
        Ok(map)
    }

    /// Reads one more block; errors are read after "a sparse file whose map ".
    pub fn add_block(&mut self, block: &[u8; BLOCK]) -> Result<(), String> {
        self.goes_on = block[504] != 0;
        self.add(&block[..504])
    }

    fn add(&mut self, pairs: &[u8]) -> Result<(), String> {
        for pair in pairs.chunks_exact(24).take_while(|pair| pair[0] != 0) {
            push(&mut self.segments, number(&pair[..12])?, number(&pair[12..])?)?;
        }
        Ok(())
    }
}

fn push(segments: &mut Vec<Segment>, offset: u64, length: u64) -> Result<(), String> {
    if segments.len() >= MOST {
        return Err("has too many pieces".to_owned());
    }
    segments.push(Segment { offset, length });
    Ok(())
}

/// What the records of pax say of a sparse file.
pub struct Form {
    /// The size of the file.
    pub size: u64,
    /// The pieces; `None` when the content begins with them, in version 1.0.
    pub segments: Option<Vec<Segment>>,
}

impl Form {
    /// Reads them; `None` for a file without holes. Errors are read after "a sparse file whose map
    /// ".
    pub fn of(records: &Records) -> Result<Option<Form>, String> {
        let version = (records.number(b"GNU.sparse.major")?, records.number(b"GNU.sparse.minor")?);
        let size = match version {
            (Some(1), Some(0)) => records.number(b"GNU.sparse.realsize")?,
            (None, None) | (Some(0), Some(0 | 1)) => records.number(b"GNU.sparse.size")?,
            _ => return Err("has an unknown version".to_owned()),
        };
        let Some(size) = size else {
            let has_others = records.iter().any(|(key, _)| key.starts_with(b"GNU.sparse."));
            return if has_others { Err("has no size".to_owned()) } else { Ok(None) };
        };
        if version.0 == Some(1) {
            return Ok(Some(Form { size, segments: None }));
        }
        let mut segments = Vec::new();
        if let Some(map) = records.get(b"GNU.sparse.map") {
            let numbers: Option<Vec<u64>> = map.split(|byte| *byte == b',').map(decimal).collect();
            let numbers = numbers
                .filter(|numbers| numbers.len() % 2 == 0)
                .ok_or("is not a list of numbers")?;
            for pair in numbers.chunks_exact(2) {
                push(&mut segments, pair[0], pair[1])?;
            }
        } else {
            let mut offset = None;
            for (key, value) in records.iter() {
                let value = || decimal(value).ok_or("has text that is not a number");
                match key {
                    b"GNU.sparse.offset" if offset.is_none() => offset = Some(value()?),
                    b"GNU.sparse.numbytes" => {
                        push(&mut segments, offset.take().ok_or("has no offset")?, value()?)?;
                    }
                    b"GNU.sparse.offset" => return Err("has no length".to_owned()),
                    _ => {}
                }
            }
        }
        Ok(Some(Form { size, segments: Some(segments) }))
    }
}

/// The map of version 1.0: a count, then offset and length of each piece, one decimal number a
/// line.
#[derive(Default)]
pub struct DecimalMap {
    digits: Vec<u8>,
    count: Option<u64>,
    offset: Option<u64>,
    segments: Vec<Segment>,
}

impl DecimalMap {
    /// Reads one more block; returns the pieces when they are complete.
    pub fn add(&mut self, block: &[u8; BLOCK]) -> Result<Option<Vec<Segment>>, String> {
        for byte in block {
            if *byte != b'\n' {
                self.digits.push(*byte);
                if self.digits.len() > 20 {
                    return Err("has text that is not a number".to_owned());
                }
                continue;
            }
            let value = decimal(&self.digits).ok_or("has text that is not a number")?;
            self.digits.clear();
            match (self.count, self.offset.take()) {
                (None, _) => self.count = Some(value),
                (Some(_), None) => self.offset = Some(value),
                (Some(_), Some(offset)) => push(&mut self.segments, offset, value)?,
            }
            if self.count == Some(self.segments.len() as u64) {
                return Ok(Some(std::mem::take(&mut self.segments)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_must_fit() {
        let at = |offset, length| Segment { offset, length };
        assert!(Segments::new(vec![at(0, 4), at(8, 2)], 10, 6).is_ok());
        assert!(Segments::new(vec![at(0, 4), at(3, 2)], 10, 6).is_err());
        assert!(Segments::new(vec![at(8, 4)], 10, 4).is_err());
        assert!(Segments::new(vec![at(u64::MAX, 4)], 10, 4).is_err());
        assert!(Segments::new(vec![at(0, 4)], 10, 5).is_err());
    }
}
