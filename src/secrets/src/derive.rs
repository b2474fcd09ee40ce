//! HMAC with SHA-256 (RFC 2104), and random bytes.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::problem::{Problem, Result};

/// The size of a block of SHA-256.
const BLOCK: usize = 64;

/// HMAC with SHA-256 over parts.
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut block = Zeroizing::new([0_u8; BLOCK]);
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |mask: u8| Zeroizing::new(block.map(|byte| byte ^ mask));
    let mut inner = Sha256::new();
    inner.update(*pad(0x36));
    parts.iter().for_each(|part| inner.update(part));
    let mut outer = Sha256::new();
    outer.update(*pad(0x5c));
    outer.update(inner.finalize());
    Zeroizing::new(outer.finalize().into())
}

/// Random bytes of the system.
///
/// # Errors
/// When it gives none.
pub fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes)
        .map_err(|error| Problem::new(format!("the system gives no random bytes: {error}")))
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::hmac;

    #[test]
    fn the_vectors_of_the_standards_hold() {
        // RFC 4231, test cases 2 and 6.
        let mac = hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(
            HEXLOWER.encode(&*mac),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let mac = hmac(&[0xaa; 131], &[b"Test Using Larger Than Block-Size Key - Hash Key First"]);
        assert_eq!(
            HEXLOWER.encode(&*mac),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
