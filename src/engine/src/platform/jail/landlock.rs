//! Confining programs with Landlock: rules for files, no TCP, no signals to what is outside. What
//! many programs have in common confines the thread that starts them; only the rest costs each of
//! them.
//!
//! The rights are those of landlock(7). What the kernel does not know yet is left out, and
//! [`support`] says so.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Rules, Support, filter};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, Scope,
};

/// What every program may read and execute; `lib*` of `/` comes to it.
const SYSTEM: [&str; 5] = ["/usr", "/bin", "/sbin", "/etc", "/proc"];
/// What every program may read and write.
const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];
/// What every program may read.
const SOURCES_OF_CHANCE: [&str; 2] = ["/dev/random", "/dev/urandom"];
/// With a network, names of hosts are looked up as this file says; it may be a link out of `/etc`.
const RESOLVER: &str = "/etc/resolv.conf";

/// Returns what this system can enforce.
pub fn support() -> Support {
    static SUPPORT: OnceLock<Support> = OnceLock::new();
    *SUPPORT
        .get_or_init(|| Support { landlock: landlock_version(), filter: filter::is_supported() })
}

fn landlock_version() -> i32 {
    const CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the call only returns a number.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<()>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    i32::try_from(version).unwrap_or(0).max(0)
}

/// How a thread is confined that starts programs, for good: by what is the same for many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Base {
    support: Support,
    network: bool,
    /// Whether what it starts has a jail, which does the rest.
    jails: bool,
}

impl Base {
    /// Returns what programs in jails have in common.
    pub fn of_jails(network: bool) -> Base {
        Base { support: support(), network, jails: true }
    }

    /// Returns what a program of these rules can have in common with others.
    pub fn of(rules: &Rules) -> Base {
        Base::with(rules, support())
    }

    fn with(rules: &Rules, support: Support) -> Base {
        Base { support, network: rules.network, jails: false }
    }

    /// Confines this thread, and whatever it starts.
    ///
    /// # Errors
    /// When the system refuses what it says that it supports.
    pub fn restrict(self) -> io::Result<()> {
        if self.jails {
            rustix::thread::set_no_new_privs(true)?;
            return filter::refuse(filter::Scope { network: self.network, namespaces: true });
        }
        rustix::thread::set_no_new_privs(true)?;
        let abi = ABI::from(self.support.landlock);
        let scopes = Scope::from_all(abi);
        if self.support.landlock > 0 && !scopes.is_empty() {
            let ruleset: Option<OwnedFd> = signals_only(scopes).map_err(io::Error::other)?.into();
            ruleset.map_or(Ok(()), |ruleset| restrict(ruleset.as_raw_fd()))?;
        }
        if self.support.filter {
            filter::refuse(filter::Scope { network: self.network, namespaces: false })?;
        }
        Ok(())
    }

    /// Opens the places of the system that programs may use. The descriptors are this thread's.
    pub fn places(self) -> Places {
        if self.jails {
            return Places { base: self, places: Vec::new() };
        }
        let abi = ABI::from(self.support.landlock);
        let system = without_inner(system_paths());
        let read = AccessFs::from_read(abi);
        let mut wanted: Vec<(PathBuf, BitFlags<AccessFs>)> =
            system.into_iter().map(|path| (path, read)).collect();
        if self.network {
            wanted.push((PathBuf::from(RESOLVER), read));
        }
        wanted
            .extend(SOURCES_OF_CHANCE.map(|path| (PathBuf::from(path), AccessFs::ReadFile.into())));
        wanted.extend(
            DEVICES.map(|path| (PathBuf::from(path), AccessFs::ReadFile | AccessFs::WriteFile)),
        );
        let places =
            wanted.into_iter().filter_map(|(path, access)| OpenPath::open(&path, access)).collect();
        Places { base: self, places }
    }
}

/// Returns rules that keep signals inside, and leave everything else allowed: without a rule no
/// file could get a name in another directory.
fn signals_only(scopes: BitFlags<Scope>) -> Result<RulesetCreated, landlock::RulesetError> {
    let ruleset = Ruleset::default().handle_access(AccessFs::Refer)?.scope(scopes)?.create()?;
    allow(ruleset, Path::new("/"), AccessFs::Refer.into())
}

