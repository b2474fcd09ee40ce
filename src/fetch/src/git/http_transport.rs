//! git over HTTP with the engine's client: the functions that `gix-transport` needs from a custom
//! client.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gix::protocol::transport::client::AuthenticationRequired;
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse,
};

use super::credential::Helpers;
use super::progress::Meter;
use crate::http::{Client, Response, status_text};
use crate::{Problem, Url};

/// How long to wait before the only retry of a request that changes nothing.
const PAUSE: Duration = Duration::from_millis(500);
/// Requests fit into memory; a server cannot make them grow.
const LARGEST_REQUEST: usize = 64 << 20;

/// Speaks to one server.
pub struct Web {
    client: Client,
    /// The repository, with its login.
    repository: Url,
    meter: Arc<Meter>,
    /// Who has a login, where the repository has none.
    helpers: Option<Helpers>,
    redirected: Option<String>,
}

impl Web {
    /// Makes it, for the repository at an address.
    pub fn new(client: Client, repository: Url, meter: Arc<Meter>, helpers: Helpers) -> Web {
        // No helper knows more about a login of the config.
        let helpers = Some(helpers).filter(|_| repository.login.is_none());
        Web { client, repository, meter, helpers, redirected: None }
    }

    /// Asks helpers for a login where the server wants one, and sends the request again.
    fn with_credential(
        &mut self,
        text: &str,
        headers: &[(String, String)],
        refused: Response,
    ) -> io::Result<Response> {
        let is_of_it = refused.status == 401 && refused.url.is_same_server(&self.repository);
        let Some(helpers) = self.helpers.take().filter(|_| is_of_it) else { return Ok(refused) };
        let Some(credential) = helpers.fill(&self.repository) else { return Ok(refused) };
        self.repository.login = Some(credential.login.clone());
        let again = self.client.get(&self.address(text)?, headers).map_err(as_io)?;
        match again.status {
            200..=299 => helpers.tell(&credential, true),
            401 => helpers.tell(&credential, false),
            _ => {}
        }
        Ok(again)
    }

    /// Returns an address, with the login if it belongs to this server.
    fn address(&self, text: &str) -> Result<Url, io::Error> {
        let mut url = Url::parse(text)
            .map_err(|problem| io::Error::other(format!("the address {problem}")))?;
        if url.is_same_server(&self.repository) {
            url.login.clone_from(&self.repository.login);
        }
        Ok(url)
    }

    fn body(&self, response: Response) -> (Cursor<Vec<u8>>, Body) {
        let headers: Vec<u8> = response
            .headers
            .iter()
            .flat_map(|(name, value)| {
                [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat()
            })
            .collect();
        let reader = BodyReader {
            inner: response.body.into_reader(),
            client: self.client.clone(),
            meter: Arc::clone(&self.meter),
        };
        (Cursor::new(headers), Body::Open(Box::new(BufReader::with_capacity(64 * 1024, reader))))
    }
}

/// Splits the headers as they come.
fn headers_from(headers: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<(String, String)> {
    let pairs = headers.into_iter().filter_map(|header| {
        let (name, value) = header.as_ref().split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    });
    // Servers may serve what they know of git only to clients that look like it.
    pairs.collect()
}

fn as_io(problem: Problem) -> io::Error {
    match problem {
        Problem::Interrupted => io::Error::other("interrupted"),
        Problem::Passing(reason) => io::Error::other(reason),
        Problem::Lasting { reason, hint } => io::Error::other(match hint {
            Some(hint) => format!("{reason} ({hint})"),
            None => reason,
        }),
    }
}

/// Returns the answer if it is a success.
fn check(response: Response) -> io::Result<Response> {
    match response.status {
        200..=299 => Ok(response),
        401 => {
            let challenges = response.headers.get_all("www-authenticate").iter();
            let www_authenticate = challenges.map(|value| value.as_bytes().into()).collect();
            Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                AuthenticationRequired { www_authenticate },
            ))
        }
        status => Err(io::Error::other(format!("the server answered {}", status_text(status)))),
    }
}

