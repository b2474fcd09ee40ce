//! The filter of system calls: it holds what neither Landlock nor namespaces hold.
//!
//! A filter sees numbers and the values of arguments, never memory. A call whose arguments are in
//! memory is refused whole where a call with plain arguments does the same. Every way into the
//! kernel has a table: the native calls and those of 32-bit programs, which native programs reach
//! by `int 0x80`. Calls of x32 and of other machines are refused. The format is that of seccomp(2).

use std::io;

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET,
    BPF_W, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, sock_filter,
};

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
const ARGUMENT_SIZE: u32 = 8;

/// `AUDIT_ARCH_...` of linux/audit.h: the native calls, and those of 32-bit programs.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [(u32, usize); 2] = [(0xc000_003e, 0), (0x4000_0003, 1)];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: [(u32, usize); 2] = [(0xc000_00b7, 2), (0x4000_0028, 3)];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURES: [(u32, usize); 0] = [];

/// Calls of x32 have this bit on `x86_64`. No other call has.
const X32: u32 = 0x4000_0000;
/// The bits of a mode that give a file's rights to the process that runs it.
const SET_ID: u32 = 0o6000;
/// `__O_TMPFILE` of asm-generic/fcntl.h: such an `open` takes a mode too.
const TMPFILE: u32 = 0o20_000_000;
/// The bits of a socket's type that are flags.
const TYPE: u32 = 0xf;
/// `IOPRIO_WHO_PROCESS` of linux/ioprio.h.
const IOPRIO_PROCESS: u32 = 1;

/// What programs may do beside the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// Whether they may make sockets of the internet.
    pub network: bool,
    /// Whether they have namespaces of their own, where there is no process and no memory of
    /// others.
    pub namespaces: bool,
}

/// What happens to a call.
#[derive(Clone, Copy)]
enum Rule {
    /// Fails with this error.
    Refuse(i32),
    /// A new socket of this kind: its family, then its protocol.
    Socket,
    /// Two sockets that are connected. A datagram socket could be connected again, to anything.
    SocketPair,
    /// This argument is a mode, which must be without set-id bits.
    Mode(u32),
    /// The same where the flags in the first argument make a file.
    CreatingMode { flags: u32, mode: u32 },
    /// This argument is a process, which must be the caller: 0.
    Caller(u32),
    /// `prlimit64`: others can be asked for their limits.
    Limits,
    /// The first argument must be this kind, and the second the caller: 0.
    CallerOfKind(u32),
    /// This argument has flags of new namespaces, and those of users are refused.
    Namespaces(u32),
}

/// A rule that applies only where programs share what the call is about with the machine.
const SHARED: bool = true;
const NONE: u32 = u32::MAX;

