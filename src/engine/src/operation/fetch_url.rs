//! Downloads, kept by hash and shared between derivations.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Error, Result, Workspace};
use crate::hash::{self, Hash, Hasher, READ_SIZE, Sink};
use crate::platform;
use crate::settings::Event;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Returns the path of the file that the URL names, downloading it unless it is there already.
pub fn fetch(workspace: &Workspace, url: &str, sha256: Hash) -> Result<PathBuf> {
    let place = workspace.downloads.join(sha256.to_hex());
    // What lies there is believed only after another look at its bytes.
    if !hash::of_file(&place).is_ok_and(|(found, _)| found == sha256) {
        download(workspace, url, sha256, &place)?;
    }
    workspace.fetched.lock().unwrap_or_else(PoisonError::into_inner).push(place.clone());
    Ok(place)
}

fn download(workspace: &Workspace, url: &str, sha256: Hash, place: &Path) -> Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let temporary = workspace.downloads.join(format!(".{}-{number}.part", std::process::id()));
    let (body, total) = open(workspace, url)?;
    let received = receive(workspace, url, body, total, &temporary).and_then(|received| {
        if received == sha256 {
            Ok(platform::rename(&temporary, place)?)
        } else {
            Err(Error::WrongHash { url: url.to_owned(), declared: sha256, received })
        }
    });
    received.inspect_err(|_| drop(std::fs::remove_file(&temporary)))
}

fn failed(url: &str, reason: impl Into<String>) -> Error {
    Error::Fetch { url: url.to_owned(), reason: reason.into() }
}

/// Opens what a URL names; gives its bytes and their number, where that is known.
fn open(workspace: &Workspace, url: &str) -> Result<(Box<dyn Read>, Option<u64>)> {
    if let Some(path) = url.strip_prefix("file://") {
        if !path.starts_with('/') {
            return Err(failed(url, "a file URL names an absolute path: file:///path"));
        }
        let file = std::fs::File::open(path).map_err(platform::failed("read", Path::new(path)))?;
        let total = file.metadata().ok().map(|metadata| metadata.len());
        return Ok((Box::new(file), total));
    }
    if !url.starts_with("http://") {
        return Err(failed(url, "only http:// and file:// can be fetched"));
    }
    if workspace.settings.offline {
        return Err(failed(url, "the network is switched off (--offline)"));
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(RESPONSE_TIMEOUT))
        .user_agent(concat!("syslua/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let response = agent.get(url).call().map_err(|error| failed(url, error.to_string()))?;
    let body = response.into_body();
    let total = body.content_length();
    Ok((Box::new(body.into_reader()), total))
}

fn receive(
    workspace: &Workspace,
    url: &str,
    mut body: impl Read,
    total: Option<u64>,
    temporary: &Path,
) -> Result<Hash> {
    let mut file = platform::create_file(temporary)?;
    let mut buffer = vec![0; READ_SIZE];
    let mut hasher = Hasher::default();
    let mut bytes = 0;
    let mut reported = Instant::now();
    loop {
        if workspace.settings.interrupt.is_set() {
            return Err(Error::Interrupted);
        }
        let read = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(url, error.to_string())),
        };
        hasher.put(&buffer[..read]);
        file.write_all(&buffer[..read]).map_err(platform::failed("write", temporary))?;
        bytes += read as u64;
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            (workspace.events)(Event::Download { url: url.to_owned(), bytes, total });
        }
    }
    if total.is_some_and(|total| total != bytes) {
        return Err(failed(url, format!("the connection ended after {bytes} bytes")));
    }
    (workspace.events)(Event::Download { url: url.to_owned(), bytes, total: Some(bytes) });
    Ok(hasher.finish())
}
