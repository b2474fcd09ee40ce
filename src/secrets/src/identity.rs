//! Identities, which decrypt, from every place where sops looks for them.
//!
//! The order is that of sops 3.11: keys of SSH, `SOPS_AGE_KEY`, `SOPS_AGE_KEY_FILE`,
//! `SOPS_AGE_KEY_CMD`, and `sops/age/keys.txt` in the directory of settings. The keys of the host
//! come last, for root.
#![expect(
    clippy::disallowed_methods,
    reason = "identities are files of the user, and no build can change them"
)]

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use curve25519_dalek::edwards::CompressedEdwardsY;
use data_encoding::BASE64_NOPAD;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::age_format::{FileKey, Stanza, parse, unarmored, unwrap_key};
use crate::bech32;
use crate::derive::{hkdf, random, x25519, x25519_public};
use crate::problem::{Problem, Result};
use crate::recipient::{SSH_ED25519, X25519, tag_of, tweak};
use crate::ssh_key::{PrivateKey, parse_private};

/// The largest file of identities that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Where identities may be. The caller knows the environment, this crate does not.
pub struct Places<'a> {
    /// Returns a variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The home of the user.
    pub home: Option<PathBuf>,
    /// The directory of settings, `~/.config` on Linux.
    pub settings: Option<PathBuf>,
    /// The directory with the keys of the host, `/etc/ssh`, for root only.
    pub host_keys: Option<PathBuf>,
}

/// One identity.
enum Identity {
    X25519(Zeroizing<[u8; 32]>),
    Ssh(PrivateKey),
}

impl Identity {
    /// Reads `AGE-SECRET-KEY-1...`.
    fn parse(line: &str) -> Option<Self> {
        let bytes = Zeroizing::new(bech32::decode("age-secret-key-", line)?);
        let mut secret = Zeroizing::new([0; 32]);
        if bytes.len() != secret.len() {
            return None;
        }
        secret.copy_from_slice(&bytes);
        Some(Self::X25519(secret))
    }

    /// Decrypts the key of a file, if the stanza is for this identity.
    fn unwrap(&self, stanza: &Stanza) -> Option<FileKey> {
        let words: Vec<&str> = stanza.words.iter().map(String::as_str).collect();
        let share = |text: &str| -> Option<[u8; 32]> {
            BASE64_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
        };
        match (self, words.as_slice()) {
            (Self::X25519(secret), ["X25519", text]) => {
                let share = share(text)?;
                let salt = [share, x25519_public(secret)].concat();
                let wrapping = hkdf(&*x25519(secret, &share).ok()?, &salt, X25519);
                unwrap_key(&wrapping, &stanza.body)
            }
            (Self::Ssh(key), ["ssh-ed25519", tag, text]) if *tag == tag_of(&key.public) => {
                let share = share(text)?;
                let mut secret = Zeroizing::new([0; 32]);
                secret.copy_from_slice(&Sha512::digest(*key.seed)[..32]);
                let point =
                    CompressedEdwardsY(key.public.point).decompress()?.to_montgomery().to_bytes();
                let shared = x25519(&tweak(&key.public), &*x25519(&secret, &share).ok()?).ok()?;
                let wrapping = hkdf(&*shared, &[share, point].concat(), SSH_ED25519);
                unwrap_key(&wrapping, &stanza.body)
            }
            _ => None,
        }
    }
}

/// The identities that were found, and where they were looked for.
#[derive(Default)]
pub struct Identities {
    identities: Vec<Identity>,
    tried: Vec<(String, String)>,
}

impl fmt::Debug for Identities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} identities", self.identities.len())
    }
}

impl Identities {
    /// Looks for identities everywhere. What cannot be read is remembered for the error, not
    /// refused: another identity may do.
    pub fn find(places: &Places<'_>) -> Self {
        let mut found = Self::default();
        if let Some(file) = (places.variable)("SOPS_AGE_SSH_PRIVATE_KEY_FILE") {
            found.add_ssh("SOPS_AGE_SSH_PRIVATE_KEY_FILE", Path::new(&file), true);
        }
        if let Some(home) = &places.home {
            for name in ["id_ed25519", "id_rsa"] {
                let file = home.join(".ssh").join(name);
                found.add_ssh(&file.display().to_string(), &file, false);
            }
        }
        if let Some(text) = (places.variable)("SOPS_AGE_KEY") {
            found.add_text("SOPS_AGE_KEY", &Zeroizing::new(text));
        }
        if let Some(file) = (places.variable)("SOPS_AGE_KEY_FILE") {
            found.add_file("SOPS_AGE_KEY_FILE", Path::new(&file), true);
        }
        if let Some(command) = (places.variable)("SOPS_AGE_KEY_CMD") {
            found.add_command(&command);
        }
        if let Some(settings) = &places.settings {
            let file = settings.join("sops/age/keys.txt");
            found.add_file(&file.display().to_string(), &file, false);
        }
        if let Some(host_keys) = &places.host_keys {
            for name in ["ssh_host_ed25519_key", "ssh_host_rsa_key"] {
                let file = host_keys.join(name);
                found.add_ssh(&file.display().to_string(), &file, false);
            }
        }
        found
    }

