//! Documents that are retrieved: how often, for how different questions, since when.

use super::keep_place;
use crate::event::{Event, hash, hash_of};
use crate::sketch::{Centroid, Distinct, Pane, Panes, mix};
use crate::stored::{Input, stored};
use crate::table::Table;

/// Documents that are remembered.
const DOCUMENTS_MAX: usize = 32_768;
const PANE_S: u32 = 12 * 3_600;

/// Half a day of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Retrieved {
    pub(crate) times: u32,
    pub(crate) questions: Distinct<32>,
    pub(crate) callers: Distinct<32>,
    /// Questions with a SimHash, and the sum of their distances to the document's centroid.
    pub(crate) measured: u32,
    pub(crate) distance: u32,
}

stored!(Retrieved {
    times,
    questions,
    callers,
    measured,
    distance
});

impl Pane for Retrieved {
    fn merge(&mut self, other: &Self) {
        self.times += other.times;
        self.questions.merge(&other.questions);
        self.callers.merge(&other.callers);
        self.measured += other.measured;
        self.distance = self.distance.saturating_add(other.distance);
    }
}

/// One document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Document {
    pub(crate) first_seen: u32,
    /// When it was written to the index, if that was logged.
    pub(crate) written: u32,
    /// A scan found instructions or worse in it.
    pub(crate) is_flagged: bool,
    pub(crate) window: Panes<Retrieved>,
    centroid: Centroid,
    pub(crate) spoke: u32,
    pub(crate) places: [u64; 4],
}

stored!(Document {
    first_seen,
    written,
    is_flagged,
    window,
    centroid,
    spoke,
    places
});

/// All retrievals of half a day.
impl Pane for (u32, u32) {
    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
        self.1 += other.1;
    }
}

/// See the module.
pub(crate) struct Documents {
    table: Table<Document>,
    /// Retrievals, and documents in them.
    all: Panes<(u32, u32)>,
}

impl Default for Documents {
    fn default() -> Self {
        Self {
            table: Table::new(DOCUMENTS_MAX),
            all: Panes::default(),
        }
    }
}

impl Documents {
    /// Takes in a retrieval.
    pub(crate) fn add(&mut self, event: &Event<'_>, now: u32, place: u64) {
        if event.documents.is_empty() {
            return;
        }
        self.all.at(now, PANE_S).0 += 1;
        let question = mix(event.simhash.map_or(event.input, |simhash| simhash >> 48));
        let caller = hash_of(&[&event.tenant, event.actor()]);
        for id in &event.documents {
            self.all.at(now, PANE_S).1 += 1;
            let new = || Document {
                first_seen: now,
                ..Document::default()
            };
            if let Some(document) = self.table.entry(hash(id), now, new) {
                let window = document.window.at(now, PANE_S);
                window.times += 1;
                window.questions.add(question);
                window.callers.add(caller);
                if let Some(simhash) = event.simhash {
                    window.measured += 1;
                    let distance = document.centroid.add(simhash);
                    window.distance = window.distance.saturating_add(distance);
                }
                keep_place(&mut document.places, place);
            }
        }
    }

    /// Takes in a write to an index.
    pub(crate) fn written(&mut self, id: &str, is_flagged: bool, now: u32, place: u64) {
        let new = || Document {
            first_seen: now,
            ..Document::default()
        };
        if let Some(document) = self.table.entry(hash(id), now, new) {
            document.written = now;
            document.is_flagged |= is_flagged;
            keep_place(&mut document.places, place);
        }
    }

    /// A document, and all retrievals of the window.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<(&mut Document, u32)> {
        let all = self.all.total(|all| all.0);
        Some((self.table.get_mut(hash(id))?, all))
    }

    pub(crate) fn store(&self, out: &mut Vec<u8>) {
        use crate::stored::Stored as _;
        self.table.store(out);
        self.all.store(out);
    }

    pub(crate) fn load(&mut self, from: &mut Input<'_>) -> Option<()> {
        use crate::stored::Stored as _;
        self.table.load(from)?;
        self.all = Panes::load(from)?;
        Some(())
    }
}
