//! Who is told, and how: one file per kind of channel.
//!
//! A message says what happened, to whom and how often; it never carries text of a call. Every
//! channel sends the step's key along, so that a receiver can recognise a repetition, and where
//! the other side can be asked (tickets, PagerDuty), a repetition makes nothing new.
//!
//! Secrets are named, not written: `${env:NAME}` or `${file:PATH}`, resolved when a node starts.

mod email;
mod jira;
mod pagerduty;
mod servicenow;
mod slack;
mod smtp;
mod teams;
mod webhook;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::actions::ActionError;
use crate::egress::{Answer, Egress, OutgoingRequest};

/// One way to tell somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ChannelConfig {
    /// Any receiver: JSON, signed with HMAC-SHA256.
    Webhook {
        /// Where to.
        url: String,
        /// Key of the signature, `${env:NAME}` or `${file:PATH}`.
        secret: String,
    },
    /// Slack's incoming webhook.
    Slack {
        /// Its URL, which is a secret: `${env:NAME}` or `${file:PATH}`.
        url: String,
    },
    /// A workflow webhook of Microsoft Teams.
    Teams {
        /// Its URL, which is a secret.
        url: String,
    },
    /// PagerDuty's Events API v2.
    Pagerduty {
        /// Integration key, by reference.
        routing_key: String,
        /// Another endpoint, e.g. of the EU region.
        #[serde(default)]
        url: Option<String>,
    },
    /// E-mail.
    Email {
        /// Server and port, e.g. `smtp.example.com:587`.
        server: String,
        /// How the connection is protected.
        #[serde(default)]
        security: smtp::Security,
        /// Sender.
        from: String,
        /// Receivers.
        to: Vec<String>,
        /// User name.
        #[serde(default)]
        username: Option<String>,
        /// Password, by reference.
        #[serde(default)]
        password: Option<String>,
    },
    /// A Jira issue.
    Jira {
        /// Base URL, e.g. `https://example.atlassian.net`.
        url: String,
        /// Project key.
        project: String,
        /// Issue type.
        #[serde(default = "default_issue_type")]
        issue_type: String,
        /// Account.
        user: String,
        /// API token, by reference.
        token: String,
    },
    /// A record in ServiceNow's incident table.
    Servicenow {
        /// Base URL of the instance.
        url: String,
        /// Account.
        user: String,
        /// Password, by reference.
        password: String,
        /// Table.
        #[serde(default = "default_table")]
        table: String,
    },
}

fn default_issue_type() -> String {
    "Task".to_owned()
}

fn default_table() -> String {
    "incident".to_owned()
}

pub use smtp::Security;

/// What is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Message {
    /// Names the step that says it.
    pub key: String,
    /// `notify`, `escalate`, `ticket`, `model.redeploy`, …
    pub event: String,
    /// Headline.
    pub title: String,
    /// Text.
    pub text: String,
    /// Severity.
    pub severity: String,
    /// Incident id.
    pub incident: String,
    /// Runbook id.
    pub runbook: String,
    /// Run id.
    pub run: String,
    /// Facts by name.
    pub facts: BTreeMap<String, String>,
    /// What the event needs besides.
    pub details: Value,
}

impl Message {
    /// Headline, text and facts as plain text.
    fn plain(&self) -> String {
        let mut out = self.text.clone();
        for (name, value) in &self.facts {
            out.push_str(&format!("\n{name}: {value}"));
        }
        for (name, value) in [("incident", &self.incident), ("runbook", &self.runbook)] {
            if !value.is_empty() {
                out.push_str(&format!("\n{name}: {value}"));
            }
        }
        out
    }
}

/// A channel, ready to be used.
#[derive(Clone, Debug)]
pub struct Channel {
    config: ChannelConfig,
}

/// Every configured channel by name.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    channels: BTreeMap<String, Channel>,
}

