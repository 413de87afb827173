//! `atalaya review`: what people say about decisions, findings and predictions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atalaya_model::Timestamp;
use atalaya_query::write::to_json;
use atalaya_respond::review::{self, Label, ReviewItem};
use atalaya_server::config::Config;
use atalaya_server::open;
use atalaya_store::SqliteStore;
use serde_json::Value;

use super::common::{self, Place};
use super::listing::{self, Actor};
use crate::exit::{Exit, Failure};
use crate::output::Format;

/// Label what detectors saw
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List what waits for a label (with `--labelled`, what has one).
    List(ListArgs),
    /// Label a decision: true (an attack), benign (meant to happen), false (wrongly seen).
    Label(LabelArgs),
    /// Print labelled subjects for retraining, one JSON document per line.
    Export(ExportArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// What has a label instead of what waits for one.
    #[arg(long)]
    labelled: bool,
    /// Queue, e.g. ml-platform.
    #[arg(long, default_value = "")]
    queue: String,
    /// Also offers decisions of the log that nobody labelled, the most doubtful first.
    #[arg(long, value_parser = listing::duration, value_name = "TIME")]
    since: Option<Duration>,
    /// Most items of the log.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LabelArgs {
    /// Decision id, or a subject of the queue (`prediction:…`).
    subject: String,
    /// true, benign or false.
    #[arg(value_parser = label)]
    label: Label,
    /// What the model should have said.
    #[arg(long)]
    expected: Option<String>,
    /// A remark.
    #[arg(long, default_value = "")]
    note: String,
    /// Also puts this very content on the allowlist for a time, e.g. 30d: equal input is not
    /// counted and alerted on any more. The remark is the reason.
    #[arg(long, value_parser = listing::duration, value_name = "TIME", requires = "note")]
    allow_for: Option<Duration>,
    #[command(flatten)]
    actor: Actor,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Adds the text of the call, where `gateway.prompt_text` stored it.
    #[arg(long)]
    with_text: bool,
    #[command(flatten)]
    place: Place,
}

fn label(text: &str) -> Result<Label, String> {
    Label::parse(text).ok_or_else(|| "one of true, benign, false".to_owned())
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list(args),
        Command::Label(args) => set(args),
        Command::Export(args) => export(args),
    }
}

fn store(place: &Place) -> Result<(Config, Arc<SqliteStore>), Failure> {
    let config = place.load()?;
    open::require_data(&config)?;
    let store = Arc::new(open::store(&config)?);
    Ok((config, store))
}

fn broken(error: atalaya_store::StoreError) -> Failure {
    Failure::world("the store", error)
}

/// Rows of a query over the log, as column → value.
pub(crate) fn rows(
    config: &Config,
    kql: &str,
    max: usize,
) -> Result<Vec<BTreeMap<String, Value>>, Failure> {
    let engine = open::engine(config, open::tables_to_look_at(config)?)?;
    let mut options = open::query_options(config, Timestamp::now())?;
    options.rows_max = max;
    let result = common::runtime()?
        .block_on(engine.run(kql, &options))
        .map_err(|error| Failure::world("reading the log", error))?;
    let names: Vec<String> = result.columns.iter().map(|c| c.name.clone()).collect();
    Ok(result
        .rows
        .iter()
        .map(|row| names.iter().cloned().zip(row.iter().map(to_json)).collect())
        .collect())
}

/// A text as a KQL literal.
pub(crate) fn quoted(text: &str) -> String {
    atalaya_respond::context::kql_literal(&Value::from(text))
}

const COLUMNS: &str =
    "DecisionId, UserId, RuleIds, ContentSha256, Decision, ThreatDetection, ThreatScore";

fn item(row: &BTreeMap<String, Value>) -> ReviewItem {
    let text = |name: &str| {
        row.get(name)
            .map(atalaya_respond::context::text_of)
            .unwrap_or_default()
    };
    let rules = match row.get("RuleIds") {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(other) => serde_json::from_value(other.clone()).unwrap_or_default(),
        None => Vec::new(),
    };
    ReviewItem {
        subject: format!("decision:{}", text("DecisionId")),
        record_id: text("DecisionId"),
        rules,
        caller: text("UserId"),
        content_sha256: text("ContentSha256"),
        model_output: serde_json::json!({
            "decision": text("Decision"), "detection": text("ThreatDetection"),
            "score": row.get("ThreatScore"),
        }),
        queue: "analysts".to_owned(),
        added: Timestamp::now(),
        ..ReviewItem::default()
    }
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let (config, store) = store(&args.place)?;
    let found = review::list(store.as_ref(), Some(!args.labelled), &args.queue);
    let mut items = common::runtime()?.block_on(found).map_err(broken)?;
    if let Some(since) = args.since {
        let all = review::list(store.as_ref(), None, "");
        let known = common::runtime()?.block_on(all).map_err(broken)?;
        let minutes = since.as_secs().div_ceil(60);
        // Scores around the middle are where a label teaches most.
        let kql = format!(
            "AIGuardrailDecisions | where TimeGenerated > ago({minutes}m) | where ThreatScore > 0 \
             | extend Doubt_ = abs(ThreatScore - 50) | top 1000 by Doubt_ asc | project {COLUMNS}"
        );
        let offered = rows(&config, &kql, 1_000)?;
        let offered = offered.iter().map(item);
        let is_new = |item: &ReviewItem| !known.iter().any(|k| k.subject == item.subject);
        items.extend(offered.filter(is_new).take(args.limit));
    }
    let header = [
        "Subject",
        "Caller",
        "Rules",
        "Model says",
        "Expected",
        "Label",
        "Reason",
    ];
    listing::list(args.format, &header, &items, |item| {
        vec![
            item.subject.clone(),
            item.caller.clone(),
            item.rules.join(" "),
            atalaya_respond::context::text_of(&item.model_output),
            item.expected_output.clone().unwrap_or_default(),
            item.label.map_or("", Label::as_str).to_owned(),
            item.reason.clone(),
        ]
    })
}

