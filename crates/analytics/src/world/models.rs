//! What is usual for a model, over all of its callers.

use super::keep_place;
use crate::event::{Event, hash};
use crate::sketch::{LogHistogram, mix};
use crate::stored::{Input, stored};
use crate::table::Table;

/// Models that are remembered.
const MODELS_MAX: usize = 2_048;
const HOUR_S: u32 = 3_600;
/// Labels whose shares are compared, by their hashes.
pub(crate) const LABELS: usize = 32;

/// An hourly figure against its history: mean and mean deviation of the hours before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Level {
    sum: f32,
    pub(crate) count: u32,
    pub(crate) mean: f32,
    pub(crate) deviation: f32,
    pub(crate) hours: u16,
}

stored!(Level {
    sum,
    count,
    mean,
    deviation,
    hours
});

impl Level {
    fn add(&mut self, value: f32) {
        self.sum += value;
        self.count += 1;
    }

    /// The mean of the hour so far.
    pub(crate) fn now(&self) -> f32 {
        self.sum / (self.count.max(1) as f32)
    }

    fn close(&mut self) {
        if self.count >= 20 {
            let now = self.now();
            // The first hours weigh more, so that the mean is a mean from the start.
            let weight = (1.0 / (f32::from(self.hours) + 1.0)).max(0.02);
            let off = (now - self.mean).abs();
            self.mean += weight * (now - self.mean);
            if self.hours > 0 {
                self.deviation += weight * (off - self.deviation);
            }
            self.hours = self.hours.saturating_add(1);
        }
        (self.sum, self.count) = (0.0, 0);
    }
}

/// One model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    hour: u32,
    pub(crate) confidence: Level,
    pub(crate) unsure: Level,
    pub(crate) refused: Level,
    pub(crate) tokens: LogHistogram,
    /// Labels of the day so far, and of the days before.
    pub(crate) labels: [u32; LABELS],
    pub(crate) usual_labels: [f32; LABELS],
    pub(crate) days: u16,
    day: u32,
    /// Last day whose labels drifted, and how many in a row.
    pub(crate) drifted: u16,
    pub(crate) drift: f32,
    pub(crate) spoke: [u32; 3],
    pub(crate) places: [u64; 8],
}

stored!(Model {
    hour,
    confidence,
    unsure,
    refused,
    tokens,
    labels,
    usual_labels,
    days,
    day,
    drifted,
    drift,
    spoke,
    places
});

impl Model {
    fn add(&mut self, event: &Event<'_>, now: u32, place: u64) {
        if now / HOUR_S > self.hour {
            for level in [&mut self.confidence, &mut self.unsure, &mut self.refused] {
                level.close();
            }
            self.hour = now / HOUR_S;
        }
        if now / (24 * HOUR_S) > self.day {
            self.close_day();
            self.day = now / (24 * HOUR_S);
        }
        if let Some(confidence) = event.confidence.filter(|_| event.opens()) {
            self.confidence.add(confidence);
            let is_unsure = confidence < 0.7;
            self.unsure.add(f32::from(u8::from(is_unsure)));
            if is_unsure {
                keep_place(&mut self.places, place);
            }
        }
        if !event.label.is_empty() && event.opens() {
            let at = (mix(hash(&event.label)) >> 59) as usize % LABELS;
            self.labels[at] = self.labels[at].saturating_add(1);
        }
        if event.closes() {
            // What the gateway stops says something of a caller, not of the model.
            let is_refused = event.is_refused_by_model();
            self.refused.add(f32::from(u8::from(is_refused)));
            if is_refused {
                keep_place(&mut self.places, place);
            }
        }
    }

    fn close_day(&mut self) {
        let total: u32 = self.labels.iter().sum();
        if total >= 200 {
            let actual: Vec<f64> = self.labels.iter().map(|n| f64::from(*n)).collect();
            let usual: Vec<f64> = self.usual_labels.iter().map(|n| f64::from(*n)).collect();
            if self.days >= 3 {
                self.drift = crate::stats::psi(&usual, &actual) as f32;
                self.drifted = if self.drift >= 0.25 {
                    self.drifted + 1
                } else {
                    0
                };
            }
            // A drifted day is not what is usual until it has lasted.
            let weight = if self.drifted > 0 { 0.05 } else { 0.3 };
            let scale = if self.days == 0 { 1.0 } else { weight };
            for (usual, now) in self.usual_labels.iter_mut().zip(self.labels) {
                *usual += scale * (now as f32 - *usual);
            }
            self.days = self.days.saturating_add(1);
        }
        self.labels = [0; LABELS];
    }
}

/// See the module.
pub(crate) struct Models(Table<Model>);

impl Default for Models {
    fn default() -> Self {
        Self(Table::new(MODELS_MAX))
    }
}

impl Models {
    /// Takes in a call.
    pub(crate) fn add(&mut self, event: &Event<'_>, now: u32, place: u64) {
        if event.model.is_empty() || !event.is_model_call() {
            return;
        }
        if let Some(model) = self.0.entry(hash(&event.model), now, Model::default) {
            model.add(event, now, place);
        }
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Model> {
        self.0.get_mut(hash(name))
    }

    pub(crate) fn store(&self, out: &mut Vec<u8>) {
        self.0.store(out);
    }

    pub(crate) fn load(&mut self, from: &mut Input<'_>) -> Option<()> {
        self.0.load(from)
    }
}