    /// Adds the identities of a text, one a line; lines that begin with `#` are comments.
    pub fn add_text(&mut self, place: &str, text: &str) {
        if text.contains("-----BEGIN OPENSSH PRIVATE KEY-----")
            || text.contains("-----BEGIN RSA PRIVATE KEY-----")
        {
            return self.add_ssh_text(place, text.as_bytes());
        }
        if text.starts_with("age-encryption.org/")
            || text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----")
        {
            return self.note(place, "it is protected with a passphrase, which is not supported");
        }
        let (mut count, mut wrong) = (0, None);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match Identity::parse(line) {
                Some(identity) => {
                    self.identities.push(identity);
                    count += 1;
                }
                None if line.starts_with("AGE-PLUGIN-") => {
                    wrong = Some("identities of plugins are not supported".to_owned());
                }
                None => wrong = Some(format!("line {} is not an age identity", index + 1)),
            }
        }
        let note = match (count, wrong) {
            (_, Some(wrong)) => wrong,
            (0, None) => "it contains no identity".to_owned(),
            (1, None) => "1 identity".to_owned(),
            (count, None) => format!("{count} identities"),
        };
        self.note(place, &note);
    }

    fn note(&mut self, place: &str, note: &str) {
        self.tried.push((place.to_owned(), note.to_owned()));
    }

    /// Adds a file of identities. `named` says that the user named it: then it must be there.
    pub fn add_file(&mut self, place: &str, file: &Path, named: bool) {
        match read(file) {
            Ok(text) => match std::str::from_utf8(&text) {
                Ok(text) => self.add_text(place, text),
                Err(_) => self.note(place, "it is not text"),
            },
            Err(error) => self.cannot_read(place, file, named, &error),
        }
    }

    fn cannot_read(&mut self, place: &str, file: &Path, named: bool, error: &io::Error) {
        let what = if error.kind() == io::ErrorKind::NotFound {
            "there is none".to_owned()
        } else {
            error.to_string()
        };
        let note = if named { format!("{}: {what}", file.display()) } else { what };
        self.note(place, &note);
    }

    fn add_ssh(&mut self, place: &str, file: &Path, named: bool) {
        match read(file) {
            Ok(text) => self.add_ssh_text(place, &text),
            Err(error) => self.cannot_read(place, file, named, &error),
        }
    }

    fn add_ssh_text(&mut self, place: &str, text: &[u8]) {
        match parse_private(text) {
            Ok(key) => {
                self.identities.push(Identity::Ssh(key));
                self.note(place, "1 key of SSH");
            }
            Err(problem) => self.note(place, &problem.message),
        }
    }

    fn add_command(&mut self, command: &str) {
        let place = "SOPS_AGE_KEY_CMD";
        let Some(words) = split_words(command) else {
            return self.note(place, "its quotes do not match");
        };
        let Some((program, arguments)) = words.split_first() else {
            return self.note(place, "it is empty");
        };
        let output = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output();
        match output {
            Ok(output) if output.status.success() => {
                let bytes = Zeroizing::new(output.stdout);
                match std::str::from_utf8(&bytes) {
                    Ok(text) => self.add_text(place, text),
                    Err(_) => self.note(place, "its output is not text"),
                }
            }
            Ok(output) => self.note(place, &format!("`{program}` failed: {}", output.status)),
            Err(error) => self.note(place, &format!("`{program}` cannot be started: {error}")),
        }
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// Where was looked, each with what was there.
    pub fn tried(&self) -> &[(String, String)] {
        &self.tried
    }

    /// Decrypts an age file, armored or not. None when no identity fits.
    ///
    /// # Errors
    /// When it is not an age file, or was altered.
    pub(crate) fn decrypt(&self, encrypted: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let bytes = unarmored(encrypted)?;
        let parsed = parse(&bytes)?;
        let pairs = parsed
            .stanzas
            .iter()
            .flat_map(|stanza| self.identities.iter().map(move |one| (one, stanza)));
        let key = pairs.filter_map(|(identity, stanza)| identity.unwrap(stanza)).next();
        key.map(|key| parsed.open(&key)).transpose()
    }

    /// The error when no identity matches a recipient.
    pub(crate) fn no_match(&self, recipients: &[&str]) -> Problem {
        let recipients: Vec<String> =
            recipients.iter().map(|recipient| format!("\n  {recipient}")).collect();
        let tried: Vec<String> =
            self.tried.iter().map(|(place, note)| format!("\n  {place}: {note}")).collect();
        let tried = if tried.is_empty() { "\n  nowhere".to_owned() } else { tried.concat() };
        Problem::new(format!(
            "no identity here can decrypt it. It is encrypted to{}\nIdentities were looked for \
             in{tried}",
            recipients.concat()
        ))
        .with_hint(
            "put the identity into `~/.config/sops/age/keys.txt`, or name its file in \
             SOPS_AGE_KEY_FILE",
        )
    }
}

/// A fresh identity and the recipient that belongs to it.
///
/// # Errors
/// When the system gives no random bytes.
pub fn generate() -> Result<(Zeroizing<String>, String)> {
    let mut secret = Zeroizing::new([0; 32]);
    random(&mut *secret)?;
    let text = Zeroizing::new(bech32::encode("age-secret-key-", &*secret));
    Ok((Zeroizing::new(text.to_uppercase()), bech32::encode("age", &x25519_public(&secret))))
}

fn read(file: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::with_capacity(4096));
    std::fs::File::open(file)?.take(MAX_FILE).read_to_end(&mut content)?;
    Ok(content)
}

/// Splits a command as a shell does, with quotes and backslashes and nothing else.
fn split_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some('\''), _) => word.get_or_insert_default().push(letter),
            (_, '\\') => word.get_or_insert_default().push(letters.next()?),
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return None;
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::split_words;

    #[test]
    fn commands_are_split_as_a_shell_does() {
        let words = |text| split_words(text).map(|words| words.join("|"));
        assert_eq!(words("a 'b c' \"d\\\" e\" f\\ g '' ").as_deref(), Some("a|b c|d\" e|f g|"));
        assert_eq!(words("a 'b"), None);
    }
}
