//! The releases of one version: for each platform its address, and what it hashes to.

use std::collections::BTreeMap;

use sha2::{Digest, Sha512};
use syslua_fetch::Url;
use syslua_tools::platform::PLATFORMS;
use syslua_tools::resolve::{
    ChecksumFile, Minisign, Program, Release, Unavailable, resolve, semver_of,
};
use syslua_tools::{Package, Platform, mirrored};
use syslua_tools::{checksums, signature};

use super::{Session, ToolRequest, interrupted, vars_of};
use crate::failure::{Failure, FailureKind, chain};
use crate::hash::Hash;
use crate::lock::{LockedFile, LockedRelease, LockedTool};
use crate::operation::cache::Cache;
use crate::operation::pinned::fetch_key;
use crate::operation::{self, network};
use crate::platform;

/// How long a file of checksums may be, in bytes.
const LONGEST: usize = 8 * 1024 * 1024;

/// How servers say that they do not have a file; stores of objects say so with 403.
const MISSING: [u16; 3] = [403, 404, 410];

/// Formats that are unpacked here.
const FORMATS: [&str; 11] =
    ["raw", "tar", "tar.gz", "tar.xz", "tar.bz2", "tar.zst", "zip", "gz", "xz", "bz2", "zst"];

/// What is known of the releases of one version.
pub struct Releases<'a> {
    session: &'a Session<'a>,
    package: &'a Package,
    tool: &'a ToolRequest,
    tag: &'a str,
    /// Whether no other version can replace it.
    is_exact: bool,
    /// Fetched checksum files by address; `None` if one does not exist.
    files: BTreeMap<String, Option<String>>,
    /// What is worth a word.
    pub notices: Vec<String>,
}

/// A hash, and where it is from.
struct FoundHash {
    sha256: Hash,
    checksum: Option<String>,
}

