//! Opening the parts of a node, each from its section of the configuration.
//!
//! The commands that look at a node's data (`query`, `alerts`, `ingest`) use the same functions
//! as the node itself, so that they see the same tables. None of them needs a running node, and
//! none disturbs one.

mod second_opinion;

pub use atalaya_gateway::{Bearer, CanaryKey};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use atalaya_control::{Control, ControlError};
use atalaya_detect::{RuleCatalogue, SchedulerConfig};
use atalaya_inspect::{Builder, Inspector, ThreatIntelligence};
use atalaya_lake::Lake;
use atalaya_model::{Diagnostic, SourceFile, Timestamp};
use atalaya_policy::Policy;
use atalaya_query::{Engine, ExternalData, Library, QueryOptions, TableSource};
use atalaya_store::SqliteStore;

use crate::adapters::{LakeTables, NoTables};
use crate::config::Config;
use crate::respond::watchlists::StoreWatchlists;

/// Largest policy or pattern file, bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Why a part could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file that a person wrote is wrong; the text shows where, with carets.
    #[error("{0}")]
    BadInput(String),
    /// The file is fine, but the world is not.
    #[error("{what}: {reason}")]
    World {
        /// What was tried.
        what: String,
        /// Why it failed.
        reason: String,
    },
}

impl OpenError {
    pub(crate) fn world(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::World {
            what: what.into(),
            reason: reason.to_string(),
        }
    }

    fn diagnostics(path: &Path, text: &str, problems: &[Diagnostic]) -> Self {
        let name = path.display().to_string();
        let source = SourceFile { name: &name, text };
        let rendered: Vec<String> = problems
            .iter()
            .map(|problem| source.render(problem))
            .collect();
        Self::BadInput(rendered.join("\n"))
    }
}

/// Name of the secret that inserted canaries are made from.
pub const CANARY_SECRET: &str = "canaries";

fn read(path: &Path) -> Result<String, OpenError> {
    let unreadable = |reason: String| {
        OpenError::BadInput(format!("error: cannot read {}: {reason}", path.display()))
    };
    let bytes = std::fs::metadata(path)
        .map_err(|error| unreadable(error.to_string()))?
        .len();
    if bytes > FILE_BYTES_MAX {
        return Err(unreadable(format!(
            "it has {bytes} bytes, at most {FILE_BYTES_MAX} are read"
        )));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
}

/// The policy in force.
///
/// # Errors
/// If its file cannot be read or is wrong.
pub fn policy(config: &Config) -> Result<Policy, OpenError> {
    let Some(path) = &config.policy else {
        return Ok(Policy::builtin());
    };
    let text = read(path)?;
    Policy::parse(&text).map_err(|problems| OpenError::diagnostics(path, &text, &problems))
}

/// Puts the policy file (or the built-in policy) into the history if it has changed, and the
/// newest entry in force.
///
/// # Errors
/// If the file cannot be read or is wrong; the policy in force stays.
pub async fn adopt_policy(config: &Config, control: &Control) -> Result<(), OpenError> {
    let text = config.policy.as_deref().map(read).transpose()?;
    let name = config
        .policy
        .as_ref()
        .map_or_else(String::new, |path| path.display().to_string());
    let adopted = control.adopt_policy(text.as_deref()).await;
    adopted.map_err(|error| match error {
        ControlError::Policy { .. } => OpenError::BadInput(error.render(&name)),
        other => OpenError::world("keeping the policy", other),
    })
}

/// The detectors in force.
///
/// # Errors
/// If a pattern file cannot be read or is wrong.
pub fn inspector(config: &Config) -> Result<Inspector, OpenError> {
    let mut builder = Inspector::builder();
    for path in &config.detectors {
        let text = read(path)?;
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let feed = ThreatIntelligence::stix(&text).map_err(|error| {
                OpenError::BadInput(format!(
                    "error: {}: {error}; help: a STIX 2.1 bundle with indicators, or a pattern file that ends with .yml",
                    path.display()
                ))
            })?;
            builder = builder.detector(Box::new(feed));
            continue;
        }
        builder = builder
            .patterns_yaml(&text)
            .map_err(|problems| OpenError::diagnostics(path, &text, &problems))?;
    }
    second_opinion::add(builder, &config.second_opinion).map(Builder::build)
}

