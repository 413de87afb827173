//! Measures at the gateway: block, quarantine, limit the rate, and lift them again.
//!
//! Every measure ends by itself unless the runbook says otherwise: a machine that was wrong
//! should not need a person to notice. And against what stands for many a machine does little by
//! itself: an application that does not say who its users are calls with one key, from one
//! address, and a machine that cuts it off for long has done the attacker's work. So the session
//! is contained if the application names one, else everybody behind it for a few minutes.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Action, ActionError, Call, Parameter, optional, required};
use crate::context::ENTITY_KINDS;
use crate::duration;
use crate::egress::{Reach, reach_of};
use crate::ports::{Containment, Enforcement, Measure, Order, Ports, SharedContainment};

/// How long a measure lasts when nobody says.
const LASTS_DEFAULT: &str = "1h";

const TARGET: &[Parameter] = &[
    required(
        "target",
        "kind of entity, or several of which the first that is known counts: caller, key, session, address, agent, tool, model",
    ),
    optional("value", "which one; the alert's by default"),
    optional("for", "how long, e.g. 1h; `forever` never ends by itself"),
    optional("reason", "why, for the log"),
];

const LIMITED: &[Parameter] = &[
    required("target", "kind of entity, or several"),
    required("per_minute", "most calls a minute"),
    optional("value", "which one; the alert's by default"),
    optional("for", "how long"),
    optional("reason", "why, for the log"),
];

/// The target of a step: the first kind that the facts know.
pub(super) fn target(call: &Call) -> Result<(String, String), ActionError> {
    let kinds = call.list("target");
    let value = call.text("value");
    for kind in &kinds {
        if !ENTITY_KINDS.iter().any(|(_, name)| name == kind) && kind != "input" {
            return Err(ActionError::Final(format!("`{kind}` is no kind of entity")));
        }
        let found = if value.is_empty() {
            call.context.text(kind)
        } else {
            value.clone()
        };
        if !found.is_empty() {
            return Ok((kind.clone(), found));
        }
    }
    Err(ActionError::Skipped(format!(
        "the alert names no {}",
        kinds.join(" or ")
    )))
}

fn describe(call: &Call, verb: &str) -> String {
    match target(call) {
        Ok((kind, value)) => format!(
            "{verb} {kind} {value} for {}",
            call.text_or("for", LASTS_DEFAULT)
        ),
        Err(error) => format!("nothing: {error}"),
    }
}

fn gateway(ports: &Ports) -> Result<&dyn Enforcement, ActionError> {
    ports
        .enforcement
        .as_deref()
        .ok_or_else(|| ActionError::Final("no gateway can be reached from here".to_owned()))
}

/// Imposes a measure on the step's target.
pub(super) async fn impose(
    call: &Call,
    ports: &Ports,
    measure: Measure,
    target: (String, String),
) -> Result<Value, ActionError> {
    let Target {
        kind,
        value,
        lasts_max,
        note,
    } = narrowed(call, ports, target)?;
    let lasts = lasts(call)?;
    let lasts = match (lasts, lasts_max) {
        (Some(lasts), Some(most)) => Some(lasts.min(most)),
        (lasts, most) => lasts.or(most),
    };
    let expires = lasts.map(|lasts| {
        atalaya_model::Timestamp(ports.now().0.saturating_add(duration::micros(lasts)))
    });
    let incident = call.context.incident_id.clone().unwrap_or_default();
    let order = Order {
        key: call.key.clone(),
        kind: kind.clone(),
        value: value.clone(),
        measure,
        reason: call.text_or("reason", &format!("{} {incident}", call.title)),
        author: call.author.clone(),
        expires,
    };
    let id = gateway(ports)?.impose(&order).await?;
    let mut output = json!({
        "id": id, "measure": measure.as_str(), "kind": kind, "value": value,
        "expires": expires.map(atalaya_model::Timestamp::to_rfc3339),
    });
    if let Some(note) = note {
        output["note"] = note.into();
    }
    Ok(output)
}

/// How long a step's measure is to last; `None` for ever.
fn lasts(call: &Call) -> Result<Option<std::time::Duration>, ActionError> {
    let text = call.text_or("for", LASTS_DEFAULT);
    if text == "forever" {
        return Ok(None);
    }
    duration::parse(&text)
        .map(Some)
        .ok_or_else(|| ActionError::Final(format!("`for: {text}` is no duration")))
}

