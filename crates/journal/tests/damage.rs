//! Whatever is changed on disk is found, and found at the right record.

use std::fs;
use std::path::{Path, PathBuf};

use atalaya_journal::{Journal, OpenError, SEGMENT_HEADER_BYTES, verify};
use proptest::prelude::*;

use crate::support::{config, payload, ports};

/// Three segments of a few records each; returns the segment files in order.
fn small_journal(dir: &Path) -> Vec<PathBuf> {
    let mut config = config(dir);
    config.segment_bytes_max = 600;
    let (journal, _) = Journal::open_with(config, ports()).unwrap();
    for index in 0..12 {
        journal.append(payload(index)).wait().unwrap();
    }
    drop(journal);
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "seg"))
        .collect();
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    files
}

/// The records of a segment: (number, first byte, byte behind it), read by the documented layout.
fn frames(bytes: &[u8]) -> Vec<(u64, usize, usize)> {
    let mut at = SEGMENT_HEADER_BYTES;
    let mut found = Vec::new();
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        let seq = u64::from_le_bytes(bytes[at + 8..at + 16].try_into().unwrap());
        found.push((seq, at, at + 60 + length));
        at += 60 + length;
    }
    found
}

#[test]
fn every_flipped_byte_is_found_at_its_record() {
    let dir = tempfile::tempdir().unwrap();
    for path in small_journal(dir.path()) {
        let good = fs::read(&path).unwrap();
        let frames = frames(&good);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x20;
            fs::write(&path, &bad).unwrap();
            let report = verify(dir.path()).unwrap();
            let found = report
                .first_bad
                .unwrap_or_else(|| panic!("byte {at} of {path:?}"));
            let expected = frames
                .iter()
                .find(|(_, start, end)| (*start..*end).contains(&at))
                .map_or((frames[0].0, 0), |(seq, start, _)| (*seq, *start as u64));
            assert_eq!((found.seq, found.offset), expected, "byte {at} of {path:?}");
            let open = Journal::open_with(config(dir.path()), ports()).err();
            assert!(matches!(open, Some(OpenError::Corrupt { .. })), "{open:?}");
            assert_eq!(fs::read(&path).unwrap(), bad, "nothing is repaired");
        }
        fs::write(&path, &good).unwrap();
    }
    assert!(verify(dir.path()).unwrap().is_good());
}

#[test]
fn removed_swapped_and_foreign_segments_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let files = small_journal(dir.path());
    let middle = fs::read(&files[1]).unwrap();

    fs::remove_file(&files[1]).unwrap();
    assert!(!verify(dir.path()).unwrap().is_good(), "missing");

    let other = tempfile::tempdir().unwrap();
    let foreign = small_journal(other.path());
    fs::copy(&foreign[1], &files[1]).unwrap();
    let bad = verify(dir.path()).unwrap().first_bad.unwrap();
    assert!(bad.to_string().contains("another journal"), "{bad}");

    fs::write(&files[1], &middle[..middle.len() - 5]).unwrap();
    let bad = verify(dir.path()).unwrap().first_bad.unwrap();
    assert!(bad.to_string().contains("cut off"), "{bad}");

    fs::write(&files[1], &middle).unwrap();
    assert!(verify(dir.path()).unwrap().is_good());
}

/// A record rewritten with correct checksums, but not a correct chain: the tamperer who knows the
/// format but not that the next record binds this one.
#[test]
fn a_rewritten_record_breaks_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let files = small_journal(dir.path());
    let mut bytes = fs::read(&files[1]).unwrap();
    let (seq, start, end) = frames(&bytes)[0];
    bytes[end - 2] = b'9';
    let crc = crc32(&bytes[start + 60..end]);
    bytes[start + 56..start + 60].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32(&bytes[start + 4..start + 60]);
    bytes[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    fs::write(&files[1], &bytes).unwrap();
    let bad = verify(dir.path()).unwrap().first_bad.unwrap();
    assert_eq!((bad.seq, bad.offset), (seq, start as u64));
    assert!(bad.to_string().contains("chain"), "{bad}");
}

/// CRC-32C, bit by bit, as the RFC defines it: a second opinion on the layout.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & (!(crc & 1)).wrapping_add(1));
        }
    }
    !crc
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Arbitrary bytes in place of a segment: an answer, never a panic, never more memory than
    /// the file.
    #[test]
    fn arbitrary_segments_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        keep in 0_usize..200,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let files = small_journal(dir.path());
        let mut content = fs::read(&files[2]).unwrap();
        content.truncate(keep);
        content.extend_from_slice(&bytes);
        fs::write(&files[2], &content).unwrap();
        let _ = verify(dir.path()).unwrap();
        let _ = Journal::open_with(config(dir.path()), ports());
    }
}
