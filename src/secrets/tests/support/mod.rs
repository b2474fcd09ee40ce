//! What the tests against the real programs share.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use syslua_secrets::identity::{Identities, Places};
use syslua_secrets::recipient::Recipient;

pub const RECIPIENT: &str = "age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn";

pub fn vectors() -> PathBuf {
    std::path::absolute("tests/vectors").expect("there is a current directory")
}

pub fn key_file() -> PathBuf {
    vectors().join("key.txt")
}

pub fn recipient() -> Recipient {
    Recipient::parse(RECIPIENT).unwrap()
}

/// The identity of the vectors, and no other.
pub fn identities() -> Identities {
    let mut identities = Identities::find(&Places {
        variable: &|_| None,
        home: None,
        settings: None,
        host_keys: None,
    });
    identities.add_file("the test", &key_file(), true);
    identities
}

/// The real program, or none where it is not installed.
pub fn sops() -> Option<PathBuf> {
    let cache = std::env::var_os("SYSLUA_TOOLS").map(PathBuf::from);
    let places = [cache, Some(PathBuf::from("/var/cache/syslua-tools"))];
    places.into_iter().flatten().map(|place| place.join("bin/sops")).find(|file| file.exists())
}

/// Runs a program with the identity of the vectors; what it printed, or its complaint.
pub fn run(
    program: &Path,
    arguments: &[&str],
    directory: &Path,
) -> std::result::Result<Vec<u8>, String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("SOPS_AGE_KEY_FILE", key_file())
        .env("SOPS_DISABLE_VERSION_CHECK", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Whether the whole test is wanted, or a quick part of it.
pub fn is_whole() -> bool {
    std::env::var_os("SYSLUA_SWEEP").is_some_and(|sweep| sweep == "all")
}

/// Numbers that need no seed from outside: xorshift64.
pub struct Numbers(pub u64);

impl Numbers {
    /// Of this test, or with `SYSLUA_SEED` of another one.
    pub fn new(seed: u64) -> Self {
        let given = std::env::var("SYSLUA_SEED").ok().and_then(|seed| seed.parse().ok());
        let mut numbers = Self(given.unwrap_or(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            let _ = numbers.below(2);
        }
        numbers
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % limit.max(1)
    }

    pub fn one_of<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
