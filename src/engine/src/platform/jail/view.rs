//! What a build sees at level `namespaces`: its own root, as a list of steps that make it.
//!
//! Everything is prepared here; the processes in `processes.rs` only do the steps.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use landlock::{ABI, Access, AccessFs, AccessNet, BitFlags, Scope};
use rustix::fs::{Access as Wanted, AtFlags};

use super::steps::{Mode, NamePath, Source, Step, literal, mount, place, text};
use super::{Rules, Support};

/// Who a build is, on every machine.
pub const USER_NUMBER: u32 = 1000;
/// Its group.
pub const GROUP_NUMBER: u32 = 100;
/// As many links in a row as the kernel follows.
const MOST_LINKS: usize = 40;
/// The directories of `/` that a build sees, and whatever begins with `lib`.
const SYSTEM: [&str; 3] = ["usr", "bin", "sbin"];
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];
const PASSWD: &str = "root:x:0:0:root:/nonexistent:/bin/sh\n\
                      build:x:1000:100:build:/nonexistent:/bin/sh\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n";
const GROUP: &str = "root:x:0:\nusers:x:100:\nnogroup:x:65534:\n";
const HOSTS: &str = "127.0.0.1 localhost build\n::1 localhost build\n";
/// Files of `/etc` that differ between machines, and their contents for a build.
const ETC: [(&str, &str); 6] = [
    ("passwd", PASSWD),
    ("group", GROUP),
    ("hostname", "build\n"),
    ("machine-id", ""),
    ("localtime", ""),
    ("timezone", "Etc/UTC\n"),
];
/// The same for a build without a network.
const ETC_OFFLINE: [(&str, &str); 2] = [("hosts", HOSTS), ("resolv.conf", "")];
/// What a build with a network sees too, wherever links lead.
const FOR_NETWORK: [&str; 10] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates",
];

/// The attributes of a ruleset of Landlock: access to files, to networks, and scopes.
pub struct Handled {
    /// `struct landlock_ruleset_attr`; a kernel that knows less of it wants the rest to be zero.
    pub words: [u64; 3],
}

/// What all builds see, made once: the root of all jails.
pub struct Template {
    /// A directory of the machine that it is mounted on. No build has to see it.
    pub place: CString,
    /// What is done there.
    pub steps: Vec<Step>,
}

/// All that a jail is made of, besides what all builds see.
pub struct View {
    /// For `uid_map` and `gid_map`, who a build of root is; none where the keeper says it.
    pub maps: Option<[CString; 2]>,
    /// The user, and group, that a build of root is.
    pub user: Option<u32>,
    /// What is done.
    pub steps: Vec<Step>,
    /// What Landlock confines; `None` where there is none.
    pub handled: Option<Handled>,
    /// What Landlock allows, below each place; `None` is the root.
    pub rules: Vec<(Option<NamePath>, u64)>,
}

/// Returns what shows a build its own processes. Those that it may not look into, which is the
/// first, it does not see either.
fn own_processes() -> Step {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC | libc::MS_RDONLY;
    mount(&["proc"], "proc", flags, "hidepid=2")
}

/// Returns whether a path is in a file system that each build has for itself.
fn is_in_own(path: &Path) -> bool {
    path.starts_with("/tmp") || path.starts_with("/dev")
}

/// What is the same for all builds of a process: what the machine has.
pub struct Machine {
    /// The entries of `/` that a build sees: the names, and the targets of links.
    top: Vec<(PathBuf, Option<PathBuf>)>,
    /// What of `/etc` this user may read and others may not.
    private: Vec<(PathBuf, bool)>,
}

impl Machine {
    /// Looks at the machine.
    ///
    /// # Errors
    /// When `/` cannot be read.
    pub fn observe() -> io::Result<Machine> {
        let mut top = Vec::new();
        for entry in fs::read_dir("/")? {
            let entry = entry?;
            let name = entry.file_name();
            if !SYSTEM.iter().any(|known| name == *known) && !name.as_bytes().starts_with(b"lib") {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                top.push((entry.path(), Some(fs::read_link(entry.path())?)));
            } else if kind.is_dir() {
                top.push((entry.path(), None));
            }
        }
        top.sort_unstable();
        let mut private = Vec::new();
        // Root's builds are users that have no rights to such files.
        if !rustix::process::geteuid().is_root() {
            add_private(Path::new("/etc"), &mut private);
        }
        Ok(Machine { top, private })
    }

    /// Returns whether each build sees a path.
    fn is_shown(&self, path: &Path) -> bool {
        let fixed = [Path::new("/etc"), Path::new("/proc")];
        self.top.iter().map(|(top, _)| top.as_path()).chain(fixed).any(|top| path.starts_with(top))
            && !self.private.iter().any(|(private, _)| path.starts_with(private))
    }

