//! What is fine, also where tools write it seldom.

use super::super::UnpackOptions;
use super::builder::*;
use super::{PACKINGS, Place, describe};

fn unpacked(archive: &[u8], options: &UnpackOptions) -> Vec<String> {
    let place = Place::new();
    place.unpack(archive, options).unwrap();
    place.check_canaries("good");
    describe(&place.out())
}

#[test]
fn modes_links_and_directories_are_kept() {
    let archive = tar(&[
        file("d/early", "before its directory"),
        directory("d/").mode(0o500),
        directory("d/"),
        file("d/late", "into a read-only directory").mode(0o400),
        file("d/run", "").mode(0o775),
        file("d/secret", "").mode(0o600),
        file("d/sticky", "").mode(0o1644),
        directory("empty/").mode(0o2755),
        symlink("absolute", "/no/such/place"),
        symlink("above", "../../../above"),
        symlink("within", "d/late"),
        hard_link("again", "d/run"),
        hard_link("link again", "within"),
    ]);
    for packing in PACKINGS {
        assert_eq!(
            unpacked(&packing.pack(&archive), &UnpackOptions::default()),
            [
                "above -> ../../../above",
                "absolute -> /no/such/place",
                "again 755 ",
                "d/",
                "d/early 644 before its directory",
                "d/late 600 into a read-only directory",
                "d/run 755 ",
                "d/secret 600 ",
                "d/sticky 644 ",
                "empty/",
                "link again -> d/late",
                "within -> d/late",
            ]
        );
    }
}

#[test]
fn what_gnu_tar_takes_is_taken() {
    let content = || file("f", "content");
    let plain = UnpackOptions::default();
    let takes = |blocks: &[Block], expected: &[&str]| {
        for packing in PACKINGS {
            assert_eq!(unpacked(&packing.pack(&tar(blocks)), &plain), expected, "{packing:?}");
        }
    };
    takes(&[content(), hard_link("f", "f"), hard_link("./f", "f")], &["f 644 content"]);
    takes(&[symlink("l", "x"), hard_link("l", "l")], &["l -> x"]);
    takes(
        &[content(), hard_link("g", "f").size(7), file("h", "next")],
        &["f 644 content", "g 644 content", "h 644 next"],
    );
    takes(&[directory("d/").size(4096), symlink("d/l", "x").size(1)], &["d/", "d/l -> x"]);
    takes(&[file("f", "one"), content().mode(0o755)], &["f 755 content"]);
    takes(
        &[file("a/f", "one"), file("a/g", "other"), file("./a//f", "two")],
        &["a/", "a/f 644 two", "a/g 644 other"],
    );
    // Other names keep what they had.
    takes(&[file("f", "one"), hard_link("g", "f"), file("f", "two")], &["f 644 two", "g 644 one"]);
    takes(&[Block::new(b'D', b"d/", b"Yf\0\0"), file("d/f", "x")], &["d/", "d/f 644 x"]);
    takes(&[], &[]);
    takes(&[long(b'L', b"one"), long(b'L', b"two"), content()], &["two 644 content"]);
    takes(
        &[extended(b'x', &[("path", b"one"), ("path", b"two")]), content()],
        &["two 644 content"],
    );
    takes(&[Block::new(b'x', b"p", b"12 path=new\n\0\0\0"), content()], &["new 644 content"]);
    for packing in &PACKINGS[1..] {
        assert!(unpacked(&packing.pack(b""), &plain).is_empty(), "{packing:?}");
        assert_eq!(
            unpacked(&packing.pack(&blocks(&[content()])), &plain),
            ["f 644 content"],
            "{packing:?}"
        );
    }
    for packing in [Packing::Gzip, Packing::Bzip2] {
        for zeros in [1, 5, 600, 300_000] {
            let archive = [packing.pack(&tar(&[content()])), vec![0; zeros]].concat();
            assert_eq!(unpacked(&archive, &plain), ["f 644 content"], "{packing:?} {zeros}");
        }
    }
}

