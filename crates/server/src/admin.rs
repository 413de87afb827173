//! The admin listener: is it alive, is it ready, how is it doing.
//!
//! A port of its own, loopback by default, so that the data plane never answers for operations
//! and a scrape never competes with calls. Three read-only resources, no state, no secrets:
//! `/healthz` (the process runs), `/readyz` (it takes calls and its log is writable) and
//! `/metrics` (Prometheus text exposition format 0.0.4).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections served at once; more wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 64;
/// A client that does not finish its request head by then is cut off.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);

/// What the admin listener asks the rest of the process.
pub trait Status: Send + Sync + 'static {
    /// `Ok` when calls are taken; else why not, for people.
    ///
    /// # Errors
    /// The reason, one line.
    fn ready(&self) -> Result<(), String>;
    /// All metrics in Prometheus text exposition format.
    fn metrics(&self) -> String;
}

/// Serves until the process ends; returns the bound address at once.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start(listen: SocketAddr, status: Arc<dyn Status>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    tokio::spawn(accept(listener, status));
    Ok(address)
}

async fn accept(listener: TcpListener, status: Arc<dyn Status>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "admin listener could not accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let status = Arc::clone(&status);
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(move |request| {
                let answer = answer(&request, status.as_ref());
                async move { Ok::<_, std::convert::Infallible>(answer) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_READ_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "admin connection ended early");
            }
        });
    }
}

fn answer(request: &Request<Incoming>, status: &dyn Status) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match request.uri().path() {
        "/healthz" => plain(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match status.ready() {
            Ok(()) => plain(StatusCode::OK, "ready\n".to_owned()),
            Err(reason) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        },
        "/metrics" => plain(StatusCode::OK, status.metrics()),
        _ => plain(
            StatusCode::NOT_FOUND,
            "try /healthz, /readyz or /metrics\n".to_owned(),
        ),
    }
}

fn plain(code: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    response
}
