//! The hostile corpus: each trick in every format is refused with words of its own, and nothing
//! outside of the destination changes.

use std::fs;

use super::super::UnpackOptions;
use super::builder::*;
use super::{PACKINGS, Place, message};
use crate::settings::UnpackLimits;

/// A trick, what the refusal says of it, and the archive's tar.
pub type Trick = (&'static str, &'static str, Vec<u8>);

fn tar_tricks(outside: &str) -> Vec<Trick> {
    let at = |name: &str| format!("{outside}/{name}");
    let many = "d/".repeat(200);
    let deep = long(b'L', format!("{many}f").as_bytes());
    let zeros = vec![0; 17 << 20];
    let mut lying = blocks(&[file("f", "content").size(1 << 20)]);
    lying.resize(lying.len() + 2048, 0);
    let trailing = [tar(&[file("f", "content")]), b"evil".to_vec()].concat();
    let second = [tar(&[file("f", "content")]), tar(&[file("g", "content")])].concat();
    let mut bad_sum = tar(&[file("f", "content")]);
    bad_sum[0] = b'g';
    let mut sparse = file("f", "").put(257, "ustar  ");
    sparse.header[156] = b'S';
    let holes = sparse.clone().put(483, &format!("{:011o}", 1u64 << 30));
    let overlapping = sparse
        .put(386, "00000000000")
        .put(398, "00000000004")
        .put(410, "00000000000")
        .put(422, "00000000004");
    let overlapping =
        Block { content: b"12345678".to_vec(), ..overlapping.size(8).put(483, "00000000010") };
    let inner = tar(&[file("evil", "smuggled")]);
    let smuggled = Block::new(b'0', b"f", &blocks(&[file("evil", "smuggled")])).size(0);
    let pax_smuggled =
        [extended(b'x', &[("size", b"1536")]), Block::new(b'0', b"f", &inner).size(0)];
    let pax_smuggling = [extended(b'x', &[("size", b"0")]), Block::new(b'0', b"f", &inner)];
    vec![
        ("a name with ..", "leads out of its directory with ..", tar(&[file("../canary", "evil")])),
        (
            ".. in the middle",
            "leads out of its directory with ..",
            tar(&[file("a/../../../canary", "evil")]),
        ),
        (
            ".. as a directory",
            "leads out of its directory with ..",
            tar(&[directory("../outside/new/")]),
        ),
        ("an absolute name", "absolute name", tar(&[file(&at("canary"), "evil")])),
        (
            ".. in a long name of pax",
            "leads out of its directory",
            tar(&[extended(b'x', &[("path", b"../canary")]), file("f", "evil")]),
        ),
        (
            "an absolute long name of GNU",
            "absolute name",
            tar(&[long(b'L', at("new").as_bytes()), file("f", "evil")]),
        ),
        (
            "writing through a link",
            "goes through \"way\", which is a symbolic link",
            tar(&[symlink("way", "../../outside"), file("way/canary", "evil")]),
        ),
        (
            "writing through an absolute link",
            "goes through \"way\", which is a symbolic link",
            tar(&[symlink("way", outside), file("way/new", "evil")]),
        ),
        (
            "a directory through a link",
            "goes through \"way\"",
            tar(&[symlink("way", outside), directory("way/new/")]),
        ),
        (
            "a link through a link",
            "goes through \"way\"",
            tar(&[symlink("way", outside), symlink("way/new", "canary")]),
        ),
        (
            "a directory over a link",
            "occurs twice",
            tar(&[symlink("way", outside), directory("way/"), file("way/new", "evil")]),
        ),
        (
            "a link over a directory",
            "occurs twice",
            tar(&[directory("way/"), symlink("way", outside), file("way/new", "evil")]),
        ),
        (
            "writing to a link",
            "occurs twice",
            tar(&[symlink("f", &at("canary")), file("f", "evil")]),
        ),
        (
            "a hard link out",
            "leads out of the archive",
            tar(&[hard_link("f", "../../canary"), file("f", "evil")]),
        ),
        (
            "an absolute hard link",
            "leads out of the archive",
            tar(&[hard_link("f", &at("canary"))]),
        ),
        (
            "a hard link to what is there",
            "is not an earlier entry",
            tar(&[hard_link("f", "archive")]),
        ),
        (
            "a hard link through a link",
            "is not an earlier entry",
            tar(&[symlink("way", outside), hard_link("f", "way/canary"), file("f", "evil")]),
        ),
        (
            "writing to a hard link of a link",
            "occurs twice",
            tar(&[symlink("way", &at("canary")), hard_link("f", "way"), file("f", "evil")]),
        ),
        (
            "a hard link to a directory",
            "hard link to the directory",
            tar(&[directory("d/"), hard_link("f", "d")]),
        ),
        ("a file over a link", "occurs twice", tar(&[symlink("f", "x"), file("f", "two")])),
        (
            "a link over a file",
            "occurs twice",
            tar(&[file("a/f", "one"), symlink("./a//f", "two")]),
        ),
        (
            "a hard link over a file",
            "occurs twice",
            tar(&[file("a", "1"), file("f", "2"), hard_link("f", "a")]),
        ),
        (
            "a file over a hard link",
            "occurs twice",
            tar(&[file("a", "1"), hard_link("f", "a"), file("f", "2")]),
        ),
        (
            "one hard link twice",
            "occurs twice",
            tar(&[file("a", "1"), hard_link("f", "a"), hard_link("f", "a")]),
        ),
        ("a directory over a file", "occurs twice", tar(&[file("f", "1"), directory("f/")])),
        ("a file over a directory", "occurs twice", tar(&[directory("f/"), file("f", "1")])),
        ("a hard link to itself alone", "is not an earlier entry", tar(&[hard_link("f", "f")])),
        (
            "names that differ in case",
            "differs from another one in case only",
            tar(&[file("File", "1"), file("fILE", "2")]),
        ),
        (
            "directories that differ in case",
            "differs from another one in case only",
            tar(&[symlink("way", outside), file("WAY/new", "2")]),
        ),
        ("a setuid file", "is setuid", tar(&[file("f", "x").mode(0o4755)])),
        ("a setgid file", "is setgid", tar(&[file("f", "x").mode(0o2755)])),
        ("a character device", "is a character device", tar(&[Block::new(b'3', b"f", b"")])),
        ("a block device", "is a block device", tar(&[Block::new(b'4', b"f", b"")])),
        ("a named pipe", "named pipe (FIFO)", tar(&[Block::new(b'6', b"f", b"")])),
        ("an unknown kind", "unknown kind 'Q'", tar(&[Block::new(b'Q', b"f", b"")])),
        (
            "a size of pax that hides entries",
            "has two sizes: 0 bytes in its header, 1536",
            tar(&pax_smuggled),
        ),
        ("a size of pax that shows entries", "has two sizes", tar(&pax_smuggling)),
        (
            "two sizes of pax",
            "two different sizes",
            tar(&[extended(b'x', &[("size", b"1"), ("size", b"7")]), file("f", "content")]),
        ),
        (
            "a size for all entries",
            "its global header says \"size\"",
            tar(&[extended(b'g', &[("size", b"0")]), file("f", "content")]),
        ),
        (
            "a name for all entries",
            "its global header says \"path\"",
            tar(&[extended(b'g', &[("path", b"x")]), file("f", "content")]),
        ),
        (
            "a malformed record",
            "malformed record",
            tar(&[Block::new(b'x', b"p", b"99 path=x\n"), file("f", "")]),
        ),
        (
            "an endless record",
            "claims to be",
            tar(&[Block::new(b'x', b"p", b"").size(1 << 32), file("f", "")]),
        ),
        (
            "two extended headers",
            "two extended headers",
            tar(&[
                extended(b'x', &[("path", b"a")]),
                extended(b'x', &[("path", b"b")]),
                file("f", ""),
            ]),
        ),
        (
            "an extended header of nothing",
            "belongs to no entry",
            tar(&[file("f", ""), extended(b'x', &[("path", b"a")])]),
        ),
        ("a bomb", "`ratio` of 200", tar(&[Block::new(b'0', b"zeros", &zeros)])),
        ("a bomb of holes", "`ratio` of 200", tar(&[holes])),
        ("a size larger than the archive", "it is cut off", lying),
        (
            "content behind a size of 0",
            "\"evil\" occurs twice",
            tar(&[smuggled, symlink("evil", "again")]),
        ),
        (
            "a negative size",
            "a size that is negative",
            tar(&[Block::new(b'0', b"f", b"").put(124, "\u{0}").base_256()]),
        ),
        (
            "a size that is no number",
            "a size that is not a number",
            tar(&[file("f", "x").put(124, "0000000x")]),
        ),
        ("a wrong checksum", "wrong checksum", bad_sum),
        ("data behind the end", "trailing data", trailing),
        ("an archive behind the end", "trailing data", second),
        (
            "a NUL in a name",
            "NUL byte in its name",
            tar(&[extended(b'x', &[("path", b"f\0.txt")]), file("f", "")]),
        ),
        ("a line break in a name", "line break in its name", tar(&[file("f\ng", "")])),
        (
            "a link to a NUL",
            "NUL byte",
            tar(&[extended(b'x', &[("linkpath", b"a\0b")]), symlink("f", "a")]),
        ),
        ("a link to nothing", "link to nothing", tar(&[symlink("f", "")])),
        (
            "a name of 300 bytes",
            "longer than 255 bytes",
            tar(&[long(b'L', "n".repeat(300).as_bytes()), file("f", "")]),
        ),
        (
            "a path of 5000 bytes",
            "`path` of 2048",
            tar(&[long(b'L', "name/".repeat(1000).as_bytes()), file("f", "")]),
        ),
        ("a path that is too deep", "`depth` of 128", tar(&[deep, file("f", "")])),
        (
            "a directory with content",
            "header number 2",
            tar(&[Block::new(b'5', b"d/", b"content")]),
        ),
        (
            "a link with content",
            "header number 2",
            tar(&[Block::new(b'2', b"l", b"content").link("x")]),
        ),
        (
            "a hard link with content",
            "header number 3",
            tar(&[file("f", "x"), Block::new(b'1', b"l", b"content").link("f")]),
        ),
        (
            "a hard link with a size of pax",
            "has two sizes",
            tar(&[file("f", "x"), extended(b'x', &[("size", b"7")]), hard_link("l", "f")]),
        ),
        (
            "a file that is a directory",
            "goes through \"f\", which is a file",
            tar(&[file("f", ""), file("f/g", "")]),
        ),
        ("a map with pieces that overlap", "pieces that overlap", tar(&[overlapping])),
        ("a name that is empty", "has no name", tar(&[file("", "x")])),
    ]
}

