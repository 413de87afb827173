//! The client of a node's `/v1/evaluate`: one connection that is kept open, one question at a time.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

/// Path of the data plane.
const PATH: &str = "/v1/evaluate";
/// Longest answer of a node, bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is used again.
const KEEP: Duration = Duration::from_secs(2);
/// How long a node may think; a person may have to be asked.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(900);

/// Why a node could not be asked. Nothing of the question is in it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("`{url}` is no address of a node: write http://HOST:PORT or https://HOST")]
    Address {
        /// What was given.
        url: String,
    },
    /// A key or a certificate cannot be used.
    #[error("{0}")]
    Setting(String),
    /// The node cannot be reached, or broke off.
    #[error("the node at {node} does not answer: {why}")]
    Unreachable {
        /// Where it should be.
        node: String,
        /// What happened.
        why: String,
    },
    /// The node did not evaluate it.
    #[error("the node refused to evaluate it ({status}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What the node says.
        message: String,
        /// The decision that was logged, or empty.
        decision_id: String,
    },
}

/// Where a node is, and who asks it.
#[derive(Clone)]
pub struct Node {
    authority: String,
    host: String,
    shown: String,
    tls: Option<TlsConnector>,
    headers: Vec<(&'static str, HeaderValue)>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({})", self.shown)
    }
}

impl Node {
    /// A node by its address; `ca` (PEM) replaces the public certificate authorities.
    ///
    /// # Errors
    /// When the address is none, or the certificate authority cannot be read.
    pub fn new(url: &str, ca: Option<&Path>) -> Result<Self, ClientError> {
        let wrong = || ClientError::Address {
            url: url.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let host = uri.host().ok_or_else(wrong)?.to_owned();
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let tls = is_tls.then(|| connector(ca)).transpose()?;
        Ok(Self {
            authority: format!("{host}:{port}"),
            host,
            shown: url.to_owned(),
            tls,
            headers: Vec::new(),
        })
    }

    /// With a header in every question.
    ///
    /// # Errors
    /// When its value cannot stand in a header.
    pub fn with(mut self, name: &'static str, value: &str) -> Result<Self, ClientError> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| ClientError::Setting(format!("`{name}` cannot have that value")))?;
        self.headers.push((name, value));
        Ok(self)
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> ClientError {
        ClientError::Unreachable {
            node: self.shown.clone(),
            why: why.to_string(),
        }
    }
}

fn connector(ca: Option<&Path>) -> Result<TlsConnector, ClientError> {
    let setting = |error: String| ClientError::Setting(error);
    let mut roots = rustls::RootCertStore::empty();
    match ca {
        Some(path) => {
            let shown = path.display();
            let certificates = CertificateDer::pem_file_iter(path)
                .map_err(|error| setting(format!("cannot read {shown}: {error}")))?;
            for certificate in certificates {
                certificate
                    .map_err(|error| error.to_string())
                    .and_then(|one| roots.add(one).map_err(|error| error.to_string()))
                    .map_err(|error| setting(format!("cannot read {shown}: {error}")))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setting(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What a node decided.
#[derive(Clone, Debug, Deserialize)]
pub struct Evaluated {
    /// Its id in the log.
    pub decision_id: String,
    /// ALLOW, LOG, CONSTRAIN or BLOCK.
    pub decision: String,
    /// The call or answer with what CONSTRAIN does to it.
    #[serde(default)]
    pub edited: Option<Box<RawValue>>,
    /// A person has to approve it first.
    #[serde(skip)]
    pub needs_approval: bool,
}

#[derive(Deserialize)]
struct Accepted {
    decision_id: String,
}

#[derive(Deserialize)]
struct Failed {
    error: FailedError,
}

#[derive(Deserialize)]
struct FailedError {
    message: String,
    #[serde(default)]
    decision_id: String,
}

/// A body, or only its length: a node refuses what is too long before it reads it.
enum Question {
    Whole(Option<Bytes>),
    Announced(u64),
}

impl Body for Question {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Announced(_) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Whole(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                u64::try_from(length).unwrap_or(u64::MAX)
            }
            Self::Announced(length) => *length,
        })
    }
}

/// A client; it blocks while it waits.
pub struct Client {
    node: Node,
    runtime: Runtime,
    sender: Option<Kept>,
}

/// A connection that is kept open, and since when.
struct Kept {
    sender: SendRequest<Question>,
    since: Instant,
}

impl Client {
    /// A client that is not connected yet.
    ///
    /// # Errors
    /// When the system refuses what a runtime needs.
    pub fn new(node: Node) -> Result<Self, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ClientError::Setting(error.to_string()))?;
        Ok(Self {
            node,
            runtime,
            sender: None,
        })
    }

    /// Asks about a request of `/v1/evaluate`; the node's whole answer is the second.
    ///
    /// # Errors
    /// When the node cannot be asked, or refuses.
    pub fn evaluate(&mut self, request: Vec<u8>) -> Result<(Evaluated, Bytes), ClientError> {
        let question = Question::Whole(Some(Bytes::from(request)));
        let (status, body) = self.ask(question)?;
        read(status, &body).map(|evaluated| (evaluated, body))
    }

    /// Tells the node of something that is too long to be asked about: it is refused there, and
    /// logged.
    ///
    /// # Errors
    /// Always: that it was refused, or that the node cannot be asked.
    pub fn too_long(&mut self, bytes: u64) -> ClientError {
        let asked = self.ask(Question::Announced(bytes));
        // The node closes a connection on which a body is missing.
        self.sender = None;
        match asked.and_then(|(status, body)| read(status, &body)) {
            Ok(evaluated) => ClientError::Refused {
                status: 413,
                message: "it is too long".to_owned(),
                decision_id: evaluated.decision_id,
            },
            Err(error) => error,
        }
    }

    fn ask(&mut self, question: Question) -> Result<(u16, Bytes), ClientError> {
        let Self {
            node,
            runtime,
            sender,
        } = self;
        runtime.block_on(async {
            let asked = tokio::time::timeout(ANSWER_TIMEOUT, exchange(node, sender, question));
            asked
                .await
                .unwrap_or_else(|_| Err(node.unreachable("no answer in time")))
        })
    }
}

async fn exchange(
    node: &Node,
    kept: &mut Option<Kept>,
    question: Question,
) -> Result<(u16, Bytes), ClientError> {
    let broken = |error: hyper::Error| node.unreachable(error);
    let mut request = Request::new(question);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = Uri::from_static(PATH);
    let host = HeaderValue::from_str(&node.authority)
        .map_err(|error| ClientError::Setting(error.to_string()))?;
    request.headers_mut().insert("host", host);
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert("content-type", json);
    for (name, value) in &node.headers {
        request.headers_mut().insert(*name, value.clone());
    }
    let mut sender = match kept.take() {
        // A node closes what is idle, and nobody hears of that while nothing is asked.
        Some(kept) if kept.since.elapsed() < KEEP => kept.sender,
        _ => connect(node).await?,
    };
    if sender.ready().await.is_err() {
        sender = connect(node).await?;
    }
    let response = match sender.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            // Only what was not sent is sent again, on a fresh connection.
            let Some(unsent) = error.take_message() else {
                return Err(broken(error.into_error()));
            };
            sender = connect(node).await?;
            sender.send_request(unsent).await.map_err(broken)?
        }
    };
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| node.unreachable(error))?;
    *kept = Some(Kept {
        sender,
        since: Instant::now(),
    });
    Ok((status, body.to_bytes()))
}

