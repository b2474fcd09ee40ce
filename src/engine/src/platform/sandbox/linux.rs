//! Confining a thread with Landlock: rules for files, no TCP, no signals to what is outside.
//!
//! The rights are those of landlock(7). What the kernel does not know yet is left out, and [`support`] says so.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, Scope,
};
use rustix::thread::CapabilitySet;

use super::{Rules, Support, network};

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
    *SUPPORT.get_or_init(|| Support { landlock: landlock_version(), filter: network::is_supported() })
}

fn landlock_version() -> i32 {
    const CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the call only returns a number.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<()>(), 0_usize, CREATE_RULESET_VERSION)
    };
    i32::try_from(version).unwrap_or(0).max(0)
}

/// What is going to confine a thread, with its descriptors.
pub struct Confinement {
    ruleset: Option<OwnedFd>,
    /// For root: of `/etc` only what everybody may read. The same for all programs, in a layer of its own.
    public: Option<BorrowedFd<'static>>,
    refuses_network: bool,
}

impl Confinement {
    /// Makes the rules ready.
    ///
    /// # Errors
    /// When the system refuses what it says that it supports.
    pub fn new(rules: &Rules) -> io::Result<Confinement> {
        Confinement::with(rules, support())
    }

    fn with(rules: &Rules, support: Support) -> io::Result<Confinement> {
        let refuses_network = support.filter && !rules.network;
        if support.landlock == 0 {
            return Ok(Confinement { ruleset: None, public: None, refuses_network });
        }
        let abi = ABI::from(support.landlock);
        let public = rustix::process::geteuid().is_root().then(|| Public::of(abi)).flatten();
        let public = public.filter(|public| public.has_room_for(rules));
        let places = if public.is_some() { coarse_places() } else { system_places() };
        let ruleset = ruleset(rules, abi, places).map_err(io::Error::other)?.into();
        Ok(Confinement { ruleset, public: public.map(|public| public.ruleset.as_fd()), refuses_network })
    }

    /// Returns the descriptors that [`Confinement::restrict`] needs.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.public.iter().map(AsRawFd::as_raw_fd).chain(self.ruleset.iter().map(AsRawFd::as_raw_fd))
    }

    /// Confines this thread, and whatever it starts, for good.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn restrict(&self) -> io::Result<()> {
        if rustix::process::geteuid().is_root() {
            give_up_capabilities();
        }
        rustix::thread::set_no_new_privs(true)?;
        for descriptor in self.descriptors() {
            // SAFETY: the call takes a descriptor, which is open, and a number.
            let failed = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, descriptor, 0_u32) } != 0;
            if failed {
                return Err(io::Error::last_os_error());
            }
        }
        if self.refuses_network {
            network::refuse()?;
        }
        Ok(())
    }
}

fn ruleset(rules: &Rules, abi: ABI, places: &[Place]) -> Result<RulesetCreated, landlock::RulesetError> {
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
    // Devices are no business of a build, whoever runs it.
    let change = AccessFs::from_all(abi) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    ruleset = allow_reading(ruleset, abi, places)?;
    // Names are no secret, where root has rules for single files only.
    ruleset = allow(ruleset, abi, Path::new("/etc"), AccessFs::ReadDir.into())?;
    if rules.network {
        ruleset = allow(ruleset, abi, Path::new(RESOLVER), read)?;
    }
    for path in SOURCES_OF_CHANCE {
        ruleset = allow(ruleset, abi, Path::new(path), AccessFs::ReadFile.into())?;
    }
    for path in DEVICES {
        ruleset = allow(ruleset, abi, Path::new(path), AccessFs::ReadFile | AccessFs::WriteFile)?;
    }
    for path in &rules.read {
        ruleset = allow(ruleset, abi, path, read)?;
    }
    for path in &rules.write {
        ruleset = allow(ruleset, abi, path, change)?;
    }
    Ok(ruleset)
}

fn allow_reading(
    mut ruleset: RulesetCreated,
    abi: ABI,
    places: &[Place],
) -> Result<RulesetCreated, landlock::RulesetError> {
    let read = AccessFs::from_read(abi);
    for place in places {
        let access = if place.is_directory { read } else { read & AccessFs::from_file(abi) };
        ruleset = ruleset.add_rule(PathBeneath::new(&place.descriptor, access))?;
    }
    Ok(ruleset)
}

/// The rules that hold for every program of root: of `/etc` what everybody may read, and all of the rest, where the
/// rules of the program itself say more. They are hundreds, and made once.
struct Public {
    abi: ABI,
    ruleset: OwnedFd,
    /// What `/` held.
    top: BTreeSet<OsString>,
}

