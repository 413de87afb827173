//! The streaming analytics and the Sigma rules on the stream of a node: fed by the journal as it is written, and by what other
//! sources put into the tables.
//!
//! A thread follows the journal from where the last snapshot ended; rows that were ingested past
//! the journal are read as soon as their table was written to. What is found goes to the scheduler, which raises alerts like those of
//! any rule. Behind it lies no queue that calls wait for: a slow analytic is late, nothing else.
//!
//! Left out: rows that were ingested with times older than `lateness_s` while the node runs, or
//! than a day when it starts. They can be searched by rules that query.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use atalaya_detect::{
    AnalyticHit, AnalyticRunner, CorrelationLimits, QueryEngine, QueryRequest, RuleCatalogue,
    Scheduler, Table, TimeRange,
};
use atalaya_journal::{Journal, ReadError, Reader};
use atalaya_model::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::open::{self, OpenError};

use super::status::Number;

/// Records that are read at a time.
const RECORDS_MAX: usize = 512;
/// Longest sleep while nothing happens; bounds how late a stop is noticed.
const IDLE_INTERVAL: Duration = Duration::from_millis(250);
/// How often it is looked whether a table was written to.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// After a failure, the pause before the next attempt.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// Findings that wait to be raised, in batches.
const FOUND_MAX: usize = 1_024;
/// How far back rows are polled when nothing is remembered.
const LOOKBACK_US: i64 = 24 * 3_600 * 1_000_000;
/// Rows of one poll of one table.
const ROWS_MAX: usize = 200_000;
const POLL_TIMEOUT: Duration = Duration::from_secs(60);
/// Tables that others fill.
const POLLED: [&str; 3] = ["ModelInferenceLog", "APIAccessLog", "AuditLog"];

/// See the module.
pub(super) struct Analytics {
    runner: Arc<Mutex<AnalyticRunner>>,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    cursor: Arc<Mutex<Timestamp>>,
    stopping: watch::Sender<bool>,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

/// What the thread works with.
struct Follower {
    runner: Arc<Mutex<AnalyticRunner>>,
    cursor: Arc<Mutex<Timestamp>>,
    stop: Arc<AtomicBool>,
    found: mpsc::Sender<Vec<AnalyticHit>>,
    file: PathBuf,
    chain: [u8; 16],
    interval: Duration,
}

impl Analytics {
    /// Starts to follow, to poll, and to raise what is found.
    pub(super) fn start(
        config: &Config,
        journal: &Journal,
        scheduler: &Scheduler,
        engine: Arc<dyn QueryEngine>,
    ) -> Result<Arc<Self>, OpenError> {
        let section = &config.analytics;
        let limits = atalaya_analytics::Limits {
            callers_max: section.callers_max,
        };
        let correlations = CorrelationLimits {
            keys_max: section.correlation_keys_max,
            ..CorrelationLimits::default()
        };
        let mut runner = AnalyticRunner::new(&scheduler.rules(), limits, correlations);
        runner.set_manifests(open::manifests(config)?);
        let file = config.data_dir.join("analytics.state");
        let chain = *journal.chain_id().as_bytes();
        let (seq, cursor) = remember(&mut runner, &file, &chain, journal.next_seq());
        let (sender, found) = mpsc::channel(FOUND_MAX);
        let analytics = Self {
            runner: Arc::new(Mutex::new(runner)),
            stop: Arc::default(),
            thread: Mutex::default(),
            cursor: Arc::new(Mutex::new(cursor)),
            stopping: watch::channel(false).0,
            tasks: Mutex::default(),
        };
        let follower = Follower {
            runner: Arc::clone(&analytics.runner),
            cursor: Arc::clone(&analytics.cursor),
            stop: Arc::clone(&analytics.stop),
            found: sender,
            file,
            chain,
            interval: Duration::from_secs(section.snapshot_interval_s.max(1)),
        };
        let reader = journal.read_from(seq);
        let thread = std::thread::Builder::new()
            .name("analytics-follow".to_owned())
            .spawn(move || follower.run(reader))
            .map_err(|error| OpenError::world("starting the analytics", error))?;
        *analytics.thread.lock() = Some(thread);
        let analytics = Arc::new(analytics);
        let stop = analytics.stopping.subscribe();
        let polling = Arc::clone(&analytics).poll(engine, config.clone(), stop);
        *analytics.tasks.lock() = vec![
            tokio::spawn(raise(scheduler.clone(), found)),
            tokio::spawn(polling),
        ];
        Ok(analytics)
    }

    /// Puts other rules and manifests in force.
    pub(super) fn replace(&self, rules: &RuleCatalogue, manifests: atalaya_analytics::Manifests) {
        let mut runner = self.runner.lock();
        runner.replace_rules(rules);
        runner.set_manifests(manifests);
    }

