//! `atalaya atlas coverage`: four numbers, never one; and the same for the sources that deliver
//! data now.

use atalaya_atlas::coverage::Share;
use atalaya_atlas::{Coverage, LogSource};
use atalaya_model::Timestamp;
use atalaya_server::config::Config;
use atalaya_server::open;

use super::Opened;
use crate::exit::Failure;
use crate::output;

pub(super) fn run(opened: &Opened, json: bool) -> Result<String, Failure> {
    let rules = open::rules(&opened.config)?;
    let delivering = delivering(&opened.config)?;
    let facts = rules.coverage_facts();
    let coverage = atalaya_atlas::coverage(opened.release(), &facts, &delivering);
    if json {
        return super::json_of(&coverage);
    }
    Ok(sheet(&coverage, opened))
}

/// Sources with a row of the last day. A folder without data has none.
fn delivering(config: &Config) -> Result<Vec<LogSource>, Failure> {
    if open::require_data(config).is_err() {
        output::note("note: there is no data folder: no source delivers data");
        return Ok(Vec::new());
    }
    let engine = open::engine(config, open::tables_to_look_at(config)?)?;
    let options = open::query_options(config, Timestamp::now())?;
    let mut found = Vec::new();
    for source in LogSource::ALL {
        let kql = format!(
            "{} | where TimeGenerated > ago(1d) | take 1 | project TimeGenerated",
            source.table()
        );
        let result = engine
            .run_blocking(&kql, &options)
            .map_err(|error| Failure::CouldNotRun(format!("{}: {error}", source.table())))?;
        if !result.rows.is_empty() {
            found.push(source);
        }
    }
    Ok(found)
}

fn sheet(coverage: &Coverage, opened: &Opened) -> String {
    let row = |what: &str, all: &Share, live: &Share| {
        vec![
            what.to_owned(),
            all.covered.to_string(),
            live.covered.to_string(),
            all.of.to_string(),
        ]
    };
    let live_all = Share {
        covered: coverage.live.covered,
        of: coverage.all.of,
    };
    let rows = [
        row(
            "usable (detectability 3 or more)",
            &coverage.usable,
            &coverage.live.usable,
        ),
        row(
            "visible in logs at all (the ceiling)",
            &coverage.ceiling,
            &coverage.live.ceiling,
        ),
        row("all techniques", &coverage.all, &live_all),
    ];
    let mut out = format!(
        "ATLAS {}: {} techniques have a tested, enabled rule\n",
        coverage.release, coverage.covered
    );
    let header = ["Against", "With a rule", "Whose data arrive now", "Of"];
    out.push_str(&output::table(&header, &rows));
    out.push_str(&by_tactic(coverage, opened));
    out.push_str(&by_source(coverage));
    let gaps: Vec<Vec<String>> = coverage
        .gaps
        .iter()
        .map(|gap| {
            vec![
                gap.id.clone(),
                gap.name.clone(),
                gap.build_priority.to_string(),
            ]
        })
        .collect();
    if !gaps.is_empty() {
        out.push_str(&output::table(&["Gap", "Name", "Priority"], &gaps));
    }
    let mut reasons = std::collections::BTreeMap::<&str, usize>::new();
    for reason in coverage.invisible.values() {
        *reasons.entry(reason).or_default() += 1;
    }
    let rows: Vec<Vec<String>> = reasons
        .into_iter()
        .map(|(reason, count)| vec![reason.to_owned(), count.to_string()])
        .collect();
    out.push_str(&output::table(&["No rule because it", "Techniques"], &rows));
    out
}

fn by_tactic(coverage: &Coverage, opened: &Opened) -> String {
    let rows: Vec<Vec<String>> = opened
        .release()
        .tactics()
        .iter()
        .filter_map(|tactic| {
            let share = coverage.by_tactic.get(&tactic.id)?;
            Some(vec![
                tactic.name.clone(),
                share.covered.to_string(),
                share.of.to_string(),
            ])
        })
        .collect();
    output::table(&["Tactic", "With a rule", "Of the visible"], &rows)
}

fn by_source(coverage: &Coverage) -> String {
    let rows: Vec<Vec<String>> = LogSource::ALL
        .into_iter()
        .map(|source| {
            let share = coverage.by_source.get(&source).copied().unwrap_or_default();
            let delivers = coverage.delivering.contains(&source);
            let adds = coverage.one_more_source.get(&source);
            vec![
                source.table().to_owned(),
                share.covered.to_string(),
                share.of.to_string(),
                if delivers { "yes" } else { "no" }.to_owned(),
                adds.map_or_else(String::new, |adds| format!("+{adds}")),
            ]
        })
        .collect();
    let header = [
        "Source",
        "With a rule",
        "Of the visible",
        "Delivers now",
        "Would add",
    ];
    output::table(&header, &rows)
}
