//! Groups of callers that share what accounts of one operator share: network and client, TLS
//! fingerprint, or prompt template.

use super::{keep_name, keep_place};
use crate::caller::{Caller, DAY_PANE_S};
use crate::event::{Event, hash, hash_of};
use crate::sketch::{Centroid, Distinct, Pane, Panes, Top, mix};
use crate::stored::{Input, stored};
use crate::table::Table;

/// Groups that are remembered.
const CLUSTERS_MAX: usize = 4_096;
const NAMES_MAX: usize = 16;

/// Half a day of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct GroupDay {
    pub(crate) calls: u32,
    pub(crate) told: u32,
    pub(crate) input_tokens: f32,
    pub(crate) output_tokens: f32,
    pub(crate) single: u32,
    /// Calls of callers that are new, and of callers that keep a machine's pace.
    pub(crate) new: u32,
    pub(crate) paced: u32,
    pub(crate) templated: u32,
    pub(crate) templates: Top<4>,
    pub(crate) callers: Distinct<64>,
    pub(crate) inputs: Distinct<64>,
    /// Sum over callers of the square of their calls.
    pub(crate) squares: f32,
    pub(crate) measured: u32,
    pub(crate) distance: u32,
    /// Calls by hour of the day.
    pub(crate) clock: [u16; 24],
}

stored!(GroupDay {
    calls,
    told,
    input_tokens,
    output_tokens,
    single,
    new,
    paced,
    templated,
    templates,
    callers,
    inputs,
    squares,
    measured,
    distance,
    clock
});

impl Pane for GroupDay {
    fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.told += other.told;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.single += other.single;
        self.new += other.new;
        self.paced += other.paced;
        self.templated += other.templated;
        self.templates.merge(&other.templates);
        self.callers.merge(&other.callers);
        self.inputs.merge(&other.inputs);
        self.squares += other.squares;
        self.measured += other.measured;
        self.distance = self.distance.saturating_add(other.distance);
        for (own, theirs) in self.clock.iter_mut().zip(other.clock) {
            *own = own.saturating_add(theirs);
        }
    }
}

/// One group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cluster {
    /// 1 network and client, 2 TLS fingerprint, 3 template.
    pub(crate) kind: u8,
    pub(crate) day: Panes<GroupDay>,
    pub(crate) centroid: Centroid,
    pub(crate) checked: u32,
    pub(crate) spoke: u32,
    pub(crate) callers: Vec<Box<str>>,
    pub(crate) places: [u64; 8],
}

stored!(Cluster {
    kind,
    day,
    centroid,
    checked,
    spoke,
    callers,
    places
});

/// See the module.
pub(crate) struct Clusters(Table<Cluster>);

impl Default for Clusters {
    fn default() -> Self {
        Self(Table::new(CLUSTERS_MAX))
    }
}

impl Clusters {
    /// Keys of the groups that a row belongs to.
    pub(crate) fn keys(event: &Event<'_>, network: u32) -> [(u8, u64); 3] {
        let network = u64::from(network);
        let client = hash(&event.user_agent);
        let tls = hash(&event.tls);
        let model = hash(&event.model);
        let key =
            |kind: u8, a: u64, b: u64| (kind, mix(mix(a) ^ b.rotate_left(7) ^ u64::from(kind)));
        let none = (0, 0);
        [
            if network == 0 || client == 0 {
                none
            } else {
                key(1, network, client)
            },
            if tls == 0 { none } else { key(2, tls, client) },
            if event.template == 0 {
                none
            } else {
                key(3, event.template, model)
            },
        ]
    }

    /// Takes in a call of a member.
    pub(crate) fn add(&mut self, key: (u8, u64), member: &Member<'_, '_>) -> Option<&mut Cluster> {
        let cluster = self.0.entry(key.1, member.now, Cluster::default)?;
        cluster.kind = key.0;
        cluster.add(member);
        Some(cluster)
    }

    pub(crate) const fn evicted(&self) -> u64 {
        self.0.evicted()
    }

    pub(crate) fn store(&self, out: &mut Vec<u8>) {
        self.0.store(out);
    }

    pub(crate) fn load(&mut self, from: &mut Input<'_>) -> Option<()> {
        self.0.load(from)
    }
}

/// A call and its caller.
pub(crate) struct Member<'e, 'c> {
    pub(crate) event: &'e Event<'e>,
    pub(crate) caller: &'c Caller,
    pub(crate) now: u32,
    pub(crate) is_new: bool,
    pub(crate) is_paced: bool,
}

impl Cluster {
    fn add(&mut self, member: &Member<'_, '_>) {
        let event = member.event;
        let day = self.day.at(member.now, DAY_PANE_S);
        if event.closes() && event.tokens().is_some() {
            day.told += 1;
            day.input_tokens += event.input_tokens.unwrap_or(0) as f32;
            let output = event.output_tokens.unwrap_or(0) + event.reasoning_tokens.unwrap_or(0);
            day.output_tokens += output as f32;
        }
        if !event.opens() {
            return;
        }
        day.calls += 1;
        day.single += u32::from(event.turn <= 1);
        day.new += u32::from(member.is_new);
        day.paced += u32::from(member.is_paced);
        day.callers.add(hash_of(&[&event.tenant, event.actor()]));
        if event.input != 0 {
            day.inputs.add(mix(event.input));
        }
        if event.template != 0 {
            day.templated += 1;
            day.templates.add(event.template);
        }
        // (n + 1)² - n²: the caller has made n calls before this one.
        let calls = member.caller.day.total(|day| day.calls);
        day.squares += (2 * calls).saturating_sub(1) as f32;
        if let Some(hours) = day.clock.get_mut((member.now / 3_600 % 24) as usize) {
            *hours = hours.saturating_add(1);
        }
        if let Some(simhash) = event.simhash {
            day.measured += 1;
            day.distance = day.distance.saturating_add(self.centroid.add(simhash));
        }
        keep_name(&mut self.callers, event.actor(), NAMES_MAX);
    }

    /// Keeps the place of a row as evidence.
    pub(crate) fn keep(&mut self, place: u64) {
        keep_place(&mut self.places, place);
    }
}
