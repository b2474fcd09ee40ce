//! Identities, which decrypt, from every place where sops looks for them.
//!
//! The order is that of sops 3.11: keys of SSH, `SOPS_AGE_KEY`, `SOPS_AGE_KEY_FILE`,
//! `SOPS_AGE_KEY_CMD`, and `sops/age/keys.txt` in the directory of settings. The keys of the host
//! come last, for root.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use age::secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::age_format;
use crate::problem::{Problem, Result};
use crate::ssh_key::{is_private, parse_private};
use crate::wiped::read_all;

/// The largest file of identities that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The variable with a command that gives identities.
const COMMAND: &str = "SOPS_AGE_KEY_CMD";

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
    X25519(age::x25519::Identity),
    Ssh(Box<age::ssh::Identity>),
}

impl Identity {
    /// Reads `AGE-SECRET-KEY-1...`, which is in upper case, as for `age`.
    fn parse(line: &str) -> Option<Self> {
        line.starts_with("AGE-SECRET-KEY-").then(|| line.parse().ok().map(Self::X25519))?
    }

    fn key(&self) -> &dyn age::Identity {
        match self {
            Self::X25519(key) => key,
            Self::Ssh(key) => &**key,
        }
    }
}

/// The identities that were found, and where they were looked for.
#[derive(Default)]
pub struct Identities {
    identities: Vec<Identity>,
    tried: Vec<(String, String)>,
    command: Option<Asked>,
}

/// A command that gives identities. It is asked when no other identity fits, and told for which
/// recipient.
struct Asked {
    command: String,
    /// What it gave, by the recipients.
    given: Mutex<Vec<(String, Identities)>>,
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
            found.command = Some(Asked { command, given: Mutex::default() });
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
        if is_private(text) {
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
                self.identities.push(Identity::Ssh(Box::new(key)));
                self.note(place, "1 key of SSH");
            }
            Err(problem) => self.note(place, &problem.message),
        }
    }

    fn add_command(&mut self, command: &str, recipient: &str) {
        let place = COMMAND;
        let Some(words) = split_words(command) else {
            return self.note(place, "its quotes do not match");
        };
        let Some((program, arguments)) = words.split_first() else {
            return self.note(place, "it is empty");
        };
        let run = || -> io::Result<_> {
            let mut child = Command::new(program)
                .args(arguments)
                .env("SOPS_AGE_RECIPIENT", recipient)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .spawn()?;
            let printed = child.stdout.take().map(|pipe| read_all(pipe.take(MAX_FILE)));
            Ok((child.wait()?, printed.transpose()?.unwrap_or_default()))
        };
        match run() {
            Ok((status, printed)) if status.success() => match std::str::from_utf8(&printed) {
                Ok(text) => self.add_text(place, text),
                Err(_) => self.note(place, "its output is not text"),
            },
            Ok((status, _)) => self.note(place, &format!("`{program}` failed: {status}")),
            Err(error) => self.note(place, &format!("`{program}` cannot be run: {error}")),
        }
    }

    /// Where was looked, each with what was there.
    pub fn tried(&self) -> Vec<(String, String)> {
        let mut tried = self.tried.clone();
        if let Some(asked) = &self.command
            && let Ok(given) = asked.given.lock()
        {
            let notes = given.iter().flat_map(|(_, given)| given.tried.iter().cloned());
            notes.for_each(|note| {
                if !tried.contains(&note) {
                    tried.push(note);
                }
            });
        }
        tried
    }

    /// Decrypts an age file, armored or not. None when no identity fits. `recipient` is whose it
    /// is, as far as that is known.
    ///
    /// # Errors
    /// When it is not an age file, or was altered.
    pub(crate) fn decrypt(
        &self,
        encrypted: &[u8],
        recipient: &str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let open = |identities: &[Identity]| {
            age_format::open(encrypted, identities.iter().map(Identity::key))
        };
        let opened = open(&self.identities)?;
        let (None, Some(asked)) = (&opened, &self.command) else { return Ok(opened) };
        let Ok(mut given) = asked.given.lock() else { return Ok(None) };
        if !given.iter().any(|(name, _)| name == recipient) {
            let mut found = Identities::default();
            found.add_command(&asked.command, recipient);
            given.push((recipient.to_owned(), found));
        }
        match given.iter().find(|(name, _)| name == recipient) {
            Some((_, found)) => open(&found.identities),
            None => Ok(None),
        }
    }

    /// The error when no identity matches a recipient.
    pub(crate) fn no_match(&self, recipients: &[&str]) -> Problem {
        let recipients: Vec<String> =
            recipients.iter().map(|recipient| format!("\n  {recipient}")).collect();
        let tried: Vec<String> =
            self.tried().iter().map(|(place, note)| format!("\n  {place}: {note}")).collect();
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
pub fn generate() -> (Zeroizing<String>, String) {
    let identity = age::x25519::Identity::generate();
    let text = Zeroizing::new(identity.to_string().expose_secret().to_owned());
    (text, identity.to_public().to_string())
}

fn read(file: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let (file, _) = syslua_reading::open_small(file, MAX_FILE)?;
    read_all(file.take(MAX_FILE))
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
