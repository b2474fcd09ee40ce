//! Windows: type-checked here, run elsewhere.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::{End, ProgramLimits, Stream};
use crate::platform::jail::Confinement;

const PAUSE: Duration = Duration::from_millis(10);
const READ_SIZE: usize = 64 * 1024;

/// A program that runs.
pub struct Program<'k>(Child, std::marker::PhantomData<&'k ()>);

/// Prepares this thread to start programs. Nothing is needed here: only named handles are
/// inherited.
///
/// # Errors
/// Never.
pub fn prepare_thread() -> io::Result<()> {
    Ok(())
}

/// Starts a program. It gets only the environment of the command. `has_input` says whether it has
/// standard input.
///
/// # Errors
/// When the system refuses.
pub fn start(
    command: &mut Command,
    has_input: bool,
    _confinement: Option<&Confinement>,
    _known_by: (Option<u32>, &str),
) -> io::Result<Program<'static>> {
    crate::platform::own_group(command);
    command
        .stdin(if has_input { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().map(|child| Program(child, std::marker::PhantomData))
}

/// Waits for the end of a program and hands on what it prints; `take` returns `false` when it had
/// enough.
///
/// # Errors
/// When the system does not tell how it ended.
pub fn wait_for_program(
    program: Program<'_>,
    limits: &ProgramLimits<'_>,
    take: &mut dyn FnMut(Stream, &[u8]) -> bool,
) -> io::Result<End> {
    let Program(mut child, _) = program;
    let (sender, receiver) = channel();
    let streams: [(Stream, Option<Box<dyn Read + Send>>); 2] = [
        (Stream::Output, child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>)),
        (Stream::Error, child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>)),
    ];
    let stdin = child.stdin.take();
    thread::scope(|scope| {
        for (stream, pipe) in streams {
            let sender = sender.clone();
            let Some(mut pipe) = pipe else { continue };
            scope.spawn(move || {
                let mut buffer = vec![0; READ_SIZE];
                while let Ok(read @ 1..) = pipe.read(&mut buffer) {
                    if sender.send((stream, buffer[..read].to_vec())).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(limits.input)));
        let end = loop {
            let mut had_enough = false;
            while let Ok((stream, bytes)) = receiver.try_recv() {
                had_enough = had_enough || !take(stream, &bytes);
            }
            if had_enough {
                break Ok(End::Refused);
            }
            match child.try_wait() {
                Ok(Some(status)) => break Ok(End::Ended(status)),
                Ok(None) if limits.interrupt.is_set() => break Ok(End::Interrupted),
                Ok(None) if limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    break Ok(End::TimedOut);
                }
                Ok(None) => thread::sleep(PAUSE),
                Err(error) => break Err(error),
            }
        };
        crate::platform::end_group(child.id());
        let _ = child.wait();
        for (stream, bytes) in receiver {
            take(stream, &bytes);
        }
        end
    })
}
