//! What may name a repository, and what may name a commit in it. Touches neither network nor disk.

use std::path::PathBuf;

use gix::bstr::ByteSlice;

use crate::url::{Url, decode, path_from_bytes};

/// Where a repository is.
pub enum Address {
    /// In a directory of this machine.
    Local(PathBuf),
    /// On a web server.
    Web(Url),
    /// Behind ssh.
    Ssh,
}

impl Address {
    /// Parses an address, and refuses whatever could be taken for something else by a program
    /// further down.
    ///
    /// # Errors
    /// With what is wrong with it, to come after "it".
    pub fn parse(text: &str) -> Result<Address, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        if text.chars().any(char::is_control) {
            return Err("has a newline or another control character in it".to_owned());
        }
        if text.starts_with('-') {
            return Err("begins with a hyphen, and would be taken for an option".to_owned());
        }
        let word_end =
            text.find(|character: char| !character.is_ascii_alphanumeric() && character != '-');
        if word_end.is_some_and(|end| text[end..].starts_with("::")) {
            return Err("names a helper program of git, which could do anything".to_owned());
        }
        if text.starts_with('/') {
            return Ok(Address::Local(PathBuf::from(text)));
        }
        match text.split_once("://") {
            Some(("http" | "https", _)) => Ok(Address::Web(Url::parse(text)?)),
            Some(("file", path)) => local(path),
            Some(("ssh" | "git+ssh" | "ssh+git", rest)) => ssh(&format!("ssh://{rest}")),
            Some((scheme, _)) if !scheme.contains(['/', ':', '@']) => {
                Err(format!("has the scheme {scheme}://, which cannot be fetched"))
            }
            // `git@host:path`; a colon after a slash is part of a path.
            _ if text.split('/').next().is_some_and(|first| first.contains(':')) => ssh(text),
            _ => Err("is a relative path".to_owned()),
        }
    }
}

fn local(path: &str) -> Result<Address, String> {
    let path = path.strip_prefix("localhost").unwrap_or(path);
    if !path.starts_with('/') {
        return Err("names no absolute path: file:///path".to_owned());
    }
    let bytes = decode(path);
    if bytes.contains(&0) {
        return Err("has a NUL byte in it".to_owned());
    }
    Ok(Address::Local(path_from_bytes(&bytes)))
}

fn ssh(text: &str) -> Result<Address, String> {
    let url = gix::url::parse(text).map_err(|_| "is malformed".to_owned())?;
    let is_option = |part: Option<&str>| part.is_some_and(|part| part.starts_with('-'));
    if url.host().is_none_or(str::is_empty) {
        return Err("names no host".to_owned());
    }
    if is_option(url.host()) {
        return Err(
            "has a host that begins with a hyphen, and would be taken for an option".to_owned()
        );
    }
    if is_option(url.user()) {
        return Err(
            "has a user that begins with a hyphen, and would be taken for an option".to_owned()
        );
    }
    let path = url.path.trim_start();
    if path.starts_with(b"-") || path.is_empty() {
        return Err("has a path that is empty or would be taken for an option".to_owned());
    }
    let parts = [url.host(), url.user(), url.path.to_str().ok()];
    if parts.into_iter().flatten().any(|part| part.chars().any(char::is_control)) {
        return Err("has a newline or another control character in it".to_owned());
    }
    Ok(Address::Ssh)
}

/// What is wanted of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revision {
    /// A commit.
    Commit(gix::ObjectId),
    /// The first of these references that exists, by their full names.
    Reference(Vec<String>),
}

impl Revision {
    /// Parses 40 digits, a tag, a branch, `HEAD`, or a full name of a reference. Of a tag and a
    /// branch of one name the tag counts, as git has it (gitrevisions(7)).
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn parse(text: &str) -> Result<Revision, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        if text.starts_with('-') {
            return Err("begins with a hyphen, and would be taken for an option".to_owned());
        }
        if text.chars().any(char::is_control) {
            return Err("has a newline or another control character in it".to_owned());
        }
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && text.len() == 40 {
            let id = gix::ObjectId::from_hex(text.to_ascii_lowercase().as_bytes());
            return id.map(Revision::Commit).map_err(|_| "is not a commit".to_owned());
        }
        if is_hex && text.len() == 64 {
            return Err(
                "is a commit of a repository with SHA-256, which cannot be fetched yet".to_owned()
            );
        }
        if gix::validate::reference::name_partial(text.into()).is_err() {
            return Err("can be neither a commit, a tag nor a branch".to_owned());
        }
        Ok(Revision::Reference(if text == "HEAD" || text.starts_with("refs/") {
            vec![text.to_owned()]
        } else {
            vec![format!("refs/tags/{text}"), format!("refs/heads/{text}")]
        }))
    }
}

