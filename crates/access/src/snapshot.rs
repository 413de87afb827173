//! What is in force, as one immutable whole.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use atalaya_model::Timestamp;

use crate::cidr::Cidr;
use crate::enforcement::{Enforcement, SubjectKind};
use crate::entitlement::Entitlement;
use crate::glob;
use crate::key::{KeyHash, VirtualKey};

/// Keys, entitlements and enforcements at one moment. Times are looked at when it is asked, so
/// that nothing outlives its expiry.
#[derive(Debug, Default)]
pub struct Snapshot {
    keys: HashMap<KeyHash, Arc<VirtualKey>>,
    key_count: usize,
    entitlements: Vec<Entitlement>,
    exact: HashMap<SubjectKind, HashMap<String, Vec<Arc<Enforcement>>>>,
    /// Subjects with a `*`.
    patterns: Vec<Arc<Enforcement>>,
    blocks: Vec<(Cidr, Arc<Enforcement>)>,
}

impl Snapshot {
    /// Builds a snapshot from everything that is kept; what is revoked or lifted is left out.
    #[must_use]
    pub fn new(
        keys: impl IntoIterator<Item = VirtualKey>,
        enforcements: impl IntoIterator<Item = Enforcement>,
        entitlements: Vec<Entitlement>,
    ) -> Self {
        let mut snapshot = Self {
            entitlements,
            ..Self::default()
        };
        for key in keys {
            if key.revoked_at.is_some() {
                continue;
            }
            snapshot.key_count += 1;
            let key = Arc::new(key);
            for secret in &key.secrets {
                snapshot.keys.insert(secret.hash, Arc::clone(&key));
            }
        }
        for enforcement in enforcements {
            if enforcement.lifted_at.is_none() {
                snapshot.take(enforcement);
            }
        }
        snapshot
    }

    fn take(&mut self, enforcement: Enforcement) {
        let enforcement = Arc::new(enforcement);
        let subject = &enforcement.subject;
        if subject.kind == SubjectKind::Address
            && let Ok(block) = subject.value.parse::<Cidr>()
        {
            self.blocks.push((block, enforcement));
        } else if subject.value.contains('*') {
            self.patterns.push(enforcement);
        } else {
            let of_kind = self.exact.entry(subject.kind).or_default();
            let value = subject.value.clone();
            of_kind.entry(value).or_default().push(enforcement);
        }
    }

    /// The key that a presented secret belongs to, if both are valid.
    #[must_use]
    pub fn key(&self, presented: &[u8], now: Timestamp) -> Option<Arc<VirtualKey>> {
        let hash = KeyHash::of(presented);
        let key = self.keys.get(&hash)?;
        let secret = key.secrets.iter().find(|secret| secret.hash == hash)?;
        let is_valid = secret.expires_at.is_none_or(|end| now < end)
            && key.state(now) == crate::key::KeyState::Active;
        is_valid.then(|| Arc::clone(key))
    }

    /// Number of keys that are not revoked.
    #[must_use]
    pub const fn key_count(&self) -> usize {
        self.key_count
    }

    /// Entitlements that cover a caller.
    pub fn entitlements<'s>(
        &'s self,
        caller: &'s str,
        team: &'s str,
    ) -> impl Iterator<Item = &'s Entitlement> {
        let all = self.entitlements.iter();
        all.filter(move |entitlement| entitlement.covers(caller, team))
    }

    /// Whether nothing at all is enforced.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty() && self.blocks.is_empty()
    }

    /// Adds the enforcements that hold against a subject now.
    pub fn against(
        &self,
        kind: SubjectKind,
        value: &str,
        now: Timestamp,
        out: &mut Vec<Arc<Enforcement>>,
    ) {
        if value.is_empty() {
            return;
        }
        let exact = self.exact.get(&kind).and_then(|of_kind| of_kind.get(value));
        let exact = exact.map_or(&[][..], Vec::as_slice).iter();
        let covering = self.patterns.iter().filter(|enforcement| {
            let subject = &enforcement.subject;
            subject.kind == kind && glob::matches(&subject.value, value)
        });
        out.extend(exact.chain(covering).filter(|e| e.is_active(now)).cloned());
    }

    /// Adds the enforcements that hold against an address now.
    pub fn against_address(
        &self,
        address: IpAddr,
        now: Timestamp,
        out: &mut Vec<Arc<Enforcement>>,
    ) {
        let holding = self
            .blocks
            .iter()
            .filter(|(block, enforcement)| block.contains(address) && enforcement.is_active(now));
        out.extend(holding.map(|(_, enforcement)| Arc::clone(enforcement)));
    }
}
