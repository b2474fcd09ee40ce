//! Who decrypts: identities from every place where sops looks for them.
//!
//! The order is that of sops 3.11: keys of SSH, `SOPS_AGE_KEY`, `SOPS_AGE_KEY_FILE`, `SOPS_AGE_KEY_CMD`, and
//! `sops/age/keys.txt` in the directory of settings. The keys of the host come last, for root.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use age::armor::ArmoredReader;
use age::secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::problem::{Problem, Result};

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

/// The identities that were found, and where they were looked for.
#[derive(Default)]
pub struct Identities {
    identities: Vec<Box<dyn age::Identity>>,
    tried: Vec<(String, String)>,
}

impl fmt::Debug for Identities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} identities", self.identities.len())
    }
}

impl Identities {
    /// Looks for identities everywhere. What cannot be read is remembered for the error, not refused: another
    /// identity may do.
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
        if text.contains("-----BEGIN OPENSSH PRIVATE KEY-----") || text.contains("-----BEGIN RSA PRIVATE KEY-----") {
            return self.add_ssh_text(place, text.as_bytes());
        }
        if text.starts_with("age-encryption.org/") || text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") {
            return self.note(place, "it is protected with a passphrase, which is not supported");
        }
        let (mut count, mut wrong) = (0, None);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match age::x25519::Identity::from_str(line) {
                Ok(identity) => {
                    self.identities.push(Box::new(identity));
                    count += 1;
                }
                Err(_) if line.starts_with("AGE-PLUGIN-") => {
                    wrong = Some("identities of plugins are not supported".to_owned());
                }
                Err(_) => wrong = Some(format!("line {} is no identity of age", index + 1)),
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
        let what = if error.kind() == io::ErrorKind::NotFound { "there is none".to_owned() } else { error.to_string() };
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
        match age::ssh::Identity::from_buffer(text, None) {
            Ok(age::ssh::Identity::Unencrypted(key)) => {
                self.identities.push(Box::new(age::ssh::Identity::Unencrypted(key)));
                self.note(place, "1 key of SSH");
            }
            Ok(age::ssh::Identity::Encrypted(_)) => {
                self.note(place, "it is protected with a passphrase, which is not supported");
            }
            Ok(age::ssh::Identity::Unsupported(_)) => self.note(place, "age does not take keys of this kind"),
            Err(_) => self.note(place, "it is no private key of SSH"),
        }
    }

    fn add_command(&mut self, command: &str) {
        let place = "SOPS_AGE_KEY_CMD";
        let Some(words) = split_words(command) else { return self.note(place, "its quotes do not match") };
        let Some((program, arguments)) = words.split_first() else { return self.note(place, "it is empty") };
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
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
    /// When it is no age file, or was altered.
    pub(crate) fn decrypt(&self, encrypted: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let malformed = |error: &dyn fmt::Display| Problem::new(format!("what age encrypted is malformed: {error}"));
        let decryptor = age::Decryptor::new(ArmoredReader::new(encrypted)).map_err(|error| malformed(&error))?;
        let identities = self.identities.iter().map(|identity| identity.as_ref() as &dyn age::Identity);
        let mut reader = match decryptor.decrypt(identities) {
            Ok(reader) => reader,
            Err(age::DecryptError::NoMatchingKeys | age::DecryptError::DecryptionFailed) => return Ok(None),
            Err(error) => return Err(malformed(&error)),
        };
        let mut content = Zeroizing::new(Vec::with_capacity(encrypted.len()));
        reader.read_to_end(&mut content).map_err(|error| malformed(&error))?;
        Ok(Some(content))
    }

    /// The error for recipients of whom none is here.
    pub(crate) fn no_match(&self, recipients: &[&str]) -> Problem {
        let recipients: Vec<String> = recipients.iter().map(|recipient| format!("\n  {recipient}")).collect();
        let tried: Vec<String> = self.tried.iter().map(|(place, note)| format!("\n  {place}: {note}")).collect();
        let tried = if tried.is_empty() { "\n  nowhere".to_owned() } else { tried.concat() };
        Problem::new(format!(
            "no identity here can decrypt it. It is encrypted to{}\nIdentities were looked for in{tried}",
            recipients.concat()
        ))
        .with_hint("put the identity into `~/.config/sops/age/keys.txt`, or name its file in SOPS_AGE_KEY_FILE")
    }
}

/// A fresh identity and the recipient that belongs to it.
pub fn generate() -> (Zeroizing<String>, String) {
    let identity = age::x25519::Identity::generate();
    let secret = Zeroizing::new(identity.to_string().expose_secret().to_owned());
    (secret, identity.to_public().to_string())
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
