//! Configuration: one YAML file, every setting with a default, unknown keys refused.
//!
//! Relative paths are relative to the folder that the process is started in. The printed default
//! ([`Config::default_text`]) is generated from these types, so that it cannot lie.

mod atlas;
mod document;
mod respond;
mod second_opinion;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atalaya_gateway::GatewayConfig;
use atalaya_journal::{Durability, JournalConfig};
use atalaya_lake::LakeConfig;
use atalaya_model::{Diagnostic, Span};
use atalaya_query::EngineConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::atlas::{AtlasOverride, AtlasSection};
pub use respond::RespondSection;
pub use second_opinion::SecondOpinionSection;

/// The only version of the configuration format that there is.
const VERSION: u32 = 1;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Version of this format: 1.
    pub version: u32,
    /// Folder of everything that is kept: journal, tables, alerts.
    pub data_dir: PathBuf,
    /// Name of this node in the log.
    pub node_id: String,
    /// Policy file; the built-in policy if there is none (`atalaya config policy` prints it).
    pub policy: Option<PathBuf>,
    /// Files with patterns of your own (`.yml`) and threat intelligence (STIX 2.1 bundles, `.json`;
    /// `[x-prompt:simhash = 'HEX']` is a prompt by its `InputSimHash`), added to the built-in
    /// detectors.
    pub detectors: Vec<PathBuf>,
    /// A bigger model, asked only where the built-in classifier is in doubt.
    pub second_opinion: SecondOpinionSection,
    /// The gateway.
    pub gateway: GatewayConfig,
    /// The admin API, health, readiness, metrics.
    pub admin: AdminConfig,
    /// The decision log.
    pub journal: JournalSection,
    /// The tables.
    pub lake: LakeSection,
    /// Limits of queries.
    pub query: QuerySection,
    /// Detection rules.
    pub rules: RulesSection,
    /// Response: ladders, incidents, runbooks, and who is told.
    pub respond: RespondSection,
    /// Streaming analytics.
    pub analytics: AnalyticsSection,
    /// MITRE ATLAS: the release in use, and what a site thinks of techniques.
    pub atlas: AtlasSection,
    /// The process's own log, on standard error.
    pub log: LogSection,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: VERSION,
            data_dir: PathBuf::from("atalaya-data"),
            node_id: "node-1".to_owned(),
            policy: None,
            detectors: Vec::new(),
            second_opinion: SecondOpinionSection::default(),
            gateway: GatewayConfig::default(),
            admin: AdminConfig::default(),
            journal: JournalSection::default(),
            lake: LakeSection::default(),
            query: QuerySection::default(),
            rules: RulesSection::default(),
            respond: RespondSection::default(),
            analytics: AnalyticsSection::default(),
            atlas: AtlasSection::default(),
            log: LogSection::default(),
        }
    }
}

/// The admin listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Address of the admin API and of `/healthz`, `/readyz` and `/metrics`. The API needs an
    /// admin token, the probes need none; it speaks plain HTTP: keep it local or behind a proxy.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8401)),
        }
    }
}

/// When a decision counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DurabilityMode {
    /// Before the call is forwarded, on disk; concurrent calls share one sync.
    #[default]
    Strict,
    /// Queued; a killed process loses at most `write_interval_ms`, a power cut both intervals.
    Relaxed,
}

/// The decision log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JournalSection {
    /// When a decision counts as written.
    pub durability: DurabilityMode,
    /// Relaxed only: longest time a record waits to be written, milliseconds.
    pub write_interval_ms: u64,
    /// Relaxed only: longest time a written record waits to be synced, milliseconds.
    pub sync_interval_ms: u64,
    /// Size after which a new segment file is begun, bytes.
    pub segment_bytes_max: u64,
    /// Most decisions that wait to be written; more are refused.
    pub queue_records_max: usize,
    /// Most bytes of them.
    pub queue_bytes_max: usize,
}

