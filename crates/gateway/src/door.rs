//! The door: who calls, whether it is stopped, and whether it has called too much. Everything that
//! can be known before the body is read is decided here, so that a caller who is not let in costs
//! next to nothing.

use std::sync::Arc;

use atalaya_access::{
    Access, Caller, Charge, Effect, Enforcement, LimitRules, Permit, RateExceeded, Scopes,
    Snapshot, SubjectKind, key_subject,
};
use atalaya_model::{Constraints, Timestamp};
use atalaya_wire::ErrorKind;
use http::request::Parts;

use crate::arrival::Arrival;
use crate::authenticate::{self, Proofs};
use crate::certificate::Certificate;
use crate::config::GatewayConfig;
use crate::judge::{Fault, Next};
use crate::keys::IssuerKeys;

/// Bytes of JSON that make a token, about: for the estimate that is reserved.
const BYTES_PER_TOKEN: u64 = 4;

/// What decides at the door.
pub(crate) struct Doorkeeper {
    pub(crate) access: Arc<Access>,
    pub(crate) issuers: Arc<IssuerKeys>,
}

/// A caller that was let in, and under which conditions.
#[derive(Default)]
pub(crate) struct Entry {
    /// Who it is.
    pub(crate) caller: Caller,
    /// All scopes that hold for it.
    scopes: Vec<Scopes>,
    /// Whether the cost of its calls is limited.
    pub(crate) is_cost_limited: bool,
    /// Enforcements against it that let it in.
    enforcements: Vec<Arc<Enforcement>>,
    snapshot: Arc<Snapshot>,
    access: Arc<Access>,
}

/// Why a call ends here.
#[derive(Debug)]
pub(crate) struct Denied {
    pub(crate) kind: ErrorKind,
    /// `ReasonCode`.
    pub(crate) reason: &'static str,
    /// What the caller is told.
    pub(crate) message: String,
    /// `EnforcementId`, or empty.
    pub(crate) enforcement: String,
    /// The limit that was reached.
    pub(crate) exceeded: Option<RateExceeded>,
}

impl Denied {
    fn new(kind: ErrorKind, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            reason,
            message: message.into(),
            enforcement: String::new(),
            exceeded: None,
        }
    }

    fn enforced(enforcement: &Enforcement) -> Self {
        // Neither reason nor author: whoever is stopped would learn from them.
        let message = "this service has stopped calls of this kind; ask its operator";
        Self {
            enforcement: enforcement.id.clone(),
            ..Self::new(ErrorKind::Forbidden, "enforcement", message)
        }
    }

    fn limited(exceeded: RateExceeded) -> Self {
        let meter = exceeded.meter.as_str();
        Self {
            exceeded: Some(exceeded),
            ..Self::new(
                ErrorKind::RateLimited,
                "rate_limit",
                format!("the limit of {meter} is reached; try again later"),
            )
        }
    }
}

/// Fills in who calls; lets it in or not. The permit counts the call until it is settled.
pub(crate) fn enter(
    keeper: &Doorkeeper,
    config: &GatewayConfig,
    head: &mut Parts,
    arrival: &mut Arrival,
    certificate: Option<&Certificate>,
) -> Result<(Entry, Permit), Denied> {
    let snapshot = Arc::clone(&keeper.access.snapshot());
    arrival.address = authenticate::address(
        arrival.peer.ip(),
        &head.headers,
        &config.callers.trusted_proxies,
    );
    let mut enforcements = Vec::new();
    if !snapshot.is_quiet() {
        snapshot.against_address(arrival.address, arrival.at, &mut enforcements);
        blocked(&enforcements)?;
    }
    let proofs = Proofs {
        config,
        snapshot: &snapshot,
        issuers: &keeper.issuers,
        certificate,
    };
    let caller = proofs
        .authenticate(head, arrival)
        .map_err(|why| Denied::new(ErrorKind::Unauthorized, "unauthenticated", why))?;
    arrival.identify(&caller);
    if !snapshot.is_quiet() {
        for (kind, value) in [
            (SubjectKind::Caller, caller.id.as_str()),
            (SubjectKind::Team, &caller.team),
            (SubjectKind::Key, &caller.key_id),
            (SubjectKind::Agent, &arrival.agent),
            (SubjectKind::Session, &arrival.session),
        ] {
            snapshot.against(kind, value, arrival.at, &mut enforcements);
        }
        blocked(&enforcements)?;
    }
    let (scopes, limits) = entitled(&snapshot, &caller, &enforcements);
    let is_cost_limited = limits.iter().any(|(_, rules)| rules.limits_cost());
    let charge = Charge {
        requests: 1,
        tokens: announced_bytes(head) / BYTES_PER_TOKEN,
        cost_micros: 0,
    };
    let permit = keeper.access.admit(limits, charge, arrival.at);
    let permit = permit.map_err(|(_, exceeded)| Denied::limited(exceeded))?;
    let entry = Entry {
        caller,
        scopes,
        is_cost_limited,
        enforcements,
        snapshot,
        access: Arc::clone(&keeper.access),
    };
    Ok((entry, permit))
}

