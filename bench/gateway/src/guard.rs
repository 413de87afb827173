//! The gateway without the rest of a node: what it would log is counted. Quick to build, and nothing
//! else is measured with it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use atalaya_gateway::config::{Route, Upstream};
use atalaya_gateway::{Gateway, GatewayConfig, Parts, RecordError, Recorder, SystemWorld};
use atalaya_inspect::Inspector;
use atalaya_policy::Policy;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::Error;
use crate::listen::listener;

/// What would be logged.
#[derive(Clone, Default)]
struct Counted(Arc<[AtomicU64; 2]>);

impl Recorder for Counted {
    type Durable = Ready<Result<(), RecordError>>;

    fn append(&self, _: Vec<u8>) -> Self::Durable {
        self.0[0].fetch_add(1, Relaxed);
        ready(Ok(()))
    }

    fn append_detached(&self, _: Vec<u8>) {
        self.0[1].fetch_add(1, Relaxed);
    }
}

pub(crate) fn serve(
    listen: SocketAddr,
    admin: SocketAddr,
    upstream: SocketAddr,
    hold_bytes: Option<usize>,
) -> Result<(), Error> {
    let mut config = GatewayConfig {
        listen: vec![listen],
        workers: 2,
        routes: vec![Route {
            upstream: "bench".to_owned(),
            ..Route::default()
        }],
        ..GatewayConfig::default()
    };
    config.timeouts.header_ms = 2_000;
    config.timeouts.body_ms = 2_000;
    config.upstreams = [(
        "bench".to_owned(),
        Upstream {
            base_url: format!("http://{upstream}"),
            ..Upstream::default()
        },
    )]
    .into();
    let mut policy = Policy::builtin_text().to_owned();
    if let Some(bytes) = hold_bytes {
        policy = policy.replace("hold_bytes: 256", &format!("hold_bytes: {bytes}"));
    }
    let policy = Policy::parse(&policy).map_err(|problems| format!("{problems:?}"))?;
    let counted = Counted::default();
    let gateway = Gateway::start(Parts {
        config,
        policy: Arc::new(policy),
        inspector: Arc::new(Inspector::builtin()),
        recorder: counted.clone(),
        world: Arc::new(SystemWorld),
        node_id: "bench".to_owned(),
        access: Arc::default(),
        approvals: None,
        fingerprint_secret: b"bench".to_vec(),
        canary_secret: Vec::new(),
    })?;
    let metrics = gateway.metrics();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(async {
        let listener = listener(admin)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let (metrics, counted) = (Arc::clone(&metrics), counted.clone());
            let answer = service_fn(move |_| {
                let text = format!(
                    "{}recorded_decisions {}\nrecorded_settlements {}\n",
                    metrics.render(),
                    counted.0[0].load(Relaxed),
                    counted.0[1].load(Relaxed)
                );
                async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text)))) }
            });
            tokio::task::spawn_local(async move {
                // A connection that ends early is the client's affair.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    }))
}
