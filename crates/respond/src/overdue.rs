//! Clocks of the service level that ran out: the timeline says so, and runbooks with an `overdue`
//! trigger start.
//!
//! Each clock is answered once from the opening of its incident to the next: its runs have ids made
//! of the incident, the clock and since when it runs, and the timeline's entry has a key. Runs are
//! made before the entry is written, so that a crash in between answers the clock again, and
//! nothing twice.

use std::time::Duration;

use atalaya_model::{Alert, AlertStatus, Timestamp};
use atalaya_store::DOCUMENTS_LISTED_MAX;

use crate::context::RunContext;
use crate::incident::{Heading, Incident, IncidentFilter, IncidentStatus, SlaState, TimelineEntry};
use crate::responder::Responder;
use crate::saga::SagaError;

/// How often the clocks are read.
pub const INTERVAL: Duration = Duration::from_secs(15);

impl Responder {
    /// Answers every clock that ran out since the last time. Gives the runs that it started.
    ///
    /// # Errors
    /// If the store fails: what was not answered is answered next time.
    pub async fn answer_overdue(&self) -> Result<Vec<String>, SagaError> {
        let now = self.engine().ports().now();
        let open = IncidentFilter {
            statuses: vec![
                IncidentStatus::New,
                IncidentStatus::Active,
                IncidentStatus::Contained,
            ],
            limit: DOCUMENTS_LISTED_MAX,
            ..IncidentFilter::default()
        };
        let mut started = Vec::new();
        for incident in self.incidents().list(&open).await? {
            for state in incident.overdue(self.sla(), now) {
                if !is_answered(&incident, state) {
                    started.extend(self.answer_clock(&incident, state, now).await?);
                }
            }
        }
        Ok(started)
    }

    async fn answer_clock(
        &self,
        incident: &Incident,
        state: SlaState,
        now: Timestamp,
    ) -> Result<Vec<String>, SagaError> {
        let alert = stand_in(incident, now);
        let mut context = RunContext::of_alert(&alert, Some(&incident.incident_id));
        context.set_overdue(state.clock);
        let key = format!("{}\0{}", incident.incident_id, entry_key(incident, state));
        let mut started = Vec::new();
        for runbook in self.triggered(&alert, Some(state.clock), &context) {
            started.extend(self.launch(&runbook, context.clone(), &key, now).await?);
        }
        let entry = TimelineEntry {
            time: state.due,
            heading: Heading::Respond,
            kind: "overdue".to_owned(),
            text: format!("`{}` was due, and nobody did it", state.clock),
            actor: "atalaya".to_owned(),
            key: entry_key(incident, state),
        };
        self.incidents()
            .note_overdue(&incident.incident_id, entry, now)
            .await?;
        Ok(started)
    }
}

/// A severity that changes moves when a clock is due, and does not answer it again.
fn entry_key(incident: &Incident, state: SlaState) -> String {
    format!("overdue:{}:{}", state.clock, incident.clocks.started.0)
}

fn is_answered(incident: &Incident, state: SlaState) -> bool {
    let key = entry_key(incident, state);
    incident.timeline.iter().any(|entry| entry.key == key)
}

/// What triggers and facts see of an incident: its own severity, techniques and entities, and the
/// last of its rules and alerts.
fn stand_in(incident: &Incident, now: Timestamp) -> Alert {
    Alert {
        alert_id: incident.alert_ids.last().cloned().unwrap_or_default(),
        time_generated: now,
        rule_id: incident.rule_ids.last().cloned().unwrap_or_default(),
        rule_name: incident.title.clone(),
        rule_version: String::new(),
        rule_hash: String::new(),
        severity: incident.severity(),
        techniques: incident.techniques.clone(),
        atlas_release: atalaya_atlas::RELEASE.to_owned(),
        entities: incident.entities.clone(),
        first_seen: incident.first_seen,
        last_seen: incident.last_seen,
        count: incident.alert_ids.len() as u64,
        record_ids: Vec::new(),
        details: std::collections::BTreeMap::new(),
        status: AlertStatus::New,
    }
}
