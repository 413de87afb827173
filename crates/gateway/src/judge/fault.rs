//! Why a request is refused before anything is decided about its text.

use atalaya_access::RateExceeded;
use atalaya_model::UnjudgedReason;
use atalaya_wire::ErrorKind;

/// Why a request is not acceptable.
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) reason: &'static str,
    pub(crate) unjudged: Option<UnjudgedReason>,
    /// `EnforcementId`, or empty.
    pub(crate) enforcement: String,
    /// The limit that was reached.
    pub(crate) exceeded: Option<RateExceeded>,
}

impl Fault {
    /// A request that is not acceptable.
    pub(crate) const fn new(
        kind: ErrorKind,
        reason: &'static str,
        unjudged: Option<UnjudgedReason>,
    ) -> Self {
        Self {
            kind,
            reason,
            unjudged,
            enforcement: String::new(),
            exceeded: None,
        }
    }

    /// With what the caller is told.
    pub(crate) fn saying(self, message: impl Into<String>) -> (Self, String) {
        (self, message.into())
    }
}

pub(super) fn malformed(why: String) -> (Fault, String) {
    let reason = Some(UnjudgedReason::Malformed);
    Fault::new(ErrorKind::Malformed, "malformed", reason).saying(why)
}

pub(super) fn no_route(unjudged: Option<UnjudgedReason>) -> (Fault, String) {
    let fault = Fault::new(ErrorKind::NotFound, "no_route", unjudged);
    fault.saying("no route of this gateway leads to a model for this request")
}
