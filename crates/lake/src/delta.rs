//! One Delta Lake table on local disk: opening, listing its files, committing.
//!
//! The library is asynchronous and wants a runtime; everything here is called from threads that
//! may or may not belong to one. So the lake owns a small runtime, futures are spawned on it, and
//! the caller waits on a channel, which works from anywhere.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use atalaya_model::Timestamp;
use atalaya_tables::Table;
use deltalake_core::DeltaTableError;
use deltalake_core::TableProperty;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::kernel::{Action, Add, Remove, Transaction};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, logstore_for};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::state::DeltaTableState;
use serde_json::{Value, json};
use url::Url;

use crate::error::LakeError;
use crate::parquet_file::sync_dir;
use crate::schema::{DAY_COLUMN, delta_columns};
use crate::snapshot::DataFile;
use crate::time::{day_text, parse_datetime, parse_day};

const LOG_DIR: &str = "_delta_log";

/// The lake's own runtime. Two threads: one would block itself when the library waits inside.
pub(crate) struct Runtime {
    /// Only empty while it is dropped.
    inner: Option<tokio::runtime::Runtime>,
}

impl Drop for Runtime {
    /// Dropping a runtime waits for its threads, which a thread of another runtime must not do.
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            inner.shutdown_background();
        }
    }
}

impl Runtime {
    pub(crate) fn new() -> std::io::Result<Self> {
        let inner = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("lake")
            .enable_all()
            .build()?;
        Ok(Self { inner: Some(inner) })
    }

    /// Runs a future to its end, from any thread.
    fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, DeltaTableError>> + Send + 'static,
    ) -> Result<T, DeltaTableError> {
        let (done, result) = mpsc::sync_channel(1);
        if let Some(inner) = &self.inner {
            inner.spawn(async move {
                let _ = done.send(future.await);
            });
        }
        result
            .recv()
            .unwrap_or_else(|_| Err(DeltaTableError::generic("the task ended without an answer")))
    }
}

/// What one commit changes.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) added: Vec<DataFile>,
    pub(crate) removed: Vec<DataFile>,
    /// How far an application has come: (its id, its version).
    pub(crate) progress: Vec<(String, i64)>,
    /// Whether rows were added or removed, and not only moved.
    pub(crate) moves_only: bool,
}

/// See the module.
pub(crate) struct DeltaFolder {
    pub(crate) table: &'static Table,
    pub(crate) dir: PathBuf,
    runtime: Arc<Runtime>,
    log: LogStoreRef,
    state: DeltaTableState,
}

impl DeltaFolder {
    /// Opens the table in `lake_dir`, or makes it.
    pub(crate) fn open(
        table: &'static Table,
        lake_dir: &Path,
        runtime: &Arc<Runtime>,
    ) -> Result<Self, LakeError> {
        let dir = lake_dir.join(table.name);
        fs::create_dir_all(&dir).map_err(LakeError::io("creating", &dir))?;
        let dir = fs::canonicalize(&dir).map_err(LakeError::io("resolving", &dir))?;
        drop_torn_commit(&dir.join(LOG_DIR))?;
        let url = Url::from_directory_path(&dir)
            .map_err(|()| LakeError::io("naming", &dir)(std::io::ErrorKind::InvalidInput.into()))?;
        let log = logstore_for(&url, StorageConfig::default())
            .map_err(LakeError::delta("opening", table.name))?;
        let state = runtime
            .run(open_or_create(table, url, Arc::clone(&log)))
            .map_err(LakeError::delta("opening", table.name))?;
        check_schema(table, &state)?;
        Ok(Self {
            table,
            dir,
            runtime: Arc::clone(runtime),
            log,
            state,
        })
    }

    /// Version of the table that this process knows.
    pub(crate) fn version(&self) -> u64 {
        self.state.version()
    }