    /// Ends thread and tasks; what is remembered is written, what was found is raised.
    pub(super) async fn end(&self) {
        self.stop.store(true, Relaxed);
        // Nobody listens any more if the tasks have ended; that is as good.
        let _ = self.stopping.send(true);
        let thread = self.thread.lock().take();
        let joined = tokio::task::spawn_blocking(move || thread.map(std::thread::JoinHandle::join));
        if !matches!(joined.await, Ok(None | Some(Ok(())))) {
            tracing::error!("the analytics ended by a defect");
        }
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the analytics ended by a defect");
            }
        }
    }

    /// Name, kind, help and value of the figures.
    pub(super) fn numbers(&self) -> Vec<Number> {
        let runner = self.runner.lock();
        let stats = runner.stats();
        let mut numbers = stream_numbers(runner.stream_stats());
        numbers.extend([
            (
                "atalaya_analytics_events_total",
                "counter",
                "Events that the analytics judged.",
                stats.events,
            ),
            (
                "atalaya_analytics_findings_total",
                "counter",
                "What they found.",
                stats.findings,
            ),
            (
                "atalaya_analytics_callers",
                "gauge",
                "Callers that are remembered.",
                stats.callers as u64,
            ),
            (
                "atalaya_analytics_callers_evicted_total",
                "counter",
                "Callers that had to make room for others.",
                stats.callers_evicted,
            ),
            (
                "atalaya_analytics_unread_total",
                "counter",
                "Records and rows that could not be read.",
                runner.unread(),
            ),
        ]);
        numbers
    }

    /// Polls what was ingested past the journal, until the node stops.
    pub(super) async fn poll(
        self: Arc<Self>,
        engine: Arc<dyn QueryEngine>,
        config: Config,
        mut stop: watch::Receiver<bool>,
    ) {
        let every = Duration::from_secs(config.analytics.poll_interval_s.max(1));
        let mut written = HashMap::new();
        let mut polled_at = Instant::now();
        let lateness_us =
            i64::try_from(config.analytics.lateness_s).unwrap_or(i64::MAX / 2_000_000) * 1_000_000;
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
            let is_due = polled_at.elapsed() >= every;
            let mut tables = self.polled();
            tables.retain(|table| has_changed(&config, table, &mut written) || is_due);
            if tables.is_empty() {
                continue;
            }
            let now = Timestamp::now();
            let since = *self.cursor.lock();
            let range = TimeRange {
                start: Timestamp(since.0.saturating_sub(lateness_us)),
                end: now,
            };
            let mut is_complete = is_due;
            for table in tables {
                match self.poll_table(engine.as_ref(), table, range).await {
                    Ok(rows) if rows < ROWS_MAX => {}
                    Ok(_) => tracing::warn!(
                        table,
                        "more rows than one poll of the analytics takes; the rest is left out"
                    ),
                    Err(error) => {
                        is_complete = false;
                        tracing::warn!(table, %error, "the analytics could not read a table; it is tried again");
                    }
                }
            }
            if is_due {
                polled_at = Instant::now();
            }
            if is_complete {
                *self.cursor.lock() = now;
            }
        }
    }

    /// The tables that others fill and that something asks about.
    fn polled(&self) -> Vec<&'static str> {
        let mut tables = self.runner.lock().tables();
        tables.extend(POLLED);
        tables.sort_unstable();
        tables.dedup();
        let has_origin = |name: &&str| {
            let table = atalaya_tables::find(name);
            table.is_some_and(|table| table.column("SourceType").is_some())
        };
        tables.retain(has_origin);
        tables
    }

    async fn poll_table(
        &self,
        engine: &dyn QueryEngine,
        table: &str,
        range: TimeRange,
    ) -> Result<usize, String> {
        let request = QueryRequest {
            kql: format!("{table} | where SourceType != 'gateway' | sort by TimeGenerated asc"),
            now: range.end,
            range: Some(range),
            rows_max: ROWS_MAX,
            timeout: POLL_TIMEOUT,
        };
        let result = engine
            .query(&request)
            .await
            .map_err(|error| error.to_string())?;
        let rows = result.rows.len();
        let runner = Arc::clone(&self.runner);
        let name = table.to_owned();
        let taken = tokio::task::spawn_blocking(move || {
            for text in texts(&result) {
                runner.lock().row(&name, &text);
            }
        });
        taken.await.map_err(|error| error.to_string())?;
        Ok(rows)
    }
}

