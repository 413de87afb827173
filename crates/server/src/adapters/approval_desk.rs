//! The gateway asks for approval; control state keeps the requests and knows the answers.

use std::sync::Arc;

use atalaya_access::ApprovalStatus;
use atalaya_control::{Control, NewApproval};
use atalaya_gateway::{ApprovalRequest, Approvals, Pending, Ticket};

/// Approvals over control state.
pub struct ApprovalDesk(pub Arc<Control>);

impl Approvals for ApprovalDesk {
    fn ask(&self, request: ApprovalRequest) -> Pending<Ticket> {
        let control = Arc::clone(&self.0);
        Box::pin(async move {
            let new = NewApproval {
                tools: request.tools,
                rule: request.rule,
                caller: request.caller,
                session: request.session,
                model: request.model,
                decision_id: request.decision_id,
                content_sha256: request.content_sha256,
                default_approve: request.default_approve,
                timeout_s: request.timeout_s,
            };
            let asked = control.ask_approval(new).await;
            let (approval, token) = asked.map_err(|error| error.to_string())?;
            Ok(Ticket {
                id: approval.id,
                token,
                expires_at: approval.expires_at.to_rfc3339(),
            })
        })
    }

    fn wait(&self, id: String) -> Pending<bool> {
        let control = Arc::clone(&self.0);
        Box::pin(async move {
            let outcome = control.await_approval(&id).await;
            let outcome = outcome.map_err(|error| error.to_string())?;
            Ok(outcome == ApprovalStatus::Approved)
        })
    }

    fn redeem(&self, token: String, content_sha256: String, caller: String) -> Pending<()> {
        let control = Arc::clone(&self.0);
        Box::pin(async move {
            let used = control.use_approval(&token, &content_sha256, &caller).await;
            used.map(drop).map_err(|error| error.to_string())
        })
    }
}
