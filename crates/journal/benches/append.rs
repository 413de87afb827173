//! Append throughput: 64 waiters on one executor, and the cost of one append to the caller.

use std::time::Duration;

use atalaya_journal::{Durability, Journal, JournalConfig};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const WAITERS: u64 = 64;
const RECORD_BYTES: usize = 1_500;

fn record() -> Vec<u8> {
    let mut record = br#"{"$table":"AIGuardrailDecisions","text":""#.to_vec();
    record.resize(RECORD_BYTES - 2, b'x');
    record.extend_from_slice(b"\"}");
    record
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append_64_waiters");
    group.throughput(Throughput::Elements(WAITERS));
    for (name, durability) in [
        ("strict", Durability::Strict),
        ("relaxed", Durability::RELAXED),
    ] {
        let Ok(dir) = tempfile::tempdir() else { return };
        let config = JournalConfig::new(dir.path()).with_durability(durability);
        let Ok((journal, _)) = Journal::open(config) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else {
            return;
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    let appends: Vec<_> = (0..WAITERS).map(|_| journal.append(record())).collect();
                    for append in appends {
                        // Refused as overload: the disk is the limit, wait for it.
                        if append.await.is_err() {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                    }
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
