//! Bech32 (BIP 173) without its limit of length: how keys of age are written.

const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

fn checksum(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1, |sum, value| {
        let top = sum >> 25;
        let next = (sum & 0x1ff_ffff) << 5 ^ u32::from(value);
        (0..5).filter(|bit| top >> bit & 1 == 1).fold(next, |next, bit| next ^ GENERATORS[bit])
    })
}

fn prefix_values(prefix: &str) -> impl Iterator<Item = u8> + '_ {
    prefix.bytes().map(|byte| byte >> 5).chain([0]).chain(prefix.bytes().map(|byte| byte & 31))
}

/// Regroups bits. Bits that are left over must be zeros unless `pad`.
fn regroup(bytes: &[u8], from: u32, to: u32, pad: bool) -> Option<Vec<u8>> {
    let (mut sum, mut count, mut out) =
        (0_u32, 0, Vec::with_capacity(bytes.len() * from as usize / to as usize + 1));
    for byte in bytes {
        sum = (sum << from | u32::from(*byte)) & 0xfff;
        count += from;
        while count >= to {
            count -= to;
            out.push((sum >> count & ((1 << to) - 1)) as u8);
        }
    }
    if pad {
        if count > 0 {
            out.push((sum << (to - count) & ((1 << to) - 1)) as u8);
        }
    } else if count >= from || sum & ((1 << count) - 1) != 0 {
        return None;
    }
    Some(out)
}

/// Writes bytes behind a prefix, in lower case.
pub(crate) fn encode(prefix: &str, bytes: &[u8]) -> String {
    let data = regroup(bytes, 8, 5, true).unwrap_or_default();
    let sum = checksum(prefix_values(prefix).chain(data.iter().copied()).chain([0; 6])) ^ 1;
    let check = (0..6).map(|index| (sum >> (5 * (5 - index)) & 31) as u8);
    let letters =
        data.iter().copied().chain(check).map(|value| char::from(LETTERS[usize::from(value)]));
    format!("{prefix}1{}", letters.collect::<String>())
}

/// Reads bytes behind a prefix, all in lower or all in upper case. None when anything is wrong.
pub(crate) fn decode(prefix: &str, text: &str) -> Option<Vec<u8>> {
    let lower = text.to_ascii_lowercase();
    if text != lower && text != text.to_ascii_uppercase() {
        return None;
    }
    let data = lower.strip_prefix(prefix)?.strip_prefix('1')?;
    let values: Option<Vec<u8>> = data
        .bytes()
        .map(|byte| {
            LETTERS.iter().position(|letter| *letter == byte).and_then(|at| u8::try_from(at).ok())
        })
        .collect();
    let values = values?;
    if values.len() < 6 || checksum(prefix_values(prefix).chain(values.iter().copied())) != 1 {
        return None;
    }
    regroup(&values[..values.len() - 6], 5, 8, false)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn bytes_come_back_and_mistakes_are_found() {
        for length in 0..40_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            let text = encode("age", &bytes);
            assert_eq!(decode("age", &text).as_ref(), Some(&bytes));
            assert_eq!(decode("age", &text.to_uppercase()), Some(bytes));
            assert_eq!(decode("other", &text), None);
            for at in 4..text.len() {
                let mut wrong = text.clone().into_bytes();
                wrong[at] = if wrong[at] == b'q' { b'p' } else { b'q' };
                assert_eq!(decode("age", std::str::from_utf8(&wrong).expect("it is ASCII")), None);
            }
        }
    }
}