impl Block {
    /// Makes the size -1.
    fn base_256(mut self) -> Block {
        self.header[124..136].fill(0xff);
        self.put(0, "f")
    }
}

pub fn refused(place: &Place, what: &str, says: &str, archive: &[u8], options: &UnpackOptions) {
    let result = place.unpack(archive, options);
    place.check_canaries(what);
    let refusal = message(&result.expect_err(what));
    assert!(refusal.contains(says), "{what}: expected {says:?} in:\n{refusal}");
    assert!(refusal.contains("/work/archive: "), "{what}: {refusal}");
    assert!(!refusal.contains("panick"), "{what}: {refusal}");
}

#[test]
fn every_trick_in_every_kind_of_tar_is_refused() {
    let place = Place::new();
    let outside = place.base().join("outside").display().to_string();
    let tricks = tar_tricks(&outside);
    let mut count = 0;
    for (what, says, content) in &tricks {
        for packing in PACKINGS {
            // Without compression nothing grows.
            let says = match (packing, *what) {
                (Packing::Plain, "a bomb") => continue,
                (
                    Packing::Plain,
                    "a wrong checksum" | "a negative size" | "a size that is no number",
                ) => "first header is damaged",
                _ => says,
            };
            refused(
                &place,
                &format!("{what} in {packing:?}"),
                says,
                &packing.pack(content),
                &UnpackOptions::default(),
            );
            count += 1;
        }
    }
    // The compressed stream has an end of its own.
    let content = tar(&[file("f", "content")]);
    for packing in &PACKINGS[1..] {
        let packed = packing.pack(&content);
        for (tail, what) in [
            (&b"evil"[..], "text"),
            (&[0xff; 600], "bytes"),
            (&content, "a tar"),
            (&[0, 0, 0, 1], "zeros"),
        ] {
            let says = if *packing == Packing::Xz || *packing == Packing::Zstd {
                ""
            } else {
                "trailing data"
            };
            let archive = [&packed, tail].concat();
            refused(
                &place,
                &format!("{what} behind {packing:?}"),
                says,
                &archive,
                &UnpackOptions::default(),
            );
            count += 1;
        }
        for (name, options, says) in limits() {
            refused(
                &place,
                &format!("{name} in {packing:?}"),
                says,
                &packing.pack(&large()),
                &options,
            );
            count += 1;
        }
    }
    // A trick that is left out by mistake is missed here.
    assert_eq!((tricks.len() + 4 + limits().len(), count), (76, 370));
}