#[test]
fn what_unzip_takes_is_taken() {
    let plain = UnpackOptions::default();
    let takes = |archive: &[u8], expected: &[&str]| assert_eq!(unpacked(archive, &plain), expected);
    takes(
        &zip(&[entry("f", b"one"), entry("g", b"x"), entry("f", b"two")]),
        &["f 644 two", "g 644 x"],
    );
    takes(
        &zip(&[entry("a/f", b"one"), entry("a//./f", b"two"), entry("a/f", b"three")]),
        &["a/", "a/f 644 three"],
    );
    let archive = zip(&[entry("f", b"content"), entry("d/g", &[b'x'; 3000])]);
    let large = "x".repeat(3000);
    for script in [&b"#!/bin/sh\nexit 0\n"[..], b"\x7fELF", &[0; 100_000], b"MZ\x90", b"x"] {
        // Its offsets count from its own beginning.
        takes(&[script, &archive].concat(), &["d/", &format!("d/g 644 {large}"), "f 644 content"]);
    }
    // As programs for Windows wrote it; those of Unix mean the character.
    let mut windows = entry("dir\\f", b"content");
    windows.made_by = 0;
    takes(&zip(&[windows]), &["dir/", "dir/f 644 content"]);
}

#[test]
fn members_frames_and_streams_may_follow_one_another() {
    let archive = tar(&[file("f", &"content ".repeat(100))]);
    for packing in &PACKINGS[1..] {
        let (one, two) = archive.split_at(700);
        let both = [packing.pack(one), packing.pack(b""), packing.pack(two)].concat();
        assert_eq!(unpacked(&both, &UnpackOptions::default()).len(), 1, "{packing:?}");
    }
    let padded = [Packing::Xz.pack(&archive), vec![0; 8]].concat();
    assert_eq!(unpacked(&padded, &UnpackOptions::default()).len(), 1);
    let skippable =
        [&b"\x50\x2a\x4d\x18\x04\0\0\0skip"[..], &Packing::Zstd.pack(&archive)].concat();
    assert_eq!(unpacked(&skippable, &UnpackOptions::default()).len(), 1);
}

#[test]
fn stripping_is_that_of_tar() {
    let archive = tar(&[
        extended(b'g', &[("comment", b"a commit")]),
        directory("pkg/"),
        file("pkg/f", "1"),
        file("top", "2"),
        directory("pkg/d/"),
        hard_link("pkg/d/h", "pkg/f"),
        symlink("pkg/l", "pkg/f"),
    ]);
    let strip = |strip| UnpackOptions { strip, ..UnpackOptions::default() };
    assert_eq!(unpacked(&archive, &strip(1)), ["d/", "d/h 644 1", "f 644 1", "l -> pkg/f"]);
    let archive = tar(&[directory("./"), directory("./pkg/"), file("./pkg/f", "1")]);
    assert_eq!(unpacked(&archive, &strip(1)), ["pkg/", "pkg/f 644 1"]);
    assert_eq!(unpacked(&archive, &strip(2)), ["f 644 1"]);
    let archive = zip(&[entry("pkg/", b""), entry("pkg/f", b"1"), entry("top", b"2")]);
    assert_eq!(unpacked(&archive, &strip(1)), ["f 644 1"]);
}

#[test]
fn what_is_allowed_passes() {
    let case = UnpackOptions { allow_case_collisions: true, ..UnpackOptions::default() };
    let setuid = UnpackOptions { allow_setuid: true, ..UnpackOptions::default() };
    let archive = tar(&[file("f", "1"), file("F", "2")]);
    assert_eq!(unpacked(&archive, &case), ["F 644 2", "f 644 1"]);
    assert_eq!(
        unpacked(&zip(&[entry("f", b"1"), entry("F", b"2")]), &case),
        ["F 644 2", "f 644 1"]
    );
    assert_eq!(unpacked(&tar(&[file("f", "").mode(0o6755)]), &setuid), ["f 755 "]);
    assert_eq!(unpacked(&zip(&[entry("f", b"").mode(0o104_755)]), &setuid), ["f 755 "]);
}

