//! Text in, rows out: bind, lower, execute, within limits.
//!
//! Every query has a share of the engine's memory ([`crate::memory`]) and a deadline and runs on
//! the engine's own threads, so that a heavy one can neither starve the callers' runtime nor take
//! the memory of another. Where a folder is named, what outgrows the memory is spilled into it.

mod job;
mod rules;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atalaya_kql::bound::{BoundQuery, ColumnDef, Render};
use atalaya_kql::{BindOptions, Catalog};
use atalaya_model::{Diagnostic, Level};
use datafusion::execution::cache::cache_manager::{CacheManager, CacheManagerConfig};
use datafusion::execution::session_state::SessionStateBuilder;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use self::job::{Job, Shared, result_columns};
use crate::answer;
use crate::empty;
use crate::library::{Library, WithLibrary};
use crate::lower::{self, Step, TermIndexes, Trace};
use crate::memory::SharedMemory;
use crate::source::TableSource;
use crate::truncation;
use crate::types::Type;
use crate::value::Value;

/// Stack of a thread that plans and runs queries: DataFusion walks plans recursively, and a rule of
/// a few hundred lines makes a deep one. Only what is used becomes memory.
const STACK_BYTES: usize = 64 << 20;

/// Memory for footers and page indexes of files that were read: those of a busy week of decisions
/// are some 70 MB, and what does not fit is read again by every query.
const FOOTER_BYTES_MAX: usize = 256 << 20;

/// Most plugins of one query whose columns follow from the data: each reads its input once more.
const QUESTIONS_MAX: usize = 8;

/// Limits of the engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Threads that queries run on.
    pub threads: usize,
    /// Memory that one query may hold, bytes.
    pub memory_bytes_max: usize,
    /// Memory that all running queries together may hold, bytes; at least twice
    /// `memory_bytes_max`.
    pub memory_bytes_total: usize,
    /// Longest text of a query, bytes.
    pub query_bytes_max: usize,
    /// Stored functions, watchlists and external data.
    pub library: Arc<Library>,
    /// Queries that run at the same time; others wait their turn.
    pub queries_max: usize,
    /// Where sorts and groups that outgrow the memory go; nowhere: they fail.
    pub spill_dir: Option<PathBuf>,
    /// Disk that one query may spill to, bytes.
    pub spill_bytes_max: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            memory_bytes_max: 1 << 30,
            memory_bytes_total: 2 << 30,
            query_bytes_max: 1 << 20,
            library: Arc::default(),
            queries_max: 8,
            spill_dir: None,
            spill_bytes_max: 10 << 30,
        }
    }
}

/// How to run one query.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// What `now()` means, ticks.
    pub now_ticks: i64,
    /// Rows of source tables outside of this are not there: first tick, one past the last.
    pub range: Option<(i64, i64)>,
    /// Most rows to give back, unless the query says `set truncationmaxrecords` or
    /// `set notruncation`.
    pub rows_max: usize,
    /// Most data to give back, bytes, unless the query says `set truncationmaxsize` or
    /// `set notruncation`.
    pub bytes_max: usize,
    /// A query can lower these limits, but not raise them.
    pub truncation_is_fixed: bool,
    /// After this the query is cancelled.
    pub timeout: Duration,
    /// Refuse what real Kusto refuses.
    pub strict: bool,
    /// Answer at once when no table that is read has rows in `range`. What the engine would
    /// refuse is then not refused: for queries that were checked before.
    pub skip_if_nothing_to_read: bool,
}

impl QueryOptions {
    /// Kusto's defaults: 500,000 rows, 64 MB, four minutes.
    #[must_use]
    pub const fn at(now_ticks: i64) -> Self {
        Self {
            now_ticks,
            range: None,
            rows_max: truncation::ROWS_MAX,
            bytes_max: truncation::BYTES_MAX,
            truncation_is_fixed: false,
            timeout: Duration::from_secs(240),
            strict: false,
            skip_if_nothing_to_read: false,
        }
    }

