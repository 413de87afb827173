//! State as bytes and back, with a version in front.
//!
//! Groups are kept by the meaning of their correlation, not by its place or its name: rules may
//! come, go and change between a snapshot and its return.

use std::collections::HashMap;

use super::Limits;
use super::plan::Plan;
use super::state::State;
use super::window::Entry;

const MAGIC: &[u8; 8] = b"ATLSIG\x00\x01";

/// Why a snapshot cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// Not one, or of another version.
    Version,
    /// Cut off or damaged.
    Damaged,
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Version => "not a snapshot of this version",
            Self::Damaged => "the snapshot is damaged",
        })
    }
}

impl std::error::Error for SnapshotError {}

pub(super) fn write(state: &State, plans: &[Plan], last_time: i64) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(last_time.to_le_bytes());
    let mut body = Vec::new();
    let mut count = 0_u64;
    for (key, entries) in state.groups() {
        let Some((plan, rest)) = split(key) else {
            continue;
        };
        let Some(plan) = plans.get(plan) else {
            continue;
        };
        count += 1;
        body.extend(plan.fingerprint.to_le_bytes());
        put_length(&mut body, rest.len());
        body.extend(rest.as_bytes());
        put_length(&mut body, entries.len());
        for entry in entries {
            body.extend(entry.time.to_le_bytes());
            body.extend(entry.value.to_le_bytes());
            body.extend(entry.rules.to_le_bytes());
            body.extend(entry.event.to_le_bytes());
            body.push(u8::from(entry.fired));
        }
    }
    out.extend(count.to_le_bytes());
    out.extend(body);
    out
}

/// The state, the last time, and how many groups were taken over.
pub(super) fn read(
    bytes: &[u8],
    plans: &[Plan],
    limits: Limits,
) -> Result<(State, i64, usize), SnapshotError> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or(SnapshotError::Version)?;
    let mut by_meaning: HashMap<u64, usize> = HashMap::new();
    for (index, plan) in plans.iter().enumerate() {
        by_meaning.entry(plan.fingerprint).or_insert(index);
    }
    let mut state = State::default();
    let mut taken = 0;
    let last_time = i64::from_le_bytes(word(&mut rest)?);
    let count = u64::from_le_bytes(word(&mut rest)?);
    for _ in 0..count {
        let fingerprint = u64::from_le_bytes(word(&mut rest)?);
        let length = length(&mut rest)?;
        let key = bytes_of(&mut rest, length)?;
        let key = std::str::from_utf8(key).map_err(|_| SnapshotError::Damaged)?;
        let entries = entries(&mut rest)?;
        if let Some(plan) = by_meaning.get(&fingerprint) {
            state.restore(&format!("{plan}{key}"), entries, limits.keys_max);
            taken += 1;
        }
    }
    if rest.is_empty() {
        Ok((state, last_time, taken))
    } else {
        Err(SnapshotError::Damaged)
    }
}

fn entries(rest: &mut &[u8]) -> Result<Vec<Entry>, SnapshotError> {
    let count = length(rest)?;
    // Each takes 33 bytes: a number that promises more than there is ends here.
    if count > rest.len() / 33 {
        return Err(SnapshotError::Damaged);
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(Entry {
            time: i64::from_le_bytes(word(rest)?),
            value: u64::from_le_bytes(word(rest)?),
            rules: u64::from_le_bytes(word(rest)?),
            event: u64::from_le_bytes(word(rest)?),
            fired: bytes_of(rest, 1)? == [1],
        });
    }
    Ok(entries)
}

/// The correlation's place and the rest of a key.
fn split(key: &str) -> Option<(usize, &str)> {
    let end = key.find(';').unwrap_or(key.len());
    Some((key[..end].parse().ok()?, &key[end..]))
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn length(rest: &mut &[u8]) -> Result<usize, SnapshotError> {
    let bytes = bytes_of(rest, 4)?;
    let bytes: [u8; 4] = bytes.try_into().map_err(|_| SnapshotError::Damaged)?;
    Ok(u32::from_le_bytes(bytes) as usize)
}

fn word(rest: &mut &[u8]) -> Result<[u8; 8], SnapshotError> {
    bytes_of(rest, 8)?
        .try_into()
        .map_err(|_| SnapshotError::Damaged)
}

fn bytes_of<'b>(rest: &mut &'b [u8], length: usize) -> Result<&'b [u8], SnapshotError> {
    let (head, tail) = rest
        .split_at_checked(length)
        .ok_or(SnapshotError::Damaged)?;
    *rest = tail;
    Ok(head)
}
