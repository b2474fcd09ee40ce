//! Which proxy stands between us and a host. Knows how proxies are named, not how they are spoken to.

use crate::Network;
use crate::url::{Scheme, Url};

/// How a server is reached.
#[derive(Clone, Debug)]
pub enum Route {
    /// Without a proxy.
    Direct,
    /// By asking the proxy for the whole address, as plain HTTP does (RFC 9112, section 3.2.2).
    Forward(Url),
    /// Through a tunnel: `CONNECT`, or SOCKS.
    Tunnel(ureq::Proxy),
}

/// Returns the way to an address.
///
/// # Errors
/// With what is wrong with the proxy's own address.
pub fn route(network: &Network, url: &Url) -> Result<Route, String> {
    let proxy = match url.scheme {
        Scheme::Http => network.http_proxy.as_deref(),
        Scheme::Https => network.https_proxy.as_deref(),
    };
    let Some(proxy) = proxy.filter(|_| !is_excluded(&network.no_proxy, url)) else { return Ok(Route::Direct) };
    // `proxy.example:3128` is understood as curl does.
    let with_scheme = if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
    if url.scheme == Scheme::Http
        && let Ok(proxy) = Url::parse(&with_scheme)
        && proxy.scheme == Scheme::Http
    {
        return Ok(Route::Forward(proxy));
    }
    let tunnel = ureq::Proxy::new(&with_scheme);
    tunnel.map(Route::Tunnel).map_err(|_| "the address of the proxy is malformed".to_owned())
}

/// Returns whether `no_proxy` names a host: `*`, a domain with all below it, or an address; with a port or without.
fn is_excluded(no_proxy: &str, url: &Url) -> bool {
    no_proxy.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        let (name, port) = match entry.rsplit_once(':') {
            // The colons of an IPv6 address are no port.
            Some((name, port)) if port.parse::<u16>().is_ok() && (!name.contains(':') || name.ends_with(']')) => {
                (name, port.parse::<u16>().ok())
            }
            _ => (entry, None),
        };
        if port.is_some_and(|port| port != url.effective_port()) {
            return false;
        }
        let plain = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let (host, name) = (plain(&url.host), plain(name));
        let name = name.trim_start_matches('*').trim_start_matches('.');
        host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.') && !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_direct(no_proxy: &str, url: &str) -> bool {
        is_excluded(no_proxy, &Url::parse(url).unwrap())
    }

    #[test]
    fn no_proxy_names_hosts_and_domains() {
        assert!(is_direct("localhost, example.org", "http://www.example.org/"));
        assert!(is_direct(".example.org", "http://example.org/"));
        assert!(is_direct("*.example.org", "http://a.example.org/"));
        assert!(is_direct("*", "http://anything/"));
        assert!(is_direct("127.0.0.1:8080", "http://127.0.0.1:8080/"));
        assert!(is_direct("::1", "http://[::1]:99/"));
        assert!(!is_direct("127.0.0.1:8080", "http://127.0.0.1:8081/"));
        assert!(!is_direct("example.org", "http://notexample.org/"));
        assert!(!is_direct("", "http://example.org/"));
    }

    #[test]
    fn plain_http_is_forwarded_and_tls_goes_through_a_tunnel() {
        let network = Network {
            http_proxy: Some("proxy.example:3128".to_owned()),
            https_proxy: Some("http://u:p@proxy.example:3128".to_owned()),
            ..Network::default()
        };
        let way = |url: &str| route(&network, &Url::parse(url).unwrap()).unwrap();
        assert!(matches!(way("http://host/"), Route::Forward(proxy) if proxy.authority() == "proxy.example:3128"));
        assert!(matches!(way("https://host/"), Route::Tunnel(proxy) if proxy.port() == 3128));
        let socks = Network { http_proxy: Some("socks5h://proxy.example".to_owned()), ..Network::default() };
        assert!(matches!(route(&socks, &Url::parse("http://host/").unwrap()), Ok(Route::Tunnel(_))));
        let broken = Network { http_proxy: Some("gopher://proxy".to_owned()), ..Network::default() };
        assert!(route(&broken, &Url::parse("http://host/").unwrap()).is_err());
    }
}
