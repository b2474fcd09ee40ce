//! The filter of system calls that leaves a program without a network: it cannot make the sockets.
//!
//! Landlock of today refuses TCP only. What stays are sockets between processes of this machine (Unix), of the kernel's
//! own tables (netlink) and of its ciphers. `io_uring` is refused too, since its sockets pass no filter.
//! The format of the filter is that of seccomp(2).

use std::io;

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, sock_filter,
};

/// Offsets in `struct seccomp_data`; both are read as their lower 32 bits, on little-endian machines.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// `AUDIT_ARCH_...` of linux/audit.h, and the numbers of `socket`, `io_uring_setup` and, where there is one, `socketcall`
/// there.
#[cfg(target_arch = "x86_64")]
const TABLES: &[(u32, u32, u32, Option<u32>)] = &[(0xc000_003e, 41, 425, None), (0x4000_0003, 359, 425, Some(102))];
#[cfg(target_arch = "aarch64")]
const TABLES: &[(u32, u32, u32, Option<u32>)] = &[(0xc000_00b7, 198, 425, None), (0x4000_0028, 281, 425, None)];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const TABLES: &[(u32, u32, u32, Option<u32>)] = &[];

/// Numbers of x86_64 have this bit in programs for x32.
const X32: u32 = 0x4000_0000;

const ALLOWED_FAMILIES: [i32; 3] = [libc::AF_UNIX, libc::AF_NETLINK, libc::AF_ALG];

fn instruction(code: u32, value: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or_default(), jt: 0, jf: 0, k: value }
}

/// Skips as many instructions as told when the loaded word is `value`, or is not.
fn skip_if(value: u32, equal: usize, other: usize) -> sock_filter {
    let count = |count: usize| u8::try_from(count).unwrap_or_default();
    sock_filter { jt: count(equal), jf: count(other), ..instruction(BPF_JMP | BPF_JEQ | BPF_K, value) }
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn fail_with(error: i32) -> sock_filter {
    instruction(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error.cast_unsigned())
}

fn filter() -> Vec<sock_filter> {
    let allow = || instruction(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    let mut filter = Vec::new();
    for &(architecture, socket, ring, call) in TABLES {
        let mut table = vec![load(NUMBER)];
        for ring in [ring, ring | X32] {
            table.extend([skip_if(ring, 0, 1), fail_with(libc::ENOSYS)]);
        }
        if let Some(call) = call {
            // Its arguments are in memory, where a filter cannot look.
            table.extend([skip_if(call, 0, 1), fail_with(libc::EACCES)]);
        }
        table.extend([skip_if(socket, 2, 0), skip_if(socket | X32, 1, 0), allow(), load(FIRST_ARGUMENT)]);
        for (place, family) in ALLOWED_FAMILIES.iter().enumerate() {
            table.push(skip_if(family.cast_unsigned(), ALLOWED_FAMILIES.len() - place, 0));
        }
        table.extend([fail_with(libc::EACCES), allow()]);
        filter.extend([load(ARCHITECTURE), skip_if(architecture, 0, table.len())]);
        filter.extend(table);
    }
    filter.push(allow());
    filter
}

/// Returns whether [`refuse`] works here.
pub fn is_supported() -> bool {
    // A filter that is no address is refused as such only where filters are known.
    // SAFETY: the call changes nothing.
    let answer = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, std::ptr::null::<()>()) };
    !TABLES.is_empty() && answer == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}

/// Leaves this thread, and whatever it starts, without a network. It must have given up new privileges.
///
/// # Errors
/// When the system refuses.
pub fn refuse() -> io::Result<()> {
    let mut filter = filter();
    let length = u16::try_from(filter.len()).unwrap_or_default();
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // SAFETY: the program and its instructions live until the call returns; the kernel copies them.
    let answer = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
