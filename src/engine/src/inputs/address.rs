//! The addresses of inputs: `git:`, `path:` and `archive:` addresses. It touches neither network
//! nor disk.

use syslua_fetch::git::{Address, Revision};
use syslua_fetch::url::{Url, decode, redact};

use crate::lock::InputKind;

/// The forms that an address may have, for messages.
pub const FORMS: &str = "an input is git:https://HOST/REPO, git:ssh://HOST/REPO, \
                         git:USER@HOST:REPO or git:file:///REPO, each with ?dir=SUB, \
                         ?submodules=1 and #BRANCH-TAG-OR-COMMIT; path:./DIR or path:~/DIR; \
                         or archive:https://HOST/FILE";

/// An address that no input can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct AddressError {
    problem: String,
    /// What to do about it.
    pub hint: String,
}

/// The address of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputAddress {
    /// Where it comes from.
    pub origin: Origin,
    /// The directory in its tree that counts, with slashes; the whole tree when `None`.
    pub dir: Option<String>,
}

/// Where an input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A commit of a repository.
    Git {
        /// The address of the repository.
        repository: String,
        /// A branch, tag or full commit; the branch that the repository itself is on when `None`.
        reference: Option<String>,
        /// Whether submodules belong to it.
        submodules: bool,
    },
    /// A directory of this machine: absolute, from `~/`, or relative to the file that names it.
    Path(String),
    /// A tarball or zip.
    Archive {
        /// Its `https://` address.
        url: String,
        /// How many leading components of names are left out; the only directory at the top when
        /// `None`.
        strip: Option<usize>,
    },
}

fn refused(problem: impl Into<String>, hint: impl Into<String>) -> AddressError {
    AddressError { problem: problem.into(), hint: hint.into() }
}

/// A query, as names and values.
type Query<'a> = Vec<(&'a str, &'a str)>;

fn pairs(query: &str) -> Query<'_> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, ""))).collect()
}

/// Reads a directory in a tree: relative, and not out of it.
fn parse_dir(text: &str) -> Result<String, AddressError> {
    let invalid = |what: &str| {
        refused(
            format!("?dir={text} {what}"),
            "it is a directory in the tree, such as ?dir=lua/config",
        )
    };
    let decoded = String::from_utf8(decode(text)).map_err(|_| invalid("is not UTF-8"))?;
    let parts: Vec<&str> =
        decoded.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if decoded.starts_with('/') || parts.contains(&"..") {
        return Err(invalid("leads out of the tree"));
    }
    if decoded.chars().any(char::is_control) || decoded.contains('\\') {
        return Err(invalid("has a character that a directory of an input cannot have"));
    }
    if parts.is_empty() {
        return Err(invalid("names no directory"));
    }
    Ok(parts.join("/"))
}

impl InputAddress {
    /// Parses the address of an input.
    ///
    /// # Errors
    /// When it has none of the forms, with what to do about it.
    pub fn parse(text: &str) -> Result<InputAddress, AddressError> {
        if text.chars().any(char::is_control) {
            return Err(refused("the address has a newline or another control character", FORMS));
        }
        match text.split_once(':') {
            Some(("git", rest)) => parse_git(rest),
            Some(("path", rest)) => parse_path(rest),
            Some(("archive", rest)) => parse_archive(rest),
            _ if text.is_empty() => Err(refused("the address is empty", FORMS)),
            _ => Err(refused(format!("`{}` is not the address of an input", redact(text)), FORMS)),
        }
    }

    /// Returns what kind of entry it has in a lock.
    pub fn kind(&self) -> InputKind {
        match self.origin {
            Origin::Git { .. } => InputKind::Git,
            Origin::Path(_) => InputKind::Path,
            Origin::Archive { .. } => InputKind::Archive,
        }
    }

    /// Returns whether it is on this machine.
    pub fn is_local(&self) -> bool {
        match &self.origin {
            Origin::Git { repository, .. } => {
                matches!(Address::parse(repository), Ok(Address::Local(_)))
            }
            Origin::Path(_) => true,
            Origin::Archive { .. } => false,
        }
    }
}

