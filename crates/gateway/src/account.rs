//! What a call is charged when it has ended.

use std::sync::Arc;

use atalaya_access::{Charge, Permit};
use atalaya_wire::Settled;

use crate::config::Price;
use crate::ports::World;

/// Bytes of an answer that make a token, about: used when the provider does not count.
const BYTES_PER_TOKEN: u64 = 4;
/// Millionths of a US dollar in one.
const MICROS_PER_USD: f64 = 1_000_000.0;

/// A call's reservations until its end.
pub(crate) struct Account {
    pub(crate) permit: Permit,
    pub(crate) price: Option<Price>,
    /// Input tokens, estimated.
    pub(crate) input_estimate: u64,
    /// Whether the call was forwarded: only then it is charged tokens.
    pub(crate) is_forwarded: bool,
    pub(crate) world: Arc<dyn World>,
}

impl Account {
    /// Charges what was used; what it cost in US dollars, if the model has a price.
    pub(crate) fn settle(self, settled: &Settled, response_bytes: u64) -> Option<f64> {
        if !self.is_forwarded {
            let used = Charge {
                requests: 1,
                ..Charge::default()
            };
            self.permit.settle(used, self.world.now());
            return None;
        }
        let is_counted = settled.input_tokens.is_some() || settled.output_tokens.is_some();
        let (input, output) = if is_counted {
            (
                settled.input_tokens.unwrap_or(0),
                settled.output_tokens.unwrap_or(0),
            )
        } else {
            (self.input_estimate, response_bytes / BYTES_PER_TOKEN)
        };
        let cached = settled.cached_tokens.unwrap_or(0);
        let cost = self
            .price
            .as_ref()
            .map(|price| price.cost_usd(input, cached, output));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to what fits before"
        )]
        let cost_micros = (cost.unwrap_or(0.0) * MICROS_PER_USD).clamp(0.0, 1e18) as u64;
        let used = Charge {
            requests: 1,
            tokens: input.saturating_add(output),
            cost_micros,
        };
        self.permit.settle(used, self.world.now());
        cost
    }
}
