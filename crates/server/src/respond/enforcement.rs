//! Orders of runbooks become enforcement of the gateway.

use std::sync::Arc;

use async_trait::async_trait;
use atalaya_access::{Effect, RateLimit, Subject, SubjectKind};
use atalaya_control::{Control, ControlError, NewEnforcement};
use atalaya_model::{Constraints, Timestamp};
use atalaya_respond::ports::{Enforcement, Measure, Order, PortError};
use atalaya_respond::uuid_of;

/// Longest answer of a caller that is constrained.
const OUTPUT_TOKENS_MAX: u64 = 512;

/// Control state as the runbooks' gateway.
pub(super) struct ControlEnforcement(pub(super) Arc<Control>);

#[async_trait]
impl Enforcement for ControlEnforcement {
    async fn impose(&self, order: &Order) -> Result<String, PortError> {
        let kind: SubjectKind = order.kind.parse().map_err(PortError::Final)?;
        // The id follows from the step: done again after a crash, it is the same enforcement.
        let id = uuid_of(&format!("enforcement\0{}", order.key));
        let new = NewEnforcement {
            subject: Subject {
                kind,
                value: order.value.clone(),
            },
            effect: effect(order.measure),
            reason: order.reason.clone(),
            expires_in_s: order.expires.map(seconds_from_now),
            case_id: None,
        };
        let enforced = self.0.enforce_once(&id, new, &order.author).await;
        enforced.map(|enforcement| enforcement.id).map_err(port)
    }

    async fn lift(&self, id: &str, author: &str, _reason: &str) -> Result<bool, PortError> {
        // After a crash before its outcome a step is known by its key only.
        let by_key = uuid_of(&format!("enforcement\0{id}"));
        for id in [id, &by_key] {
            match self.0.lift(id, author).await {
                Ok(_) => return Ok(true),
                Err(ControlError::NotFound { .. }) => {}
                Err(ControlError::Conflict(_)) => return Ok(false),
                Err(error) => return Err(port(error)),
            }
        }
        Ok(false)
    }
}

fn effect(measure: Measure) -> Effect {
    match measure {
        Measure::Block => Effect::Block,
        Measure::Quarantine => Effect::Quarantine,
        Measure::RateLimit(per_minute) => Effect::RateLimit(RateLimit {
            requests_per_minute: u64::from(per_minute),
        }),
        Measure::Constrain => Effect::Constrain {
            constraints: Constraints {
                max_output_tokens: Some(OUTPUT_TOKENS_MAX),
                drop_tools: true,
                ..Constraints::default()
            },
        },
    }
}

fn seconds_from_now(end: Timestamp) -> u64 {
    let micros = end.0.saturating_sub(Timestamp::now().0).max(1_000_000);
    u64::try_from(micros / 1_000_000).unwrap_or(1)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
fn port(error: ControlError) -> PortError {
    match &error {
        ControlError::Store(_) | ControlError::Random(_) => PortError::Retry(error.to_string()),
        _ => PortError::Final(error.to_string()),
    }
}
