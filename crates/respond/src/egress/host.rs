//! Destinations: a URL taken apart, and names compared with patterns.

use super::EgressError;

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Name or address, without brackets, lower case.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether TLS is spoken from the first byte.
    pub is_tls: bool,
    /// Path and query of an HTTP destination.
    pub path: String,
}

impl Destination {
    /// Reads an `http://` or `https://` URL.
    ///
    /// # Errors
    /// Refused if it is none, or carries credentials.
    pub fn parse(url: &str) -> Result<Self, EgressError> {
        let refused = |why: &str| EgressError::Refused(format!("the URL {why}"));
        let parsed = url::Url::parse(url).map_err(|_| refused("cannot be read"))?;
        let is_tls = match parsed.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(refused("is neither https:// nor http://")),
        };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refused("carries credentials; name a secret instead"));
        }
        // The parser has turned forms such as 0xa9fea9fe and 2852039166 into dotted addresses.
        let host = match parsed.host() {
            Some(url::Host::Domain(name)) => name.trim_end_matches('.').to_ascii_lowercase(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
            None => return Err(refused("names no host")),
        };
        let port = parsed
            .port_or_known_default()
            .ok_or_else(|| refused("names no port"))?;
        let mut path = parsed.path().to_owned();
        if let Some(query) = parsed.query() {
            path.push('?');
            path.push_str(query);
        }
        Ok(Self {
            host,
            port,
            is_tls,
            path,
        })
    }

    /// The `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let default = if self.is_tls { 443 } else { 80 };
        if self.port == default {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

/// `*.example.com` covers its sub-domains, everything else only itself.
pub(super) fn covers(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix("*.") {
        Some(domain) => host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => pattern == host,
    }
}
