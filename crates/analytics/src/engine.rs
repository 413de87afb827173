//! Every event once through everything: remember, relate, judge.

use atalaya_model::{Entity, EntityKind, Timestamp};

use crate::analytics::{self, Analytic, Settings};
use crate::caller::{Arrival, Caller, Relation};
use crate::event::{Event, hash_of};
use crate::evidence::Evidence;
use crate::finding::{Finding, Reason, entity};
use crate::manifest::Manifests;
use crate::stored::{Input, Stored as _};
use crate::table::Table;
use crate::world::World;

/// Version of a snapshot's layout. A snapshot of another version is refused.
pub const SNAPSHOT_VERSION: u32 = 1;
const SNAPSHOT_MAGIC: &[u8; 8] = b"ATALANLT";
/// How long an analytic says nothing more about the same thing, hours.
const QUIET_H: u16 = 12;
/// Most ids that a finding names.
const EVIDENCE_MAX: usize = 16;

/// What the engine may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Callers that are remembered, at about a kilobyte each.
    pub callers_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            callers_max: 200_000,
        }
    }
}

/// Figures about the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events seen.
    pub events: u64,
    /// Findings made.
    pub findings: u64,
    /// Callers remembered.
    pub callers: usize,
    /// Callers that had to make room.
    pub callers_evicted: u64,
    /// Groups of callers that had to make room.
    pub clusters_evicted: u64,
    /// Bytes of state per caller, index included.
    pub bytes_per_caller: usize,
}

/// Why a snapshot was refused; the engine is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// Not a snapshot.
    Foreign,
    /// Written by another version.
    Version(u32),
    /// Cut off or changed.
    Damaged,
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign => f.write_str("it is no snapshot of analytics"),
            Self::Version(version) => {
                write!(f, "it has version {version}, this is {SNAPSHOT_VERSION}")
            }
            Self::Damaged => f.write_str("it is cut off or damaged"),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// See the crate.
pub struct Engine {
    settings: Settings,
    limits: Limits,
    manifests: Manifests,
    callers: Table<Caller>,
    world: World,
    evidence: Evidence,
    started: u32,
    events: u64,
    findings: u64,
}

impl Engine {
    /// An engine that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings, limits: Limits) -> Self {
        Self {
            settings,
            limits,
            manifests: Manifests::default(),
            callers: Table::new(limits.callers_max),
            world: World::default(),
            evidence: Evidence::default(),
            started: 0,
            events: 0,
            findings: 0,
        }
    }

    /// Puts other parameters in force; what is remembered stays.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Puts other manifests in force.
    pub fn set_manifests(&mut self, manifests: Manifests) {
        self.manifests = manifests;
    }

    /// Takes in one event; appends what the analytics make of it.
    pub fn observe(&mut self, event: &Event<'_>, findings: &mut Vec<Finding>) {
        let now = event.seconds();
        if self.started == 0 {
            self.started = now;
        }
        self.events += 1;
        let before = findings.len();
        let actor = event.actor();
        let network = event.network();
        let mut nobody = None;
        let caller = if actor.is_empty() {
            nobody.insert(Caller::default())
        } else {
            let key = hash_of(&[&event.tenant, actor]);
            let new = || Caller {
                first_seen: now,
                ..Caller::default()
            };
            match self.callers.entry(key, now, new) {
                Some(caller) => caller,
                None => return,
            }
        };
        let place = self.evidence.add(&event.id, caller.place);
        caller.place = place;
        let (relation, arrival) = caller.add(event, network, now);
        self.world.models.add(event, now, place);
        self.world.networks.add(event, network, now, place);
        self.world.similar.add(event, now, place);
        let mut case = Case {
            event,
            network,
            now,
            age_s: now.saturating_sub(self.started),
            place,
            relation,
            arrival,
            caller,
            world: &mut self.world,
            manifests: &self.manifests,
            evidence: &self.evidence,
            findings,
        };
        analytics::judge(&self.settings, &mut case);
        self.findings += (findings.len() - before) as u64;
    }

    /// Figures.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            events: self.events,
            findings: self.findings,
            callers: self.callers.len(),
            callers_evicted: self.callers.evicted(),
            clusters_evicted: self.world.clusters.evicted(),
            bytes_per_caller: self.callers.bytes() / self.callers.len().max(1),
        }
    }

    /// Everything that is remembered, to be restored later.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = SNAPSHOT_MAGIC.to_vec();
        SNAPSHOT_VERSION.store(&mut out);
        self.started.store(&mut out);
        self.events.store(&mut out);
        self.findings.store(&mut out);
        self.evidence.store(&mut out);
        self.world.store(&mut out);
        self.callers.store(&mut out);
        crc32c::crc32c(&out).store(&mut out);
        out
    }

    /// Remembers what a snapshot says, instead of what was remembered.
    ///
    /// # Errors
    /// If it is none, of another version, or damaged; nothing has changed then.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        let body = snapshot
            .strip_prefix(SNAPSHOT_MAGIC)
            .ok_or(SnapshotError::Foreign)?;
        let mut input = Input::new(body);
        let version = u32::load(&mut input).ok_or(SnapshotError::Damaged)?;
        if version != SNAPSHOT_VERSION {
            return Err(SnapshotError::Version(version));
        }
        let sum_at = snapshot.len().saturating_sub(4);
        let (content, sum) = snapshot.split_at(sum_at);
        if crc32c::crc32c(content).to_le_bytes() != sum {
            return Err(SnapshotError::Damaged);
        }
        let mut restored = Self::new(self.settings.clone(), self.limits);
        restored.manifests = self.manifests.clone();
        restored.load(&mut input).ok_or(SnapshotError::Damaged)?;
        *self = restored;
        Ok(())
    }

    fn load(&mut self, input: &mut Input<'_>) -> Option<()> {
        self.started = u32::load(input)?;
        self.events = u64::load(input)?;
        self.findings = u64::load(input)?;
        self.evidence = Evidence::load(input)?;
        self.world.load(input)?;
        self.callers.load(input)?;
        // The checksum, and nothing after it.
        u32::load(input)?;
        input.is_empty().then_some(())
    }
}

