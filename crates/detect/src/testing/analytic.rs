//! A case of a streaming analytic: its events in the order of their times, through all analytics.

use atalaya_analytics::{Engine, Event, Limits, Manifest, Manifests, Settings, row};
use atalaya_model::Timestamp;

use super::{Case, Expected, describe};
use crate::analytics::hit;
use crate::evaluate::Hit;
use crate::rule::Rule;

/// Runs a case: all analytics with their defaults, the rule's own with its parameters.
pub(super) fn run(rule: &Rule, case: &Case, now: Timestamp) -> Result<(), String> {
    let Some(spec) = &rule.analytic else {
        return Err("the rule is no analytic".to_owned());
    };
    let mut settings = Settings::all();
    settings.set(spec.name, &spec.parameters)?;
    let mut engine = Engine::new(settings, Limits::default());
    let mut manifests = Manifests::default();
    manifests.add(Manifest {
        version: 1,
        entries: case.manifests.clone(),
    });
    engine.set_manifests(manifests);
    let rows = case.rows(now);
    let texts: Vec<(&String, String)> = rows
        .iter()
        .flat_map(|(table, rows)| rows.iter().map(move |row| (table, row.to_string())))
        .collect();
    let events = texts
        .iter()
        .filter_map(|(table, text)| row::event(table, text));
    let mut events: Vec<Event<'_>> = events.collect();
    events.sort_by_key(|event| event.time);
    let mut findings = Vec::new();
    for event in &mut events {
        event.phase = atalaya_analytics::Phase::Whole;
        engine.observe(event, &mut findings);
    }
    findings.retain(|finding| finding.analytic == spec.name);
    let hits: Vec<Hit> = findings
        .into_iter()
        .filter_map(|found| hit(rule, found))
        .collect();
    judge(&case.fires, &hits)
}

/// Each expected entity set must be told, and nothing else. Of a campaign, members may be told by
/// name as far as they are expected; how many others there are is not compared.
fn judge(expected: &[Expected], hits: &[Hit]) -> Result<(), String> {
    let mut left: Vec<&Hit> = hits.iter().collect();
    for wanted in expected {
        let is_about = |hit: &&Hit| {
            let told = |name: &String| hit.entities.iter().any(|entity| entity.value == *name);
            wanted.entities.iter().all(told)
        };
        let Some(at) = left.iter().position(is_about) else {
            let got = describe(hits);
            return Err(format!(
                "expected a finding about {:?}; got {got}",
                wanted.entities
            ));
        };
        let hit = left.remove(at);
        if let Some(count) = wanted.count.filter(|count| *count != hit.count) {
            return Err(format!(
                "{:?}: {} records, not {count}",
                wanted.entities, hit.count
            ));
        }
        if wanted
            .severity
            .is_some_and(|severity| severity != hit.severity)
        {
            return Err(format!("{:?}: {}", wanted.entities, hit.severity));
        }
        if hit.record_ids.is_empty() {
            return Err(format!("{:?}: no record ids", wanted.entities));
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    let others: Vec<Hit> = left.into_iter().cloned().collect();
    Err(format!("must not fire, but did: {}", describe(&others)))
}
