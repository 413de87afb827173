//! What happens when an alert comes in: grouped, judged against the allowlist, answered.
//!
//! Idempotent by the alert's id: an alert may come twice, from the ladder at once and from the
//! scheduler's delivery later, or again after a crash. It joins one incident, and starts each
//! runbook once.

use std::sync::Arc;
use std::time::Duration;

use atalaya_model::{Alert, AlertStatus, Severity, Timestamp};
use atalaya_store::{Insertion, NewAlert};
use parking_lot::RwLock;

use crate::context::RunContext;
use crate::incident::{GroupingConfig, Incidents, SlaConfig};
use crate::ladder::{Counters, Ladder, Ladders, Seen, Signal};
use crate::overdue;
use crate::ports::Ports;
use crate::runbook::{Runbook, RunbookCatalogue};
use crate::saga::{Engine, SagaError};
use crate::tuning::allow::Allowlist;

/// How often runs that wait are looked at, and lists are read again.
pub const TICK: Duration = Duration::from_millis(500);

/// What became of an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The incident that it is in.
    pub incident_id: Option<String>,
    /// Runs that it started.
    pub run_ids: Vec<String>,
    /// The allowlist entry that silenced it.
    pub silenced_by: Option<String>,
}

/// Answers alerts. Cheap to clone.
#[derive(Clone)]
pub struct Responder {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    incidents: Incidents,
    grouping: GroupingConfig,
    sla: SlaConfig,
    runbooks: RwLock<Arc<RunbookCatalogue>>,
    ladders: RwLock<Arc<Ladders>>,
    allowed: RwLock<Arc<Allowlist>>,
    /// Whether runbooks start by themselves.
    automatic: bool,
}

impl Responder {
    /// A responder; `holder` names the process that drives runs.
    #[must_use]
    pub fn new(
        ports: Ports,
        (grouping, sla): (GroupingConfig, SlaConfig),
        (runbooks, ladders): (RunbookCatalogue, Ladders),
        (holder, automatic): (&str, bool),
    ) -> Self {
        let incidents = Incidents::new(
            Arc::clone(&ports.documents),
            Arc::clone(&ports.alerts),
            grouping.clone(),
        );
        Self {
            inner: Arc::new(Inner {
                engine: Engine::new(ports, incidents.clone(), holder),
                incidents,
                grouping,
                sla,
                runbooks: RwLock::new(Arc::new(runbooks)),
                ladders: RwLock::new(Arc::new(ladders)),
                allowed: RwLock::default(),
                automatic,
            }),
        }
    }

    /// Drives runs.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The incidents.
    #[must_use]
    pub fn incidents(&self) -> &Incidents {
        &self.inner.incidents
    }

    /// Time limits of incidents.
    #[must_use]
    pub fn sla(&self) -> &SlaConfig {
        &self.inner.sla
    }

    /// The runbooks in force.
    #[must_use]
    pub fn runbooks(&self) -> Arc<RunbookCatalogue> {
        Arc::clone(&self.inner.runbooks.read())
    }

    /// The ladders in force.
    #[must_use]
    pub fn ladders(&self) -> Arc<Ladders> {
        Arc::clone(&self.inner.ladders.read())
    }

    /// Replaces runbooks and ladders; runs under way end with the text they began with.
    pub fn replace(&self, runbooks: RunbookCatalogue, ladders: Ladders) {
        *self.inner.runbooks.write() = Arc::new(runbooks);
        *self.inner.ladders.write() = Arc::new(ladders);
    }