#[test]
fn old_and_odd_headers_are_read() {
    let mut seven = file("seven", "v7");
    seven.header[257..265].fill(0);
    seven.header[156] = 0;
    let mut place = directory("dir/");
    place.header[257..265].fill(0);
    place.header[156] = 0;
    let prefixed = file("name", "p").put(345, "some/prefix");
    let contiguous = Block::new(b'7', b"contiguous", b"c");
    let label = Block::new(b'V', b"the label", b"");
    let blocks = [seven.put(0, "seven"), place.put(0, "dir/"), prefixed, contiguous, label];
    assert_eq!(
        unpacked(&tar(&blocks), &UnpackOptions::default()),
        [
            "contiguous 644 c",
            "dir/",
            "seven 644 v7",
            "some/",
            "some/prefix/",
            "some/prefix/name 644 p"
        ]
    );
}

#[test]
fn files_with_holes_are_filled_with_zeros() {
    let mut old =
        file("old", "abcd").put(257, "ustar  ").put(386, "00000000002").put(398, "00000000004");
    old.header[156] = b'S';
    let old = old.put(483, "00000000010");
    let pax = |records: &[(&str, &[u8])], content: &[u8]| {
        let name = records.iter().find(|(key, _)| *key == "GNU.sparse.name").unwrap().1;
        assert!(!name.is_empty());
        [extended(b'x', records), Block::new(b'0', b"GNUSparseFile.1/made-up", content)]
    };
    let zero = pax(
        &[
            ("GNU.sparse.name", b"zero"),
            ("GNU.sparse.size", b"8"),
            ("GNU.sparse.numblocks", b"1"),
            ("GNU.sparse.offset", b"2"),
            ("GNU.sparse.numbytes", b"4"),
        ],
        b"abcd",
    );
    let one = pax(
        &[("GNU.sparse.name", b"one"), ("GNU.sparse.size", b"8"), ("GNU.sparse.map", b"2,4")],
        b"abcd",
    );
    let mut content = b"1\n2\n4\n".to_vec();
    content.resize(512, 0);
    content.extend(b"abcd");
    let two = pax(
        &[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"two"),
            ("GNU.sparse.realsize", b"8"),
        ],
        &content,
    );
    let archive = tar(&[&[old][..], &zero, &one, &two, &[file("after", "x")]].concat());
    let holes = "\0\0abcd\0\0";
    let expected = ["old", "one", "two", "zero"].map(|name| format!("{name} 644 {holes}"));
    let found = unpacked(&archive, &UnpackOptions::default());
    assert_eq!(found[0], "after 644 x");
    assert_eq!(found[1..], expected);
}

#[test]
fn deep_trees_need_few_descriptors() {
    let deep = |name: &str| {
        let path = format!("{}{name}", "d/".repeat(90));
        [long(b'L', path.as_bytes()), file("short", "")]
    };
    let all: Vec<Block> = (0..3)
        .flat_map(|number| {
            let near = file(&format!("d/d/{number}"), "");
            [&deep(&format!("e/{number}"))[..], &[near], &deep(&format!("g/{number}"))].concat()
        })
        .collect();
    let found = unpacked(&tar(&all), &UnpackOptions::default());
    assert_eq!(found.iter().filter(|line| line.contains(" 644 ")).count(), 9);
}

#[test]
fn zip_has_several_methods_and_names_of_dos() {
    use std::io::Write;
    let content = b"content ".repeat(50);
    let packed = |name: &str, method: u16, packed: Vec<u8>| {
        let mut entry = entry(name, &content);
        (entry.packed, entry.method) = (packed, method);
        entry
    };
    let mut zst = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    zst.write_all(&content).unwrap();
    let mut from_dos = entry("x", b"");
    from_dos.name = b"\x81ber".to_vec();
    from_dos.made_by = 0;
    from_dos.mode = 0;
    let archive = zip(&[
        packed("stored", 0, content.clone()),
        packed("bzip2", 12, Packing::Bzip2.pack(&content)),
        packed("zstd", 93, zst.finish().unwrap()),
        packed("xz", 95, Packing::Xz.pack(&content)),
        from_dos,
    ]);
    let found = unpacked(&archive, &UnpackOptions::default());
    assert_eq!(
        found.iter().filter(|line| line.contains(" 644 content content")).count(),
        4,
        "{found:?}"
    );
    assert!(found.contains(&"über 644 ".to_owned()), "{found:?}");
}
