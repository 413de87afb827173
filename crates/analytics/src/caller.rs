//! What is remembered of one caller: everything per caller is here, in less than a kilobyte.
//!
//! Only sketches of fixed size: a caller can grow nothing but numbers. Three windows: a day (two
//! panes of twelve hours) for copying a model, an hour (two panes of half an hour) for probing,
//! and a week of hours for what is usual.

use atalaya_model::Decision;

use crate::analytics::COUNT;
use crate::event::{Event, PREFIX_BIT, Source};
use crate::sketch::{Centroid, Distinct, HourlyBaseline, Pacing, Pane, Panes, Top, mix};
use crate::stored::stored;

/// Pane of the day's window, seconds.
pub(crate) const DAY_PANE_S: u32 = 12 * 3_600;
/// Pane of the hour's window, seconds.
pub(crate) const HOUR_PANE_S: u32 = 1_800;
/// Last inputs that are compared with the next.
const RECENT: usize = 8;
/// Bits in which two inputs may differ and still be variants of one another.
pub(crate) const NEAR_BITS: u32 = 8;

/// Half a day of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Day {
    pub(crate) calls: u32,
    /// Calls whose tokens were told.
    pub(crate) told: u32,
    pub(crate) input_tokens: f32,
    pub(crate) output_tokens: f32,
    /// Calls with one user turn, or none told.
    pub(crate) single: u32,
    pub(crate) templated: u32,
    pub(crate) templates: Top<3>,
    pub(crate) inputs: Distinct<32>,
    pub(crate) buckets: Distinct<32>,
    /// Calls whose input has a SimHash, and the sum of their distances to the centroid.
    pub(crate) measured: u32,
    pub(crate) distance: u32,
}

stored!(Day {
    calls,
    told,
    input_tokens,
    output_tokens,
    single,
    templated,
    templates,
    inputs,
    buckets,
    measured,
    distance
});

impl Pane for Day {
    fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.told += other.told;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.single += other.single;
        self.templated += other.templated;
        self.templates.merge(&other.templates);
        self.inputs.merge(&other.inputs);
        self.buckets.merge(&other.buckets);
        self.measured += other.measured;
        self.distance = self.distance.saturating_add(other.distance);
    }
}

/// Half an hour of a caller or a network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Hour {
    pub(crate) calls: u16,
    /// 4xx other than 429.
    pub(crate) errors: u16,
    /// 401 and 403, or failed authentication.
    pub(crate) denied: u16,
    pub(crate) limited: u16,
    pub(crate) refused: u16,
    /// Scores just below what is blocked.
    pub(crate) hovering: u16,
    /// Calls that asked for scores, or got them.
    pub(crate) scored: u16,
    pub(crate) logprobs: u16,
    /// Confidence between 0.35 and 0.65.
    pub(crate) unsure: u16,
    pub(crate) classified: u16,
    /// The same input again.
    pub(crate) repeats: u16,
    /// A variant of one to three of the last inputs, not of all of them.
    pub(crate) pairs: u16,
    /// Different paths and models of requests that were errors, as bits of their hashes.
    pub(crate) paths: u64,
    pub(crate) models: u64,
}

stored!(Hour {
    calls,
    errors,
    denied,
    limited,
    refused,
    hovering,
    scored,
    logprobs,
    unsure,
    classified,
    repeats,
    pairs,
    paths,
    models
});

impl Pane for Hour {
    fn merge(&mut self, other: &Self) {
        for (own, theirs) in [
            (&mut self.calls, other.calls),
            (&mut self.errors, other.errors),
            (&mut self.denied, other.denied),
            (&mut self.limited, other.limited),
            (&mut self.refused, other.refused),
            (&mut self.hovering, other.hovering),
            (&mut self.scored, other.scored),
            (&mut self.logprobs, other.logprobs),
            (&mut self.unsure, other.unsure),
            (&mut self.classified, other.classified),
            (&mut self.repeats, other.repeats),
            (&mut self.pairs, other.pairs),
        ] {
            *own = own.saturating_add(theirs);
        }
        self.paths |= other.paths;
        self.models |= other.models;
    }
}