pub fn limits() -> Vec<(&'static str, UnpackOptions, &'static str)> {
    let with = |limits| UnpackOptions { limits, ..UnpackOptions::default() };
    let plain = UnpackLimits::default;
    vec![
        (
            "too many bytes",
            with(UnpackLimits { bytes: 1000, ..plain() }),
            "limits = { bytes = ... }",
        ),
        (
            "too many entries",
            with(UnpackLimits { entries: 2, ..plain() }),
            "limits = { entries = ... }",
        ),
        ("a path too long", with(UnpackLimits { path: 8, ..plain() }), "limits = { path = ... }"),
        ("a path too deep", with(UnpackLimits { depth: 2, ..plain() }), "limits = { depth = ... }"),
        (
            "stripped to nothing",
            UnpackOptions { strip: 9, ..UnpackOptions::default() },
            "strip = 9 removes every entry",
        ),
    ]
}

fn large() -> Vec<u8> {
    tar(&[file("a/b/c/long", &"x".repeat(2000)), file("two", ""), file("three", "")])
}

#[test]
fn a_window_that_is_too_large_is_refused() {
    use std::io::Write;
    let place = Place::new();
    let content = tar(&[Block::new(b'0', b"f", &vec![7; 3 << 20])]);
    let options = UnpackOptions {
        limits: UnpackLimits { memory: 1 << 20, ..UnpackLimits::default() },
        ..UnpackOptions::default()
    };
    let mut zst = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    zst.long_distance_matching(true).unwrap();
    zst.window_log(24).unwrap();
    zst.write_all(&content).unwrap();
    let zst = zst.finish().unwrap();
    refused(&place, "zstd --long", "limits = { memory = ... }", &zst, &options);
    place.unpack(&zst, &UnpackOptions::default()).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    xz.write_all(&content).unwrap();
    let xz = xz.finish().unwrap();
    refused(&place, "xz -6", "limits = { memory = ... }", &xz, &options);
    place.unpack(&xz, &UnpackOptions::default()).unwrap();
}

