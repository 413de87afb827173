//! Alerts become rows of the log, so that rules and analysts can query them.

use async_trait::async_trait;
use atalaya_detect::{AlertSink, SinkError, alert_row};
use atalaya_journal::Journal;
use atalaya_model::Alert;

/// Writes every alert to the `SecurityAlert` table, by way of the journal.
pub struct AlertLog(pub Journal);

#[async_trait]
impl AlertSink for AlertLog {
    fn name(&self) -> &'static str {
        "alert log"
    }

    async fn deliver(&self, alert: &Alert) -> Result<(), SinkError> {
        let row = alert_row(alert).to_string();
        let members = row.strip_prefix('{').unwrap_or("}");
        let payload = format!("{{\"$table\":\"SecurityAlert\",{members}");
        let appended = self.0.append(payload.into_bytes()).await;
        appended
            .map(|_| ())
            .map_err(|error| SinkError(error.to_string()))
    }
}
