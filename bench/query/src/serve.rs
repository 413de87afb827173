//! One engine, many queries: `{"query": "…"}` in, `{"rows", "sum", "wall_s"}` out.

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atalaya_query::value::{Value, datetime};
use atalaya_query::{Engine, EngineConfig, FileTables, QueryOptions};
use serde_json::json;

/// What `now()` means: the end of the week that [`crate::generate`] writes.
const NOW: &str = "2026-11-08T00:00:00Z";

/// Answers until the input ends.
pub(crate) fn run(folder: &Path, threads: usize) -> Result<(), Box<dyn Error>> {
    let mut tables = FileTables::new();
    tables.add("AIGuardrailDecisions", &folder.join("*.parquet"))?;
    let config = EngineConfig {
        threads,
        memory_bytes_max: 8 << 30,
        memory_bytes_total: 16 << 30,
        ..EngineConfig::default()
    };
    let engine = Engine::new(config, Arc::new(tables))?;
    let mut options = QueryOptions::at(datetime::parse(NOW).ok_or("no time")?);
    options.timeout = Duration::from_secs(600);
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let request: serde_json::Value = serde_json::from_str(&line?)?;
        let query = request["query"].as_str().ok_or("no query")?;
        let wall = Instant::now();
        let answer = match engine.run_blocking(query, &options) {
            Ok(result) => json!({
                "wall_s": wall.elapsed().as_secs_f64(),
                "rows": result.rows.len(),
                "sum": result.rows.iter().flatten().map(number).sum::<f64>(),
            }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// Times are not counted: engines spell them differently.
fn number(value: &Value) -> f64 {
    match value {
        Value::Int(n) => f64::from(*n),
        #[expect(
            clippy::cast_precision_loss,
            reason = "a sum to compare by, not to count with"
        )]
        Value::Long(n) => *n as f64,
        Value::Real(n) if n.is_finite() => *n,
        _ => 0.0,
    }
}
