//! Runs of runbooks as persisted sagas.
//!
//! A run has no program counter. Its steps are entries of a log: what a step is about to do is
//! written before it is done (intent), how it ended is written after (outcome). To go on after a
//! crash the runbook is simply walked again from the beginning: steps with an outcome are not
//! done again, the one with an intent only is done again under the same key, and everything an
//! action makes is made under that key. So nothing is lost at any point, and what the product
//! itself does is done once. Receivers outside see the key, and can tell a repetition that a crash
//! between effect and outcome may cause.
//!
//! A run is driven by one process at a time (a lease). Waiting for a person costs nothing: the
//! run is suspended, and driven again when the answer or the deadline comes.

pub mod plan;
mod resolve;
mod step;
mod undo;
mod walk;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use atalaya_model::Timestamp;
use atalaya_store::{DocumentFilter, Insertion, StepEntry, StoreError};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::RunContext;
use crate::incident::{IncidentError, Incidents};
use crate::ports::Ports;
use crate::runbook::{Origin, Runbook};
use crate::typed::{self, Stored};

/// How long a process may drive a run without saying so again.
const LEASE: Duration = Duration::from_secs(600);
/// Most runbooks that are kept as they were read.
const PARSED_MAX: usize = 256;

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Steps are being done.
    #[default]
    Running,
    /// A person is asked.
    Waiting,
    /// Every step was done, skipped, or failed without consequence.
    Succeeded,
    /// A step failed, or a person said no.
    Failed,
    /// What was done is being taken back.
    Undoing,
    /// What was done has been taken back.
    Undone,
}

impl RunStatus {
    /// The name in lists and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }
}

/// One run of a runbook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub run_id: String,
    /// The runbook.
    pub runbook_id: String,
    /// Its title.
    pub runbook_title: String,
    /// Its version.
    pub runbook_version: String,
    /// SHA-256 of its file.
    pub runbook_hash: String,
    /// Its text, as it was when the run began.
    pub runbook_text: String,
    /// The facts.
    pub context: RunContext,
    /// Where it stands.
    pub status: RunStatus,
    /// Who started it: an analyst, or `runbook:<id>`.
    pub author: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Why it failed, or what it waits for.
    #[serde(default)]
    pub reason: String,
    /// Who drives it.
    #[serde(default)]
    pub lease_holder: String,
    /// Until when.
    #[serde(default)]
    pub lease_until: Timestamp,
}

impl Stored for Run {
    const KIND: &'static str = "run";

    fn id(&self) -> String {
        self.run_id.clone()
    }

    fn status(&self) -> String {
        self.status.as_str().to_owned()
    }

    fn facets(&self) -> Vec<(String, String)> {
        let mut facets = vec![("runbook".to_owned(), self.runbook_id.clone())];
        if let Some(incident) = &self.context.incident_id {
            facets.push(("incident".to_owned(), incident.clone()));
        }
        facets
    }
}

/// How a step ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepOutcome {
    /// How.
    pub status: StepStatus,
    /// What it gave.
    #[serde(default)]
    pub output: Value,
    /// Why it failed or was skipped.
    #[serde(default)]
    pub reason: String,
}

/// In which way a step ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It was done.
    #[default]
    Done,
    /// It was not to be done, or there was nothing to do it to.
    Skipped,
    /// It could not be done.
    Failed,
    /// A person said no, or nobody answered.
    Rejected,
}

/// Why a run could not be started, found or changed.
#[derive(Debug, thiserror::Error)]
pub enum SagaError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An incident could not be changed.
    #[error(transparent)]
    Incident(#[from] IncidentError),
    /// There is no such run, or several begin like that.
    #[error("{0}")]
    NotFound(String),
    /// That cannot be done to it.
    #[error("{0}")]
    Refused(String),
}