    /// Takes note of commits of other processes; true if there were any.
    pub(crate) fn refresh(&mut self) -> Result<bool, LakeError> {
        if !self.commit_path(self.version() + 1).exists() {
            return Ok(false);
        }
        let mut state = self.state.clone();
        let log = Arc::clone(&self.log);
        self.state = self
            .runtime
            .run(async move {
                state.update(log.as_ref(), None).await?;
                Ok(state)
            })
            .map_err(LakeError::delta("reading", self.table.name))?;
        Ok(true)
    }

    fn commit_path(&self, version: u64) -> PathBuf {
        self.dir.join(LOG_DIR).join(format!("{version:020}.json"))
    }

    /// All files of the table.
    pub(crate) fn files(&self) -> Vec<DataFile> {
        self.state
            .log_data()
            .iter()
            .map(|view| {
                let stats: Value = view
                    .stats()
                    .and_then(|stats| serde_json::from_str(&stats).ok())
                    .unwrap_or_default();
                let day = view
                    .partition_values_map()
                    .get(DAY_COLUMN)
                    .and_then(|day| day.as_deref().and_then(parse_day))
                    .unwrap_or_default();
                let time = |bound: &str| {
                    let text = stats[bound]["TimeGenerated"].as_str();
                    text.and_then(parse_datetime)
                };
                DataFile {
                    path: self.dir.join(view.path().as_ref()),
                    size_bytes: u64::try_from(view.size()).unwrap_or(0),
                    rows: stats["numRecords"].as_u64().unwrap_or(0),
                    day,
                    time_min: Timestamp(time("minValues").unwrap_or(i64::MIN)),
                    // Statistics may have been cut to milliseconds on their way.
                    time_max: Timestamp(time("maxValues").map_or(i64::MAX, ceil_to_millis)),
                }
            })
            .collect()
    }

    /// How far an application has come.
    pub(crate) fn progress(&self, application: &str) -> Result<Option<i64>, LakeError> {
        let (state, log) = (self.state.clone(), Arc::clone(&self.log));
        let application = application.to_owned();
        self.runtime
            .run(async move { state.transaction_version(log.as_ref(), application).await })
            .map_err(LakeError::delta("reading", self.table.name))
    }

    /// Commits a change and makes it durable.
    pub(crate) fn commit(&mut self, change: Change) -> Result<(), LakeError> {
        let moves_only = change.moves_only;
        let removes_rows = !change.removed.is_empty();
        let mut actions = Vec::with_capacity(change.added.len() + change.removed.len());
        for file in &change.removed {
            actions.push(Action::Remove(self.remove(file, !moves_only)));
        }
        for file in &change.added {
            actions.push(Action::Add(self.add(file, !moves_only)));
        }
        let progress = change
            .progress
            .into_iter()
            .map(|(application, version)| Transaction::new(application, version))
            .collect();
        let operation = if removes_rows && change.added.is_empty() {
            DeltaOperation::Delete { predicate: None }
        } else {
            DeltaOperation::Write {
                mode: SaveMode::Append,
                partition_by: Some(vec![DAY_COLUMN.to_owned()]),
                predicate: None,
            }
        };
        let (state, log) = (self.state.clone(), Arc::clone(&self.log));
        let committed = self.runtime.run(async move {
            let properties = CommitProperties::default().with_application_transactions(progress);
            CommitBuilder::from(properties)
                .with_actions(actions)
                .build(Some(&state), log, operation)
                .await
        });
        self.state = committed
            .map_err(LakeError::delta("committing to", self.table.name))?
            .snapshot();
        self.sync_log()
    }

    /// The library does not sync; a power cut must not take back what the journal may forget.
    fn sync_log(&self) -> Result<(), LakeError> {
        let path = self.commit_path(self.version());
        if let Ok(file) = fs::File::open(&path) {
            file.sync_all().map_err(LakeError::io("syncing", &path))?;
        }
        sync_dir(&self.dir.join(LOG_DIR))
    }

    fn relative(&self, file: &DataFile) -> String {
        let relative = file.path.strip_prefix(&self.dir).unwrap_or(&file.path);
        relative.to_string_lossy().into_owned()
    }