    /// Returns the directories of the template.
    fn parts(&self) -> impl Iterator<Item = &Path> {
        let shown =
            self.top.iter().filter(|(_, target)| target.is_none()).map(|(path, _)| path.as_path());
        shown.chain([Path::new("/etc"), Path::new("/dev")])
    }

    /// Returns what all builds see that have a network, or have none, of the stores that these
    /// rules name.
    ///
    /// # Errors
    /// When a path cannot be used.
    pub fn template(&self, rules: &Rules) -> io::Result<Template> {
        let mut steps = self.links()?;
        for path in self.parts().filter(|path| *path != Path::new("/dev")) {
            steps.push(Step::Show {
                source: Source::Path(text(path)?),
                place: place(path)?,
                is_directory: true,
                mode: Mode::ReadOnly,
                is_optional: false,
            });
        }
        let files = ETC.iter().chain(ETC_OFFLINE.iter().filter(|_| !rules.network));
        let names = files.filter(|(name, _)| {
            fs::symlink_metadata(Path::new("/etc").join(name)).is_ok_and(|found| found.is_file())
        });
        for (name, content) in names {
            let source = literal(&format!(".{name}"));
            steps.push(Step::File { place: vec![source.clone()], content: content.as_bytes() });
            steps.push(Step::Show {
                source: Source::Path(source.clone()),
                place: vec![literal("etc"), literal(name)],
                is_directory: false,
                mode: Mode::ReadOnly,
                is_optional: true,
            });
            steps.push(Step::Remove(vec![source]));
        }
        // What `/proc` is mounted over later.
        let hidden = |name: &str| vec![literal("proc"), literal(name)];
        steps.push(Step::File { place: hidden("file"), content: b"" });
        steps.push(Step::Directory(hidden("directory")));
        let [no_file, no_directory] = ["proc/file", "proc/directory"].map(literal);
        for (path, is_directory) in &self.private {
            let source = if *is_directory { &no_directory } else { &no_file };
            steps.push(Step::Show {
                source: Source::Path(source.clone()),
                place: place(path)?,
                is_directory: *is_directory,
                mode: Mode::ReadOnly,
                is_optional: true,
            });
        }
        for name in ["shm", "pts"] {
            steps.push(Step::Directory(vec![literal("dev"), literal(name)]));
        }
        for name in DEVICES {
            steps.push(Step::Show {
                source: Source::Path(literal(&format!("/dev/{name}"))),
                place: vec![literal("dev"), literal(name)],
                is_directory: false,
                mode: Mode::Device,
                is_optional: true,
            });
        }
        for (name, target) in DEVICE_LINKS {
            steps.push(Step::Link {
                place: vec![literal("dev"), literal(name)],
                target: literal(target),
            });
        }
        steps.push(Step::Directory(vec![literal("tmp")]));
        // A build has a `/proc` of its own over it. The system grants that only where this one is
        // mounted.
        steps.push(Step::Show {
            source: Source::Path(literal("/proc")),
            place: vec![literal("proc")],
            is_directory: true,
            mode: Mode::ReadOnly,
            is_optional: false,
        });
        for path in rules.fresh().into_iter().chain(rules.read.iter().map(PathBuf::as_path)) {
            if !self.is_shown(path) && !is_in_own(path) {
                steps.push(Step::Directory(place(path)?));
            }
        }
        steps.extend(self.for_network(rules.network)?);
        Ok(Template { place: text(&rules.covered)?, steps })
    }

    /// Returns the links of `/`.
    fn links(&self) -> io::Result<Vec<Step>> {
        let links = self.top.iter().filter_map(|(path, target)| Some((path, target.as_ref()?)));
        links
            .map(|(path, target)| Ok(Step::Link { place: place(path)?, target: text(target)? }))
            .collect()
    }

    /// Returns what a network needs.
    fn for_network(&self, network: bool) -> io::Result<Vec<Step>> {
        let mut steps = Vec::new();
        for path in FOR_NETWORK.iter().filter(|_| network) {
            self.follow(Path::new(path), &[], Source::path, &mut steps)?;
        }
        Ok(steps)
    }

    /// Returns the file systems of its own that each build has.
    fn own_steps() -> Vec<Step> {
        let mut steps = Vec::new();
        let closed = libc::MS_NOSUID | libc::MS_NODEV;
        steps.push(mount(
            &["dev", "pts"],
            "devpts",
            libc::MS_NOSUID | libc::MS_NOEXEC,
            "newinstance,ptmxmode=0666,mode=620",
        ));
        steps.push(mount(&["dev", "shm"], "tmpfs", closed, "mode=1777"));
        steps.push(mount(&["tmp"], "tmpfs", closed, "mode=1777"));
        steps.push(own_processes());
        steps
    }

