//! Networks, for what many callers or none at all do from one place.

use super::{keep_name, keep_place};
use crate::caller::{HOUR_PANE_S, Hour};
use crate::event::{Event, hash_of};
use crate::sketch::{Distinct, Pane, Panes};
use crate::stored::{Input, stored};
use crate::table::Table;

/// Networks that are remembered.
const NETWORKS_MAX: usize = 16_384;
const NAMES_MAX: usize = 8;

/// Half an hour of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct NetworkHour {
    pub(crate) all: Hour,
    pub(crate) callers: Distinct<32>,
}

stored!(NetworkHour { all, callers });

impl Pane for NetworkHour {
    fn merge(&mut self, other: &Self) {
        self.all.merge(&other.all);
        self.callers.merge(&other.callers);
    }
}

/// One network.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Network {
    pub(crate) first_seen: u32,
    pub(crate) hour: Panes<NetworkHour>,
    pub(crate) spoke: [u32; 2],
    pub(crate) addresses: Vec<Box<str>>,
    pub(crate) places: [u64; 8],
}

stored!(Network {
    first_seen,
    hour,
    spoke,
    addresses,
    places
});

/// See the module.
pub(crate) struct Networks(Table<Network>);

impl Default for Networks {
    fn default() -> Self {
        Self(Table::new(NETWORKS_MAX))
    }
}

impl Networks {
    /// Takes in a row.
    pub(crate) fn add(&mut self, event: &Event<'_>, network: u32, now: u32, place: u64) {
        let key = u64::from(network);
        if key == 0 {
            return;
        }
        let new = || Network {
            first_seen: now,
            ..Network::default()
        };
        let Some(network) = self.0.entry(crate::sketch::mix(key), now, new) else {
            return;
        };
        let hour = network.hour.at(now, HOUR_PANE_S);
        hour.all.add(event);
        hour.callers.add(hash_of(&[&event.tenant, event.actor()]));
        if event.status >= 400 || event.auth == "failure" {
            keep_name(&mut network.addresses, &event.address, NAMES_MAX);
            keep_place(&mut network.places, place);
        }
    }

    pub(crate) fn get_mut(&mut self, network: u32) -> Option<&mut Network> {
        let key = u64::from(network);
        self.0.get_mut(crate::sketch::mix(key)).filter(|_| key != 0)
    }

    pub(crate) fn store(&self, out: &mut Vec<u8>) {
        self.0.store(out);
    }

    pub(crate) fn load(&mut self, from: &mut Input<'_>) -> Option<()> {
        self.0.load(from)
    }
}
