//! `atalaya ingest`: logs of other systems into a table, as they are or through a mapping.

use std::path::{Path, PathBuf};

use atalaya_lake::{
    IngestError, IngestFormat, IngestOptions, IngestProgress, IngestReport, Lake, MissingTime,
};
use atalaya_server::open;
use atalaya_sources::{MappedReader, Mapping, Outcome};
use indicatif::{ProgressBar, ProgressStyle};

use super::common::Place;
use super::sources;
use crate::exit::{Exit, Failure};
use crate::output;

/// Formats, as flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated with a header line.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// Put logs of other systems into a table: JSON lines, CSV or Parquet
///
/// All accepted rows become visible together at the end. Refused rows go to a file with the
/// reason, and the exit code is 1. Works beside a running node.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Table, e.g. ModelInferenceLog; `atalaya tables` lists them.
    #[arg(long, value_name = "TABLE", required_unless_present_any = ["source", "mapping"])]
    table: Option<String>,
    /// Read the file through a built-in mapping; `atalaya sources list` lists them.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["table", "format", "mapping"])]
    source: Option<String>,
    /// Read the file through a mapping of your own.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["table", "format"])]
    mapping: Option<PathBuf>,
    /// File; `-` reads standard input.
    file: PathBuf,
    /// Format; told from the file's name if left out.
    #[arg(long)]
    format: Option<Format>,
    /// Give rows without TimeGenerated the present time instead of refusing them.
    #[arg(long)]
    missing_time_is_now: bool,
    /// `SourceType` of rows that have none.
    #[arg(long, value_name = "NAME")]
    source_type: Option<String>,
    /// Where refused rows go; by default beside the source, as FILE.refused.jsonl.
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let own = args.mapping.as_deref().map(sources::read).transpose()?;
    let mapping = match (&args.source, &own) {
        (Some(name), _) => Some(sources::builtin(name)?),
        (None, own) => own.as_ref(),
    };
    let table = match (mapping, args.table.as_deref()) {
        (Some(mapping), _) => mapping.table().name,
        (None, table) => check_table(table.unwrap_or_default())?,
    };
    let config = args.place.load()?;
    let lake = open::lake(&config)?;
    let from_stdin = args.file.as_os_str() == "-";
    let bar = progress_bar(if from_stdin { None } else { Some(&args.file) });
    let mut progress = |at: IngestProgress| {
        bar.set_position(at.bytes);
        bar.set_message(format!("{} accepted, {} refused", at.accepted, at.refused));
    };
    let options = IngestOptions {
        missing_time: if args.missing_time_is_now {
            MissingTime::Now
        } else {
            MissingTime::Refuse
        },
        source_type: args.source_type.clone(),
        refused_file: Some(refused_file(args)),
        progress: Some(&mut progress),
        ..IngestOptions::default()
    };
    let (report, mapped) = match mapping {
        Some(mapping) => ingest_mapped(&lake, mapping, &args.file, options),
        None => ingest_plain(&lake, table, args, options).map(|report| (report, None)),
    }?;
    bar.finish_and_clear();
    let unmapped = mapped.as_ref().map_or(0, |outcome| outcome.refused);
    output::note(&summary(table, &report, mapped.as_ref()));
    Ok(if report.refused + unmapped == 0 {
        Exit::Fine
    } else {
        Exit::Found
    })
}

fn ingest_plain(
    lake: &Lake,
    table: &str,
    args: &Args,
    options: IngestOptions<'_>,
) -> Result<IngestReport, Failure> {
    let format = format(args)?;
    let report = if args.file.as_os_str() == "-" {
        lake.ingest(table, std::io::stdin().lock(), format, options)
    } else {
        lake.ingest_file(table, &args.file, format, options)
    };
    report.map_err(|error| failure(&args.file, error))
}

fn ingest_mapped(
    lake: &Lake,
    mapping: &Mapping,
    file: &Path,
    options: IngestOptions<'_>,
) -> Result<(IngestReport, Option<Outcome>), Failure> {
    let log: Box<dyn std::io::Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let what = format!("opening {}", file.display());
        Box::new(std::fs::File::open(file).map_err(|error| Failure::world(&what, error))?)
    };
    let mut reader = MappedReader::new(mapping, log);
    let report = lake
        .ingest(
            mapping.table().name,
            &mut reader,
            IngestFormat::Jsonl,
            options,
        )
        .map_err(|error| failure(file, error))?;
    Ok((report, Some(reader.outcome().clone())))
}

fn check_table(name: &str) -> Result<&'static str, Failure> {
    if let Some(table) = atalaya_tables::find(name) {
        return Ok(table.name);
    }
    let known: Vec<&str> = atalaya_tables::ALL.iter().map(|table| table.name).collect();
    Err(Failure::BadInput(format!(
        "error: there is no table {name}; tables are: {}",
        known.join(", ")
    )))
}

fn format(args: &Args) -> Result<IngestFormat, Failure> {
    match args.format {
        Some(Format::Jsonl) => Ok(IngestFormat::Jsonl),
        Some(Format::Csv) => Ok(IngestFormat::Csv),
        Some(Format::Parquet) => Ok(IngestFormat::Parquet),
        None if args.file.as_os_str() == "-" => Ok(IngestFormat::Jsonl),
        None => IngestFormat::of(&args.file).ok_or_else(|| {
            Failure::BadInput(format!(
                "error: the name {} says nothing about its format; give --format",
                args.file.display()
            ))
        }),
    }
}

fn refused_file(args: &Args) -> PathBuf {
    let beside = || {
        let name = args.file.file_name().unwrap_or_default().to_string_lossy();
        if name == "-" {
            PathBuf::from("stdin.refused.jsonl")
        } else {
            args.file.with_file_name(format!("{name}.refused.jsonl"))
        }
    };
    args.refused.clone().unwrap_or_else(beside)
}

/// A bar over the file's bytes on a terminal; nothing elsewhere.
fn progress_bar(file: Option<&Path>) -> ProgressBar {
    let bytes = file
        .and_then(|file| std::fs::metadata(file).ok())
        .map(|meta| meta.len());
    let (bar, template) = match bytes {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg} {eta}",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {bytes} {binary_bytes_per_sec} {msg}",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn failure(file: &Path, error: IngestError) -> Failure {
    match error {
        IngestError::Lake(error) => {
            Failure::CouldNotRun(format!("error: {error}; no row was ingested"))
        }
        other => Failure::BadInput(format!(
            "error: {}: {other}; no row was ingested",
            file.display()
        )),
    }
}

fn summary(table: &str, report: &IngestReport, mapped: Option<&Outcome>) -> String {
    let mut text = format!(
        "{table}: {} rows accepted, {} refused",
        report.accepted, report.refused
    );
    if let Some(outcome) = mapped {
        text.push_str(&format!(
            "\n  {} records were mapped, {} are not what the mapping is about, {} could not be mapped",
            outcome.mapped, outcome.skipped, outcome.refused
        ));
        for refused in &outcome.first_refused {
            text.push_str(&format!("\n  line {}: {}", refused.line, refused.reason));
        }
    }
    for (line, reason) in &report.first_refused {
        text.push_str(&format!("\n  line {line}: {reason}"));
    }
    if let Some(path) = &report.refused_file {
        text.push_str(&format!("\n  all refused rows: {}", path.display()));
    }
    if report.fields_dropped > 0 {
        text.push_str(&format!(
            "\n  {} fields have no column in {table} and were dropped",
            report.fields_dropped
        ));
    }
    text
}