    /// Adds what shows a path of the machine, where links lead too. What does not exist is left
    /// out.
    fn follow(
        &self,
        path: &Path,
        shown: &[&Path],
        source: fn(&Path) -> io::Result<Source>,
        steps: &mut Vec<Step>,
    ) -> io::Result<()> {
        let mut path = crate::platform::normalize(path);
        for _ in 0..MOST_LINKS {
            let Ok(found) = fs::symlink_metadata(&path) else { return Ok(()) };
            let is_shown =
                self.is_shown(&path) || shown.iter().any(|shown| path.starts_with(shown));
            if found.is_symlink() {
                let target = fs::read_link(&path)?;
                if !is_shown {
                    steps.push(Step::Link { place: place(&path)?, target: text(&target)? });
                }
                let above = path.parent().unwrap_or(Path::new("/"));
                path = crate::platform::normalize(&above.join(target));
                continue;
            }
            // A link on the way, such as that from `/lib`, may lead out of what is shown.
            let real = fs::canonicalize(&path)?;
            if is_shown
                && (self.is_shown(&real) || shown.iter().any(|shown| real.starts_with(shown)))
            {
                return Ok(());
            }
            let kind = found.file_type();
            let is_device = kind.is_char_device() || kind.is_block_device();
            let target = if is_shown { &real } else { &path };
            steps.push(Step::Show {
                source: source(&real)?,
                place: place(target)?,
                is_directory: found.is_dir(),
                mode: if is_device { Mode::Device } else { Mode::ReadOnly },
                is_optional: false,
            });
            return Ok(());
        }
        Ok(())
    }

    /// Returns what a build sees that may do this.
    ///
    /// # Errors
    /// When a path cannot be used.
    pub fn view(&self, rules: &Rules, support: Support) -> io::Result<View> {
        let mut steps = Machine::own_steps();
        // The build's own directories, and the place where the visible part of the system would
        // show a store.
        let fresh = rules.fresh();
        for place_of_own in self.own_places(rules) {
            steps.push(Step::Mount {
                place: place(place_of_own)?,
                kind: literal("tmpfs"),
                flags: libc::MS_NOSUID | libc::MS_NODEV,
                options: Some(literal("mode=755")),
            });
        }
        for (path, mode) in rules.shown() {
            let Ok(found) = fs::metadata(path) else { continue };
            let (source, place, is_directory) =
                (Source::opened(path)?, place(path)?, found.is_dir());
            steps.push(Step::Show { source, place, is_directory, mode, is_optional: false });
        }
        for fresh in fresh {
            steps.push(Step::Close(place(fresh)?));
        }
        let map = |inside: u32, outside: u32| {
            CString::new(format!("{inside} {outside} 1")).unwrap_or_default()
        };
        Ok(View {
            maps: rules.user.map(|user| [map(USER_NUMBER, user), map(GROUP_NUMBER, user)]),
            user: rules.user,
            steps,
            handled: Handled::of(rules, support),
            rules: allowed(rules, support)?,
        })
    }