    fn add(&self, file: &DataFile, data_change: bool) -> Add {
        let stats = json!({
            "numRecords": file.rows,
            "minValues": {"TimeGenerated": file.time_min.to_rfc3339()},
            "maxValues": {"TimeGenerated": file.time_max.to_rfc3339()},
            "nullCount": {"TimeGenerated": 0},
        });
        Add {
            path: self.relative(file),
            partition_values: partition(file),
            size: i64::try_from(file.size_bytes).unwrap_or(i64::MAX),
            modification_time: file.time_max.0 / 1_000,
            data_change,
            stats: Some(stats.to_string()),
            ..Add::default()
        }
    }

    fn remove(&self, file: &DataFile, data_change: bool) -> Remove {
        Remove {
            path: self.relative(file),
            data_change,
            deletion_timestamp: Some(now_ms()),
            extended_file_metadata: Some(true),
            partition_values: Some(partition(file)),
            size: i64::try_from(file.size_bytes).ok(),
            ..Remove::default()
        }
    }
}

fn partition(file: &DataFile) -> HashMap<String, Option<String>> {
    HashMap::from([(DAY_COLUMN.to_owned(), Some(day_text(file.day)))])
}

/// Delta's tombstones carry wall-clock time; nothing in the lake's own logic depends on it.
fn now_ms() -> i64 {
    Timestamp::now().0 / 1_000
}

fn ceil_to_millis(time_us: i64) -> i64 {
    if time_us % 1_000 == 0 {
        time_us + 999
    } else {
        time_us
    }
}

async fn open_or_create(
    table: &'static Table,
    url: Url,
    log: LogStoreRef,
) -> Result<DeltaTableState, DeltaTableError> {
    if !log.is_delta_table_location().await? {
        CreateBuilder::new()
            .with_location(url)
            .with_table_name(table.name)
            .with_comment(table.doc)
            .with_columns(delta_columns(table))
            .with_partition_columns([DAY_COLUMN])
            // Readers take the absence of promised statistics for statistics: promise what is
            // written. The Parquet files have statistics of all columns.
            .with_configuration_property(
                TableProperty::DataSkippingStatsColumns,
                Some("TimeGenerated"),
            )
            .await?;
        return DeltaTableState::try_new(log.as_ref(), None).await;
    }
    let state = DeltaTableState::try_new(log.as_ref(), None).await?;
    let stored = state.schema();
    let mut new_columns = delta_columns(table);
    new_columns.retain(|column| stored.field(column.name()).is_none());
    if new_columns.is_empty() {
        return Ok(state);
    }
    tracing::info!(
        table = table.name,
        count = new_columns.len(),
        "lake: adding columns"
    );
    let table = deltalake_core::open_table(url).await?;
    table.add_columns().with_fields(new_columns).await?;
    DeltaTableState::try_new(log.as_ref(), None).await
}

/// A table of a newer program may have more columns, which is fine; other types are not.
fn check_schema(table: &Table, state: &DeltaTableState) -> Result<(), LakeError> {
    let stored = state.schema();
    for column in delta_columns(table) {
        let found = stored.field(column.name());
        if found.is_some_and(|field| field.data_type() == column.data_type()) {
            continue;
        }
        let found = found.map_or_else(
            || "missing".to_owned(),
            |field| field.data_type().to_string(),
        );
        return Err(LakeError::Schema {
            table: table.name.to_owned(),
            difference: format!(
                "{} is {found}, expected {}",
                column.name(),
                column.data_type()
            ),
        });
    }
    Ok(())
}

/// A power cut between the commit's rename and its sync can leave an empty last entry. It never
/// became durable, so the rows in it are still in the journal.
fn drop_torn_commit(log_dir: &Path) -> Result<(), LakeError> {
    let Ok(entries) = fs::read_dir(log_dir) else {
        return Ok(());
    };
    let newest = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .max();
    if let Some(path) = newest
        && fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0)
    {
        tracing::warn!(path = %path.display(), "lake: removing an empty Delta log entry left by a crash");
        fs::remove_file(&path).map_err(LakeError::io("removing", &path))?;
    }
    Ok(())
}
