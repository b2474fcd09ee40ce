//! Inputs that are archives: a tarball or zip, downloaded and unpacked.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use syslua_archive::{Archive, Options, Problem};
use syslua_fetch::Url;
use syslua_fetch::download::{Target, Transfer};
use syslua_tools::mirrored;

use super::{Fetched, Request, Session, login_of};
use crate::operation::unpack::place::{ArchiveFile, Place};
use crate::operation::unpack::tree::Tree;
use crate::operation::{Error, Result, network};
use crate::platform::{self, Directory, FileKind};

/// A download that is not gone on with by a later call: what it must hash to is known only at its
/// end.
struct Scratch {
    path: PathBuf,
    file: Option<File>,
    length: u64,
    validator: Option<String>,
}

impl Target for Scratch {
    type Error = platform::Error;

    fn length(&self) -> u64 {
        self.length
    }

    fn validator(&self) -> Option<String> {
        self.validator.clone().filter(|_| self.length > 0)
    }

    fn begin(&mut self, validator: Option<&str>) -> platform::Result<()> {
        self.clear()?;
        self.file = Some(platform::create_file(&self.path)?);
        self.validator = validator.map(ToOwned::to_owned);
        Ok(())
    }

    fn resume(&mut self) {}

    fn put(&mut self, bytes: &[u8]) -> platform::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).map_err(platform::failed("write", &self.path))?;
            self.length += bytes.len() as u64;
        }
        Ok(())
    }

    fn clear(&mut self) -> platform::Result<()> {
        (self.file, self.length, self.validator) = (None, 0, None);
        platform::remove_tree(&self.path)
    }
}

/// Downloads an archive and unpacks it below `scratch`. Without `strip`, a directory that is alone
/// at the top is left out.
pub fn fetch(
    session: &Session<'_>,
    request: &Request,
    url: &str,
    strip: Option<usize>,
    scratch: &Path,
) -> Result<(Fetched, PathBuf)> {
    let settings = session.settings;
    let url = &*mirrored(url, request.github.as_deref());
    if settings.offline {
        let hint = "the tree is not in the cache; run once without --offline";
        return Err(network::failed(
            url,
            "the network is switched off (--offline)",
            Some(hint.to_owned()),
        ));
    }
    let mut address = Url::parse(url)
        .map_err(|problem| network::failed(url, format!("the address {problem}"), None))?;
    address.login = request.auth.as_ref().map(|auth| login_of(auth));
    let client =
        network::client(settings).map_err(|problem| network::from_problem(url, problem))?;
    let mut file =
        Scratch { path: scratch.join("archive"), file: None, length: 0, validator: None };
    let transfer = Transfer {
        client: &client,
        shown: url,
        report: &*network::report(&session.settings.events),
    };
    transfer
        .download(&address, &mut file)
        .map_err(|failure| network::from_failure(url, failure))?;
    drop(file.file.take());
    let top = scratch.join("tree");
    unpack(session, url, &file.path, &top, strip.unwrap_or(0))?;
    let tree = if strip.is_none() { only_directory(&top)?.unwrap_or(top) } else { top };
    let sha256 =
        session.hash(&tree).map_err(|error| network::failed(url, error.to_string(), None))?;
    Ok((Fetched { sha256, rev: None, last_modified: None, notices: Vec::new() }, tree))
}

fn unpack(
    session: &Session<'_>,
    url: &str,
    archive: &Path,
    top: &Path,
    strip: usize,
) -> Result<()> {
    let settings = session.settings;
    let failed = |problem: Problem| match problem {
        Problem::Interrupted => Error::Interrupted,
        problem => Error::Archive { archive: url.to_owned(), problem: Box::new(problem) },
    };
    platform::create_directory(top)?;
    let (file, node) = platform::open_node(archive)?;
    let options = Options { strip, limits: settings.unpack.clone(), ..Options::default() };
    let archive = Archive {
        source: &ArchiveFile(file),
        length: node.size,
        options: &options,
        threads: settings.jobs,
        interrupt: &settings.interrupt.0,
    };
    let open = || Ok(Place(Tree::new(Directory::open(top)?)));
    archive.unpack(&open).map_err(failed)
}

/// Returns the directory that is alone in another one.
fn only_directory(top: &Path) -> Result<Option<PathBuf>> {
    Ok(match platform::list_directory(top)?.as_slice() {
        [(name, FileKind::Directory)] => Some(top.join(name)),
        _ => None,
    })
}