/// For each call: the rule, whether it is for [`SHARED`] things, and its number on `x86_64`, i386,
/// aarch64 and arm.
#[rustfmt::skip]
const CALLS: &[(Rule, bool, [u32; 4])] = &[
    // Modes.
    (Rule::Mode(1), false, [90, 15, NONE, 15]),                             // chmod
    (Rule::Mode(1), false, [91, 94, 52, 94]),                               // fchmod
    (Rule::Mode(2), false, [268, 306, 53, 333]),                            // fchmodat
    (Rule::Mode(2), false, [452, 452, 452, 452]),                           // fchmodat2
    (Rule::CreatingMode { flags: 1, mode: 2 }, false, [2, 5, NONE, 5]),     // open
    (Rule::CreatingMode { flags: 2, mode: 3 }, false, [257, 295, 56, 322]), // openat
    (Rule::Refuse(libc::ENOSYS), false, [437, 437, 437, 437]),              // openat2
    (Rule::Mode(1), false, [85, 8, NONE, 8]),                               // creat
    (Rule::Mode(1), false, [133, 14, NONE, 14]),                            // mknod
    (Rule::Mode(2), false, [259, 297, 33, 324]),                            // mknodat
    // Extended attributes, which hold capabilities and lists of users.
    (Rule::Refuse(libc::EOPNOTSUPP), false, [188, 226, 5, 226]),            // setxattr
    (Rule::Refuse(libc::EOPNOTSUPP), false, [189, 227, 6, 227]),            // lsetxattr
    (Rule::Refuse(libc::EOPNOTSUPP), false, [190, 228, 7, 228]),            // fsetxattr
    (Rule::Refuse(libc::EOPNOTSUPP), false, [463, 463, 463, 463]),          // setxattrat
    // Of files outside of the build, which these reach by their paths.
    (Rule::Refuse(libc::EOPNOTSUPP), SHARED, [197, 235, 14, 235]),          // removexattr
    (Rule::Refuse(libc::EOPNOTSUPP), SHARED, [198, 236, 15, 236]),          // lremovexattr
    (Rule::Refuse(libc::EOPNOTSUPP), SHARED, [199, 237, 16, 237]),          // fremovexattr
    (Rule::Refuse(libc::EOPNOTSUPP), SHARED, [466, 466, 466, 466]),         // removexattrat
    (Rule::Refuse(libc::EOPNOTSUPP), SHARED, [469, 469, 469, 469]),         // file_setattr
    // Sockets.
    (Rule::Socket, false, [41, 359, 198, 281]),                             // socket
    (Rule::SocketPair, false, [53, 360, 199, 288]),                         // socketpair
    (Rule::Refuse(libc::EACCES), false, [NONE, 102, NONE, 102]),            // socketcall
    // Calls that do what other calls do, where no filter looks.
    (Rule::Refuse(libc::ENOSYS), false, [425, 425, 425, 425]),              // io_uring_setup
    (Rule::Refuse(libc::ENOSYS), false, [426, 426, 426, 426]),              // io_uring_enter
    (Rule::Refuse(libc::ENOSYS), false, [427, 427, 427, 427]),              // io_uring_register
    // What belongs to a user or to the kernel, whatever the namespace.
    (Rule::Refuse(libc::EPERM), false, [248, 286, 217, 309]),               // add_key
    (Rule::Refuse(libc::EPERM), false, [249, 287, 218, 310]),               // request_key
    (Rule::Refuse(libc::EPERM), false, [250, 288, 219, 311]),               // keyctl
    (Rule::Refuse(libc::EPERM), false, [103, 103, 116, 103]),               // syslog
    (Rule::Refuse(libc::EPERM), false, [298, 336, 241, 364]),               // perf_event_open
    (Rule::Refuse(libc::EPERM), false, [300, 338, 262, 367]),               // fanotify_init
    (Rule::Refuse(libc::EPERM), false, [304, 342, 265, 371]),               // open_by_handle_at
    (Rule::Refuse(libc::EPERM), false, [321, 357, 280, 386]),               // bpf
    (Rule::Refuse(libc::EPERM), false, [323, 374, 282, 388]),               // userfaultfd
    // Other processes.
    (Rule::Limits, false, [302, 340, 261, 369]),                            // prlimit64
    (Rule::CallerOfKind(libc::PRIO_PROCESS), SHARED, [141, 97, 140, 97]),   // setpriority
    (Rule::CallerOfKind(IOPRIO_PROCESS), SHARED, [251, 289, 30, 314]),      // ioprio_set
    (Rule::Caller(0), SHARED, [203, 241, 122, 241]),                        // sched_setaffinity
    (Rule::Caller(0), SHARED, [144, 156, 119, 156]),                        // sched_setscheduler
    (Rule::Caller(0), SHARED, [142, 154, 118, 154]),                        // sched_setparam
    (Rule::Caller(0), SHARED, [314, 351, 274, 380]),                        // sched_setattr
    (Rule::Caller(0), SHARED, [256, 294, 238, 400]),                        // migrate_pages
    (Rule::Caller(0), SHARED, [279, 317, 239, 344]),                        // move_pages
    // System V IPC and message queues.
    (Rule::Refuse(libc::EPERM), SHARED, [29, 395, 194, 307]),               // shmget
    (Rule::Refuse(libc::EPERM), SHARED, [30, 397, 196, 305]),               // shmat
    (Rule::Refuse(libc::EPERM), SHARED, [31, 396, 195, 308]),               // shmctl
    (Rule::Refuse(libc::EPERM), SHARED, [64, 393, 190, 299]),               // semget
    (Rule::Refuse(libc::EPERM), SHARED, [65, NONE, 193, 298]),              // semop
    (Rule::Refuse(libc::EPERM), SHARED, [66, 394, 191, 300]),               // semctl
    (Rule::Refuse(libc::EPERM), SHARED, [220, NONE, 192, 312]),             // semtimedop
    (Rule::Refuse(libc::EPERM), SHARED, [NONE, 420, NONE, 420]),            // semtimedop_time64
    (Rule::Refuse(libc::EPERM), SHARED, [68, 399, 186, 303]),               // msgget
    (Rule::Refuse(libc::EPERM), SHARED, [69, 400, 189, 301]),               // msgsnd
    (Rule::Refuse(libc::EPERM), SHARED, [70, 401, 188, 302]),               // msgrcv
    (Rule::Refuse(libc::EPERM), SHARED, [71, 402, 187, 304]),               // msgctl
    (Rule::Refuse(libc::EPERM), SHARED, [NONE, 117, NONE, 117]),            // ipc
    (Rule::Refuse(libc::EPERM), SHARED, [240, 277, 180, 274]),              // mq_open
    (Rule::Refuse(libc::EPERM), SHARED, [241, 278, 181, 275]),              // mq_unlink
];