fn parse_git(rest: &str) -> Result<InputAddress, AddressError> {
    let (rest, reference) = match rest.split_once('#') {
        Some((rest, reference)) => (rest, Some(reference)),
        None => (rest, None),
    };
    let (repository, query) = rest.split_once('?').unwrap_or((rest, ""));
    let address = Address::parse(repository)
        .map_err(|problem| refused(format!("the address {problem}"), FORMS))?;
    match address {
        Address::Local(_) if !repository.starts_with("file://") => {
            return Err(refused(
                format!("`git:{repository}` is a path without a scheme"),
                format!(
                    "write git:file://{repository}, or path:{repository} for a directory as it is \
                     now"
                ),
            ));
        }
        Address::Web(url) => check_web(&url, "git")?,
        Address::Ssh
            if repository.starts_with("git+ssh://") || repository.starts_with("ssh+git://") =>
        {
            return Err(refused("the address has a scheme that is not ssh://", FORMS));
        }
        Address::Ssh if has_password(repository) => return Err(password("the address")),
        _ => {}
    }
    if let Some(reference) = reference {
        Revision::parse(reference).map_err(|problem| {
            refused(
                format!("#{reference} {problem}"),
                "write a branch, a tag, or a commit of 40 digits after #",
            )
        })?;
    }
    let (mut dir, mut submodules) = (None, false);
    for (name, value) in pairs(query) {
        match (name, value) {
            ("dir", value) => dir = Some(parse_dir(value)?),
            ("submodules", "1" | "true") => submodules = true,
            ("submodules", "0" | "false") => submodules = false,
            ("ref" | "rev", value) => {
                return Err(refused(
                    format!("?{name}= is not known"),
                    format!("write the revision after a #: #{value}"),
                ));
            }
            _ => {
                let hint = "a git input takes ?dir=SUB and ?submodules=1";
                return Err(refused(format!("?{name}= is not known"), hint));
            }
        }
    }
    let origin = Origin::Git {
        repository: repository.to_owned(),
        reference: reference.map(ToOwned::to_owned),
        submodules,
    };
    Ok(InputAddress { origin, dir })
}