#[test]
fn links_that_stand_in_the_destination_are_not_followed() {
    let place = Place::new();
    let options = UnpackOptions::default();
    let link =
        |name: &str| std::os::unix::fs::symlink("../../outside", place.out().join(name)).unwrap();
    let through = tar(&[file("way/new", "evil")]);
    let over = tar(&[file("way", "evil")]);
    for (archive, says) in [
        (through, "is not a directory"),
        (over, "replace an existing file of the destination"),
        (zip(&[entry("way/new", b"evil")]), "is not a directory"),
        (zip(&[entry("way", b"evil")]), "replace an existing file of the destination"),
    ] {
        place.clear();
        fs::create_dir(place.out()).unwrap();
        link("way");
        let refusal = message(&place.unpack_over(&archive, &options).unwrap_err());
        assert!(refusal.contains(says), "{refusal}");
        place.check_canaries(says);
    }
    // The destination itself.
    place.clear();
    std::os::unix::fs::symlink("../outside", place.out()).unwrap();
    for archive in [tar(&[file("new", "evil")]), zip(&[entry("new", b"evil")])] {
        assert!(place.unpack_over(&archive, &options).is_err());
        place.check_canaries("a link as destination");
    }
}

#[test]
fn an_interruption_ends_it() {
    let place = Place::new();
    place.workspace.settings.interrupt.0.store(true, std::sync::atomic::Ordering::Relaxed);
    let content = tar(&[file("f", "content")]);
    for archive in [Packing::Gzip.pack(&content), content, zip(&[entry("f", b"content")])] {
        let result = place.unpack(&archive, &UnpackOptions::default());
        assert!(matches!(result, Err(crate::operation::Error::Interrupted)));
    }
}
