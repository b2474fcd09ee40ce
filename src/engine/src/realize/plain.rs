//! Files of a text or a source, as `file{}` declares them by the thousand: read, named and published side by side, without a
//! task and a workspace for each. What becomes of one is what its recipe makes; whatever is not plainly so is left to it.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::derivation::Derivation;
use crate::names::Placeholder;
use crate::platform;
use crate::platform::jail::Level;
use crate::store::import::File;
use crate::store::{Slot, Store, tree};
use crate::value::{Fields, Value};

/// How the recipe of `file{}` is called: `build_file` in `lua/syslua/helpers/file.lua`.
const RECIPE: &[u8] = b"syslua.helpers.file.build_file";

/// Larger ones are built as everything else is, in pieces.
const LARGEST: u64 = 1 << 16;

/// Returns whether a derivation is one file of a text or a source, which depends on nothing else.
pub fn is_plain(derivation: &Derivation) -> bool {
    let spec = &derivation.spec;
    let is_known = |(name, value): (&Vec<u8>, &Value)| match (name.as_slice(), value) {
        (b"content", Value::Bytes(_)) | (b"executable", Value::Bool(true)) => true,
        (b"source", Value::Source(source)) => source.excluded.is_empty(),
        _ => false,
    };
    let Value::Map(opts) = &spec.opts else { return false };
    spec.config.text == RECIPE
        && spec.config.captures.is_empty()
        && derivation.dependencies.is_empty()
        && spec.version.is_none()
        && spec.output_hash.is_none()
        && matches!(spec.outputs.as_slice(), [output] if output.is_main())
        && opts.iter().all(is_known)
        && opts.contains_key(b"content".as_slice()) != opts.contains_key(b"source".as_slice())
}

/// Returns the file that a plain derivation makes; nothing when that takes a closer look, or fails.
pub fn make<'a>(store: &Store, derivation: &'a Derivation, level: Level) -> Option<File<'a>> {
    let Value::Map(opts) = &derivation.spec.opts else { return None };
    let is_executable = opts.contains_key(b"executable".as_slice());
    let (content, was_executable) = content_of(opts)?;
    let (_, temporary) = derivation.temporary_names().into_iter().next()?;
    let holds = |text: &str| memchr::memmem::find(&content, text.as_bytes()).is_some();
    // Its own name would be rewritten, and the directory of its build alone refused.
    if Placeholder::may_be_in(&content)
        || holds(temporary.as_str())
        || holds(&format!("store/{}", Slot::of(derivation.hash)))
    {
        return None;
    }
    let root = platform::bytes_of_path(store.root());
    Some(File {
        deriver: derivation.hash,
        name: &derivation.spec.name,
        relocatable: memchr::memmem::find(&content, &root).is_none(),
        nar: tree::hash_of_file(&content, is_executable || was_executable),
        is_executable: is_executable || was_executable,
        content,
        sandbox: level,
    })
}

/// Returns the text, or what stands at the source when that is what was hashed; and whether that is executable.
fn content_of(opts: &Fields) -> Option<(Vec<u8>, bool)> {
    match (opts.get(b"content".as_slice()), opts.get(b"source".as_slice())) {
        (Some(Value::Bytes(content)), None) => Some((content.clone(), false)),
        (None, Some(Value::Source(source))) => {
            let (content, is_executable) = read(&source.path)?;
            (tree::hash_of_file(&content, is_executable) == source.nar).then_some((content, is_executable))
        }
        _ => None,
    }
}

/// Reads a small regular file.
fn read(path: &Path) -> Option<(Vec<u8>, bool)> {
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut file = fs::File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return None;
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).ok()? + 1);
    // One byte more tells whether it grew meanwhile.
    Read::by_ref(&mut file).take(LARGEST + 1).read_to_end(&mut content).ok()?;
    (content.len() as u64 == metadata.len()).then(|| (content, platform::is_executable(&metadata)))
}