    /// For a program that reads the result: so many rows at most whatever the query says, of any
    /// size that the query's memory holds.
    #[must_use]
    pub const fn for_program(now_ticks: i64, rows_max: usize) -> Self {
        Self {
            rows_max,
            bytes_max: usize::MAX,
            truncation_is_fixed: true,
            ..Self::at(now_ticks)
        }
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultColumn {
    /// Name.
    pub name: String,
    /// Type.
    pub ty: Type,
}

/// A result.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// Columns.
    pub columns: Vec<ResultColumn>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
    /// Remarks on the query.
    pub warnings: Vec<Diagnostic>,
    /// Whether rows were left out because of `rows_max` or `bytes_max`; a warning says which.
    pub truncated: bool,
    /// How the result wants to be shown.
    pub render: Option<Render>,
    /// What a query with several results calls this one.
    pub name: Option<String>,
    /// Results after the first one: of `fork` and `facet`.
    pub further: Vec<QueryResult>,
}

impl QueryResult {
    /// A result without rows.
    #[must_use]
    pub const fn empty(columns: Vec<ResultColumn>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
            warnings: Vec::new(),
            truncated: false,
            render: None,
            name: None,
            further: Vec::new(),
        }
    }
}

/// Why a query gave no result. The text never holds rows.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is wrong.
    #[error("the query is wrong: {}", .0.first().map_or("no reason given", |d| d.message.as_str()))]
    Invalid(Vec<Diagnostic>),
    /// It took too long.
    #[error("the query was cancelled after {0:?}; narrow its time range or raise the limit")]
    TimedOut(Duration),
    /// It needs too much memory.
    #[error("the query needs more than {0} bytes of memory; filter or aggregate earlier")]
    MemoryExceeded(usize),
    /// Something else.
    #[error("the query failed: {0}")]
    Failed(String),
}

/// Runs KQL over a [`TableSource`].
pub struct Engine {
    config: EngineConfig,
    source: Arc<dyn TableSource>,
    shared: Arc<Shared>,
    /// One permit for each query that may run.
    turns: Arc<Semaphore>,
    /// Only empty while it is being dropped.
    runtime: Option<Runtime>,
}

