//! `atalaya log verify`: is the decision log what was written?

use atalaya_journal::{ReadError, VerifyReport};

use super::common::Place;
use crate::exit::{Exit, Failure};
use crate::output;

/// Look after the decision log
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Verify the hash chain of every record; names the first bad one (exit code 1).
    ///
    /// Works beside a running node. Keep the last number and hash somewhere else: they are what
    /// shows that the newest records were cut off.
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    let Command::Verify(args) = command;
    let config = args.place.load()?;
    let dir = config.journal_dir();
    if !dir.is_dir() {
        return Err(Failure::CouldNotRun(format!(
            "error: there is no decision log in {}",
            dir.display()
        )));
    }
    let report = atalaya_journal::verify(&dir)
        .map_err(|error: ReadError| Failure::world("reading the decision log", error))?;
    let text = if args.json {
        json(&report)
    } else {
        sentence(&report)
    };
    output::data(&text).map_err(|error| Failure::world("writing the report", error))?;
    Ok(if report.is_good() {
        Exit::Fine
    } else {
        Exit::Found
    })
}

fn json(report: &VerifyReport) -> String {
    let bad = report.first_bad.as_ref().map(|bad| {
        serde_json::json!({
            "seq": bad.seq, "segment": bad.segment, "offset": bad.offset,
            "reason": bad.reason.to_string(),
        })
    });
    let last = report.last.as_ref().map(|(seq, time, hash)| {
        serde_json::json!({"seq": seq, "time": time.to_rfc3339(), "hash": hash.to_hex()})
    });
    let torn = report.torn_tail.as_ref().map(|torn| {
        serde_json::json!({"segment": torn.segment, "offset": torn.offset, "bytes": torn.bytes})
    });
    let report = serde_json::json!({
        "good": report.is_good(), "chain_id": report.chain_id.map(|id| id.to_string()),
        "records": report.records, "segments": report.segments, "bytes": report.bytes,
        "first_seq": report.first_seq, "last": last, "first_bad": bad, "torn_tail": torn,
    });
    format!("{report}\n")
}

fn sentence(report: &VerifyReport) -> String {
    let mut text = match &report.first_bad {
        None => format!(
            "good: {} records in {} segments",
            report.records, report.segments
        ),
        Some(bad) => format!(
            "BAD: {bad}; the {} records before it are good",
            report.records
        ),
    };
    if let Some((seq, time, hash)) = &report.last {
        text.push_str(&format!(
            "\nlast good record: number {seq} at {} with hash {}",
            time.to_rfc3339(),
            hash.to_hex()
        ));
    }
    if let Some(torn) = &report.torn_tail {
        text.push_str(&format!(
            "\nthe last record of {} is incomplete ({} bytes): a crash, or a writer at work",
            torn.segment, torn.bytes
        ));
    }
    text + "\n"
}
