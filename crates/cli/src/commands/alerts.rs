//! `atalaya alerts list|show`.

use atalaya_model::{Alert, AlertStatus, Severity};
use atalaya_server::open;
use atalaya_store::{AlertFilter, Store as _};
use serde_json::Value;

use super::common::{self, Place};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Look at alerts
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List alerts, newest first.
    List(ListArgs),
    /// Show one alert with everything that is known about it.
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Least severity: informational, low, medium, high, critical.
    #[arg(long, value_parser = parse_severity)]
    severity: Option<Severity>,
    /// Status: new, active, closed.
    #[arg(long, value_parser = parse_status)]
    status: Option<AlertStatus>,
    /// ATLAS technique; a parent includes its sub-techniques.
    #[arg(long)]
    technique: Option<String>,
    /// Rule id.
    #[arg(long)]
    rule: Option<String>,
    /// Value of any entity, e.g. a caller.
    #[arg(long)]
    entity: Option<String>,
    /// Most alerts.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Id of the alert, or the beginning of it.
    id: String,
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

fn parse_severity(text: &str) -> Result<Severity, String> {
    serde_json::from_value(Value::from(text.to_lowercase()))
        .map_err(|_| "one of informational, low, medium, high, critical".to_owned())
}

fn parse_status(text: &str) -> Result<AlertStatus, String> {
    serde_json::from_value(Value::from(text.to_lowercase()))
        .map_err(|_| "one of new, active, closed".to_owned())
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list(args),
        Command::Show(args) => show(args),
    }
}

fn alerts(place: &Place, filter: &AlertFilter) -> Result<Vec<Alert>, Failure> {
    let config = place.load()?;
    open::require_data(&config)?;
    let store = open::store(&config)?;
    common::runtime()?
        .block_on(store.alerts(filter))
        .map_err(|error| Failure::world("reading the alerts", error))
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let filter = AlertFilter {
        rule_id: args.rule.clone(),
        severity_min: args.severity,
        status: args.status,
        technique: args.technique.clone(),
        entity: args.entity.clone(),
        limit: args.limit,
        ..AlertFilter::default()
    };
    let alerts = alerts(&args.place, &filter)?;
    let header = [
        "AlertId",
        "Time",
        "Severity",
        "Rule",
        "Techniques",
        "Entities",
        "Count",
        "Status",
    ];
    let rows: Vec<Vec<String>> = alerts.iter().map(row).collect();
    let text = match Format::or_default(args.format) {
        Format::Table => output::table(&header, &rows),
        Format::Json => document(&alerts, true),
        Format::Ndjson => alerts.iter().map(|alert| document(alert, false)).collect(),
        Format::Csv => output::csv(&header, &rows),
    };
    print(&text)
}

fn row(alert: &Alert) -> Vec<String> {
    let entities: Vec<&str> = alert.entities.iter().map(|e| e.value.as_str()).collect();
    let status = serde_json::to_value(alert.status).unwrap_or_default();
    vec![
        alert.alert_id.clone(),
        alert.time_generated.to_rfc3339(),
        alert.severity.to_string(),
        alert.rule_name.clone(),
        alert.techniques.join(" "),
        entities.join(" "),
        alert.count.to_string(),
        status.as_str().unwrap_or_default().to_owned(),
    ]
}

fn show(args: &ShowArgs) -> Result<Exit, Failure> {
    let filter = AlertFilter {
        limit: atalaya_store::ALERTS_LISTED_MAX,
        ..AlertFilter::default()
    };
    let mut found: Vec<Alert> = alerts(&args.place, &filter)?
        .into_iter()
        .filter(|alert| alert.alert_id.starts_with(&args.id))
        .collect();
    let alert = match found.len() {
        0 => {
            return Err(Failure::BadInput(format!(
                "error: there is no alert {}; see `atalaya alerts list`",
                args.id
            )));
        }
        1 => found.remove(0),
        several => {
            return Err(Failure::BadInput(format!(
                "error: {several} alerts begin with {}; give more of the id",
                args.id
            )));
        }
    };
    print(&match Format::or_default(args.format) {
        Format::Table | Format::Csv => sheet(&alert),
        Format::Json => document(&alert, true),
        Format::Ndjson => document(&alert, false),
    })
}

fn sheet(alert: &Alert) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut push = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    push("AlertId", alert.alert_id.clone());
    push("Rule", format!("{} ({})", alert.rule_name, alert.rule_id));
    push(
        "Rule version",
        format!("{} sha256:{}", alert.rule_version, alert.rule_hash),
    );
    push("Severity", alert.severity.to_string());
    push(
        "Techniques",
        format!(
            "{} (ATLAS {})",
            alert.techniques.join(" "),
            alert.atlas_release
        ),
    );
    for entity in &alert.entities {
        let kind = serde_json::to_value(entity.kind).unwrap_or_default();
        push(kind.as_str().unwrap_or_default(), entity.value.clone());
    }
    push("First seen", alert.first_seen.to_rfc3339());
    push("Last seen", alert.last_seen.to_rfc3339());
    push("Records", alert.count.to_string());
    push("Record ids", alert.record_ids.join("\n"));
    for (name, value) in &alert.details {
        push(name, value.clone());
    }
    output::table(&["", ""], &rows)
}

fn document(value: &impl serde::Serialize, pretty: bool) -> String {
    let text = if pretty {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    text.unwrap_or_default() + "\n"
}

fn print(text: &str) -> Result<Exit, Failure> {
    output::data(text).map_err(|error| Failure::world("writing the list", error))?;
    Ok(Exit::Fine)
}