fn set(args: &LabelArgs) -> Result<Exit, Failure> {
    let (config, store) = store(&args.place)?;
    let runtime = common::runtime()?;
    let subject = if args.subject.contains(':') {
        args.subject.clone()
    } else {
        format!("decision:{}", args.subject)
    };
    let known = runtime
        .block_on(review::find(store.as_ref(), &subject))
        .map_err(broken)?;
    let id = subject.split_once(':').map_or("", |(_, id)| id);
    let logged = if subject.starts_with("decision:") {
        let kql = format!(
            "AIGuardrailDecisions | where DecisionId == {} | take 1 | project {COLUMNS}",
            quoted(id)
        );
        rows(&config, &kql, 1)?.first().map(item)
    } else {
        None
    };
    let Some(item) = logged.or(known) else {
        return Err(Failure::BadInput(format!(
            "error: there is no decision {id}, and nothing of that name in the queue; see `atalaya review list`"
        )));
    };
    let labelled = review::label(
        store.as_ref(),
        &item,
        args.label,
        (args.expected.as_deref(), &args.note),
        (&args.actor.name, Timestamp::now()),
    );
    let labelled = runtime.block_on(labelled).map_err(broken)?;
    let entry = match args.allow_for {
        Some(lasts) => {
            let allowing = review::allow(
                store.as_ref(),
                &labelled,
                (lasts, &args.note),
                (&args.actor.name, Timestamp::now()),
            );
            Some(runtime.block_on(allowing)?)
        }
        None => None,
    };
    let for_policy = match &entry {
        Some(entry) => policy_entries(&config, id, entry)?,
        None => Vec::new(),
    };
    let document = match &entry {
        None => serde_json::json!(labelled),
        Some(entry) => serde_json::json!({
            "labelled": labelled, "allowed": entry, "policy_allowlist": for_policy,
        }),
    };
    listing::one(args.format, &document, || {
        said(&labelled, args.label, entry.as_ref(), &for_policy)
    })
}

/// What was done, for people.
fn said(
    labelled: &ReviewItem,
    label: Label,
    entry: Option<&atalaya_respond::tuning::allow::Entry>,
    for_policy: &[Value],
) -> String {
    let (label, rules) = (label.as_str(), labelled.rules.join(", "));
    let mut text = format!("{} is labelled {label} for {rules}\n", labelled.subject);
    let Some(entry) = entry else { return text };
    let until = entry.expires.to_rfc3339();
    text.push_str(&format!(
        "equal content is allowed until {until} ({}); see its effect with `atalaya replay`\n",
        entry.entry_id
    ));
    if !for_policy.is_empty() {
        text.push_str(
            "to let the findings through the gateway too, add to its policy:\nallowlist:\n",
        );
        for allowed in for_policy {
            text.push_str(&format!("  - {allowed}\n"));
        }
    }
    text
}

/// What a policy's `allowlist` would have to say for the findings of a decision.
fn policy_entries(
    config: &Config,
    decision: &str,
    entry: &atalaya_respond::tuning::allow::Entry,
) -> Result<Vec<Value>, Failure> {
    let kql = format!(
        "AIGuardrailDecisions | where DecisionId == {} | take 1 | project Findings",
        quoted(decision)
    );
    let found = rows(config, &kql, 1)?;
    let findings = match found.first().and_then(|row| row.get("Findings")) {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(other) => other.clone(),
        None => Value::Null,
    };
    let mut fingerprints: Vec<&str> = findings
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|finding| finding.get("fp")?.as_str())
        .collect();
    fingerprints.sort_unstable();
    fingerprints.dedup();
    Ok(fingerprints
        .into_iter()
        .map(|fingerprint| {
            serde_json::json!({
                "fingerprint": fingerprint, "author": entry.owner, "reason": entry.reason,
                "expires": entry.expires.to_rfc3339(),
            })
        })
        .collect())
}

fn export(args: &ExportArgs) -> Result<Exit, Failure> {
    let (config, store) = store(&args.place)?;
    let found = review::list(store.as_ref(), Some(false), "");
    let items = common::runtime()?.block_on(found).map_err(broken)?;
    let mut texts = BTreeMap::new();
    if args.with_text && !items.is_empty() {
        let ids: Vec<String> = items.iter().map(|item| quoted(&item.record_id)).collect();
        let kql = format!(
            "AIGuardrailDecisions | where DecisionId in ({}) | project DecisionId, PromptText",
            ids.join(", ")
        );
        for row in rows(&config, &kql, items.len())? {
            let text = |name: &str| {
                row.get(name)
                    .map(atalaya_respond::context::text_of)
                    .unwrap_or_default()
            };
            texts.insert(text("DecisionId"), text("PromptText"));
        }
    }
    let mut out = String::new();
    for item in &items {
        let text = texts.get(&item.record_id).filter(|text| !text.is_empty());
        if let Some(line) = review::export(item, text.map(String::as_str)) {
            out.push_str(&listing::document(&line, false));
        }
    }
    listing::print(&out)
}
