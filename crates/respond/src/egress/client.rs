//! One request per connection, to the address that was checked.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Destination, Egress, EgressError};

/// An HTTP request. Headers may hold secrets: this type has no `Debug`.
#[derive(Clone, Default)]
pub struct OutgoingRequest {
    /// `POST`, `GET`, …
    pub method: http::Method,
    /// The whole URL.
    pub url: String,
    /// Headers besides `Host` and `User-Agent`.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// `Retry-After`, if it is a number of seconds.
    pub retry_after: Option<Duration>,
    /// Body, bounded by `answer_bytes_max`.
    pub body: Vec<u8>,
}

/// A byte stream to a checked destination.
pub type Connection = Pin<Box<dyn Stream>>;

/// What a connection is made of.
pub trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

impl Egress {
    /// Sends a request and reads the answer. Redirects are answers like others.
    ///
    /// # Errors
    /// If the policy forbids the destination, or the connection fails.
    pub async fn send(&self, request: OutgoingRequest) -> Result<Answer, EgressError> {
        let to = Destination::parse(&request.url)?;
        let limit = Duration::from_millis(self.config.request_timeout_ms);
        match tokio::time::timeout(limit, self.exchange(&to, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(failed(&to, "no answer in time")),
        }
    }

    /// Opens a connection to a checked destination, for protocols other than HTTP.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn connect(&self, to: &Destination) -> Result<Connection, EgressError> {
        let address = self.check(to).await?;
        let limit = Duration::from_millis(self.config.connect_timeout_ms);
        let open = async {
            let stream = TcpStream::connect(address)
                .await
                .map_err(|error| failed(to, error.kind()))?;
            let _ = stream.set_nodelay(true);
            if to.is_tls {
                self.start_tls(to, Box::pin(stream)).await
            } else {
                Ok(Box::pin(stream) as Connection)
            }
        };
        match tokio::time::timeout(limit, open).await {
            Ok(opened) => opened,
            Err(_) => Err(failed(to, "no connection in time")),
        }
    }

    /// Speaks TLS over an open connection (SMTP's `STARTTLS`).
    ///
    /// # Errors
    /// If the other side is not who it should be.
    pub async fn start_tls(
        &self,
        to: &Destination,
        stream: Connection,
    ) -> Result<Connection, EgressError> {
        let name = ServerName::try_from(to.host.clone())
            .map_err(|_| EgressError::Refused(format!("`{}` is no server name", to.host)))?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
            .map_err(|error| failed(to, error))?;
        Ok(Box::pin(stream))
    }

    async fn exchange(
        &self,
        to: &Destination,
        request: OutgoingRequest,
    ) -> Result<Answer, EgressError> {
        let stream = self.connect(to).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
                .await
                .map_err(|error| failed(to, error))?;
        // A connection's end is seen by its sender.
        let connection = tokio::spawn(async move { drop(connection.await) });
        let mut builder = http::Request::builder()
            .method(request.method)
            .uri(&to.path)
            .header("host", to.authority())
            .header("user-agent", concat!("atalaya/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let built = builder
            .body(Full::new(Bytes::from(request.body)))
            .map_err(|_| EgressError::Refused("a header of the request is not valid".to_owned()))?;
        let response = sender
            .send_request(built)
            .await
            .map_err(|error| failed(to, error))?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let body = Limited::new(response.into_body(), self.config.answer_bytes_max)
            .collect()
            .await
            .map(|collected| collected.to_bytes().to_vec())
            // An answer that is too long or cut off has still been given.
            .unwrap_or_default();
        connection.abort();
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    }
}

fn failed(to: &Destination, why: impl std::fmt::Display) -> EgressError {
    EgressError::Failed(format!("`{}:{}`: {why}", to.host, to.port))
}

pub(super) fn tls_config(ca_file: Option<&Path>) -> Result<Arc<rustls::ClientConfig>, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        let unreadable = |error: &dyn std::fmt::Display| {
            format!("egress.ca_file: cannot read {}: {error}", path.display())
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| unreadable(&e))? {
            let certificate = certificate.map_err(|e| unreadable(&e))?;
            roots.add(certificate).map_err(|e| unreadable(&e))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(tls))
}