impl Hour {
    /// Different ones, by linear counting: exact enough up to about a hundred.
    pub(crate) fn different(bits: u64) -> f64 {
        let empty = f64::from(bits.count_zeros()).max(0.5);
        64.0 * (64.0 / empty).ln()
    }

    /// Counts what every kind of row tells.
    pub(crate) fn add(&mut self, event: &Event<'_>) {
        bump(&mut self.calls, event.opens());
        let denied = matches!(event.status, 401 | 403) || event.auth == "failure";
        bump(&mut self.denied, denied);
        let is_error = (400..500).contains(&event.status) && event.status != 429;
        bump(&mut self.errors, is_error && !event.is_refused());
        if is_error || denied {
            self.paths |= path_bit(&event.path);
            if !event.model.is_empty() {
                self.models |= 1 << (crate::event::hash(&event.model) % 64);
            }
        }
        bump(&mut self.limited, event.is_limited());
    }
}

fn bump(count: &mut u16, by: bool) {
    *count = count.saturating_add(u16::from(by));
}

/// A bit for a path, without the parts that name single things (ids, hashes, numbers).
fn path_bit(path: &str) -> u64 {
    if path.is_empty() {
        return 0;
    }
    let mut sum = 0;
    for part in path.split('/') {
        let is_id = part.len() >= 6 && part.bytes().any(|byte| byte.is_ascii_digit());
        sum = mix(sum ^ if is_id { 1 } else { crate::event::hash(part) });
    }
    1 << (sum % 64)
}

/// The last inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Recent {
    inputs: [u64; RECENT],
    labels: [u8; RECENT],
    next: u8,
}

stored!(Recent {
    inputs,
    labels,
    next
});

/// How an input relates to the last ones of its caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relation {
    /// The same input was there.
    pub(crate) is_repeat: bool,
    /// How many of the last are variants of it.
    pub(crate) variants: u32,
    /// How many there are.
    pub(crate) known: u32,
    /// Distance to the nearest of the same label that is not the same.
    pub(crate) nearest: Option<u32>,
}

impl Recent {
    fn add(&mut self, event: &Event<'_>) -> Relation {
        let Some(simhash) = event.simhash.or((event.input != 0).then_some(event.input)) else {
            return Relation::default();
        };
        let is_hash = event.simhash.is_some();
        let label = crate::event::hash(&event.label) as u8;
        let mut relation = Relation::default();
        for at in 0..RECENT {
            let known = self.inputs[at];
            if known == 0 {
                continue;
            }
            relation.known += 1;
            let distance = (known ^ simhash).count_ones();
            if distance == 0 {
                relation.is_repeat = true;
            } else if is_hash {
                relation.variants += u32::from(distance <= NEAR_BITS);
                if self.labels[at] == label {
                    let nearest = relation.nearest.unwrap_or(64).min(distance);
                    relation.nearest = Some(nearest);
                }
            }
        }
        if !relation.is_repeat {
            let at = usize::from(self.next) % RECENT;
            self.inputs[at] = simhash;
            self.labels[at] = label;
            self.next = self.next.wrapping_add(1);
        }
        relation
    }
}

/// Bins of distances, each two bits wide.
pub(crate) const DISTANCES: usize = 20;

/// Distances of a classifier's inputs to their nearest predecessor of the same class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Distances {
    pub(crate) bins: [u16; DISTANCES],
    pub(crate) labels: u32,
    since: u32,
}

stored!(Distances {
    bins,
    labels,
    since
});

impl Distances {
    fn add(&mut self, distance: u32, label: &str, now: u32) {
        if now.saturating_sub(self.since) > 2 * DAY_PANE_S {
            (*self, self.since) = (Self::default(), now);
        }
        let bin = (distance as usize / 2).min(DISTANCES - 1);
        self.bins[bin] = self.bins[bin].saturating_add(1);
        self.labels |= 1 << (crate::sketch::mix(crate::event::hash(label)) >> 59);
        if self.bins[bin] > 4_000 {
            self.bins.iter_mut().for_each(|count| *count /= 2);
        }
    }

    pub(crate) fn total(&self) -> u32 {
        self.bins.iter().map(|count| u32::from(*count)).sum()
    }
}