/// Whom a measure is imposed on in the end, and for how long at most.
struct Target {
    kind: String,
    value: String,
    lasts_max: Option<std::time::Duration>,
    note: Option<String>,
}

/// What a machine may do by itself against what stands for many.
fn narrowed(
    call: &Call,
    ports: &Ports,
    (kind, value): (String, String),
) -> Result<Target, ActionError> {
    let Containment { shared, brief } = ports.containment;
    let is_automatic = call.author.starts_with("runbook:");
    if !is_automatic || shared == SharedContainment::Full || !is_shared(&kind, &value) {
        return Ok(Target {
            kind,
            value,
            lasts_max: None,
            note: None,
        });
    }
    if shared == SharedContainment::Never {
        return Err(ActionError::Skipped(format!(
            "{kind} {value} stands for everybody behind it; start the runbook yourself, or set \
             respond.contain_shared"
        )));
    }
    // Behind an application's key the application names the session; behind an address it is the
    // caller itself, who could name another one with every call.
    let session = call.context.text("session");
    if value.starts_with("key:") && !session.is_empty() {
        let note = format!("{kind} {value} stands for many: the session is contained instead");
        return Ok(Target {
            kind: "session".to_owned(),
            value: session,
            lasts_max: None,
            note: Some(note),
        });
    }
    let note = format!(
        "{kind} {value} stands for many: for {} at most (respond.contain_shared)",
        duration::format(brief)
    );
    Ok(Target {
        kind,
        value,
        lasts_max: Some(brief),
        note: Some(note),
    })
}

/// Whether a target stands for many: a provider's key that an application passes on, or an address
/// of this machine or a private network (a proxy, a translated one).
fn is_shared(kind: &str, value: &str) -> bool {
    let is_inside = |address: &str| {
        let address = address.parse::<std::net::IpAddr>();
        address.is_ok_and(|address| matches!(reach_of(address), Reach::Local(_)))
    };
    match kind {
        "caller" => value.starts_with("key:") || is_inside(value),
        // Virtual keys are somebody's.
        "key" => !value.starts_with("key_"),
        "address" => is_inside(value),
        _ => false,
    }
}

/// Lifts what [`impose`] imposed.
pub(super) async fn lift(call: &Call, output: &Value, ports: &Ports) -> Result<Value, ActionError> {
    let id = output.get("id").and_then(Value::as_str).unwrap_or_default();
    let was_in_force = gateway(ports)?
        .lift(id, &call.author, &format!("undo of {}", call.title))
        .await?;
    Ok(json!({"id": id, "lifted": was_in_force}))
}

macro_rules! measure {
    ($(#[$doc:meta])* $type:ident, $name:literal, $summary:literal, $verb:literal, $parameters:expr, $measure:expr) => {
        $(#[$doc])*
        pub(super) struct $type;

        #[async_trait]
        impl Action for $type {
            fn name(&self) -> &'static str {
                $name
            }
            fn summary(&self) -> &'static str {
                $summary
            }
            fn parameters(&self) -> &'static [Parameter] {
                $parameters
            }
            fn activity(&self) -> &'static str {
                "restrict-access"
            }
            fn can_be_undone(&self) -> bool {
                true
            }
            fn plan(&self, call: &Call) -> String {
                describe(call, $verb)
            }
            async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
                let measure: fn(&Call) -> Result<Measure, ActionError> = $measure;
                impose(call, ports, measure(call)?, target(call)?).await
            }
            async fn undo(&self, call: &Call, out: &Value, ports: &Ports) -> Result<Value, ActionError> {
                lift(call, out, ports).await
            }
        }
    };
}

measure!(
    /// Calls are refused.
    Block, "block", "refuse every call of an entity at the gateway", "block", TARGET,
    |_| Ok(Measure::Block)
);
measure!(
    /// Calls are refused and kept.
    Quarantine, "quarantine", "refuse calls of an entity and keep them for an analyst", "quarantine", TARGET,
    |_| Ok(Measure::Quarantine)
);
measure!(
    /// Fewer calls.
    RateLimit, "rate_limit", "limit how often an entity may call", "limit the rate of", LIMITED,
    |call| {
        let per_minute = call.number("per_minute").and_then(|n| u32::try_from(n).ok());
        per_minute.map(Measure::RateLimit).ok_or_else(|| {
            ActionError::Final("`per_minute` is no whole number".to_owned())
        })
    }
);

