//! CPU time per call of following the journal: decoding, projecting, writing three tables.
//!
//! Fills a journal with decisions and settlements of realistic size, then lets a lake read and
//! flush all of it. Linux only: CPU time and memory are read from `/proc/self`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use atalaya_journal::{Durability, Journal, JournalConfig};
use atalaya_lake::{Lake, LakeConfig, Ports};
use atalaya_model::Timestamp;

const CALLS: u64 = 60_000;

fn main() {
    let Ok(dir) = tempfile::tempdir_in(std::env::current_dir().unwrap_or_default()) else {
        return;
    };
    let mut config =
        JournalConfig::new(dir.path().join("journal")).with_durability(Durability::RELAXED);
    config.queue_records_max = usize::MAX;
    config.queue_bytes_max = usize::MAX;
    let Ok((journal, _)) = Journal::open(config) else {
        return;
    };
    for index in 0..CALLS {
        let _ = journal.append(decision(index)).wait();
        let _ = journal.append_detached(settlement(index));
    }
    let _ = journal.wait_for(2 * CALLS + 1, Duration::from_secs(60));
    let ports = Ports {
        clock: Arc::new(Timestamp::now),
        new_id: Arc::new(String::new),
    };
    let Ok(lake) = Lake::open(LakeConfig::new(dir.path().join("lake")), ports) else {
        return;
    };
    println!("idle lake: {} MiB resident", resident_mib());
    let (before, started) = (cpu_ticks(), Instant::now());
    let Ok(follower) = lake.follow(&journal) else {
        return;
    };
    let mut resident_max = 0;
    while !lake.wait_for(2 * CALLS + 2, Duration::from_millis(20)) {
        resident_max = resident_max.max(resident_mib());
    }
    let _ = follower.stop();
    let per_call = (cpu_ticks() - before) * 10_000 / CALLS;
    let stats = lake.stats();
    println!(
        "{CALLS} calls in {:?}: {per_call} µs CPU per call, at most {} MiB resident, {} flushes, {} files",
        started.elapsed(),
        resident_max.max(resident_mib()),
        stats.flushes,
        stats.files,
    );
    let bytes: u64 = lake
        .tables()
        .iter()
        .filter_map(|table| lake.snapshot(table).ok())
        .flat_map(|snapshot| {
            snapshot
                .files
                .iter()
                .map(|file| file.size_bytes)
                .collect::<Vec<_>>()
        })
        .sum();
    println!("{} bytes on disk per call", bytes / CALLS);
    let started = Instant::now();
    let _ = lake.maintain();
    println!(
        "merging took {:?}, {} MiB resident",
        started.elapsed(),
        resident_mib()
    );
}

fn decision(index: u64) -> Vec<u8> {
    let time =
        Timestamp(1_795_000_000_000_000 + i64::try_from(index).unwrap_or(0) * 150).to_rfc3339();
    format!(
        r#"{{"$table":"AIGuardrailDecisions","TimeGenerated":"{time}","DecisionId":"01932a4b-7c1d-7e2f-8a3b-{index:012x}","RequestId":"01932a4b-7c1d-7e2f-8a3b-{index:012x}","TraceId":"4bf92f3577b34da6a3ce{index:012x}","SpanId":"00f067aa0ba902b7","SessionId":"session-{}","TurnIndex":3,"Stage":"request","Decision":"ALLOW","WouldDecision":"ALLOW","Enforced":true,"ReasonCode":"none","ThreatScore":{},"RiskLevel":"informational","ThreatDetection":"","DetectedPattern":"","RuleIds":[],"Findings":[],"Atlas":[],"AtlasRelease":"2026.09","OwaspLlm":[],"Judged":4,"Unjudged":[],"NormFlags":[],"SecretTypes":[],"CanaryHit":false,"Constraints":[],"PolicyId":"default","PolicyVersion":"1","PolicyHash":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","RulesetHash":"60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752","UserId":"user-{}@example.com","CallerKeyId":"key-{}","ApplicationName":"assistant","SrcIpAddr":"10.0.{}.{}","SrcPortNumber":51234,"HttpUserAgent":"OpenAI/Python 2.1.0","HttpMethod":"POST","HttpPath":"/v1/chat/completions","Protocol":"openai.chat","ModelEndpoint":"openai/v1/chat/completions","RouteName":"default","ProviderName":"openai","ModelName":"gpt-5","Stream":false,"MaxTokens":512,"Temperature":0.7,"MessageCount":5,"RequestBytes":2048,"ContentSha256":"{index:064x}","InputSimHash":"{:016x}","EvalLatencyUs":61,"GatewayVersion":"0.1.0","NodeId":"node-1","SchemaVersion":1}}"#,
        index % 5_000,
        index % 7,
        index % 900,
        index % 900,
        index % 250,
        index % 199,
        index.wrapping_mul(0x9E37_79B9_7F4A_7C15),
    )
    .into_bytes()
}

fn settlement(index: u64) -> Vec<u8> {
    format!(
        r#"{{"$table":"AIGuardrailDecisions","$settles":"01932a4b-7c1d-7e2f-8a3b-{index:012x}","Outcome":"answered","UpstreamStatus":200,"ResponseStatus":200,"ResponseModel":"gpt-5-2026-08-07","ResponseId":"chatcmpl-{index:024x}","FinishReason":"stop","InputTokens":{},"OutputTokens":{},"CachedTokens":0,"ReasoningTokens":0,"ResponseBytes":1830,"UpstreamLatencyMs":{}.25,"TtftMs":{}.5,"GatewayLatencyUs":{}}}"#,
        400 + index % 100,
        80 + index % 90,
        600 + index % 300,
        120 + index % 40,
        300 + index % 90,
    )
    .into_bytes()
}

/// User and system time of this process in clock ticks of 10 ms.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn resident_mib() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split_whitespace()
        .nth(1)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0);
    (pages * 4_096) >> 20
}