/// Returns the address that one in `.gitmodules` means, seen from that of its repository, as
/// git-submodule(1) has it.
pub fn resolve_relative(parent: &str, address: &str) -> String {
    if !(address.starts_with("./") || address.starts_with("../")) {
        return address.to_owned();
    }
    let mut base = parent.trim_end_matches('/').to_owned();
    let mut rest = address;
    let mut separator = '/';
    loop {
        if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("../") {
            rest = after;
            // The host stays.
            let floor = base
                .find("://")
                .map_or(0, |at| base[at + 3..].find('/').map_or(base.len(), |end| at + 3 + end));
            if let Some(at) = base[floor..].rfind('/') {
                base.truncate(floor + at);
            } else if let Some(at) = base[floor..].rfind(':') {
                base.truncate(floor + at);
                separator = ':';
            }
        } else {
            return format!("{base}{separator}{}", rest.trim_end_matches('/'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_addresses() {
        for text in ["/srv/a.git", "file:///srv/a.git", "file://localhost/srv/a.git"] {
            assert!(
                matches!(Address::parse(text), Ok(Address::Local(path)) if path.ends_with("a.git")),
                "{text}"
            );
        }
        for text in ["https://ada:x@host/a", "http://host:80/a.git"] {
            assert!(matches!(Address::parse(text), Ok(Address::Web(_))), "{text}");
        }
        for text in [
            "git@host:a/b.git",
            "host:a",
            "ssh://git@host:2222/a",
            "ssh://host/~ada/a",
            "git+ssh://host/a",
        ] {
            assert!(matches!(Address::parse(text), Ok(Address::Ssh)), "{text}");
        }
    }

    #[test]
    fn what_could_run_something_is_refused() {
        for text in [
            "",
            "ext::sh -c id",
            "fd::17",
            "remote-x::host",
            "-oProxyCommand=id:x",
            "--upload-pack=id",
            "ssh://-oProxyCommand=id/x",
            "ssh://-l@host/x",
            "-l@host:x",
            "host:-x",
            "host:",
            "ssh:///x",
            "git@host:a\nb",
            "git://host/a",
            "ftp://host/a",
            "relative/path",
            "./relative",
            "file://host/a",
            "https://host/a\n",
            "ssh://host/a%0ab",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn commits_have_names() {
        assert!(matches!(Revision::parse(&"Ab".repeat(20)), Ok(Revision::Commit(_))));
        assert_eq!(
            Revision::parse("v1").unwrap(),
            Revision::Reference(vec!["refs/tags/v1".into(), "refs/heads/v1".into()])
        );
        assert_eq!(Revision::parse("refs/x").unwrap(), Revision::Reference(vec!["refs/x".into()]));
        for text in [
            "",
            "-x",
            "--upload-pack=id",
            "a\nb",
            "a b",
            "a..b",
            "a~1",
            "a:b",
            "a^",
            "*",
            "x.lock",
            &"a".repeat(64),
        ] {
            assert!(Revision::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn relative_submodules_are_beside_their_parent() {
        let from = resolve_relative;
        assert_eq!(from("https://host/a/b.git", "../c.git"), "https://host/a/c.git");
        assert_eq!(from("https://host/a/b.git", "../../../../c"), "https://host/c");
        assert_eq!(from("git@host:a/b", "../c"), "git@host:a/c");
        assert_eq!(from("git@host:b", "../c"), "git@host:c");
        assert_eq!(from("/srv/b", "./c/"), "/srv/b/c");
        assert_eq!(from("https://host/a", "https://other/c"), "https://other/c");
    }
}
