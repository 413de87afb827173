//! The rules of streaming analytics pass their own tests, and what they find becomes alerts.

use std::sync::Arc;

use async_trait::async_trait;
use atalaya_detect::testing::{self, Laboratory, Rows, TestFile};
use atalaya_detect::{AnalyticRunner, CorrelationLimits, QueryEngine, RuleCatalogue};
use atalaya_model::Timestamp;

/// Analytics need no engine.
struct NoEngine;

#[async_trait]
impl Laboratory for NoEngine {
    async fn engine(&self, _rows: Rows) -> Result<Arc<dyn QueryEngine>, String> {
        Err("analytics run no queries".to_owned())
    }
}

#[tokio::test]
async fn every_analytic_has_a_rule_and_every_rule_passes_its_tests() {
    let catalogue = RuleCatalogue::builtin();
    let mut names = Vec::new();
    let mut failures = Vec::new();
    for rule in catalogue.rules() {
        let Some(spec) = &rule.analytic else { continue };
        names.push(spec.name);
        let file = TestFile::parse(catalogue.test_of(&rule.id).unwrap()).unwrap();
        for outcome in testing::run(rule, &file, &NoEngine).await {
            if let Some(why) = outcome.failure {
                failures.push(format!("{}: {}: {why}", spec.name, outcome.name));
            }
        }
    }
    names.sort_unstable();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(names, atalaya_analytics::NAMES);
}

fn decision(i: usize, decision: &str) -> String {
    let time = Timestamp(1_790_000_000_000_000 + i as i64 * 30_000_000);
    format!(
        "{{\"$table\":\"AIGuardrailDecisions\",\"TimeGenerated\":\"{time}\",\"DecisionId\":\"d{i}\",\
         \"UserId\":\"mallory\",\"Decision\":\"{decision}\",\"ThreatScore\":90,\
         \"InputSimHash\":\"00ff00ff00ff00f{i}\"}}"
    )
}

#[test]
fn records_of_the_journal_become_hits_with_reasons_and_evidence_and_survive_a_restart() {
    let catalogue = RuleCatalogue::builtin();
    let limits = atalaya_analytics::Limits::default();
    let mut runner = AnalyticRunner::new(&catalogue, limits, CorrelationLimits::default());
    for i in 0..4 {
        runner.record(decision(i, "BLOCK").as_bytes(), Timestamp(0));
    }
    let snapshot = runner.snapshot(17);
    let mut runner = AnalyticRunner::new(&catalogue, limits, CorrelationLimits::default());
    assert_eq!(runner.restore(&snapshot), Ok(17));
    assert!(runner.restore(b"x").is_err());
    runner.record(decision(5, "ALLOW").as_bytes(), Timestamp(0));
    let settlement = r#"{"$table":"AIGuardrailDecisions","$settles":"d5","Outcome":"answered","OutputTokens":9}"#;
    runner.record(settlement.as_bytes(), Timestamp(1_790_000_200_000_000));
    runner.record(b"\xff", Timestamp(0));
    let found = runner.take();
    assert_eq!(found.len(), 1);
    let (rule, hit) = (&found[0].rule, &found[0].hit);
    assert_eq!(rule.analytic.as_ref().unwrap().name, "edit_chain");
    assert_eq!(hit.entities[0].value, "mallory");
    assert_eq!(hit.record_ids, ["d5", "d3", "d2", "d1", "d0"]);
    assert_eq!(hit.details["observed.blocked_variants"], "4");
    assert_eq!(hit.details["baseline.blocked_variants"], "3");
    assert_eq!((runner.stats().events, runner.unread()), (6, 1));
}