impl Engine {
    /// Starts the engine's threads.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(config: EngineConfig, source: Arc<dyn TableSource>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.threads.max(1))
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()?;
        let source = Arc::new(WithLibrary {
            source,
            library: Arc::clone(&config.library),
        });
        let caches = CacheManagerConfig::default().with_metadata_cache_limit(FOOTER_BYTES_MAX);
        let caches = CacheManager::try_new(&caches);
        let memory = SharedMemory::new(
            config
                .memory_bytes_total
                .max(config.memory_bytes_max.saturating_mul(2)),
            config.memory_bytes_max,
            config.queries_max,
        );
        let shared = Arc::new(Shared {
            memory,
            caches: caches.map_err(std::io::Error::other)?,
            indexes: TermIndexes::default(),
            base: SessionStateBuilder::new()
                .with_optimizer_rules(rules::rules())
                .build(),
        });
        Ok(Self {
            shared,
            turns: Arc::new(Semaphore::new(config.queries_max.max(1))),
            config,
            source,
            runtime: Some(runtime),
        })
    }

    /// Runs a query. Dropping the future cancels it.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn run(&self, kql: &str, options: &QueryOptions) -> Result<QueryResult, QueryError> {
        let (query, warnings) = self.bind(kql, options).await?;
        if options.skip_if_nothing_to_read && self.has_nothing_to_read(&query, options) {
            return Ok(QueryResult {
                warnings,
                render: query.render,
                ..QueryResult::empty(result_columns(&query.root.schema))
            });
        }
        let mut result = self.execute(query, options, None).await?;
        result.warnings.splice(0..0, warnings);
        Ok(result)
    }

    /// Runs a query and says how: the plans that were executed, with rows, time and what was
    /// pruned at each operator.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn explain_blocking(
        &self,
        kql: &str,
        options: &QueryOptions,
    ) -> Result<Vec<Step>, QueryError> {
        wait(async {
            let trace = Arc::new(Trace::default());
            let (query, _) = self.bind(kql, options).await?;
            let noted = Some(Arc::clone(&trace));
            self.execute(query, options, noted).await?;
            Ok(trace.take())
        })
    }

    /// Runs a bound query on the engine's threads.
    async fn execute(
        &self,
        query: BoundQuery,
        options: &QueryOptions,
        trace: Option<Arc<Trace>>,
    ) -> Result<QueryResult, QueryError> {
        let Some(runtime) = &self.runtime else {
            return Err(QueryError::Failed("the engine is stopping".to_owned()));
        };
        let job = Job {
            config: self.config.clone(),
            source: Arc::clone(&self.source),
            options: options.clone(),
            trace,
            shared: Arc::clone(&self.shared),
        };
        let turns = Arc::clone(&self.turns);
        let task = async {
            // Fair: first come, first served.
            let _turn = turns.acquire_owned().await;
            AbortOnDrop(runtime.spawn(job.run(query))).await
        };
        match tokio::time::timeout(options.timeout, task).await {
            Err(_) => Err(QueryError::TimedOut(options.timeout)),
            Ok(Err(failure)) => Err(QueryError::Failed(panic_text(&failure))),
            Ok(Ok(result)) => result,
        }
    }

    /// Like [`run`](Self::run), for callers without a runtime.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn run_blocking(
        &self,
        kql: &str,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        wait(self.run(kql, options))
    }

    fn has_nothing_to_read(&self, query: &BoundQuery, options: &QueryOptions) -> bool {
        query.further.is_empty()
            && empty::is_empty(
                &query.root,
                &query.materialized,
                self.source.as_ref(),
                options.range,
            )
    }

    async fn bind(
        &self,
        kql: &str,
        options: &QueryOptions,
    ) -> Result<(BoundQuery, Vec<Diagnostic>), QueryError> {
        if kql.len() > self.config.query_bytes_max {
            return Err(QueryError::Failed(format!(
                "its text is {} bytes long, at most {} are read",
                kql.len(),
                self.config.query_bytes_max
            )));
        }
        let catalog = SourceCatalog {
            source: self.source.as_ref(),
            library: &self.config.library,
        };
        let binding = BindOptions {
            now_ticks: options.now_ticks,
            strict: options.strict,
        };
        let mut answers: Vec<Vec<ColumnDef>> = Vec::new();
        let whole = QueryOptions {
            rows_max: lower::HELD_ROWS_MAX,
            bytes_max: usize::MAX,
            ..options.clone()
        };
        let bound = loop {
            let bound = atalaya_kql::bind_with(kql, &catalog, binding, &answers);
            let Some(question) = bound.question else {
                break bound;
            };
            if answers.len() == QUESTIONS_MAX {
                let reason = format!("more than {QUESTIONS_MAX} plugins ask for their columns");
                return Err(QueryError::Failed(reason));
            }
            let rows = self.execute(question.query, &whole, None).await?;
            answers.push(answer::columns(question.kind, &rows)?);
        };
        match bound.query {
            Some(query) if !bound.diagnostics.iter().any(|d| d.level == Level::Error) => {
                Ok((query, bound.diagnostics))
            }
            _ => Err(QueryError::Invalid(bound.diagnostics)),
        }
    }
}

/// Waits on a thread without a runtime. The clock of timeouts is its own: that of the engine's
/// threads stands still while all of them compute.
fn wait<T>(answer: impl Future<Output = Result<T, QueryError>>) -> Result<T, QueryError> {
    let waiting = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| QueryError::Failed(error.to_string()))?;
    waiting.block_on(answer)
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

fn panic_text(failure: &tokio::task::JoinError) -> String {
    if failure.is_cancelled() {
        "the engine is stopping".to_owned()
    } else {
        // The panic's own message may quote a row.
        "the engine hit a defect of its own; please report the query".to_owned()
    }
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

struct SourceCatalog<'a> {
    source: &'a dyn TableSource,
    library: &'a Library,
}

impl Catalog for SourceCatalog<'_> {
    fn has_places(&self) -> bool {
        self.library.places().is_some()
    }

    fn table(&self, name: &str) -> Option<Vec<ColumnDef>> {
        self.source.columns(name)
    }

    fn table_names(&self) -> Vec<String> {
        self.source.names()
    }

    fn stored_function(&self, name: &str) -> Option<String> {
        self.library.function(name).map(str::to_owned)
    }
}
