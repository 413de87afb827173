//! CPU time per append, all threads included: the figure that counts in the gateway's budget.
//!
//! Sixty-four tasks on two executors of one thread each append one decision and one settlement
//! per turn, as calls do. Prints, per durability, calls per second, user and system CPU per call,
//! and records per sync. Linux only: CPU time is read from `/proc/self/stat`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::time::{Duration, Instant};

use atalaya_journal::{Durability, Journal, JournalConfig};

const TASKS: usize = 64;
const EXECUTORS: usize = 2;
const DURATION: Duration = Duration::from_secs(4);
const DECISION_BYTES: usize = 1_500;
const SETTLEMENT_BYTES: usize = 400;

fn main() {
    for (name, durability) in [
        ("strict", Durability::Strict),
        ("relaxed", Durability::RELAXED),
    ] {
        for pause in [Duration::ZERO, Duration::from_millis(8)] {
            measure(name, durability, pause);
        }
    }
}

fn measure(name: &str, durability: Durability, pause: Duration) {
    let Ok(dir) = tempfile::tempdir_in(std::env::current_dir().unwrap_or_default()) else {
        return;
    };
    let config = JournalConfig::new(dir.path()).with_durability(durability);
    let Ok((journal, _)) = Journal::open(config) else {
        return;
    };
    let (user, system) = cpu_ticks();
    let started = Instant::now();
    let threads: Vec<_> = (0..EXECUTORS)
        .map(|_| {
            let journal = journal.clone();
            std::thread::spawn(move || run(&journal, pause))
        })
        .collect();
    let calls: u64 = threads
        .into_iter()
        .filter_map(|thread| thread.join().ok())
        .sum();
    let elapsed = started.elapsed();
    let (user_after, system_after) = cpu_ticks();
    let stats = journal.stats();
    let per_call = |ticks: u64| ticks * 10_000 / calls.max(1);
    println!(
        "{name:8} pause {pause:>4?}: {:>7} calls/s, user {:>3} µs + system {:>3} µs per call, {} records per sync, {} µs per sync",
        calls * 1_000 / u64::try_from(elapsed.as_millis()).unwrap_or(1).max(1),
        per_call(user_after - user),
        per_call(system_after - system),
        stats.next_seq / stats.syncs.max(1),
        stats.sync_us / stats.syncs.max(1),
    );
}

fn run(journal: &Journal, pause: Duration) -> u64 {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    else {
        return 0;
    };
    let until = Instant::now() + DURATION;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let tasks: Vec<_> = (0..TASKS / EXECUTORS)
            .map(|_| tokio::task::spawn_local(calls(journal.clone(), until, pause)))
            .collect();
        let mut total = 0;
        for task in tasks {
            total += task.await.unwrap_or(0);
        }
        total
    })
}

async fn calls(journal: Journal, until: Instant, pause: Duration) -> u64 {
    let mut count = 0;
    while Instant::now() < until {
        let decided = journal.append(vec![b' '; DECISION_BYTES]).await;
        let settled = journal.append_detached(vec![b' '; SETTLEMENT_BYTES]);
        if decided.is_ok() && settled.is_ok() {
            count += 1;
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    count
}

/// User and system time of this process in clock ticks of 10 ms.
fn cpu_ticks() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let mut fields = after_name.split_whitespace().skip(11);
    let mut next = || {
        fields
            .next()
            .and_then(|field| field.parse().ok())
            .unwrap_or(0)
    };
    (next(), next())
}