fn restrict(ruleset: RawFd) -> io::Result<()> {
    // SAFETY: the call takes a descriptor, which is open, and a number.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0_u32) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What programs may use of the system, held open, on a [`Base`].
pub struct Places {
    base: Base,
    places: Vec<OpenPath>,
}

/// What confines one program, more than the thread that starts it.
pub struct Confinement(Option<OwnedFd>);

impl Confinement {
    /// Makes the rules ready.
    ///
    /// # Errors
    /// When the system refuses what it says that it supports.
    pub fn new(rules: &Rules, places: &Places) -> io::Result<Confinement> {
        if places.base.support.landlock == 0 {
            return Ok(Confinement(None));
        }
        ruleset(rules, places).map(|ruleset| Confinement(ruleset.into())).map_err(io::Error::other)
    }

    /// Returns the rules for a program that is just about to start.
    pub fn descriptor(&self) -> Option<RawFd> {
        self.0.as_ref().map(AsRawFd::as_raw_fd)
    }
}

fn ruleset(rules: &Rules, places: &Places) -> Result<RulesetCreated, landlock::RulesetError> {
    let abi = ABI::from(places.base.support.landlock);
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(abi))?;
    let connections = AccessNet::from_all(abi);
    if !rules.network && !connections.is_empty() {
        ruleset = ruleset.handle_access(connections)?;
    }
    let scopes = Scope::from_all(abi);
    if !scopes.is_empty() {
        ruleset = ruleset.scope(scopes)?;
    }
    let mut ruleset = ruleset.create()?;
    let read = AccessFs::from_read(abi);
    // A build never needs devices, whatever its user.
    let change =
        AccessFs::from_all(abi) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    for place in &places.places {
        ruleset = place.allow(ruleset)?;
    }
    for path in rules.read.iter().chain(&rules.more) {
        ruleset = allow(ruleset, path, read)?;
    }
    for path in &rules.write {
        ruleset = allow(ruleset, path, change)?;
    }
    Ok(ruleset)
}

fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, landlock::RulesetError> {
    match OpenPath::open(path, access) {
        Some(place) => place.allow(ruleset),
        None => Ok(ruleset),
    }
}

/// A part of the system that is held open, and what may be done there.
struct OpenPath {
    descriptor: PathFd,
    access: BitFlags<AccessFs>,
}

impl OpenPath {
    /// Opens it; `None` when it does not exist.
    fn open(path: &Path, access: BitFlags<AccessFs>) -> Option<OpenPath> {
        Some(OpenPath { descriptor: PathFd::new(path).ok()?, access })
    }

    /// Adds it; of the access to a file, what only directories have is left out.
    fn allow(&self, ruleset: RulesetCreated) -> Result<RulesetCreated, landlock::RulesetError> {
        ruleset.add_rule(PathBeneath::new(&self.descriptor, self.access))
    }
}

/// Omits paths below others, links resolved: `/lib` is a part of `/usr` on most systems.
fn without_inner(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> =
        paths.into_iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    // A directory comes before what is in it.
    places.sort_unstable();
    places.dedup_by(|inner, outer| inner.starts_with(outer));
    places
}

/// Returns `/lib` and its like.
fn libraries() -> Vec<PathBuf> {
    let root = fs::read_dir("/").into_iter().flatten().flatten().map(|entry| entry.path());
    root.filter(|path| path.to_str().is_some_and(|path| path.starts_with("/lib"))).collect()
}

/// Returns the paths that every build may read and execute. Owner and mode restrict some of them:
/// builds of root run as separate users.
fn system_paths() -> Vec<PathBuf> {
    libraries().into_iter().chain(SYSTEM.map(PathBuf::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a test on a separate thread, confined as a kernel with this Landlock would do it.
    fn confined(landlock: i32, rules: &Rules, test: impl FnOnce() + Send) {
        if support().landlock < landlock {
            return;
        }
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let base = Base::with(rules, Support { landlock, ..support() });
                let confinement = Confinement::new(rules, &base.places()).unwrap();
                base.restrict().unwrap();
                confinement.descriptor().map_or(Ok(()), restrict).unwrap();
                test();
            });
            thread.join().unwrap();
        });
    }

    #[test]
    fn files_are_refused_by_every_version_of_landlock() {
        let directory = tempfile::tempdir().unwrap();
        let [inside, outside] = ["inside", "outside"].map(|name| directory.path().join(name));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "text").unwrap();
        let rules = Rules { write: vec![inside.clone()], ..Rules::default() };
        for landlock in 1..=support().landlock {
            confined(landlock, &rules, || {
                fs::write(inside.join("file"), "text").unwrap();
                assert!(fs::read(outside.join("file")).is_err());
                assert!(fs::write(outside.join("new"), "").is_err());
                assert!(fs::read_dir(&outside).is_err());
                assert!(fs::read("/proc/self/status").is_ok() && fs::read("/etc/passwd").is_ok());
            });
        }
    }

    #[test]
    fn no_network_is_reached_without_leave() {
        use std::net::{TcpListener, UdpSocket};
        for landlock in [0, 3, support().landlock] {
            confined(landlock, &Rules::default(), || {
                assert!(TcpListener::bind("127.0.0.1:0").is_err());
                assert!(UdpSocket::bind("127.0.0.1:0").is_err());
                assert!(std::os::unix::net::UnixStream::pair().is_ok());
            });
        }
        let rules = Rules { network: true, ..Rules::default() };
        confined(support().landlock, &rules, || assert!(TcpListener::bind("127.0.0.1:0").is_ok()));
    }
}
