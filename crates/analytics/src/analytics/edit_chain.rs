//! BLOCK, BLOCK, …, ALLOW: somebody rewords a blocked text until it passes.
//!
//! Global: the chain goes on when the caller changes. The most telling behavioural sign that a
//! gateway has, because the attacker's own failures label it.

use atalaya_model::{Decision, Entity, EntityKind};

use crate::analytics::Analytic;
use crate::engine::{Case, reason};

parameters! {
    /// Blocked variants before one passed.
    blocks_min: u32 = 3,
    /// Bits in which SimHashes of variants may differ.
    bits_max: u32 = 12,
    /// How long a blocked text is remembered, seconds.
    ttl_s: u32 = 3_600,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    if !case.event.opens() {
        return;
    }
    let (now, place) = (case.now, case.place);
    let found = case.world.edits.add(case.event, now, p.ttl_s, p.bits_max, place);
    let Some(chain) = found.filter(|chain| chain.blocks >= p.blocks_min) else {
        return;
    };
    let passed = matches!(case.event.decision, Some(Decision::Allow | Decision::Log));
    let quiet = chain.spoke != 0 && now.saturating_sub(chain.spoke) < p.ttl_s;
    if !passed || quiet {
        return;
    }
    chain.spoke = now;
    let chain = chain.clone();
    let reasons = vec![
        reason("blocked_variants", f64::from(chain.blocks), f64::from(p.blocks_min)),
        reason("passed_variants", f64::from(chain.passes), 0.0),
        reason("threat_score", f64::from(chain.last_score), f64::from(chain.first_score)),
        reason("callers", chain.callers.len() as f64, 1.0),
    ];
    let callers = chain.callers.iter().map(|name| Entity {
        kind: EntityKind::Caller,
        value: name.to_string(),
    });
    let count = u64::from(chain.blocks + chain.passes);
    let about = (callers.collect(), &chain.places[..]);
    case.about(Analytic::edit_chain, chain.first, count, about, reasons);
}
