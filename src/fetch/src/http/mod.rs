//! The one HTTP client, of downloads and of git: redirects, logins, proxies, certificates,
//! time-outs.
//!
//! It makes single requests and knows neither hashes nor retries.

mod answer;
mod chunks;
mod netrc;
mod proxy;
mod tls;
mod transport;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use data_encoding::BASE64;
use ureq::http::{self, HeaderMap, Method};
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector, RustlsConnector, SocksConnector,
};
use ureq::{Agent, Body};

use crate::url::{Scheme, Url, escape_location, redact};
use crate::{Network, Problem, is_set};
use answer::Answers;
use proxy::{Route, route};
use transport::{Names, Sockets, Surroundings};

/// How many redirects are followed; browsers follow twice as many, curl fifty.
const MOST_REDIRECTS: usize = 10;
/// What a read asks the system for at most, in bytes.
const INPUT_SIZE: usize = 256 * 1024;
/// The largest `~/.netrc` that is read, in bytes.
const LARGEST_NETRC: u64 = 16 << 20;
const USER_AGENT: &str = concat!("syslua/", env!("CARGO_PKG_VERSION"));

/// The answer to a request; its body is still to be read.
pub struct Response {
    /// Where the answer came from in the end.
    pub url: Url,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

impl Response {
    /// Returns a header's value as text, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Makes requests; clones share their connections.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    network: Network,
    interrupt: Arc<AtomicBool>,
}

impl Client {
    /// Makes a client for these settings; `interrupt` is set from outside to stop.
    ///
    /// # Errors
    /// When the certificates that the settings name cannot be read.
    pub fn new(network: &Network, interrupt: &Arc<AtomicBool>) -> Result<Client, Problem> {
        let (network, interrupt) = (network.clone(), Arc::clone(interrupt));
        let surroundings =
            Surroundings { network: network.clone(), interrupt: Arc::clone(&interrupt) };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .max_response_header_size(answer::LARGEST)
            .user_agent(USER_AGENT)
            .input_buffer_size(INPUT_SIZE)
            .timeout_resolve(Some(network.connect_timeout))
            .timeout_connect(Some(network.connect_timeout))
            .timeout_recv_response(Some(network.response_timeout))
            .timeout_per_read(Some(network.stall_timeout))
            .timeout_per_write(Some(network.stall_timeout))
            .tls_config(tls::config(&network)?)
            .build();
        let connector =
            ().chain(SocksConnector::default())
                .chain(ConnectProxyConnector::default())
                .chain(Sockets(surroundings.clone()))
                .chain(RustlsConnector::default())
                .chain(Answers);
        let agent = Agent::with_parts(config, connector, Names(surroundings));
        Ok(Client { agent, network, interrupt })
    }

    /// Returns whether it was made for these settings.
    pub fn is_for(&self, network: &Network, interrupt: &Arc<AtomicBool>) -> bool {
        self.network == *network && Arc::ptr_eq(&self.interrupt, interrupt)
    }

    /// Returns the settings.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Returns the flag that stops it.
    pub fn interrupt(&self) -> &Arc<AtomicBool> {
        &self.interrupt
    }

    /// Asks for an address, following redirects.
    ///
    /// # Errors
    /// When no response arrives. A status other than success is a response too.
    pub fn get(&self, url: &Url, headers: &[(String, String)]) -> Result<Response, Problem> {
        let mut url = url.clone();
        let first = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(
                &Method::GET,
                &url,
                headers,
                &[],
                url.is_same_server(&first).then_some(&first),
            )?;
            // All of them but "not modified", as curl does.
            let leads_on = matches!(response.status, 300..=399) && response.status != 304;
            let location = response
                .headers
                .get("location")
                .filter(|location| leads_on && !location.is_empty());
            let Some(location) = location.map(|location| escape_location(location.as_bytes()))
            else {
                return Ok(response);
            };
            let next = url.join(&location).map_err(|problem| {
                Problem::lasting(format!(
                    "{url} redirects to an address that {problem}: {}",
                    redact(&location)
                ))
            })?;
            if url.scheme == Scheme::Https && next.scheme == Scheme::Http {
                return Err(Problem::Lasting {
                    reason: format!("it redirects from https to plain http: {next}"),
                    hint: Some(
                        "fetch the http:// address itself, if you mean it: \
                         the hash is checked anyway"
                            .into(),
                    ),
                });
            }
            url = next;
        }
        Err(Problem::lasting(format!("it redirects more than {MOST_REDIRECTS} times")))
    }

