//! Agents at work: how deep a trace has gone, and whether it goes in circles.

use crate::event::{Event, hash_of};
use crate::sketch::Frequent;
use crate::stored::{Input, stored};
use crate::table::Table;

/// Traces that are remembered.
const TRACES_MAX: usize = 65_536;

/// One trace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Trace {
    pub(crate) first: u32,
    pub(crate) steps: u32,
    pub(crate) deepest: u32,
    pub(crate) tool_calls: Frequent<3>,
    pub(crate) tokens: u64,
    pub(crate) has_spoken: bool,
    /// Place of the newest row.
    pub(crate) places: [u64; 4],
}

stored!(Trace {
    first,
    steps,
    deepest,
    tool_calls,
    tokens,
    has_spoken,
    places
});

/// See the module.
pub(crate) struct Traces(Table<Trace>);

impl Default for Traces {
    fn default() -> Self {
        Self(Table::new(TRACES_MAX))
    }
}

impl Traces {
    /// Takes in a call that is a step of an agent.
    pub(crate) fn add(&mut self, event: &Event<'_>, now: u32, place: u64) -> Option<&mut Trace> {
        let is_step = event.step > 0 || event.tool_call != 0;
        if event.trace.is_empty() || !is_step {
            return None;
        }
        let key = hash_of(&[&event.tenant, &event.trace]);
        let new = || Trace {
            first: now,
            ..Trace::default()
        };
        let trace = self.0.entry(key, now, new)?;
        trace.steps += u32::from(event.opens());
        trace.deepest = trace.deepest.max(event.step);
        if event.tool_call != 0 && event.opens() {
            trace.tool_calls.add(event.tool_call);
        }
        trace.tokens = trace.tokens.saturating_add(event.tokens().unwrap_or(0));
        super::keep_place(&mut trace.places, place);
        Some(trace)
    }

    pub(crate) fn store(&self, out: &mut Vec<u8>) {
        self.0.store(out);
    }

    pub(crate) fn load(&mut self, from: &mut Input<'_>) -> Option<()> {
        self.0.load(from)
    }
}
