//! The disk is full, broken, and then not any more.

use std::time::{Duration, Instant};

use atalaya_journal::{AppendError, Durability, Journal, verify};

use crate::support::{TightDisk, config, payload, payloads};

/// Appends until one fails; returns how many succeeded.
fn append_until_full(journal: &Journal) -> u64 {
    for index in 0..10_000 {
        match journal.append(payload(index)).wait() {
            // Relaxed appends do not wait for the disk: give it the time to fail.
            Ok(_) if index % 64 == 63 => std::thread::sleep(Duration::from_millis(1)),
            Ok(_) => {}
            Err(AppendError::Unwritable(_)) => return index,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the disk never filled up");
}

fn append_until_it_works(journal: &Journal) {
    let started = Instant::now();
    while journal.append(payload(99_999)).wait().is_err() {
        assert!(started.elapsed() < Duration::from_secs(10), "no recovery");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let disk = TightDisk::with_room(5_000);
    let (journal, _) = Journal::open_with(config(dir.path()), disk.ports()).unwrap();
    let written = append_until_full(&journal);
    assert!(journal.stats().is_unwritable);
    // Settlements of calls that were let through before: kept, not lost.
    for index in 0..10 {
        journal.append_detached(payload(50_000 + index)).unwrap();
    }
    let refused = journal.append(payload(0)).wait();
    assert!(matches!(refused, Err(AppendError::Unwritable(_))));
    disk.set_room(1 << 20);
    append_until_it_works(&journal);
    let payloads = payloads(&journal);
    assert_eq!(payloads.len() as u64, written + 10 + 1);
    assert!(!journal.stats().is_unwritable);
    let own = journal
        .read_from(0)
        .map(|record| String::from_utf8(record.unwrap().payload).unwrap())
        .filter(|text| text.contains(r#""$event":"outage""#))
        .count();
    assert_eq!(own, 1, "the outage is in the chain");
    drop(journal);
    let report = verify(dir.path()).unwrap();
    assert_eq!((report.first_bad, report.torn_tail), (None, None));
}

#[test]
fn a_failed_sync_is_not_taken_for_durable() {
    let dir = tempfile::tempdir().unwrap();
    let disk = TightDisk::with_room(1 << 20);
    let (journal, _) = Journal::open_with(config(dir.path()), disk.ports()).unwrap();
    journal.append(payload(1)).wait().unwrap();
    disk.fail_syncs(3);
    assert!(journal.append(payload(2)).wait().is_err());
    append_until_it_works(&journal);
    let payloads = payloads(&journal);
    assert_eq!(payloads.len(), 2, "{payloads:?}");
    drop(journal);
    assert!(verify(dir.path()).unwrap().is_good());
}

#[test]
fn a_full_disk_while_rolling_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let disk = TightDisk::with_room(3_000);
    let mut config = config(dir.path());
    config.segment_bytes_max = 1_000;
    let (journal, _) = Journal::open_with(config, disk.ports()).unwrap();
    for round in 0..5 {
        append_until_full(&journal);
        disk.set_room(3_000 + round * 10);
        append_until_it_works(&journal);
    }
    drop(journal);
    let report = verify(dir.path()).unwrap();
    assert!(report.segments > 5);
    assert_eq!((report.first_bad, report.torn_tail), (None, None));
}

#[test]
fn relaxed_records_survive_an_outage_once_taken() {
    let dir = tempfile::tempdir().unwrap();
    let disk = TightDisk::with_room(2_000);
    let config = config(dir.path()).with_durability(Durability::Relaxed {
        write_interval: Duration::from_millis(1),
        sync_interval: Duration::from_millis(5),
    });
    let (journal, _) = Journal::open_with(config, disk.ports()).unwrap();
    let taken = append_until_full(&journal);
    disk.set_room(1 << 20);
    append_until_it_works(&journal);
    journal.close();
    assert_eq!(payloads(&journal).len() as u64, taken + 1);
    assert!(verify(dir.path()).unwrap().is_good());
}

#[test]
fn closing_while_full_ends() {
    let dir = tempfile::tempdir().unwrap();
    let disk = TightDisk::with_room(1_000);
    let (journal, _) = Journal::open_with(config(dir.path()), disk.ports()).unwrap();
    append_until_full(&journal);
    journal.append_detached(payload(1)).unwrap();
    journal.close();
    assert!(journal.stats().lost > 0);
    drop(journal);
    assert!(verify(dir.path()).unwrap().is_good());
}
