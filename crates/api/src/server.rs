//! The admin listener: a port of its own, so that the data plane never answers for operations and
//! a scrape never competes with calls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::problem::Problem;
use crate::reply::Body;
use crate::router::Router;

/// Longest body of a request.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// Connections served at once; more wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 256;
/// A client that does not finish its request head by then is cut off.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that does not finish its body by then is answered 408.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves until the process ends; returns the bound address at once.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(listen: SocketAddr, router: Arc<Router>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    tokio::spawn(accept(listener, router));
    Ok(address)
}

async fn accept(listener: TcpListener, router: Arc<Router>) {
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
        let router = Arc::clone(&router);
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(move |request| {
                let router = Arc::clone(&router);
                async move { Ok::<_, std::convert::Infallible>(answer(&router, request).await) }
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

async fn answer(router: &Router, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let (found, identity) = match router.admit(&head) {
        Ok(admitted) => admitted,
        Err(problem) => return problem.into_reply().into_response(),
    };
    let body = match receive(body).await {
        Ok(body) => body,
        Err(problem) => {
            // The rest of the body is still on its way.
            let reply = problem.into_reply().header("connection", "close");
            return reply.into_response();
        }
    };
    router
        .answer(found, identity, head, body)
        .await
        .into_response()
}

async fn receive(body: Incoming) -> Result<Bytes, Problem> {
    let collected = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_READ_TIMEOUT, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is longer than {BODY_BYTES_MAX} bytes");
            Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                detail,
            ))
        }
        Ok(Err(_)) => Err(Problem::invalid("the body broke off before its end")),
        Err(_) => {
            let detail = "the body did not arrive in time";
            Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                detail,
            ))
        }
    }
}
