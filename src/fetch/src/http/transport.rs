//! Sockets that stop when told: connecting, looking up names and reading look at the interrupt flag
//! in between. Plain HTTP through a proxy is made here too. Knows no HTTP beyond a request's first
//! line.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, time,
};
use ureq::{Error, Timeout};

use super::proxy::{Route, route};
use crate::{Network, Url, is_set};

/// How long to wait for anything before looking at the flag again.
const SLICE: Duration = Duration::from_millis(100);
/// How many addresses of one name are tried.
const MOST_ADDRESSES: usize = 8;

/// What sockets need to know of the settings.
#[derive(Clone)]
pub struct Surroundings {
    /// Proxies and time-outs.
    pub network: Network,
    /// Asks to stop.
    pub interrupt: Arc<AtomicBool>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Surroundings")
    }
}

impl Surroundings {
    /// The proxy that a request to this address is handed to as plain HTTP.
    fn forward(&self, uri: &Uri) -> Option<Url> {
        let url = Url::parse(&uri.to_string()).ok()?;
        match route(&self.network, &url) {
            // The way to the proxy itself, when a tunnel is made through it, is direct.
            Ok(Route::Forward(proxy)) if !proxy.is_same_server(&url) => Some(proxy),
            _ => None,
        }
    }

    /// Runs blocking code on a separate thread, and waits for it or for the time to be over. The
    /// thread then ends, and its result is ignored.
    fn wait<T: Send + 'static>(
        &self,
        timeout: NextTimeout,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = channel();
        thread::spawn(move || drop(sender.send(work())));
        let begin = Instant::now();
        loop {
            match receiver.recv_timeout(SLICE) {
                Ok(result) => return Ok(result?),
                Err(RecvTimeoutError::Disconnected) => return Err(Error::ConnectionFailed),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if is_set(&self.interrupt) {
                return Err(stopped());
            }
            if begin.elapsed() >= *timeout.after {
                return Err(Error::Timeout(timeout.reason));
            }
        }
    }
}

fn stopped() -> Error {
    Error::Io(std::io::Error::other("interrupted"))
}

/// Looks up names; of the proxy, where a request is handed to one.
#[derive(Debug)]
pub struct Names(pub Surroundings);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let url = match self.0.forward(uri) {
            Some(proxy) => proxy,
            // Of a proxy, the scheme may be another than that of addresses: only host and port
            // matter.
            None => {
                let authority = uri.authority().ok_or(Error::HostNotFound)?;
                let scheme = if uri.scheme_str() == Some("https") { "https" } else { "http" };
                Url::parse(&format!("{scheme}://{authority}/")).map_err(Error::BadUri)?
            }
        };
        let host = url.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match (uri.scheme_str(), url.port) {
            (Some(scheme), None) if scheme.starts_with("socks") => 1080,
            _ => url.effective_port(),
        };
        let look_up = move || {
            Ok((host.as_str(), port).to_socket_addrs()?.take(MOST_ADDRESSES).collect::<Vec<_>>())
        };
        let found = self.0.wait(timeout, look_up).map_err(|error| match error {
            // What the system says here differs, and says no more.
            Error::Io(cause)
                if !is_set(&self.0.interrupt) && cause.kind() != std::io::ErrorKind::TimedOut =>
            {
                Error::HostNotFound
            }
            other => other,
        })?;
        let mut addresses = self.empty();
        found.into_iter().for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// Opens connections, unless a proxy's connector did already.
#[derive(Debug)]
pub struct Sockets(pub Surroundings);

impl<In: Transport> Connector<In> for Sockets {
    type Out = Patient<Either<In, Socket>>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let (inner, forward) = match chained {
            Some(transport) => (Either::A(transport), None),
            None => {
                let stream = self.open(details.addrs.iter().copied().collect(), details.timeout)?;
                stream.set_nodelay(true)?;
                let config = details.config;
                let buffers =
                    LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
                let forward = self.0.forward(details.uri).map(|proxy| {
                    let target = format!(
                        "http://{}",
                        details.uri.authority().map_or("", |authority| authority.as_str())
                    );
                    Forward { target, login: proxy.login }
                });
                (Either::B(Socket { stream, buffers, timeout: None }), forward)
            }
        };
        Ok(Some(Patient {
            inner,
            interrupt: Arc::clone(&self.0.interrupt),
            forward,
            is_begun: false,
        }))
    }
}