/// The rules in force.
///
/// # Errors
/// If a rule of the user is wrong. Built-in rules are right; a test sees to it.
pub fn rules(config: &Config) -> Result<RuleCatalogue, OpenError> {
    let section = &config.rules;
    let mut rules = if section.builtin {
        RuleCatalogue::builtin()
    } else {
        RuleCatalogue::default()
    };
    for folder in &section.folders {
        rules.add_folder(folder);
    }
    let wrong: Vec<String> = rules
        .problems()
        .iter()
        .filter(|problem| problem.is_error())
        .map(atalaya_detect::RuleProblem::render)
        .collect();
    if !wrong.is_empty() {
        return Err(OpenError::BadInput(wrong.join("\n")));
    }
    for id in &section.disabled {
        if !rules.disable(id) {
            return Err(OpenError::BadInput(format!(
                "error: rules.disabled names {id}, and there is no such rule; see `atalaya rules list`"
            )));
        }
    }
    Ok(rules)
}

/// Signed manifests of data sets and artefacts.
///
/// # Errors
/// If one cannot be read, is wrong, or is not signed by one of the keys.
pub fn manifests(config: &Config) -> Result<atalaya_analytics::Manifests, OpenError> {
    use base64::Engine as _;
    let mut manifests = atalaya_analytics::Manifests::default();
    let Some(folder) = &config.analytics.manifests else {
        return Ok(manifests);
    };
    let wrong = |path: &Path, reason: &dyn std::fmt::Display| {
        OpenError::BadInput(format!("error: {}: {reason}", path.display()))
    };
    let mut keys = Vec::new();
    for path in &config.analytics.manifest_keys {
        let key = atalaya_modelscan::PublicKey::from_pem(&read(path)?);
        keys.push(key.map_err(|error| wrong(path, &error))?);
    }
    let entries = std::fs::read_dir(folder).map_err(|error| wrong(folder, &error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    paths.sort();
    for path in paths {
        let text = read(&path)?;
        let signature = read(&path.with_extension("json.sig"))?;
        let signature = base64::engine::general_purpose::STANDARD.decode(signature.trim());
        let signature = signature.map_err(|error| wrong(&path, &error))?;
        let is_signed = keys
            .iter()
            .any(|key| key.verifies(text.as_bytes(), &signature));
        if !is_signed {
            let reason = "its signature is by none of analytics.manifest_keys";
            return Err(wrong(&path, &reason));
        }
        let manifest: atalaya_analytics::Manifest =
            serde_json::from_str(&text).map_err(|error| wrong(&path, &error))?;
        if manifest.version != 1 {
            return Err(wrong(
                &path,
                &format!("version {} is not known", manifest.version),
            ));
        }
        manifests.add(manifest);
    }
    Ok(manifests)
}

/// The tables, opened to follow a journal or to look at them.
///
/// # Errors
/// If a table cannot be read or made.
pub fn lake(config: &Config) -> Result<Lake, OpenError> {
    let ports = atalaya_lake::Ports {
        clock: Arc::new(Timestamp::now),
        new_id: Arc::new(|| uuid::Uuid::now_v7().to_string()),
    };
    let what = || format!("opening the tables in {}", config.lake_dir().display());
    Lake::open(config.lake_config(), ports).map_err(|error| OpenError::world(what(), error))
}

/// The tables of a node that may or may not be running, up to its newest record.
///
/// # Errors
/// If there is no data folder, or tables or journal cannot be read.
pub fn tables_to_look_at(config: &Config) -> Result<Arc<dyn TableSource>, OpenError> {
    let lake = lake(config)?;
    let journal_dir = config.journal_dir();
    if journal_dir.is_dir() {
        lake.catch_up(&journal_dir).map_err(|error| {
            OpenError::world(
                format!("reading the journal in {}", journal_dir.display()),
                error,
            )
        })?;
    }
    Ok(Arc::new(LakeTables(lake)))
}

/// The log tables of a data directory that may not be there yet: then queries that read none of
/// them run.
///
/// # Errors
/// If the directory is there and its tables cannot be opened.
pub fn tables_if_any(config: &Config) -> Result<Arc<dyn TableSource>, OpenError> {
    match require_data(config) {
        Ok(_) => tables_to_look_at(config),
        Err(missing) => Ok(Arc::new(NoTables {
            reason: missing.to_string(),
        })),
    }
}

/// Stored functions, watchlists and external data.
///
/// # Errors
/// If the library holds something that is none of these.
pub fn library(config: &Config) -> Result<Library, OpenError> {
    let library = match &config.query.library {
        None => Library::default(),
        Some(folder) => Library::open(folder).map_err(|error| {
            OpenError::world(format!("reading the library {}", folder.display()), error)
        })?,
    };
    let allowed = config.query.external_data.iter();
    let library = library.with_external_data(allowed.map(|known| ExternalData {
        url: known.url.clone(),
        path: known.path.clone(),
    }));
    // Who only looks makes no store.
    if !config.store_file().is_file() {
        return Ok(library);
    }
    Ok(library.with_live_watchlists(Arc::new(StoreWatchlists {
        store: Arc::new(store(config)?),
        config: config.clone(),
    })))
}

/// A query engine.
///
/// # Errors
/// If the system gives no threads.
pub fn engine(config: &Config, tables: Arc<dyn TableSource>) -> Result<Engine, OpenError> {
    let mut engine = config.engine_config();
    engine.library = Arc::new(library(config)?);
    Engine::new(engine, tables)
        .map_err(|error| OpenError::world("starting the query engine", error))
}

/// How a person's query runs: now, within the configured limits.
///
/// # Errors
/// If the clock is out of the range of `datetime`.
pub fn query_options(config: &Config, now: Timestamp) -> Result<QueryOptions, OpenError> {
    let ticks = atalaya_query::value::datetime::from_unix_micros(now.0)
        .ok_or_else(|| OpenError::world("reading the clock", "it is out of range"))?;
    Ok(QueryOptions {
        rows_max: config.query.rows_max,
        bytes_max: config.query.result_bytes_max,
        timeout: Duration::from_millis(config.query.timeout_ms),
        ..QueryOptions::at(ticks)
    })
}

/// Alerts and rule states.
///
/// # Errors
/// If the file cannot be opened or made.
pub fn store(config: &Config) -> Result<SqliteStore, OpenError> {
    let path = config.store_file();
    let what = || format!("opening {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| OpenError::world(what(), error))?;
    }
    SqliteStore::open(&path).map_err(|error| OpenError::world(what(), error))
}

pub(crate) fn scheduler_config(config: &Config) -> SchedulerConfig {
    SchedulerConfig {
        every: config.rules.every_s.map(Duration::from_secs),
        concurrency: config.rules.concurrency,
        streams: config.analytics.enabled,
        ..SchedulerConfig::default()
    }
}

/// Whether there is a node's data at all: commands that only look make none.
///
/// # Errors
/// If there is none.
pub fn require_data(config: &Config) -> Result<PathBuf, OpenError> {
    if config.data_dir.is_dir() {
        return Ok(config.data_dir.clone());
    }
    Err(OpenError::World {
        what: format!("there is no data in {}", config.data_dir.display()),
        reason: "start `atalaya serve` or `atalaya ingest` first, or name another --data-dir"
            .to_owned(),
    })
}
