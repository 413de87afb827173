//! The one way out: every call that response makes to the world goes through this policy.
//!
//! A runbook is a program that an attacker's alert starts, and its URLs and names are partly
//! data. So a destination is checked where it counts: the name is resolved once, every address it
//! resolves to must be allowed, and the connection is made to the very address that was checked,
//! so that a second answer of the name server changes nothing. Redirects are not followed.
//!
//! Trade-off: a name with one good and one forbidden address is refused altogether; that is what
//! an attack on name resolution looks like. Left out: proxies, and HTTP/2.

mod address;
mod client;
mod host;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use address::{Network, Reach, reach_of};
pub use client::{Answer, Connection, OutgoingRequest};
pub use host::Destination;

/// Where response may connect to, and how long it tries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EgressConfig {
    /// Hosts that may be called, `*.example.com` includes sub-domains; empty allows every host
    /// whose addresses are allowed.
    pub allow_hosts: Vec<String>,
    /// Loopback and private networks that may be called, as `10.1.0.0/16` or single addresses.
    /// Link-local and metadata addresses are never called, whatever stands here.
    pub allow_addresses: Vec<String>,
    /// Whether unencrypted `http://` is spoken to addresses of `allow_addresses`; to all others
    /// it never is.
    pub allow_http: bool,
    /// A certificate authority (PEM) to trust besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// Longest time for a connection, milliseconds.
    pub connect_timeout_ms: u64,
    /// Longest time for a whole request, milliseconds.
    pub request_timeout_ms: u64,
    /// Most bytes that are read of an answer.
    pub answer_bytes_max: usize,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            allow_addresses: Vec::new(),
            allow_http: false,
            ca_file: None,
            connect_timeout_ms: 3_000,
            request_timeout_ms: 10_000,
            answer_bytes_max: 1 << 20,
        }
    }
}

/// Why a call was not made, or failed. Holds no content of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The policy forbids it; trying again changes nothing.
    #[error("egress refused: {0}")]
    Refused(String),
    /// It did not work this time.
    #[error("{0}")]
    Failed(String),
}

/// Turns names into addresses.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of a name.
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<IpAddr>>;
}

/// The system's name resolution.
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, port)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// The way out. Cheap to clone.
#[derive(Clone)]
pub struct Egress {
    pub(crate) config: Arc<EgressConfig>,
    networks: Arc<[Network]>,
    resolver: Arc<dyn Resolve>,
    tls: Arc<rustls::ClientConfig>,
}

impl Egress {
    /// The way out under a policy.
    ///
    /// # Errors
    /// If a network or the certificate file cannot be read.
    pub fn new(config: EgressConfig, resolver: Arc<dyn Resolve>) -> Result<Self, String> {
        let networks = config
            .allow_addresses
            .iter()
            .map(|text| {
                Network::parse(text).ok_or_else(|| {
                    format!("egress.allow_addresses: `{text}` is neither an address nor a network")
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let tls = client::tls_config(config.ca_file.as_deref())?;
        Ok(Self {
            config: Arc::new(config),
            networks: networks.into(),
            resolver,
            tls,
        })
    }

    /// Checks a destination and gives the address to connect to.
    ///
    /// # Errors
    /// [`EgressError::Refused`] if the policy forbids it, else that the name does not resolve.
    pub async fn check(&self, to: &Destination) -> Result<SocketAddr, EgressError> {
        self.check_host(&to.host)?;
        let addresses = match to.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => {
                let wait = Duration::from_millis(self.config.connect_timeout_ms);
                let found = tokio::time::timeout(wait, self.resolver.resolve(&to.host, to.port));
                found
                    .await
                    .map_err(|_| EgressError::Failed(format!("`{}` was not resolved", to.host)))?
                    .map_err(|error| {
                        EgressError::Failed(format!("`{}` was not resolved: {error}", to.host))
                    })?
            }
        };
        let mut chosen = None;
        for address in addresses {
            let listed = self.check_address(&to.host, address)?;
            let may_be_plain = self.config.allow_http && listed;
            if !to.is_tls && !may_be_plain {
                return Err(EgressError::Refused(format!(
                    "`{}` would be called without TLS; set egress.allow_http and list its address",
                    to.host
                )));
            }
            chosen = chosen.or(Some(address));
        }
        chosen
            .map(|address| SocketAddr::new(address, to.port))
            .ok_or_else(|| EgressError::Failed(format!("`{}` has no address", to.host)))
    }

    fn check_host(&self, host: &str) -> Result<(), EgressError> {
        let allowed = &self.config.allow_hosts;
        if allowed.is_empty() || allowed.iter().any(|pattern| host::covers(pattern, host)) {
            return Ok(());
        }
        Err(EgressError::Refused(format!(
            "`{host}` is not in egress.allow_hosts"
        )))
    }

    /// Whether the address stands in the list of allowed ones; an error if it is forbidden.
    fn check_address(&self, host: &str, address: IpAddr) -> Result<bool, EgressError> {
        let listed = self.networks.iter().any(|network| network.covers(address));
        match reach_of(address) {
            Reach::Public => Ok(listed),
            Reach::Local(_) if listed => Ok(true),
            Reach::Local(what) => Err(EgressError::Refused(format!(
                "`{host}` is {what} ({address}); list it in egress.allow_addresses to allow it"
            ))),
            Reach::Never(what) => Err(EgressError::Refused(format!(
                "`{host}` is {what} ({address}), which is never called"
            ))),
        }
    }
}

#[cfg(test)]
mod tests;
