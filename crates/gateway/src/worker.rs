//! One worker: a thread, its runtime, its listener, its upstream connections.
//!
//! The kernel spreads connections over the workers (`SO_REUSEPORT`), and a call never leaves the
//! worker on which it arrived: no lock and no wake-up of another thread on its way, except the
//! one that waits for the log.

use std::cell::RefCell;
use std::convert::Infallible;
use std::hash::RandomState;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use atalaya_inspect::Scratch;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use crate::call::call;
use crate::certificate::Certificate;
use crate::keys;
use crate::ports::Recorder;
use crate::shared::{ConnectionPermit, Shared};
use crate::upstream::Pool;

/// State of one worker.
pub(crate) struct Worker<R: Recorder> {
    pub(crate) shared: Arc<Shared<R>>,
    pub(crate) pools: Vec<Rc<Pool>>,
    pub(crate) scratch: RefCell<Scratch>,
    /// Turns true when the gateway drains.
    pub(crate) drain: watch::Receiver<bool>,
    number: usize,
}

/// Runs a worker until it has drained.
pub(crate) fn run<R: Recorder>(
    number: usize,
    shared: &Arc<Shared<R>>,
    listeners: Vec<std::net::TcpListener>,
    tls: Option<TlsAcceptor>,
    drain: &watch::Receiver<bool>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let idle_max = shared.config.limits.idle_upstream_connections_max;
    let connect = Duration::from_millis(shared.config.timeouts.connect_ms);
    let pools = shared
        .routes
        .targets
        .iter()
        .map(|target| Pool::new(Arc::clone(target), idle_max, connect))
        .collect();
    let shared = Arc::clone(shared);
    let worker = Rc::new(Worker {
        shared,
        pools,
        scratch: RefCell::new(Scratch::remembering(RandomState::new())),
        drain: drain.clone(),
        number,
    });
    let local = LocalSet::new();
    runtime.block_on(local.run_until(serve(worker, listeners, tls, drain.clone())))
}

async fn serve<R: Recorder>(
    worker: Rc<Worker<R>>,
    listeners: Vec<std::net::TcpListener>,
    tls: Option<TlsAcceptor>,
    drain: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut accepting = Vec::new();
    for listener in listeners {
        let listener = TcpListener::from_std(listener)?;
        accepting.push(tokio::task::spawn_local(accept(
            Rc::clone(&worker),
            listener,
            tls.clone(),
            drain.clone(),
        )));
    }
    // One worker fetches the keys of issuers for all.
    if worker.number == 0 {
        let every = keys::refresh_interval(&worker.shared.config);
        let issuers = Arc::clone(&worker.shared.door.issuers);
        tokio::task::spawn_local(issuers.keep(every, drain.clone()));
    }
    for task in accepting {
        // A listener that ends has drained.
        let _ = task.await;
    }
    // Connections end by themselves once they are told to; the wait for calls is bounded.
    let timeout = Duration::from_millis(worker.shared.config.timeouts.drain_ms);
    let drained = async {
        while Rc::strong_count(&worker) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(timeout, drained).await.is_err() {
        tracing::warn!("calls were still running at the end of the drain");
    }
    Ok(())
}

async fn accept<R: Recorder>(
    worker: Rc<Worker<R>>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    mut drain: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = drain.wait_for(|drain| *drain) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: a pause lets some come back.
                tracing::warn!(%error, "could not accept");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let max = worker.shared.config.limits.connections_max;
        let Some(permit) = ConnectionPermit::take(&worker.shared.metrics, max) else {
            continue;
        };
        let (worker, tls, drain) = (Rc::clone(&worker), tls.clone(), drain.clone());
        tokio::task::spawn_local(async move {
            let _permit = permit;
            connection(worker, stream, peer, tls, drain).await;
        });
    }
}

async fn connection<R: Recorder>(
    worker: Rc<Worker<R>>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    drain: watch::Receiver<bool>,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(acceptor) = tls else {
        let peer = Peer {
            address: peer,
            certificate: None,
        };
        return http(worker, stream, peer, drain).await;
    };
    let timeout = Duration::from_millis(worker.shared.config.timeouts.header_ms);
    match tokio::time::timeout(timeout, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let presented = stream.get_ref().1.peer_certificates();
            let certificate = presented.and_then(|chain| Certificate::read(chain.first()?));
            let peer = Peer {
                address: peer,
                certificate: certificate.map(Rc::new),
            };
            http(worker, stream, peer, drain).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: Option<Rc<Certificate>>,
}

async fn http<R: Recorder, T>(
    worker: Rc<Worker<R>>,
    stream: T,
    peer: Peer,
    mut drain: watch::Receiver<bool>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let header_timeout = Duration::from_millis(worker.shared.config.timeouts.header_ms);
    let service = service_fn(move |request| {
        let (worker, peer) = (Rc::clone(&worker), peer.clone());
        async move { Ok::<_, Infallible>(call(worker, peer, request).await) }
    });
    let mut builder = auto::Builder::new(LocalExecutor);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .http2()
        .timer(TokioTimer::new());
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = drain.wait_for(|drain| *drain) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

/// HTTP/2 streams run on the worker's own thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: std::future::Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
