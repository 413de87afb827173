//! An incident as a report in Markdown, under the headings of NIST SP 800-61r3.

use std::fmt::Write as _;

use atalaya_model::Timestamp;

use super::{Heading, Incident, SlaConfig};
use crate::context::kind_name;

/// Writes the report.
#[must_use]
pub fn report(incident: &Incident, sla: &SlaConfig, now: Timestamp) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {}\n", incident.title);
    facts(&mut out, incident);
    clocks(&mut out, incident, sla, now);
    for heading in Heading::ALL {
        let _ = writeln!(out, "\n## {}\n", heading.title());
        let mut is_empty = true;
        for entry in incident.timeline.iter().filter(|e| e.heading == heading) {
            is_empty = false;
            let actor = if entry.actor.is_empty() {
                String::new()
            } else {
                format!(" ({})", entry.actor)
            };
            let time = entry.time.to_rfc3339();
            let _ = writeln!(out, "- {time} **{}** {}{actor}", entry.kind, entry.text);
        }
        for task in incident.tasks.iter().filter(|t| t.heading == heading) {
            is_empty = false;
            let mark = if task.done { 'x' } else { ' ' };
            let _ = writeln!(
                out,
                "- [{mark}] {}. {} {}",
                task.number, task.title, task.assignee
            );
        }
        if is_empty {
            let _ = writeln!(out, "Nothing yet.");
        }
    }
    if !incident.comments.is_empty() {
        let _ = writeln!(out, "\n## Comments\n");
        for comment in &incident.comments {
            let time = comment.time.to_rfc3339();
            let _ = writeln!(out, "- {time} {}: {}", comment.author, comment.text);
        }
    }
    out
}

fn facts(out: &mut String, incident: &Incident) {
    let entities: Vec<String> = incident
        .entities
        .iter()
        .map(|entity| format!("{} {}", kind_name(entity.kind), entity.value))
        .collect();
    let or_none = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
    };
    for (name, value) in [
        ("Incident", incident.incident_id.clone()),
        ("Status", incident.status.as_str().to_owned()),
        ("Severity", incident.severity().to_string()),
        ("Owner", or_none(&incident.owner)),
        ("Disposition", incident.disposition.as_str().to_owned()),
        ("Entities", or_none(&entities.join(", "))),
        ("Techniques", or_none(&incident.techniques.join(", "))),
        ("First seen", incident.first_seen.to_rfc3339()),
        ("Last seen", incident.last_seen.to_rfc3339()),
        ("Alerts", incident.alert_ids.len().to_string()),
        ("Runbooks", or_none(&incident.run_ids.join(", "))),
        ("Evidence", or_none(&incident.evidence.join(", "))),
    ] {
        let _ = writeln!(out, "- {name}: {value}");
    }
    for (name, value) in [
        ("Part of", &incident.merged_into),
        ("Split from", &incident.split_from),
    ] {
        if let Some(value) = value {
            let _ = writeln!(out, "- {name}: {value}");
        }
    }
}

fn clocks(out: &mut String, incident: &Incident, sla: &SlaConfig, now: Timestamp) {
    for state in incident.clocks.read(incident.severity(), sla, now) {
        let reading = match (state.stopped, state.breached) {
            (Some(at), false) => format!("met at {}", at.to_rfc3339()),
            (Some(at), true) => format!("BREACHED, done at {}", at.to_rfc3339()),
            (None, true) => "BREACHED".to_owned(),
            (None, false) => "running".to_owned(),
        };
        let due = state.due.to_rfc3339();
        let _ = writeln!(out, "- Due to {}: {due}, {reading}", state.clock);
    }
}