fn blocked(enforcements: &[Arc<Enforcement>]) -> Result<(), Denied> {
    let block = enforcements.iter().find(|e| e.effect == Effect::Block);
    block.map_or(Ok(()), |enforcement| Err(Denied::enforced(enforcement)))
}

fn announced_bytes(head: &Parts) -> u64 {
    let length = head.headers.get("content-length");
    let length = length.and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// What a caller may use, and how much: its proof's own, its entitlements', and the rate limits
/// that are enforced.
fn entitled(
    snapshot: &Snapshot,
    caller: &Caller,
    enforcements: &[Arc<Enforcement>],
) -> (Vec<Scopes>, Vec<(String, LimitRules)>) {
    let mut scopes = Vec::new();
    let mut limits: Vec<(String, LimitRules)> = Vec::new();
    if caller.scopes != Scopes::default() {
        scopes.push(caller.scopes.clone());
    }
    if !caller.limits.is_empty() {
        limits.push((key_subject(&caller.key_id), caller.limits));
    }
    for entitlement in snapshot.entitlements(&caller.id, &caller.team) {
        if entitlement.scopes != Scopes::default() {
            scopes.push(entitlement.scopes.clone());
        }
        if entitlement.limits.is_empty() {
            continue;
        }
        let subject = if entitlement.caller.is_some() {
            format!("caller:{}", caller.id)
        } else {
            format!("team:{}", caller.team)
        };
        match limits.iter_mut().find(|(known, _)| *known == subject) {
            // One count for one subject: the stricter limit holds.
            Some((_, rules)) => *rules = rules.stricter(&entitlement.limits),
            None => limits.push((subject, entitlement.limits)),
        }
    }
    limits.extend(enforcements.iter().filter_map(|e| enforced_rate(e)));
    (scopes, limits)
}

fn enforced_rate(enforcement: &Enforcement) -> Option<(String, LimitRules)> {
    let Effect::RateLimit(rate) = enforcement.effect else {
        return None;
    };
    let rules = LimitRules {
        requests_per_minute: Some(rate.requests_per_minute),
        ..LimitRules::default()
    };
    Some((format!("enforcement:{}", enforcement.id), rules))
}

/// What of a call the door could not see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inside<'c> {
    pub(crate) route: &'c str,
    pub(crate) model: &'c str,
    /// `UserId` as it will be logged.
    pub(crate) user: &'c str,
    pub(crate) session: &'c str,
    /// Names of tools that are offered or called.
    pub(crate) tools: &'c [&'c str],
    /// SHA-256 of the body.
    pub(crate) content_sha256: &'c str,
}

/// What holds for a call that was read.
#[derive(Default)]
pub(crate) struct Ruling {
    /// It is not forwarded.
    pub(crate) denied: Option<Denied>,
    /// It is weakened.
    pub(crate) constraints: Constraints,
    /// `EnforcementId` of what weakens it.
    pub(crate) enforcement: String,
}

impl Ruling {
    /// `ReasonCode`, if it has a say.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        match &self.denied {
            Some(denied) => Some(denied.reason),
            None if !self.enforcement.is_empty() => Some("enforcement"),
            None => None,
        }
    }

    /// `EnforcementId`, or empty.
    pub(crate) fn enforcement(&self) -> &str {
        self.denied
            .as_ref()
            .map_or(&self.enforcement, |denied| &denied.enforcement)
    }
}

impl Denied {
    /// What the caller gets.
    pub(crate) fn next(&self) -> Next {
        Next::Fail {
            kind: self.kind,
            message: self.message.clone(),
            exceeded: self.exceeded,
        }
    }

