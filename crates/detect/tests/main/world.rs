//! A scripted engine, a sink and a clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use atalaya_detect::{
    AlertSink, Column, Origin, Ports, QueryEngine, QueryError, QueryRequest, Rule, RuleCatalogue,
    Scheduler, SchedulerConfig, SinkError, Table,
};
use atalaya_model::{Alert, Timestamp};
use atalaya_store::SqliteStore;
use parking_lot::Mutex;
use serde_json::{Value, json};

pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const NOW: Timestamp = Timestamp(1_790_769_600_000_000);

pub(crate) fn minutes(n: i64) -> Timestamp {
    Timestamp(NOW.0 + n * MINUTE)
}

/// Attempts of callers: time, caller, id. The engine summarises them as a rule would.
pub(crate) struct World {
    pub(crate) attempts: Mutex<Vec<(Timestamp, String, String)>>,
    pub(crate) requests: Mutex<Vec<QueryRequest>>,
    pub(crate) failures: Mutex<VecDeque<&'static str>>,
    pub(crate) running: AtomicUsize,
    pub(crate) running_max: AtomicUsize,
    pub(crate) delivered: Mutex<Vec<Alert>>,
    pub(crate) sink_failures: AtomicUsize,
    pub(crate) evidence_fails: AtomicBool,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            attempts: Mutex::default(),
            requests: Mutex::default(),
            failures: Mutex::default(),
            running: AtomicUsize::new(0),
            running_max: AtomicUsize::new(0),
            delivered: Mutex::default(),
            sink_failures: AtomicUsize::new(0),
            evidence_fails: AtomicBool::new(false),
        })
    }

    pub(crate) fn attempt(&self, minute: i64, caller: &str, times: usize) {
        let mut attempts = self.attempts.lock();
        for _ in 0..times {
            let id = format!("d{}", attempts.len());
            attempts.push((minutes(minute), caller.to_owned(), id));
        }
    }

    pub(crate) fn scheduler(self: &Arc<Self>, rules: &[String]) -> Scheduler {
        self.scheduler_with(rules, SchedulerConfig::default())
    }

    pub(crate) fn scheduler_with(
        self: &Arc<Self>,
        rules: &[String],
        config: SchedulerConfig,
    ) -> Scheduler {
        let folder = tempfile::tempdir().unwrap();
        for (i, text) in rules.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{i}.yml")), text).unwrap();
            Rule::parse(text, Origin::BuiltIn("test")).unwrap();
        }
        let mut catalogue = RuleCatalogue::default();
        catalogue.add_folder(folder.path());
        let ports = Ports {
            engine: self.clone(),
            store: Arc::new(SqliteStore::in_memory().unwrap()),
            sinks: vec![self.clone()],
        };
        Scheduler::new(catalogue, ports, config)
    }

    fn in_window(&self, request: &QueryRequest) -> Vec<(Timestamp, String, String)> {
        let range = request.range.unwrap();
        let attempts = self.attempts.lock();
        let inside = attempts
            .iter()
            .filter(|(time, ..)| *time >= range.start && *time < range.end);
        inside.cloned().collect()
    }
}

/// A rule that counts attempts by caller; three are an alert, six a critical one.
pub(crate) fn rule(id: &str, extra: &str) -> String {
    format!(
        "id: {id}\nname: Rule {id}\nseverity: Medium\nversion: 1.0.0\nqueryFrequency: 5m\nqueryPeriod: 1h\n\
         query: AIGuardrailDecisions | summarize count() by UserId\n\
         atlas: {{techniques: [AML.T0051]}}\n\
         entityMappings:\n  - entityType: Account\n    fieldMappings:\n      - {{identifier: Name, columnName: UserId}}\n\
         escalation:\n  column: count_\n  steps:\n    - {{atLeast: 3, severity: High}}\n    - {{atLeast: 6, severity: Critical}}\n\
         {extra}"
    )
}

pub(crate) fn column(name: &str, kusto_type: &str) -> Column {
    Column {
        name: name.to_owned(),
        kusto_type: kusto_type.to_owned(),
    }
}

#[async_trait]
impl QueryEngine for World {
    async fn query(&self, request: &QueryRequest) -> Result<Table, QueryError> {
        let now_running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.running_max.fetch_max(now_running, Ordering::SeqCst);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.requests.lock().push(request.clone());
        let failure = self.failures.lock().pop_front();
        match failure {
            Some("panic") => panic!("an engine that panics"),
            Some("hang") => std::future::pending().await,
            Some(text) => return Err(QueryError::Failed(text.to_owned())),
            None => {}
        }
        let attempts = self.in_window(request);
        if let Some((_, rest)) = request.kql.split_once("| where UserId == '") {
            if self.evidence_fails.load(Ordering::SeqCst) {
                return Err(QueryError::Failed("broken".to_owned()));
            }
            let (caller, _) = rest.split_once('\'').unwrap();
            let mine: Vec<_> = attempts.iter().filter(|a| a.1 == caller).collect();
            let times = || mine.iter().map(|a| a.0);
            let ids: Vec<&str> = mine.iter().map(|a| a.2.as_str()).collect();
            return Ok(Table {
                columns: vec![
                    column("FirstSeen_", "datetime"),
                    column("LastSeen_", "datetime"),
                    column("Records_", "long"),
                    column("Ids_", "dynamic"),
                ],
                rows: vec![vec![
                    times().min().map_or(Value::Null, |t| json!(t.to_rfc3339())),
                    times().max().map_or(Value::Null, |t| json!(t.to_rfc3339())),
                    json!(mine.len()),
                    json!(ids),
                ]],
                ..Table::default()
            });
        }
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for (_, caller, _) in attempts {
            *counts.entry(caller).or_default() += 1;
        }
        Ok(Table {
            columns: vec![column("UserId", "string"), column("count_", "long")],
            rows: counts
                .into_iter()
                .map(|(caller, count)| vec![json!(caller), json!(count)])
                .collect(),
            ..Table::default()
        })
    }
}

#[async_trait]
impl AlertSink for World {
    fn name(&self) -> &str {
        "test"
    }

    async fn deliver(&self, alert: &Alert) -> Result<(), SinkError> {
        let is_down = self
            .sink_failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
            .is_ok();
        if is_down {
            return Err(SinkError("down".to_owned()));
        }
        self.delivered.lock().push(alert.clone());
        Ok(())
    }
}
