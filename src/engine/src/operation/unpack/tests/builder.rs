//! Writes archives field by field, so that any field can lie.

use std::io::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Xz,
    Zstd,
    Bzip2,
}

impl Packing {
    pub fn pack(self, content: &[u8]) -> Vec<u8> {
        match self {
            Packing::Plain => content.to_vec(),
            Packing::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Bzip2 => {
                let mut encoder =
                    bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
        }
    }
}

/// One header of tar and what follows it.
#[derive(Clone)]
pub struct Block {
    pub header: [u8; 512],
    pub content: Vec<u8>,
}

impl Block {
    pub fn new(kind: u8, name: &[u8], content: &[u8]) -> Block {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name);
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[156] = kind;
        let mut block = Block { header, content: content.to_vec() };
        block.set(100, &format!("{:07o}", if kind == b'5' { 0o755 } else { 0o644 }));
        block.set(108, "0000000");
        block.set(116, "0000000");
        block.set(136, "00000000001");
        block.size(content.len() as u64)
    }

    fn set(&mut self, offset: usize, text: &str) {
        self.header[offset..offset + text.len()].copy_from_slice(text.as_bytes());
        self.header[148..156].copy_from_slice(b"        ");
        let sum: u32 = self.header.iter().map(|byte| u32::from(*byte)).sum();
        self.header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    pub fn put(mut self, offset: usize, text: &str) -> Block {
        self.set(offset, text);
        self
    }

    pub fn size(self, size: u64) -> Block {
        self.put(124, &format!("{size:011o}"))
    }

    pub fn mode(self, mode: u32) -> Block {
        self.put(100, &format!("{mode:07o}"))
    }

    pub fn link(self, target: &str) -> Block {
        self.put(157, target)
    }
}

pub fn file(name: &str, content: &str) -> Block {
    Block::new(b'0', name.as_bytes(), content.as_bytes())
}

pub fn directory(name: &str) -> Block {
    Block::new(b'5', name.as_bytes(), b"")
}

pub fn symlink(name: &str, target: &str) -> Block {
    Block::new(b'2', name.as_bytes(), b"").link(target)
}

pub fn hard_link(name: &str, target: &str) -> Block {
    Block::new(b'1', name.as_bytes(), b"").link(target)
}

/// An extended header with these records.
pub fn extended(kind: u8, records: &[(&str, &[u8])]) -> Block {
    let mut content = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while rest + length.to_string().len() != length {
            length += 1;
        }
        content.extend_from_slice(format!("{length} {key}=").as_bytes());
        content.extend_from_slice(value);
        content.push(b'\n');
    }
    Block::new(kind, b"pax_header", &content)
}

pub fn long(kind: u8, name: &[u8]) -> Block {
    Block::new(kind, b"././@LongLink", &[name, b"\0"].concat()).put(257, "ustar  ")
}

/// The blocks, without an end.
pub fn blocks(all: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for block in all {
        bytes.extend_from_slice(&block.header);
        bytes.extend_from_slice(&block.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes
}

pub fn tar(all: &[Block]) -> Vec<u8> {
    let mut bytes = blocks(all);
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// An entry of zip; the local header can say something else than the central one.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub local_name: Option<Vec<u8>>,
    pub packed: Vec<u8>,
    pub size: u32,
    pub local_size: Option<u32>,
    pub packed_size: Option<u32>,
    pub checksum: u32,
    pub method: u16,
    pub local_method: Option<u16>,
    pub flags: u16,
    pub mode: u32,
    pub made_by: u8,
    pub extra: Vec<u8>,
    pub local_extra: Vec<u8>,
    /// What stands behind the content.
    pub after: Vec<u8>,
    /// Where the central record says it is.
    pub offset: Option<u32>,
}

pub fn entry(name: &str, content: &[u8]) -> Entry {
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    Entry {
        name: name.as_bytes().to_vec(),
        local_name: None,
        packed: encoder.finish().unwrap(),
        size: content.len() as u32,
        local_size: None,
        packed_size: None,
        checksum: crc32fast::hash(content),
        method: 8,
        local_method: None,
        flags: 0,
        mode: 0o100_644,
        made_by: 3,
        extra: Vec::new(),
        local_extra: Vec::new(),
        after: Vec::new(),
        offset: None,
    }
}

impl Entry {
    pub fn mode(mut self, mode: u32) -> Entry {
        self.mode = mode;
        self
    }

    /// Keeps the content as it is.
    pub fn stored(mut self, content: &[u8]) -> Entry {
        self.packed = content.to_vec();
        self.method = 0;
        self
    }
}

pub fn zip_symlink(name: &str, target: &str) -> Entry {
    entry(name, target.as_bytes()).mode(0o120_777)
}

/// The entries and the central directory with its end.
pub fn zip(all: &[Entry]) -> Vec<u8> {
    let (mut bytes, mut central) = (Vec::new(), Vec::new());
    let short = |bytes: &mut Vec<u8>, number: u16| bytes.extend_from_slice(&number.to_le_bytes());
    let long = |bytes: &mut Vec<u8>, number: u32| bytes.extend_from_slice(&number.to_le_bytes());
    for entry in all {
        let offset = entry.offset.unwrap_or(bytes.len() as u32);
        let packed = entry.packed_size.unwrap_or(entry.packed.len() as u32);
        let local_name = entry.local_name.as_ref().unwrap_or(&entry.name);
        bytes.extend_from_slice(b"PK\x03\x04\x14\0");
        short(&mut bytes, entry.flags);
        short(&mut bytes, entry.local_method.unwrap_or(entry.method));
        long(&mut bytes, 0x21_0000);
        long(&mut bytes, entry.checksum);
        long(&mut bytes, packed);
        long(&mut bytes, entry.local_size.unwrap_or(entry.size));
        short(&mut bytes, local_name.len() as u16);
        short(&mut bytes, entry.local_extra.len() as u16);
        bytes.extend_from_slice(local_name);
        bytes.extend_from_slice(&entry.local_extra);
        bytes.extend_from_slice(&entry.packed);
        bytes.extend_from_slice(&entry.after);
        central.extend_from_slice(b"PK\x01\x02\x14");
        central.push(entry.made_by);
        central.extend_from_slice(b"\x14\0");
        short(&mut central, entry.flags);
        short(&mut central, entry.method);
        long(&mut central, 0x21_0000);
        long(&mut central, entry.checksum);
        long(&mut central, packed);
        long(&mut central, entry.size);
        short(&mut central, entry.name.len() as u16);
        short(&mut central, entry.extra.len() as u16);
        central.extend_from_slice(&[0; 6]);
        long(&mut central, entry.mode << 16);
        long(&mut central, offset);
        central.extend_from_slice(&entry.name);
        central.extend_from_slice(&entry.extra);
    }
    let start = bytes.len() as u32;
    bytes.extend_from_slice(&central);
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    short(&mut bytes, all.len() as u16);
    short(&mut bytes, all.len() as u16);
    long(&mut bytes, central.len() as u32);
    long(&mut bytes, start);
    short(&mut bytes, 0);
    bytes
}
