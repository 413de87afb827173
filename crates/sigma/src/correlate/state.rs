//! Groups and their events: bounded, the quietest forgotten first.

use std::collections::HashMap;

use super::plan::Plan;
use super::window::Entry;
use super::{Counts, Limits};

const NONE: u32 = u32::MAX;

/// All groups.
#[derive(Debug, Default)]
pub(super) struct State {
    by_key: HashMap<Box<str>, u32>,
    groups: Vec<Group>,
    free: Vec<u32>,
    /// Most and least recently seen.
    first: Option<u32>,
    last: Option<u32>,
    pub(super) counts: Counts,
}

#[derive(Debug)]
struct Group {
    key: Box<str>,
    entries: Vec<Entry>,
    before: u32,
    after: u32,
}

/// A window that fired.
pub(super) struct Fired {
    pub(super) time: i64,
    pub(super) value: f64,
    pub(super) events: Vec<u64>,
}

impl State {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Adds an event to a group; gives the windows that fire by it.
    pub(super) fn add(
        &mut self,
        key: &str,
        entry: Entry,
        plan: &Plan,
        limits: Limits,
    ) -> Vec<Fired> {
        let index = self.group(key, limits.keys_max);
        let lateness = i64::try_from(limits.lateness.as_millis()).unwrap_or(i64::MAX / 4);
        let Some(group) = self.groups.get_mut(index as usize) else {
            return Vec::new();
        };
        let entries = &mut group.entries;
        let newest = entries
            .last()
            .map_or(entry.time, |last| last.time.max(entry.time));
        let keep = newest
            .saturating_sub(plan.timespan_ms)
            .saturating_sub(lateness);
        if entry.time < newest.saturating_sub(lateness) {
            self.counts.late_events += 1;
            return Vec::new();
        }
        let old = entries.partition_point(|known| known.time < keep);
        entries.drain(..old);
        if entries.len() >= plan.events_max {
            entries.remove(0);
            self.counts.evicted_events += 1;
        }
        if entries.capacity() == 0 {
            // Most groups have one event.
            entries.reserve_exact(1);
        }
        let at = entries.partition_point(|known| known.time <= entry.time);
        entries.insert(at, entry);
        fired(entries, at, plan)
    }

    fn group(&mut self, key: &str, keys_max: usize) -> u32 {
        if let Some(index) = self.by_key.get(key).copied() {
            self.unlink(index);
            self.link_first(index);
            return index;
        }
        while self.by_key.len() >= keys_max.max(1) {
            let Some(quietest) = self.last else {
                break;
            };
            self.forget(quietest);
            self.counts.evicted_keys += 1;
        }
        let group = Group {
            key: key.into(),
            entries: Vec::new(),
            before: NONE,
            after: NONE,
        };
        let index = match self.free.pop() {
            Some(index) => {
                self.groups[index as usize] = group;
                index
            }
            None => {
                self.groups.push(group);
                u32::try_from(self.groups.len() - 1).unwrap_or(NONE)
            }
        };
        self.by_key.insert(key.into(), index);
        self.link_first(index);
        index
    }

    fn forget(&mut self, index: u32) {
        self.unlink(index);
        let group = &mut self.groups[index as usize];
        group.entries = Vec::new();
        let key = std::mem::take(&mut group.key);
        self.by_key.remove(&key);
        self.free.push(index);
    }

    fn unlink(&mut self, index: u32) {
        let (before, after) = {
            let group = &self.groups[index as usize];
            (group.before, group.after)
        };
        match self.groups.get_mut(before as usize) {
            Some(group) => group.after = after,
            None => self.first = (after != NONE).then_some(after),
        }
        match self.groups.get_mut(after as usize) {
            Some(group) => group.before = before,
            None => self.last = (before != NONE).then_some(before),
        }
    }

    fn link_first(&mut self, index: u32) {
        let first = self.first.unwrap_or(NONE);
        let group = &mut self.groups[index as usize];
        group.before = NONE;
        group.after = first;
        match self.groups.get_mut(first as usize) {
            Some(group) => group.before = index,
            None => self.last = Some(index),
        }
        self.first = Some(index);
    }

    /// All groups, the quietest first.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&str, &[Entry])> {
        let mut at = self.last;
        std::iter::from_fn(move || {
            let group = self.groups.get(at? as usize)?;
            at = (group.before != NONE).then_some(group.before);
            Some((&*group.key, group.entries.as_slice()))
        })
    }

    /// Puts a group back as it was.
    pub(super) fn restore(&mut self, key: &str, entries: Vec<Entry>, keys_max: usize) {
        let index = self.group(key, keys_max);
        if let Some(group) = self.groups.get_mut(index as usize) {
            group.entries = entries;
        }
    }
}

/// The windows that an event changed: those that end with it, with an event of the same time,
/// or with one that came before it and is of a later time.
fn fired(entries: &mut [Entry], at: usize, plan: &Plan) -> Vec<Fired> {
    let time = entries[at].time;
    let from = entries.partition_point(|entry| entry.time < time);
    let mut fired = Vec::new();
    for anchor in from..entries.len() {
        let end_time = entries[anchor].time;
        if end_time.saturating_sub(plan.timespan_ms) > time {
            break;
        }
        if entries[anchor].fired {
            continue;
        }
        let start = end_time.saturating_sub(plan.timespan_ms);
        let low = entries.partition_point(|entry| entry.time < start);
        let high = entries.partition_point(|entry| entry.time <= end_time);
        let window = &entries[low..high];
        if let Some(value) = plan.condition.fires(window) {
            fired.push(Fired {
                time: end_time,
                value,
                events: window.iter().map(|entry| entry.event).collect(),
            });
            entries[anchor].fired = true;
        }
    }
    fired
}
