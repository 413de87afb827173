//! Places where appends wait: a slab, so that waiting allocates nothing once it has grown.

use std::task::{Poll, Waker};

use crate::append::Appended;
use crate::error::AppendError;

#[derive(Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

enum Slot {
    Free,
    Waiting(Option<Waker>),
    /// The append was dropped; its record is written all the same.
    Abandoned,
    Done(Result<Appended, AppendError>),
}

impl Slots {
    pub(crate) fn take(&mut self) -> usize {
        if let Some(slot) = self.free.pop() {
            self.slots[slot] = Slot::Waiting(None);
            return slot;
        }
        self.slots.push(Slot::Waiting(None));
        self.slots.len() - 1
    }

    /// The record is written or refused; returns whom to wake.
    pub(crate) fn finish(
        &mut self,
        slot: usize,
        result: Result<Appended, AppendError>,
    ) -> Option<Waker> {
        match std::mem::replace(&mut self.slots[slot], Slot::Free) {
            Slot::Waiting(waker) => {
                self.slots[slot] = Slot::Done(result);
                waker
            }
            Slot::Abandoned => {
                self.free.push(slot);
                None
            }
            Slot::Free | Slot::Done(_) => None,
        }
    }

    /// The result, whose slot is then free; or registers whom to wake when there is one.
    pub(crate) fn poll(
        &mut self,
        slot: usize,
        waker: &Waker,
    ) -> Poll<Result<Appended, AppendError>> {
        match &mut self.slots[slot] {
            Slot::Waiting(Some(known)) if known.will_wake(waker) => Poll::Pending,
            Slot::Waiting(known) => {
                *known = Some(waker.clone());
                Poll::Pending
            }
            Slot::Done(result) => {
                let result = std::mem::replace(result, Err(AppendError::Closed));
                self.release(slot);
                Poll::Ready(result)
            }
            Slot::Free | Slot::Abandoned => Poll::Ready(Err(AppendError::Closed)),
        }
    }

    pub(crate) fn abandon(&mut self, slot: usize) {
        match self.slots[slot] {
            Slot::Waiting(_) => self.slots[slot] = Slot::Abandoned,
            Slot::Done(_) => self.release(slot),
            Slot::Free | Slot::Abandoned => {}
        }
    }

    fn release(&mut self, slot: usize) {
        self.slots[slot] = Slot::Free;
        self.free.push(slot);
    }
}
