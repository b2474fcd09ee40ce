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
fn members_frames_and_streams_may_follow_one_another() {
    let archive = tar(&[file("f", &"content ".repeat(100))]);
    for packing in &PACKINGS[1..] {
        let (one, two) = archive.split_at(700);
        let both = [packing.pack(one), packing.pack(b""), packing.pack(two)].concat();
        assert_eq!(unpacked(&both, &UnpackOptions::default()).len(), 1, "{packing:?}");
    }
    let padded = [Packing::Xz.pack(&archive), vec![0; 8]].concat();
    assert_eq!(unpacked(&padded, &UnpackOptions::default()).len(), 1);
    let skippable = [&b"\x50\x2a\x4d\x18\x04\0\0\0skip"[..], &Packing::Zstd.pack(&archive)].concat();
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
    assert_eq!(unpacked(&zip(&[entry("f", b"1"), entry("F", b"2")]), &case), ["F 644 2", "f 644 1"]);
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
        ["contiguous 644 c", "dir/", "seven 644 v7", "some/", "some/prefix/", "some/prefix/name 644 p"]
    );
}

#[test]
fn files_with_holes_are_filled_with_zeros() {
    let mut old = file("old", "abcd").put(257, "ustar  ").put(386, "00000000002").put(398, "00000000004");
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
    let one = pax(&[("GNU.sparse.name", b"one"), ("GNU.sparse.size", b"8"), ("GNU.sparse.map", b"2,4")], b"abcd");
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
    assert_eq!(found.iter().filter(|line| line.contains(" 644 content content")).count(), 4, "{found:?}");
    assert!(found.contains(&"über 644 ".to_owned()), "{found:?}");
}
