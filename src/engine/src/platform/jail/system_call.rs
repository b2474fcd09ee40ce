//! System calls without the C library, for code that runs beside a thread in its memory: the C
//! library would put errors where that thread looks for its own.

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
    /// Returns what goes into the register.
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
