//! Linux: what a program of a build finds of its caller's limits and personality (setrlimit(2),
//! personality(2)): the same on every run. Only what the caller may not raise stays lower.
//!
//! The numbers of processes and of waiting signals stay as they are: they protect this machine, and
//! the kernel derives them from its memory.

use std::mem::MaybeUninit;

use libc::rlimit64 as Limit;

/// What a program may take, for now and at most.
struct Rule {
    resource: libc::c_long,
    soft: u64,
    hard: u64,
}

const ANY: u64 = libc::RLIM64_INFINITY;

const fn rule(resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> Rule {
    Rule { resource: resource as libc::c_long, soft, hard }
}

/// The defaults of the kernel and of systemd, and no core dumps.
const RULES: [Rule; 11] = [
    rule(libc::RLIMIT_AS, ANY, ANY),
    rule(libc::RLIMIT_CORE, 0, 0),
    rule(libc::RLIMIT_CPU, ANY, ANY),
    rule(libc::RLIMIT_DATA, ANY, ANY),
    rule(libc::RLIMIT_FSIZE, ANY, ANY),
    rule(libc::RLIMIT_LOCKS, ANY, ANY),
    rule(libc::RLIMIT_MEMLOCK, 8 << 20, 8 << 20),
    rule(libc::RLIMIT_NOFILE, 1024, 512 << 10),
    rule(libc::RLIMIT_RSS, ANY, ANY),
    rule(libc::RLIMIT_RTPRIO, 0, 0),
    rule(libc::RLIMIT_STACK, 8 << 20, ANY),
];

/// The number of the personality of a usual program.
const USUAL: libc::c_ulong = 0;

/// Gives this process the personality and the limits of every build. `call` calls the system with a
/// number and four arguments, and returns whether it succeeded: a process that shares memory with a
/// thread may not use the C library for that.
///
/// # Safety
/// To be called in a child, before it gives up its rights. Nothing here allocates.
pub unsafe fn set_usual(call: impl Fn(libc::c_long, [usize; 4]) -> bool) {
    call(libc::SYS_personality, [USUAL as usize, 0, 0, 0]);
    for Rule { resource, soft, hard } in &RULES {
        let set = |limit: &Limit| {
            let limit = std::ptr::from_ref(limit).addr();
            call(libc::SYS_prlimit64, [0, *resource as usize, limit, 0])
        };
        if set(&Limit { rlim_cur: *soft, rlim_max: *hard }) {
            continue;
        }
        // Only root raises the upper one.
        let mut present = MaybeUninit::<Limit>::uninit();
        if call(libc::SYS_prlimit64, [0, *resource as usize, 0, present.as_mut_ptr().addr()]) {
            // SAFETY: the call has written it.
            let hard = unsafe { present.assume_init() }.rlim_max.min(*hard);
            set(&Limit { rlim_cur: hard.min(*soft), rlim_max: hard });
        }
    }
}
