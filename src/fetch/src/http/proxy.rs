//! The proxy for a host. Knows the names of proxies, not their protocols.

use std::net::IpAddr;

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
    let Some(proxy) = proxy.filter(|_| !is_excluded(&network.no_proxy, url)) else {
        return Ok(Route::Direct);
    };
    // `proxy.example:3128` is understood as curl does.
    let with_scheme =
        if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
    if url.scheme == Scheme::Http
        && let Ok(proxy) = Url::parse(&with_scheme)
        && proxy.scheme == Scheme::Http
    {
        return Ok(Route::Forward(proxy));
    }
    let tunnel = ureq::Proxy::new(&with_scheme);
    tunnel.map(Route::Tunnel).map_err(|_| "the address of the proxy is malformed".to_owned())
}

/// Returns whether `no_proxy` names a host: `*`, a domain with all below it, an address, or a
/// network such as `10.0.0.0/8` or `fd00::/8` with all addresses in it; with a port or without.
fn is_excluded(no_proxy: &str, url: &Url) -> bool {
    let host = plain(&url.host);
    let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    no_proxy.split([',', ' ', '\t']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        let (name, port) = match entry.rsplit_once(':') {
            // The colons of an IPv6 address are no port.
            Some((name, port))
                if port.parse::<u16>().is_ok() && (!name.contains(':') || name.ends_with(']')) =>
            {
                (name, port.parse::<u16>().ok())
            }
            _ => (entry, None),
        };
        if port.is_some_and(|port| port != url.effective_port()) {
            return false;
        }
        if let Some((network, bits)) = name.split_once('/') {
            let network = plain(network)
                .parse::<IpAddr>()
                .ok()
                .zip(bits.trim_end_matches(']').parse::<u32>().ok());
            return network
                .zip(address)
                .is_some_and(|((network, bits), address)| is_in(address, network, bits));
        }
        let name = plain(name);
        if let Ok(named) = name.parse::<IpAddr>() {
            return address == Some(named.to_canonical());
        }
        if address.is_some() {
            // An address ends in no domain.
            return false;
        }
        let name = name.trim_start_matches('*').trim_start_matches('.');
        host == name
            || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.') && !name.is_empty())
    })
}

/// Returns a host without brackets and the dot of the root, in lower case.
fn plain(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Returns whether an address is in the network of all that begin with the first `bits` of another
/// (RFC 4632).
fn is_in(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let same = |left: u128, right: u128, width: u32| {
        bits <= width && (bits == 0 || (left ^ right) >> (width - bits) == 0)
    };
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            same(address.to_bits().into(), network.to_bits().into(), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            same(address.to_bits(), network.to_bits(), 128)
        }
        _ => false,
    }
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
    fn no_proxy_names_networks() {
        // As curl has it, no part of an address is a domain.
        assert!(!is_direct("0.0.1,.1", "http://127.0.0.1/"));
        for (entry, inside, outside) in [
            ("127.0.0.0/8", "127.9.9.9", "128.0.0.1"),
            ("10.1.2.3/32", "10.1.2.3", "10.1.2.4"),
            ("192.168.16.0/20", "192.168.31.255", "192.168.32.0"),
            ("192.168.17.5/20", "192.168.16.1", "192.168.15.1"),
            ("172.16.0.0/12, 10.0.0.0/8", "10.255.0.1", "172.32.0.1"),
            ("0.0.0.0/0", "8.8.8.8", "example.org"),
            ("fd00::/8", "[fdff::1]", "[fe00::1]"),
            ("[fd00::]/8", "[fd00::1]", "fd00.example"),
            ("::1/128", "[::1]", "[::2]"),
            ("2001:db8::/33", "[2001:db8:7fff::1]", "[2001:db8:8000::1]"),
            ("127.0.0.0/8", "[::ffff:127.0.0.1]", "[::ffff:126.0.0.1]"),
            ("0:0:0:0:0:0:0:1", "[::1]", "[::2]"),
        ] {
            assert!(is_direct(entry, &format!("http://{inside}:99/")), "{entry} {inside}");
            assert!(!is_direct(entry, &format!("http://{outside}/")), "{entry} {outside}");
        }
        assert!(
            is_direct("10.0.0.0/8:80", "http://10.0.0.1/")
                && !is_direct("10.0.0.0/8:81", "http://10.0.0.1/")
        );
        assert!(
            is_direct("localhost.", "http://localhost/")
                && is_direct("example.org", "http://a.example.org./")
        );
        for entry in
            ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "/8", "::/129", "10.0.0/8", "example.org/8"]
        {
            assert!(
                !is_direct(entry, "http://10.0.0.1/") && !is_direct(entry, "http://[::1]/"),
                "{entry}"
            );
        }
    }

    #[test]
    fn plain_http_is_forwarded_and_tls_goes_through_a_tunnel() {
        let network = Network {
            http_proxy: Some("proxy.example:3128".to_owned()),
            https_proxy: Some("http://u:p@proxy.example:3128".to_owned()),
            ..Network::default()
        };
        let way = |url: &str| route(&network, &Url::parse(url).unwrap()).unwrap();
        assert!(matches!(
            way("http://host/"),
            Route::Forward(proxy) if proxy.authority() == "proxy.example:3128"
        ));
        assert!(matches!(way("https://host/"), Route::Tunnel(proxy) if proxy.port() == 3128));
        let socks = Network {
            http_proxy: Some("socks5h://proxy.example".to_owned()),
            ..Network::default()
        };
        assert!(matches!(
            route(&socks, &Url::parse("http://host/").unwrap()),
            Ok(Route::Tunnel(_))
        ));
        let broken =
            Network { http_proxy: Some("gopher://proxy".to_owned()), ..Network::default() };
        assert!(route(&broken, &Url::parse("http://host/").unwrap()).is_err());
    }
}
