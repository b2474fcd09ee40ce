//! Archives that are cut, or changed somewhere: never a panic, a write outside, or a silently short
//! tree.

use super::super::UnpackOptions;
use super::builder::*;
use super::{PACKINGS, Place, describe};
use crate::settings::UnpackLimits;

fn sample() -> Vec<u8> {
    tar(&[
        directory("d/"),
        file("d/one", "first"),
        extended(b'x', &[("path", b"d/second, by pax"), ("mtime", b"1.5")]),
        file("short", &"text ".repeat(300)),
        symlink("d/link", "one"),
        hard_link("hard", "d/one"),
        long(b'L', "n".repeat(120).as_bytes()),
        file("short", "long").mode(0o755),
    ])
}

fn sample_zip() -> Vec<u8> {
    let mut described = entry("d/described", b"content");
    described.flags = 8;
    described.after = [
        b"PK\x07\x08".to_vec(),
        described.checksum.to_le_bytes().into(),
        (described.packed.len() as u32).to_le_bytes().into(),
        7u32.to_le_bytes().into(),
    ]
    .concat();
    zip(&[
        entry("d/", b"").mode(0o040_755),
        entry("d/one", "text ".repeat(300).as_bytes()),
        entry("d/stored", b"content").stored(b"content"),
        described,
        zip_symlink("d/link", "one"),
        entry("run", b"#!/bin/sh\n").mode(0o100_755),
    ])
}

fn archives() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> =
        PACKINGS.iter().map(|packing| (format!("{packing:?}"), packing.pack(&sample()))).collect();
    all.push(("zip".to_owned(), sample_zip()));
    all
}

#[test]
fn a_truncated_archive_is_an_error_wherever_it_ends() {
    let place = Place::new();
    for (what, archive) in archives() {
        place.unpack(&archive, &UnpackOptions::default()).unwrap();
        let whole = describe(&place.out());
        assert!(whole.len() > 5);
        // Most of an archive that is not compressed is zeros.
        let step = if what == "Plain" { 13 } else { 1 };
        for length in (0..archive.len()).rev().step_by(step) {
            match place.unpack(&archive[..length], &UnpackOptions::default()) {
                Err(error) => assert!(error.to_string().contains("cannot unpack"), "{error}"),
                // Behind the first half of tar's end marker nothing is missing.
                Ok(()) => {
                    assert_eq!(("Plain", archive.len() - 512), (what.as_str(), length));
                    assert_eq!(describe(&place.out()), whole);
                }
            }
            place.check_canaries(&what);
        }
    }
}

/// A generator of numbers that needs no seed from outside: xorshift64.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 16) as usize
}

#[test]
fn a_changed_archive_never_does_harm() {
    let place = Place::new();
    let options = UnpackOptions {
        limits: UnpackLimits { bytes: 1 << 20, ..UnpackLimits::default() },
        ..UnpackOptions::default()
    };
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for (what, archive) in archives() {
        let mut refused = 0;
        for _ in 0..300 {
            let mut changed = archive.clone();
            for _ in 0..=next(&mut state) % 3 {
                let at = next(&mut state) % changed.len();
                changed[at] = match next(&mut state) % 4 {
                    0 => changed[at] ^ (1 << (next(&mut state) % 8)),
                    1 => b'/',
                    2 => 0xff,
                    _ => next(&mut state) as u8,
                };
            }
            refused += u32::from(place.unpack(&changed, &options).is_err());
            place.check_canaries(&what);
        }
        // Whatever has a checksum notices nearly everything.
        assert!(refused > 100, "{what}: {refused}");
    }
}