    /// Counters for the ladders in force.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters::new(self.ladders().all())
    }

    /// Reads the allowlist again.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn refresh(&self) -> Result<(), SagaError> {
        let documents = self.inner.engine.ports().documents.as_ref();
        let list = Allowlist::load(documents).await?;
        *self.inner.allowed.write() = Arc::new(list);
        Ok(())
    }

    /// Whether a decision does not count on a ladder.
    #[must_use]
    pub fn is_allowed(&self, seen: &Seen, ladder: &Ladder) -> bool {
        let allowed = Arc::clone(&self.inner.allowed.read());
        allowed.of_decision(seen, ladder).is_some()
    }

    /// Raises the alert of a rung that was reached, and answers it.
    ///
    /// # Errors
    /// If the store fails: the rung is reached again when the record is read again.
    pub async fn on_signal(&self, signal: &Signal) -> Result<Response, SagaError> {
        let now = self.inner.engine.ports().now();
        self.raise(signal.alert(now)).await
    }

    /// Keeps an alert that was found outside of rules, and answers it. The same one again changes
    /// nothing.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn raise(&self, new: NewAlert) -> Result<Response, SagaError> {
        let ports = self.inner.engine.ports();
        let mut alert = new.alert.clone();
        if ports.alerts.insert_alert(new).await? == Insertion::Duplicate {
            // What was raised first counts.
            if let Some(known) = ports.alerts.alert(&alert.alert_id).await? {
                alert = known;
            }
        }
        self.on_alert(&alert).await
    }

    /// Answers an alert. Runs are made before this returns, and driven in the background.
    ///
    /// # Errors
    /// If the store fails: the alert is to be delivered again.
    pub async fn on_alert(&self, alert: &Alert) -> Result<Response, SagaError> {
        let ports = self.inner.engine.ports();
        let now = ports.now();
        let allowed = Allowlist::load(ports.documents.as_ref()).await?;
        let by_alert = allowed.of_alert(alert, now);
        let records = if by_alert.is_none() && allowed.knows_content(now) {
            self.records(alert).await
        } else {
            Vec::new()
        };
        if let Some(entry) = by_alert.or_else(|| allowed.of_records(alert, &records, now)) {
            let closed = AlertStatus::Closed;
            ports
                .alerts
                .set_alert_status(&alert.alert_id, closed)
                .await?;
            return Ok(Response {
                silenced_by: Some(entry.entry_id.clone()),
                ..Response::default()
            });
        }
        let runbooks = self.triggered(alert, None, &RunContext::of_alert(alert, None));
        let opens = !runbooks.is_empty() || self.opens_incident(alert);
        let Some((incident, _)) = self.inner.incidents.take_in(alert, opens, now).await? else {
            return Ok(Response::default());
        };
        let mut response = Response {
            incident_id: Some(incident.incident_id.clone()),
            ..Response::default()
        };
        for runbook in runbooks {
            let started = self
                .start(&runbook, alert, &incident.incident_id, now)
                .await?;
            response.run_ids.extend(started);
        }
        Ok(response)
    }

    /// The decisions behind an alert, as far as the tables have them; nothing if they cannot be
    /// read: then the alert is answered.
    async fn records(&self, alert: &Alert) -> Vec<Seen> {
        /// Most records that are looked at; an alert of more is answered.
        const RECORDS_MAX: usize = 256;
        let queries = self.inner.engine.ports().queries.as_deref();
        let Some(queries) = queries.filter(|_| !alert.record_ids.is_empty()) else {
            return Vec::new();
        };
        if alert.record_ids.len() > RECORDS_MAX {
            return Vec::new();
        }
        let ids = crate::context::kql_literal(&serde_json::json!(alert.record_ids));
        let kql = format!(
            "AIGuardrailDecisions | where DecisionId in ({ids}) \
             | project DecisionId, ContentSha256, RuleIds"
        );
        match queries.query(&kql, RECORDS_MAX).await {
            Ok(found) => found
                .rows
                .iter()
                .filter_map(|row| Seen::of_content(row))
                .collect(),
            Err(error) => {
                tracing::warn!(alert = alert.alert_id, %error, "the records behind an alert cannot be read; the alert is answered");
                Vec::new()
            }
        }
    }

    /// Starts a runbook for an alert, unless it ran for the same incident lately.
    async fn start(
        &self,
        runbook: &Runbook,
        alert: &Alert,
        incident_id: &str,
        now: Timestamp,
    ) -> Result<Option<String>, SagaError> {
        let engine = &self.inner.engine;
        let cooldown = crate::duration::micros(runbook.cooldown);
        let history = engine.history(Some(&runbook.id), Some(incident_id)).await?;
        let ran_lately = history
            .iter()
            .any(|run| now.0.saturating_sub(run.started.0) < cooldown);
        let same = |run: &&crate::saga::Run| run.context.alert_ids.contains(&alert.alert_id);
        if history.iter().find(same).is_some() || ran_lately {
            return Ok(None);
        }
        let context = RunContext::of_alert(alert, Some(incident_id));
        let key = format!("{incident_id}\0{}", alert.alert_id);
        self.launch(runbook, context, &key, now).await
    }

    /// Makes a run, once per key, and drives it in the background.
    pub(crate) async fn launch(
        &self,
        runbook: &Runbook,
        context: RunContext,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<String>, SagaError> {
        let engine = &self.inner.engine;
        let author = format!("runbook:{}", runbook.id);
        let incident_id = context.incident_id.clone().unwrap_or_default();
        let (run, _) = engine.create(runbook, context, &author, Some(key)).await?;
        let run_id = run.run_id.clone();
        let this = self.clone();
        tokio::spawn(async move {
            let engine = &this.inner.engine;
            let (driven, attached) = tokio::join!(
                engine.drive(&run_id),
                this.inner
                    .incidents
                    .attach(&incident_id, Some(&run_id), None, now)
            );
            if let Err(error) = driven {
                tracing::error!(run = %run_id, %error, "a run stopped; it goes on with the next tick");
            }
            if let Err(error) = attached {
                tracing::warn!(run = %run_id, %error, "an incident was not told of a run");
            }
        });
        Ok(Some(run.run_id))
    }

    pub(crate) fn triggered(
        &self,
        alert: &Alert,
        overdue: Option<&str>,
        context: &RunContext,
    ) -> Vec<Arc<Runbook>> {
        if !self.inner.automatic {
            return Vec::new();
        }
        let fact = |name: &str| context.fact(name);
        self.runbooks()
            .runbooks()
            .filter(|runbook| runbook.is_triggered_by(alert, overdue, &fact))
            .cloned()
            .collect()
    }

    /// A ladder says so itself; a rule by its severity.
    fn opens_incident(&self, alert: &Alert) -> bool {
        match alert.details.get("Escalation").map(String::as_str) {
            Some("incident") => true,
            Some("alert" | "log") => false,
            _ => {
                let name = self.inner.grouping.severity_min.clone();
                let least = serde_json::from_value(name.into()).unwrap_or(Severity::Medium);
                alert.severity >= least
            }
        }
    }

    async fn read_clocks(&self) {
        if let Err(error) = self.answer_overdue().await {
            tracing::error!(%error, "the clocks of incidents cannot be read; they are read again");
        }
    }

    /// Answers deadlines and reads lists again, until `shutdown` resolves. `take_over` at the
    /// start: what an earlier process of this node was doing is gone on with.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        tokio::pin!(shutdown);
        // A run that tries a slow receiver again must not keep lists from being read.
        let drive = |take_over| {
            let engine = self.inner.engine.clone();
            tokio::spawn(async move { engine.drive_all(take_over).await })
        };
        let mut driving = drive(true);
        let mut clocks = tokio::time::interval(overdue::INTERVAL);
        clocks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if let Err(error) = self.refresh().await {
                tracing::error!(%error, "the allowlist cannot be read; it stays as it was");
            }
            tokio::select! {
                () = &mut shutdown => break,
                () = tokio::time::sleep(TICK) => {}
                _ = clocks.tick() => self.read_clocks().await,
            }
            if driving.is_finished() {
                driving = drive(false);
            }
        }
    }
}
