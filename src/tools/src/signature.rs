//! Signatures by minisign, which take nothing but a public key.
//!
//! The format is that of <https://jedisct1.github.io/minisign/>: keys and signatures are base64.

use minisign_verify::{PublicKey, Signature};

/// Verifies that a key signed some bytes. Both kinds of signatures count: of the bytes themselves,
/// and of their hash.
///
/// # Errors
/// When the key or the signature is none, or they do not belong to the bytes: in words.
pub fn verify(public_key: &str, signature: &str, bytes: &[u8]) -> Result<(), String> {
    let key = PublicKey::from_base64(public_key.trim())
        .map_err(|error| format!("the public key cannot be read: {error}"))?;
    let signature = Signature::decode(signature)
        .map_err(|error| format!("the signature cannot be read: {error}"))?;
    key.verify(bytes, &signature, true).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    // From the documentation of minisign and its verifiers.
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    const PLAIN: &str = "untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==
";

    #[test]
    fn only_the_signed_bytes_pass() {
        assert_eq!(verify(KEY, PLAIN, b"test"), Ok(()));
        for (key, signature, bytes) in [
            (KEY, PLAIN, "Test"),
            (KEY, PLAIN, ""),
            (KEY, PLAIN.replacen("file:test", "file:best", 1).as_str(), "test"),
            (KEY, PLAIN.replacen("i59SLO", "i59SLP", 1).as_str(), "test"),
            (KEY, "", "test"),
            ("", PLAIN, "test"),
            (KEY.replace("Y7GFO3", "Y7GFO4").as_str(), PLAIN, "test"),
        ] {
            assert!(verify(key, signature, bytes.as_bytes()).is_err(), "{key} {bytes}");
        }
    }
}
