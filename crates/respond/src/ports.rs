//! What response needs from the rest of the product. `server` alone knows who stands behind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atalaya_model::Timestamp;
use atalaya_store::{DocumentStore, Store};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::channels::Channels;
use crate::egress::Egress;

/// Why a port could not do what it was asked. Never holds prompt text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// It may work later.
    #[error("{0}")]
    Retry(String),
    /// It will not.
    #[error("{0}")]
    Final(String),
}

/// What is imposed on somebody.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// Calls are refused.
    Block,
    /// Calls are refused, and what they were is kept for an analyst.
    Quarantine,
    /// At most so many calls a minute.
    RateLimit(u32),
    /// Calls are weakened: decided CONSTRAIN at least.
    Constrain,
}

impl Measure {
    /// The name in logs and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Quarantine => "quarantine",
            Self::RateLimit(_) => "rate_limit",
            Self::Constrain => "constrain",
        }
    }
}

/// An order to the gateway, effective on the next call. The same key again changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Names this very order.
    pub key: String,
    /// Kind of the target: `caller`, `key`, `session`, `address`, `agent`, `tool`, `model`, or
    /// `input` (a content hash).
    pub kind: String,
    /// Which one.
    pub value: String,
    /// What is imposed.
    pub measure: Measure,
    /// Why, for the log and the analyst.
    pub reason: String,
    /// Who ordered it.
    pub author: String,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

/// Acts on the gateway.
#[async_trait]
pub trait Enforcement: Send + Sync {
    /// Imposes a measure; gives back the id to lift it by.
    async fn impose(&self, order: &Order) -> Result<String, PortError>;
    /// Lifts it. False if it was not in force any more.
    async fn lift(&self, id: &str, author: &str, reason: &str) -> Result<bool, PortError>;
}

/// Virtual keys.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Ends a key's secrets, `overlap` after the first time that this was asked for with the same
    /// `key`. No new secret is made: a secret that a machine passes on is a secret in a log. Who
    /// looks after keys hands the owner a new one.
    async fn rotate(
        &self,
        key_id: &str,
        overlap: Duration,
        author: &str,
        key: &str,
    ) -> Result<Value, PortError>;
    /// Brings back the secrets that [`Self::rotate`] ended under the same `key`. False if there is
    /// nothing to bring back, or the owner has a new secret already.
    async fn restore(&self, author: &str, key: &str) -> Result<bool, PortError>;
}

/// Rows of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
    /// Whether rows were left out.
    pub truncated: bool,
}

/// Runs KQL over the log tables.
#[async_trait]
pub trait Queries: Send + Sync {
    /// Runs one query.
    async fn query(&self, kql: &str, rows_max: usize) -> Result<Rows, PortError>;
}

/// What evidence is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PreserveRequest {
    /// Makes it happen once.
    pub key: String,
    /// The incident, if there is one.
    pub incident_id: Option<String>,
    /// Alerts whose records are kept.
    pub alert_ids: Vec<String>,
    /// Records by id.
    pub record_ids: Vec<String>,
    /// Who asked.
    pub author: String,
}

/// Makes evidence bundles.
#[async_trait]
pub trait EvidenceKeeper: Send + Sync {
    /// Makes a bundle, or gives back the one that the key made before: `bundle`, `sha256`,
    /// `records`.
    async fn preserve(&self, request: &PreserveRequest) -> Result<Value, PortError>;
}

/// Where a run is, for tests that kill it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The step is about to be noted.
    BeforeIntent,
    /// The step is noted, nothing has been done.
    AfterIntent,
    /// It has been done, and nobody has written that down.
    AfterEffect,
    /// Its outcome is written.
    AfterOutcome,
}

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Called at every moment of a run.
pub type Watch = Arc<dyn Fn(&str, Moment) + Send + Sync>;

/// What runbooks do by themselves against what stands for many callers: a provider's key that an
/// application passes on, a loopback or private address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharedContainment {
    /// Nothing: such steps are skipped, and say so.
    Never,
    /// As little as stops a burst: the session if the application names one, else everybody behind
    /// it for a short time.
    #[default]
    Brief,
    /// What the runbook says.
    Full,
}

/// How far runbooks go by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Containment {
    /// Against what stands for many.
    pub shared: SharedContainment,
    /// How long a brief measure lasts.
    pub brief: Duration,
}

impl Default for Containment {
    fn default() -> Self {
        Self {
            shared: SharedContainment::Brief,
            brief: Duration::from_secs(300),
        }
    }
}

/// Everything that response works with.
#[derive(Clone)]
pub struct Ports {
    /// Incidents, runs, allowlists, custody.
    pub documents: Arc<dyn DocumentStore>,
    /// Alerts.
    pub alerts: Arc<dyn Store>,
    /// The gateway's enforcement state; absent where no gateway can be reached.
    pub enforcement: Option<Arc<dyn Enforcement>>,
    /// Virtual keys; absent where there are none.
    pub keys: Option<Arc<dyn Keys>>,
    /// The query engine.
    pub queries: Option<Arc<dyn Queries>>,
    /// Evidence.
    pub evidence: Option<Arc<dyn EvidenceKeeper>>,
    /// The way out.
    pub egress: Egress,
    /// Who is told, by name.
    pub channels: Arc<Channels>,
    /// How far runbooks go by themselves.
    pub containment: Containment,
    /// The time.
    pub clock: Clock,
    /// Sees every moment of a run; does nothing outside of tests.
    pub watch: Option<Watch>,
}

impl Ports {
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) fn at(&self, step: &str, moment: Moment) {
        if let Some(watch) = &self.watch {
            watch(step, moment);
        }
    }
}

/// Parameters of an action, resolved.
pub type Parameters = BTreeMap<String, Value>;
