//! Web addresses: parsed once, printed without secrets. Knows no network.

use std::fmt;
use std::path::PathBuf;

/// How an address is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// An absolute `http` or `https` address (RFC 3986), without its fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// User and password, percent-decoded.
    pub login: Option<(String, String)>,
    /// In lower case; one of IPv6 is in brackets.
    pub host: String,
    /// The port when it is written.
    pub port: Option<u16>,
    /// Path and query, beginning with `/`.
    pub target: String,
}

impl Url {
    /// Parses an address.
    ///
    /// # Errors
    /// With what is wrong with it, to come after "it".
    pub fn parse(text: &str) -> Result<Url, String> {
        check_characters(text)?;
        let (scheme, rest) = text.split_once("://").ok_or("has no scheme, such as https://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(format!("has the scheme {other}://, which cannot be fetched")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (login, address) = match authority.rsplit_once('@') {
            Some((login, address)) => (Some(parse_login(login)), address),
            None => (None, authority),
        };
        let (host, port) = parse_address(address)?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Url { scheme, login, host, port, target: encode(&remove_dots(&target)) })
    }

    /// Returns the address that a `Location` header names, seen from this one (RFC 3986, section
    /// 5.2).
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn join(&self, location: &str) -> Result<Url, String> {
        let location = location.trim();
        // One slash and three are as good as two behind these schemes, as browsers and curl read.
        let (scheme, rest) = location.split_once(':').unwrap_or_default();
        if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
            && rest.starts_with('/')
        {
            return Url::parse(&format!("{scheme}://{}", rest.trim_start_matches('/')));
        }
        let scheme_end = location.find("://");
        if scheme_end.is_some_and(|end| !location[..end].contains(['/', '?', '#'])) {
            return Url::parse(location);
        }
        let scheme = self.scheme_name();
        if let Some(rest) = location.strip_prefix("//") {
            return Url::parse(&format!("{scheme}://{rest}"));
        }
        check_characters(location)?;
        let location = location.split('#').next().unwrap_or_default();
        let path = self.target.split('?').next().unwrap_or_default();
        let target = if location.is_empty() {
            self.target.clone()
        } else if location.starts_with('/') {
            location.to_owned()
        } else if location.starts_with('?') {
            format!("{path}{location}")
        } else {
            let directory = &path[..=path.rfind('/').unwrap_or(0)];
            format!("{directory}{location}")
        };
        Ok(Url { login: None, target: encode(&remove_dots(&target)), ..self.clone() })
    }

    /// Returns the scheme as it is written.
    pub fn scheme_name(&self) -> &'static str {
        match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// Returns host and port as they are written.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// Returns the port, that of the scheme when none is written.
    pub fn effective_port(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }

    /// Returns the address without user and password.
    pub fn without_login(&self) -> String {
        format!("{}://{}{}", self.scheme_name(), self.authority(), self.target)
    }

    /// Returns whether both lead to one server: credentials for one may go to the other.
    pub fn is_same_server(&self, other: &Url) -> bool {
        self.scheme == other.scheme
            && self.host == other.host
            && self.effective_port() == other.effective_port()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.login.is_some() { "***@" } else { "" };
        write!(formatter, "{}://{login}{}{}", self.scheme_name(), self.authority(), self.target)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Url({self})")
    }
}

/// Returns a `Location` header as an address that can be parsed: servers send blanks, backslashes
/// and letters that are not ASCII as they are, which curl, too, escapes behind the host; a blank in
/// the query is a plus there.
pub fn escape_location(header: &[u8]) -> String {
    let header = header.trim_ascii();
    let authority = match header.windows(2).position(|pair| pair == b"//") {
        Some(at)
            if header[..at]
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.:".contains(byte)) =>
        {
            at + 2
        }
        _ => 0,
    };
    let path = match authority {
        0 => 0,
        begin => header[begin..]
            .iter()
            .position(|byte| b"/?#".contains(byte))
            .map_or(header.len(), |at| begin + at),
    };
    let mut escaped = String::from_utf8_lossy(&header[..path]).into_owned();
    let mut is_query = false;
    for byte in &header[path..] {
        is_query = is_query || *byte == b'?';
        match byte {
            b' ' if is_query => escaped.push('+'),
            b' ' | b'\\' | 0x80.. => escaped.push_str(&format!("%{byte:02X}")),
            _ => escaped.push(char::from(*byte)),
        }
    }
    escaped
}

