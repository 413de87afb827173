//! Memory of queries that run at the same time.
//!
//! Half of the engine's memory is divided evenly: each of the queries that may run is sure of its
//! share, whatever the others do. The other half is lent: a query may borrow what its equal part
//! of it is while so many are running. A query that has less than it wants spills what it can to
//! disk (sorts, groups, joins); within a query, operators that can spill leave room for one another.

use std::fmt;
use std::sync::Arc;

use datafusion::common::{DataFusionError, Result, resources_datafusion_err};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use parking_lot::Mutex;

/// The memory of all queries of an engine.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    bytes_max: usize,
    query_bytes_max: usize,
    queries_max: usize,
    state: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    running: usize,
    /// What queries hold beyond what they are sure of.
    lent: usize,
}

impl SharedMemory {
    /// Memory for so many queries: in all, and at most for one of them.
    pub(crate) fn new(bytes_max: usize, query_bytes_max: usize, queries_max: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            query_bytes_max: query_bytes_max.min(bytes_max),
            queries_max: queries_max.max(1),
            state: Mutex::default(),
        })
    }

    /// The memory of one more query, for as long as it is kept.
    pub(crate) fn query(self: &Arc<Self>) -> Arc<dyn MemoryPool> {
        self.state.lock().running += 1;
        Arc::new(QueryMemory {
            shared: Arc::clone(self),
            state: Mutex::default(),
        })
    }

    /// What one query is sure of, bytes.
    const fn sure(&self) -> usize {
        self.bytes_max / 2 / self.queries_max
    }

    /// What all queries together may borrow, bytes.
    const fn lendable(&self) -> usize {
        self.bytes_max - self.sure() * self.queries_max
    }

    /// The most that one query may hold now, bytes.
    fn limit(&self, shared: &Shared) -> usize {
        let borrowed = self.lendable() / shared.running.max(1);
        (self.sure() + borrowed).min(self.query_bytes_max)
    }
}

/// The memory of one query.
#[derive(Debug)]
struct QueryMemory {
    shared: Arc<SharedMemory>,
    state: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Operators that can spill.
    spilling: usize,
    spillable: usize,
    unspillable: usize,
}

impl Held {
    const fn all(&self) -> usize {
        self.spillable + self.unspillable
    }

    const fn part(&mut self, can_spill: bool) -> &mut usize {
        if can_spill {
            &mut self.spillable
        } else {
            &mut self.unspillable
        }
    }
}

impl QueryMemory {
    /// Moves what is borrowed from one amount held to another.
    fn settle(&self, shared: &mut Shared, before: usize, after: usize) {
        let sure = self.shared.sure();
        let (was, is) = (before.saturating_sub(sure), after.saturating_sub(sure));
        shared.lent = (shared.lent + is).saturating_sub(was);
    }

    fn refused(&self, reservation: &MemoryReservation, wanted: usize) -> DataFusionError {
        let consumer = reservation.consumer().name();
        resources_datafusion_err!("{consumer} wants {wanted} bytes more than its query may hold")
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.state.lock().spilling += 1;
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            let mut state = self.state.lock();
            state.spilling = state.spilling.saturating_sub(1);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut held = self.state.lock();
        let before = held.all();
        *held.part(reservation.consumer().can_spill()) += additional;
        self.settle(&mut self.shared.state.lock(), before, held.all());
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut held = self.state.lock();
        let before = held.all();
        let part = held.part(reservation.consumer().can_spill());
        *part = part.saturating_sub(shrink);
        self.settle(&mut self.shared.state.lock(), before, held.all());
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut held = self.state.lock();
        let mut shared = self.shared.state.lock();
        let can_spill = reservation.consumer().can_spill();
        let limit = self.shared.limit(&shared);
        let (before, after) = (held.all(), held.all().saturating_add(additional));
        // Who can spill must not take what another spiller of the query needs to go on.
        let own_limit = if can_spill {
            limit.saturating_sub(held.unspillable) / held.spilling.max(1)
        } else {
            limit
        };
        let own = if can_spill {
            reservation.size().saturating_add(additional)
        } else {
            after
        };
        let sure = self.shared.sure();
        let borrowed = after.saturating_sub(sure.max(before));
        let is_lent = borrowed > 0 && shared.lent + borrowed > self.shared.lendable();
        if after > limit || own > own_limit || is_lent {
            return Err(self.refused(reservation, additional));
        }
        *held.part(can_spill) += additional;
        self.settle(&mut shared, before, after);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.state.lock().all()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.shared.query_bytes_max)
    }
}

impl fmt::Display for QueryMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query({} bytes)", self.reserved())
    }
}

impl Drop for QueryMemory {
    fn drop(&mut self) {
        let held = self.state.lock().all();
        let mut shared = self.shared.state.lock();
        self.settle(&mut shared, held, 0);
        shared.running = shared.running.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::SharedMemory;
    use datafusion::execution::memory_pool::MemoryConsumer;

    #[test]
    fn a_greedy_query_leaves_the_others_their_share() {
        let memory = SharedMemory::new(1_000, 1_000, 5);
        let greedy = memory.query();
        let large = MemoryConsumer::new("large").register(&greedy);
        // Its own 100 and all that is lent.
        assert!(large.try_grow(600).is_ok());
        assert!(large.try_grow(1).is_err());
        let late = memory.query();
        let small = MemoryConsumer::new("small").register(&late);
        assert!(small.try_grow(100).is_ok(), "a query is sure of its share");
        assert!(small.try_grow(1).is_err(), "all else is lent");
        // What comes back is for both.
        large.shrink(300);
        assert!(large.try_grow(100).is_err(), "more than its part of two");
        assert!(small.try_grow(250).is_ok());
        assert!(small.try_grow(1).is_err());
        drop((small, late));
        assert!(large.try_grow(300).is_ok(), "it is alone again");
        drop((large, greedy));
        let next = memory.query();
        let all = MemoryConsumer::new("all").register(&next);
        assert!(all.try_grow(600).is_ok(), "nothing was lost");
    }

    #[test]
    fn operators_that_can_spill_leave_room_for_one_another() {
        let memory = SharedMemory::new(1_000, 400, 1);
        let pool = memory.query();
        let spiller = |name: &str| {
            MemoryConsumer::new(name)
                .with_can_spill(true)
                .register(&pool)
        };
        let (one, two) = (spiller("one"), spiller("two"));
        let held = MemoryConsumer::new("held").register(&pool);
        assert!(held.try_grow(100).is_ok());
        assert!(one.try_grow(151).is_err(), "half of what is left");
        assert!(one.try_grow(150).is_ok());
        assert!(two.try_grow(150).is_ok());
        assert!(held.try_grow(1).is_err());
        drop(one);
        assert!(two.try_grow(150).is_ok());
    }
}