impl Default for JournalSection {
    fn default() -> Self {
        let defaults = JournalConfig::new("");
        Self {
            durability: DurabilityMode::Strict,
            write_interval_ms: 20,
            sync_interval_ms: 1_000,
            segment_bytes_max: defaults.segment_bytes_max,
            queue_records_max: defaults.queue_records_max,
            queue_bytes_max: defaults.queue_bytes_max,
        }
    }
}

/// The tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LakeSection {
    /// Longest time a row is in memory before it is in a file, seconds. It can be queried, and is
    /// durable in the journal, all the while.
    pub flush_age_s: u64,
    /// Rows in memory that cause a flush before that.
    pub flush_rows: usize,
    /// Bytes in memory that cause a flush before that.
    pub flush_bytes: usize,
    /// Days that rows are kept, by table; `"*"` is for all others. Not named: for ever.
    pub retention_days: std::collections::BTreeMap<String, u32>,
    /// How often small files are merged and old ones removed, minutes.
    pub maintenance_interval_min: u64,
}

impl Default for LakeSection {
    fn default() -> Self {
        let defaults = LakeConfig::new("");
        Self {
            flush_age_s: defaults.flush_age.as_secs(),
            flush_rows: defaults.flush_rows,
            flush_bytes: defaults.flush_bytes,
            retention_days: std::collections::BTreeMap::new(),
            maintenance_interval_min: 60,
        }
    }
}

/// Limits of queries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuerySection {
    /// Threads that queries run on; 0 means one per core.
    pub threads: usize,
    /// Memory of one query, bytes.
    pub memory_bytes_max: usize,
    /// Memory of all queries that run at the same time, bytes: half of it is divided among
    /// `queries_max`, each of which is sure of its share, the other half is lent to those that run;
    /// at least twice `memory_bytes_max`.
    pub memory_bytes_total: usize,
    /// Most rows of a result, unless a query says `set truncationmaxrecords = …` or
    /// `set notruncation`.
    pub rows_max: usize,
    /// Most data of a result, bytes, unless a query says `set truncationmaxsize = …` or
    /// `set notruncation`.
    pub result_bytes_max: usize,
    /// Time of one query, milliseconds.
    pub timeout_ms: u64,
    /// Queries that run at the same time; others wait their turn.
    pub queries_max: usize,
    /// Disk below the data directory that one query may use when it outgrows its memory, bytes; 0
    /// means none. What is spilled is deleted when the query ends.
    pub spill_bytes_max: u64,
    /// Folder of stored functions (`functions/NAME.kql`) and watchlists
    /// (`watchlists/ALIAS.csv`).
    pub library: Option<PathBuf>,
    /// What `externaldata` may read, by the start of its address: `{url: https://…/, path: FILE
    /// or FOLDER}`. Nothing is fetched; other addresses are refused.
    pub external_data: Vec<ExternalSource>,
}

/// An address that `externaldata` may name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalSource {
    /// What the address starts with.
    pub url: String,
    /// A file, or the folder that the rest of the address is a path in.
    pub path: PathBuf,
}

impl Default for QuerySection {
    fn default() -> Self {
        Self {
            threads: 0,
            memory_bytes_max: 1 << 30,
            memory_bytes_total: 2 << 30,
            rows_max: 500_000,
            result_bytes_max: 64 << 20,
            timeout_ms: 240_000,
            queries_max: 8,
            spill_bytes_max: 10 << 30,
            library: None,
            external_data: Vec::new(),
        }
    }
}

/// Detection rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RulesSection {
    /// Whether rules run at all.
    pub enabled: bool,
    /// Whether the built-in rules are in force.
    pub builtin: bool,
    /// Folders with rules of your own; one with the id of a built-in rule replaces it.
    pub folders: Vec<PathBuf>,
    /// Ids of rules that do not run.
    pub disabled: Vec<String>,
    /// Runs every rule this often instead of at its own frequency, seconds (for tests).
    pub every_s: Option<u64>,
    /// Most rules that run at the same time.
    pub concurrency: usize,
}

