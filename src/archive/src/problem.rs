//! Why an archive is not unpacked.

/// Why an archive is not unpacked; read after "cannot unpack ARCHIVE: ".
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It is something else.
    #[error("it is {found}; tar, tar.gz, tar.xz, tar.zst, tar.bz2 and zip can be unpacked")]
    Unknown {
        /// What its first bytes look like.
        found: String,
    },
    /// Compressed data that is not an archive.
    #[error(
        "it is a single file compressed with {compression}, not an archive: it contains {found}"
    )]
    SingleFile {
        /// `gzip` and so on, which are also the names of the programs.
        compression: &'static str,
        /// What the first bytes of the content look like.
        found: String,
    },
    /// Its bytes make no sense.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It ends too early.
    #[error("it is cut off: {0}")]
    CutOff(String),
    /// Something comes after its end.
    #[error("it has trailing data: {0}")]
    Trailing(String),
    /// One of its entries is refused.
    #[error("its entry {} {reason}", show(name))]
    Entry {
        /// The name of the entry.
        name: Vec<u8>,
        /// Why.
        reason: String,
    },
    /// An entry is refused unless the config allows it.
    #[error("its entry {} {reason}", show(name))]
    NotAllowed {
        /// The name of the entry.
        name: Vec<u8>,
        /// Why.
        reason: String,
        /// What to write in the list `allow`.
        allow: &'static str,
        /// Its effect, after "then".
        effect: &'static str,
    },
    /// It goes beyond one of the limits.
    #[error("{what}, which is more than the limit `{limit}` of {value}")]
    Limit {
        /// What is too much.
        what: String,
        /// The name of the field in `limits`.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// It holds nothing.
    #[error("it has no entries")]
    Empty,
    /// All its names are stripped.
    #[error("strip = {0} removes every entry: no name has more components")]
    Stripped(usize),
    /// Its bytes cannot be read.
    #[error("it cannot be read: {0}")]
    Read(std::io::Error),
    /// What takes the entries refused.
    #[error("{0}")]
    Destination(Box<dyn std::error::Error + Send + Sync>),
    /// The operation was cancelled.
    #[error("interrupted")]
    Interrupted,
}

/// The result of a part of unpacking.
pub type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    /// Makes the problem of an entry.
    pub fn entry(name: &[u8], reason: impl Into<String>) -> Problem {
        Problem::Entry { name: name.to_owned(), reason: reason.into() }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Problem::Limit { limit, .. } => Some(format!(
                "if you trust it, raise the limit: ctx.unpack(archive, destination, {{ limits = {{ \
                 {limit} = ... }} }})"
            )),
            Problem::NotAllowed { allow, effect, .. } => Some(format!(
                "if you trust it: ctx.unpack(archive, destination, {{ allow = {{ \"{allow}\" }} \
                 }}); then {effect}"
            )),
            Problem::SingleFile { compression, .. } => Some(format!(
                "to have that file: ctx.run({{ \"sh\", \"-c\", '{compression} -dc \"$1\" >file', \
                 \"-\", archive }})"
            )),
            _ => None,
        }
    }
}

/// Returns a name as a message shows it: quoted, in one line, not too long.
pub fn show(name: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(name);
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    format!("{shown:?}")
}
