//! System calls without the C library, for code that runs beside a thread in its memory: the C
//! library would put errors where that thread looks for its own.

use std::ffi::{CStr, c_int, c_void};
use std::os::fd::RawFd;
use std::ptr;

/// Calls the system. Returns what it answers: an error is a number from -4095 to -1.
///
/// # Safety
/// Each pointer among the arguments must be what the call expects there.
#[cfg(target_arch = "x86_64")]
pub unsafe fn call(number: libc::c_long, arguments: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the caller answers for the arguments; the instruction changes these registers only.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r9") arguments[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    answer
}

/// Calls the system. Returns what it answers: an error is a number from -4095 to -1.
///
/// # Safety
/// Each pointer among the arguments must be what the call expects there.
#[cfg(target_arch = "aarch64")]
pub unsafe fn call(number: libc::c_long, arguments: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the caller answers for the arguments; the instruction changes these registers only.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") arguments[0] => answer,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
            options(nostack)
        );
    }
    answer
}

/// The argument of a system call.
pub trait Argument {
    /// Returns the value of the register.
    fn word(self) -> usize;
}

impl Argument for usize {
    fn word(self) -> usize {
        self
    }
}

impl Argument for i32 {
    fn word(self) -> usize {
        self as isize as usize
    }
}

impl Argument for u32 {
    fn word(self) -> usize {
        self as usize
    }
}

impl Argument for u64 {
    fn word(self) -> usize {
        self as usize
    }
}

impl<T> Argument for *const T {
    fn word(self) -> usize {
        self as usize
    }
}

impl<T> Argument for *mut T {
    fn word(self) -> usize {
        self as usize
    }
}

/// Fills up the arguments of a call.
macro_rules! system_call {
    ($number:expr $(, $argument:expr)* $(,)?) => {{
        let given = [$($crate::platform::jail::system_call::Argument::word($argument)),*];
        let mut arguments = [0_usize; 6];
        let mut place = 0;
        while place < given.len() {
            arguments[place] = given[place];
            place += 1;
        }
        $crate::platform::jail::system_call::call($number, arguments)
    }};
}
pub(super) use system_call;

/// The directory that a process is in.
pub const OWN_DIRECTORY: c_int = libc::AT_FDCWD;
/// The size of a set of signals in the kernel, in bytes.
pub const SIGNAL_SET: usize = 8;

/// Returns what the system answered.
///
/// # Errors
/// The error of the answer, as a positive number.
pub fn checked(answer: isize) -> Result<isize, i32> {
    if answer < 0 { Err(i32::try_from(-answer).unwrap_or(libc::EIO)) } else { Ok(answer) }
}

/// Returns the descriptor of an answer.
///
/// # Errors
/// The error of the answer, as a positive number.
pub fn descriptor(answer: isize) -> Result<RawFd, i32> {
    checked(answer).map(|answer| RawFd::try_from(answer).unwrap_or(-1))
}

/// Ends this process.
///
/// # Safety
/// To be called in its own process.
pub unsafe fn exit(code: c_int) -> ! {
    loop {
        // SAFETY: it ends this process.
        unsafe { system_call!(libc::SYS_exit_group, code) };
    }
}

/// Makes an event readable.
///
/// # Safety
/// As for [`call`].
pub unsafe fn tell(event: RawFd) {
    let one = 1_u64;
    // SAFETY: the call reads eight bytes.
    unsafe { system_call!(libc::SYS_write, event, &raw const one, 8_usize) };
}

/// Takes what an event told; waits for it.
///
/// # Safety
/// As for [`call`].
pub unsafe fn take(event: RawFd) {
    let mut count = 0_u64;
    // SAFETY: the call writes eight bytes.
    unsafe { system_call!(libc::SYS_read, event, &raw mut count, 8_usize) };
}

/// Closes a descriptor.
///
/// # Safety
/// Nothing else may use it.
pub unsafe fn close(descriptor: RawFd) {
    // SAFETY: the caller owns it.
    unsafe { system_call!(libc::SYS_close, descriptor) };
}

/// Waits until one of these can be read; returns which can.
///
/// # Safety
/// As for [`call`].
pub unsafe fn poll<const COUNT: usize>(descriptors: [RawFd; COUNT]) -> [bool; COUNT] {
    let mut waited = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    let forever = ptr::null::<libc::timespec>();
    // SAFETY: the call reads and writes that many entries.
    unsafe {
        system_call!(
            libc::SYS_ppoll,
            waited.as_mut_ptr(),
            COUNT,
            forever,
            ptr::null::<u64>(),
            SIGNAL_SET
        )
    };
    waited.map(|waited| waited.revents != 0)
}

/// Writes into a file that is there.
///
/// # Errors
/// The error of the system, as a positive number.
///
/// # Safety
/// As for [`call`].
pub unsafe fn write_file(path: &CStr, content: &[u8]) -> Result<(), i32> {
    // SAFETY: the path ends with NUL, and the content has that many bytes.
    unsafe {
        let file = descriptor(system_call!(
            libc::SYS_openat,
            OWN_DIRECTORY,
            path.as_ptr(),
            libc::O_WRONLY | libc::O_CLOEXEC
        ))?;
        let written = checked(system_call!(libc::SYS_write, file, content.as_ptr(), content.len()));
        close(file);
        written.map(drop)
    }
}

/// Waits for the end of a child.
///
/// # Safety
/// As for [`call`].
pub unsafe fn wait_for(process: c_int) {
    let none = ptr::null_mut::<c_int>();
    // SAFETY: nothing is written.
    let wait =
        || unsafe { system_call!(libc::SYS_wait4, process, none, 0, ptr::null_mut::<c_void>()) };
    while wait() == -(libc::EINTR as isize) {}
}
