//! `atalaya rules list`.

use atalaya_detect::Rule;
use atalaya_server::open;

use super::super::common::Place;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// List the rules in force
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let rules = open::rules(&args.place.load()?)?;
    let header = [
        "Id",
        "Name",
        "Severity",
        "Techniques",
        "Every",
        "Enabled",
        "Origin",
    ];
    let rows: Vec<Vec<String>> = rules.rules().map(|rule| row(rule)).collect();
    let objects = || {
        rows.iter().map(|row| {
            let members = header
                .iter()
                .zip(row)
                .map(|(name, value)| ((*name).to_owned(), serde_json::Value::from(value.as_str())));
            serde_json::Value::Object(members.collect())
        })
    };
    let text = match Format::or_default(args.format) {
        Format::Table => output::table(&header, &rows),
        Format::Json => format!("{:#}\n", serde_json::Value::Array(objects().collect())),
        Format::Ndjson => objects().map(|object| format!("{object}\n")).collect(),
        Format::Csv => output::csv(&header, &rows),
    };
    output::data(&text).map_err(|error| Failure::world("writing the list", error))?;
    Ok(Exit::Fine)
}

fn row(rule: &Rule) -> Vec<String> {
    vec![
        rule.id.clone(),
        rule.name.clone(),
        rule.severity.to_string(),
        rule.techniques.join(" "),
        format!("{}s", rule.frequency.as_secs()),
        rule.enabled.to_string(),
        rule.origin.to_string(),
    ]
}
