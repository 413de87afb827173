//! Queries that outgrow their memory, alone and together.

use std::sync::Arc;

use atalaya_query::{Engine, EngineConfig, FileTables, QueryError, QueryOptions};
use serde_json::json;

use crate::support::{json, options};

/// Groups that take more memory than a query has: 400,000 texts of 60 bytes.
const GROUPS: &str = "range x from 1 to 400000 step 1 \
    | extend Name = strcat('a name that is too long to lie in its view ', x, ' of many') \
    | summarize Count = count() by Name | summarize Groups = count(), Rows = sum(Count)";

fn engine(spill_dir: Option<std::path::PathBuf>) -> Engine {
    let config = EngineConfig {
        threads: 2,
        memory_bytes_max: 24 << 20,
        memory_bytes_total: 48 << 20,
        queries_max: 2,
        spill_dir,
        ..EngineConfig::default()
    };
    Engine::new(config, Arc::new(FileTables::new())).expect("an engine")
}

#[test]
fn heavy_queries_that_run_at_the_same_time_spill_and_all_finish() {
    let folder = tempfile::tempdir().expect("a folder");
    let spill = folder.path().join("spill");
    let engine = engine(Some(spill.clone()));
    let options = QueryOptions {
        timeout: std::time::Duration::from_secs(300),
        ..options()
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let run = || engine.run_blocking(GROUPS, &options);
        let running: Vec<_> = (0..3).map(|_| scope.spawn(run)).collect();
        let joined = running
            .into_iter()
            .map(|query| query.join().expect("no panic"));
        joined.collect()
    });
    for result in results {
        let result = result.expect("it finishes");
        assert_eq!(json(&result)["rows"], json!([[400_000, 400_000]]));
    }
    let steps = engine.explain_blocking(GROUPS, &options).expect("it runs");
    let plans: String = steps.iter().map(|step| step.plan.as_str()).collect();
    let spilled = plans
        .split("spill_count=")
        .skip(1)
        .any(|rest| !rest.starts_with('0'));
    assert!(spilled, "it needs more than its memory: {plans}");
    let left = std::fs::read_dir(&spill).expect("the folder").count();
    assert_eq!(left, 0, "what was spilled is gone");
}

#[test]
fn without_a_place_to_spill_to_only_the_heavy_query_fails() {
    let engine = engine(None);
    let error = engine
        .run_blocking(GROUPS, &options())
        .expect_err("too much");
    assert!(matches!(error, QueryError::MemoryExceeded(_)), "{error:?}");
    assert!(engine.run_blocking("print 1", &options()).is_ok());
}
