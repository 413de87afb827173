//! PagerDuty's Events API v2; the step's key is the `dedup_key`, so a repetition makes no new event.

use serde_json::{Value, json};

use super::{Message, post_json};
use crate::actions::ActionError;
use crate::egress::Egress;

const URL_DEFAULT: &str = "https://events.pagerduty.com/v2/enqueue";
/// Most characters of a summary that PagerDuty takes.
const SUMMARY_MAX: usize = 1_024;

pub(super) async fn send(
    url: Option<&str>,
    routing_key: &str,
    message: &Message,
    egress: &Egress,
) -> Result<String, ActionError> {
    let body = body(routing_key, message);
    let answer = post_json(url.unwrap_or(URL_DEFAULT), Vec::new(), &body, egress).await?;
    Ok(answer.status.to_string())
}

fn body(routing_key: &str, message: &Message) -> Value {
    let summary = format!("{}: {}", message.title, message.text);
    let severity = match message.severity.as_str() {
        "critical" => "critical",
        "high" => "error",
        "medium" => "warning",
        _ => "info",
    };
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": message.key,
        "payload": {
            "summary": summary.chars().take(SUMMARY_MAX).collect::<String>(),
            "source": "atalaya",
            "severity": severity,
            "component": message.runbook,
            "group": message.incident,
            "class": message.event,
            "custom_details": message.facts,
        },
    })
}
