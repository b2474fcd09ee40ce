//! Encrypts and decrypts the values of a document, and makes its MAC.

use std::collections::HashMap;

use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::cipher::{self, Cipher, DataKey, Decrypted};
use crate::edit::Edits;
use crate::format::Format;
use crate::metadata::Metadata;
use crate::options::Options;
use crate::problem::{Problem, Result, line_of};
use crate::tree::{Item, Slot, ValueKind, What, slots};
use crate::value::Value;

/// What a MAC over encrypted values only begins with: the SHA-256 of `sops`.
const MAC_ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// What a slot holds when it is decrypted.
#[derive(Clone)]
pub(crate) enum Filled {
    Value(Value),
    Comment(Zeroizing<String>),
}

/// What tells values apart that are encrypted under one path. It lives as long as the values do.
pub(crate) fn fingerprint(filled: &Filled) -> String {
    let (kind, bytes) = match filled {
        Filled::Value(value) => (value.type_of().name(), value.to_bytes()),
        Filled::Comment(text) => ("comment", Zeroizing::new(text.as_bytes().to_vec())),
    };
    let hash = Sha512::digest(&*bytes);
    format!("{kind}:{}", data_encoding::HEXLOWER.encode(&hash))
}

/// The MAC of a document: SHA-512 over its values in their order.
pub(crate) struct Mac {
    hash: Sha512,
    only_encrypted: bool,
}

impl Mac {
    pub fn new(options: &Options) -> Self {
        let mut hash = Sha512::new();
        if options.mac_only_encrypted() {
            hash.update(MAC_ONLY_ENCRYPTED);
        }
        Self { hash, only_encrypted: options.mac_only_encrypted() }
    }

    pub fn add(&mut self, value: &Value, encrypted: bool) {
        if encrypted || !self.only_encrypted {
            self.hash.update(&*value.to_bytes());
        }
    }

    pub fn finish(self) -> String {
        data_encoding::HEXUPPER.encode(&self.hash.finalize())
    }
}

/// Encrypts a text.
pub(crate) struct Work<'a> {
    pub format: Format,
    pub key: &'a DataKey,
    /// Texts that are encrypted already, and what they mean.
    pub known: &'a HashMap<(String, String), Filled>,
    /// Encrypted texts that can be used again for the same value.
    pub reuse: &'a HashMap<(String, String), Filled>,
    /// Whether known texts are encrypted once more.
    pub renew: bool,
}

impl Work<'_> {
    /// Encrypts what is in clear and writes metadata with the new MAC. `binary` is the content of a
    /// binary document.
    pub fn seal(
        &self,
        text: &str,
        binary: Option<Value>,
        mut metadata: Metadata,
    ) -> Result<String> {
        let mut parsed = self.format.parse(text)?;
        if let (Some(value), Some(root)) = (binary, parsed.roots.first_mut())
            && let ValueKind::Map(items) = &mut root.kind
            && let Some(Item::Entry(entry)) = items.first_mut()
        {
            entry.node.kind = ValueKind::Leaf(value);
        }
        let cipher = self.key.cipher();
        let mut mac = Mac::new(&metadata.options);
        let mut edits = Edits::new();
        for root in &parsed.roots {
            for slot in slots(root, &metadata.options, self.format.skipped()) {
                self.seal_slot(text, &slot, &cipher, &mut mac, &mut edits)?;
            }
        }
        let text = edits.apply(text);
        metadata.sign(self.key, &mac.finish())?;
        self.format.with_metadata(&text, Some(&metadata))
    }

    fn seal_slot(
        &self,
        text: &str,
        slot: &Slot<'_>,
        cipher: &Cipher,
        mac: &mut Mac,
        edits: &mut Edits,
    ) -> Result<()> {
        let known = encrypted_text(slot)
            .filter(|_| slot.encrypted)
            .and_then(|text| self.known.get(&(slot.path.clone(), text.to_owned())));
        let is_known = known.is_some();
        let filled = match (known, slot.what) {
            (Some(known), _) => known.clone(),
            (None, What::Value(_, value)) => Filled::Value(value.clone()),
            (None, What::Comment(comment)) => Filled::Comment(Zeroizing::new(comment.text.clone())),
        };
        if let Filled::Value(value) = &filled {
            mac.add(value, slot.encrypted);
        }
        if !slot.encrypted || (is_known && !self.renew) {
            return Ok(());
        }
        let used = self.reuse.get(&(slot.path.clone(), fingerprint(&filled)));
        let sealed = match (used, &filled) {
            (Some(Filled::Value(Value::Str(text))), _) => text.clone(),
            (_, Filled::Value(value)) => cipher.encrypt(value, &slot.path)?,
            (_, Filled::Comment(text)) => cipher.encrypt_comment(text, &slot.path)?,
        };
        if sealed.is_empty() {
            return Ok(());
        }
        match slot.what {
            What::Value(node, _) => {
                let sealed = self.format.render(text, &Value::Str(sealed), node)?;
                edits.replace(node.span.clone(), sealed);
            }
            What::Comment(comment) => edits.replace(comment.span.clone(), sealed),
        }
        Ok(())
    }
}

/// The text of a slot that may be an encrypted value.
pub(crate) fn encrypted_text<'a>(slot: &Slot<'a>) -> Option<&'a str> {
    let text = match slot.what {
        What::Value(_, Value::Str(text)) => text,
        What::Value(..) => return None,
        What::Comment(comment) => &comment.text,
    };
    cipher::is_encrypted(text).then_some(text)
}

pub(crate) fn decrypt(cipher: &Cipher, slot: &Slot<'_>, text: &str) -> Result<Filled> {
    match slot.what {
        What::Comment(comment) => {
            Ok(Filled::Comment(Zeroizing::new(decrypt_comment(cipher, slot, &comment.text))))
        }
        What::Value(_, value) if !slot.encrypted => Ok(Filled::Value(value.clone())),
        What::Value(_, Value::Null) => Ok(Filled::Value(Value::Null)),
        What::Value(node, value) => {
            let failed = |why: &str| {
                let path = slot.path.trim_end_matches(':').replace(':', ".");
                Problem::at(
                    line_of(text, node.span.start),
                    format!("`{path}` cannot be decrypted: {why}"),
                )
                .with_hint("take the document from version control or a backup")
            };
            let Value::Str(encrypted) = value else { return Err(failed("it is in clear")) };
            match cipher.decrypt(encrypted, &slot.path) {
                Ok(Decrypted::Value(value)) => Ok(Filled::Value(value)),
                Ok(Decrypted::Comment(_)) => Err(failed("it is a comment")),
                Err(problem) => Err(failed(&problem.message)),
            }
        }
    }
}

/// A comment that cannot be decrypted is taken for one in clear, as SOPS does. Where a comment
/// belongs is not always clear in YAML: the maps around it are tried too.
fn decrypt_comment(cipher: &Cipher, slot: &Slot<'_>, text: &str) -> String {
    if !slot.encrypted || !cipher::is_encrypted(text) {
        return text.to_owned();
    }
    let mut path = slot.path.clone();
    loop {
        if let Ok(Decrypted::Comment(comment)) = cipher.decrypt(text, &path) {
            return comment.to_string();
        }
        if path == ":" {
            return text.to_owned();
        }
        let inner = path.trim_end_matches(':');
        path = inner.rfind(':').map_or_else(|| ":".to_owned(), |at| inner[..=at].to_owned());
    }
}
