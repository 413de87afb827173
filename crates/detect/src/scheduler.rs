//! Runs rules when they are due, and again when told to.
//!
//! Idempotent by timer and by signal: what a run does depends on the rule's stored state and the
//! time it is given, so running twice changes nothing. A rule's failure (a bad query, a slow
//! engine, a panic in it) becomes that rule's visible state and is tried again; the others go on.
//!
//! After a gap (the program was down) the windows that were missed are searched one by one, each
//! with its own `now()`, so that a count per hour stays a count per hour.

mod state;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atalaya_model::{Alert, Timestamp};
use atalaya_store::{RuleState, Store, StoreError};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use crate::analytics::AnalyticHit;
use crate::catalogue::RuleCatalogue;
use crate::evaluate::{Limits, evaluate_over, window};
use crate::metrics::Metrics;
use crate::port::{AlertSink, Clock, QueryEngine, QueryError};
use crate::raise::{Raised, raise};
use crate::rule::Rule;

/// How a scheduler runs.
#[derive(Clone, Copy, Debug)]
pub struct SchedulerConfig {
    /// Runs every rule this often instead of at its own frequency (for demonstrations).
    pub every: Option<Duration>,
    /// How often the scheduler looks for rules that are due.
    pub tick: Duration,
    /// Most rules that run at the same time.
    pub concurrency: usize,
    /// Longest gap that is searched after the program was down.
    pub catch_up_max: Duration,
    /// Most alerts that are handed to sinks in one go.
    pub delivery_batch: u32,
    /// Whether Sigma rules are asked of the stream of rows as well.
    pub streams: bool,
    /// Limits of one evaluation.
    pub limits: Limits,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            every: None,
            tick: Duration::from_secs(1),
            concurrency: 2,
            catch_up_max: Duration::from_secs(24 * 3_600),
            delivery_batch: 256,
            streams: false,
            limits: Limits::default(),
        }
    }
}

/// What a scheduler works with.
#[derive(Clone)]
pub struct Ports {
    /// Runs queries.
    pub engine: Arc<dyn QueryEngine>,
    /// Remembers alerts and rule states.
    pub store: Arc<dyn Store>,
    /// Take alerts.
    pub sinks: Vec<Arc<dyn AlertSink>>,
}

/// What one pass over the rules did.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// Rules that ran.
    pub rules: usize,
    /// New alerts.
    pub alerts: Vec<Alert>,
    /// Alerts that got more evidence.
    pub grown: usize,
    /// Rules that failed, with the reason.
    pub failures: Vec<(String, String)>,
}

impl RunReport {
    fn add(&mut self, other: Self) {
        self.rules += other.rules;
        self.alerts.extend(other.alerts);
        self.grown += other.grown;
        self.failures.extend(other.failures);
    }
}

/// Runs rules when they are due. Cheap to clone: clones are the same scheduler.
#[derive(Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
}

struct Inner {
    ports: Ports,
    config: SchedulerConfig,
    rules: RwLock<Arc<RuleCatalogue>>,
    running: Mutex<HashSet<String>>,
    delivering: tokio::sync::Mutex<()>,
    permits: Semaphore,
    wake: Notify,
    metrics: Metrics,
}

