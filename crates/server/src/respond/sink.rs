//! Alerts of rules reach the responder as they reach every sink.

use async_trait::async_trait;
use atalaya_detect::{AlertSink, SinkError};
use atalaya_model::Alert;
use atalaya_respond::responder::Responder;

/// A responder as a sink of alerts; taking an alert twice changes nothing.
pub struct ResponderSink(pub Responder);

#[async_trait]
impl AlertSink for ResponderSink {
    fn name(&self) -> &'static str {
        "response"
    }

    async fn deliver(&self, alert: &Alert) -> Result<(), SinkError> {
        let answered = self.0.on_alert(alert).await;
        answered
            .map(|_| ())
            .map_err(|error| SinkError(error.to_string()))
    }
}
