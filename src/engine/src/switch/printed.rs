//! What the commands of secrets print: run once for a declaration, and kept encrypted to an
//! identity of the root, so that a rollback restores the value of that time without running
//! anything.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use syslua_secrets::identity::{self, Identities};
use syslua_secrets::recipient::Recipient;
use syslua_secrets::wiped::read_all;
use syslua_secrets::{Problem, age_file};
use zeroize::Zeroizing;

use crate::action::{Key, put_once};
use crate::hash::Hash;
use crate::platform::{self, Login, Terminal};
use crate::settings::{Interrupt, Settings};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::value::Text;

/// The names in the directory of all private files: of the identity, and of the values.
pub const IDENTITY: &str = ".identity";
/// See [`IDENTITY`].
pub const VALUES: &str = ".values";

/// The longest value, in bytes.
const LONGEST: u64 = 64 << 20;
/// How long a command that was asked to stop has to do so, and output to come after its end.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether a command has ended.
const POLL: Duration = Duration::from_millis(5);

fn place(store: &Store, printed: Hash) -> PathBuf {
    store.secrets().join(VALUES).join(printed.to_hex())
}

/// Returns what a command printed that is kept.
///
/// # Errors
/// When it is not there, or cannot be decrypted.
pub fn kept(store: &Store, printed: Hash) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let gone = |error: platform::Error| {
        Problem::new(format!("what it printed is lost: {error}"))
            .with_hint("`apply --refresh-secrets` runs it again")
    };
    let content = platform::read_file(&place(store, printed)).map_err(gone)?;
    let identity = platform::read_file(&store.secrets().join(IDENTITY)).map_err(gone)?;
    let identity = Zeroizing::new(identity);
    let mut identities = Identities::default();
    identities.add_text("the root", &String::from_utf8_lossy(&identity));
    age_file::decrypt(&content, &identities)
}

/// Keeps what a command printed; returns the digest by which it is found.
///
/// # Errors
/// When it cannot be written.
pub fn keep(store: &Store, key: &Key, value: &[u8]) -> Result<Hash, Problem> {
    let failed = |error: platform::Error| Problem::new(error.to_string());
    let printed = key.digest(value);
    let recipient = recipient(store)?;
    let content = age_file::encrypt(value, &[recipient], false)?;
    let place = place(store, printed);
    if let Some(directory) = place.parent() {
        platform::create_directories_as(directory, 0o700).map_err(failed)?;
    }
    platform::write_file_durably(&place, &content).map_err(failed)?;
    Ok(printed)
}

/// Returns the recipient of values: the identity of the root, which is created the first time.
fn recipient(store: &Store) -> Result<Recipient, Problem> {
    let failed = |error: platform::Error| Problem::new(error.to_string());
    let path = store.secrets().join(IDENTITY);
    if !platform::exists(&path) {
        let (identity, recipient) = identity::generate();
        let text = Zeroizing::new(format!("# public key: {recipient}\n{}\n", *identity));
        put_once(&path, text.as_bytes()).map_err(failed)?;
        platform::sync_file(&path).map_err(failed)?;
    }
    let text = Zeroizing::new(platform::read_to_string(&path).map_err(failed)?);
    let line = text.lines().find_map(|line| line.strip_prefix("# public key: "));
    Recipient::parse(line.unwrap_or_default())
}

/// Why there is no output.
pub enum Error {
    /// The user asked to stop.
    Interrupted,
    /// Something else.
    Failed(Problem),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Error {
        Error::Failed(problem)
    }
}