impl<'a> Releases<'a> {
    pub fn new(
        session: &'a Session<'a>,
        package: &'a Package,
        tool: &'a ToolRequest,
        tag: &'a str,
        is_exact: bool,
    ) -> Releases<'a> {
        let (files, notices) = (BTreeMap::new(), Vec::new());
        Releases { session, package, tool, tag, is_exact, files, notices }
    }

    /// Adds the platforms to an entry that are wanted, and those whose hashes cost nothing more.
    ///
    /// # Errors
    /// When a wanted platform has no release, or its hash cannot be had.
    pub fn complete(&mut self, entry: &mut LockedTool) -> Result<(), Failure> {
        let wanted = self.session.wanted;
        let platforms = self.tool.platforms.as_ref().unwrap_or(&wanted.platforms);
        for platform in PLATFORMS {
            let is_wanted = platforms.contains(&platform);
            let name = platform.to_string();
            let resolved = resolve(self.package, self.tag, platform, &vars_of(self.tool));
            let release = match resolved {
                Ok(release) if FORMATS.contains(&release.format.as_str()) => release,
                Ok(release) if is_wanted => return Err(self.no_format(&release)),
                // Only a platform may be left out; no release at all is another matter.
                Err(Unavailable::Platform { .. }) if !wanted.is_strict => {
                    if is_wanted && !entry.platforms.contains_key(&name) {
                        self.notices.push(format!(
                            "{}: {} is not released for {name}, which the lock had: it goes",
                            self.tool.key, self.tag
                        ));
                    }
                    continue;
                }
                Err(unavailable) if is_wanted => return Err(self.unavailable(&unavailable)),
                _ => continue,
            };
            let is_locked = entry.platforms.contains_key(&name);
            if let Some(locked) = entry.platforms.get(&name) {
                // A locked version is what it is: a registry that moved on must not change it.
                if is_wanted && locked.url != release.url {
                    return Err(self.other_address(&locked.url, &release.url, &name));
                }
                if !is_wanted || !self.tool.again {
                    continue;
                }
            }
            let hash = match self.hash(&release, is_wanted) {
                // What nothing asks for here can wait until something does.
                Err(failure) if !is_wanted && failure.kind != FailureKind::Interrupted => continue,
                hash => hash?,
            };
            if let Some(known) = hash {
                // Files of checksums are often there before the rest.
                if is_wanted && !is_locked && known.checksum.is_some() && !self.has(&release.url) {
                    return Err(self.not_there(&release));
                }
                if is_wanted && release.is_emulated {
                    self.notices.push(format!(
                        "{}: {name} runs the program for x86_64, which the system emulates",
                        self.tool.key
                    ));
                }
                if is_wanted {
                    self.note_unverified(&release);
                }
                entry.platforms.insert(name, locked(release, known));
            }
        }
        Ok(())
    }

    fn other_address(&self, locked: &str, new: &str, platform: &str) -> Failure {
        let message = format!(
            "the registry has another address for {} {} on {platform}\n  locked    {locked}\n  \
             registry  {new}",
            self.tool.key, self.tag
        );
        Failure::new(FailureKind::Tools, message).with_hint(
            "the lock stays as it is; if the release moved, remove the entry from `syslua.lock` \
             and apply",
        )
    }

    fn unavailable(&self, reason: &Unavailable) -> Failure {
        let message = reason.to_string();
        match reason {
            Unavailable::NoAsset { .. } | Unavailable::Message { .. } if !self.is_exact => {
                Failure::new(FailureKind::NoRelease, message)
            }
            Unavailable::Platform { supported, .. } => {
                let names: Vec<String> = supported.iter().map(Platform::to_string).collect();
                let hint = if names.is_empty() {
                    "it is released for none of the platforms that sys.lua knows".to_owned()
                } else {
                    format!("it is released for {}", names.join(", "))
                };
                Failure::new(FailureKind::Tools, message).with_hint(hint)
            }
            Unavailable::NeedsCompiler { kind, .. } => {
                let what = if kind == "cargo" { "cargo" } else { "go" };
                Failure::new(FailureKind::Tools, message).with_hint(format!(
                    "build it with `derive`, or install it with {what}: tools are programs that \
                     are released"
                ))
            }
            _ => Failure::new(FailureKind::Tools, message),
        }
    }

    fn no_format(&self, release: &Release) -> Failure {
        let message = format!(
            "{} is released as `{}`, which is not unpacked here: {}",
            self.package.name, release.format, release.url
        );
        Failure::new(FailureKind::Tools, message).with_hint("install it another way")
    }

    /// Returns the hash of a release: from its file of checksums, else, when it is wanted, from a
    /// download.
    fn hash(&mut self, release: &Release, is_wanted: bool) -> Result<Option<FoundHash>, Failure> {
        if let Some(file) = &release.checksum
            && file.algorithm == "sha256"
            && let Some(text) = self.checksum_file(file)?
        {
            let found = checksums::get_checksum(&text, &release.asset, 64, file.pattern.as_ref());
            if let Some(sha256) = found.and_then(|hex| Hash::parse(&hex).ok()) {
                if is_wanted && let Some(minisign) = &release.minisign {
                    match self.download(&release.url)? {
                        Some(sha256) => self.verify(minisign, &release.url, sha256)?,
                        None => return Err(self.not_there(release)),
                    }
                }
                return Ok(Some(FoundHash { sha256, checksum: Some(file.url.clone()) }));
            }
        }
        if !is_wanted {
            return Ok(None);
        }
        let sha256 = match self.download(&release.url)? {
            Some(sha256) => sha256,
            None => return Err(self.not_there(release)),
        };
        if let Some(minisign) = &release.minisign {
            self.verify(minisign, &release.url, sha256)?;
        }
        if let Some(file) = release.checksum.as_ref().filter(|file| file.algorithm == "sha512")
            && let Some(text) = self.checksum_file(file)?
            && let Some(expected) =
                checksums::get_checksum(&text, &release.asset, 128, file.pattern.as_ref())
        {
            let bytes = self.content(sha256)?;
            let received = data_encoding::HEXLOWER.encode(&Sha512::digest(&bytes));
            if received != expected {
                return Err(Failure::new(
                    FailureKind::Tools,
                    format!(
                        "{} is not what {} says\n  stated sha512   {expected}\n  received sha512 \
                         {received}",
                        release.url, file.url
                    ),
                )
                .with_hint("do not use it before you know why they differ"));
            }
            return Ok(Some(FoundHash { sha256, checksum: Some(file.url.clone()) }));
        }
        Ok(Some(FoundHash { sha256, checksum: None }))
    }

    fn not_there(&self, release: &Release) -> Failure {
        let kind = if self.is_exact { FailureKind::Tools } else { FailureKind::NoRelease };
        let message = format!(
            "version {} of {} has no file {} (yet): {}",
            semver_of(self.package, self.tag),
            self.package.name,
            release.asset,
            release.url
        );
        Failure::new(kind, message).with_hint(
            "the release may not be complete, or the registry be out of date: `sys update tools` \
             moves it",
        )
    }

    /// Returns the text of a checksum file, or `None` if it does not exist.
    fn checksum_file(&mut self, file: &ChecksumFile) -> Result<Option<String>, Failure> {
        if let Some(known) = self.files.get(&file.url) {
            return Ok(known.clone());
        }
        let text = match self.download(&file.url)? {
            Some(sha256) => {
                if let Some(minisign) = &file.minisign {
                    self.verify(minisign, &file.url, sha256)?;
                }
                let bytes = self.content(sha256)?;
                (bytes.len() <= LONGEST).then(|| String::from_utf8_lossy(&bytes).into_owned())
            }
            None => None,
        };
        self.files.insert(file.url.clone(), text.clone());
        Ok(text)
    }

    /// Verifies that the key of the registry signed a download.
    fn verify(&self, minisign: &Minisign, url: &str, sha256: Hash) -> Result<(), Failure> {
        let refuse = |why: &str| {
            let message =
                format!("the signature of {url} does not hold: {why}\n  {}", minisign.url);
            Failure::new(FailureKind::Tools, message).with_hint("do not use it before you know why")
        };
        let Some(signature) = self.download(&minisign.url)? else {
            return Err(refuse("the release has no such file"));
        };
        let signature = self.content(signature)?;
        let signature = String::from_utf8_lossy(&signature);
        let bytes = self.content(sha256)?;
        signature::verify(&minisign.public_key, &signature, &bytes).map_err(|why| refuse(&why))
    }

    /// Says which signatures are there that nothing here can verify.
    fn note_unverified(&mut self, release: &Release) {
        let of_file = release.checksum.iter().flat_map(|file| &file.signatures);
        let mut names: Vec<&str> = release.signatures.iter().chain(of_file).copied().collect();
        names.retain(|name| *name != "minisign");
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            self.notices.push(format!(
                "{}: its signature is not verified ({}); the lock has its hash",
                self.tool.key,
                names.join(", ")
            ));
        }
    }

    fn content(&self, sha256: Hash) -> Result<Vec<u8>, Failure> {
        let place = self.session.store.downloads().join(sha256.to_hex());
        platform::read_file(&place).map_err(|error| Failure::new(FailureKind::Io, chain(&error)))
    }

    /// Returns whether the server has a file. An unclear answer counts as yes.
    fn has(&self, url: &str) -> bool {
        let Session { settings, wanted, .. } = self.session;
        let url = mirrored(url, wanted.github.as_deref());
        if settings.offline || !url.starts_with("http") {
            return true;
        }
        let (Ok(url), Ok(client)) = (Url::parse(&url), network::client(settings)) else {
            return true;
        };
        // Not every server knows HEAD for what it redirects; the body is not read.
        let first = [("Range".to_owned(), "bytes=0-0".to_owned())];
        !client.get(&url, &first).is_ok_and(|answer| MISSING.contains(&answer.status))
    }

    /// Downloads a file into the cache, or returns `None` if the server does not have it.
    fn download(&self, url: &str) -> Result<Option<Hash>, Failure> {
        let Session { settings, store, wanted, .. } = self.session;
        let downloads = store.downloads();
        let cache = Cache { settings, downloads: &downloads };
        let url = mirrored(url, wanted.github.as_deref());
        let is_missing = |reason: &str| {
            ["no such file", "No such file"].iter().any(|sign| reason.contains(sign))
                || MISSING.iter().any(|status| reason.contains(&format!("answered {status}")))
        };
        match fetch_key(cache, &url, None) {
            Ok(pin) => Ok(Some(pin.sha256)),
            Err(operation::Error::Interrupted) => Err(interrupted()),
            Err(operation::Error::Fetch { reason, .. }) if is_missing(&reason) => Ok(None),
            Err(operation::Error::File(error)) if error.is_not_found() => Ok(None),
            Err(error) => Err(Failure::of(FailureKind::Tools, &error)),
        }
    }
}

fn locked(release: Release, known: FoundHash) -> LockedRelease {
    let file = |program: Program| {
        let path = program.path.unwrap_or_default();
        let file = match program.link {
            Some(link) => LockedFile::Linked { path, link, hard: program.is_hard },
            None => LockedFile::Path(path),
        };
        (program.name, file)
    };
    LockedRelease {
        url: release.url,
        format: release.format,
        sha256: known.sha256,
        checksum: known.checksum,
        files: release.files.into_iter().map(file).collect(),
        others: BTreeMap::new(),
    }
}