/// Drives runs. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) ports: Ports,
    pub(crate) incidents: Incidents,
    holder: String,
    running: Mutex<HashSet<String>>,
    /// Runbooks that were read, by the SHA-256 of their text.
    parsed: Mutex<HashMap<String, Arc<Runbook>>>,
}

impl Engine {
    /// An engine. `holder` names the process: `node:<id>` for the node, which takes over what an
    /// earlier process of the node left behind.
    #[must_use]
    pub fn new(ports: Ports, incidents: Incidents, holder: &str) -> Self {
        Self {
            inner: Arc::new(Inner {
                ports,
                incidents,
                holder: holder.to_owned(),
                running: Mutex::default(),
                parsed: Mutex::default(),
            }),
        }
    }

    /// What it works with.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.inner.ports
    }

    /// Makes a run, without doing anything yet. With a key, the same runbook is started once per
    /// key: the second part says whether the run is new.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn create(
        &self,
        runbook: &Runbook,
        context: RunContext,
        author: &str,
        key: Option<&str>,
    ) -> Result<(Run, bool), SagaError> {
        let now = self.inner.ports.now();
        let run_id = match key {
            Some(key) => crate::ids::uuid_of(&format!("run\0{}\0{key}", runbook.id)),
            None => uuid::Uuid::now_v7().to_string(),
        };
        let run = Run {
            run_id: run_id.clone(),
            runbook_id: runbook.id.clone(),
            runbook_title: runbook.title.clone(),
            runbook_version: runbook.version.clone(),
            runbook_hash: runbook.hash.clone(),
            runbook_text: runbook.text.clone(),
            context,
            author: author.to_owned(),
            started: now,
            lease_holder: self.inner.holder.clone(),
            lease_until: self.lease_end(now),
            ..Run::default()
        };
        let documents = self.inner.ports.documents.as_ref();
        if typed::insert(documents, &run, now).await? == Insertion::Inserted {
            if crate::ids::sha256_hex(run.runbook_text.as_bytes()) == runbook.hash {
                self.remember(runbook.hash.clone(), Arc::new(runbook.clone()));
            }
            return Ok((run, true));
        }
        let known = typed::get(documents, &run_id).await?;
        Ok((known.unwrap_or(run), false))
    }

    /// Drives a run until it ends or waits for a person. One that ended, or that another process
    /// drives, is given back as it is.
    ///
    /// # Errors
    /// If the store fails: the run goes on when it is driven again.
    pub async fn drive(&self, run_id: &str) -> Result<Run, SagaError> {
        let Some(_claim) = Claim::take(&self.inner, run_id) else {
            return self.find(run_id).await;
        };
        let run = self.lease(run_id).await?;
        let is_mine = run.lease_holder == self.inner.holder;
        let result = match run.status {
            RunStatus::Running | RunStatus::Waiting if is_mine => self.walk(run).await,
            RunStatus::Undoing if is_mine => self.take_back(run).await,
            _ => return Ok(run),
        };
        match result {
            Ok(run) => Ok(run),
            Err(error) => {
                tracing::error!(run = run_id, %error, "a run cannot go on now; it will be tried again");
                Err(error)
            }
        }
    }

    /// Drives every run that did not end: after a start, and when a deadline may have passed.
    /// `take_over` also takes runs that an earlier process of this node was driving.
    pub async fn drive_all(&self, take_over: bool) {
        let filter = DocumentFilter {
            statuses: ["running", "waiting", "undoing"].map(str::to_owned).into(),
            ..DocumentFilter::of(Run::KIND)
        };
        let documents = self.inner.ports.documents.as_ref();
        let runs: Vec<Run> = match typed::list(documents, filter).await {
            Ok(runs) => runs,
            Err(error) => return tracing::error!(%error, "runs cannot be read"),
        };
        let drives = runs.into_iter().map(|run| async move {
            if take_over && run.lease_holder.starts_with("node:") {
                let _ = self.release(&run.run_id).await;
            }
            if run.status == RunStatus::Waiting && !self.may_go_on(&run).await {
                return;
            }
            let _ = self.drive(&run.run_id).await;
        });
        futures::future::join_all(drives).await;
    }

    /// One run by its id or the beginning of it.
    ///
    /// # Errors
    /// If there is none, or several.
    pub async fn find(&self, id: &str) -> Result<Run, SagaError> {
        let documents = self.inner.ports.documents.as_ref();
        if let Some(found) = typed::get(documents, id).await? {
            return Ok(found);
        }
        let mut found: Vec<Run> = typed::list(documents, DocumentFilter::of(Run::KIND)).await?;
        found.retain(|run| !id.is_empty() && run.run_id.starts_with(id));
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(SagaError::NotFound(format!(
                "there is no run {id}; see `atalaya runbooks history`"
            ))),
            several => Err(SagaError::NotFound(format!(
                "{several} runs begin with {id}; give more of the id"
            ))),
        }
    }

    /// Runs, those that changed last first; of one runbook or incident if they are named.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn history(
        &self,
        runbook: Option<&str>,
        incident: Option<&str>,
    ) -> Result<Vec<Run>, SagaError> {
        let mut filter = DocumentFilter::of(Run::KIND);
        if let Some(runbook) = runbook {
            filter = filter.facet("runbook", runbook);
        }
        if let Some(incident) = incident {
            filter = filter.facet("incident", incident);
        }
        Ok(typed::list(self.inner.ports.documents.as_ref(), filter).await?)
    }

    /// The steps of a run as far as they got.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn steps(&self, run_id: &str) -> Result<Vec<StepEntry>, SagaError> {
        Ok(self.inner.ports.documents.steps(run_id).await?)
    }

    /// Answers a step that asks for approval, and drives the run on.
    ///
    /// # Errors
    /// If nothing is asked there, or the person may not answer.
    pub async fn answer(
        &self,
        run_id: &str,
        step_id: &str,
        approved: bool,
        by: &str,
    ) -> Result<Run, SagaError> {
        let run = self.find(run_id).await?;
        self.write_answer(&run, step_id, approved, by).await?;
        self.drive(&run.run_id).await
    }

    /// Takes back what a run did, step by step, the last one first.
    ///
    /// # Errors
    /// If the run is still under way, or was taken back already.
    pub async fn undo(&self, run_id: &str, by: &str) -> Result<Run, SagaError> {
        let run = self.find(run_id).await?;
        if !matches!(run.status, RunStatus::Succeeded | RunStatus::Failed) {
            return Err(SagaError::Refused(format!(
                "the run is {}; only one that ended can be undone",
                run.status.as_str()
            )));
        }
        let reason = format!("undone by {by}");
        self.set(&run.run_id, RunStatus::Undoing, &reason).await?;
        self.drive(&run.run_id).await
    }

    /// Whether a waiting run got an answer, or the time for one is over.
    async fn may_go_on(&self, run: &Run) -> bool {
        let now = self.inner.ports.now();
        let Ok(entries) = self.inner.ports.documents.steps(&run.run_id).await else {
            return false;
        };
        let is_open = |entry: &&StepEntry| entry.step_id.ends_with('?') && entry.outcome.is_none();
        let mut open = entries.iter().filter(is_open).peekable();
        open.peek().is_none() || open.any(|entry| step::deadline(entry) <= now)
    }

    fn lease_end(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_add(crate::duration::micros(LEASE)))
    }

    async fn lease(&self, run_id: &str) -> Result<Run, SagaError> {
        let now = self.inner.ports.now();
        let (holder, until) = (&self.inner.holder, self.lease_end(now));
        self.change(run_id, |run| {
            let is_free = run.lease_holder.is_empty() || run.lease_until < now;
            if run.lease_holder != *holder && !is_free {
                return false;
            }
            // Written only when it is new or runs out, because every write waits for the disk.
            let is_fresh = run.lease_until.0 - now.0 > crate::duration::micros(LEASE) / 2;
            let was_mine = run.lease_holder == *holder && is_fresh;
            run.lease_holder.clone_from(holder);
            run.lease_until = until;
            !was_mine
        })
        .await
    }

    async fn release(&self, run_id: &str) -> Result<Run, SagaError> {
        self.change(run_id, |run| {
            run.lease_holder.clear();
            true
        })
        .await
    }

    /// Moves a run to another status; one that ends or waits is driven by nobody.
    pub(crate) async fn set(
        &self,
        run_id: &str,
        status: RunStatus,
        reason: &str,
    ) -> Result<Run, SagaError> {
        let now = self.inner.ports.now();
        self.change(run_id, |run| {
            let is_new = run.status != status || run.reason != reason;
            run.status = status;
            reason.clone_into(&mut run.reason);
            match status {
                RunStatus::Running | RunStatus::Undoing => run.ended = None,
                RunStatus::Waiting => run.lease_holder.clear(),
                RunStatus::Succeeded | RunStatus::Failed | RunStatus::Undone => {
                    run.ended = Some(now);
                    run.lease_holder.clear();
                }
            }
            is_new
        })
        .await
    }

    async fn change(
        &self,
        run_id: &str,
        mut work: impl FnMut(&mut Run) -> bool + Send,
    ) -> Result<Run, SagaError> {
        let ports = &self.inner.ports;
        let store = ports.documents.as_ref();
        let changed = typed::change(store, run_id, ports.now(), |run| (work(run), ())).await?;
        changed
            .map(|(run, ())| run)
            .ok_or_else(|| SagaError::NotFound(format!("there is no run {run_id}")))
    }

    /// The runbook as it was when the run began.
    pub(crate) fn runbook_of(&self, run: &Run) -> Result<Arc<Runbook>, SagaError> {
        let hash = crate::ids::sha256_hex(run.runbook_text.as_bytes());
        if let Some(known) = self.inner.parsed.lock().get(&hash) {
            return Ok(Arc::clone(known));
        }
        let (runbook, _) = Runbook::parse(&run.runbook_text, Origin::Run)
            .map_err(|_| SagaError::Refused("the run's runbook cannot be read".to_owned()))?;
        Ok(self.remember(hash, Arc::new(runbook)))
    }

    /// Keeps a runbook that was read: reading it again binds its queries again, which is the
    /// slowest thing between an alert and its first step.
    fn remember(&self, hash: String, runbook: Arc<Runbook>) -> Arc<Runbook> {
        let mut parsed = self.inner.parsed.lock();
        if parsed.len() >= PARSED_MAX {
            parsed.clear();
        }
        parsed.insert(hash, Arc::clone(&runbook));
        runbook
    }

    /// Outcomes of the steps of a run.
    pub(crate) async fn outcomes(
        &self,
        run_id: &str,
    ) -> Result<BTreeMap<String, StepOutcome>, SagaError> {
        let entries = self.inner.ports.documents.steps(run_id).await?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| Some((entry.step_id, read_outcome(entry.outcome.as_deref()?))))
            .collect())
    }
}

/// An outcome as it was written; one that cannot be read counts as failed, never as done.
pub(crate) fn read_outcome(text: &str) -> StepOutcome {
    serde_json::from_str(text).unwrap_or_else(|error| StepOutcome {
        status: StepStatus::Failed,
        reason: format!("the outcome cannot be read: {error}"),
        ..StepOutcome::default()
    })
}

/// Marks a run as driven by this process until dropped.
struct Claim {
    inner: Arc<Inner>,
    run_id: String,
}

impl Claim {
    fn take(inner: &Arc<Inner>, run_id: &str) -> Option<Self> {
        let is_free = inner.running.lock().insert(run_id.to_owned());
        is_free.then(|| Self {
            inner: Arc::clone(inner),
            run_id: run_id.to_owned(),
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.inner.running.lock().remove(&self.run_id);
    }
}
