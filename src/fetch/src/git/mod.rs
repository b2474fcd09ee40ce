//! Commits of git: their objects come here by [`remote`], and become files by [`checkout`].

mod address;
mod checkout;
mod credential;
mod http_transport;
mod program;
mod progress;
mod remote;
mod ssh;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gix::bstr::{BString, ByteSlice};

pub use address::{Address, Revision};

use self::address::resolve_relative;
use self::checkout::Checkout;
use self::remote::{Source, obtain};
use crate::url::redact;
use crate::{Client, Failure, Network, Problem, Report};

/// Submodules in submodules.
const DEEPEST: usize = 10;

/// Where the files of a commit go. Paths are relative and have `/` between their components; a
/// directory comes before what is in it. The top is there already.
pub trait Destination {
    /// Why it takes no file.
    type Error;

    /// Creates a directory.
    ///
    /// # Errors
    /// When it cannot be created, or something is there.
    fn directory(&mut self, path: &[u8]) -> Result<(), Self::Error>;

    /// Creates a file.
    ///
    /// # Errors
    /// As for a directory.
    fn file(&mut self, path: &[u8], content: &[u8], is_executable: bool)
    -> Result<(), Self::Error>;

    /// Creates a symbolic link.
    ///
    /// # Errors
    /// As for a directory.
    fn symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), Self::Error>;
}

/// Makes the client for these settings; it may keep one.
pub type MakeClient<'a> = &'a dyn Fn(&Network) -> Result<Client, Problem>;

/// How commits are fetched.
pub struct Git<'a> {
    /// The settings of the network.
    pub network: &'a Network,
    /// Whether servers may not be asked.
    pub offline: bool,
    /// Set from outside to stop.
    pub interrupt: &'a Arc<AtomicBool>,
    /// Makes clients.
    pub client: MakeClient<'a>,
    /// Takes progress.
    pub report: &'a Report,
    /// A directory for temporary repositories.
    pub scratch: &'a Path,
    /// User and password for the web server of the repository itself; never for another one.
    pub login: Option<(String, String)>,
}

/// Which commit was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The commit, as 40 hexadecimal digits.
    pub commit: String,
    /// When it was committed, in seconds since the epoch.
    pub time: i64,
}

impl Git<'_> {
    /// Writes the files of a commit; returns which one it was.
    ///
    /// # Errors
    /// When it cannot be had, its tree is not acceptable, or the destination does not take a file.
    pub fn fetch<D: Destination>(
        &self,
        url: &str,
        revision: &Revision,
        with_submodules: bool,
        destination: &mut D,
    ) -> Result<Fetched, Failure<D::Error>> {
        let left = self.network.download_limit;
        let mut fetching =
            Fetching { git: self, top: url, with_submodules, destination, repositories: 0, left };
        fetching.commit(url, revision, &BString::default(), true, 0)
    }

    /// Returns the names of the tags of a repository, in the order of their bytes. Nothing but the
    /// list is fetched.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn list_tags(&self, url: &str) -> Result<Vec<String>, Problem> {
        remote::list_tags(self, url)
    }

    /// Returns how many commits lead from an older commit to a newer one, both as 40 hexadecimal
    /// digits; `since` is the time of the older one. Nothing where that cannot be told: history was
    /// rewritten, or the server does not give it.
    pub fn count_commits(&self, url: &str, older: &str, newer: &str, since: i64) -> Option<usize> {
        remote::count_commits(self, url, older, newer, since)
    }
}

struct Fetching<'a, D> {
    git: &'a Git<'a>,
    /// The address of the repository that is not a submodule.
    top: &'a str,
    with_submodules: bool,
    destination: &'a mut D,
    repositories: usize,
    /// Bytes that all files together may still have.
    left: u64,
}

/// Returns whether two addresses are of one web server.
fn is_same_server(one: &str, other: &str) -> bool {
    let addresses = (Address::parse(one), Address::parse(other));
    matches!(
        addresses,
        (Ok(Address::Web(one)), Ok(Address::Web(other))) if one.is_same_server(&other)
    )
}

impl<D: Destination> Fetching<'_, D> {
    /// Writes the tree of a commit to a directory that is there, and empty.
    fn commit(
        &mut self,
        url: &str,
        revision: &Revision,
        top: &BString,
        may_be_local: bool,
        depth: usize,
    ) -> Result<Fetched, Failure<D::Error>> {
        self.repositories += 1;
        let repository = self.git.scratch.join(self.repositories.to_string());
        let within = |problem: Problem| match problem {
            Problem::Lasting { reason, hint } if depth > 0 => Problem::Lasting {
                reason: format!("its submodule {}: {reason}", redact(url)),
                hint,
            },
            other => other,
        };
        let login = self.git.login.as_ref().filter(|_| depth == 0 || is_same_server(self.top, url));
        let source = Source { git: self.git, url, may_be_local, login };
        let obtained = obtain(&source, revision, &repository).map_err(within)?;
        let mut checkout = Checkout {
            repository: &obtained.repository,
            interrupt: self.git.interrupt,
            destination: &mut *self.destination,
            left: self.left,
            links: Vec::new(),
            modules: Vec::new(),
        };
        let fetched = Fetched { commit: obtained.commit.to_string(), time: obtained.time };
        checkout.write(obtained.tree, top).map_err(|failure| match failure {
            Failure::Problem(problem) => Failure::Problem(within(problem)),
            other => other,
        })?;
        self.left = checkout.left;
        let (links, modules) = (checkout.links, checkout.modules);
        if !self.with_submodules || links.is_empty() {
            return Ok(fetched);
        }
        if depth >= DEEPEST {
            return Err(Problem::lasting(format!(
                "it has more than {DEEPEST} submodules in each other"
            ))
            .into());
        }
        let modules = gix_submodule::File::from_bytes(&modules, None, &Default::default())
            .map_err(|error| Problem::lasting(format!(".gitmodules is malformed: {error}")))?;
        let is_local = matches!(Address::parse(&obtained.address), Ok(Address::Local(_)));
        for link in links {
            let found = modules
                .name_by_path(link.path.as_ref())
                .and_then(|name| modules.config().string(format!("submodule.{name}.url").as_str()));
            let Some(address) = found else {
                let path = link.path.to_str_lossy();
                return Err(Problem::lasting(format!(
                    ".gitmodules has no address of the submodule {path}"
                ))
                .into());
            };
            let address = resolve_relative(&obtained.address, &address.to_str_lossy());
            let place = checkout::join(top, &link.path);
            self.commit(&address, &Revision::Commit(link.commit), &place, is_local, depth + 1)?;
        }
        Ok(fetched)
    }
}