impl Sockets {
    fn open(&self, addresses: Vec<SocketAddr>, timeout: NextTimeout) -> Result<TcpStream, Error> {
        let limit = (!timeout.after.is_not_happening()).then(|| *timeout.after);
        self.0.wait(timeout, move || {
            let mut failure = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
            let share = u32::try_from(addresses.len()).unwrap_or(1).max(1);
            for address in addresses {
                let opened = match limit {
                    Some(limit) => TcpStream::connect_timeout(&address, limit / share),
                    None => TcpStream::connect(address),
                };
                match opened {
                    Ok(stream) => return Ok(stream),
                    Err(error) => failure = error,
                }
            }
            Err(failure)
        })
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// What the system knows of it, to tell it only changes.
    timeout: Option<Duration>,
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        self.stream.set_write_timeout(timeout.not_zero().map(|limit| *limit))?;
        let output = &self.buffers.output()[..amount];
        match self.stream.write_all(output) {
            Err(error) if is_late(&error) => Err(Error::Timeout(timeout.reason)),
            result => Ok(result?),
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let limit = timeout.not_zero().map(|limit| *limit);
        if limit != self.timeout {
            self.stream.set_read_timeout(limit)?;
            self.timeout = limit;
        }
        match self.stream.read(self.buffers.input_append_buf()) {
            Ok(amount) => {
                self.buffers.input_appended(amount);
                Ok(amount > 0)
            }
            Err(error) if is_late(&error) || error.kind() == ErrorKind::Interrupted => {
                Err(Error::Timeout(timeout.reason))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn is_open(&mut self) -> bool {
        // Unrequested bytes are as bad as an end.
        let is_quiet = self.stream.set_nonblocking(true).is_ok()
            && matches!(
                self.stream.peek(&mut [0]),
                Err(error) if error.kind() == ErrorKind::WouldBlock
            );
        is_quiet && self.stream.set_nonblocking(false).is_ok()
    }
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// What a request to a proxy says besides.
#[derive(Debug)]
struct Forward {
    /// Scheme and host, to precede the path.
    target: String,
    login: Option<(String, String)>,
}

/// A connection that looks at the flag while it waits for bytes.
#[derive(Debug)]
pub struct Patient<T> {
    inner: T,
    interrupt: Arc<AtomicBool>,
    forward: Option<Forward>,
    is_begun: bool,
}

impl<T: Transport> Patient<T> {
    /// Puts the whole address into the first line of a request that is about to be sent; returns
    /// its new length.
    fn rewrite(&mut self, amount: usize) -> Result<usize, Error> {
        let Some(forward) = self.forward.as_ref().filter(|_| !self.is_begun) else {
            return Ok(amount);
        };
        self.is_begun = true;
        let output = self.inner.buffers().output();
        let request = output[..amount].to_vec();
        let path = memchr::memchr(b' ', &request).map(|at| at + 1);
        let line_end = memchr::memmem::find(&request, b"\r\n").map(|at| at + 2);
        let (Some(path), Some(line_end)) = (path, line_end) else {
            return Err(Error::ConnectionFailed);
        };
        let mut changed = request[..path].to_vec();
        changed.extend_from_slice(forward.target.as_bytes());
        changed.extend_from_slice(&request[path..line_end]);
        if let Some((user, password)) = &forward.login {
            let login = BASE64.encode(format!("{user}:{password}").as_bytes());
            changed.extend_from_slice(format!("Proxy-Authorization: Basic {login}\r\n").as_bytes());
        }
        changed.extend_from_slice(&request[line_end..]);
        let room = output
            .get_mut(..changed.len())
            .ok_or(Error::LargeResponseHeader(changed.len(), amount))?;
        room.copy_from_slice(&changed);
        Ok(changed.len())
    }
}

impl<T: Transport> Transport for Patient<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let amount = self.rewrite(amount)?;
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let whole = timeout.for_read();
        let begin = Instant::now();
        loop {
            if is_set(&self.interrupt) {
                return Err(stopped());
            }
            let left = whole.after.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Err(Error::Timeout(whole.reason));
            }
            let slice = NextTimeout {
                after: time::Duration::Exact(left.min(SLICE)),
                reason: Timeout::PerRead,
                per_read: None,
                per_write: None,
            };
            match self.inner.await_input(slice) {
                Err(Error::Timeout(_)) => {}
                other => return other,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Only the first request of a connection is rewritten.
        self.forward.is_none() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
