//! git through ssh: a program whose pipes the engine uses. It stops when told, and ends with the
//! engine.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use gix::bstr::ByteSlice;
use gix::protocol::transport::client::blocking_io::ssh::ProgramKind;
use gix::protocol::transport::client::blocking_io::ssh::connect::Options;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;
use gix::protocol::transport::{Protocol, Service};

use super::program::{ProgramInput, end_group, own_group, program_input, shell_command};
use super::progress::Meter;
use crate::is_set;

const SLICE: Duration = Duration::from_millis(50);
const CHUNK: usize = 64 * 1024;
/// Chunks that wait to be read.
const MOST_CHUNKS: usize = 8;
/// How many of the last lines of what the program said an error shows.
const LAST_LINES: usize = 5;

/// What a program said on stderr until now.
pub type Said = Arc<Mutex<VecDeque<String>>>;

/// Starts the user's ssh and asks it for a repository.
///
/// # Errors
/// When the program cannot be started.
pub fn connect(
    url: &gix::Url,
    options: &Options,
    version: Protocol,
    interrupt: &Arc<AtomicBool>,
    patience: Duration,
    meter: Arc<Meter>,
) -> io::Result<(Connection<Output, ProgramInput>, Said)> {
    let mut command = command(url, options, version);
    let (stdin, input) = program_input()?;
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    own_group(&mut command);
    let mut child = command.spawn().map_err(|error| {
        let program = command.get_program().to_string_lossy();
        io::Error::new(error.kind(), format!("{program} cannot be started: {error}"))
    })?;
    // It holds the other ends, which would keep them open.
    drop(command);
    let (Some(mut output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("the program has no pipes"));
    };
    let (sender, chunks) = sync_channel(MOST_CHUNKS);
    thread::spawn(move || {
        loop {
            let mut chunk = vec![0; CHUNK];
            let read = output.read(&mut chunk);
            let is_end = !matches!(read, Ok(1..));
            let message = read.map(|length| {
                chunk.truncate(length);
                chunk
            });
            if sender.send(message).is_err() || is_end {
                return;
            }
        }
    });
    let said = Said::default();
    let lines = Arc::clone(&said);
    let listener = thread::spawn(move || {
        for line in BufReader::new(errors).split(b'\n').map_while(io::Result::ok) {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
            if lines.len() > LAST_LINES {
                lines.pop_front();
            }
        }
    });
    let output = Output {
        child,
        chunks,
        listener: Some(listener),
        said: Arc::clone(&said),
        is_begun: false,
        rest: Vec::new(),
        at: 0,
        interrupt: Arc::clone(interrupt),
        patience,
        meter,
    };
    let connection = Connection::new(
        output,
        input,
        version,
        url.path.clone(),
        None::<(&str, _)>,
        ConnectMode::Process,
        false,
    );
    Ok((connection.custom_url(Some(url.to_bstring())), said))
}