    /// Returns where a file system of its own is mounted for each build.
    fn own_places<'r>(&self, rules: &'r Rules) -> Vec<&'r Path> {
        let mut places = rules.fresh();
        for store in rules.read.iter().filter_map(|objects| objects.parent()) {
            if self.is_shown(store) && store.is_dir() && !places.contains(&store) {
                places.push(store);
            }
        }
        places
    }

    /// Returns how a root is made for one command that sees more than its build: what the build
    /// sees, and the rest. Nothing where it sees no more.
    ///
    /// # Errors
    /// When a path cannot be used.
    pub fn steps_for(&self, rules: &Rules) -> io::Result<Vec<Step>> {
        let mut more = Vec::new();
        let shown: Vec<&Path> = rules.shown().map(|(path, _)| path.as_path()).collect();
        for path in &rules.more {
            if path.parent().is_some() {
                self.follow(path, &shown, Source::opened, &mut more)?;
                continue;
            }
            for entry in fs::read_dir(path)?.flatten() {
                let is_own =
                    ["dev", "proc", "sys", "tmp"].iter().any(|own| entry.file_name() == *own);
                if !is_own {
                    self.follow(&entry.path(), &shown, Source::opened, &mut more)?;
                }
            }
        }
        if more.is_empty() {
            return Ok(more);
        }
        // Everything above the build's own directories covers them.
        for (path, mode) in rules.shown() {
            let is_covered = more.iter().any(|step| match step {
                Step::Show { place: above, .. } => {
                    place(path).is_ok_and(|place| place.starts_with(above))
                }
                _ => false,
            });
            if is_covered && path.exists() {
                let (source, place, is_directory) =
                    (Source::opened(path)?, place(path)?, path.is_dir());
                more.push(Step::Show { source, place, is_directory, mode, is_optional: false });
            }
        }
        let mut steps = self.again(rules)?;
        steps.extend(more);
        Ok(steps)
    }

    /// Returns what shows in another root what the build sees.
    fn again(&self, rules: &Rules) -> io::Result<Vec<Step>> {
        let show = |path: &Path| -> io::Result<Step> {
            let (source, place) = (Source::path(path)?, place(path)?);
            Ok(Step::Show {
                source,
                place,
                is_directory: true,
                mode: Mode::AsItIs,
                is_optional: false,
            })
        };
        let mut steps = self.links()?;
        for path in self.parts().chain([Path::new("/tmp")]) {
            steps.push(show(path)?);
        }
        steps.push(own_processes());
        let fresh = rules.fresh();
        let read = rules.read.iter().map(PathBuf::as_path).filter(|path| path.is_dir());
        let read = read.filter(|path| !fresh.iter().any(|fresh| path.starts_with(fresh)));
        for path in fresh.iter().copied().chain(read) {
            if !self.is_shown(path) && !is_in_own(path) {
                steps.push(show(path)?);
            }
        }
        for mut step in self.for_network(rules.network)? {
            if let Step::Show { source, place, mode, .. } = &mut step {
                let bytes = place
                    .iter()
                    .flat_map(|name| [b"/", name.as_bytes()].concat())
                    .collect::<Vec<u8>>();
                *source = Source::Path(CString::new(bytes).unwrap_or_default());
                *mode = Mode::AsItIs;
            }
            steps.push(step);
        }
        Ok(steps)
    }
}

impl Rules {
    /// Returns what every command of a build sees of its store, and how.
    fn shown(&self) -> impl Iterator<Item = (&PathBuf, Mode)> {
        let read = self.read.iter().map(|path| (path, Mode::ReadOnly));
        read.chain(self.write.iter().map(|path| (path, Mode::Writable)))
    }

    /// Returns the directories below which a build writes: its store, where that is known.
    fn fresh(&self) -> Vec<&Path> {
        let stores = || self.read.iter().filter_map(|objects| objects.parent());
        let mut fresh = Vec::new();
        for path in &self.write {
            let place = stores().find(|store| path.starts_with(store)).or_else(|| path.parent());
            if let Some(place) =
                place.filter(|place| place.parent().is_some() && !fresh.contains(place))
            {
                fresh.push(place);
            }
        }
        fresh
    }
}

impl Handled {
    fn of(rules: &Rules, support: Support) -> Option<Handled> {
        if support.landlock == 0 {
            return None;
        }
        let abi = ABI::from(support.landlock);
        let network = if rules.network { BitFlags::EMPTY } else { AccessNet::from_all(abi) };
        let words = [AccessFs::from_all(abi).bits(), network.bits(), Scope::from_all(abi).bits()];
        Some(Handled { words })
    }
}

/// Returns what Landlock allows in a root that shows only what may be read.
fn allowed(rules: &Rules, support: Support) -> io::Result<Vec<(Option<NamePath>, u64)>> {
    let abi = ABI::from(support.landlock);
    let change =
        AccessFs::from_all(abi) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let device =
        (AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::ReadDir | AccessFs::IoctlDev)
            & AccessFs::from_all(abi);
    let mut allowed = vec![(None, AccessFs::from_read(abi).bits())];
    for path in rules.write.iter().filter(|path| path.exists()) {
        allowed.push((Some(place(path)?), change.bits()));
    }
    allowed.push((Some(vec![literal("tmp")]), change.bits()));
    allowed.push((Some(vec![literal("dev"), literal("shm")]), change.bits()));
    allowed.push((Some(vec![literal("dev")]), device.bits()));
    Ok(allowed)
}

/// Adds what of a directory this user may read and others may not.
fn add_private(directory: &Path, private: &mut Vec<(PathBuf, bool)>) {
    use std::os::unix::fs::MetadataExt;
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(found) = entry.metadata() else { continue };
        let path = entry.path();
        if found.is_symlink() {
            continue;
        }
        let public = if found.is_dir() { 0o5 } else { 0o4 };
        if found.mode() & public == public {
            if found.is_dir() {
                add_private(&path, private);
            }
            continue;
        }
        let wanted = if found.is_dir() { Wanted::EXEC_OK } else { Wanted::READ_OK };
        if rustix::fs::accessat(rustix::fs::CWD, &path, wanted, AtFlags::EACCESS).is_ok() {
            private.push((path, found.is_dir()));
        }
    }
}
