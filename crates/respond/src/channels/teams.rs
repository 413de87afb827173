//! Microsoft Teams: a workflow webhook with an Adaptive Card.

use serde_json::{Value, json};

use super::{Message, post_json};
use crate::actions::ActionError;
use crate::egress::Egress;

pub(super) async fn send(
    url: &str,
    message: &Message,
    egress: &Egress,
) -> Result<String, ActionError> {
    let headers = vec![("idempotency-key".to_owned(), message.key.clone())];
    let answer = post_json(url, headers, &body(message), egress).await?;
    Ok(answer.status.to_string())
}

fn body(message: &Message) -> Value {
    let mut facts: Vec<Value> = message
        .facts
        .iter()
        .map(|(name, value)| json!({"title": name, "value": value}))
        .collect();
    facts.push(json!({"title": "incident", "value": message.incident}));
    facts.push(json!({"title": "key", "value": message.key}));
    let block = |text: &str, size: &str| json!({"type": "TextBlock", "text": text, "wrap": true, "size": size});
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [
                    block(&message.title, "Large"),
                    block(&message.text, "Default"),
                    {"type": "FactSet", "facts": facts},
                ],
            },
        }],
    })
}
