//! The records of extended headers: "LENGTH KEY=VALUE\n", POSIX.1-2001 pax.

use crate::problem::{Problem, Result as Unpacked};

/// The records of one header.
#[derive(Clone, Debug, Default)]
pub struct Records(Vec<(Vec<u8>, Vec<u8>)>);

/// Keys whose second value would be an invitation to choose.
const SINGLE: [&[u8]; 4] = [b"path", b"linkpath", b"size", b"GNU.sparse.name"];

impl Records {
    /// Reads them; errors are read after "an extended header ".
    pub fn parse(mut content: &[u8]) -> Result<Records, String> {
        let malformed = || "has a malformed record".to_owned();
        let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        // Some programs fill the last block of the header with zeros and count them.
        while content.iter().any(|byte| *byte != 0) {
            let blank =
                content.iter().take(20).position(|byte| *byte == b' ').ok_or_else(malformed)?;
            let length = decimal(&content[..blank]).and_then(|length| usize::try_from(length).ok());
            let record =
                length.and_then(|length| content.get(blank + 1..length)).ok_or_else(malformed)?;
            content = &content[blank + 1 + record.len()..];
            let record = record.strip_suffix(b"\n").ok_or_else(malformed)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            // The last one counts (POSIX), but two sizes contradict each other.
            let is_other = |(known, old): &(Vec<u8>, Vec<u8>)| known == key && old != value;
            if key == b"size" && records.iter().any(is_other) {
                return Err("has two different sizes".to_owned());
            }
            records.push((key.to_vec(), value.to_vec()));
        }
        Ok(Records(records))
    }

    /// Returns a value; an empty one cancels that of a global header, and counts as missing.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let (_, value) = self.0.iter().rev().find(|(known, _)| known == key)?;
        Some(value.as_slice()).filter(|value| !value.is_empty())
    }

    /// Returns a value that is a number; errors are read after the name of an entry.
    pub fn number(&self, key: &[u8]) -> Result<Option<u64>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match decimal(value) {
            Some(number) => Ok(Some(number)),
            None => Err(format!("has a {} that is not a number", String::from_utf8_lossy(key))),
        }
    }

    /// Returns all records.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// A name or size for all entries would make one of them out of many.
    ///
    /// # Errors
    /// When there is one.
    pub fn refuse_in_global_header(&self) -> Unpacked<()> {
        match self.iter().find(|(key, _)| SINGLE.contains(key) || key.starts_with(b"GNU.sparse.")) {
            None => Ok(()),
            Some((key, _)) => {
                let key = String::from_utf8_lossy(key).into_owned();
                Err(Problem::Damaged(format!("its global header says {key:?} of all entries")))
            }
        }
    }
}

/// Reads a decimal number of at most 63 bits.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text)
        .ok()?
        .parse()
        .ok()
        .filter(|number| *number <= i64::MAX.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_by_their_lengths() {
        let records = Records::parse(b"11 path=a\nb\n12 size=123\n6 a=\n").unwrap_err();
        assert!(records.contains("malformed"));
        let records = Records::parse(b"12 path=a\nb\n12 size=123\n5 a=\n").unwrap();
        assert_eq!(records.get(b"path").unwrap(), b"a\nb");
        assert_eq!(records.number(b"size").unwrap(), Some(123));
        assert_eq!(records.get(b"a"), None);
        let records = Records::parse(b"10 path=a\n10 path=b\n10 size=1\n10 size=1\n\0\0").unwrap();
        assert_eq!(records.get(b"path").unwrap(), b"b");
    }

    #[test]
    fn malformed_records_are_refused() {
        for content in [
            &b"path=a\n"[..],
            b"10 path=ab",
            b"99 path=a\n",
            b"3 \n",
            b"0 path=a\n",
            b"9 path=a\0",
            b"18446744073709551616 a=b\n",
            b"10 size=1\n10 size=2\n",
            b"6 path",
            b"\x0012 path=a\n",
        ] {
            assert!(Records::parse(content).is_err(), "{:?}", String::from_utf8_lossy(content));
        }
        assert!(Records::parse(b"11 size=-1\n").unwrap().number(b"size").is_err());
        assert!(Records::parse(b"10 path=a\n").unwrap().refuse_in_global_header().is_err());
    }
}
