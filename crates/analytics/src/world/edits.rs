//! Texts that were blocked, and what became of their variants: BLOCK, BLOCK, …, ALLOW.
//!
//! The last two thousand blocked inputs of everybody, compared with every input by the bits of
//! their SimHashes: two kilobytes of popcounts per call, and a chain survives a change of account.

use atalaya_model::Decision;

use super::{keep_name, keep_place};
use crate::event::Event;
use crate::stored::{Input, Stored, stored};

/// Blocked inputs that are remembered.
const BLOCKED_MAX: usize = 2_048;
/// Chains that are remembered.
const CHAINS_MAX: usize = 512;
const NAMES_MAX: usize = 4;

/// Variants of one blocked input.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EditChain {
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) blocks: u32,
    pub(crate) passes: u32,
    pub(crate) first_score: u8,
    pub(crate) last_score: u8,
    pub(crate) spoke: u32,
    pub(crate) callers: Vec<Box<str>>,
    pub(crate) places: [u64; 8],
}

stored!(EditChain {
    first,
    last,
    blocks,
    passes,
    first_score,
    last_score,
    spoke,
    callers,
    places
});

/// See the module.
#[derive(Default)]
pub(crate) struct Edits {
    inputs: Vec<u64>,
    owners: Vec<(u32, u32)>,
    next: u64,
    chains: Vec<EditChain>,
    next_chain: u64,
}

impl Edits {
    /// Takes in a decided call. If it is a variant of a blocked one, the chain so far, this call
    /// included.
    pub(crate) fn add(
        &mut self,
        event: &Event<'_>,
        now: u32,
        ttl_s: u32,
        bits_max: u32,
        place: u64,
    ) -> Option<&mut EditChain> {
        let decision = event.decision?;
        let simhash = event.simhash?;
        let owner = self.find(simhash, now, ttl_s, bits_max);
        let is_block = decision == Decision::Block;
        let at = match owner {
            Some(at) => at,
            None if is_block => self.begin(now, event.score),
            None => return None,
        };
        if is_block {
            self.remember(simhash, at as u32, now);
        }
        let chain = self.chains.get_mut(at)?;
        chain.last = now;
        chain.blocks += u32::from(is_block);
        chain.passes += u32::from(!is_block);
        chain.last_score = event.score;
        keep_name(&mut chain.callers, event.actor(), NAMES_MAX);
        keep_place(&mut chain.places, place);
        Some(chain)
    }

    /// The chain of the nearest blocked input that is near enough and young enough.
    fn find(&self, simhash: u64, now: u32, ttl_s: u32, bits_max: u32) -> Option<usize> {
        let mut nearest = (bits_max + 1, None);
        for (at, known) in self.inputs.iter().enumerate() {
            let distance = (known ^ simhash).count_ones();
            if distance < nearest.0 {
                let (chain, time) = self.owners.get(at).copied()?;
                if now.saturating_sub(time) <= ttl_s {
                    nearest = (distance, Some(chain as usize));
                }
            }
        }
        nearest.1
    }

    fn begin(&mut self, now: u32, score: u8) -> usize {
        let at = (self.next_chain % CHAINS_MAX as u64) as usize;
        self.next_chain += 1;
        let chain = EditChain {
            first: now,
            first_score: score,
            ..EditChain::default()
        };
        if at == self.chains.len() {
            self.chains.push(chain);
        } else {
            // Its blocked inputs must not lead to somebody else's chain.
            for (input, owner) in self.inputs.iter_mut().zip(&mut self.owners) {
                if owner.0 as usize == at {
                    (*input, owner.1) = (0, 0);
                }
            }
            self.chains[at] = chain;
        }
        at
    }

    fn remember(&mut self, simhash: u64, chain: u32, now: u32) {
        let at = (self.next % BLOCKED_MAX as u64) as usize;
        self.next += 1;
        if at == self.inputs.len() {
            self.inputs.push(simhash);
            self.owners.push((chain, now));
        } else {
            self.inputs[at] = simhash;
            self.owners[at] = (chain, now);
        }
    }

    pub(crate) fn store(&self, out: &mut Vec<u8>) {
        self.inputs.store(out);
        self.owners.store(out);
        self.next.store(out);
        self.chains.store(out);
        self.next_chain.store(out);
    }

    pub(crate) fn load(&mut self, from: &mut Input<'_>) -> Option<()> {
        let (inputs, owners) = (Vec::<u64>::load(from)?, Vec::<(u32, u32)>::load(from)?);
        let next = u64::load(from)?;
        let (chains, next_chain) = (Vec::<EditChain>::load(from)?, u64::load(from)?);
        let is_sound = inputs.len() == owners.len()
            && inputs.len() as u64 == next.min(BLOCKED_MAX as u64)
            && chains.len() as u64 == next_chain.min(CHAINS_MAX as u64);
        if !is_sound {
            return None;
        }
        *self = Self {
            inputs,
            owners,
            next,
            chains,
            next_chain,
        };
        Some(())
    }
}
