//! Linux: what a program of a build finds of its caller's limits and personality (setrlimit(2),
//! personality(2)): the same on every run. Only what the caller may not raise stays lower.
//!
//! The numbers of processes and of waiting signals stay as they are: they protect this machine, and
//! the kernel derives them from its memory.

/// What a program may take, for now and at most, as prlimit(2) reads it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Limit {
    soft: u64,
    hard: u64,
}

/// A limit and its number in the kernel (`asm-generic/resource.h`).
struct Rule {
    resource: usize,
    limit: Limit,
}

const ANY: u64 = u64::MAX;

const fn rule(resource: usize, soft: u64, hard: u64) -> Rule {
    Rule { resource, limit: Limit { soft, hard } }
}

/// The defaults of the kernel and of systemd, and no core dumps.
const RULES: [Rule; 11] = [
    rule(9, ANY, ANY),         // RLIMIT_AS
    rule(4, 0, 0),             // RLIMIT_CORE
    rule(0, ANY, ANY),         // RLIMIT_CPU
    rule(2, ANY, ANY),         // RLIMIT_DATA
    rule(1, ANY, ANY),         // RLIMIT_FSIZE
    rule(10, ANY, ANY),        // RLIMIT_LOCKS
    rule(8, 8 << 20, 8 << 20), // RLIMIT_MEMLOCK
    rule(7, 1024, 512 << 10),  // RLIMIT_NOFILE
    rule(5, ANY, ANY),         // RLIMIT_RSS
    rule(14, 0, 0),            // RLIMIT_RTPRIO
    rule(3, 8 << 20, ANY),     // RLIMIT_STACK
];

/// The number of the personality of a usual program.
const USUAL: usize = 0;

/// Gives this process the personality and the limits of every build. `call` calls the system with a
/// number and four arguments, and returns whether it succeeded: a process that shares memory with a
/// thread may not use the C library for that.
///
/// # Safety
/// To be called in a child, before it gives up its rights. Nothing here allocates.
pub unsafe fn set_usual(call: impl Fn(libc::c_long, [usize; 4]) -> bool) {
    call(libc::SYS_personality, [USUAL, 0, 0, 0]);
    for Rule { resource, limit } in &RULES {
        let set = |limit: &Limit| {
            call(libc::SYS_prlimit64, [0, *resource, std::ptr::from_ref(limit).addr(), 0])
        };
        if set(limit) {
            continue;
        }
        // Only root raises the upper one.
        let mut present = Limit { soft: 0, hard: 0 };
        if call(libc::SYS_prlimit64, [0, *resource, 0, (&raw mut present).addr()]) {
            let hard = present.hard.min(limit.hard);
            set(&Limit { soft: hard.min(limit.soft), hard });
        }
    }
}
