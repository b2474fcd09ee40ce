//! What a thread shares with the processes that make its jails: memory, and events.

use std::cell::UnsafeCell;
use std::ffi::{CString, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32};

use super::steps::Step;
use super::view::{Template, View};
use crate::platform::process::Start;

const STACK_SIZE: usize = 64 * 1024;

/// Nothing is asked.
pub const NOTHING: u32 = 0;
/// The keeper makes a jail.
pub const BEGIN: u32 = 1;
/// The init starts a command.
pub const RUN: u32 = 2;
/// The init ends the command that runs.
pub const STOP: u32 = 3;
/// The process ends, with all that it started.
pub const END: u32 = 4;
/// The keeper opens what a command sees of the machine.
pub const OPEN: u32 = 5;

/// A command for a jail.
pub struct Command<'a> {
    /// What it sees besides.
    pub steps: &'a [Step],
    /// The program.
    pub start: &'a Start<'a>,
    /// Why it could not be started; 0 when it could.
    pub error: AtomicI32,
    /// The step that failed; less than 0 when starting did.
    pub failed: AtomicI32,
}

/// Events between a thread and its processes: each is readable once it was told.
pub struct Events {
    /// Readable when the process of the thread ends.
    pub process: OwnedFd,
    /// Asks the keeper.
    pub to_keeper: OwnedFd,
    /// The keeper is ready, or an init has ended.
    pub from_keeper: OwnedFd,
    /// Asks the init.
    pub to_init: OwnedFd,
    /// The init has done what it was asked.
    pub from_init: OwnedFd,
    /// A command and all that it started have ended.
    pub ended: OwnedFd,
}

/// What the thread and its processes share.
pub struct Shared {
    /// The events.
    pub events: Events,
    /// The keeper, as a descriptor of the thread; less than 0 before it is known.
    pub keeper: AtomicI32,
    /// The mounts of the machine, and the root there, as descriptors of the thread; less than 0
    /// before they are known. Only the keeper is there.
    pub machine: [AtomicI32; 2],
    /// The mounts of what all builds see; the same.
    pub jails: AtomicI32,
    /// What is asked.
    pub request: AtomicU32,
    /// What the build sees.
    pub view: AtomicPtr<View>,
    /// The command to start.
    pub command: AtomicPtr<c_void>,
    /// Whether the init has ended.
    pub is_gone: AtomicU32,
    /// The step that failed; less than 0 for none.
    pub failed: AtomicI32,
    /// The error of the request; 0 for none.
    pub error: AtomicI32,
    /// How the last command ended, as wait(2) tells.
    pub status: AtomicI32,
    /// Who the keeper is in its user namespace, for `uid_map` and `gid_map`; none where root makes
    /// one for each build.
    pub keeper_maps: Option<[CString; 2]>,
    /// What all builds see.
    pub template: Template,
    /// The filter that refuses users of their own.
    pub new_users: Vec<libc::sock_filter>,
    /// The stack of the init.
    pub init_stack: Stack,
    /// The stack of a process that becomes a command.
    pub command_stack: Stack,
}

impl Shared {
    /// Returns a descriptor that reports the end of this process and of the keeper.
    pub fn ends(&self) -> [RawFd; 2] {
        [self.events.process.as_raw_fd(), self.keeper.load(std::sync::atomic::Ordering::SeqCst)]
    }
}

/// Memory for a process that shares this memory.
pub struct Stack(UnsafeCell<Vec<MaybeUninit<u128>>>);

impl Stack {
    /// Returns a new one.
    pub fn new() -> Stack {
        Stack(UnsafeCell::new(Vec::with_capacity(STACK_SIZE / size_of::<u128>())))
    }

    /// Returns its top: it grows downwards.
    pub fn top(&self) -> *mut c_void {
        // SAFETY: nothing refers to its contents as a vector.
        unsafe { (*self.0.get()).spare_capacity_mut().as_mut_ptr_range().end.cast() }
    }
}