/// The same for users of their own, who would have capabilities. A thread that makes namespaces for
/// its programs refuses them later, see [`new_users`].
#[rustfmt::skip]
const NEW_USERS: &[(Rule, bool, [u32; 4])] = &[
    (Rule::Namespaces(0), SHARED, [56, 120, 220, 120]),                     // clone
    (Rule::Namespaces(0), SHARED, [272, 310, 97, 337]),                     // unshare
    (Rule::Refuse(libc::ENOSYS), SHARED, [435, 435, 435, 435]),             // clone3
];

fn instruction(code: u32, value: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or_default(), jt: 0, jf: 0, k: value }
}

/// Skips as many instructions as told when the comparison with `value` holds, or does not.
fn skip(comparison: u32, value: u32, holds: usize, fails: usize) -> sock_filter {
    let count = |count: usize| u8::try_from(count).unwrap_or_default();
    let jump = instruction(BPF_JMP | comparison | BPF_K, value);
    sock_filter { jt: count(holds), jf: count(fails), ..jump }
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset)
}

/// Loads the lower half of an argument, on little-endian machines.
fn load_argument(number: u32) -> sock_filter {
    load(ARGUMENTS + number * ARGUMENT_SIZE)
}

fn fail_with(error: i32) -> sock_filter {
    instruction(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error.cast_unsigned())
}

fn allow() -> sock_filter {
    instruction(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
}

/// Returns what decides about a call. It ends with an answer.
fn decide(rule: Rule, scope: Scope) -> Vec<sock_filter> {
    let refused = fail_with(libc::EPERM);
    match rule {
        Rule::Refuse(error) => vec![fail_with(error)],
        Rule::Socket => {
            let mut steps = vec![load_argument(0)];
            if scope.network {
                steps.extend([skip(BPF_JEQ, libc::AF_INET.cast_unsigned(), 0, 1), allow()]);
                steps.extend([skip(BPF_JEQ, libc::AF_INET6.cast_unsigned(), 0, 1), allow()]);
            }
            // Programs ask the kernel for the network's devices, and find what they may see. Other
            // protocols of netlink carry messages between processes.
            steps.extend([
                skip(BPF_JEQ, libc::AF_NETLINK.cast_unsigned(), 0, 3),
                load_argument(2),
                skip(BPF_JEQ, libc::NETLINK_ROUTE.cast_unsigned(), 0, 1),
                allow(),
                fail_with(libc::EACCES),
            ]);
            steps
        }
        Rule::SocketPair => vec![
            load_argument(1),
            instruction(BPF_ALU | BPF_AND | BPF_K, TYPE),
            skip(BPF_JEQ, libc::SOCK_STREAM.cast_unsigned(), 2, 0),
            skip(BPF_JEQ, libc::SOCK_SEQPACKET.cast_unsigned(), 1, 0),
            fail_with(libc::EACCES),
            allow(),
        ],
        Rule::Mode(mode) => {
            vec![load_argument(mode), skip(BPF_JSET, SET_ID, 0, 1), refused, allow()]
        }
        Rule::CreatingMode { flags, mode } => vec![
            load_argument(flags),
            skip(BPF_JSET, libc::O_CREAT.cast_unsigned() | TMPFILE, 0, 3),
            load_argument(mode),
            skip(BPF_JSET, SET_ID, 0, 1),
            refused,
            allow(),
        ],
        Rule::Caller(process) => {
            vec![load_argument(process), skip(BPF_JEQ, 0, 1, 0), refused, allow()]
        }
        Rule::Limits => vec![
            load_argument(0),
            skip(BPF_JEQ, 0, 5, 0),
            load_argument(2),
            skip(BPF_JEQ, 0, 0, 2),
            load(ARGUMENTS + 2 * ARGUMENT_SIZE + ARGUMENT_SIZE / 2),
            skip(BPF_JEQ, 0, 1, 0),
            refused,
            allow(),
        ],
        Rule::CallerOfKind(kind) => vec![
            load_argument(0),
            skip(BPF_JEQ, kind, 0, 2),
            load_argument(1),
            skip(BPF_JEQ, 0, 1, 0),
            refused,
            allow(),
        ],
        Rule::Namespaces(flags) => {
            vec![
                load_argument(flags),
                skip(BPF_JSET, libc::CLONE_NEWUSER.cast_unsigned(), 0, 1),
                refused,
                allow(),
            ]
        }
    }
}

/// Returns the filter of a thread that starts programs.
fn filter(scope: Scope) -> Vec<sock_filter> {
    let calls = CALLS.iter().chain(NEW_USERS);
    assemble(&calls.filter(|(_, is_shared, _)| !*is_shared || !scope.namespaces), scope)
}

/// Returns a filter that refuses nothing but users of their own.
pub fn new_users() -> Vec<sock_filter> {
    assemble(&NEW_USERS.iter(), Scope { network: true, namespaces: true })
}

fn assemble<'a>(
    calls: &(impl Iterator<Item = &'a (Rule, bool, [u32; 4])> + Clone),
    scope: Scope,
) -> Vec<sock_filter> {
    let mut filter = vec![load(ARCHITECTURE)];
    for (architecture, column) in ARCHITECTURES {
        let mut table = vec![load(NUMBER), skip(BPF_JGE, X32, 0, 1), fail_with(libc::ENOSYS)];
        for (rule, _, numbers) in calls.clone().filter(|(_, _, numbers)| numbers[column] != NONE) {
            let steps = decide(*rule, scope);
            table.push(skip(BPF_JEQ, numbers[column], 0, steps.len()));
            table.extend(steps);
        }
        table.push(allow());
        // A comparison cannot skip that much.
        let length = u32::try_from(table.len()).unwrap_or_default();
        filter.push(skip(BPF_JEQ, architecture, 1, 0));
        filter.push(instruction(BPF_JMP | BPF_JA, length));
        filter.extend(table);
    }
    filter.push(fail_with(libc::ENOSYS));
    filter
}

/// Returns whether [`refuse`] works here.
pub fn is_supported() -> bool {
    // An invalid filter address is refused as such only where filters are known. SAFETY: the call
    // changes nothing.
    let answer = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, std::ptr::null::<()>())
    };
    let error = io::Error::last_os_error().raw_os_error();
    !ARCHITECTURES.is_empty() && answer == -1 && error == Some(libc::EFAULT)
}

