//! How large an archive may be.

/// How large an archive may be. Each limit is the largest value that passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that it unpacks to, in all: also holes, and every name of a file with several.
    pub bytes: u64,
    /// How many times its own size it unpacks to. Up to 16 MiB always pass.
    pub ratio: u64,
    /// Entries, and directories that they are in.
    pub entries: u64,
    /// Bytes of a name.
    pub path: u64,
    /// Components of a name.
    pub depth: u64,
    /// Bytes of the window that decoders of xz and zstd keep in memory.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 64 << 30,
            ratio: 200,
            entries: 1_000_000,
            path: 2048,
            depth: 128,
            memory: 64 << 20,
        }
    }
}
