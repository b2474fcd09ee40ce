//! GitHub behind another server: a mirror, or GitHub Enterprise.

use crate::resolve::{GITHUB, GITHUB_CONTENT};

/// Returns the address of something on GitHub at `github`, the server that replaces it. Other
/// addresses stay as they are.
pub fn mirrored(url: &str, github: Option<&str>) -> String {
    let Some(base) = github.map(|base| base.trim_end_matches('/')) else { return url.to_owned() };
    let below = |host: &str| url.strip_prefix(host).and_then(|rest| rest.strip_prefix('/'));
    if let Some(rest) = below(GITHUB) {
        return format!("{base}/{rest}");
    }
    // Elsewhere single files are below the repository: OWNER/REPO/raw/REF/PATH.
    let raw = below(GITHUB_CONTENT).and_then(|rest| {
        let mut parts = rest.splitn(3, '/');
        Some(format!("{base}/{}/{}/raw/{}", parts.next()?, parts.next()?, parts.next()?))
    });
    raw.unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::mirrored;

    #[test]
    fn a_mirror_stands_in_for_github() {
        let mirror = Some("https://mirror.example/gh/");
        let url = "https://github.com/a/b/releases/download/v1/c.zip";
        assert_eq!(
            mirrored(url, mirror),
            "https://mirror.example/gh/a/b/releases/download/v1/c.zip"
        );
        assert_eq!(
            mirrored("https://raw.githubusercontent.com/a/b/v1/bin/c", mirror),
            "https://mirror.example/gh/a/b/raw/v1/bin/c"
        );
        for other in ["https://nodejs.org/x", "https://github.company/a"] {
            assert_eq!(mirrored(other, mirror), other);
        }
        assert_eq!(mirrored(url, None), url);
    }
}