impl Default for RulesSection {
    fn default() -> Self {
        Self {
            enabled: true,
            builtin: true,
            folders: Vec::new(),
            disabled: Vec::new(),
            every_s: None,
            concurrency: 2,
        }
    }
}

/// Streaming analytics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnalyticsSection {
    /// Whether they run; without rules they do not.
    pub enabled: bool,
    /// Callers that are remembered, at about a kilobyte each. Whoever was not seen for longest
    /// makes room.
    pub callers_max: usize,
    /// Groups of Sigma correlations that are remembered on the stream. Whichever was quiet for
    /// longest makes room, which the metrics count.
    pub correlation_keys_max: usize,
    /// How often what is remembered is written to disk, seconds.
    pub snapshot_interval_s: u64,
    /// How often rows that were ingested are looked for at least, seconds. A table that was
    /// written to is looked at within a second.
    pub poll_interval_s: u64,
    /// How much later than their time rows may be ingested, seconds.
    pub lateness_s: u64,
    /// Folder of signed manifests of data sets and artefacts: `NAME.json` with its signature in
    /// `NAME.json.sig` (base64 over the bytes of the file).
    pub manifests: Option<PathBuf>,
    /// Public keys (PEM; Ed25519, ECDSA on P-256 or P-384) that manifests must be signed with.
    pub manifest_keys: Vec<PathBuf>,
}

impl Default for AnalyticsSection {
    fn default() -> Self {
        Self {
            enabled: true,
            callers_max: 200_000,
            correlation_keys_max: 200_000,
            snapshot_interval_s: 600,
            poll_interval_s: 30,
            lateness_s: 3_600,
            manifests: None,
            manifest_keys: Vec::new(),
        }
    }
}

/// Shape of the process's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Our own remarks, and only the complaints of the table format's library.
const LEVEL_DEFAULT: &str = "info,buoyant_kernel=warn,deltalake_core=warn";

