//! The frame: how one record lies on disk, and how it is chained to the one before.
//!
//! Two checksums and one hash, each for a different question. The header's CRC answers "is this
//! length believable" before a single payload byte is touched, so that a flipped length bit in the
//! middle of a segment is never taken for a torn tail. The payload's CRC answers "was this read
//! back as written" at memory speed, for readers that replay. The chain hash answers "has anybody
//! changed, dropped or reordered a record", for verification and evidence.
//!
//! The byte layout is specified in the crate's documentation; this file is its only implementation.

use atalaya_model::Timestamp;
use sha2::{Digest, Sha256};

/// Bytes of a frame before its payload.
pub const FRAME_HEADER_BYTES: usize = 60;

/// SHA-256 that chains a record to all before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChainHash(pub [u8; 32]);

impl ChainHash {
    /// The hash of a record: `SHA-256(previous ‖ seq ‖ time ‖ payload)`, integers little-endian.
    #[must_use]
    pub fn of(previous: &Self, seq: u64, time: Timestamp, payload: &[u8]) -> Self {
        let mut prefix = [0_u8; 48];
        prefix[..32].copy_from_slice(&previous.0);
        prefix[32..40].copy_from_slice(&seq.to_le_bytes());
        prefix[40..48].copy_from_slice(&time.0.to_le_bytes());
        let mut hasher = Sha256::new();
        hasher.update(prefix);
        hasher.update(payload);
        Self(hasher.finalize().into())
    }

    /// Lower-case hexadecimal, 64 characters.
    #[must_use]
    pub fn to_hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut out = String::with_capacity(64);
        for byte in self.0 {
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        out
    }
}

impl std::fmt::Display for ChainHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl std::fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// What stands in a frame before the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of payload.
    pub payload_bytes: u32,
    /// Number of the record, from 0, without gaps.
    pub seq: u64,
    /// When the record was written, never before its predecessor.
    pub time: Timestamp,
    /// Chain hash of this record.
    pub hash: ChainHash,
    /// CRC32C of the payload.
    pub payload_crc: u32,
}

impl FrameHeader {
    /// The 60 bytes on disk.
    #[must_use]
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0_u8; FRAME_HEADER_BYTES];
        bytes[4..8].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.seq.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.time.0.to_le_bytes());
        bytes[24..56].copy_from_slice(&self.hash.0);
        bytes[56..60].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[4..]);
        bytes[0..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header back; `None` if its checksum does not hold.
    #[must_use]
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<Self> {
        if crc32c::crc32c(&bytes[4..]) != u32::from_le_bytes(array_at(bytes, 0)) {
            return None;
        }
        Some(Self {
            payload_bytes: u32::from_le_bytes(array_at(bytes, 4)),
            seq: u64::from_le_bytes(array_at(bytes, 8)),
            time: Timestamp(i64::from_le_bytes(array_at(bytes, 16))),
            hash: ChainHash(array_at(bytes, 24)),
            payload_crc: u32::from_le_bytes(array_at(bytes, 56)),
        })
    }
}

/// Appends one frame to `out` and returns the record's hash. The caller has checked that the
/// payload's length fits in 32 bits.
pub(crate) fn append_frame(
    out: &mut Vec<u8>,
    previous: &ChainHash,
    seq: u64,
    time: Timestamp,
    payload: &[u8],
) -> ChainHash {
    let hash = ChainHash::of(previous, seq, time, payload);
    let header = FrameHeader {
        payload_bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        seq,
        time,
        hash,
        payload_crc: crc32c::crc32c(payload),
    };
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(payload);
    hash
}

/// `N` bytes at `offset`; zeros where the slice is too short, which no caller here asks for.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut out = [0_u8; N];
    if let Some(source) = bytes.get(offset..offset + N) {
        out.copy_from_slice(source);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pins the layout that the crate's documentation promises: evidence written today must be
    /// readable by a verifier written from the documentation alone.
    #[test]
    fn layout_is_as_documented() {
        let mut out = Vec::new();
        let previous = ChainHash([7; 32]);
        let payload = br#"{"a":1}"#;
        let hash = append_frame(&mut out, &previous, 0x0102, Timestamp(0x0304), payload);
        assert_eq!(out.len(), FRAME_HEADER_BYTES + payload.len());
        assert_eq!(out[4..8], 7_u32.to_le_bytes());
        assert_eq!(out[8..16], 0x0102_u64.to_le_bytes());
        assert_eq!(out[16..24], 0x0304_i64.to_le_bytes());
        assert_eq!(out[24..56], hash.0);
        assert_eq!(out[56..60], crc32c::crc32c(payload).to_le_bytes());
        assert_eq!(out[0..4], crc32c::crc32c(&out[4..60]).to_le_bytes());
        assert_eq!(&out[60..], payload);

        let mut chained = Vec::from([7_u8; 32]);
        chained.extend_from_slice(&0x0102_u64.to_le_bytes());
        chained.extend_from_slice(&0x0304_i64.to_le_bytes());
        chained.extend_from_slice(payload);
        assert_eq!(hash.0[..], Sha256::digest(&chained)[..]);
    }

    #[test]
    fn every_flipped_header_bit_is_noticed() {
        let mut out = Vec::new();
        append_frame(&mut out, &ChainHash::default(), 1, Timestamp(2), b"{}");
        let good: [u8; FRAME_HEADER_BYTES] = array_at(&out, 0);
        assert!(FrameHeader::decode(&good).is_some());
        for bit in 0..FRAME_HEADER_BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&bad), None, "bit {bit}");
        }
    }
}
