//! `atalaya demo`: a whole node, real traffic, planted incidents, and an honest report.
//!
//! Everything is on loopback and in one folder. The model is scripted, the callers are not:
//! they speak HTTP to the gateway as any application would. The report says what was expected
//! and what came, so that the demo is at the same time the test of the main job.

mod client;
mod incidents;
mod report;
mod script;
mod traffic;
mod upstream;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use atalaya_gateway::config::{Route, Upstream};
use atalaya_lake::{IngestFormat, IngestOptions};
use atalaya_model::{Alert, Timestamp};
use atalaya_query::QueryResult;
use atalaya_store::{AlertFilter, Store as _};

pub use report::{Report, Shortfall};

use crate::config::Config;
use crate::node::Node;
use crate::open::{self, OpenError};

/// Longest wait until the last decision can be queried.
const QUERYABLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait until every planted incident has its alert.
const ALERTS_TIMEOUT: Duration = Duration::from_secs(40);
/// Pause between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Name of the scripted model server.
const UPSTREAM: &str = "demo-model";

/// The query that the report shows.
pub const SHOWN_QUERY: &str = "AIGuardrailDecisions
| where TimeGenerated > ago(1h) and Decision in (\"CONSTRAIN\", \"BLOCK\")
| summarize Calls = count(), MaxScore = max(ThreatScore), Callers = dcount(UserId)
    by Decision, ThreatDetection
| sort by Calls desc, ThreatDetection asc";

/// A demo that has done its work and is still up.
pub struct Demo {
    /// The node, still taking calls.
    pub node: Node,
    /// What came of it.
    pub report: Report,
}

/// How far the demo has come, for people who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Starting the model server and the node.
    Starting,
    /// Sending calls.
    Calling,
    /// Ingesting the other logs.
    Ingesting,
    /// Running rules until their alerts are there.
    Detecting,
}

/// The configuration of the demo's node.
fn config(folder: &Path, model: SocketAddr) -> Config {
    let mut config = Config {
        data_dir: folder.to_owned(),
        ..Config::default()
    };
    let free_port = SocketAddr::from(([127, 0, 0, 1], 0));
    config.node_id = "demo".to_owned();
    // The demo's callers go on after an attack, so that every detection can be seen.
    config.respond.automatic = false;
    config.admin.listen = free_port;
    config.gateway.listen = vec![free_port];
    config.gateway.upstreams = std::collections::BTreeMap::from([(
        UPSTREAM.to_owned(),
        Upstream {
            base_url: format!("http://{model}"),
            ..Upstream::default()
        },
    )]);
    config.gateway.routes = vec![Route {
        upstream: UPSTREAM.to_owned(),
        ..Route::default()
    }];
    config
}

/// Runs the demo with its data in `folder`, which must be empty.
///
/// # Errors
/// If the node cannot be started or the calls cannot be made; what was not found is no error but
/// in the report.
pub async fn run(folder: PathBuf, mut progress: impl FnMut(Step)) -> Result<Demo, OpenError> {
    let started = Instant::now();
    progress(Step::Starting);
    let script =
        script::load().map_err(|error| OpenError::world("reading the script", error.message))?;
    let model = upstream::start()
        .await
        .map_err(|error| OpenError::world("starting the scripted model server", error))?;
    let node = Node::start(config(&folder, model)).await?;
    let gateway = node.gateway_addresses()[0];

    progress(Step::Calling);
    let sent = traffic::send(gateway, &script)
        .await
        .map_err(|error| OpenError::world("calling the gateway", error))?;

    progress(Step::Ingesting);
    let ingested = ingest(&node).await?;
    let decisions = decisions(&node, sent.len()).await?;

    progress(Step::Detecting);
    let alerts = alerts(&node).await?;
    let shown = query(&node, SHOWN_QUERY).await?;
    let mut report = report::judge(&sent, &decisions, alerts);
    report.ingested = ingested;
    report.shown = shown;
    report.elapsed = started.elapsed();
    Ok(Demo { node, report })
}

async fn ingest(node: &Node) -> Result<Vec<(&'static str, u64)>, OpenError> {
    let now = Timestamp::now();
    let mut ingested = Vec::new();
    for table in incidents::TABLES {
        let lines: Vec<String> = incidents::rows(table, now)
            .iter()
            .map(ToString::to_string)
            .collect();
        let lake = node.lake().clone();
        let work = move || {
            let options = IngestOptions {
                source_type: Some("demo".to_owned()),
                ..IngestOptions::default()
            };
            lake.ingest(
                table,
                lines.join("\n").as_bytes(),
                IngestFormat::Jsonl,
                options,
            )
        };
        let what = || format!("ingesting {table}");
        let report = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| OpenError::world(what(), error))?
            .map_err(|error| OpenError::world(what(), error))?;
        if let Some((line, reason)) = report.first_refused.first() {
            return Err(OpenError::world(
                what(),
                format!("row {line} was refused: {reason}"),
            ));
        }
        ingested.push((table, report.accepted));
    }
    Ok(ingested)
}

async fn query(node: &Node, kql: &str) -> Result<QueryResult, OpenError> {
    let options = open::query_options(node.config(), Timestamp::now())?;
    let result = node.engine().run(kql, &options).await;
    result.map_err(|error| OpenError::world("running a query", error))
}

/// The decisions on all calls, as soon as they can be queried.
async fn decisions(node: &Node, calls: usize) -> Result<QueryResult, OpenError> {
    let deadline = Instant::now() + QUERYABLE_TIMEOUT;
    loop {
        let result = query(node, report::DECISIONS_QUERY).await?;
        if result.rows.len() >= calls || Instant::now() >= deadline {
            return Ok(result);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Runs rules until every planted incident has its alert, or time is up.
async fn alerts(node: &Node) -> Result<Vec<Alert>, OpenError> {
    let deadline = Instant::now() + ALERTS_TIMEOUT;
    loop {
        let report = node.scheduler().run_once(Timestamp::now()).await;
        if let Some((rule, reason)) = report.failures.first() {
            return Err(OpenError::world(format!("running rule {rule}"), reason));
        }
        let filter = AlertFilter {
            limit: 1_000,
            ..AlertFilter::default()
        };
        let alerts = node.store().alerts(&filter).await;
        let alerts = alerts.map_err(|error| OpenError::world("reading the alerts", error))?;
        if report::alerts_missing(&alerts).is_empty() || Instant::now() >= deadline {
            return Ok(alerts);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
