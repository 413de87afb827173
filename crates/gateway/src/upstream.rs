//! Connections to model providers, kept open and used again.
//!
//! Each worker has its own, so that taking and giving back costs no lock and wakes no other
//! thread. An idle connection that the provider has closed is noticed when it is taken, or when
//! the request comes back unsent; only then is it sent again, on a fresh connection. A request
//! that may have reached the provider is never repeated.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::breaker::Breaker;
use crate::config::{AwsCredentials, Upstream};
use crate::sigv4::AwsSigner;

/// A request to a provider could not be carried out. Nothing of the call is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// No connection.
    #[error("could not connect: {0}")]
    Connect(String),
    /// No connection in time.
    #[error("no connection in time")]
    ConnectTimeout,
    /// The answer's head took too long.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke before the answer began.
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl UpstreamError {
    /// Whether nothing of the call has left.
    pub(crate) const fn is_unsent(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout)
    }

    /// Whether it was slow rather than broken.
    pub(crate) const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout | Self::ConnectTimeout)
    }
}

/// A provider was configured in a way that cannot work.
#[derive(Debug, thiserror::Error)]
#[error("upstream `{name}`: {problem}")]
pub struct UpstreamConfigError {
    /// Which upstream.
    pub name: String,
    /// What is wrong.
    pub problem: String,
}

/// A provider, ready to be called.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) provider: String,
    pub(crate) authority: String,
    /// `Host` header (RFC 9110 section 7.2).
    pub(crate) host: http::HeaderValue,
    pub(crate) base_path: String,
    pub(crate) api_key: Option<String>,
    pub(crate) aws: Option<AwsSigner>,
    pub(crate) breaker: Breaker,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    http2: bool,
}

impl Target {
    pub(crate) fn new(name: &str, config: &Upstream) -> Result<Self, UpstreamConfigError> {
        let fail = |problem: String| UpstreamConfigError {
            name: name.to_owned(),
            problem,
        };
        let uri: http::Uri = config
            .base_url
            .parse()
            .map_err(|_| fail(format!("`base_url: {}` is no URL", config.base_url)))?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => {
                return Err(fail(
                    "`base_url` must start with http:// or https://".to_owned(),
                ));
            }
        };
        if config.aws.is_some() && config.api_key.is_some() {
            return Err(fail(
                "`aws` and `api_key` exclude each other: a call is signed, or carries a key"
                    .to_owned(),
            ));
        }
        let host = uri
            .host()
            .ok_or_else(|| fail("`base_url` names no host".to_owned()))?;
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let bare_host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let tls = if is_tls {
            Some(connector(config, &bare_host).map_err(fail)?)
        } else {
            None
        };
        let shown = uri.authority().map_or(host, http::uri::Authority::as_str);
        Ok(Self {
            name: name.to_owned(),
            provider: config.provider.clone().unwrap_or_else(|| name.to_owned()),
            authority: format!("{host}:{port}"),
            host: http::HeaderValue::from_str(shown).map_err(|e| fail(e.to_string()))?,
            base_path: uri.path().trim_end_matches('/').to_owned(),
            api_key: config
                .api_key
                .as_deref()
                .map(secret)
                .transpose()
                .map_err(fail)?,
            aws: config.aws.as_ref().map(signer).transpose().map_err(fail)?,
            breaker: Breaker::default(),
            tls,
            http2: config.http2,
        })
    }
}

fn signer(config: &AwsCredentials) -> Result<AwsSigner, String> {
    Ok(AwsSigner {
        access_key_id: reference_or_plain(&config.access_key_id)?,
        secret_access_key: secret(&config.secret_access_key)?,
        session_token: config.session_token.as_deref().map(secret).transpose()?,
        region: config.region.clone(),
        service: config.service.clone(),
    })
}

/// What is no secret may also be written out.
fn reference_or_plain(text: &str) -> Result<String, String> {
    if text.starts_with("${") {
        secret(text)
    } else {
        Ok(text.to_owned())
    }
}

/// Resolves `${env:NAME}` and `${file:PATH}`; a key written out in the file is refused.
fn secret(reference: &str) -> Result<String, String> {
    let inner = reference
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or("a key must be a reference: ${env:NAME} or ${file:PATH}")?;
    let value = match inner.split_once(':') {
        Some(("env", name)) => std::env::var(name)
            .map_err(|_| format!("the environment variable `{name}` is not set"))?,
        Some(("file", path)) => std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read the key file `{path}`: {error}"))?,
        _ => return Err("a key must be ${env:NAME} or ${file:PATH}".to_owned()),
    };
    Ok(value.trim().to_owned())
}

