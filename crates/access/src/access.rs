//! What a gateway asks on every call.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use atalaya_model::Timestamp;
use parking_lot::RwLock;

use crate::limits::{Charge, LimitRules, MeterState, RateExceeded, Remaining, Usage};
use crate::snapshot::Snapshot;

/// Most subjects whose use is counted; beyond it, those that have used nothing are forgotten, and
/// if there are none, new subjects share one count.
const USAGES_MAX: usize = 100_000;

/// The snapshot in force and the counts that outlive it.
#[derive(Debug, Default)]
pub struct Access {
    snapshot: ArcSwap<Snapshot>,
    usages: RwLock<HashMap<String, Arc<Usage>>>,
}

impl Access {
    /// The snapshot in force.
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Puts another snapshot in force, for the next call.
    pub fn replace(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    /// What a subject has used; it is counted from now on.
    #[must_use]
    pub fn usage(&self, subject: &str) -> Arc<Usage> {
        if let Some(usage) = self.usages.read().get(subject) {
            return Arc::clone(usage);
        }
        let mut usages = self.usages.write();
        if usages.len() >= USAGES_MAX {
            usages.retain(|_, usage| usage.in_flight() > 0 || !usage.save().is_empty());
        }
        let name = if usages.len() >= USAGES_MAX {
            "overflow"
        } else {
            subject
        };
        Arc::clone(usages.entry(name.to_owned()).or_default())
    }

    /// Reserves a call with everybody who has a say, or with nobody.
    ///
    /// # Errors
    /// The limit that is reached, and whose it is.
    pub fn admit(
        &self,
        limits: Vec<(String, LimitRules)>,
        charge: Charge,
        now: Timestamp,
    ) -> Result<Permit, (String, RateExceeded)> {
        let mut permit = Permit {
            held: Vec::with_capacity(limits.len()),
            reserved: charge,
        };
        for (subject, rules) in limits {
            let usage = self.usage(&subject);
            if let Err(exceeded) = usage.admit(&rules, charge, now) {
                permit.give_back(now);
                return Err((subject, exceeded));
            }
            permit.held.push((usage, rules));
        }
        Ok(permit)
    }

    /// All counts, to be kept over a restart.
    #[must_use]
    pub fn save(&self) -> Vec<(String, Vec<MeterState>)> {
        let usages = self.usages.read();
        let all = usages
            .iter()
            .map(|(name, usage)| (name.clone(), usage.save()));
        all.filter(|(_, states)| !states.is_empty()).collect()
    }

    /// Takes over counts that were kept; those of subjects that have been counted since stay.
    pub fn restore(&self, kept: impl IntoIterator<Item = (String, Vec<MeterState>)>) {
        let mut usages = self.usages.write();
        for (subject, states) in kept.into_iter().take(USAGES_MAX) {
            usages
                .entry(subject)
                .or_insert_with(|| Usage::restore(&states));
        }
    }
}

/// Under which name a key's use is counted.
#[must_use]
pub fn key_subject(key_id: &str) -> String {
    format!("key:{key_id}")
}

/// A call's reservations. Dropped without settling, they stay charged as reserved.
#[derive(Debug, Default)]
pub struct Permit {
    held: Vec<(Arc<Usage>, LimitRules)>,
    reserved: Charge,
}

impl Permit {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.held.is_empty()
    }

    /// Charges what was really used instead of what was reserved.
    pub fn settle(mut self, used: Charge, now: Timestamp) {
        for (usage, rules) in std::mem::take(&mut self.held) {
            usage.settle(&rules, self.reserved, used, now);
        }
    }

    /// What is left of every limit, the tightest of each meter.
    #[must_use]
    pub fn remaining(&self, now: Timestamp) -> Vec<Remaining> {
        let mut out: Vec<Remaining> = Vec::new();
        for (usage, rules) in &self.held {
            for left in usage.remaining(rules, now) {
                match out.iter_mut().find(|known| known.meter == left.meter) {
                    Some(known) if left.remaining < known.remaining => *known = left,
                    Some(_) => {}
                    None => out.push(left),
                }
            }
        }
        out
    }

    fn give_back(&mut self, now: Timestamp) {
        for (usage, rules) in std::mem::take(&mut self.held) {
            usage.settle(&rules, self.reserved, Charge::default(), now);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for (usage, rules) in std::mem::take(&mut self.held) {
            usage.settle(&rules, self.reserved, self.reserved, Timestamp(0));
        }
    }
}