async fn connect(node: &Node) -> Result<SendRequest<Question>, ClientError> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, async {
        let stream = TcpStream::connect(&node.authority)
            .await
            .map_err(|error| node.unreachable(error))?;
        stream
            .set_nodelay(true)
            .map_err(|error| node.unreachable(error))?;
        let Some(connector) = &node.tls else {
            let (sender, connection) = handshake(TokioIo::new(stream))
                .await
                .map_err(|error| node.unreachable(error))?;
            // A connection's end is seen by its sender.
            tokio::spawn(async move { drop(connection.await) });
            return Ok(sender);
        };
        let name = ServerName::try_from(node.host.clone())
            .map_err(|error| ClientError::Setting(error.to_string()))?;
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|error| node.unreachable(error))?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| node.unreachable(error))?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    });
    connected
        .await
        .unwrap_or_else(|_| Err(node.unreachable("no connection in time")))
}

fn read(status: u16, body: &[u8]) -> Result<Evaluated, ClientError> {
    let refused = |message: String, decision_id: String| ClientError::Refused {
        status,
        message,
        decision_id,
    };
    let unreadable = |_| refused("its answer cannot be read".to_owned(), String::new());
    match status {
        200 => serde_json::from_slice(body).map_err(unreadable),
        202 => {
            let accepted: Accepted = serde_json::from_slice(body).map_err(unreadable)?;
            Ok(Evaluated {
                decision_id: accepted.decision_id,
                decision: "BLOCK".to_owned(),
                edited: None,
                needs_approval: true,
            })
        }
        _ => {
            let failed: Failed = serde_json::from_slice(body).map_err(unreadable)?;
            Err(refused(failed.error.message, failed.error.decision_id))
        }
    }
}