/// The command line, as git makes it (git-config(1): `core.sshCommand`, `ssh.variant`).
fn command(url: &gix::Url, options: &Options, version: Protocol) -> Command {
    let program = options.ssh_command();
    let text = program.to_string_lossy();
    let is_line = !options.disallow_shell
        && text.contains(|character: char| "|&;<>()$`\\\"' \t*?[#~=%".contains(character));
    let mut command = if is_line {
        let mut line = OsString::from(program);
        line.push(" \"$@\"");
        let mut command = shell_command(&line);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    let kind = options.kind.unwrap_or_else(|| {
        let first = if is_line {
            text.split_whitespace().next().unwrap_or_default()
        } else {
            text.as_ref()
        };
        match ProgramKind::from(Path::new(first).as_os_str()) {
            // Scripts around ssh are far more common than anything else.
            ProgramKind::Simple => ProgramKind::Ssh,
            other => other,
        }
    });
    match kind {
        ProgramKind::Ssh => {
            if version != Protocol::V1 {
                command.args(["-o", "SendEnv=GIT_PROTOCOL"]);
                command.env("GIT_PROTOCOL", format!("version={}", version as usize));
            }
            if let Some(port) = url.port {
                command.arg(format!("-p{port}"));
            }
        }
        ProgramKind::Plink | ProgramKind::Putty | ProgramKind::TortoisePlink => {
            if kind == ProgramKind::TortoisePlink {
                command.arg("-batch");
            }
            if let Some(port) = url.port {
                command.args(["-P", &port.to_string()]);
            }
        }
        ProgramKind::Simple => {}
    }
    let host = url.host().unwrap_or_default();
    command.arg(match url.user() {
        Some(user) => format!("{user}@{host}"),
        None => host.to_owned(),
    });
    let path = gix::url::expand_path::for_shell(url.path.clone());
    let quoted = gix::quote::single(path.as_ref());
    command.arg(format!("{} {}", Service::UploadPack.as_str(), quoted.to_str_lossy()));
    // A question on the terminal would stop a program that is not in its foreground: a graphical
    // one is fine.
    command.env("SSH_ASKPASS_REQUIRE", "force").env("LC_ALL", "C");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"]
    {
        command.env_remove(name);
    }
    command
}

/// What the program prints. Dropping it ends the program and what it started.
pub struct Output {
    child: Child,
    chunks: Receiver<io::Result<Vec<u8>>>,
    listener: Option<thread::JoinHandle<()>>,
    said: Said,
    is_begun: bool,
    rest: Vec<u8>,
    at: usize,
    interrupt: Arc<AtomicBool>,
    patience: Duration,
    meter: Arc<Meter>,
}

impl Output {
    /// A line without a packet length was written for people.
    fn check_start(&mut self) {
        let is_packet = self.rest.iter().take(4).all(u8::is_ascii_hexdigit);
        if !std::mem::replace(&mut self.is_begun, true) && !is_packet {
            let text: String = String::from_utf8_lossy(&self.rest).chars().take(200).collect();
            let mut lines = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push_back(format!("the answer is not from git: {:?}", text.trim()));
        }
    }
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let begin = Instant::now();
        while self.at == self.rest.len() {
            if is_set(&self.interrupt) {
                return Err(io::Error::other("interrupted"));
            }
            match self.chunks.recv_timeout(SLICE) {
                Ok(chunk) => {
                    (self.rest, self.at) = (chunk?, 0);
                    if self.rest.is_empty() {
                        // What it said last explains its end.
                        self.listener.take().map(thread::JoinHandle::join);
                        return Ok(0);
                    }
                    self.meter.add(self.rest.len(), Instant::now())?;
                    self.check_start();
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) if begin.elapsed() >= self.patience => {
                    return Err(io::Error::other(format!(
                        "no data came for {} s",
                        self.patience.as_secs_f64()
                    )));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let length = buffer.len().min(self.rest.len() - self.at);
        buffer[..length].copy_from_slice(&self.rest[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        end_group(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    fn open(
        command: &str,
        interrupt: &Arc<AtomicBool>,
        patience: u64,
    ) -> (Connection<Output, ProgramInput>, Said) {
        let url = gix::url::parse("ssh://host/path").unwrap();
        let options = Options { command: Some(command.into()), disallow_shell: false, kind: None };
        let meter = Arc::new(Meter::new("x", 1000, Arc::new(|_| ())));
        connect(&url, &options, Protocol::V2, interrupt, Duration::from_millis(patience), meter)
            .unwrap()
    }

    #[test]
    fn a_program_that_says_nothing_is_left_when_told() {
        let interrupt = Arc::default();
        let (connection, _) = open("sleep 60 #", &interrupt, 60_000);
        let flag = Arc::clone(&interrupt);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            flag.store(true, Ordering::SeqCst);
        });
        let begin = Instant::now();
        let (mut output, input) = connection.into_inner();
        assert_eq!(output.read(&mut [0; 4]).unwrap_err().to_string(), "interrupted");
        drop((output, input));
        assert!(begin.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_program_that_is_gone_is_an_error_and_no_signal() {
        let (connection, said) = open("echo sorry >&2; exit 1 #", &Arc::default(), 60_000);
        let (mut output, mut input) = connection.into_inner();
        assert_eq!(output.read(&mut [0; 4]).unwrap(), 0);
        assert_eq!(said.lock().unwrap().front().unwrap(), "sorry");
        let mut written = io::Write::write(&mut input, b"0000");
        for _ in 0..100 {
            if written.is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
            written = io::Write::write(&mut input, b"0000");
        }
        panic!("the other end was never closed");
    }
}