/// Returns a text that may be an address, well-formed or not, without user and password, and on one
/// line.
pub fn redact(text: &str) -> String {
    let text: String =
        text.chars().flat_map(|character| shown(character).collect::<Vec<_>>()).collect();
    // A redirect may leave the scheme out.
    let begin = text.find("://").map(|at| at + 3).or_else(|| text.starts_with("//").then_some(2));
    let Some(begin) = begin else { return text };
    let end = text[begin..].find(['/', '?', '#']).map_or(text.len(), |at| begin + at);
    match text[begin..end].rfind('@') {
        // The user of an ssh address is not secret; that of a web address may be a token.
        Some(at) if text.starts_with("ssh://") => match text[begin..begin + at].find(':') {
            Some(colon) => format!("{}***{}", &text[..=begin + colon], &text[begin + at..]),
            None => text,
        },
        Some(at) => format!("{}***{}", &text[..begin], &text[begin + at..]),
        None => text,
    }
}

fn shown(character: char) -> Box<dyn Iterator<Item = char>> {
    if character.is_control() {
        Box::new(character.escape_default())
    } else {
        Box::new(std::iter::once(character))
    }
}

fn check_characters(text: &str) -> Result<(), String> {
    for character in text.chars() {
        match character {
            '\n' | '\r' => return Err("has a newline in it".to_owned()),
            ' ' => return Err("has a space in it: write %20".to_owned()),
            '\\' => return Err("has a backslash in it".to_owned()),
            other if other.is_control() => return Err("has a control character in it".to_owned()),
            _ => {}
        }
    }
    Ok(())
}

fn parse_login(login: &str) -> (String, String) {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let text = |part: &str| String::from_utf8_lossy(&decode(part)).into_owned();
    (text(user), text(password))
}

fn parse_address(address: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = if address.starts_with('[') {
        let end = address.find(']').ok_or("has a host without its closing bracket")?;
        let (host, rest) = address.split_at(end + 1);
        let inner = &host[1..end];
        if inner.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(format!("has the host {host}, which is not an IPv6 address"));
        }
        (
            host,
            rest.strip_prefix(':')
                .or(if rest.is_empty() { Some("") } else { None })
                .ok_or("has a malformed host")?,
        )
    } else {
        address.split_once(':').unwrap_or((address, ""))
    };
    if host.is_empty() {
        return Err("names no host".to_owned());
    }
    if !host.is_ascii() {
        return Err(format!(
            "has the host `{host}` with letters that are not ASCII: its registered form begins \
             with xn--"
        ));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    if !host.bytes().all(is_plain) || host.starts_with(['-', '.']) {
        return Err(format!("has a malformed host, `{host}`"));
    }
    let port = match port {
        "" => None,
        text => match text.parse::<u16>() {
            Ok(port) if port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Some(port),
            _ => return Err(format!("has a malformed port, `{text}`")),
        },
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// Percent-encodes characters that an address cannot contain.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>^`{|}".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Returns the bytes that a percent-encoded text stands for; a lone `%` is itself.
pub fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
            }
            (byte, _, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// Returns the path that these bytes are on this system.
pub fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    return PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes));
    #[cfg(not(unix))]
    return PathBuf::from(String::from_utf8_lossy(bytes).into_owned());
}

