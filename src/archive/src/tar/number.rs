//! Numbers of headers.

/// Reads a number: octal digits, or with the highest bit set base 256.
pub fn number(field: &[u8]) -> Result<u64, String> {
    if field[0] & 0x80 != 0 {
        let (high, low) = field.split_at(field.len() - 8);
        let is_small = match high {
            [] => field[0] == 0x80,
            [first, rest @ ..] => *first == 0x80 && rest.iter().all(|byte| *byte == 0),
        };
        let mut bytes = [0; 8];
        bytes.copy_from_slice(low);
        bytes[0] &= if high.is_empty() { 0x7f } else { 0xff };
        let value = u64::from_be_bytes(bytes);
        return if is_small && value <= i64::MAX.cast_unsigned() {
            Ok(value)
        } else {
            Err("is negative or too large".to_owned())
        };
    }
    let mut digits = field.trim_ascii_start();
    let mut value: u64 = 0;
    while let [digit @ b'0'..=b'7', rest @ ..] = digits {
        value = value * 8 + u64::from(digit - b'0');
        digits = rest;
    }
    match digits.first() {
        None | Some(b' ' | 0) => Ok(value),
        Some(_) => Err("is not a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::LARGEST_OCTAL;
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(number(b"0000644\0"), Ok(0o644));
        assert_eq!(number(b"   644 \0"), Ok(0o644));
        assert_eq!(number(b"77777777777\0"), Ok(LARGEST_OCTAL));
        assert_eq!(number(b"777777777777"), Ok(0o777_777_777_777));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Ok(0));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Ok(0x2_0000_0000));
        assert!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
        assert!(number(b"\x80\0\0\x01\0\0\0\0\0\0\0\0").is_err());
        assert!(number(b"\x80\0\0\0\xff\0\0\0\0\0\0\0").is_err());
        assert!(number(b"12x45\0\0\0").is_err());
        assert!(number(b"-1\0\0\0\0\0\0").is_err());
    }
}
