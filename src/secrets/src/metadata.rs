//! The part of a document that SOPS adds: who can decrypt it, what is encrypted, and the MAC.

use crate::cipher::{DataKey, Decrypted};
use crate::identity::Identities;
use crate::options::Options;
use crate::plain::Plain;
use crate::problem::{Problem, Result};
use crate::recipient::Recipient;
use crate::timestamp;
use crate::value::Value;

/// The version of SOPS whose format is written.
const VERSION: &str = "3.11.0";
/// Keys of other kinds: they are kept, but nothing can be encrypted to them here.
const OTHER_KINDS: [&str; 6] = ["kms", "gcp_kms", "azure_kv", "hc_vault", "hckms", "pgp"];

/// The metadata of one document. What is not understood is kept.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    content: Plain,
    pub options: Options,
}

impl Metadata {
    /// Reads the metadata.
    ///
    /// # Errors
    /// When it is malformed, or of a kind that is refused by name: key groups.
    pub fn read(content: Plain) -> Result<Self> {
        if !matches!(content, Plain::Map(_)) {
            return Err(Problem::new("its `sops` part is not a map: it is not a document of SOPS"));
        }
        if let Some(Plain::List(groups)) = content.get("key_groups")
            && !groups.is_empty()
        {
            return Err(Problem::new("it has key groups, which are not supported").with_hint(
                "run `sops updatekeys` with a rule without `key_groups`: \
                 it gives the document one list of recipients",
            ));
        }
        let options = Options::read(&content)?;
        let metadata = Self { content, options };
        metadata.last_modified()?;
        if metadata
            .ages()
            .iter()
            .any(|item| item.get_text("recipient").or(item.get_text("enc")).is_none())
        {
            return Err(Problem::new("`sops.age` contains an invalid recipient"));
        }
        if !metadata.content.get_text("version").is_some_and(is_version) {
            return Err(Problem::new("`sops.version` is missing or invalid"));
        }
        if metadata.recipients().is_empty() {
            let kinds = metadata.other_kinds();
            return Err(if kinds.is_empty() {
                Problem::new("it names no recipients, so it cannot be decrypted")
            } else {
                Problem::new(format!(
                    "its data key is encrypted to {} only, not to age recipients",
                    kinds.join(", ")
                ))
                .with_hint("add an age recipient with `sops rotate --add-age`")
            });
        }
        Ok(metadata)
    }

    /// The metadata of a new document.
    pub fn new(options: Options) -> Self {
        let mut content = Plain::Map(Vec::new());
        content.put("age", Plain::List(Vec::new()));
        content.put("lastmodified", Plain::text(timestamp::now()));
        content.put("mac", Plain::text(""));
        options.write(&mut content);
        content.put("version", Plain::text(VERSION));
        Self { content, options }
    }

    pub fn content(&self) -> &Plain {
        &self.content
    }

    fn ages(&self) -> &[Plain] {
        match self.content.get("age") {
            Some(Plain::List(items)) => items,
            _ => &[],
        }
    }

    /// The recipients as they are written in the document.
    pub fn recipients(&self) -> Vec<&str> {
        self.ages().iter().filter_map(|item| item.get_text("recipient")).collect()
    }

    /// The kinds of keys besides age to which the data key is encrypted.
    pub fn other_kinds(&self) -> Vec<&'static str> {
        OTHER_KINDS
            .into_iter()
            .filter(|kind| {
                matches!(self.content.get(kind), Some(Plain::List(items)) if !items.is_empty())
            })
            .collect()
    }

    fn last_modified(&self) -> Result<String> {
        self.content
            .get_text("lastmodified")
            .and_then(timestamp::seconds)
            .ok_or_else(|| Problem::new("`sops.lastmodified` is missing or invalid"))
    }

    /// Decrypts the data key.
    ///
    /// # Errors
    /// When no identity fits, naming the recipients and what was tried.
    pub fn data_key(&self, identities: &Identities) -> Result<DataKey> {
        // A damaged stanza of one recipient does not prevent the others.
        let mut damaged = None;
        for item in self.ages() {
            let recipient = item.get_text("recipient").unwrap_or_default();
            let Some(encrypted) = item.get_text("enc") else { continue };
            match identities.decrypt(encrypted.as_bytes(), recipient) {
                Ok(Some(bytes)) => return DataKey::from_bytes(&bytes),
                Ok(None) => {}
                Err(problem) => damaged = damaged.or(Some(problem)),
            }
        }
        if let Some(problem) = damaged {
            return Err(problem);
        }
        Err(identities.no_match(&self.recipients()))
    }

    /// The MAC in the document, decrypted.
    ///
    /// # Errors
    /// When there is none, or it does not fit its `lastmodified`.
    pub fn mac(&self, key: &DataKey) -> Result<String> {
        let text = self.content.get_text("mac").unwrap_or_default();
        if text.is_empty() {
            return Err(Problem::new("it has no MAC, so it may have been altered")
                .with_hint("take it from version control or a backup"));
        }
        match key.cipher().decrypt(text, &self.last_modified()?) {
            Ok(Decrypted::Value(Value::Str(ref mac))) => Ok(mac.clone()),
            _ => Err(Problem::new("its MAC was altered, or its `lastmodified`")
                .with_hint("take it from version control or a backup")),
        }
    }

    /// Puts a new MAC there, of now.
    pub fn sign(&mut self, key: &DataKey, mac: &str) -> Result<()> {
        let now = timestamp::now();
        let sealed = key.cipher().encrypt(&Value::Str(mac.to_owned()), &now)?;
        self.content.put("lastmodified", Plain::text(now));
        self.content.put("mac", Plain::text(sealed));
        self.content.put("version", Plain::text(VERSION));
        Ok(())
    }

    /// Encrypts a data key to recipients, which replace those that were there.
    pub fn seal(&mut self, key: &DataKey, recipients: &[Recipient]) -> Result<()> {
        let mut items = Vec::new();
        for recipient in recipients {
            let armored = recipient.encrypt_armored(key.as_bytes())?;
            items.push(Plain::Map(vec![
                ("recipient".to_owned(), Plain::text(recipient.to_string())),
                ("enc".to_owned(), Plain::text(armored)),
            ]));
        }
        self.content.put("age", Plain::List(items));
        Ok(())
    }

    /// Encrypts the data key to one more recipient.
    pub fn add(&mut self, key: &DataKey, recipient: &Recipient) -> Result<()> {
        let armored = recipient.encrypt_armored(key.as_bytes())?;
        let item = Plain::Map(vec![
            ("recipient".to_owned(), Plain::text(recipient.to_string())),
            ("enc".to_owned(), Plain::text(armored)),
        ]);
        let mut items = self.ages().to_vec();
        items.push(item);
        self.content.put("age", Plain::List(items));
        Ok(())
    }
}

/// Whether a text is a version as SOPS reads it: three numbers, and what may follow by the rules of
/// semantic versions.
fn is_version(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    core.split('.').count() == 3 && core.split('.').all(is_number) && !text.ends_with(['-', '+'])
}
