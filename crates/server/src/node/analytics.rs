//! The streaming analytics of a node: fed by the journal as it is written, and by what other
//! sources put into the tables.
//!
//! A thread follows the journal from where the last snapshot ended; rows that were ingested past
//! the journal are polled. What is found goes to the scheduler, which raises alerts like those of
//! any rule. Behind it lies no queue that calls wait for: a slow analytic is late, nothing else.
//!
//! Left out: rows that were ingested with times older than `lateness_s` while the node runs, or
//! than a day when it starts. They can be searched by rules that query.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use atalaya_detect::{
    AnalyticHit, AnalyticRunner, QueryEngine, QueryRequest, RuleCatalogue, Scheduler, Table,
    TimeRange,
};
use atalaya_journal::{Journal, ReadError, Reader};
use atalaya_model::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::open::{self, OpenError};

/// Records that are read at a time.
const RECORDS_MAX: usize = 512;
/// Longest sleep while nothing happens; bounds how late a stop is noticed.
const IDLE_INTERVAL: Duration = Duration::from_millis(250);
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
        let mut runner = AnalyticRunner::new(&scheduler.rules(), limits);
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
    pub(super) fn numbers(&self) -> [(&'static str, &'static str, &'static str, u64); 5] {
        let runner = self.runner.lock();
        let stats = runner.stats();
        [
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
        ]
    }

    /// Polls what was ingested past the journal, until the node stops.
    pub(super) async fn poll(
        self: Arc<Self>,
        engine: Arc<dyn QueryEngine>,
        config: Config,
        mut stop: watch::Receiver<bool>,
    ) {
        let every = Duration::from_secs(config.analytics.poll_interval_s.max(1));
        let lateness_us =
            i64::try_from(config.analytics.lateness_s).unwrap_or(i64::MAX / 2_000_000) * 1_000_000;
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(every) => {}
            }
            let now = Timestamp::now();
            let since = *self.cursor.lock();
            let range = TimeRange {
                start: Timestamp(since.0.saturating_sub(lateness_us)),
                end: now,
            };
            let mut is_complete = true;
            for table in POLLED {
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
            if is_complete {
                *self.cursor.lock() = now;
            }
        }
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
