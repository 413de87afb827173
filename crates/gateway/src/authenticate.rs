//! Who calls: the address behind trusted proxies, and the proof of identity.
//!
//! A proof is a virtual key, a signed token, or a client certificate. A key or token of ours may
//! stand where an SDK puts the provider's key, or in `x-atalaya-key`, so that both can be sent.
//! What was taken as proof is removed from the request: it never reaches a provider.

use std::net::IpAddr;

use atalaya_access::{AuthenticationMethod, Caller, Cidr, KEY_MARK, Snapshot};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Uri, header};

use crate::arrival::Arrival;
use crate::certificate::Certificate;
use crate::config::{Authentication, GatewayConfig};
use crate::keys::IssuerKeys;

/// The header for a proof beside a provider's key.
const OWN_HEADER: &str = "x-atalaya-key";
/// Headers in which SDKs send a provider's key.
const KEY_HEADERS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];
/// Most addresses of `X-Forwarded-For` that are looked at, from the last.
const FORWARDED_MAX: usize = 32;

/// Why a caller is not let in; what it is told.
pub(crate) type NotAuthenticated = &'static str;

/// What callers are checked against.
pub(crate) struct Proofs<'p> {
    pub(crate) config: &'p GatewayConfig,
    pub(crate) snapshot: &'p Snapshot,
    pub(crate) issuers: &'p IssuerKeys,
    pub(crate) certificate: Option<&'p Certificate>,
}

impl Proofs<'_> {
    /// Finds out who calls and takes the proof out of the request.
    pub(crate) fn authenticate(
        &self,
        head: &mut Parts,
        arrival: &Arrival,
    ) -> Result<Caller, NotAuthenticated> {
        if let Some(own) = head.headers.remove(OWN_HEADER) {
            let text = own.to_str().unwrap_or("");
            let text = text.strip_prefix("Bearer ").unwrap_or(text);
            return self.known(text, arrival).unwrap_or(Err(INVALID));
        }
        for name in &KEY_HEADERS {
            let Some(value) = head.headers.get(name).and_then(|value| value.to_str().ok()) else {
                continue;
            };
            let presented = value.strip_prefix("Bearer ").unwrap_or(value).trim();
            if let Some(outcome) = self.known(presented, arrival) {
                head.headers.remove(name);
                return outcome;
            }
        }
        if let Some((presented, stripped)) = key_of_query(&head.uri)
            && let Some(outcome) = self.known(&presented, arrival)
        {
            head.uri = stripped;
            return outcome;
        }
        if let Some(certificate) = self.certificate {
            return Ok(Caller {
                method: AuthenticationMethod::Certificate,
                id: certificate.caller.clone(),
                team: certificate.team.clone(),
                key_id: certificate.fingerprint.clone(),
                ..Caller::default()
            });
        }
        if self.is_required() {
            return Err("this gateway needs a key: send one that `atalaya keys create` made");
        }
        Ok(Caller {
            key_id: arrival.key_id.clone(),
            ..Caller::default()
        })
    }

    fn is_required(&self) -> bool {
        let callers = &self.config.callers;
        match callers.authentication {
            Authentication::Open => false,
            Authentication::Required => true,
            Authentication::Auto => {
                let tls = self.config.tls.as_ref();
                self.snapshot.key_count() > 0
                    || !callers.issuers.is_empty()
                    || tls.is_some_and(|tls| tls.client_ca.is_some())
            }
        }
    }

    /// `None` for what is no proof of ours: a provider's key, most likely.
    fn known(
        &self,
        presented: &str,
        arrival: &Arrival,
    ) -> Option<Result<Caller, NotAuthenticated>> {
        if presented.starts_with(KEY_MARK) {
            let key = self.snapshot.key(presented.as_bytes(), arrival.at);
            return Some(key.ok_or(INVALID).map(|key| Caller {
                method: AuthenticationMethod::Key,
                id: key.caller.clone(),
                team: key.team.clone(),
                key_id: key.id.clone(),
                agent: key.agent.clone(),
                scopes: key.scopes.clone(),
                limits: key.limits,
            }));
        }
        let verified = self.issuers.verify(presented, arrival.at)?;
        let claims = match verified {
            Ok(claims) => claims,
            Err(error) => {
                tracing::debug!(%error, "a token was not accepted");
                return Some(Err(INVALID));
            }
        };
        Some(Ok(Caller {
            method: AuthenticationMethod::Jwt,
            id: claims.caller,
            team: claims.team,
            key_id: claims.id,
            agent: claims.agent,
            ..Caller::default()
        }))
    }
}

const INVALID: NotAuthenticated = "the key or token is not valid";

/// The `key` of the query, as Google's SDKs send it, and the address without it.
fn key_of_query(uri: &Uri) -> Option<(String, Uri)> {
    let query = uri.query()?;
    let is_key = |part: &&str| part.starts_with("key=");
    let key = query
        .split('&')
        .find(is_key)?
        .strip_prefix("key=")?
        .to_owned();
    let rest: Vec<&str> = query.split('&').filter(|part| !is_key(part)).collect();
    let mut whole = uri.path().to_owned();
    if !rest.is_empty() {
        whole.push('?');
        whole.push_str(&rest.join("&"));
    }
    Some((key, Uri::try_from(whole).ok()?))
}

/// The caller's address: the peer's, or the last in `X-Forwarded-For` that is no trusted proxy.
pub(crate) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|block| block.contains(address));
    let mut address = peer.to_canonical();
    if trusted.is_empty() || !is_trusted(address) {
        return address;
    }
    let lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
    for hop in hops.take(FORWARDED_MAX) {
        // What is no address was written by somebody who is not to be believed.
        let Some(before) = parse_hop(hop.trim()) else {
            return address;
        };
        address = before;
        if !is_trusted(address) {
            return address;
        }
    }
    address
}

/// An address, some proxies add the port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let address = hop.parse::<IpAddr>().ok().or_else(|| {
        let with_port = hop.parse::<std::net::SocketAddr>().ok();
        with_port.map(|address| address.ip())
    });
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::address;
    use http::HeaderMap;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        for (peer, forwarded, expected) in [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            (
                "10.0.0.1",
                "1.2.3.4, 198.51.100.1, 10.0.0.2",
                "198.51.100.1",
            ),
            ("10.0.0.1", "198.51.100.1:443", "198.51.100.1"),
            ("10.0.0.1", "1.2.3.4, nonsense", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
            ("::1", "[2001:db8::1]:80", "2001:db8::1"),
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            let found = address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found.to_string(), expected, "{peer} {forwarded}");
        }
    }
}
