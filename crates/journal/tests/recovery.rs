//! What a process leaves behind when it is killed.

use std::fs::{self, OpenOptions};
use std::io::Write;

use atalaya_journal::{Journal, Reader, verify};

use crate::support::{config, payload, payloads, ports};

/// The last segment cut at every length: complete records survive, the rest is cut and reported,
/// and the chain goes on from there.
#[test]
fn a_tail_torn_at_any_byte_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open_with(config(dir.path()), ports()).unwrap();
    for index in 0..3 {
        journal.append(payload(index)).wait().unwrap();
    }
    drop(journal);
    let path = dir.path().join("00000000000000000000.seg");
    let good = fs::read(&path).unwrap();
    let record = 60 + payload(0).len();
    for length in (good.len() - 2 * record)..=good.len() {
        fs::write(&path, &good[..length]).unwrap();
        let torn = !(good.len() - length).is_multiple_of(record);
        assert_eq!(verify(dir.path()).unwrap().torn_tail.is_some(), torn);
        let survivors = 3 - (good.len() - length).div_ceil(record);
        let (journal, report) = Journal::open_with(config(dir.path()), ports()).unwrap();
        assert_eq!(report.torn_tail.is_some(), torn, "length {length}");
        assert_eq!(payloads(&journal).len(), survivors, "length {length}");
        journal.append(payload(9)).wait().unwrap();
        drop(journal);
        let report = verify(dir.path()).unwrap();
        assert_eq!((report.first_bad, report.torn_tail), (None, None));
    }
}

#[test]
fn zeros_that_were_never_written_are_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open_with(config(dir.path()), ports()).unwrap();
    journal.append(payload(0)).wait().unwrap();
    drop(journal);
    let path = dir.path().join("00000000000000000000.seg");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&vec![0; 300_000]).unwrap();
    let (journal, report) = Journal::open_with(config(dir.path()), ports()).unwrap();
    assert_eq!(report.torn_tail.unwrap().bytes, 300_000);
    assert_eq!(payloads(&journal).len(), 1);
}

#[test]
fn a_segment_torn_at_birth_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open_with(config(dir.path()), ports()).unwrap();
    journal.append(payload(0)).wait().unwrap();
    let next = journal.next_seq();
    drop(journal);
    let torn = dir.path().join(format!("{next:020}.seg"));
    fs::write(&torn, b"ATALJRNL\x01").unwrap();
    assert!(verify(dir.path()).unwrap().is_good());
    let (journal, report) = Journal::open_with(config(dir.path()), ports()).unwrap();
    assert_eq!(report.torn_tail.unwrap().bytes, 9);
    journal.append(payload(1)).wait().unwrap();
    assert_eq!(payloads(&journal).len(), 2);
}

#[test]
fn only_the_newest_segments_are_verified_when_there_are_many() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.segment_bytes_max = 600;
    config.verify_at_open_bytes_max = 1_500;
    let (journal, _) = Journal::open_with(config.clone(), ports()).unwrap();
    for index in 0..40 {
        journal.append(payload(index)).wait().unwrap();
    }
    drop(journal);
    let (journal, report) = Journal::open_with(config, ports()).unwrap();
    assert!(report.verified_from_seq > 0, "{report:?}");
    assert!(report.records_verified < 40);
    journal.append(payload(40)).wait().unwrap();
    drop(journal);
    assert!(verify(dir.path()).unwrap().is_good());
    let all = Reader::open(dir.path(), 0).map(Result::unwrap).count();
    assert_eq!(all, 41 + 3, "genesis and two openings");
}

/// A reader without a journal reads what is there, the torn tail excepted.
#[test]
fn an_offline_reader_stops_at_the_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open_with(config(dir.path()), ports()).unwrap();
    for index in 0..5 {
        journal.append(payload(index)).wait().unwrap();
    }
    drop(journal);
    let path = dir.path().join("00000000000000000000.seg");
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    let seqs: Vec<_> = Reader::open(dir.path(), 3)
        .map(|record| record.unwrap().seq)
        .collect();
    assert_eq!(seqs, [3, 4, 5]);
}
