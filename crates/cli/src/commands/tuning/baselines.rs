//! `atalaya tuning baselines`: what is normal for each caller on each route at this hour.

use std::collections::BTreeMap;
use std::time::Duration;

use atalaya_model::Timestamp;
use atalaya_respond::tuning::baseline::{BaselineConfig, Series};
use serde_json::json;

use crate::commands::common::Place;
use crate::commands::listing;
use crate::commands::review::rows;
use crate::exit::{Exit, Failure};
use crate::output::Format;

/// Most series that are looked at.
const ROWS_MAX: usize = 1_000_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How much history, e.g. 28d.
    #[arg(long, default_value = "28d", value_parser = listing::duration)]
    since: Duration,
    /// Only who is beyond what is normal.
    #[arg(long)]
    unusual: bool,
    /// Weeks that the same hour of the week needs.
    #[arg(long, default_value_t = 3)]
    weeks_min: usize,
    /// Hours that a caller and route need at all.
    #[arg(long, default_value_t = 24)]
    hours_min: usize,
    /// From how many robust deviations on something is unusual.
    #[arg(long, default_value_t = 6.0)]
    deviations: f64,
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = args.place.load()?;
    atalaya_server::open::require_data(&config)?;
    let hours = args.since.as_secs().div_ceil(3_600);
    let kql = format!(
        "AIGuardrailDecisions | where TimeGenerated > ago({hours}h) \
         | summarize Calls = count() by UserId, RouteName, Hour = bin(TimeGenerated, 1h)"
    );
    let mut series: BTreeMap<(String, String), Series> = BTreeMap::new();
    for row in rows(&config, &kql, ROWS_MAX)? {
        let text = |name: &str| {
            row.get(name)
                .map(atalaya_respond::context::text_of)
                .unwrap_or_default()
        };
        let Some(hour) = Timestamp::parse_rfc3339(&text("Hour")) else {
            continue;
        };
        let calls = row
            .get("Calls")
            .and_then(serde_json::Value::as_f64)
            .unwrap_or(0.0);
        series
            .entry((text("UserId"), text("RouteName")))
            .or_default()
            .add(hour, calls);
    }
    let now = Timestamp::now();
    let baseline = BaselineConfig {
        weeks_min: args.weeks_min,
        hours_min: args.hours_min,
        deviations: args.deviations,
    };
    let items: Vec<_> = series
        .iter()
        .map(|((caller, route), series)| {
            let normal = series.normal(now, &baseline);
            let value = series.value(now);
            (
                normal.is_unusual(value),
                json!({
                    "caller": caller, "route": route, "now": value, "basis": normal.basis,
                    "samples": normal.samples, "median": normal.median,
                    "deviation": normal.deviation, "limit": normal.limit,
                    "unusual": normal.is_unusual(value),
                }),
            )
        })
        .filter(|(unusual, _)| *unusual || !args.unusual)
        .map(|(_, item)| item)
        .collect();
    let header = [
        "Caller", "Route", "Now", "Median", "Limit", "Basis", "Samples", "Unusual",
    ];
    listing::list(args.format, &header, &items, |item| {
        let text = |name: &str| atalaya_respond::context::text_of(&item[name]);
        [
            "caller", "route", "now", "median", "limit", "basis", "samples", "unusual",
        ]
        .map(text)
        .into()
    })
}
