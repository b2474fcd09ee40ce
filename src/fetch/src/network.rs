//! How the network is used.

use std::path::PathBuf;
use std::time::Duration;

/// How downloads reach their servers, and when they give up. Everything that programs usually take
/// from the environment is read by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The proxy for `http://`, as a URL or `HOST:PORT`.
    pub http_proxy: Option<String>,
    /// The proxy for `https://`.
    pub https_proxy: Option<String>,
    /// Hosts that are reached without a proxy, with commas between them.
    pub no_proxy: String,
    /// The file of logins by host.
    pub netrc: Option<PathBuf>,
    /// Trusted certificates in PEM, instead of the system's.
    pub certificate_file: Option<PathBuf>,
    /// A directory of such files, instead of or besides the file.
    pub certificate_directory: Option<PathBuf>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long an answer may take to begin.
    pub response_timeout: Duration,
    /// How long a transfer may bring next to nothing.
    pub stall_timeout: Duration,
    /// How often a download that brought nothing new is tried again.
    pub retries: u32,
    /// How long to wait before the first retry; before each further one three times as long.
    pub retry_delay: Duration,
    /// The largest download, in bytes.
    pub download_limit: u64,
}

impl Default for Network {
    fn default() -> Network {
        Network {
            http_proxy: None,
            https_proxy: None,
            no_proxy: String::new(),
            netrc: None,
            certificate_file: None,
            certificate_directory: None,
            connect_timeout: Duration::from_secs(30),
            response_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(30),
            retries: 3,
            retry_delay: Duration::from_millis(300),
            download_limit: 64 << 30,
        }
    }
}
