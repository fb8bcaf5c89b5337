//! What a proxy must do to headers (RFC 9110 section 7.6.1), and nothing else.

use http::header::{CONNECTION, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Version};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// The protocol that a request asks to switch to, if it is one that can be tunnelled. `h2c` cannot: the proxy must
/// go on seeing requests, and RFC 9113 section 3.1 has withdrawn that upgrade.
pub(crate) fn upgrade(method: &Method, version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    if version != Version::HTTP_11 || method == Method::CONNECT {
        return None;
    }
    let wanted = headers.get(UPGRADE)?;
    let names_h2c = wanted
        .to_str()
        .is_ok_and(|wanted| wanted.split(',').any(|protocol| protocol.trim().eq_ignore_ascii_case("h2c")));
    (!names_h2c && names(headers, UPGRADE.as_str())).then(|| wanted.clone())
}

/// Whether `connection` names this header.
fn names(headers: &HeaderMap, name: &str) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case(name)))
    })
}

/// Takes out the headers that are about one connection: `connection` and those that it names, `keep-alive`,
/// `proxy-connection`, `transfer-encoding` (hyper frames each side anew), `upgrade` and `http2-settings`.
///
/// `te` and `trailer` stay although they are hop-by-hop in HTTP/1: we pass trailers on, and gRPC needs
/// `te: trailers`.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|token| token.trim().parse().ok())
            .filter(|name| name != http::header::TE)
            .collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE, HTTP2_SETTINGS] {
        headers.remove(name);
    }
}

/// Asks for (or grants) a switch of protocol.
pub(crate) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, protocol);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_is_about_one_connection_goes_and_the_rest_stays() {
        let mut given = headers(&[
            ("host", "orders"),
            ("connection", "keep-alive, x-mine, te"),
            ("keep-alive", "timeout=5"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("traceparent", "00-1"),
        ]);
        strip_hop_by_hop(&mut given);
        assert_eq!(given, headers(&[("host", "orders"), ("te", "trailers"), ("traceparent", "00-1")]));
    }

    #[test]
    fn an_upgrade_is_one_that_the_connection_header_names_and_that_is_not_h2c() {
        let asks = |pairs| upgrade(&Method::GET, Version::HTTP_11, &headers(pairs)).is_some();
        assert!(asks(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]));
        assert!(!asks(&[("upgrade", "websocket")]));
        assert!(!asks(&[("connection", "upgrade, http2-settings"), ("upgrade", "h2c")]));
        let http2 = headers(&[("connection", "upgrade"), ("upgrade", "websocket")]);
        assert_eq!(upgrade(&Method::GET, Version::HTTP_2, &http2), None);
    }
}