    /// Sends a body to an address; a redirect is an answer.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post(
        &self,
        url: &Url,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Response, Problem> {
        self.send(&Method::POST, url, headers, body, Some(url))
    }

    /// Returns the login for an address: its own, or that of `~/.netrc`.
    ///
    /// # Errors
    /// When there is such a file and it cannot be read.
    fn login(&self, url: &Url) -> Result<Option<(String, String)>, Problem> {
        if url.login.is_some() {
            return Ok(url.login.clone());
        }
        let Some(path) = &self.network.netrc else { return Ok(None) };
        match syslua_reading::read_to_string(path, LARGEST_NETRC) {
            Ok(text) => {
                let host = url.host.trim_start_matches('[').trim_end_matches(']');
                Ok(netrc::get_login(&text, host)
                    .filter(|(user, password)| !(user.is_empty() && password.is_empty())))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => {
                let reason = format!("cannot read {}: {}", path.display(), words(&error));
                let hint = syslua_reading::remedy(&error).map(str::to_owned);
                Err(Problem::Lasting { reason, hint })
            }
        }
    }

    /// `account` is the address whose login may be used: none after a redirect to another server,
    /// unless the address that it named has one.
    fn send(
        &self,
        method: &Method,
        url: &Url,
        headers: &[(String, String)],
        body: &[u8],
        account: Option<&Url>,
    ) -> Result<Response, Problem> {
        let has_own = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let login = match (&url.login, account) {
            (Some(login), _) => Some(login.clone()),
            (None, Some(account)) => self.login(account)?,
            (None, None) => None,
        };
        let mut request = http::Request::builder().method(method.clone()).uri(url.without_login());
        for (name, value) in headers {
            // The caller's own login is for the first server, like that of the address.
            if account.is_some() || !name.eq_ignore_ascii_case("authorization") {
                request = request.header(name, value);
            }
        }
        if let Some((user, password)) = login.filter(|_| !has_own) {
            let login = BASE64.encode(format!("{user}:{password}").as_bytes());
            request = request.header("Authorization", format!("Basic {login}"));
        }
        let tunnel = match route(&self.network, url).map_err(Problem::lasting)? {
            Route::Tunnel(proxy) => Some(proxy),
            Route::Direct | Route::Forward(_) => None,
        };
        let malformed =
            |error: http::Error| Problem::lasting(format!("the address is malformed: {error}"));
        let answer = if *method == Method::POST {
            let request = request.body(body).map_err(malformed)?;
            self.agent.run(self.agent.configure_request(request).proxy(tunnel).build())
        } else {
            let request = request.body(()).map_err(malformed)?;
            self.agent.run(self.agent.configure_request(request).proxy(tunnel).build())
        };
        let (parts, body) = answer.map_err(|error| self.problem(&error, url))?.into_parts();
        Ok(Response {
            url: url.clone(),
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }

    fn problem(&self, error: &ureq::Error, url: &Url) -> Problem {
        if is_set(&self.interrupt) {
            return Problem::Interrupted;
        }
        if let Some(problem) = tls::problem(error, url) {
            return problem;
        }
        match error {
            ureq::Error::HostNotFound => {
                Problem::lasting(format!("the host {} is unknown", self.place(url)))
            }
            ureq::Error::Timeout(timeout) => Problem::Passing(self.late(*timeout)),
            ureq::Error::ConnectProxyFailed(reason) => {
                Problem::lasting(format!("the proxy refused: {reason}"))
            }
            ureq::Error::Io(cause) => match cause.kind() {
                io::ErrorKind::ConnectionRefused => {
                    Problem::lasting(format!("{} refused the connection", self.place(url)))
                }
                io::ErrorKind::TimedOut => Problem::Passing(self.late(ureq::Timeout::Connect)),
                io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                    Problem::lasting(format!("{} cannot be reached from here", self.place(url)))
                }
                _ => Problem::Passing(dropped(cause)),
            },
            ureq::Error::Protocol(cause) => {
                Problem::Passing(format!("the server does not speak HTTP: {cause}"))
            }
            other => Problem::lasting(other.to_string()),
        }
    }

    /// Returns the host that a connection goes to: that of the proxy, if there is one.
    fn place(&self, url: &Url) -> String {
        match route(&self.network, url) {
            Ok(Route::Forward(proxy)) => format!("{} (the proxy)", proxy.authority()),
            Ok(Route::Tunnel(proxy)) => format!("{}:{} (the proxy)", proxy.host(), proxy.port()),
            _ => url.authority(),
        }
    }

    fn late(&self, timeout: ureq::Timeout) -> String {
        let seconds = |duration: Duration| duration.as_secs_f64();
        match timeout {
            ureq::Timeout::Resolve | ureq::Timeout::Connect => {
                format!("no connection within {} s", seconds(self.network.connect_timeout))
            }
            ureq::Timeout::PerRead | ureq::Timeout::PerWrite => {
                format!("no data came for {} s", seconds(self.network.stall_timeout))
            }
            _ => format!("no answer within {} s", seconds(self.network.response_timeout)),
        }
    }

    /// Returns what went wrong while a body was read.
    pub fn read_problem(&self, error: &io::Error) -> Problem {
        if is_set(&self.interrupt) {
            return Problem::Interrupted;
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
            Some(ureq::Error::Timeout(timeout)) => Problem::Passing(self.late(*timeout)),
            Some(ureq::Error::Io(cause)) => Problem::Passing(dropped(cause)),
            _ if error.kind() == io::ErrorKind::TimedOut => {
                Problem::Passing(self.late(ureq::Timeout::PerRead))
            }
            _ => Problem::Passing(dropped(error)),
        }
    }
}

/// Returns the system's words without "(os error 2)".
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn dropped(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => "the connection was dropped".to_owned(),
        _ => format!("the connection failed: {cause}"),
    }
}

/// Returns a status as words: `404 Not Found`.
pub fn status_text(status: u16) -> String {
    let words =
        http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    words.map_or_else(|| status.to_string(), |words| format!("{status} {words}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::atomic::Ordering;
    use std::thread;
    use std::time::Instant;

    use super::*;
    /// Sets the flag a little later.
    fn stop_soon(interrupt: &Arc<AtomicBool>) -> Instant {
        let flag = Arc::clone(interrupt);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            flag.store(true, Ordering::SeqCst);
        });
        Instant::now()
    }

    #[test]
    fn a_server_that_does_not_answer_is_left_when_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let interrupt = Arc::default();
        let client = Client::new(&Network::default(), &interrupt).unwrap();
        let begin = stop_soon(&interrupt);
        assert!(matches!(client.get(&url, &[]), Err(Problem::Interrupted)));
        assert!(begin.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_body_that_stalls_is_left_when_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").unwrap();
            stream
        });
        let interrupt = Arc::default();
        let client = Client::new(&Network::default(), &interrupt).unwrap();
        let response = client.get(&url, &[]).unwrap();
        let _open = server.join().unwrap();
        let begin = stop_soon(&interrupt);
        let error = response.body.into_reader().read_to_end(&mut Vec::new()).unwrap_err();
        assert!(matches!(client.read_problem(&error), Problem::Interrupted));
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
}
