//! Appending, reading, rolling, limits.

use std::time::Duration;

use atalaya_journal::{AppendError, Durability, Journal, OpenError, verify};

use crate::support::{config, payload, payloads, ports};

#[test]
fn records_come_back_in_order_with_numbers_and_a_good_chain() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, report) = Journal::open_with(config(dir.path()), ports()).unwrap();
    assert!(report.created);
    assert_eq!(journal.opened_seq(), 1);
    for index in 0..100 {
        let appended = journal.append(payload(index)).wait().unwrap();
        assert_eq!(appended.seq, index + 2);
    }
    let records: Vec<_> = journal.read_from(2).map(Result::unwrap).collect();
    assert_eq!(records.len(), 100);
    for (index, record) in (0..).zip(&records) {
        assert_eq!(record.seq, index + 2);
        assert_eq!(record.payload, payload(index));
    }
    assert!(records.windows(2).all(|pair| pair[0].time <= pair[1].time));
    let report = verify(dir.path()).unwrap();
    assert_eq!((report.records, report.first_bad), (102, None));
}

/// Sixty-four tasks on two executors of one thread each, as the gateway runs them.
#[test]
fn many_tasks_on_several_executors_share_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open_with(config(dir.path()), ports()).unwrap();
    let threads: Vec<_> = (0..2)
        .map(|thread| {
            let journal = journal.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                let local = tokio::task::LocalSet::new();
                local.block_on(&runtime, async move {
                    let tasks: Vec<_> = (0..32)
                        .map(|task| {
                            let journal = journal.clone();
                            tokio::task::spawn_local(async move {
                                for index in 0..50 {
                                    let number = thread * 10_000 + task * 100 + index;
                                    journal.append(payload(number)).await.unwrap();
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(payloads(&journal).len(), 3_200);
    let stats = journal.stats();
    assert!(stats.syncs < 3_200, "{stats:?}");
    assert!(verify(dir.path()).unwrap().is_good());
}

#[test]
fn segments_roll_and_readers_follow_live() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.segment_bytes_max = 2_000;
    let (journal, _) = Journal::open_with(config, ports()).unwrap();
    let mut reader = journal.read_from(2);
    for index in 0..200 {
        assert!(reader.read().unwrap().is_none());
        journal.append(payload(index)).wait().unwrap();
        assert!(reader.wait(Duration::from_secs(5)));
        assert_eq!(reader.read().unwrap().unwrap().payload, payload(index));
    }
    let report = verify(dir.path()).unwrap();
    assert!(report.segments > 5, "{report:?}");
    assert_eq!(report.first_bad, None);
    let from_middle = journal.read_from(120).next().unwrap().unwrap();
    assert_eq!(from_middle.payload, payload(118));

    let removed = journal.remove_segments_before(100).unwrap();
    assert!(removed > 0);
    assert!(verify(dir.path()).unwrap().is_good());
    assert!(journal.read_from(0).read().is_err(), "gone, not skipped");
    assert_eq!(journal.read_from(120).next().unwrap().unwrap().seq, 120);
}

#[test]
fn relaxed_appends_resolve_at_once_and_are_written_soon() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path()).with_durability(Durability::RELAXED);
    let (journal, _) = Journal::open_with(config, ports()).unwrap();
    for index in 0..500 {
        let appended = journal.append(payload(index)).wait().unwrap();
        assert_eq!(
            appended.seq,
            index + 2,
            "the number is known before writing"
        );
    }
    assert!(journal.wait_for(501, Duration::from_secs(5)));
    assert_eq!(payloads(&journal).len(), 500);
    assert!(journal.stats().syncs < 50);
}

#[test]
fn closing_writes_what_is_queued() {
    for durability in [Durability::Strict, Durability::RELAXED] {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path()).with_durability(durability);
        let (journal, _) = Journal::open_with(config, ports()).unwrap();
        for index in 0..100 {
            journal.append_detached(payload(index)).unwrap();
        }
        journal.close();
        assert_eq!(payloads(&journal).len(), 100);
        let after = journal.append(payload(0)).wait();
        assert!(matches!(after, Err(AppendError::Closed)), "{after:?}");
        assert!(journal.append_detached(payload(0)).is_err());
    }
}

#[test]
fn limits_refuse_and_give_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.payload_bytes_max = 100;
    config.detached_records_max = 0;
    config.queue_bytes_max = 50;
    let (journal, _) = Journal::open_with(config, ports()).unwrap();
    let large = journal.append(vec![b' '; 101]).wait();
    assert!(matches!(
        large,
        Err(AppendError::TooLarge { bytes: 101, .. })
    ));
    let busy = journal.append(vec![b' '; 60]).wait();
    assert!(matches!(busy, Err(AppendError::Overloaded)), "{busy:?}");
    let back = journal.append_detached(payload(1)).unwrap_err();
    assert_eq!(back.payload, payload(1));
    assert!(matches!(back.error, AppendError::Overloaded));
    journal.append(payload(2)).wait().unwrap();
    assert_eq!(journal.stats().refused, 2);
}

#[test]
fn a_dropped_append_is_still_written_and_frees_its_slot() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open_with(config(dir.path()), ports()).unwrap();
    for index in 0..1_000 {
        drop(journal.append(payload(index)));
    }
    journal.append(payload(1_000)).wait().unwrap();
    assert_eq!(payloads(&journal).len(), 1_001);
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open_with(config(dir.path()), ports()).unwrap();
    let second = Journal::open_with(config(dir.path()), ports())
        .err()
        .unwrap();
    assert!(matches!(second, OpenError::Locked { .. }));
    let pid = std::process::id().to_string();
    assert!(second.to_string().contains(&pid), "{second}");
    drop(journal);
    Journal::open_with(config(dir.path()), ports()).unwrap();
}