impl Channels {
    /// Channels from their configuration, secrets resolved by `secret`.
    ///
    /// # Errors
    /// The channel and what is wrong with it.
    pub fn new(
        config: &BTreeMap<String, ChannelConfig>,
        secret: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let mut channels = BTreeMap::new();
        for (name, channel) in config {
            let resolved = resolve(channel.clone(), secret)
                .map_err(|error| format!("respond.channels.{name}: {error}"))?;
            channels.insert(name.clone(), Channel { config: resolved });
        }
        Ok(Self { channels })
    }

    /// The channel of a name. One that nobody configured is no failure of the run: the step is
    /// skipped, and says so.
    ///
    /// # Errors
    /// [`ActionError::Skipped`] if there is none.
    pub fn find(&self, name: &str) -> Result<&Channel, ActionError> {
        self.channels.get(name).ok_or_else(|| {
            ActionError::Skipped(format!(
                "no channel `{name}` is configured; add it under respond.channels"
            ))
        })
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.channels.keys().map(String::as_str)
    }
}

type Secret<'a> = &'a dyn Fn(&str) -> Result<String, String>;

fn resolve(mut config: ChannelConfig, secret: Secret<'_>) -> Result<ChannelConfig, String> {
    let in_place = |text: &mut String| -> Result<(), String> {
        *text = secret(text)?;
        Ok(())
    };
    match &mut config {
        ChannelConfig::Webhook { secret, .. } => in_place(secret)?,
        // A URL that is a secret may be a reference; one that is written out is taken as it is.
        ChannelConfig::Slack { url } | ChannelConfig::Teams { url } => {
            if url.starts_with("${") {
                in_place(url)?;
            }
        }
        ChannelConfig::Pagerduty { routing_key, .. } => in_place(routing_key)?,
        ChannelConfig::Email { password, .. } => {
            if let Some(password) = password {
                in_place(password)?;
            }
        }
        ChannelConfig::Jira { token, .. } => in_place(token)?,
        ChannelConfig::Servicenow { password, .. } => in_place(password)?,
    }
    Ok(config)
}

impl Channel {
    /// Sends a message; the answer says what it became (a ticket's key, a status).
    ///
    /// # Errors
    /// Worth a retry after a failure to connect, 408, 429 and 5xx; final otherwise.
    pub async fn send(&self, message: &Message, egress: &Egress) -> Result<String, ActionError> {
        match &self.config {
            ChannelConfig::Webhook { url, secret } => {
                webhook::send(url, secret, message, egress).await
            }
            ChannelConfig::Slack { url } => slack::send(url, message, egress).await,
            ChannelConfig::Teams { url } => teams::send(url, message, egress).await,
            ChannelConfig::Pagerduty { routing_key, url } => {
                pagerduty::send(url.as_deref(), routing_key, message, egress).await
            }
            ChannelConfig::Email {
                server,
                security,
                from,
                to,
                username,
                password,
            } => {
                let login = username.as_deref().zip(password.as_deref());
                let mail = email::mail(from, to, message);
                smtp::send(server, *security, login, &mail, egress).await
            }
            ChannelConfig::Jira { .. } => jira::send(&self.config, message, egress).await,
            ChannelConfig::Servicenow { .. } => {
                servicenow::send(&self.config, message, egress).await
            }
        }
    }
}

/// Sends JSON and takes 2xx for success.
async fn post_json(
    url: &str,
    headers: Vec<(String, String)>,
    body: &Value,
    egress: &Egress,
) -> Result<Answer, ActionError> {
    let mut headers = headers;
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    let request = OutgoingRequest {
        method: http::Method::POST,
        url: url.to_owned(),
        headers,
        body: body.to_string().into_bytes(),
    };
    judge(egress.send(request).await?)
}

/// Success, worth a retry, or neither.
fn judge(answer: Answer) -> Result<Answer, ActionError> {
    match answer.status {
        200..=299 => Ok(answer),
        408 | 425 | 429 | 500..=599 => Err(ActionError::Retry(format!(
            "the receiver answered {}",
            answer.status
        ))),
        status => Err(ActionError::Final(format!(
            "the receiver answered {status}"
        ))),
    }
}

/// The value of a basic `Authorization` header.
fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    let joined = format!("{user}:{password}");
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(joined)
    )
}