/// One input, recognised by its hash, is not processed any further.
pub(super) struct QuarantineInput;

#[async_trait]
impl Action for QuarantineInput {
    fn name(&self) -> &'static str {
        "quarantine_input"
    }
    fn summary(&self) -> &'static str {
        "do not process an input any further: equal ones are refused at the gateway"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                optional(
                    "hash",
                    "content hashes; those of the alert's records by default",
                ),
                optional("query", "KQL that gives hashes in its first column"),
                optional("for", "how long"),
                optional("reason", "why, for the log"),
            ]
        }
    }
    fn activity(&self) -> &'static str {
        "restrict-access"
    }
    fn can_be_undone(&self) -> bool {
        true
    }
    fn plan(&self, call: &Call) -> String {
        let hashes = call.list("hash");
        if hashes.is_empty() {
            "quarantine the inputs that the query finds".to_owned()
        } else {
            format!("quarantine {} inputs: {}", hashes.len(), hashes.join(" "))
        }
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        /// Most inputs that one step quarantines.
        const INPUTS_MAX: usize = 256;
        let mut hashes = call.list("hash");
        let query = call.text("query");
        if hashes.is_empty() && !query.is_empty() {
            let rows = super::query::rows(&query, INPUTS_MAX, ports).await?;
            let first = rows.rows.iter().filter_map(|row| row.first());
            hashes = first.map(crate::context::text_of).collect();
        }
        hashes.retain(|hash| !hash.is_empty());
        hashes.sort();
        hashes.dedup();
        hashes.truncate(INPUTS_MAX);
        if hashes.is_empty() {
            return Err(ActionError::Skipped(
                "no input is known by its hash".to_owned(),
            ));
        }
        let mut ids = Vec::new();
        for hash in &hashes {
            let one = Call {
                key: format!("{}/{hash}", call.key),
                ..call.clone()
            };
            let target = ("input".to_owned(), hash.clone());
            let made = impose(&one, ports, Measure::Quarantine, target).await?;
            ids.push(made.get("id").cloned().unwrap_or_default());
        }
        Ok(json!({"inputs": hashes, "ids": ids}))
    }
    async fn undo(&self, call: &Call, output: &Value, ports: &Ports) -> Result<Value, ActionError> {
        let ids = output.get("ids").and_then(Value::as_array);
        let mut lifted = 0;
        for id in ids.into_iter().flatten() {
            lift(call, &json!({"id": id}), ports).await?;
            lifted += 1;
        }
        Ok(json!({"lifted": lifted}))
    }
}

/// Ends a measure before its time.
pub(super) struct Lift;

#[async_trait]
impl Action for Lift {
    fn name(&self) -> &'static str {
        "lift"
    }
    fn summary(&self) -> &'static str {
        "end a measure at the gateway before its time"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const { &[required("id", "the id that the measure's step gave")] }
    }
    fn activity(&self) -> &'static str {
        "restore-capabilities"
    }
    fn plan(&self, call: &Call) -> String {
        format!("lift {}", call.text("id"))
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        lift(call, &json!({"id": call.text("id")}), ports).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_stands_for_many_is_known() {
        for (kind, value) in [
            ("caller", "key:3f2a"),
            ("caller", "127.0.0.1"),
            ("caller", "10.1.2.3"),
            ("key", "3f2a"),
            ("address", "::1"),
            ("address", "192.168.0.7"),
        ] {
            assert!(super::is_shared(kind, value), "{kind} {value}");
        }
        for (kind, value) in [
            ("caller", "mallory"),
            ("caller", "93.184.215.14"),
            ("key", "key_12ab"),
            ("address", "93.184.215.14"),
            ("agent", "10.1.2.3"),
            ("session", "s1"),
        ] {
            assert!(!super::is_shared(kind, value), "{kind} {value}");
        }
    }
}