fn connector(config: &Upstream, host: &str) -> Result<(TlsConnector, ServerName<'static>), String> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = &config.ca_file {
        let certificates = CertificateDer::pem_file_iter(path)
            .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
    } else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = if config.http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    Ok((TlsConnector::from(Arc::new(tls)), name))
}

/// A connection that a request can be sent on.
pub(crate) enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// The connections of one worker to one provider.
pub(crate) struct Pool {
    pub(crate) target: Arc<Target>,
    idle: RefCell<Vec<Sender>>,
    idle_max: usize,
    connect_timeout: Duration,
}

/// An answer's head, its body still to come, and the connection to give back afterwards.
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    pub(crate) sender: Sender,
}

impl Pool {
    pub(crate) fn new(target: Arc<Target>, idle_max: usize, connect_timeout: Duration) -> Rc<Self> {
        Rc::new(Self {
            target,
            idle: RefCell::new(Vec::new()),
            idle_max,
            connect_timeout,
        })
    }

    /// Gives a connection back whose answer has been read to its end.
    pub(crate) fn give_back(&self, sender: Sender) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.idle_max && !is_closed(&sender) {
            idle.push(sender);
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Answered, UpstreamError> {
        loop {
            let idle = self.idle.borrow_mut().pop();
            let is_fresh = idle.is_none();
            let mut sender = match idle {
                Some(sender) => sender,
                None => self.connect().await?,
            };
            let sent = match &mut sender {
                Sender::Http1(http1) => {
                    if http1.ready().await.is_err() {
                        if is_fresh {
                            return Err(UpstreamError::Broken("closed at once".to_owned()));
                        }
                        continue;
                    }
                    http1.try_send_request(request).await
                }
                Sender::Http2(http2) => {
                    if http2.ready().await.is_err() {
                        if is_fresh {
                            return Err(UpstreamError::Broken("closed at once".to_owned()));
                        }
                        continue;
                    }
                    // Many calls share the connection: it goes back at once.
                    self.give_back(Sender::Http2(http2.clone()));
                    http2.try_send_request(request).await
                }
            };
            match sent {
                Ok(response) => return Ok(Answered { response, sender }),
                Err(mut error) => match error.take_message() {
                    // Nothing was sent: a stale connection, so another one is tried.
                    Some(unsent) if !is_fresh => request = unsent,
                    _ => return Err(UpstreamError::Broken(error.error().to_string())),
                },
            }
        }
    }

    /// Sends a request to change the protocol, on a connection of its own.
    pub(crate) async fn open_socket(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let Sender::Http1(mut http1) = self.connect().await? else {
            let why = "it speaks HTTP/2, over which no web socket is opened";
            return Err(UpstreamError::Connect(why.to_owned()));
        };
        let broken = |error: hyper::Error| UpstreamError::Broken(error.to_string());
        http1.send_request(request).await.map_err(broken)
    }

    async fn connect(&self) -> Result<Sender, UpstreamError> {
        match tokio::time::timeout(self.connect_timeout, self.open()).await {
            Ok(opened) => opened,
            Err(_) => Err(UpstreamError::ConnectTimeout),
        }
    }

    async fn open(&self) -> Result<Sender, UpstreamError> {
        let connect = |error: std::io::Error| UpstreamError::Connect(error.kind().to_string());
        let stream = TcpStream::connect(&self.target.authority)
            .await
            .map_err(connect)?;
        stream.set_nodelay(true).map_err(connect)?;
        let Some((connector, name)) = &self.target.tls else {
            return handshake(stream, self.target.http2).await;
        };
        let stream = connector
            .connect(name.clone(), stream)
            .await
            .map_err(connect)?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        handshake(stream, is_http2).await
    }
}

fn is_closed(sender: &Sender) -> bool {
    match sender {
        Sender::Http1(http1) => http1.is_closed(),
        Sender::Http2(http2) => http2.is_closed(),
    }
}

async fn handshake<T>(stream: T, is_http2: bool) -> Result<Sender, UpstreamError>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| UpstreamError::Broken(error.to_string());
    let io = TokioIo::new(stream);
    if is_http2 {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io)
            .await
            .map_err(broken)?;
        // A connection's end is seen by its sender.
        tokio::task::spawn_local(async move { drop(connection.await) });
        return Ok(Sender::Http2(sender));
    }
    let (sender, connection) = http1::handshake(io).await.map_err(broken)?;
    let connection = connection.with_upgrades();
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(Sender::Http1(sender))
}
