//! `/healthz`, `/readyz`, `/metrics`, `/openapi.json`: open, read-only, without secrets.

use std::sync::Arc;

use http::{Method, StatusCode};

use crate::operation::{Operation, Resource, Right};
use crate::reply::Reply;

/// What the probes ask the rest of the process.
pub trait Status: Send + Sync + 'static {
    /// `Ok` when calls are taken; else why not, for people.
    ///
    /// # Errors
    /// The reason, one line.
    fn ready(&self) -> Result<(), String>;
    /// All metrics in Prometheus text exposition format.
    fn metrics(&self) -> String;
}

fn plain(status: StatusCode, text: String) -> Reply {
    Reply::bytes(status, "text/plain; version=0.0.4; charset=utf-8", text)
}

/// The probes.
#[must_use]
pub fn resource(status: Arc<dyn Status>) -> Resource {
    let open = |path, summary, answer: Arc<dyn Fn() -> Reply + Send + Sync>| {
        Operation::new(Method::GET, path, Right::Open, summary, move |_| {
            let reply = answer();
            async move { Ok(reply) }
        })
    };
    let (ready, metrics) = (Arc::clone(&status), status);
    Resource {
        name: "node",
        doc: "Is it alive, is it ready, how is it doing.",
        operations: vec![
            open(
                "/healthz",
                "The process runs",
                Arc::new(|| plain(StatusCode::OK, "ok\n".to_owned())),
            ),
            open(
                "/readyz",
                "Calls are taken and the log can be written",
                Arc::new(move || match ready.ready() {
                    Ok(()) => plain(StatusCode::OK, "ready\n".to_owned()),
                    Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
                }),
            ),
            open(
                "/metrics",
                "Metrics in Prometheus text exposition format",
                Arc::new(move || plain(StatusCode::OK, metrics.metrics())),
            ),
        ],
    }
}