    /// The same for a call that ends before it was read.
    pub(crate) fn into_fault(self) -> (Fault, String) {
        let fault = Fault {
            enforcement: self.enforcement,
            exceeded: self.exceeded,
            ..Fault::new(self.kind, self.reason, None)
        };
        (fault, self.message)
    }

    /// There is no room for the call.
    pub(crate) fn overloaded() -> Self {
        let message = "the gateway has too many calls at once; try again";
        Self::new(ErrorKind::Overloaded, "limit", message)
    }

    /// A model without a price for a caller whose costs are limited.
    pub(crate) fn without_price() -> Self {
        let message = "this caller has a limit of cost, and no price is configured for this model";
        Self::new(ErrorKind::Forbidden, "not_entitled", message)
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

impl Entry {
    /// Whether anything is said about tools here.
    pub(crate) fn rules_tools(&self) -> bool {
        !self.scopes.is_empty() || !self.snapshot.is_quiet()
    }

    /// Whether a tool that a model asks for is out of scope or stopped.
    pub(crate) fn stops_tool(&self, tool: &str, at: Timestamp) -> bool {
        if !self.scopes.iter().all(|scopes| scopes.allows_tool(tool)) {
            return true;
        }
        let mut holding = Vec::new();
        if !self.snapshot.is_quiet() {
            self.snapshot
                .against(SubjectKind::Tool, tool, at, &mut holding);
        }
        holding
            .iter()
            .any(|e| matches!(e.effect, Effect::Block | Effect::Quarantine))
    }

    /// Looks at what the body said: scopes, and enforcement against what it names.
    pub(crate) fn rule(&self, arrival: &Arrival, inside: &Inside<'_>) -> Ruling {
        if let Some(denied) = self.out_of_scope(inside) {
            return Ruling {
                denied: Some(denied),
                ..Ruling::default()
            };
        }
        if self.snapshot.is_quiet() {
            return Ruling::default();
        }
        let mut holding = Vec::new();
        let mut against = |kind, value: &str| {
            self.snapshot.against(kind, value, arrival.at, &mut holding);
        };
        against(SubjectKind::Model, inside.model);
        against(SubjectKind::Input, inside.content_sha256);
        if inside.session != arrival.session {
            against(SubjectKind::Session, inside.session);
        }
        if inside.user != self.caller.id {
            against(SubjectKind::Caller, inside.user);
        }
        for tool in inside.tools {
            against(SubjectKind::Tool, tool);
        }
        if let Some(denied) = self.stopped(&holding, arrival) {
            return Ruling {
                denied: Some(denied),
                ..Ruling::default()
            };
        }
        let mut ruling = Ruling::default();
        for enforcement in self.enforcements.iter().chain(&holding) {
            if let Effect::Constrain { constraints } = &enforcement.effect {
                ruling.constraints.merge(constraints);
                ruling.enforcement.clone_from(&enforcement.id);
            }
        }
        ruling
    }

    fn out_of_scope(&self, inside: &Inside<'_>) -> Option<Denied> {
        let deny = |what: &str| {
            let message = format!("this caller may not use this {what}");
            Some(Denied::new(ErrorKind::Forbidden, "not_entitled", message))
        };
        for scopes in &self.scopes {
            if !scopes.allows_route(inside.route) {
                return deny("route");
            }
            if !scopes.allows_model(inside.model) {
                return deny("model");
            }
            if !inside.tools.iter().all(|tool| scopes.allows_tool(tool)) {
                return deny("tool");
            }
        }
        None
    }

    fn stopped(&self, holding: &[Arc<Enforcement>], arrival: &Arrival) -> Option<Denied> {
        if let Err(denied) = blocked(holding) {
            return Some(denied);
        }
        let mut all = self.enforcements.iter().chain(holding);
        if let Some(quarantine) = all.find(|e| e.effect == Effect::Quarantine) {
            let message = "this call is held back for a review; ask the operator of this service";
            return Some(Denied {
                enforcement: quarantine.id.clone(),
                ..Denied::new(ErrorKind::Forbidden, "quarantine", message)
            });
        }
        // Counted here only: what was known at the door was counted there.
        let limits: Vec<_> = holding.iter().filter_map(|e| enforced_rate(e)).collect();
        let charge = Charge {
            requests: 1,
            ..Charge::default()
        };
        match self.access.admit(limits, charge, arrival.at) {
            Ok(_) => None,
            Err((_, exceeded)) => Some(Denied::limited(exceeded)),
        }
    }
}
