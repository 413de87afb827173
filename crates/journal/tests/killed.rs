//! `kill -9` under load, for real: this test binary starts itself as the victim.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use atalaya_journal::{Journal, JournalConfig, Reader, verify};

const VICTIM_DIR: &str = "ATALAYA_JOURNAL_VICTIM_DIR";
const KILLS: u32 = 10;

/// Not a test of its own: appends from many threads and prints each number that is durable.
#[test]
fn victim() {
    let Ok(dir) = env::var(VICTIM_DIR) else {
        return;
    };
    let mut config = JournalConfig::new(dir);
    config.segment_bytes_max = 100_000;
    let (journal, _) = Journal::open(config).unwrap();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let journal = journal.clone();
            std::thread::spawn(move || {
                loop {
                    let appended = journal.append(vec![b'x'; 700]).wait().unwrap();
                    let line = format!("durable {}\n", appended.seq);
                    if std::io::stderr().write_all(line.as_bytes()).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn what_was_reported_durable_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut total = 0;
    for round in 0..KILLS {
        let mut victim = Command::new(env::current_exe().unwrap())
            .args(["--exact", "killed::victim", "--nocapture"])
            .env(VICTIM_DIR, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(victim.stderr.take().unwrap()).lines();
        let mut durable: Vec<u64> = Vec::new();
        let enough = 50 + 40 * usize::try_from(round).unwrap();
        while durable.len() < enough {
            let line = lines.next().unwrap().unwrap();
            durable.extend(
                line.strip_prefix("durable ")
                    .and_then(|seq| seq.parse::<u64>().ok()),
            );
        }
        victim.kill().unwrap();
        // What it had still printed is durable too.
        durable.extend(lines.map_while(Result::ok).filter_map(|line| {
            line.strip_prefix("durable ")
                .and_then(|seq| seq.parse::<u64>().ok())
        }));
        victim.wait().unwrap();
        let last = *durable.iter().max().unwrap();
        let report = verify(dir.path()).unwrap();
        assert_eq!(report.first_bad, None);
        assert!(report.last.unwrap().0 >= last, "record {last} is lost");
        total += durable.len();
    }
    let (journal, report) = Journal::open(JournalConfig::new(dir.path())).unwrap();
    assert!(journal.wait_for(journal.opened_seq(), Duration::from_secs(5)));
    assert!(report.next_seq > total as u64);
    let read = Reader::open(dir.path(), 0).map(Result::unwrap).count() as u64;
    assert_eq!(read, journal.next_seq());
}