/// Where calls came from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Origin {
    networks: [(u32, u32); 4],
    agents: [u32; 3],
    countries: [u16; 3],
    pub(crate) country: u16,
    pub(crate) country_at: u32,
    /// Calls from the network that was the last new one.
    pub(crate) new_network: u32,
    pub(crate) new_calls: u16,
    pub(crate) new_since: u32,
    /// What else was new when that network was: 1 user agent, 2 country.
    pub(crate) new_signs: u8,
    /// Switches between countries that nobody travels that fast.
    pub(crate) impossible: u8,
}

stored!(Origin {
    networks,
    agents,
    countries,
    country,
    country_at,
    new_network,
    new_calls,
    new_since,
    new_signs,
    impossible
});

/// What is new about where an event came from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Arrival {
    /// Country before and seconds since, if it changed.
    pub(crate) from: Option<(u16, u32)>,
}

fn learn<const N: usize, T: Copy + PartialEq + Default>(known: &mut [T; N], value: T) -> bool {
    if value == T::default() || known.contains(&value) {
        return false;
    }
    known.rotate_right(1);
    known[0] = value;
    true
}

impl Origin {
    fn add(&mut self, event: &Event<'_>, network: u32, now: u32) -> Arrival {
        let mut arrival = Arrival::default();
        let bytes = event.country.as_bytes();
        let country = match bytes {
            [a, b] => u16::from_be_bytes([a.to_ascii_uppercase(), b.to_ascii_uppercase()]),
            _ => 0,
        };
        // What was never told before is not new when it is told.
        let knew_agent = self.agents[0] != 0;
        let knew_country = self.countries[0] != 0;
        let agent = crate::event::hash(&event.user_agent) as u32;
        let new_agent = learn(&mut self.agents, agent) && knew_agent;
        let new_country = learn(&mut self.countries, country) && knew_country;
        if country != 0 {
            if self.country != 0 && self.country != country {
                arrival.from = Some((self.country, now.saturating_sub(self.country_at)));
            }
            (self.country, self.country_at) = (country, now);
        }
        if network == 0 {
            return arrival;
        }
        match self.networks.iter_mut().find(|known| known.0 == network) {
            Some(known) => known.1 = now,
            None => {
                // Logs differ in whether they know the autonomous system: only like is compared.
                let is_alike = |known: u32| known != 0 && (known ^ network) & PREFIX_BIT == 0;
                let had_any = self.networks.iter().any(|known| is_alike(known.0));
                if let Some(oldest) = self.networks.iter_mut().min_by_key(|known| known.1) {
                    *oldest = (network, now);
                }
                if had_any {
                    (self.new_network, self.new_since, self.new_calls) = (network, now, 0);
                    self.new_signs = u8::from(new_agent) | u8::from(new_country) << 1;
                }
            }
        }
        if network == self.new_network {
            self.new_calls = self.new_calls.saturating_add(1);
        }
        arrival
    }
}

/// One caller.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Caller {
    pub(crate) first_seen: u32,
    pub(crate) calls: u32,
    /// Place of the newest row in the ring of evidence.
    pub(crate) place: u64,
    pub(crate) day: Panes<Day>,
    pub(crate) hour: Panes<Hour>,
    pub(crate) hours: HourlyBaseline,
    pub(crate) centroid: Centroid,
    pub(crate) recent: Recent,
    pub(crate) distances: Distances,
    pub(crate) pacing: Pacing,
    pub(crate) origin: Origin,
    /// Shares over the last few hundred calls.
    pub(crate) usual_refused: f32,
    pub(crate) usual_errors: f32,
    pub(crate) usual_logprobs: f32,
    /// Busiest day before, calls.
    pub(crate) day_calls: u32,
    pub(crate) days: u16,
    /// Hour in which each analytic last spoke.
    pub(crate) spoke: [u16; COUNT],
}

stored!(Caller {
    first_seen,
    calls,
    place,
    day,
    hour,
    hours,
    centroid,
    recent,
    distances,
    pacing,
    origin,
    usual_refused,
    usual_errors,
    usual_logprobs,
    day_calls,
    days,
    spoke
});

/// How much a call weighs in the usual shares.
const SHARE_WEIGHT: f32 = 0.004;