/// Returns whether the part of an ssh address before the host has a password.
fn has_password(repository: &str) -> bool {
    let authority = repository
        .strip_prefix("ssh://")
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

fn password(what: &str) -> AddressError {
    refused(
        format!("{what} contains a login, which would appear in syslua.lock and in messages"),
        "pass it as { url = ..., auth = os.getenv(\"TOKEN\") }, or keep it in ~/.netrc or a \
         credential helper of git",
    )
}

fn check_web(url: &Url, form: &str) -> Result<(), AddressError> {
    if url.login.is_some() {
        return Err(password("the address"));
    }
    if url.scheme_name() != "https" {
        let hint = format!(
            "http:// is not encrypted, and others can change the content on its way: \
             write {form}:https://..."
        );
        return Err(refused("the address has the scheme http://", hint));
    }
    Ok(())
}

fn parse_path(rest: &str) -> Result<InputAddress, AddressError> {
    if rest.is_empty() {
        return Err(refused("`path:` names no directory", FORMS));
    }
    if rest.starts_with('~') && rest != "~" && !rest.starts_with("~/") {
        return Err(refused(
            format!("`path:{rest}` is in the home of another user"),
            "write the absolute path",
        ));
    }
    if rest.starts_with('-') {
        return Err(refused("the path begins with a hyphen", "write path:./-..."));
    }
    Ok(InputAddress { origin: Origin::Path(rest.to_owned()), dir: None })
}

fn parse_archive(rest: &str) -> Result<InputAddress, AddressError> {
    if rest.contains('#') {
        return Err(refused("the address has a #, but an archive has no revisions", FORMS));
    }
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (mut dir, mut strip, mut others) = (None, None, Vec::new());
    for (name, value) in pairs(query) {
        match name {
            "dir" => dir = Some(parse_dir(value)?),
            "strip" => {
                let invalid = || {
                    refused(
                        format!("?strip={value} is not a number"),
                        "?strip= is the number of leading directories to remove",
                    )
                };
                strip = Some(value.parse().map_err(|_| invalid())?);
            }
            _ if value.is_empty() => others.push(name.to_owned()),
            // What is the server's.
            _ => others.push(format!("{name}={value}")),
        }
    }
    let mut url = address.to_owned();
    if !others.is_empty() {
        url.push('?');
        url.push_str(&others.join("&"));
    }
    let parsed =
        Url::parse(&url).map_err(|problem| refused(format!("the address {problem}"), FORMS))?;
    check_web(&parsed, "archive")?;
    Ok(InputAddress { origin: Origin::Archive { url, strip }, dir })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(repository: &str, reference: Option<&str>, submodules: bool) -> Origin {
        Origin::Git {
            repository: repository.into(),
            reference: reference.map(Into::into),
            submodules,
        }
    }

    #[test]
    fn all_forms_are_known() {
        let sub = || Some("lua/sub".to_owned());
        let archive = |url: &str, strip| Origin::Archive { url: url.to_owned(), strip };
        let forms = [
            ("git:git@host:org/repo.git", git("git@host:org/repo.git", None, false), None),
            (
                "git:ssh://git@host:22/repo#v1",
                git("ssh://git@host:22/repo", Some("v1"), false),
                None,
            ),
            (
                "git:https://host/repo.git?dir=lua/sub#main",
                git("https://host/repo.git", Some("main"), false),
                sub(),
            ),
            ("git:file:///srv/repo?submodules=1", git("file:///srv/repo", None, true), None),
            (
                "git:https://host/r?dir=./lua//sub/&submodules=0",
                git("https://host/r", None, false),
                sub(),
            ),
            ("path:./x", Origin::Path("./x".into()), None),
            ("path:~/x", Origin::Path("~/x".into()), None),
            ("path:/x?y", Origin::Path("/x?y".into()), None),
            ("archive:https://host/a.tar.gz", archive("https://host/a.tar.gz", None), None),
            (
                "archive:https://host/a?strip=2&v=1&dir=lua/sub",
                archive("https://host/a?v=1", Some(2)),
                sub(),
            ),
        ];
        for (text, origin, dir) in forms {
            assert_eq!(InputAddress::parse(text), Ok(InputAddress { origin, dir }), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_a_remedy() {
        let rev = "12".repeat(32);
        let texts = [
            "",
            "x",
            "https://host/repo",
            "github:org/repo",
            "git:",
            "git:ext::sh -c id",
            "git:-oProxyCommand=id:x",
            "git:--upload-pack=id",
            "git:git://host/x",
            "git:http://host/x",
            "git:ftp://host/x",
            "git:/srv/x",
            "git:./x",
            "git:ssh://-oProxyCommand=id/x",
            "git:https://ada:pw@host/x",
            "git:https://token@host/x",
            "git:ssh://ada:pw@host/x",
            "git:git+ssh://host/x",
            "git:https://host/x#",
            "git:https://host/x#-x",
            "git:https://host/x#a b",
            "git:https://host/x?ref=main",
            "git:https://host/x?rev=1",
            "git:https://host/x?a=b",
            "git:https://host/x?dir=",
            "git:https://host/x?dir=../x",
            "git:https://host/x?dir=/x",
            "git:https://host/x?dir=a/%2e%2e/b",
            "git:https://host/x?dir=a%0ab",
            "git:https://host/x?submodules=yes",
            "git:fd::17",
            "git:file://host/x",
            "path:",
            "path:~ada/x",
            "path:-x",
            "path:a\nb",
            "archive:http://host/x",
            "archive:file:///x",
            "archive:https://host/x#main",
            "archive:https://host/x?strip=-1",
            "archive:",
            "archive:https://ada:pw@host/x",
            "tarball:https://host/x",
        ];
        for text in
            texts.into_iter().map(ToOwned::to_owned).chain([format!("git:https://host/x#{rev}")])
        {
            let error = InputAddress::parse(&text).expect_err(&text);
            assert!(!error.hint.is_empty() && !error.to_string().contains("pw"), "{text}: {error}");
        }
    }
}