/// One event with everything that there is to judge it by.
pub(crate) struct Case<'a> {
    pub(crate) event: &'a Event<'a>,
    pub(crate) network: u32,
    pub(crate) now: u32,
    /// Since the first event that the engine ever saw: what was not seen before that is not new.
    pub(crate) age_s: u32,
    pub(crate) place: u64,
    pub(crate) relation: Relation,
    pub(crate) arrival: Arrival,
    pub(crate) caller: &'a mut Caller,
    pub(crate) world: &'a mut World,
    pub(crate) manifests: &'a Manifests,
    pub(crate) evidence: &'a Evidence,
    pub(crate) findings: &'a mut Vec<Finding>,
}

/// Whether something that last spoke at that time should say nothing yet.
pub(crate) const fn is_quiet(spoke: u32, now: u32) -> bool {
    spoke != 0 && now.saturating_sub(spoke) < QUIET_H as u32 * 3_600
}

pub(crate) const fn reason(signal: &'static str, observed: f64, baseline: f64) -> Reason {
    Reason {
        signal,
        observed,
        baseline,
    }
}

impl Case<'_> {
    /// Whether the analytic may speak about this caller, or has done so a short while ago.
    pub(crate) fn may_speak(&self, analytic: Analytic) -> bool {
        let spoke = self.caller.spoke[analytic as usize];
        let hour = (self.now / 3_600) as u16;
        spoke == 0 || hour.wrapping_sub(spoke) >= QUIET_H
    }

    /// The caller as an entity, of the kind that is known of it.
    pub(crate) fn actor(&self) -> Option<Entity> {
        let event = self.event;
        let kinds = [
            (EntityKind::Caller, &event.caller),
            (EntityKind::Key, &event.key),
            (EntityKind::Agent, &event.agent),
            (EntityKind::Address, &event.address),
        ];
        let mut known = kinds.into_iter().filter(|(_, name)| !name.is_empty());
        known.next().and_then(|(kind, name)| entity(kind, name))
    }

    /// A finding about the caller; its rows are the evidence.
    pub(crate) fn about_caller(
        &mut self,
        analytic: Analytic,
        since: u32,
        count: u64,
        reasons: Vec<Reason>,
    ) -> &mut Finding {
        self.caller.spoke[analytic as usize] = ((self.now / 3_600) as u16).max(1);
        let entities = self.actor().into_iter().collect();
        let evidence = self.evidence.chain(self.place, EVIDENCE_MAX);
        self.speak(analytic, since, count, (entities, evidence), reasons)
    }

    /// A finding about anything.
    pub(crate) fn about(
        &mut self,
        analytic: Analytic,
        since: u32,
        count: u64,
        about: (Vec<Entity>, &[u64]),
        reasons: Vec<Reason>,
    ) -> &mut Finding {
        let evidence = self.evidence.ids(about.1);
        self.speak(analytic, since, count, (about.0, evidence), reasons)
    }

    fn speak(
        &mut self,
        analytic: Analytic,
        since: u32,
        count: u64,
        (entities, evidence): (Vec<Entity>, Vec<String>),
        reasons: Vec<Reason>,
    ) -> &mut Finding {
        let first_seen = Timestamp(i64::from(since.min(self.now)) * 1_000_000);
        self.findings.push(Finding {
            analytic: crate::NAMES[analytic as usize],
            entities,
            first_seen,
            last_seen: self.event.time,
            count: count.max(evidence.len() as u64),
            reasons,
            evidence,
            notes: Vec::new(),
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}
