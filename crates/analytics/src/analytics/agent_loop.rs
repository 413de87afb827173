//! An agent that does not end: a trace of very many steps, or the same tool called with the same
//! arguments over and over.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, reason};

parameters! {
    /// Steps of a trace.
    steps_min: u32 = 60,
    /// Calls of one tool with the same arguments within a trace.
    identical_min: u32 = 10,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let (now, place) = (case.now, case.place);
    let Some(trace) = case.world.traces.add(case.event, now, place) else {
        return;
    };
    let identical = trace.tool_calls.most();
    let depth = trace.steps.max(trace.deepest);
    if trace.has_spoken || (depth < p.steps_min && identical < p.identical_min) {
        return;
    }
    trace.has_spoken = true;
    let trace = *trace;
    if !case.may_speak(Analytic::agent_loop) {
        return;
    }
    let reasons = vec![
        reason("steps", f64::from(depth), f64::from(p.steps_min)),
        reason("identical_tool_calls", f64::from(identical), f64::from(p.identical_min)),
        reason("tokens", trace.tokens as f64, 0.0),
    ];
    let agent = case.event.agent.clone();
    let id = case.event.trace.to_string();
    case.about_caller(Analytic::agent_loop, trace.first, u64::from(trace.steps), reasons)
        .also(EntityKind::Agent, &agent)
        .note("trace", id);
}
