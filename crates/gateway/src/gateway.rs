//! Starting and stopping a gateway.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use atalaya_access::Access;
use atalaya_inspect::Inspector;
use atalaya_policy::Policy;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::approve::Approvals;
use crate::canary::Canaries;
use crate::config::{GatewayConfig, TlsFiles};
use crate::door::Doorkeeper;
use crate::fingerprint::Fingerprints;
use crate::keys::IssuerKeys;
use crate::metrics::Metrics;
use crate::ports::{Recorder, World};
use crate::record::NodeFacts;
use crate::route::Routes;
use crate::session::Sessions;
use crate::shared::{PolicySlot, Shared};
use crate::upstream::UpstreamConfigError;
use crate::worker;

/// Connections that wait in the kernel to be accepted.
const BACKLOG: i32 = 1_024;

/// A gateway could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An upstream or a route is configured in a way that cannot work.
    #[error(transparent)]
    Upstream(#[from] UpstreamConfigError),
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The keys of an issuer of tokens cannot be used.
    #[error("issuer of tokens: {0}")]
    Issuer(String),
    /// Certificate or key cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
    /// The system gave no thread.
    #[error("cannot start a worker: {0}")]
    Thread(std::io::Error),
}

/// What a gateway is made of.
pub struct Parts<R: Recorder> {
    /// Configuration.
    pub config: GatewayConfig,
    /// Policy at the start.
    pub policy: Arc<Policy>,
    /// Detectors.
    pub inspector: Arc<Inspector>,
    /// Decision log.
    pub recorder: R,
    /// Clock and identity.
    pub world: Arc<dyn World>,
    /// Name of this node in the log.
    pub node_id: String,
    /// Keys, entitlements and enforcement in force.
    pub access: Arc<Access>,
    /// Where people approve calls; without it, calls that need approval are refused.
    pub approvals: Option<Arc<dyn Approvals>>,
    /// Secret of this installation that keys the fingerprints of findings.
    pub fingerprint_secret: Vec<u8>,
    /// Secret of this installation from which inserted canaries are made.
    pub canary_secret: Vec<u8>,
}

/// A running gateway.
pub struct Gateway<R: Recorder> {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared<R>>,
    drain: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
}

impl<R: Recorder> Gateway<R> {
    /// Starts listening; calls are taken when this returns.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub fn start(parts: Parts<R>) -> Result<Self, StartError> {
        let routes = Routes::new(&parts.config)?;
        let tls = parts.config.tls.as_ref().map(acceptor).transpose()?;
        let count = worker_count(parts.config.workers);
        let mut per_worker: Vec<Vec<TcpListener>> = (0..count).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for address in &parts.config.listen {
            // The first bind finds the port when it was left open; the others share it.
            let mut bound = *address;
            for listeners in &mut per_worker {
                let listener = listen(bound).map_err(|source| StartError::Listen {
                    address: bound,
                    source,
                })?;
                bound = listener.local_addr().unwrap_or(bound);
                listeners.push(listener);
            }
            addresses.push(bound);
        }
        let issuers = IssuerKeys::new(&parts.config.callers.issuers).map_err(StartError::Issuer)?;
        let node = NodeFacts {
            node_id: parts.node_id,
            version: env!("CARGO_PKG_VERSION"),
            ruleset_hash: parts.inspector.ruleset_hash().to_owned(),
        };
        let (sessions, large) = (
            parts.config.sessions,
            parts.config.limits.large_inspections_max,
        );
        let canaries = Canaries::new(&parts.canary_secret, &parts.config.canaries);
        let shared = Arc::new(Shared {
            canaries,
            config: parts.config,
            routes,
            policy: PolicySlot::new(parts.policy),
            door: Doorkeeper {
                access: parts.access,
                issuers: Arc::new(issuers),
            },
            sessions: Arc::new(Sessions::new(sessions)),
            fingerprints: Fingerprints::new(&parts.fingerprint_secret),
            approvals: parts.approvals,
            large_inspections: Semaphore::new(large),
            inspector: parts.inspector,
            recorder: parts.recorder,
            world: parts.world,
            metrics: Arc::new(Metrics::default()),
            node,
        });
        let (drain, receiver) = watch::channel(false);
        let workers = per_worker
            .into_iter()
            .enumerate()
            .map(|(number, listeners)| spawn(number, &shared, listeners, tls.clone(), &receiver))
            .collect::<Result<_, _>>()
            .map_err(StartError::Thread)?;
        Ok(Self {
            addresses,
            shared,
            drain,
            workers,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Its counters.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// Where the policy in force is, to put another one there.
    #[must_use]
    pub fn policy_slot(&self) -> PolicySlot {
        self.shared.policy.clone()
    }

    /// Stops accepting, lets running calls end (within `timeouts.drain_ms`), and returns.
    pub fn drain(self) {
        // No receiver left means that every worker has ended already.
        let _ = self.drain.send(true);
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a worker ended by a defect");
            }
        }
    }
}

fn worker_count(configured: usize) -> usize {
    if configured > 0 {
        return configured;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn spawn<R: Recorder>(
    number: usize,
    shared: &Arc<Shared<R>>,
    listeners: Vec<TcpListener>,
    tls: Option<TlsAcceptor>,
    drain: &watch::Receiver<bool>,
) -> std::io::Result<JoinHandle<()>> {
    let (shared, drain) = (Arc::clone(shared), drain.clone());
    std::thread::Builder::new()
        .name(format!("gateway-{number}"))
        .spawn(move || {
            if let Err(error) = worker::run(number, &shared, listeners, tls, &drain) {
                tracing::error!(%error, "a gateway worker could not run");
            }
        })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, StartError> {
    let fail = |error: &dyn std::fmt::Display| StartError::Tls(error.to_string());
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .map_err(|error| fail(&format!("{}: {error}", files.certificate.display())))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fail(&error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| fail(&format!("{}: {error}", files.key.display())))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fail(&error))?
        .with_client_cert_verifier(client_verifier(files)?)
        .with_single_cert(certificates, key)
        .map_err(|error| fail(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Certificates are asked for when there is an authority for them; a caller without one may still
/// have a key or a token, which the door looks at.
fn client_verifier(files: &TlsFiles) -> Result<Arc<dyn ClientCertVerifier>, StartError> {
    let Some(path) = &files.client_ca else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let fail =
        |error: &dyn std::fmt::Display| StartError::Tls(format!("{}: {error}", path.display()));
    let mut roots = rustls::RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| fail(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| fail(&error))?;
        roots.add(certificate).map_err(|error| fail(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| fail(&error))
}