impl Http for Web {
    type Headers = Cursor<Vec<u8>>;
    type ResponseBody = Body;
    type PostBody = Upload;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let address = self.address(url).map_err(gix::Error::from_error)?;
        let headers = headers_from(headers);
        let mut answer = self.client.get(&address, &headers);
        if matches!(&answer, Err(Problem::Passing(_)))
            || matches!(&answer, Ok(response) if matches!(response.status, 429 | 500..=599))
        {
            std::thread::sleep(PAUSE);
            answer = self.client.get(&address, &headers);
        }
        let response = answer
            .map_err(as_io)
            .and_then(|response| self.with_credential(url, &headers, response))
            .and_then(check)
            .map_err(gix::Error::from_error)?;
        let end = response.url.without_login();
        if end != address.without_login() {
            // What comes after the repository stays, or it was no redirect of a repository.
            let tail = url.strip_prefix(base_url).unwrap_or_default();
            let base = end.strip_suffix(tail).ok_or_else(|| {
                gix::Error::from_error(io::Error::other(format!(
                    "it redirects to {end}, which is not a git repository"
                )))
            })?;
            self.redirected = Some(base.to_owned());
        }
        let (headers, body) = self.body(response);
        Ok(GetResponse { headers, body })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let address = self.address(url).map_err(gix::Error::from_error)?;
        let upload = Upload(Arc::default());
        let waiting = Waiting {
            web: Web {
                client: self.client.clone(),
                repository: self.repository.clone(),
                meter: Arc::clone(&self.meter),
                helpers: None,
                redirected: None,
            },
            address,
            headers: headers_from(headers),
            upload: upload.clone(),
        };
        // The type of the answer is known before the question: the body says when it is another.
        let service = url.rsplit('/').next().unwrap_or_default();
        let headers =
            Cursor::new(format!("content-type: application/x-{service}-result\n").into_bytes());
        Ok(PostResponse {
            post_body: upload,
            headers,
            body: Body::Waiting(Some(Box::new(waiting))),
        })
    }

    fn configure(&mut self, _config: &dyn std::any::Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.clone()
    }
}

/// Takes what is going to be sent.
#[derive(Clone)]
pub struct Upload(Arc<Mutex<Vec<u8>>>);

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.len() + bytes.len() > LARGEST_REQUEST {
            return Err(io::Error::other("the request is too large"));
        }
        buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A request whose body is still being written.
pub struct Waiting {
    web: Web,
    address: Url,
    headers: Vec<(String, String)>,
    upload: Upload,
}

impl Waiting {
    fn send(&self) -> io::Result<Body> {
        let content =
            std::mem::take(&mut *self.upload.0.lock().unwrap_or_else(PoisonError::into_inner));
        let response =
            self.web.client.post(&self.address, &self.headers, &content).map_err(as_io)?;
        let response = check(response)?;
        let wanted = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("accept"));
        if let (Some((_, wanted)), given) = (wanted, response.header("content-type"))
            && given != Some(wanted)
        {
            return Err(io::Error::other("the answer is not from a git server"));
        }
        Ok(self.web.body(response).1)
    }
}

/// The answer to a request, which is sent when it is first read.
pub enum Body {
    /// Nothing was sent yet; `None` after a failure.
    Waiting(Option<Box<Waiting>>),
    /// The answer is there.
    Open(Box<BufReader<BodyReader>>),
}

impl Body {
    fn open(&mut self) -> io::Result<&mut BufReader<BodyReader>> {
        if let Body::Waiting(waiting) = self {
            let waiting = waiting.take().ok_or_else(|| io::Error::other("the request failed"))?;
            *self = waiting.send()?;
        }
        match self {
            Body::Open(reader) => Ok(reader),
            Body::Waiting(_) => Err(io::Error::other("the request failed")),
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.open()?.read(buffer)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.open()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Body::Open(reader) = self {
            reader.consume(amount);
        }
    }
}

/// Counts, and tells problems in words.
pub struct BodyReader {
    inner: ureq::BodyReader<'static>,
    client: Client,
    meter: Arc<Meter>,
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read =
            self.inner.read(buffer).map_err(|error| as_io(self.client.read_problem(&error)))?;
        self.meter.add(read, Instant::now())?;
        Ok(read)
    }
}
