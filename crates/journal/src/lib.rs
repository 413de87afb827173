//! The durable, hash-chained, group-committed record log.
//!
//! Every decision of the gateway goes through here before the call it is about is forwarded, so
//! this crate is written for three readers: the caller who waits for an append, the investigator
//! who must prove that nothing was changed, and the operator whose disk is full.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use atalaya_journal::{Journal, JournalConfig};
//!
//! let (journal, report) = Journal::open(JournalConfig::new("/var/lib/atalaya/journal"))?;
//! println!("{} records verified", report.records_verified);
//! let appended = journal.append(br#"{"$table":"AIGuardrailDecisions"}"#.to_vec()).wait()?;
//! for record in journal.read_from(appended.seq) {
//!     println!("{}", String::from_utf8(record?.payload)?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is on disk
//!
//! A journal is a folder: `journal.lock`, and segments named by the number of their first record,
//! twenty decimal digits and `.seg`. All integers are little-endian. CRC is CRC-32C (Castagnoli,
//! RFC 3720 appendix B.4). Nothing is padded, so no byte of a segment can change unnoticed.
//!
//! A segment starts with a header of 84 bytes:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic, ASCII `ATALJRNL` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 16 | chain id: a UUID, the same in all segments of a journal |
//! | 28 | 8 | number of the segment's first record |
//! | 36 | 8 | time the segment was made, microseconds since 1970-01-01 UTC, signed |
//! | 44 | 32 | chain hash of the record before the first one; zeros if that is record 0 |
//! | 76 | 4 | CRC of bytes 0..76 |
//! | 80 | 4 | the same, every bit inverted |
//!
//! Frames follow without gaps, one per record:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | CRC of bytes 4..60 |
//! | 4 | 4 | length of the payload in bytes |
//! | 8 | 8 | number of the record: 0, 1, 2, … over all segments |
//! | 16 | 8 | time it was written, microseconds since 1970-01-01 UTC, signed, never decreasing |
//! | 24 | 32 | chain hash |
//! | 56 | 4 | CRC of the payload |
//! | 60 | length | payload: one JSON object in UTF-8 |
//!
//! The chain hash of a record is
//! `SHA-256(hash of the record before ‖ number (8 bytes) ‖ time (8 bytes) ‖ payload)`; before
//! record 0 come 32 zero bytes. Record 0 is the genesis record and carries the chain id; the
//! journal's other records about itself are described at [`OWN_TABLE`].
//!
//! # Promises
//!
//! - Strict: an append that resolved is on disk. Waiting appends share one `fdatasync`.
//! - A record becomes readable when it is durable (relaxed: written), never before.
//! - Numbers have no gaps; times never run backwards.
//! - At opening, an incomplete last frame of the last segment is cut away and reported. Anything
//!   else that does not verify is [`OpenError::Corrupt`], and nothing is changed.
//! - While the disk cannot be written, appends fail with [`AppendError::Unwritable`], records
//!   that nobody waits for are kept within limits, and the journal recovers by itself.
//! - One process at a time.
//!
//! Left out: what is in a payload (the gateway and the lake know), checkpoints signed outside of
//! the journal, without which a clean cut of the newest records cannot be seen, and encryption.

mod append;
mod config;
mod cursor;
mod error;
mod frame;
mod journal;
mod own;
mod queue;
mod reader;
mod recovery;
mod segment;
mod slots;
mod storage;
mod verify;
mod writer;

pub use append::{Append, Appended};
pub use config::{Durability, JournalConfig, Ports};
pub use error::{AppendError, BadReason, BadRecord, NotQueued, OpenError, ReadError};
pub use frame::{ChainHash, FRAME_HEADER_BYTES, FrameHeader};
pub use journal::{Journal, JournalStats};
pub use own::OWN_TABLE;
pub use reader::{Reader, Record, RecordRef, chain_id, segment_at};
pub use recovery::RecoveryReport;
pub use segment::{FORMAT_VERSION, SEGMENT_HEADER_BYTES, SegmentHeader};
pub use storage::{LocalStorage, SegmentFile, Storage};
pub use verify::{TornTail, VerifyReport, verify};
