//! Calls that wait for a person: held until somebody decides, or answered 202 with a token that
//! the same call is repeated with.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use crate::judge::Next;

/// Header in which a caller repeats a call with its token.
pub const APPROVAL_HEADER: &str = "x-atalaya-approval";

/// A call that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApprovalNeeded {
    pub(crate) rule: String,
    pub(crate) is_held: bool,
    pub(crate) timeout_s: u64,
    pub(crate) default_approve: bool,
    pub(crate) tools: Vec<String>,
    pub(crate) caller: String,
    pub(crate) session: String,
    pub(crate) model: String,
}

/// A future that may cross threads.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// A request for approval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalRequest {
    /// Tools that need it.
    pub tools: Vec<String>,
    /// Rule of the policy that asks for it.
    pub rule: String,
    /// `UserId`.
    pub caller: String,
    /// `SessionId`.
    pub session: String,
    /// `ModelName`.
    pub model: String,
    /// Decision that asks.
    pub decision_id: String,
    /// SHA-256 of the call's body.
    pub content_sha256: String,
    /// Whether the call goes on if nobody decides in time.
    pub default_approve: bool,
    /// Seconds until somebody must have decided.
    pub timeout_s: u64,
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its id, for approvers.
    pub id: String,
    /// What the caller repeats the call with.
    pub token: String,
    /// Until when somebody must decide, RFC 3339.
    pub expires_at: String,
}

/// Where approvals are kept and decided.
pub trait Approvals: Send + Sync + 'static {
    /// Asks a person.
    fn ask(&self, request: ApprovalRequest) -> Pending<Ticket>;
    /// Waits until somebody decides or the time is over; whether it was approved.
    fn wait(&self, id: String) -> Pending<bool>;
    /// Uses an approval for the call that it was given for, once.
    fn redeem(&self, token: String, content_sha256: String, caller: String) -> Pending<()>;
}

/// Makes the request of a call.
pub(crate) fn request(
    needed: &ApprovalNeeded,
    decision_id: &str,
    content_sha256: String,
) -> ApprovalRequest {
    ApprovalRequest {
        tools: needed.tools.clone(),
        rule: needed.rule.clone(),
        caller: needed.caller.clone(),
        session: needed.session.clone(),
        model: needed.model.clone(),
        decision_id: decision_id.to_owned(),
        content_sha256,
        default_approve: needed.default_approve,
        timeout_s: needed.timeout_s,
    }
}

/// The answer to a call that has to be repeated.
pub(crate) fn accepted(ticket: &Ticket, decision_id: &str) -> Next {
    let body = json!({
        "type": "approval_required",
        "decision_id": decision_id,
        "approval": {
            "id": ticket.id,
            "token": ticket.token,
            "expires_at": ticket.expires_at,
            "header": APPROVAL_HEADER,
        },
        "message": "a person has to approve this call; repeat it with the token when they have",
    });
    Next::Answer {
        status: 202,
        body: Bytes::from(body.to_string()),
    }
}

/// Whether a person said yes; ready when they have, or when the time is over.
pub(crate) type Held = Pin<Box<dyn Future<Output = bool> + Send>>;

/// Asks a person about something that waits here, and waits.
pub(crate) fn hold(
    approvals: Option<Arc<dyn Approvals>>,
    needed: &ApprovalNeeded,
    decision_id: &str,
    content_sha256: String,
) -> Held {
    let request = request(needed, decision_id, content_sha256.clone());
    let caller = needed.caller.clone();
    Box::pin(async move {
        let Some(approvals) = approvals else {
            return false;
        };
        let asked = async {
            let ticket = approvals.ask(request).await?;
            if !approvals.wait(ticket.id).await? {
                return Err("it was not approved".to_owned());
            }
            approvals.redeem(ticket.token, content_sha256, caller).await
        };
        match asked.await {
            Ok(()) => true,
            Err(why) => {
                tracing::info!(why, "a tool of an answer was not let through");
                false
            }
        }
    })
}
