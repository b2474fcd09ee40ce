//! Logins of web servers from git's credential helpers, asked as git asks them (git-credential(1)):
//! `fill` before a login is used, then `approve` where the server took it and `reject` where not.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::program::{end_group, own_group, program_input};
use crate::{Url, is_set};

/// A helper may show a window, and wait for the user.
const PATIENCE: Duration = Duration::from_secs(120);
const SLICE: Duration = Duration::from_millis(20);
/// No login is longer.
const LARGEST: u64 = 1 << 20;

/// Passwords that helpers gave, which no message may have in it.
pub type Secrets = Arc<Mutex<Vec<String>>>;

/// Asks the helpers that the user's git configuration names.
#[derive(Clone)]
pub struct Helpers {
    /// A repository without a configuration of its own.
    pub repository: PathBuf,
    /// Set from outside to stop.
    pub interrupt: Arc<AtomicBool>,
    /// Gets the passwords.
    pub secrets: Secrets,
}

/// A login that helpers gave.
pub struct Credential {
    /// User and password.
    pub login: (String, String),
    /// All that they said, which they get back.
    text: Vec<u8>,
}

impl Helpers {
    /// Asks for the login of a repository; nothing where no helper has one, or the system has no
    /// git.
    pub fn fill(&self, url: &Url) -> Option<Credential> {
        let text = self.run("fill", description(url)?.as_bytes())?;
        let login = parse(&text)?;
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.push(login.1.clone());
        drop(secrets);
        Some(Credential { login, text })
    }

    /// Tells the helpers whether the server took a login.
    pub fn tell(&self, credential: &Credential, was_taken: bool) {
        let word = if was_taken { "approve" } else { "reject" };
        // It is of use to the next call only.
        let _ = self.run(word, &credential.text);
    }

    fn run(&self, word: &str, input: &[u8]) -> Option<Vec<u8>> {
        run(command(&self.repository, word), input, &self.interrupt)
    }
}

/// Returns what git says of a repository to helpers.
fn description(url: &Url) -> Option<String> {
    let path = url.target.split('?').next().unwrap_or_default().trim_matches('/');
    let text =
        format!("protocol={}\nhost={}\npath={path}\n\n", url.scheme_name(), url.authority(),);
    // A line more would be another word to a helper.
    (text.matches('\n').count() == 4 && !text.contains(['\0', '\r'])).then_some(text)
}

/// Returns the login in what helpers said.
fn parse(text: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(text).ok()?;
    let value = |name: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.find_map(|(key, value)| (key == name).then(|| value.to_owned()))
    };
    Some((value("username")?, value("password")?))
}

fn command(repository: &Path, word: &str) -> Command {
    let mut command = Command::new("git");
    command.args(["credential", word]).current_dir(repository);
    // No configuration counts but the user's and the system's, wherever this runs.
    command.env("GIT_DIR", repository);
    for name in ["GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    // A question on the terminal would get lost among those of others; a window is fine.
    command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    command
}

/// Runs a program, and ends it and what it started when told or when it takes too long.
fn run(mut command: Command, input: &[u8], interrupt: &AtomicBool) -> Option<Vec<u8>> {
    let (stdin, mut to_it) = program_input().ok()?;
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::null());
    own_group(&mut command);
    let mut child = command.spawn().ok()?;
    // It holds the other ends, which would keep them open.
    drop(command);
    // What it does not read, it does not need.
    let _ = to_it.write_all(input);
    drop(to_it);
    let output = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        let read = output.map(|output| output.take(LARGEST).read_to_end(&mut text));
        read.is_some_and(|read| read.is_ok()).then_some(text)
    });
    let begin = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if !is_set(interrupt) && begin.elapsed() < PATIENCE => thread::sleep(SLICE),
            _ => break None,
        }
    };
    if status.is_none() {
        end_group(child.id());
        let _ = child.kill();
        let _ = child.wait();
        return None;
    }
    if !status?.success() {
        return None;
    }
    reader.join().ok()?
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn helpers_are_told_what_git_tells_them() {
        let told = |url: &str| description(&Url::parse(url).unwrap());
        assert_eq!(
            told("https://host:8443/org/repo.git").unwrap(),
            "protocol=https\nhost=host:8443\npath=org/repo.git\n\n"
        );
        assert_eq!(told("https://host/x?y=1").unwrap(), "protocol=https\nhost=host\npath=x\n\n");
        // Encoded, a line stays part of its own.
        assert!(told("https://host/a%0ahost=evil").unwrap().contains("path=a%0ahost=evil\n"));
    }

    #[test]
    fn a_login_has_both_parts() {
        let login = |text: &str| parse(text.as_bytes());
        let both = ("ada".to_owned(), "s=1 ".to_owned());
        assert_eq!(login("protocol=https\nusername=ada\npassword=s=1 \n"), Some(both));
        assert_eq!(login("username=ada\n"), None);
        assert_eq!(login(""), None);
    }

    #[test]
    fn a_helper_that_hangs_is_left_when_told() {
        let interrupt: Arc<AtomicBool> = Arc::default();
        let flag = Arc::clone(&interrupt);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            flag.store(true, Ordering::SeqCst);
        });
        let begin = Instant::now();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 60 & sleep 60"]);
        assert_eq!(run(command, b"x\n", &interrupt), None);
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}
