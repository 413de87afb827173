//! Slack: an incoming webhook with Block Kit.

use serde_json::{Value, json};

use super::{Message, post_json};
use crate::actions::ActionError;
use crate::egress::Egress;

/// Most characters of a section that Slack takes.
const TEXT_MAX: usize = 2_900;
/// Most characters of a header that Slack takes.
const TITLE_MAX: usize = 150;

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
    let title: String = message.title.chars().take(TITLE_MAX).collect();
    let text: String = escape(&message.plain()).chars().take(TEXT_MAX).collect();
    json!({
        "text": escape(&title),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": title}},
            {"type": "section", "text": {"type": "mrkdwn", "text": text}},
            {"type": "context", "elements": [
                {"type": "mrkdwn", "text": format!("{} · {}", message.severity, message.key)}
            ]},
        ],
    })
}

/// Slack's three control characters: a caller's name must not mention or link anybody.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::Message;

    #[test]
    fn a_callers_name_cannot_mention_anybody() {
        let message = Message {
            text: "<!channel> & <https://evil.example|click>".into(),
            ..Message::default()
        };
        let body = super::body(&message).to_string();
        assert!(
            !body.contains("<!channel>") && !body.contains("<https"),
            "{body}"
        );
    }
}
