//! Every aggregate function: an ordered list. An aggregate is a small state machine over
//! [`Value`]s; DataFusion drives it per group and, when it plans two phases, merges states.

mod basic;
mod collect;
mod digest;
mod distinct;
mod extremes;
mod percentiles;
mod schema;
mod spread;

use arrow::array::{Array as _, ArrayRef, BinaryArray, BooleanArray};

use crate::types::Type;
use crate::value::Value;

pub(crate) use digest::Digest;
pub(crate) use distinct::Sketch;

static FAMILIES: &[&[Aggregate]] = &[
    basic::AGGREGATES,
    collect::AGGREGATES,
    digest::AGGREGATES,
    distinct::AGGREGATES,
    extremes::AGGREGATES,
    percentiles::AGGREGATES,
    schema::AGGREGATES,
    spread::AGGREGATES,
];

/// The aggregate of that name.
pub(crate) fn find(name: &str) -> Option<&'static Aggregate> {
    FAMILIES
        .iter()
        .flat_map(|family| family.iter())
        .find(|aggregate| aggregate.name == name)
}

/// Names of all aggregates, sorted.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let all = FAMILIES.iter().flat_map(|family| family.iter());
    let mut names: Vec<_> = all.map(|aggregate| aggregate.name).collect();
    names.sort_unstable();
    names
}

/// State of one group.
pub(crate) trait State: Send + Sync {
    /// Takes one row's arguments.
    fn update(&mut self, args: &[Value]);
    /// The state as values, for another instance to merge.
    fn save(&self) -> Value;
    /// Takes over what another instance saved.
    fn merge(&mut self, saved: &Value);
    /// The result.
    fn finish(&mut self) -> Value;
    /// Bytes held, roughly.
    fn size(&self) -> usize {
        256
    }
}

/// A call as it is known when the query is planned.
pub(crate) struct AggregateCall<'a> {
    pub(crate) arg_types: &'a [Type],
    pub(crate) constants: &'a [Option<Value>],
    pub(crate) result: Type,
}

/// Which rows of a batch to take, and the group of each; groups are numbered from 0.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// One for each row; without, all are of group 0.
    pub(crate) groups: Option<&'a [usize]>,
    /// Rows that are taken; without, all are.
    pub(crate) filter: Option<&'a BooleanArray>,
    /// How many rows there are.
    pub(crate) count: usize,
}

impl Rows<'_> {
    /// Rows and groups.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        let group = |row: usize| match self.groups {
            Some(groups) => groups.get(row).copied().unwrap_or(0),
            None => 0,
        };
        let is_taken = |row: &usize| {
            self.filter
                .is_none_or(|filter| filter.is_valid(*row) && filter.value(*row))
        };
        (0..self.count)
            .filter(is_taken)
            .map(move |row| (row, group(row)))
    }
}

/// States of all groups, fed with whole columns: for aggregates that many rows pass through.
pub(crate) trait Columns: Send + Sync {
    /// Takes the arguments of these rows.
    fn update(&mut self, columns: &[ArrayRef], rows: Rows<'_>);
    /// Takes over what another instance saved.
    fn merge(&mut self, saved: &BinaryArray, rows: Rows<'_>);
    /// The states of the first groups, which are gone afterwards; the others move up.
    fn save(&mut self, first: usize) -> BinaryArray;
    /// The results of the first groups, which are gone afterwards; the others move up.
    fn finish(&mut self, first: usize) -> ArrayRef;
    /// Bytes held, roughly.
    fn size(&self) -> usize;
}

/// How an aggregate computes.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    /// A state for each group.
    Rows(fn(&AggregateCall<'_>) -> Box<dyn State>),
    /// One for all groups.
    Columns(fn(&AggregateCall<'_>) -> Box<dyn Columns>),
}

/// One aggregate function.
pub(crate) struct Aggregate {
    pub(crate) name: &'static str,
    pub(crate) start: Start,
}

impl Aggregate {
    const fn new(name: &'static str, start: fn(&AggregateCall<'_>) -> Box<dyn State>) -> Self {
        Self {
            name,
            start: Start::Rows(start),
        }
    }

    const fn of_columns(
        name: &'static str,
        start: fn(&AggregateCall<'_>) -> Box<dyn Columns>,
    ) -> Self {
        Self {
            name,
            start: Start::Columns(start),
        }
    }
}
