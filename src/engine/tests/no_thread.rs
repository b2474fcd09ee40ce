//! A machine that has no room for the thread that starts a program. The limit is the whole
//! process's: nothing else runs here.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use syslua_engine::operation::{Command, Program, Request, Response, Workspace, perform};

use support::{settings, temporary_directory};

/// How large the address space of this process is.
fn kilobytes_mapped() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    size.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_program_that_gets_no_thread_is_said_to_lack_one() {
    let base = temporary_directory();
    let workspace = Workspace {
        directory: base.path().join("work"),
        building: base.path().join("building"),
        outputs: BTreeMap::new(),
        objects: Vec::new(),
        sees: Box::new(|_| false),
        sources: Vec::new(),
        copied_sources: Mutex::default(),
        is_check: false,
        search: None,
        copies: Default::default(),
        downloads: base.path().join("downloads"),
        log: base.path().join("log"),
        mark: base.path().join("mark"),
        jail: base.path().join("jail"),
        settings: settings(&base.path().join("root"), base.path()),
        network: false,
        fetched: Mutex::default(),
        pins: Mutex::default(),
        sandbox: Default::default(),
        given: Default::default(),
        origins: Default::default(),
        refusal: Default::default(),
    };
    let run = || {
        let command = Command {
            program: Program::Arguments(vec![b"/bin/true".to_vec()]),
            directory: None,
            environment: BTreeMap::new(),
            input: Vec::new(),
            timeout: None,
            read: Vec::new(),
        };
        perform(&workspace, Request::Run(command))
    };
    let before = getrlimit(Resource::As);
    // Room for everything but a stack.
    let limit = (kilobytes_mapped() + 1024) * 1024;
    setrlimit(Resource::As, Rlimit { current: Some(limit), ..before }).unwrap();
    let refused = run();
    setrlimit(Resource::As, before).unwrap();
    let expected =
        "cannot run `/bin/true`: there is no thread to start it: Resource temporarily unavailable";
    assert_eq!(refused.unwrap_err().to_string(), expected);
    assert_eq!(run().unwrap(), Response::Output(Vec::new()));
}
