//! Segment files: their names, their header, and finding them in a folder.
//!
//! A segment's header repeats the hash of the record before its first one, so that every segment
//! can be verified alone and a missing or swapped segment is noticed without reading its records.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use atalaya_model::Timestamp;
use uuid::Uuid;

use crate::frame::{ChainHash, array_at};

/// Bytes of a segment before its first frame.
pub const SEGMENT_HEADER_BYTES: usize = 84;

/// Format version that this code writes and reads.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"ATALJRNL";
const EXTENSION: &str = "seg";

/// What stands at the start of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Identity of the journal: the same in all its segments.
    pub chain_id: Uuid,
    /// Sequence number of the first record in the segment.
    pub first_seq: u64,
    /// When the segment was made.
    pub created: Timestamp,
    /// Chain hash of record `first_seq - 1`; zeros in the first segment of a chain.
    pub previous_hash: ChainHash,
}

/// Why a segment's header cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Magic,
    Version(u32),
    Checksum,
}

impl SegmentHeader {
    /// The 84 bytes on disk.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0_u8; SEGMENT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..28].copy_from_slice(self.chain_id.as_bytes());
        bytes[28..36].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[36..44].copy_from_slice(&self.created.0.to_le_bytes());
        bytes[44..76].copy_from_slice(&self.previous_hash.0);
        let crc = crc32c::crc32c(&bytes[..76]);
        bytes[76..80].copy_from_slice(&crc.to_le_bytes());
        // The complement is written too: a header of zeros, as a crash may leave, never passes.
        bytes[80..84].copy_from_slice(&(!crc).to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, HeaderFault> {
        if array_at::<8>(bytes, 0) != MAGIC {
            return Err(HeaderFault::Magic);
        }
        let version = u32::from_le_bytes(array_at(bytes, 8));
        if version != FORMAT_VERSION {
            return Err(HeaderFault::Version(version));
        }
        let crc = crc32c::crc32c(&bytes[..76]);
        if crc != u32::from_le_bytes(array_at(bytes, 76))
            || !crc != u32::from_le_bytes(array_at(bytes, 80))
        {
            return Err(HeaderFault::Checksum);
        }
        Ok(Self {
            chain_id: Uuid::from_bytes(array_at(bytes, 12)),
            first_seq: u64::from_le_bytes(array_at(bytes, 28)),
            created: Timestamp(i64::from_le_bytes(array_at(bytes, 36))),
            previous_hash: ChainHash(array_at(bytes, 44)),
        })
    }
}

/// A segment file found in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentFileName {
    pub(crate) first_seq: u64,
    pub(crate) path: PathBuf,
}

/// Path of the segment that starts at `first_seq`. Twenty digits, so that names sort as numbers.
pub(crate) fn path_of(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{first_seq:020}.{EXTENSION}"))
}

/// The file name alone, for reports.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// All segments of a folder, oldest first. Files with other names are left alone.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<SegmentFileName>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ext| ext != EXTENSION) {
            continue;
        }
        let Some(first_seq) = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .filter(|stem| stem.len() == 20)
            .and_then(|stem| stem.parse().ok())
        else {
            continue;
        };
        found.push(SegmentFileName { first_seq, path });
    }
    found.sort_by_key(|segment| segment.first_seq);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_survives_and_every_flipped_bit_is_noticed() {
        let header = SegmentHeader {
            chain_id: Uuid::from_u128(0x1234),
            first_seq: 99,
            created: Timestamp(5),
            previous_hash: ChainHash([3; 32]),
        };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for bit in 0..SEGMENT_HEADER_BYTES * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bad).is_err(), "bit {bit}");
        }
        assert!(SegmentHeader::decode(&[0; SEGMENT_HEADER_BYTES]).is_err());
    }
}
