//! Web addresses, what redirects make of them, and the addresses and revisions of git.

use syslua_fetch::Url;
use syslua_fetch::git::{Address, Revision};
use syslua_fetch::url::{decode, escape_location, redact};

/// What is sent to a server, or shown.
fn check(url: &Url) {
    let text = url.without_login();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    assert!(url.target.starts_with('/') && !url.target.contains('#'));
    assert!(!url.host.is_empty() && !url.host.contains(['/', '@', '\\', '?']));
    // It reads as itself.
    let again = Url::parse(&text).unwrap();
    assert_eq!((again.without_login(), again.login), (text, None));
    let shown = url.to_string();
    assert!(url.login.is_none() || shown.contains("***@"), "{shown}");
}

/// Reads bytes.
pub fn target(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(url) = Url::parse(&text) {
        check(&url);
    }
    let base = Url::parse("https://ada:secret@one.example:8443/a/b?c").unwrap();
    if let Ok(url) = base.join(&escape_location(bytes)) {
        check(&url);
        assert!(url.login.is_none() || url.to_string().contains("***@"));
        if !url.is_same_server(&base) {
            assert!(!format!("{:?}", url.login).contains("secret") || text.contains("secret"));
        }
    }
    assert!(!redact(&text).contains('\n'));
    decode(&text);
    if Address::parse(&text).is_ok() {
        assert!(!text.starts_with('-') && !text.chars().any(char::is_control));
    }
    if Revision::parse(&text).is_ok() {
        assert!(!text.starts_with('-') && !text.contains([' ', '\n']));
    }
}
