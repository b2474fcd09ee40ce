//! HMAC and HKDF with SHA-256 (RFC 2104 and 5869), and X25519 (RFC 7748).

use curve25519_dalek::montgomery::MontgomeryPoint;
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

/// 32 bytes of HKDF with SHA-256.
pub(crate) fn hkdf(input: &[u8], salt: &[u8], info: &str) -> Zeroizing<[u8; 32]> {
    hmac(&*hmac(salt, &[input]), &[info.as_bytes(), &[1]])
}

/// The shared secret of two keys. The scalar is clamped here.
///
/// # Errors
/// When the other one is of low order, so that the result is known.
pub(crate) fn x25519(scalar: &[u8; 32], point: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>> {
    let shared = Zeroizing::new(MontgomeryPoint(*point).mul_clamped(*scalar).to_bytes());
    if shared.iter().all(|byte| *byte == 0) {
        return Err(Problem::new("a key of X25519 is of low order"));
    }
    Ok(shared)
}

/// The public key of a scalar.
pub(crate) fn x25519_public(scalar: &[u8; 32]) -> [u8; 32] {
    MontgomeryPoint::mul_base_clamped(*scalar).to_bytes()
}

/// Whether two texts are equal, in a time that does not say where they differ.
pub(crate) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
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

    use super::{hmac, x25519};

    fn bytes(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).expect("it is hexadecimal")
    }

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
        // RFC 7748, 5.2.
        let scalar = bytes("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
        let point = bytes("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
        let shared = x25519(&scalar.try_into().expect("32"), &point.try_into().expect("32"))
            .expect("it is good");
        assert_eq!(
            HEXLOWER.encode(&*shared),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
        );
        assert!(x25519(&[1; 32], &[0; 32]).is_err());
    }
}
