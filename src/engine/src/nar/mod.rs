//! The NAR format, written to a [`Sink`]: what `nix-hash --type sha256` hashes; and [`read`] back.
//!
//! Source of the format: E. Dolstra, "The Purely Functional Software Deployment Model", figure 5.2.
//! A string is its length as 64 bits little-endian, its bytes, and zeros up to a multiple of eight.
//! Knows nothing of the file system: [`crate::store`] walks trees and calls this.

pub mod read;

use crate::hash::Sink;

const MAGIC: &[u8] = b"nix-archive-1";

/// Writes the parts of an archive in the order that the format asks for.
pub struct Writer<'a, S: Sink> {
    sink: &'a mut S,
}

impl<'a, S: Sink> Writer<'a, S> {
    /// Begins an archive.
    pub fn new(sink: &'a mut S) -> Writer<'a, S> {
        let mut writer = Writer { sink };
        writer.string(MAGIC);
        writer
    }

    /// Writes a symbolic link.
    pub fn symlink(&mut self, target: &[u8]) {
        for part in [b"(".as_slice(), b"type", b"symlink", b"target", target, b")"] {
            self.string(part);
        }
    }

    /// Begins a regular file of `length` bytes; [`Writer::content`] and [`Writer::end_file`]
    /// follow.
    pub fn begin_file(&mut self, executable: bool, length: u64) {
        for part in [b"(".as_slice(), b"type", b"regular"] {
            self.string(part);
        }
        if executable {
            self.string(b"executable");
            self.string(b"");
        }
        self.string(b"contents");
        self.sink.put(&length.to_le_bytes());
    }

    /// Returns whether the rest of the archive is unnecessary.
    pub fn is_closed(&self) -> bool {
        self.sink.is_closed()
    }

    /// Writes the next bytes of a file.
    pub fn content(&mut self, bytes: &[u8]) {
        self.sink.put_content(bytes);
    }

    /// Tells what stands for the content of a file. No part of the archive.
    pub fn stand_in(&mut self, bytes: &[u8]) {
        self.sink.put_stand_in(bytes);
    }

    /// Ends a file of `length` bytes.
    pub fn end_file(&mut self, length: u64) {
        self.pad(length);
        self.string(b")");
    }

    /// Begins a directory; its entries follow in the order of their names' bytes.
    pub fn begin_directory(&mut self) {
        for part in [b"(".as_slice(), b"type", b"directory"] {
            self.string(part);
        }
    }

    /// Begins an entry of a directory; the node and [`Writer::end_entry`] follow.
    pub fn begin_entry(&mut self, name: &[u8]) {
        for part in [b"entry".as_slice(), b"(", b"name", name, b"node"] {
            self.string(part);
        }
    }

    /// Ends an entry of a directory.
    pub fn end_entry(&mut self) {
        self.string(b")");
    }

    /// Ends a directory.
    pub fn end_directory(&mut self) {
        self.string(b")");
    }

    fn string(&mut self, bytes: &[u8]) {
        self.sink.put(&(bytes.len() as u64).to_le_bytes());
        self.sink.put(bytes);
        self.pad(bytes.len() as u64);
    }

    fn pad(&mut self, length: u64) {
        let rest = (length % 8) as usize;
        if rest > 0 {
            self.sink.put(&[0; 8][rest..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::hash::{Hash, Hasher};

    #[test]
    fn a_file_is_hashed_as_nix_does() {
        // nix-hash --type sha256 of a file with the content "hello\n"
        let mut hasher = Hasher::default();
        let mut writer = Writer::new(&mut hasher);
        writer.begin_file(false, 6);
        writer.content(b"hello\n");
        writer.end_file(6);
        let expected = "1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13";
        assert_eq!(hasher.finish(), Hash::parse(expected).unwrap());
    }

    #[derive(Clone, Debug, PartialEq)]
    enum Node {
        File(bool, Vec<u8>),
        Link(Vec<u8>),
        Directory(BTreeMap<Vec<u8>, Node>),
    }

    fn any_node() -> impl Strategy<Value = Node> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..20);
        let leaf = prop_oneof![
            (any::<bool>(), bytes())
                .prop_map(|(executable, content)| Node::File(executable, content)),
            bytes().prop_map(Node::Link),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop::collection::btree_map(bytes(), inner, 0..5).prop_map(Node::Directory)
        })
    }

    /// Writes contents in pieces of `piece` bytes.
    fn write(writer: &mut Writer<'_, Vec<u8>>, node: &Node, piece: usize) {
        match node {
            Node::File(executable, content) => {
                writer.begin_file(*executable, content.len() as u64);
                content.chunks(piece).for_each(|part| writer.content(part));
                writer.end_file(content.len() as u64);
            }
            Node::Link(target) => writer.symlink(target),
            Node::Directory(entries) => {
                writer.begin_directory();
                for (name, inner) in entries {
                    writer.begin_entry(name);
                    write(writer, inner, piece);
                    writer.end_entry();
                }
                writer.end_directory();
            }
        }
    }

    fn archive(node: &Node, piece: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut Writer::new(&mut bytes), node, piece);
        bytes
    }

    /// Reads what the figure in the thesis says, and nothing else.
    struct Reader<'a>(&'a [u8]);

    impl<'a> Reader<'a> {
        fn string(&mut self) -> &'a [u8] {
            let (length, rest) = self.0.split_at(8);
            let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
            let (text, rest) = rest.split_at(length);
            let (padding, rest) = rest.split_at(length.next_multiple_of(8) - length);
            assert!(padding.iter().all(|byte| *byte == 0));
            self.0 = rest;
            text
        }

        fn expect(&mut self, words: &[&str]) {
            for word in words {
                assert_eq!(self.string(), word.as_bytes());
            }
        }

        fn node(&mut self) -> Node {
            self.expect(&["(", "type"]);
            match self.string() {
                b"regular" => {
                    let executable = self.string() == b"executable";
                    if executable {
                        self.expect(&["", "contents"]);
                    }
                    let content = self.string().to_vec();
                    self.expect(&[")"]);
                    Node::File(executable, content)
                }
                b"symlink" => {
                    self.expect(&["target"]);
                    let target = self.string().to_vec();
                    self.expect(&[")"]);
                    Node::Link(target)
                }
                other => {
                    assert_eq!(other, b"directory");
                    Node::Directory(self.entries())
                }
            }
        }

        fn entries(&mut self) -> BTreeMap<Vec<u8>, Node> {
            let mut entries = BTreeMap::new();
            while self.string() != b")" {
                self.expect(&["(", "name"]);
                let name = self.string().to_vec();
                assert!(entries.last_key_value().is_none_or(|(last, _)| *last < name));
                self.expect(&["node"]);
                let node = self.node();
                self.expect(&[")"]);
                entries.insert(name, node);
            }
            entries
        }
    }

    proptest! {
        #[test]
        fn an_archive_reads_as_the_tree_it_was_made_of(node in any_node(), piece in 1usize..9) {
            let bytes = archive(&node, piece);
            let mut reader = Reader(&bytes);
            prop_assert_eq!(reader.string(), MAGIC);
            prop_assert_eq!(reader.node(), node);
            prop_assert!(reader.0.is_empty());
        }

        #[test]
        fn different_trees_have_different_archives(a in any_node(), b in any_node()) {
            prop_assert_eq!(a == b, archive(&a, 7) == archive(&b, 7));
        }
    }
}