/// Runs a command as a user, or as the applying user; returns its output. It can ask questions on
/// the terminal, and its errors go there.
///
/// # Errors
/// When it cannot be started, fails, prints nothing or too much, or at an interrupt.
pub fn run(
    settings: &Settings,
    words: &[Text],
    user: Option<&str>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let name = words.first().map(Text::display).unwrap_or_default();
    let failed = |error: std::io::Error| Problem::new(format!("`{name}` cannot be run: {error}"));
    let mut words = words.iter().map(Text::to_path);
    let mut process = Command::new(words.next().unwrap_or_default());
    process.args(words);
    let login = user.map(Login::of).transpose().map_err(failed)?;
    let home = login.as_ref().map_or(&*settings.home, |login| &*login.home);
    if login.is_some() {
        // What else this process has in its environment is not that user's to see.
        process.env_clear().envs(settings.shared_environment.iter().cloned());
    }
    process.env("HOME", home).envs(login.iter().flat_map(platform::login_variables));
    let terminal = Terminal::of_this_process();
    let input = terminal.as_ref().and_then(Terminal::input).map_or_else(Stdio::null, Stdio::from);
    process.stdin(input).stdout(Stdio::piped()).stderr(Stdio::inherit());
    platform::prepare_session(&mut process, login.as_ref(), terminal.as_ref(), None, home)
        .map_err(failed)?;
    let mut child = process.spawn().map_err(failed)?;
    let (sender, received) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        thread::spawn(move || sender.send(read_all(pipe.take(LONGEST + 1))));
    }
    let ended = wait(&mut child, &settings.interrupt, terminal.as_ref());
    let mut printed = match ended {
        // What it started may keep the pipe open.
        Ok(Some(_)) => match received.recv_timeout(PATIENCE) {
            Ok(printed) => printed.map_err(failed)?,
            Err(_) => {
                platform::end_group(child.id());
                let message = format!("a program that `{name}` started keeps its output open");
                return Err(Problem::new(message).into());
            }
        },
        _ => {
            platform::end_group(child.id());
            let _ = child.wait();
            Zeroizing::default()
        }
    };
    let was_asked = terminal.is_some();
    drop(terminal);
    let Some(status) = ended.map_err(failed)? else { return Err(Error::Interrupted) };
    if printed.len() as u64 > LONGEST {
        let message = format!("`{name}` printed more than {} MiB", LONGEST >> 20);
        return Err(Problem::new(message).into());
    }
    // The terminal sent Ctrl-C to the command alone.
    if was_asked && platform::was_interrupted(status) {
        return Err(Error::Interrupted);
    }
    if !status.success() {
        return Err(Problem::new(format!("`{name}` failed: {status}")).into());
    }
    while printed.last().is_some_and(|byte| b"\r\n".contains(byte)) {
        printed.pop();
    }
    if printed.is_empty() {
        return Err(Problem::new(format!("`{name}` printed nothing")).into());
    }
    Ok(printed)
}

/// Waits for the end of a command; none when it has to be stopped.
fn wait(
    child: &mut Child,
    interrupt: &Interrupt,
    terminal: Option<&Terminal>,
) -> std::io::Result<Option<ExitStatus>> {
    let mut asked: Option<Instant> = None;
    loop {
        if let Some(status) = platform::poll_child(child)? {
            return Ok(Some(status));
        }
        if terminal.is_some_and(Terminal::was_interrupted) {
            asked.get_or_insert_with(Instant::now);
        }
        // A command that ignores Ctrl-C is killed.
        if interrupt.is_set() || asked.is_some_and(|asked| asked.elapsed() >= PATIENCE) {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// Removes the values that no snapshot has. The caller holds the lock of switches.
///
/// # Errors
/// When the file system refuses.
pub fn sweep<'a>(
    store: &Store,
    snapshots: impl Iterator<Item = &'a Snapshot>,
) -> platform::Result<()> {
    let directory = store.secrets().join(VALUES);
    if !platform::is_directory(&directory) {
        return Ok(());
    }
    let mut used = HashSet::new();
    for snapshot in snapshots {
        let secrets = snapshot.actions().filter_map(|one| one.action.as_secret());
        for secret in secrets {
            used.extend(secret.commands().into_iter().filter_map(|(_, printed)| printed));
        }
    }
    let used: HashSet<String> = used.into_iter().map(Hash::to_hex).collect();
    for (name, _) in platform::list_directory(&directory)? {
        if !name.to_str().is_some_and(|name| used.contains(name)) {
            platform::remove_file(&directory.join(Path::new(&name)))?;
        }
    }
    Ok(())
}
