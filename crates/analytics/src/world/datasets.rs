//! Data sets, who changes them, and what is uploaded again and again.

use super::keep_place;
use crate::event::{Act, Event, hash, hash_of};
use crate::sketch::{Distinct, Pane, Panes};
use crate::stored::{Input, stored};
use crate::table::Table;

/// Data sets that are remembered.
const DATASETS_MAX: usize = 2_048;
/// Pairs of data set and contributor.
const CONTRIBUTORS_MAX: usize = 16_384;
/// Contents by hash.
const UPLOADS_MAX: usize = 32_768;
/// Features and labels of a data set that are compared.
const HISTOGRAMS_MAX: usize = 64;

/// A histogram by the hashes of its labels, in order of the hashes.
pub(crate) type Histogram = Vec<(u64, f64)>;

/// One data set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Dataset {
    pub(crate) first_seen: u32,
    pub(crate) labels: Histogram,
    /// Bins by feature.
    pub(crate) features: Vec<(u64, Vec<f64>)>,
    /// Rows of the contributors that changed it: sum by day, and how many days and contributors.
    pub(crate) usual_rows: f64,
    pub(crate) changes: u32,
    pub(crate) spoke: [u32; 2],
    pub(crate) places: [u64; 4],
}

stored!(Dataset {
    first_seen,
    labels,
    features,
    usual_rows,
    changes,
    spoke,
    places
});

impl Dataset {
    /// Puts the histograms of a version in the place of the ones before.
    pub(crate) fn learn(&mut self, act: &Act<'_>) {
        if !act.labels.is_empty() {
            self.labels = label_histogram(act);
        }
        for (name, bins) in act.features.iter().take(HISTOGRAMS_MAX) {
            let key = hash(name);
            let at = self.features.iter().position(|known| known.0 == key);
            match at {
                Some(at) => self.features[at].1.clone_from(bins),
                None if self.features.len() < HISTOGRAMS_MAX => {
                    self.features.push((key, bins.clone()));
                }
                None => {}
            }
        }
    }
}

pub(crate) fn label_histogram(act: &Act<'_>) -> Histogram {
    let mut labels: Histogram = act
        .labels
        .iter()
        .take(HISTOGRAMS_MAX)
        .map(|(label, count)| (hash(label), *count))
        .collect();
    labels.sort_by_key(|label| label.0);
    labels
}

/// One contributor of one data set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Contribution {
    pub(crate) first_seen: u32,
    day: u32,
    pub(crate) rows: f64,
    /// Usual and highest rows of a day with changes.
    pub(crate) usual: f64,
    pub(crate) highest: f64,
    pub(crate) days: u16,
    pub(crate) spoke: u32,
    pub(crate) places: [u64; 4],
}

stored!(Contribution {
    first_seen,
    day,
    rows,
    usual,
    highest,
    days,
    spoke,
    places
});

impl Contribution {
    fn add(&mut self, rows: f64, now: u32) {
        let day = now / 86_400;
        if day > self.day {
            if self.rows > 0.0 {
                self.highest = self.highest.max(self.rows);
                let weight = (1.0 / (f64::from(self.days) + 1.0)).max(0.1);
                self.usual += weight * (self.rows - self.usual);
                self.days = self.days.saturating_add(1);
            }
            (self.day, self.rows) = (day, 0.0);
        }
        self.rows += rows;
    }
}

/// An hour of uploads of one content.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Uploads {
    pub(crate) times: u32,
    pub(crate) names: Distinct<32>,
}

stored!(Uploads { times, names });

impl Pane for Uploads {
    fn merge(&mut self, other: &Self) {
        self.times += other.times;
        self.names.merge(&other.names);
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Content {
    pub(crate) window: Panes<Uploads>,
    pub(crate) spoke: u32,
    pub(crate) places: [u64; 8],
}

stored!(Content {
    window,
    spoke,
    places
});

/// See the module.
pub(crate) struct Datasets {
    datasets: Table<Dataset>,
    contributors: Table<Contribution>,
    contents: Table<Content>,
}

impl Default for Datasets {
    fn default() -> Self {
        Self {
            datasets: Table::new(DATASETS_MAX),
            contributors: Table::new(CONTRIBUTORS_MAX),
            contents: Table::new(UPLOADS_MAX),
        }
    }
}

impl Datasets {
    pub(crate) fn dataset(&mut self, act: &Act<'_>, now: u32) -> Option<&mut Dataset> {
        let new = || Dataset {
            first_seen: now,
            ..Dataset::default()
        };
        self.datasets.entry(hash(act.subject()), now, new)
    }

    /// Takes in a change of rows; the contributor, and what is usual for the data set.
    pub(crate) fn contribute(
        &mut self,
        event: &Event<'_>,
        act: &Act<'_>,
        now: u32,
        place: u64,
    ) -> Option<(&mut Contribution, f64, u32)> {
        let rows = (act.rows_added + act.rows_changed + act.rows_deleted) as f64;
        if rows <= 0.0 {
            return None;
        }
        let dataset = self.dataset(act, now)?;
        let (usual, changes) = (dataset.usual_rows, dataset.changes);
        let weight = (1.0 / (f64::from(changes) + 1.0)).max(0.05);
        // A flood must not become usual by itself.
        let weighed = if changes == 0 {
            rows
        } else {
            rows.min(4.0 * usual.max(1.0))
        };
        dataset.usual_rows += weight * (weighed - usual);
        dataset.changes += 1;
        let key = hash_of(&[act.subject(), event.actor()]);
        let new = || Contribution {
            first_seen: now,
            ..Contribution::default()
        };
        let contribution = self.contributors.entry(key, now, new)?;
        contribution.add(rows, now);
        keep_place(&mut contribution.places, place);
        Some((contribution, usual, changes))
    }

    /// Takes in an upload of a content.
    pub(crate) fn upload(
        &mut self,
        act: &Act<'_>,
        now: u32,
        pane_s: u32,
        place: u64,
    ) -> Option<&mut Content> {
        if act.sha256.is_empty() {
            return None;
        }
        let content = self
            .contents
            .entry(hash(&act.sha256), now, Content::default)?;
        let window = content.window.at(now, pane_s);
        window.times += 1;
        window.names.add(hash(act.subject()));
        keep_place(&mut content.places, place);
        Some(content)
    }

    pub(crate) fn store(&self, out: &mut Vec<u8>) {
        self.datasets.store(out);
        self.contributors.store(out);
        self.contents.store(out);
    }

    pub(crate) fn load(&mut self, from: &mut Input<'_>) -> Option<()> {
        self.datasets.load(from)?;
        self.contributors.load(from)?;
        self.contents.load(from)
    }
}
