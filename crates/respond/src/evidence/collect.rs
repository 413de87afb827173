//! Records of the journal for a bundle, with the links of the chain that they hang in.
//!
//! What is proven and what is bundled are read at the same time. If it is known since when records
//! are wanted, reading begins with the segment of that time, whose header names the hash that it
//! continues; else with the oldest, after the whole chain was verified.

use std::collections::HashSet;
use std::path::Path;

use atalaya_journal::{ChainHash, Reader};
use atalaya_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BUNDLE_BYTES_MAX, CALLER_RECORDS_MAX, RECORDS_MAX};

/// Which records belong to a bundle: any of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Decisions (with how their calls ended) and events by id.
    pub ids: HashSet<String>,
    /// Everything of these callers…
    pub callers: HashSet<String>,
    /// …from here on…
    pub since: Option<Timestamp>,
    /// …up to here.
    pub until: Option<Timestamp>,
}

/// A record with its link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Number of the record.
    pub seq: u64,
    /// When it was written, microseconds since 1970-01-01 UTC.
    pub time_us: i64,
    /// Chain hash of the record before it.
    pub previous_hash: String,
    /// Its own chain hash.
    pub hash: String,
    /// The record, as it was written.
    pub payload: String,
}

/// What a pass over the journal gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The records.
    pub links: Vec<Link>,
    /// Whether there were more than a bundle holds.
    pub truncated: bool,
    /// Identity of the chain.
    pub chain_id: String,
    /// Records that were verified.
    pub verified: u64,
    /// The newest record: number and hash.
    pub head: Option<(u64, String)>,
    /// What was wrong with the chain, if anything.
    pub bad: Option<String>,
}

/// The journal could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the decision log cannot be read: {0}")]
pub struct CollectError(String);

/// Reads and verifies the journal in `dir`, and picks records. Runs beside a node that writes it.
///
/// # Errors
/// If the folder cannot be read. A bad record is no error: it is what evidence has to say.
pub fn collect(dir: &Path, selection: &Selection) -> Result<Collected, CollectError> {
    let mut out = Collected::default();
    let chain = atalaya_journal::chain_id(dir).map_err(|error| CollectError(error.to_string()))?;
    out.chain_id = chain.map(|id| id.to_string()).unwrap_or_default();
    let since = selection.since.unwrap_or(Timestamp(i64::MIN));
    let first =
        atalaya_journal::segment_at(dir, since).map_err(|error| CollectError(error.to_string()))?;
    if selection.since.is_none() {
        let report =
            atalaya_journal::verify(dir).map_err(|error| CollectError(error.to_string()))?;
        out.bad = report.first_bad.map(|bad| bad.to_string());
    }
    let mut reader = Reader::open(dir, first.as_ref().map_or(0, |header| header.first_seq));
    let mut previous: Option<ChainHash> = first.map(|header| header.previous_hash);
    let (mut bytes, mut of_callers) = (0_usize, 0_usize);
    loop {
        let record = match reader.read() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(error) => {
                out.bad = Some(error.to_string());
                break;
            }
        };
        out.verified += 1;
        out.head = Some((record.seq, record.hash.to_hex()));
        let before = previous.replace(record.hash);
        let Ok(payload) = String::from_utf8(record.payload) else {
            continue;
        };
        let is_named = selection.names(&payload);
        if !is_named && !selection.is_of_caller(&payload, record.time) {
            continue;
        }
        of_callers += usize::from(!is_named);
        bytes = bytes.saturating_add(payload.len());
        let is_full = out.links.len() >= RECORDS_MAX || bytes > BUNDLE_BYTES_MAX;
        if is_full || of_callers > CALLER_RECORDS_MAX {
            out.truncated = true;
            continue;
        }
        let before = before.unwrap_or_default();
        out.links.push(Link {
            seq: record.seq,
            time_us: record.time.0,
            previous_hash: before.to_hex(),
            hash: record.hash.to_hex(),
            payload,
        });
    }
    Ok(out)
}

impl Selection {
    /// Whether a record is one of those that were named. Looks for members by their text: most
    /// records are not wanted, and parsing all of them would cost more than reading them.
    fn names(&self, payload: &str) -> bool {
        let has = |name| is_one_of(payload, name, &self.ids);
        has("DecisionId") || has("$settles") || has("EventId")
    }

    /// Whether a record is of a caller in the time.
    fn is_of_caller(&self, payload: &str, time: Timestamp) -> bool {
        let in_time = self.since.is_none_or(|since| time >= since)
            && self.until.is_none_or(|until| time <= until);
        in_time && is_one_of(payload, "UserId", &self.callers)
    }
}

fn is_one_of(payload: &str, name: &str, wanted: &HashSet<String>) -> bool {
    !wanted.is_empty() && member(payload, name).is_some_and(|value| wanted.contains(value.as_str()))
}

/// The text of a member of an object that the gateway or the lake wrote.
fn member(payload: &str, name: &str) -> Option<String> {
    let at = payload.find(&format!("\"{name}\":\""))?;
    let text = payload.get(at + name.len() + 3..)?;
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<String>();
    stream.next()?.ok()
}
