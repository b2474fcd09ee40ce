//! The hostile corpus of zip, whose two directories can contradict each other.

use super::super::UnpackOptions;
use super::Place;
use super::builder::*;
use super::hostile::{Trick, limits, refused};

fn zip_tricks(outside: &str) -> Vec<Trick> {
    let at = |name: &str| format!("{outside}/{name}");
    let plain = entry("f", b"content");
    let zeros = entry("zeros", &vec![0; 17 << 20]);
    let with = |change: &dyn Fn(&mut Entry)| {
        let mut changed = plain.clone();
        change(&mut changed);
        zip(&[changed])
    };
    let descriptor = |checksum: u32, size: u32| {
        let mut changed = plain.clone();
        changed.flags = 8;
        let packed = changed.packed.len() as u32;
        changed.after =
            [b"PK\x07\x08".to_vec(), checksum.to_le_bytes().into(), packed.to_le_bytes().into()]
                .concat();
        changed.after.extend_from_slice(&size.to_le_bytes());
        zip(&[changed])
    };
    let sharing = {
        let mut second = plain.clone();
        second.name = b"g".to_vec();
        second.offset = Some(0);
        zip(&[plain.clone(), second])
    };
    let quoting = {
        // The first entry is stored, and its content is the second one, header and all.
        let inner = zip(&[entry("g", b"content")]);
        let inner = &inner[..inner.len() - 22 - 47];
        let outer = entry("f", inner).stored(inner);
        let mut second = entry("g", b"content");
        second.offset = Some(31);
        let mut all = zip(&[outer, second.clone()]);
        // Its own local part goes: it is there inside the first.
        let (start, length) = (31 + inner.len(), 31 + second.packed.len());
        all.drain(start..start + length);
        let end = all.len() - 22;
        let start = (start as u32).to_le_bytes();
        all[end + 16..end + 20].copy_from_slice(&start);
        all
    };
    let hidden = {
        let mut all = zip(&[plain.clone(), entry("hidden", b"x")]);
        // The second record of the directory goes.
        let end = all.len() - 22;
        all.drain(end - 46 - 6..end);
        let end = all.len() - 22;
        all[end + 8..end + 12].copy_from_slice(&[1, 0, 1, 0]);
        all[end + 12..end + 16].copy_from_slice(&47u32.to_le_bytes());
        all
    };
    let two_ends = {
        let inner = zip(&[entry("other", b"x")]);
        let mut all = zip(std::slice::from_ref(&plain));
        let length = all.len();
        all[length - 2..].copy_from_slice(&(inner.len() as u16).to_le_bytes());
        [all, inner].concat()
    };
    let fewer = {
        let mut all = zip(&[plain.clone(), entry("g", b"x")]);
        let end = all.len() - 22;
        all[end + 8..end + 12].copy_from_slice(&[1, 0, 1, 0]);
        all
    };
    let fifo = |mode| zip(&[entry("f", b"").mode(mode)]);
    vec![
        (
            "a name with ..",
            "leads out of its directory with ..",
            zip(&[entry("../canary", b"evil")]),
        ),
        (
            ".. in the middle",
            "leads out of its directory with ..",
            zip(&[entry("a/../../../canary", b"evil")]),
        ),
        ("an absolute name", "absolute name", zip(&[entry(&at("canary"), b"evil")])),
        ("a backslash", "backslash", zip(&[entry("..\\canary", b"evil")])),
        ("a drive", "begins with a drive", zip(&[entry("C:canary", b"evil")])),
        ("a network share", "backslash", zip(&[entry("\\\\server\\share", b"evil")])),
        (
            "writing through a link",
            "goes through \"way\", which is a symbolic link",
            zip(&[zip_symlink("way", "../../outside"), entry("way/canary", b"evil")]),
        ),
        (
            "writing through a link that comes later",
            "occurs twice",
            zip(&[entry("way/canary", b"evil"), zip_symlink("way", "../../outside")]),
        ),
        (
            "writing to a link",
            "occurs twice",
            zip(&[zip_symlink("f", &at("canary")), entry("f", b"evil")]),
        ),
        (
            "a directory over a link",
            "occurs twice",
            zip(&[zip_symlink("d", outside), entry("d/", b"")]),
        ),
        ("a link over a file", "occurs twice", zip(&[entry("f", b"one"), zip_symlink("f", "two")])),
        ("a file over a directory", "occurs twice", zip(&[entry("f/", b""), entry("f", b"two")])),
        (
            "two links of one name",
            "occurs twice",
            zip(&[zip_symlink("f", "x"), zip_symlink("f", "x")]),
        ),
        (
            "names that differ in case",
            "case only",
            zip(&[entry("File", b"one"), entry("fILE", b"two")]),
        ),
        ("a setuid file", "is setuid", zip(&[entry("f", b"x").mode(0o104_755)])),
        ("a setgid file", "is setgid", zip(&[entry("f", b"x").mode(0o102_755)])),
        ("a character device", "character device", fifo(0o020_644)),
        ("a block device", "block device", fifo(0o060_644)),
        ("a named pipe", "named pipe (FIFO)", fifo(0o010_644)),
        ("a socket", "a socket", fifo(0o140_644)),
        ("an unknown kind", "unknown kind", fifo(0o170_644)),
        ("a bomb", "`ratio` of 200", zip(&[zeros])),
        (
            "a size that is too small",
            "claims to have 3 bytes, but has more",
            with(&|entry| entry.size = 3),
        ),
        (
            "a size that is too large",
            "claims to have 70 bytes, but has 7",
            with(&|entry| entry.size = 70),
        ),
        ("a huge size", "`ratio` of 200", with(&|entry| entry.size = u32::MAX - 1)),
        ("a stored size that lies", "has two sizes", with(&|entry| entry.method = 0)),
        (
            "a packed size that is too large",
            "shares its bytes",
            with(&|entry| entry.packed_size = Some(500)),
        ),
        ("a wrong checksum", "another checksum", with(&|entry| entry.checksum = 1)),
        ("garbage as content", "is damaged", with(&|entry| entry.packed = vec![0xff; 9])),
        ("data behind the content", "trailing data", with(&|entry| entry.packed.extend(b"evil"))),
        (
            "bytes between entries",
            "bytes that belong to no entry",
            with(&|entry| entry.after = b"evil".to_vec()),
        ),
        ("bytes before the first", "bytes before its first entry", {
            let mut bad = plain.clone();
            bad.name = b"hidden".to_vec();
            let mut all = zip(&[bad.clone(), plain.clone()]);
            let length = 30 + 6 + bad.packed.len();
            let start = all.len() - 22 - 2 * 46 - 7;
            all.drain(start..start + 46 + 6);
            let end = all.len() - 22;
            all[end + 8..end + 12].copy_from_slice(&[1, 0, 1, 0]);
            all[end + 12..end + 16].copy_from_slice(&47u32.to_le_bytes());
            assert!(length < all.len());
            all
        }),
        ("a hidden entry", "belong to no entry", hidden),
        (
            "another name in the local header",
            "it has the name \"g\"",
            with(&|entry| entry.local_name = Some(b"g".to_vec())),
        ),
        (
            "another size in the local header",
            "contradicts",
            with(&|entry| entry.local_size = Some(3)),
        ),
        (
            "another method in the local header",
            "another method",
            with(&|entry| entry.local_method = Some(0)),
        ),
        (
            "a descriptor with another size",
            "data descriptor that contradicts",
            descriptor(plain.checksum, 8),
        ),
        (
            "a descriptor with another checksum",
            "data descriptor that contradicts",
            descriptor(1, 7),
        ),
        ("two entries of the same bytes", "share their bytes", sharing),
        ("an entry inside another", "shares its bytes", quoting),
        ("two ends", "two ends", two_ends),
        ("more records than announced", "more records", fewer),
        ("an encrypted entry", "is encrypted", with(&|entry| entry.flags = 1)),
        ("a strongly encrypted entry", "is encrypted", with(&|entry| entry.flags = 64)),
        ("deflate64", "compressed with deflate64", with(&|entry| entry.method = 9)),
        ("lzma", "compressed with lzma", with(&|entry| entry.method = 14)),
        ("a method of the future", "unknown method 1234", with(&|entry| entry.method = 1234)),
        ("a directory with content", "7 bytes of content", zip(&[entry("d/", b"content")])),
        ("a link to nothing", "link to nothing", zip(&[zip_symlink("l", "")])),
        ("a link to a NUL", "NUL byte", zip(&[zip_symlink("l", "a\0b")])),
        (
            "a link that is too long",
            "longer than 4095",
            zip(&[zip_symlink("l", &"x".repeat(5000))]),
        ),
        ("a NUL in a name", "NUL byte", zip(&[entry("a\0b", b"x")])),
        ("a line break in a name", "line break", zip(&[entry("a\nb", b"x")])),
        ("a name of 300 bytes", "longer than 255", zip(&[entry(&"n".repeat(300), b"x")])),
        ("a path of 5000 bytes", "`path`", zip(&[entry(&"name/".repeat(1000), b"")])),
        ("a path that is too deep", "`depth`", zip(&[entry(&"d/".repeat(200), b"")])),
        (
            "a file that is a directory",
            "goes through \"f\"",
            zip(&[entry("f", b"x"), entry("f/g", b"y")]),
        ),
        ("an empty archive", "no entries", zip(&[])),
        (
            "trailing data",
            "trailing data: 4 bytes",
            [zip(std::slice::from_ref(&plain)), b"evil".to_vec()].concat(),
        ),
        ("a name that is empty", "has no name", zip(&[entry("", b"x")])),
    ]
}

#[test]
fn every_trick_in_zip_is_refused() {
    let place = Place::new();
    let outside = place.base().join("outside").display().to_string();
    let tricks = zip_tricks(&outside);
    for (what, says, archive) in &tricks {
        refused(&place, &format!("{what} in zip"), says, archive, &UnpackOptions::default());
    }
    let large = zip(&[entry("a/b/c/long", &[7; 2000]), entry("two", b""), entry("three", b"")]);
    for (name, options, says) in limits() {
        refused(&place, &format!("{name} in zip"), says, &large, &options);
    }
    assert_eq!(tricks.len() + limits().len(), 65);
}