fn remove_dots(target: &str) -> String {
    let (path, query) = match target.find('?') {
        Some(at) => target.split_at(at),
        None => (target, ""),
    };
    let mut parts: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    parts.pop();
                }
                if is_last {
                    parts.push("");
                }
            }
            other => parts.push(other),
        }
    }
    format!("/{}{query}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_hidden_with_and_without_a_scheme() {
        for (given, expected) in [
            ("http://ada:s3cret@host/a", "http://***@host/a"),
            ("//ada:s3cret@host^/a", "//***@host^/a"),
            ("//host/a@b", "//host/a@b"),
            ("/a//b@c", "/a//b@c"),
        ] {
            assert_eq!(redact(given), expected);
        }
    }

    #[test]
    fn dots_are_removed_from_every_path_and_from_no_query() {
        for (given, expected) in [
            ("http://h/a/./b/../c?x=/../y", "/a/c?x=/../y"),
            ("http://h/./.", "/"),
            ("http://h/../..", "/"),
            ("http://h/a/..", "/"),
            ("http://h?./", "/?./"),
        ] {
            assert_eq!(Url::parse(given).unwrap().target, expected, "{given}");
            assert_eq!(
                Url::parse("http://other/").unwrap().join(given).unwrap().target,
                expected,
                "{given}"
            );
        }
    }

    #[test]
    fn an_address_is_taken_apart() {
        let url = Url::parse("HTTPS://ada:p%40ss@Example.org:8443/a/b?x=1#part").unwrap();
        assert_eq!(url.scheme, Scheme::Https);
        assert_eq!(url.login, Some(("ada".to_owned(), "p@ss".to_owned())));
        assert_eq!(
            (url.host.as_str(), url.port, url.target.as_str()),
            ("example.org", Some(8443), "/a/b?x=1")
        );
        assert_eq!(url.without_login(), "https://example.org:8443/a/b?x=1");
        assert_eq!(Url::parse("http://[::1]:80").unwrap().authority(), "[::1]:80");
        assert_eq!(Url::parse("http://h/ü").unwrap().target, "/%C3%BC");
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for text in [
            "",
            "example.org/file",
            "http://",
            "http:///file",
            "http://a b/",
            "http://host/a\nb",
            "http://host/\u{7f}",
            "http://host:0/",
            "http://host:99999/",
            "http://host:+80/",
            "http://-host/",
            "http://ho_st!/",
            "http://[::1/",
            "http://[::g]/",
            "ftp://host/",
            "ext::sh -c id",
            "http://host\\@other/",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_redirect_is_seen_from_where_it_came() {
        let url = Url::parse("https://ada:secret@one.example/a/b/c?q").unwrap();
        let to = |location: &str| url.join(location).unwrap();
        assert_eq!(to("d").without_login(), "https://one.example/a/b/d");
        assert_eq!(to("../d").without_login(), "https://one.example/a/d");
        assert_eq!(to("/d?e").without_login(), "https://one.example/d?e");
        assert_eq!(to("?e").without_login(), "https://one.example/a/b/c?e");
        assert_eq!(to("//two.example/d").without_login(), "https://two.example/d");
        assert_eq!(to("http://two.example").without_login(), "http://two.example/");
        assert_eq!(to("/d?u=http://x/").without_login(), "https://one.example/d?u=http://x/");
        assert!(to("/d").login.is_none());
        assert!(url.join("/a\u{1}b").is_err());
    }

    #[test]
    fn a_redirect_is_escaped_behind_the_host() {
        let url = Url::parse("http://one.example/a/b").unwrap();
        let to =
            |location: &[u8]| url.join(&escape_location(location)).map(|url| url.without_login());
        for (location, expected) in [
            (&b"/a b"[..], "http://one.example/a%20b"),
            (b"  /lead  ", "http://one.example/lead"),
            (b"/f\xc3\xbc", "http://one.example/f%C3%BC"),
            (b"/f\xfc?x=\xfc y z", "http://one.example/f%FC?x=%FC+y+z"),
            (b"c d#e f", "http://one.example/a/c%20d"),
            (b"/a%20b%zz", "http://one.example/a%20b%zz"),
            (b"/a\\..\\b", "http://one.example/a%5C..%5Cb"),
            (b"//two.example:8/x y", "http://two.example:8/x%20y"),
            (b"HTTPS://two.example?x y", "https://two.example/?x+y"),
            (b"/path//two.example/x y", "http://one.example/path//two.example/x%20y"),
            (b"/a?u=http://two.example/ x", "http://one.example/a?u=http://two.example/+x"),
        ] {
            assert_eq!(to(location).unwrap(), expected, "{}", String::from_utf8_lossy(location));
        }
        for location in [
            &b"http://two example/x"[..],
            b"http://\xfc/x",
            b"http://u\\@two.example/x",
            b"/a\x01b",
            b"/a\tb",
            b"//",
            b"ftp://x/",
        ] {
            assert!(to(location).is_err(), "{}", String::from_utf8_lossy(location));
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let url = Url::parse("https://ada:secret@one.example/a").unwrap();
        for text in
            [url.to_string(), format!("{url:?}"), redact("https://ada:secret@one.example:x/a")]
        {
            assert!(!text.contains("secret") && text.contains("***@one.example"), "{text}");
        }
        assert_eq!(redact("ftp://u:a@b@host/x@y"), "ftp://***@host/x@y");
        assert_eq!(redact("ssh://ada:b@host/x"), "ssh://ada:***@host/x");
        assert_eq!(redact("ssh://ada@host/x"), "ssh://ada@host/x");
        assert_eq!(redact("a\nb"), "a\\nb");
    }
}