impl Public {
    /// Returns the rules; `None` when they cannot be made, or were made for another version of Landlock.
    fn of(abi: ABI) -> Option<&'static Public> {
        static PUBLIC: OnceLock<Option<Public>> = OnceLock::new();
        PUBLIC.get_or_init(|| Public::new(abi).ok().flatten()).as_ref().filter(|public| public.abi == abi)
    }

    fn new(abi: ABI) -> Result<Option<Public>, landlock::RulesetError> {
        let all = AccessFs::from_all(abi);
        let mut ruleset = Ruleset::default().handle_access(all)?.create()?;
        let mut top = BTreeSet::new();
        for entry in fs::read_dir("/").into_iter().flatten().flatten() {
            if entry.file_name() != "etc" && entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
                ruleset = allow(ruleset, abi, &entry.path(), all)?;
            }
            top.insert(entry.file_name());
        }
        ruleset = allow(ruleset, abi, Path::new("/etc"), AccessFs::ReadDir.into())?;
        let fine: Vec<Place> = system_paths().iter().filter(|path| is_in_etc(path)).filter_map(open_place).collect();
        ruleset = allow_reading(ruleset, abi, &fine)?;
        let ruleset: Option<OwnedFd> = ruleset.into();
        Ok(ruleset.map(|ruleset| Public { abi, ruleset, top }))
    }

    /// Returns whether these rules leave a program everything that its own allow.
    fn has_room_for(&self, rules: &Rules) -> bool {
        rules.read.iter().chain(&rules.write).all(|path| {
            let Some(top) = path.components().nth(1) else { return false };
            // What does not exist has no rule.
            !is_in_etc(path) && (self.top.contains(top.as_os_str()) || !Path::new("/").join(top).exists())
        })
    }
}

fn is_in_etc(path: &Path) -> bool {
    path.starts_with("/etc")
}

fn allow(
    ruleset: RulesetCreated,
    abi: ABI,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, landlock::RulesetError> {
    let Ok(place) = PathFd::new(path) else { return Ok(ruleset) };
    let is_directory = fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let access = if is_directory { access } else { access & AccessFs::from_file(abi) };
    ruleset.add_rule(PathBeneath::new(place, access))
}

/// A part of the system that is held open.
struct Place {
    descriptor: PathFd,
    is_directory: bool,
}

fn open_place(path: &PathBuf) -> Option<Place> {
    let descriptor = PathFd::new(path).ok()?;
    Some(Place { descriptor, is_directory: fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) })
}

fn system_places() -> &'static [Place] {
    static PLACES: OnceLock<Vec<Place>> = OnceLock::new();
    PLACES.get_or_init(|| system_paths().iter().filter_map(open_place).collect())
}

/// The places of the system where [`Public`] says what of `/etc` can be read.
fn coarse_places() -> &'static [Place] {
    static PLACES: OnceLock<Vec<Place>> = OnceLock::new();
    PLACES.get_or_init(|| {
        libraries().into_iter().chain(SYSTEM.map(PathBuf::from)).filter_map(|path| open_place(&path)).collect()
    })
}

/// Returns `/lib` and its like.
fn libraries() -> Vec<PathBuf> {
    let root = fs::read_dir("/").into_iter().flatten().flatten().map(|entry| entry.path());
    root.filter(|path| path.to_str().is_some_and(|path| path.starts_with("/lib"))).collect()
}

/// Returns what everybody may read and execute. For root, who may read everything, of `/etc` only what
/// everybody may: passwords and keys are no business of a build.
fn system_paths() -> Vec<PathBuf> {
    let mut paths = libraries();
    for path in SYSTEM {
        if path != "/etc" || !rustix::process::geteuid().is_root() || !add_public(Path::new(path), &mut paths) {
            paths.push(PathBuf::from(path));
        }
    }
    paths
}

/// Adds what everybody may read below a directory; `false`, and nothing added, when that is all of it.
fn add_public(directory: &Path, paths: &mut Vec<PathBuf>) -> bool {
    let before = paths.len();
    let mut is_all = true;
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let path = entry.path();
        // What a link leads to has a rule of its own, or none.
        if metadata.is_symlink() {
            continue;
        }
        let needed = if metadata.is_dir() { 0o5 } else { 0o4 };
        let is_public = metadata.mode() & needed == needed;
        if is_public && !(metadata.is_dir() && add_public(&path, paths)) {
            paths.push(path);
        } else {
            is_all = false;
        }
    }
    if is_all {
        paths.truncate(before);
    }
    !is_all
}

/// What root keeps, for programs that it starts from now on: rights over files that the rules allow, and users to be.
fn give_up_capabilities() {
    let kept = CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::FOWNER
        | CapabilitySet::FSETID
        | CapabilitySet::KILL
        | CapabilitySet::SETGID
        | CapabilitySet::SETUID
        | CapabilitySet::SETFCAP
        | CapabilitySet::SETPCAP;
    for capability in (CapabilitySet::all() & !kept).iter() {
        // One that this kernel does not know cannot be kept either.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a test on a thread of its own, confined as a kernel with this Landlock would do it.
    fn confined(landlock: i32, rules: &Rules, test: impl FnOnce() + Send) {
        if support().landlock < landlock {
            return;
        }
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                Confinement::with(rules, Support { landlock, ..support() }).unwrap().restrict().unwrap();
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
