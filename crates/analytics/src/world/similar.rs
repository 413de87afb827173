//! Series of near-equal inputs to classifiers, across callers: what a search for an adversarial
//! example leaves behind (in the manner of Blacklight: fingerprints, an index, neighbours).
//!
//! SimHashes are indexed by four bands of sixteen bits. Two that differ in up to three bits share
//! a band for certain; at eight bits about every third pair does, and a series needs one hit per
//! input, with any of its members.

use super::{keep_name, keep_place};
use crate::caller::NEAR_BITS;
use crate::event::{Event, hash};
use crate::sketch::{Trend, mix};
use crate::stored::{Input, Stored, stored};

/// Inputs that are remembered.
const INPUTS_MAX: usize = 1 << 17;
/// Series that are remembered.
const SERIES_MAX: usize = 1 << 14;
/// How long an input is remembered, seconds.
const TTL_S: u32 = 6 * 3_600;
const BAND_PLACES: usize = 4;
const BANDS: usize = 4;
const NAMES_MAX: usize = 4;

/// Near-equal inputs to one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) model: u32,
    pub(crate) count: u32,
    /// Changes of the predicted class from one input to the next.
    pub(crate) flips: u32,
    /// Confidence below 0.7.
    pub(crate) unsure: u32,
    pub(crate) told: u32,
    first_label: u64,
    last_label: u64,
    /// Confidence in the first class.
    pub(crate) trend: Trend,
    pub(crate) spoke: u32,
    pub(crate) spoke_inversion: u32,
    pub(crate) callers: Vec<Box<str>>,
    pub(crate) places: [u64; 8],
}

stored!(Series {
    first,
    last,
    model,
    count,
    flips,
    unsure,
    told,
    first_label,
    last_label,
    trend,
    spoke,
    spoke_inversion,
    callers,
    places
});

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Known {
    simhash: u64,
    series: u32,
    time: u32,
}

stored!(Known {
    simhash,
    series,
    time
});

/// See the module.
#[derive(Default)]
pub(crate) struct Similar {
    inputs: Vec<Known>,
    next: u64,
    series: Vec<Series>,
    next_series: u64,
    /// Places in `inputs`, plus one; 0 is empty.
    bands: Vec<[u32; BAND_PLACES]>,
    /// The series of the event that is being judged.
    current: Option<usize>,
}

impl Similar {
    /// Takes in an event; if it is a classification, it continues a series or begins one.
    pub(crate) fn add(&mut self, event: &Event<'_>, now: u32, place: u64) {
        self.current = None;
        if !event.is_classification() || !event.opens() || event.input == 0 {
            return;
        }
        // A hash that is no SimHash still tells equal inputs; spread, it is near to no other.
        let simhash = event.simhash.unwrap_or_else(|| mix(event.input));
        let model = hash(&event.model) as u32;
        let found = self.find(simhash, model, now);
        let at = found.unwrap_or_else(|| self.begin(now, model));
        self.remember(Known {
            simhash,
            series: at as u32,
            time: now,
        });
        if let Some(series) = self.series.get_mut(at) {
            series.add(event, now);
            keep_place(&mut series.places, place);
            self.current = Some(at);
        }
    }

    /// The series of the event that was added last, if it has one.
    pub(crate) fn current(&mut self) -> Option<&mut Series> {
        self.series.get_mut(self.current?)
    }

    fn find(&self, simhash: u64, model: u32, now: u32) -> Option<usize> {
        let mut nearest = (NEAR_BITS + 1, None);
        for band in 0..BANDS {
            let places = self.bands.get(band_of(simhash, band))?;
            for known in places
                .iter()
                .filter_map(|at| self.inputs.get(at.wrapping_sub(1) as usize))
            {
                let distance = (known.simhash ^ simhash).count_ones();
                if distance >= nearest.0 || now.saturating_sub(known.time) > TTL_S {
                    continue;
                }
                let series = self.series.get(known.series as usize);
                if series.is_some_and(|series| series.model == model) {
                    nearest = (distance, Some(known.series as usize));
                }
            }
        }
        nearest.1
    }

    fn begin(&mut self, now: u32, model: u32) -> usize {
        let at = (self.next_series % SERIES_MAX as u64) as usize;
        self.next_series += 1;
        let series = Series {
            first: now,
            model,
            ..Series::default()
        };
        match self.series.get_mut(at) {
            Some(old) => *old = series,
            None => self.series.push(series),
        }
        at
    }

    fn remember(&mut self, known: Known) {
        if self.bands.is_empty() {
            self.bands = vec![[0; BAND_PLACES]; BANDS << 16];
        }
        let at = (self.next % INPUTS_MAX as u64) as usize;
        self.next += 1;
        match self.inputs.get_mut(at) {
            Some(old) => *old = known,
            None => self.inputs.push(known),
        }
        self.index(known.simhash, at as u32 + 1);
    }

    fn index(&mut self, simhash: u64, place: u32) {
        for band in 0..BANDS {
            if let Some(places) = self.bands.get_mut(band_of(simhash, band)) {
                places.rotate_right(1);
                places[0] = place;
            }
        }
    }

    pub(crate) fn store(&self, out: &mut Vec<u8>) {
        self.inputs.store(out);
        self.next.store(out);
        self.series.store(out);
        self.next_series.store(out);
    }

    pub(crate) fn load(&mut self, from: &mut Input<'_>) -> Option<()> {
        let inputs = Vec::<Known>::load(from)?;
        let next = u64::load(from)?;
        let series = Vec::<Series>::load(from)?;
        let next_series = u64::load(from)?;
        if inputs.len() as u64 != next.min(INPUTS_MAX as u64)
            || series.len() as u64 != next_series.min(SERIES_MAX as u64)
        {
            return None;
        }
        *self = Self {
            inputs,
            next,
            series,
            next_series,
            bands: Vec::new(),
            current: None,
        };
        if self.inputs.is_empty() {
            return Some(());
        }
        self.bands = vec![[0; BAND_PLACES]; BANDS << 16];
        let oldest = if self.next > INPUTS_MAX as u64 {
            self.next as usize % INPUTS_MAX
        } else {
            0
        };
        for i in 0..self.inputs.len() {
            let at = (oldest + i) % self.inputs.len();
            self.index(self.inputs[at].simhash, at as u32 + 1);
        }
        Some(())
    }
}

const fn band_of(simhash: u64, band: usize) -> usize {
    (band << 16) | (simhash >> (16 * band)) as usize & 0xffff
}

impl Series {
    fn add(&mut self, event: &Event<'_>, now: u32) {
        let label = hash(&event.label);
        if self.count == 0 {
            self.first_label = label;
        } else if label != 0 && self.last_label != 0 && label != self.last_label {
            self.flips += 1;
        }
        self.last_label = label;
        self.count += 1;
        self.last = now;
        if let Some(confidence) = event.confidence {
            self.told += 1;
            self.unsure += u32::from(confidence < 0.7);
            let is_first = label == self.first_label;
            self.trend.add(if is_first {
                confidence
            } else {
                1.0 - confidence
            });
        }
        keep_name(&mut self.callers, event.actor(), NAMES_MAX);
    }
}
