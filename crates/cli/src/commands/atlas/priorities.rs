//! `atalaya atlas priorities`: three tiers; risk and build order apart.

use std::collections::BTreeMap;

use atalaya_atlas::{Priority, Tier};
use atalaya_model::Timestamp;
use atalaya_server::config::Config;
use atalaya_server::open;
use atalaya_store::{AlertFilter, Store as _};

use super::Opened;
use crate::commands::common;
use crate::exit::Failure;
use crate::output;

/// Most alerts that are looked at.
const ALERTS_MAX: u32 = 10_000;

pub(super) fn run(opened: &Opened, json: bool, days: u32) -> Result<String, Failure> {
    let overrides = &opened.config.atlas.overrides;
    for id in overrides.keys() {
        if opened.release().technique(id).is_none() {
            let name = opened.release().name();
            output::note(&format!(
                "note: atlas.overrides: ATLAS {name} has no technique {id}"
            ));
        }
    }
    let overrides = overrides
        .iter()
        .map(|(id, own)| (id.clone(), own.into()))
        .collect();
    let own_alerts = own_alerts(&opened.config, days)?;
    let all = atalaya_atlas::priorities(opened.release(), &overrides, &own_alerts);
    if json {
        return super::json_of(&all);
    }
    Ok(sheet(&all))
}

fn own_alerts(config: &Config, days: u32) -> Result<BTreeMap<String, u64>, Failure> {
    let mut counts = BTreeMap::new();
    if open::require_data(config).is_err() {
        return Ok(counts);
    }
    let store = open::store(config)?;
    let micros = i64::from(days).saturating_mul(86_400_000_000);
    let filter = AlertFilter {
        since: Some(Timestamp(Timestamp::now().0.saturating_sub(micros))),
        limit: ALERTS_MAX,
        ..AlertFilter::default()
    };
    let alerts = common::runtime()?
        .block_on(store.alerts(&filter))
        .map_err(|error| Failure::world("reading the alerts", error))?;
    for technique in alerts.into_iter().flat_map(|alert| alert.techniques) {
        *counts.entry(technique).or_default() += 1;
    }
    Ok(counts)
}

fn sheet(all: &[Priority]) -> String {
    let header = ["Id", "Name", "L", "I", "D", "Risk", "Build", "Why"];
    let row = |p: &Priority| {
        vec![
            p.id.clone(),
            p.name.clone(),
            p.likelihood.to_string(),
            p.impact.to_string(),
            p.detectability.to_string(),
            p.risk.to_string(),
            p.build_priority.to_string(),
            p.reason.clone(),
        ]
    };
    let mut out = String::new();
    for tier in [Tier::Immediate, Tier::Secondary, Tier::Ongoing] {
        let of_tier: Vec<&Priority> = all.iter().filter(|p| p.tier == tier).collect();
        // What logs cannot show has no place in a build order; it is listed as a risk below.
        let rows: Vec<Vec<String>> = of_tier
            .iter()
            .filter(|p| p.build_priority > 0)
            .map(|p| row(p))
            .collect();
        out.push_str(&format!(
            "\n{} ({} techniques)\n",
            tier.as_str(),
            rows.len()
        ));
        out.push_str(&output::table(&header, &rows));
    }
    let mut risks: Vec<&Priority> = all.iter().filter(|p| p.needs_another_control).collect();
    risks.sort_by(|a, b| b.risk.cmp(&a.risk).then_with(|| a.id.cmp(&b.id)));
    out.push_str("\nHigh risk that logs hardly show: needs another control\n");
    let rows: Vec<Vec<String>> = risks.into_iter().map(row).collect();
    out.push_str(&output::table(&header, &rows));
    out
}