/// The figures of the Sigma rules on the stream.
fn stream_numbers(stats: atalaya_detect::StreamStats) -> Vec<Number> {
    let counter = |name, help, value| (name, "counter", help, value);
    let gauge = |name, help, value| (name, "gauge", help, value);
    vec![
        gauge(
            "atalaya_sigma_stream_rules",
            "Sigma rules that are asked of each row as it arrives.",
            stats.rules,
        ),
        counter(
            "atalaya_sigma_stream_rows_total",
            "Rows that they were asked of.",
            stats.rows,
        ),
        counter(
            "atalaya_sigma_stream_matched_rows_total",
            "Rows that one of them matched.",
            stats.matched,
        ),
        gauge(
            "atalaya_sigma_correlation_keys",
            "Groups of correlations that are remembered.",
            stats.keys,
        ),
        counter(
            "atalaya_sigma_correlation_keys_evicted_total",
            "Groups of correlations that had to make room for others.",
            stats.evicted_keys,
        ),
        counter(
            "atalaya_sigma_correlation_events_evicted_total",
            "Events of groups that had too many.",
            stats.evicted_events,
        ),
        counter(
            "atalaya_sigma_correlation_late_total",
            "Rows that came too late for their group.",
            stats.late,
        ),
    ]
}

/// Whether something was written to a table since the last look.
fn has_changed(
    config: &Config,
    table: &'static str,
    written: &mut HashMap<&'static str, SystemTime>,
) -> bool {
    let log = config.lake_dir().join(table).join("_delta_log");
    // A table that is not there yet has not changed.
    let Ok(now) = std::fs::metadata(log).and_then(|folder| folder.modified()) else {
        return false;
    };
    written.insert(table, now) != Some(now)
}

/// Rows as JSON objects, without what is null or empty.
fn texts(table: &Table) -> impl Iterator<Item = String> {
    table.rows.iter().map(|row| {
        let members = table.columns.iter().zip(row).filter(|(_, value)| {
            !value.is_null() && value.as_str().is_none_or(|text| !text.is_empty())
        });
        let members = members.map(|(column, value)| (column.name.clone(), value.clone()));
        Value::Object(members.collect::<Map<_, _>>()).to_string()
    })
}

/// Raises what was found, until nobody finds any more.
async fn raise(scheduler: Scheduler, mut found: mpsc::Receiver<Vec<AnalyticHit>>) {
    while let Some(hits) = found.recv().await {
        scheduler.raise_found(hits, Timestamp::now()).await;
    }
}

/// Takes up what the last process remembered; the next record, and how far tables were polled.
fn remember(
    runner: &mut AnalyticRunner,
    file: &Path,
    chain: &[u8; 16],
    next_seq: u64,
) -> (u64, Timestamp) {
    let fresh = (0, Timestamp(Timestamp::now().0 - LOOKBACK_US));
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return fresh,
        Err(error) => {
            tracing::warn!(%error, "what the analytics remembered cannot be read; they learn anew");
            return fresh;
        }
    };
    let parts = bytes
        .strip_prefix(chain)
        .and_then(|rest| rest.split_first_chunk::<8>());
    let Some((cursor, snapshot)) = parts else {
        tracing::warn!("what the analytics remembered is of another journal; they learn anew");
        return fresh;
    };
    match runner.restore(snapshot) {
        Ok(seq) if seq <= next_seq => (seq, Timestamp(i64::from_le_bytes(*cursor))),
        Ok(_) => (next_seq, fresh.1),
        Err(reason) => {
            tracing::warn!(
                reason,
                "what the analytics remembered cannot be used; they learn anew"
            );
            fresh
        }
    }
}

impl Follower {
    fn run(&self, mut reader: Reader) {
        let (mut written_at, mut written_seq) = (Instant::now(), reader.next_seq());
        loop {
            let is_ending = self.stop.load(Relaxed);
            let visited = {
                let mut runner = self.runner.lock();
                reader.visit(RECORDS_MAX, |record| {
                    runner.record(record.payload, record.time);
                })
            };
            let hits = self.runner.lock().take();
            if !hits.is_empty() && self.found.blocking_send(hits).is_err() {
                break;
            }
            match visited {
                Ok(seen) if !seen.is_empty() => {}
                Ok(_) if is_ending => break,
                Ok(_) => drop(reader.wait(IDLE_INTERVAL)),
                Err(ReadError::Gone { oldest, .. }) => reader.seek(oldest),
                Err(_) if is_ending => break,
                Err(error) => {
                    tracing::error!(%error, "the analytics cannot follow the journal");
                    std::thread::sleep(RETRY_INTERVAL);
                }
            }
            if written_at.elapsed() >= self.interval && reader.next_seq() != written_seq {
                self.write(reader.next_seq());
                (written_at, written_seq) = (Instant::now(), reader.next_seq());
            }
        }
        self.write(reader.next_seq());
    }

    /// Writes what is remembered beside the file and puts it in its place.
    fn write(&self, next_seq: u64) {
        let mut bytes = self.chain.to_vec();
        bytes.extend_from_slice(&self.cursor.lock().0.to_le_bytes());
        bytes.extend_from_slice(&self.runner.lock().snapshot(next_seq));
        let beside = self.file.with_extension("state.new");
        let written =
            std::fs::write(&beside, &bytes).and_then(|()| std::fs::rename(&beside, &self.file));
        if let Err(error) = written {
            tracing::error!(%error, "what the analytics remember cannot be written");
        }
    }
}
