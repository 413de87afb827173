//! One query, run: its session, its plan, its rows, and what of an error may be said.

use std::path::Path;
use std::sync::Arc;

use atalaya_kql::bound::{BoundQuery, ColumnDef};
use datafusion::common::DataFusionError;
use datafusion::execution::cache::cache_manager::CacheManager;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::{EngineConfig, QueryError, QueryOptions, QueryResult, ResultColumn};
use crate::lower::{self, LowerError, Lowering, TermIndexes, Trace};
use crate::memory::SharedMemory;
use crate::places::Places;
use crate::source::TableSource;
use crate::truncation::Truncation;

/// A query on one of the engine's threads.
pub(super) struct Job {
    pub(super) config: EngineConfig,
    pub(super) source: Arc<dyn TableSource>,
    pub(super) options: QueryOptions,
    pub(super) trace: Option<Arc<Trace>>,
    pub(super) shared: Arc<Shared>,
}

/// What queries of one engine share.
pub(super) struct Shared {
    pub(super) memory: Arc<SharedMemory>,
    /// Footers of Parquet files, as DataFusion keeps them.
    pub(super) caches: Arc<CacheManager>,
    pub(super) indexes: TermIndexes,
    /// The rules of plans. Functions are named by nobody: plans hold those that they call.
    pub(super) base: SessionState,
}

impl Job {
    pub(super) async fn run(self, query: BoundQuery) -> Result<QueryResult, QueryError> {
        let context = self.context().map_err(|e| self.failed(&e))?;
        let first = std::iter::once((None, &query.root.schema));
        let further = query.further.iter();
        let further = further.map(|further| (further.name.clone(), &further.root.schema));
        let shapes: Vec<_> = first
            .chain(further)
            .map(|(name, schema)| (name, result_columns(schema)))
            .collect();
        let render = query.render.clone();
        let lowering = Lowering::new(
            &context,
            self.source.as_ref(),
            self.options.range,
            &self.shared.indexes,
        );
        let lowering = match &self.trace {
            Some(trace) => lowering.traced(trace),
            None => lowering,
        };
        let truncation = Truncation::of(query.truncation, &self.options);
        let one_more = truncation.rows_max.saturating_add(1);
        let places = self.config.library.places();
        let results = Places::during(places, lowering.execute(query, one_more))
            .await
            .map_err(|error| match error {
                LowerError::Unsupported(diagnostic) => QueryError::Invalid(vec![*diagnostic]),
                LowerError::Source(error) => QueryError::Failed(error.to_string()),
                LowerError::Limit(reason) => QueryError::Failed(reason),
                LowerError::Engine(error) => self.failed(&error),
            })?;
        let mut results = shapes
            .into_iter()
            .zip(results)
            .map(|((name, columns), batches)| {
                let fitting = truncation.read(&columns, &batches);
                QueryResult {
                    rows: fitting.rows,
                    truncated: fitting.exceeded.is_some(),
                    warnings: fitting.exceeded.into_iter().collect(),
                    name,
                    ..QueryResult::empty(columns)
                }
            });
        let first = results.next();
        let first = first.ok_or_else(|| QueryError::Failed("there is no result".to_owned()))?;
        Ok(QueryResult {
            render,
            further: results.collect(),
            ..first
        })
    }

    fn context(&self) -> Result<SessionContext, DataFusionError> {
        let mut runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(self.shared.memory.query())
            .with_disk_manager_builder(self.disk())
            .build()?;
        runtime.cache_manager = Arc::clone(&self.shared.caches);
        let mut config = SessionConfig::new()
            .with_target_partitions(self.config.threads.max(1))
            // What has an order lies in one partition; it must stay there.
            .with_round_robin_repartition(false)
            .with_repartition_file_scans(false)
            .with_collect_statistics(false);
        config.options_mut().sql_parser.enable_ident_normalization = false;
        let state = SessionStateBuilder::new_from_existing(self.shared.base.clone())
            .with_session_id(uuid::Uuid::now_v7().to_string())
            .with_config(config)
            .with_runtime_env(Arc::new(runtime))
            .build();
        Ok(SessionContext::new_with_state(state))
    }

    fn disk(&self) -> DiskManagerBuilder {
        let mode = match &self.config.spill_dir {
            Some(folder) if is_private_folder(folder) => {
                DiskManagerMode::Directories(vec![folder.clone()])
            }
            _ => DiskManagerMode::Disabled,
        };
        DiskManagerBuilder::default()
            .with_mode(mode)
            .with_max_temp_directory_size(self.config.spill_bytes_max)
    }

    fn failed(&self, error: &DataFusionError) -> QueryError {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => {
                QueryError::MemoryExceeded(self.config.memory_bytes_max)
            }
            root => {
                // Arrow's messages may quote a value: only the kind goes out, the rest is for
                // whoever turns on debug logs, without the text of the query.
                tracing::debug!(kind = kind_of(root), "query failed");
                QueryError::Failed(kind_of(root).to_owned())
            }
        }
    }
}

fn kind_of(error: &DataFusionError) -> &'static str {
    match error {
        DataFusionError::ArrowError(..) => "a computation on the columns failed",
        DataFusionError::ParquetError(_) => "a file of the table is not readable as Parquet",
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => {
            "a file of the table could not be read"
        }
        DataFusionError::NotImplemented(_) => "the plan needs what the engine does not have",
        DataFusionError::Execution(_) => "the execution failed",
        _ => "the plan could not be built; please report the query",
    }
}

pub(super) fn result_columns(schema: &[ColumnDef]) -> Vec<ResultColumn> {
    schema
        .iter()
        .map(|column| ResultColumn {
            name: column.name.clone(),
            ty: lower::type_of(column.ty),
        })
        .collect()
}

/// Makes a folder that only its owner can look into; whether it is there. Two queries may make it at
/// once: the one that comes late finds it made.
fn is_private_folder(folder: &Path) -> bool {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).is_ok() || folder.is_dir()
}
