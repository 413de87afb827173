//! What is remembered across callers: serious campaigns spread over accounts.
//!
//! Every table has a named limit; together they are a few tens of megabytes, however many callers
//! there are.

mod clusters;
mod datasets;
mod documents;
mod edits;
mod models;
mod networks;
mod similar;
mod traces;

pub(crate) use clusters::{Cluster, Clusters, Member};
pub(crate) use datasets::{Dataset, Datasets, Uploads, label_histogram};
pub(crate) use documents::Documents;
pub(crate) use edits::Edits;
pub(crate) use models::Models;
pub(crate) use networks::Networks;
pub(crate) use similar::{Series, Similar};
pub(crate) use traces::Traces;

use crate::stored::Input;

/// See the module.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) clusters: Clusters,
    pub(crate) datasets: Datasets,
    pub(crate) documents: Documents,
    pub(crate) edits: Edits,
    pub(crate) models: Models,
    pub(crate) networks: Networks,
    pub(crate) similar: Similar,
    pub(crate) traces: Traces,
}

impl World {
    pub(crate) fn store(&self, out: &mut Vec<u8>) {
        self.clusters.store(out);
        self.datasets.store(out);
        self.documents.store(out);
        self.edits.store(out);
        self.models.store(out);
        self.networks.store(out);
        self.similar.store(out);
        self.traces.store(out);
    }

    pub(crate) fn load(&mut self, from: &mut Input<'_>) -> Option<()> {
        self.clusters.load(from)?;
        self.datasets.load(from)?;
        self.documents.load(from)?;
        self.edits.load(from)?;
        self.models.load(from)?;
        self.networks.load(from)?;
        self.similar.load(from)?;
        self.traces.load(from)
    }
}

/// Keeps the first few different names.
pub(crate) fn keep_name(names: &mut Vec<Box<str>>, name: &str, count_max: usize) {
    let is_known = names.iter().any(|known| known.as_ref() == name);
    if !name.is_empty() && !is_known && names.len() < count_max {
        names.push(name.into());
    }
}

/// Keeps the last few places of evidence, newest first.
pub(crate) fn keep_place<const N: usize>(places: &mut [u64; N], place: u64) {
    places.rotate_right(1);
    if let Some(first) = places.first_mut() {
        *first = place;
    }
}
