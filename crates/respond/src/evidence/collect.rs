//! Records of the journal for a bundle, with the links of the chain that they hang in.
//!
//! One pass over the journal verifies the whole chain and picks the records: what is proven and
//! what is bundled are read at the same time.

use std::collections::HashSet;
use std::path::Path;

use atalaya_journal::{ChainHash, Reader};
use atalaya_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BUNDLE_BYTES_MAX, RECORDS_MAX};

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
    let report = atalaya_journal::verify(dir).map_err(|error| CollectError(error.to_string()))?;
    let mut reader = Reader::open(dir, report.first_seq);
    let mut previous: Option<ChainHash> = None;
    let mut bytes = 0_usize;
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
        if !selection.wants(&payload, record.time) {
            continue;
        }
        bytes = bytes.saturating_add(payload.len());
        if out.links.len() >= RECORDS_MAX || bytes > BUNDLE_BYTES_MAX {
            out.truncated = true;
            continue;
        }
        // The first record there is hangs in what its segment's header says; zeros if it is the
        // first of all. Its link cannot be computed here, so it is left to the whole chain.
        let Some(before) = before.or((record.seq == 0).then(ChainHash::default)) else {
            out.truncated = true;
            continue;
        };
        out.links.push(Link {
            seq: record.seq,
            time_us: record.time.0,
            previous_hash: before.to_hex(),
            hash: record.hash.to_hex(),
            payload,
        });
    }
    if out.bad.is_none() {
        out.bad = report.first_bad.map(|bad| bad.to_string());
    }
    Ok(out)
}

impl Selection {
    /// Whether a record belongs to the bundle. Looks for members by their text: most records are
    /// not wanted, and parsing all of them would cost more than reading them.
    fn wants(&self, payload: &str, time: Timestamp) -> bool {
        let has = |name: &str, wanted: &HashSet<String>| {
            !wanted.is_empty()
                && member(payload, name).is_some_and(|value| wanted.contains(value.as_str()))
        };
        if has("DecisionId", &self.ids) || has("$settles", &self.ids) || has("EventId", &self.ids) {
            return true;
        }
        let in_time = self.since.is_none_or(|since| time >= since)
            && self.until.is_none_or(|until| time <= until);
        in_time && has("UserId", &self.callers)
    }
}

/// The text of a member of an object that the gateway or the lake wrote.
fn member(payload: &str, name: &str) -> Option<String> {
    let at = payload.find(&format!("\"{name}\":\""))?;
    let text = payload.get(at + name.len() + 3..)?;
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<String>();
    stream.next()?.ok()
}