/// The process's own log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// Shape.
    pub format: LogFormat,
    /// Filter, e.g. `info` or `info,atalaya_gateway=debug`; `ATALAYA_LOG` wins over it.
    pub level: String,
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: LEVEL_DEFAULT.to_owned(),
        }
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Every mistake that could be found, with place and remedy.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnostic>> {
        let config: Self = if text.trim().is_empty() {
            Self::default()
        } else {
            atalaya_yaml::parse(text).map_err(|error| vec![*error])?
        };
        let problems = config.problems(text);
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems)
        }
    }

    /// The defaults as a file: every setting with its meaning.
    #[must_use]
    pub fn default_text() -> String {
        document::write(&Self::schema(), &Self::default().to_value())
    }

    /// This configuration as a file, without remarks.
    #[must_use]
    pub fn to_text(&self) -> String {
        document::write(&serde_json::Value::Null, &self.to_value())
    }

    /// JSON Schema (draft 2020-12) of the file, for editors.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    fn to_value(&self) -> serde_json::Value {
        // Nothing in it can fail to be JSON; an empty document would show in the tests.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Folder of the journal.
    #[must_use]
    pub fn journal_dir(&self) -> PathBuf {
        self.data_dir.join("journal")
    }

    /// Folder of the tables.
    #[must_use]
    pub fn lake_dir(&self) -> PathBuf {
        self.data_dir.join("lake")
    }

    /// File of alerts and rule states.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.data_dir.join("control.db")
    }

    pub(crate) fn journal_config(&self) -> JournalConfig {
        let section = &self.journal;
        let durability = match section.durability {
            DurabilityMode::Strict => Durability::Strict,
            DurabilityMode::Relaxed => Durability::Relaxed {
                write_interval: Duration::from_millis(section.write_interval_ms),
                sync_interval: Duration::from_millis(section.sync_interval_ms),
            },
        };
        JournalConfig {
            durability,
            segment_bytes_max: section.segment_bytes_max,
            queue_records_max: section.queue_records_max,
            queue_bytes_max: section.queue_bytes_max,
            ..JournalConfig::new(self.journal_dir())
        }
    }

    pub(crate) fn lake_config(&self) -> LakeConfig {
        let section = &self.lake;
        LakeConfig {
            flush_age: Duration::from_secs(section.flush_age_s),
            flush_rows: section.flush_rows,
            flush_bytes: section.flush_bytes,
            retention_days: section.retention_days.clone().into_iter().collect(),
            ..LakeConfig::new(absolute(&self.lake_dir()))
        }
    }

    /// Where queries that outgrow their memory go.
    pub(crate) fn spill_dir(&self) -> Option<PathBuf> {
        let spills = self.query.spill_bytes_max > 0 && self.data_dir.is_dir();
        spills.then(|| self.data_dir.join("spill"))
    }

    pub(crate) fn engine_config(&self) -> EngineConfig {
        let defaults = EngineConfig::default();
        let threads = if self.query.threads == 0 {
            defaults.threads
        } else {
            self.query.threads
        };
        EngineConfig {
            threads,
            memory_bytes_max: self.query.memory_bytes_max,
            memory_bytes_total: self.query.memory_bytes_total,
            queries_max: self.query.queries_max,
            spill_dir: self.spill_dir(),
            spill_bytes_max: self.query.spill_bytes_max,
            ..defaults
        }
    }

    /// What the types cannot say.
    fn problems(&self, text: &str) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let mut problem = |key: &str, message: String, help: &str| {
            let start = find_key(text, key);
            problems.push(
                Diagnostic::error("CFG001", Span::new(start, start + key.len()), message)
                    .with_help(help),
            );
        };
        if self.version != VERSION {
            problem(
                "version",
                format!("version {} is not known", self.version),
                "write 1",
            );
        }
        if self.node_id.trim().is_empty() {
            problem(
                "node_id",
                "the node has no name".into(),
                "give it a name, e.g. node-1",
            );
        }
        if self.gateway.listen.is_empty() {
            problem(
                "listen",
                "the gateway listens nowhere".into(),
                "name one address",
            );
        }
        if let Some((key, message, help)) = self.gateway.canaries.problem() {
            problem(key, message.to_owned(), help);
        }
        for (index, route) in self.gateway.routes.iter().enumerate() {
            if !self.gateway.upstreams.contains_key(&route.upstream) {
                let known: Vec<&str> = self.gateway.upstreams.keys().map(String::as_str).collect();
                let nearest = atalaya_yaml::nearest(&route.upstream, known.iter().copied());
                let help = match nearest {
                    Some(name) => format!("did you mean {name}?"),
                    None => format!("upstreams are: {}", known.join(", ")),
                };
                let message = format!(
                    "route {} names upstream {}, which is not there",
                    index + 1,
                    route.upstream
                );
                problem(&route.upstream, message, &help);
            }
        }
        for (key, value) in [
            ("flush_age_s", self.lake.flush_age_s),
            (
                "maintenance_interval_min",
                self.lake.maintenance_interval_min,
            ),
            ("segment_bytes_max", self.journal.segment_bytes_max),
            ("timeout_ms", self.query.timeout_ms),
        ] {
            if value == 0 {
                problem(key, format!("{key} is 0"), "write a number above 0");
            }
        }
        for table in self.lake.retention_days.keys() {
            if table != "*" && atalaya_tables::find(table).is_none() {
                let (message, help) = (format!("there is no table {table}"), nearest_table(table));
                problem(table, message, &help);
            }
        }
        problems
    }
}

/// What to do about a table that is not there.
fn nearest_table(table: &str) -> String {
    let known = atalaya_tables::ALL.iter().map(|known| known.name);
    atalaya_yaml::nearest(table, known).map_or_else(
        || "see `atalaya tables`".to_owned(),
        |name| format!("did you mean {name}?"),
    )
}

/// Where a key stands in the text; the beginning if it is not there.
fn find_key(text: &str, key: &str) -> usize {
    text.find(key).unwrap_or(0)
}

/// The path as the lake's readers need it.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests;