impl Scheduler {
    /// A scheduler that does nothing yet.
    #[must_use]
    pub fn new(rules: RuleCatalogue, ports: Ports, config: SchedulerConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                ports,
                config,
                rules: RwLock::new(Arc::new(rules)),
                running: Mutex::default(),
                delivering: tokio::sync::Mutex::default(),
                permits: Semaphore::new(config.concurrency.max(1)),
                wake: Notify::new(),
                metrics: Metrics::default(),
            }),
        }
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<RuleCatalogue> {
        Arc::clone(&self.inner.rules.read())
    }

    /// Replaces all rules; runs under way end with the old ones.
    pub fn replace_rules(&self, rules: RuleCatalogue) {
        *self.inner.rules.write() = Arc::new(rules);
        self.wake();
    }

    /// Counters since the start.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Makes [`Self::run`] look for due rules now.
    pub fn wake(&self) {
        self.inner.wake.notify_one();
    }

    /// Runs every enabled rule now, due or not, and waits for the end.
    pub async fn run_once(&self, now: Timestamp) -> RunReport {
        let all = self.enabled();
        self.pass(all, now).await
    }

    /// Runs the rules that are due at `now` and waits for the end.
    pub async fn run_due(&self, now: Timestamp) -> RunReport {
        let due = self.due(now).await;
        self.pass(due, now).await
    }

    /// Runs rules when they are due, until `shutdown` resolves; runs under way are then ended.
    pub async fn run(&self, clock: Arc<dyn Clock>, shutdown: impl Future<Output = ()> + Send) {
        tokio::pin!(shutdown);
        let mut passes = JoinSet::new();
        loop {
            let scheduler = self.clone();
            let now = clock.now();
            // Not awaited: a slow rule must not keep the others from being due.
            passes.spawn(async move { scheduler.run_due(now).await });
            while passes.try_join_next().is_some() {}
            tokio::select! {
                () = &mut shutdown => break,
                () = self.inner.wake.notified() => {}
                () = tokio::time::sleep(self.inner.config.tick) => {}
            }
        }
        passes.shutdown().await;
    }

    /// Raises what analytics have found, and hands it to the sinks. What is older than the longest
    /// gap that is searched is history, and raises nothing.
    pub async fn raise_found(&self, found: Vec<AnalyticHit>, now: Timestamp) -> RunReport {
        let mut report = RunReport::default();
        let age_max = i64::try_from(self.inner.config.catch_up_max.as_micros()).unwrap_or(i64::MAX);
        let (store, limits) = (self.inner.ports.store.as_ref(), &self.inner.config.limits);
        for AnalyticHit { rule, hit } in found {
            if now.0.saturating_sub(hit.last_seen.0) > age_max {
                continue;
            }
            match raise(&rule, hit, now, store, limits).await {
                Ok(Raised::New(alert)) => report.alerts.push(*alert),
                Ok(Raised::Grown(_)) => report.grown += 1,
                Ok(Raised::Known) => {}
                Err(error) => report.failures.push((rule.id.clone(), error.to_string())),
            }
        }
        for (rule, error) in &report.failures {
            tracing::error!(%rule, %error, "what an analytic found could not be raised");
        }
        let metrics = &self.inner.metrics;
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Metrics::add(&metrics.raised, number(report.alerts.len()));
        Metrics::add(&metrics.grown, number(report.grown));
        self.deliver().await;
        report
    }

    fn enabled(&self) -> Vec<Arc<Rule>> {
        let rules = self.rules();
        // Analytics judge events as they come; there is nothing to run on a schedule. Sigma rules
        // on the stream are found there first, and their schedule finds what came past it, unless
        // its query is a join of a table with itself.
        let streams = self.inner.config.streams;
        let on_stream = |rule: &Rule| rule.stream.as_ref().is_some_and(|spec| spec.joins);
        let is_scheduled = |rule: &&Arc<Rule>| {
            rule.enabled && rule.analytic.is_none() && !(streams && on_stream(rule))
        };
        rules.rules().filter(is_scheduled).cloned().collect()
    }

    async fn due(&self, now: Timestamp) -> Vec<Arc<Rule>> {
        let rules = self.enabled();
        let states = match self.inner.ports.store.rule_states().await {
            Ok(states) => states,
            Err(error) => {
                tracing::error!(%error, "rule states cannot be read; no rule runs");
                return Vec::new();
            }
        };
        rules
            .into_iter()
            .filter(|rule| {
                let state = states.iter().find(|s| s.rule_id == rule.id);
                state::is_due(state, self.frequency(rule), now)
            })
            .collect()
    }

    fn frequency(&self, rule: &Rule) -> Duration {
        self.inner.config.every.unwrap_or(rule.frequency)
    }

    /// Runs rules concurrently; those that are running already are left to their run.
    async fn pass(&self, rules: Vec<Arc<Rule>>, now: Timestamp) -> RunReport {
        let mut tasks = JoinSet::new();
        for rule in rules {
            let Some(claim) = Claim::take(&self.inner, &rule.id) else {
                continue;
            };
            let scheduler = self.clone();
            tasks.spawn(async move {
                let _claim = claim;
                let _permit = scheduler.inner.permits.acquire().await;
                scheduler.run_rule(&rule, now).await
            });
        }
        let mut report = RunReport::default();
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(one) => report.add(one),
                // The rule keeps its old state and is due again: a panic is tried once more.
                Err(error) => tracing::error!(%error, "the run of a rule was aborted"),
            }
        }
        self.deliver().await;
        self.count_failing().await;
        report
    }

    async fn run_rule(&self, rule: &Rule, now: Timestamp) -> RunReport {
        let started = Instant::now();
        let store = &self.inner.ports.store;
        let mut report = RunReport {
            rules: 1,
            ..RunReport::default()
        };
        let mut state = match store.rule_state(&rule.id).await {
            Ok(state) => state.unwrap_or_default(),
            Err(error) => {
                report.failures.push((rule.id.clone(), error.to_string()));
                return report;
            }
        };
        let outcome = self.search(rule, &mut state, now, &mut report).await;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Err(error) = &outcome {
            report.failures.push((rule.id.clone(), error.to_string()));
        }
        self.count(&report, elapsed_ms);
        state::settle(&mut state, rule, now, elapsed_ms, outcome.err());
        if let Err(error) = store.put_rule_state(&state).await {
            tracing::error!(rule = %rule.id, %error, "a rule's state cannot be written");
        }
        report
    }

    /// Searches every window up to `now` that was not searched yet.
    async fn search(
        &self,
        rule: &Rule,
        state: &mut RuleState,
        now: Timestamp,
        report: &mut RunReport,
    ) -> Result<(), RunError> {
        let lookback = rule.lookback(self.frequency(rule));
        for end in state::window_ends(state, lookback, now, self.inner.config.catch_up_max) {
            let range = window(lookback, end);
            let engine = self.inner.ports.engine.as_ref();
            let limits = &self.inner.config.limits;
            let evaluation = evaluate_over(rule, engine, range, limits).await?;
            let metrics = &self.inner.metrics;
            Metrics::add(
                &metrics.rows,
                evaluation.rows.try_into().unwrap_or(u64::MAX),
            );
            Metrics::add(&metrics.truncated, u64::from(evaluation.truncated));
            for hit in evaluation.hits {
                match raise(rule, hit, end, self.inner.ports.store.as_ref(), limits).await? {
                    Raised::New(alert) => {
                        state.last_fired = Some(end);
                        state.alerts_total += 1;
                        report.alerts.push(*alert);
                    }
                    Raised::Grown(_) => report.grown += 1,
                    Raised::Known => {}
                }
            }
            state.cursor = Some(end);
        }
        Ok(())
    }

    fn count(&self, report: &RunReport, elapsed_ms: u64) {
        let metrics = &self.inner.metrics;
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Metrics::add(&metrics.runs, 1);
        Metrics::add(&metrics.run_ms, elapsed_ms);
        Metrics::add(&metrics.failures, number(report.failures.len()));
        Metrics::add(&metrics.raised, number(report.alerts.len()));
        Metrics::add(&metrics.grown, number(report.grown));
    }

    async fn count_failing(&self) {
        if let Ok(states) = self.inner.ports.store.rule_states().await {
            let rules = self.rules();
            let failing = states
                .iter()
                .filter(|s| s.last_error.is_some() && rules.rule(&s.rule_id).is_some())
                .count();
            self.inner.metrics.failing.store(
                failing.try_into().unwrap_or(u64::MAX),
                std::sync::atomic::Ordering::Relaxed,
            );
        }
    }

    /// Hands alerts that have not reached every sink to all of them. One that a sink refuses
    /// stays, and is handed to all sinks again: at least once, in order per pass.
    async fn deliver(&self) {
        let Ok(_alone) = self.inner.delivering.try_lock() else {
            return;
        };
        let store = &self.inner.ports.store;
        let waiting = match store
            .undelivered_alerts(self.inner.config.delivery_batch)
            .await
        {
            Ok(waiting) => waiting,
            Err(error) => return tracing::error!(%error, "alerts cannot be read for delivery"),
        };
        for alert in waiting {
            if self.deliver_one(&alert).await
                && let Err(error) = store.mark_delivered(&alert.alert_id).await
            {
                tracing::error!(%error, "a delivery cannot be noted; it will be repeated");
            }
        }
    }

    async fn deliver_one(&self, alert: &Alert) -> bool {
        let mut everywhere = true;
        for sink in &self.inner.ports.sinks {
            if let Err(error) = sink.deliver(alert).await {
                everywhere = false;
                Metrics::add(&self.inner.metrics.delivery_failures, 1);
                tracing::warn!(sink = sink.name(), alert = %alert.alert_id, %error, "an alert was not delivered; it will be tried again");
            }
        }
        everywhere
    }
}

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Marks a rule as running until dropped, also by a panic.
struct Claim {
    inner: Arc<Inner>,
    rule_id: String,
}

impl Claim {
    fn take(inner: &Arc<Inner>, rule_id: &str) -> Option<Self> {
        let is_free = inner.running.lock().insert(rule_id.to_owned());
        is_free.then(|| Self {
            inner: Arc::clone(inner),
            rule_id: rule_id.to_owned(),
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.inner.running.lock().remove(&self.rule_id);
    }
}