impl Caller {
    /// Takes in a row; what it tells in relation to the rows before.
    pub(crate) fn add(&mut self, event: &Event<'_>, network: u32, now: u32) -> (Relation, Arrival) {
        let mut relation = Relation::default();
        let mut arrival = Arrival::default();
        let hour = self.hour.at(now, HOUR_PANE_S);
        hour.add(event);
        if event.opens() && event.source != Source::Audit {
            arrival = self.origin.add(event, network, now);
            self.calls = self.calls.saturating_add(1);
            self.pacing.add(event.millis());
            self.hours.at(now);
            self.hours.calls += 1;
        }
        if event.is_model_call() {
            self.turn_of_day(now);
            if event.opens() {
                relation = self.recent.add(event);
                self.opened(event, now, relation);
            }
            if event.closes() {
                self.closed(event, now);
            }
        }
        (relation, arrival)
    }

    /// Remembers how busy the day was before its panes are gone.
    fn turn_of_day(&mut self, now: u32) {
        let (start, before) = (self.day.start(), self.day.total(|day| day.calls));
        self.day.at(now, DAY_PANE_S);
        if start != 0 && self.day.start() != start {
            self.day_calls = self.day_calls.max(before);
            self.days = self.days.saturating_add(1);
        }
    }

    fn opened(&mut self, event: &Event<'_>, now: u32, relation: Relation) {
        let day = self.day.at(now, DAY_PANE_S);
        day.calls += 1;
        day.single += u32::from(event.turn <= 1);
        if event.template != 0 {
            day.templated += 1;
            day.templates.add(event.template);
        }
        if event.input != 0 {
            day.inputs.add(mix(event.input));
        }
        if let Some(simhash) = event.simhash {
            day.buckets.add(mix(simhash >> 48));
            day.measured += 1;
            day.distance = day.distance.saturating_add(self.centroid.add(simhash));
        }
        let hour = self.hour.at(now, HOUR_PANE_S);
        bump(&mut hour.repeats, relation.is_repeat);
        let is_pair = relation.variants > 0 && relation.variants * 2 <= relation.known;
        bump(&mut hour.pairs, is_pair && !relation.is_repeat);
        bump(&mut hour.logprobs, event.logprobs);
        bump(
            &mut hour.scored,
            event.logprobs || event.confidence.is_some(),
        );
        let hovers = (35..70).contains(&event.score) && event.decision != Some(Decision::Block);
        bump(&mut hour.hovering, hovers);
        if event.is_classification() {
            bump(&mut hour.classified, true);
            let is_unsure = event.confidence.is_some_and(|c| (0.35..=0.65).contains(&c));
            bump(&mut hour.unsure, is_unsure);
            if let Some(distance) = relation.nearest {
                self.distances.add(distance, &event.label, now);
            }
        }
        self.usual_logprobs +=
            SHARE_WEIGHT * (f32::from(u8::from(event.logprobs)) - self.usual_logprobs);
    }

    fn closed(&mut self, event: &Event<'_>, now: u32) {
        let refused = event.is_refused();
        let hour = self.hour.at(now, HOUR_PANE_S);
        bump(&mut hour.refused, refused);
        let share = |value: bool| f32::from(u8::from(value));
        self.usual_refused += SHARE_WEIGHT * (share(refused) - self.usual_refused);
        let is_error = (400..500).contains(&event.status) && event.status != 429;
        self.usual_errors += SHARE_WEIGHT * (share(is_error) - self.usual_errors);
        let Some(tokens) = event.tokens() else { return };
        self.hours.at(now);
        // Tokens that were read cost about an eighth of those that were written.
        let read = event.input_tokens.unwrap_or(0);
        self.hours.tokens += (tokens - read) as f32 + read as f32 / 8.0;
        let day = self.day.at(now, DAY_PANE_S);
        day.told += 1;
        day.input_tokens += event.input_tokens.unwrap_or(0) as f32;
        let output = event.output_tokens.unwrap_or(0) + event.reasoning_tokens.unwrap_or(0);
        day.output_tokens += output as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::Caller;

    #[test]
    fn a_caller_leaves_room_for_its_key_and_index_in_a_kilobyte() {
        assert!(size_of::<Caller>() <= 940, "{} bytes", size_of::<Caller>());
    }
}