/// Applies the filter to this thread and to whatever it starts, for good. The thread must have
/// given up new privileges.
///
/// # Errors
/// When the system refuses.
pub fn refuse(scope: Scope) -> io::Result<()> {
    let mut filter = filter(scope);
    let length = u16::try_from(filter.len()).unwrap_or_default();
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // SAFETY: the program and its instructions live until the call returns; the kernel copies them.
    let answer =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Runs the filter as the kernel does, and returns the error that a call gets; `None` when it
    /// is allowed.
    fn run(scope: Scope, architecture: u32, number: u32, arguments: [u64; 6]) -> Option<i32> {
        let mut data = Vec::from(number.to_le_bytes());
        data.extend(architecture.to_le_bytes());
        data.extend([0; 8]);
        data.extend(arguments.iter().flat_map(|argument| argument.to_le_bytes()));
        let filter = filter(scope);
        let (mut place, mut value) = (0, 0_u32);
        loop {
            let step = filter[place];
            place += 1;
            let branch = |holds: bool| usize::from(if holds { step.jt } else { step.jf });
            match u32::from(step.code) {
                code if code == BPF_LD | BPF_W | BPF_ABS => {
                    let at = step.k as usize;
                    value = u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
                }
                code if code == BPF_ALU | BPF_AND | BPF_K => value &= step.k,
                code if code == BPF_JMP | BPF_JA => place += step.k as usize,
                code if code == BPF_JMP | BPF_JEQ | BPF_K => place += branch(value == step.k),
                code if code == BPF_JMP | BPF_JGE | BPF_K => place += branch(value >= step.k),
                code if code == BPF_JMP | BPF_JSET | BPF_K => place += branch(value & step.k != 0),
                code if code == BPF_RET | BPF_K => {
                    let is_error = step.k != SECCOMP_RET_ALLOW;
                    return is_error.then(|| (step.k & 0xffff).cast_signed());
                }
                code => panic!("{code}"),
            }
        }
    }

    const SCOPES: [Scope; 4] = [
        Scope { network: false, namespaces: false },
        Scope { network: false, namespaces: true },
        Scope { network: true, namespaces: false },
        Scope { network: true, namespaces: true },
    ];

    #[test]
    fn each_call_is_named_once_in_each_table() {
        for (_, column) in ARCHITECTURES {
            let mut seen = BTreeMap::new();
            for (place, (.., numbers)) in
                CALLS.iter().chain(NEW_USERS).enumerate().filter(|(_, call)| call.2[column] != NONE)
            {
                assert_eq!(seen.insert(numbers[column], place), None, "{}", numbers[column]);
            }
        }
    }

    #[test]
    fn no_way_into_the_kernel_is_open() {
        for scope in SCOPES {
            for number in [0, 1, 41, 90, 39, 500] {
                let x32 = run(scope, ARCHITECTURES[0].0, number | X32, [0; 6]);
                assert_eq!(x32, Some(libc::ENOSYS));
                assert_eq!(run(scope, 0x1234_5678, number, [0; 6]), Some(libc::ENOSYS));
            }
            // What every program does.
            for (architecture, _) in ARCHITECTURES {
                assert_eq!(run(scope, architecture, 500, [0; 6]), None);
            }
        }
    }

    #[test]
    fn sockets_are_refused_by_family_in_every_table() {
        for scope in SCOPES {
            for (architecture, column) in ARCHITECTURES {
                for (rule, _, numbers) in CALLS.iter().chain(NEW_USERS) {
                    let number = numbers[column];
                    for (family, kind, protocol) in
                        (0..50).flat_map(|f| [(f, 1, 0), (f, 2, 2), (f, 5, 16)])
                    {
                        let flags = [0, 0o2_004_000, 0xffff_ffff_0000_0000][family as usize % 3];
                        let arguments = [family, kind | flags, protocol, 0, 0, 0];
                        let got = run(scope, architecture, number, arguments);
                        match rule {
                            Rule::Socket => {
                                let internet = scope.network && [2, 10].contains(&family);
                                let allowed = internet || family == 16 && protocol == 0;
                                assert_eq!(got.is_none(), allowed, "{family} {protocol}");
                            }
                            Rule::SocketPair => assert_eq!(got.is_none(), kind != 2, "{kind}"),
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn modes_and_other_processes_are_refused_by_their_arguments() {
        for scope in SCOPES {
            for (architecture, column) in ARCHITECTURES {
                for (rule, is_shared, numbers) in
                    CALLS.iter().chain(NEW_USERS).filter(|call| call.2[column] != NONE)
                {
                    let call = |arguments| run(scope, architecture, numbers[column], arguments);
                    let is_open = *is_shared && scope.namespaces;
                    let refused = |answer: Option<i32>| assert_eq!(answer.is_some(), !is_open);
                    match *rule {
                        Rule::Mode(place) => {
                            for mode in [0o4755, 0o2755, 0o6000, 0o1_04755] {
                                let mut arguments = [0; 6];
                                arguments[place as usize] = mode;
                                assert_eq!(call(arguments), Some(libc::EPERM));
                                arguments[place as usize] = mode & 0o1777;
                                assert_eq!(call(arguments), None);
                            }
                        }
                        Rule::CreatingMode { flags, mode } => {
                            let mut arguments = [0; 6];
                            arguments[mode as usize] = 0o4755;
                            assert_eq!(call(arguments), None, "nothing is made");
                            for making in [0o100, u64::from(TMPFILE) | 0o200_000] {
                                arguments[flags as usize] = making | 0o1;
                                assert_eq!(call(arguments), Some(libc::EPERM));
                            }
                            arguments[mode as usize] = 0o755;
                            assert_eq!(call(arguments), None);
                        }
                        Rule::Caller(_) => {
                            assert_eq!(call([0, 1, 1, 1, 1, 1]), None);
                            refused(call([1, 0, 0, 0, 0, 0]));
                        }
                        Rule::Limits => {
                            assert_eq!(call([0, 7, 1, 1, 0, 0]), None, "its own");
                            assert_eq!(call([5, 7, 0, 1, 0, 0]), None, "asked for");
                            refused(call([5, 7, 1, 0, 0, 0]));
                            refused(call([5, 7, 1 << 32, 0, 0, 0]));
                        }
                        Rule::CallerOfKind(kind) => {
                            assert_eq!(call([u64::from(kind), 0, 9, 0, 0, 0]), None);
                            refused(call([u64::from(kind), 5, 9, 0, 0, 0]));
                            refused(call([u64::from(kind) + 1, 0, 9, 0, 0, 0]));
                        }
                        Rule::Namespaces(_) => {
                            assert_eq!(call([0x11, 0, 0, 0, 0, 0]), None);
                            refused(call([0x1000_0000, 0, 0, 0, 0, 0]));
                            refused(call([0x1002_0011, 0, 0, 0, 0, 0]));
                        }
                        Rule::Refuse(_) => refused(call([0; 6])),
                        Rule::Socket | Rule::SocketPair => {}
                    }
                }
            }
        }
    }
}
