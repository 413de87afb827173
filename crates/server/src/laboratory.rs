//! The real engine over rows in memory, for tests of rules.

use std::sync::Arc;

use async_trait::async_trait;
use atalaya_detect::QueryEngine;
use atalaya_detect::testing::{Laboratory, Rows};
use atalaya_query::{Engine, EngineConfig, FileTables};

use crate::adapters::RuleEngine;

/// Threads of one laboratory's engine: many run after another, none is large.
const THREADS: usize = 1;

/// Makes an engine for every case.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineLaboratory;

#[async_trait]
impl Laboratory for EngineLaboratory {
    async fn engine(&self, rows: Rows) -> Result<Arc<dyn QueryEngine>, String> {
        let mut tables = FileTables::new();
        for table in atalaya_tables::ALL {
            let lines: Vec<String> = rows
                .get(table.name)
                .into_iter()
                .flatten()
                .map(ToString::to_string)
                .collect();
            tables
                .add_rows(table.name, lines.join("\n").as_bytes())
                .map_err(|error| error.to_string())?;
        }
        engine_over(tables, THREADS)
    }
}

/// An engine over tables in memory, for whoever runs rules over more than a case.
///
/// # Errors
/// If the engine cannot be made.
pub fn engine_over(tables: FileTables, threads: usize) -> Result<Arc<dyn QueryEngine>, String> {
    let config = EngineConfig {
        threads,
        ..EngineConfig::default()
    };
    let engine = Engine::new(config, Arc::new(tables)).map_err(|error| error.to_string())?;
    Ok(Arc::new(RuleEngine(Arc::new(engine))))
}
