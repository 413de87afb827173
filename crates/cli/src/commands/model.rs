//! `atalaya model scan`: what a model's files would do when they are loaded.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use atalaya_model::{Severity, Timestamp};
use atalaya_modelscan::{
    AllowList, Limits, Pins, PublicKey, Report, ScanFinding, Scanner, Source, Verdict, code,
    verify_bundle,
};
use serde_json::json;

use super::common;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Most files of a folder.
const FILES_MAX: usize = 100_000;
const FOLDER_DEPTH_MAX: usize = 32;

/// Look at models
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Say what a model's files would do when they are loaded, without loading them; exit code 1
    /// if there is anything to complain about.
    Scan(ScanArgs),
}

/// What to scan, and what it must be.
#[derive(Debug, clap::Args)]
pub(crate) struct ScanArgs {
    /// A file, or a folder with all that is in it.
    path: PathBuf,
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    /// Globals that pickles may name besides the built-in ones: `module.name` or `module.*`.
    #[arg(long, value_name = "GLOBAL")]
    allow: Vec<String>,
    /// Digests that files must have, as `sha256sum` writes them; paths relative to PATH.
    #[arg(long, value_name = "FILE")]
    pins: Option<PathBuf>,
    /// Signature of the model (OpenSSF model signing bundle).
    #[arg(long, value_name = "FILE", requires = "key")]
    signature: Option<PathBuf>,
    /// Public key of the signer, PEM.
    #[arg(long, value_name = "FILE", requires = "signature")]
    key: Option<PathBuf>,
    /// Print rows for the `AuditLog` table instead: pipe them into `atalaya ingest --table AuditLog --format jsonl -`.
    #[arg(long)]
    audit_log: bool,
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Scan(args) => scan(args),
    }
}

/// A file that is read at places.
struct OnDisk {
    file: File,
    length: u64,
}

impl Source for OnDisk {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset)
    }
}

fn scan(args: &ScanArgs) -> Result<Exit, Failure> {
    let mut allow = AllowList::builtin();
    for global in &args.allow {
        allow
            .allow(global)
            .map_err(|reason| Failure::BadInput(format!("error: {reason}")))?;
    }
    let pins =
        match &args.pins {
            Some(path) => Some(Pins::parse(&common::read(path)?).map_err(|error| {
                Failure::BadInput(format!("error: {}: {error}", path.display()))
            })?),
            None => None,
        };
    let scanner = Scanner::new(allow, Limits::default());
    let mut reports = BTreeMap::new();
    for (name, path) in files(&args.path)? {
        let file = open(&path)?;
        reports.insert(name.clone(), scanner.scan(&name, &file));
    }
    if let Some(pins) = &pins {
        pinned(pins, &mut reports);
    }
    let signer = signed(args, &mut reports)?;
    let text = match (args.audit_log, Format::or_default(args.format)) {
        (true, _) => reports
            .values()
            .map(|report| audit_row(report, signer.as_ref()) + "\n")
            .collect(),
        (false, format) => render(&reports, format),
    };
    output::data(&text).map_err(|error| Failure::world("writing the report", error))?;
    let worst = reports.values().map(Report::verdict).max();
    if let Some(signer) = &signer {
        output::note(&format!("signed by {signer}"));
    }
    let count = reports.len();
    output::note(&format!(
        "{count} files, worst: {}",
        worst.map_or("clean", Verdict::as_str)
    ));
    Ok(if worst.is_some_and(|worst| worst > Verdict::Clean) {
        Exit::Found
    } else {
        Exit::Fine
    })
}

fn open(path: &Path) -> Result<OnDisk, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::BadInput(format!("error: cannot read {}: {error}", path.display()))
    };
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    Ok(OnDisk { file, length })
}

/// Names relative to the folder, and paths. Links are followed to files, not to folders.
fn files(root: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    if !root.is_dir() {
        let name = root
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        return Ok(vec![(name, root.to_owned())]);
    }
    let (mut found, mut folders) = (Vec::new(), vec![(root.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| {
            Failure::BadInput(format!("error: cannot read {}: {error}", folder.display()))
        })?;
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if path.is_dir() {
                let is_ours = entry.file_name() == ".git" || is_link;
                if !is_ours && depth < FOLDER_DEPTH_MAX {
                    folders.push((path, depth + 1));
                }
            } else if path.is_file() {
                let name = path
                    .strip_prefix(root)
                    .unwrap_or(&path)
                    .to_string_lossy()
                    .into_owned();
                found.push((name, path));
            }
            if found.len() > FILES_MAX {
                let message = format!("error: {} has more than {FILES_MAX} files", root.display());
                return Err(Failure::BadInput(message));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn complaint(code: &'static str, path: &str, message: String) -> ScanFinding {
    ScanFinding {
        code,
        severity: Severity::High,
        path: path.to_owned(),
        offset: 0,
        message,
        atlas: &["AML.T0010.003", "AML.T0109"],
    }
}

fn pinned(pins: &Pins, reports: &mut BTreeMap<String, Report>) {
    for (name, report) in reports.iter_mut() {
        let message = match pins.digest_of(name) {
            Some(digest) if digest == report.sha256 => continue,
            Some(_) => "its digest is not the pinned one",
            None => "no digest is pinned for it",
        };
        report
            .findings
            .push(complaint(code::PIN_MISMATCH, name, message.to_owned()));
    }
    let absent: Vec<String> = pins
        .paths()
        .filter(|path| !reports.contains_key(*path))
        .map(str::to_owned)
        .collect();
    for path in absent {
        let finding = complaint(
            code::PIN_MISMATCH,
            &path,
            "it is pinned, but not there".to_owned(),
        );
        let report = reports.entry(path.clone()).or_default();
        report.path = path;
        report.findings.push(finding);
    }
}

/// Compares the files with what was signed; the signer's key.
fn signed(
    args: &ScanArgs,
    reports: &mut BTreeMap<String, Report>,
) -> Result<Option<String>, Failure> {
    let (Some(signature), Some(key)) = (&args.signature, &args.key) else {
        return Ok(None);
    };
    let wrong = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::BadInput(format!("error: {}: {error}", path.display()))
    };
    let public = PublicKey::from_pem(&common::read(key)?).map_err(|error| wrong(key, &error))?;
    let bundle = common::read(signature)?;
    let model = match verify_bundle(&bundle, &public) {
        Ok(model) => model,
        Err(error) => {
            let name = signature.display().to_string();
            let finding = complaint(
                "signature_invalid",
                &name,
                format!("the signature is not accepted: {error}"),
            );
            let report = reports.entry(name.clone()).or_default();
            report.path = name;
            report.findings.push(finding);
            return Ok(None);
        }
    };
    let own = signature
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for (name, report) in reports.iter_mut() {
        let is_ignored = *name == own
            || name.starts_with(".git")
            || model.ignored.iter().any(|path| path == name);
        let message = match model.files.get(name) {
            Some(digest) if *digest == report.sha256 => continue,
            Some(_) => "it is not the file that was signed",
            None if is_ignored => continue,
            None => "it was not signed",
        };
        report
            .findings
            .push(complaint("not_as_signed", name, message.to_owned()));
    }
    let absent: Vec<&String> = model
        .files
        .keys()
        .filter(|name| !reports.contains_key(*name))
        .collect();
    for name in absent {
        let finding = complaint(
            "not_as_signed",
            name,
            "it was signed, but is not there".to_owned(),
        );
        let report = reports.entry(name.clone()).or_default();
        report.path.clone_from(name);
        report.findings.push(finding);
    }
    let is_whole = !reports
        .values()
        .any(|report| report.findings.iter().any(|f| f.code == "not_as_signed"));
    Ok(is_whole.then(|| format!("{} key {}", public.kind(), public.fingerprint())))
}

fn render(reports: &BTreeMap<String, Report>, format: Format) -> String {
    let header = [
        "Path", "Format", "Verdict", "Severity", "Code", "Offset", "What",
    ];
    let object = |report: &Report| {
        let mut object = serde_json::to_value(report).unwrap_or_default();
        object["verdict"] = report.verdict().as_str().into();
        object
    };
    let rows = || -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for report in reports.values() {
            let verdict = report.verdict().as_str().to_owned();
            if report.findings.is_empty() {
                let none = String::new;
                rows.push(vec![
                    report.path.clone(),
                    report.format.to_owned(),
                    verdict.clone(),
                    none(),
                    none(),
                    none(),
                    none(),
                ]);
            }
            for finding in &report.findings {
                rows.push(vec![
                    finding.path.clone(),
                    report.format.to_owned(),
                    verdict.clone(),
                    finding.severity.to_string(),
                    finding.code.to_owned(),
                    finding.offset.to_string(),
                    finding.message.clone(),
                ]);
            }
        }
        rows
    };
    match format {
        Format::Table => output::table(&header, &rows()),
        Format::Csv => output::csv(&header, &rows()),
        Format::Json => {
            let list: Vec<_> = reports.values().map(object).collect();
            format!("{:#}\n", serde_json::Value::Array(list))
        }
        Format::Ndjson => reports
            .values()
            .map(|report| format!("{}\n", object(report)))
            .collect(),
    }
}

fn audit_row(report: &Report, signer: Option<&String>) -> String {
    let could_not = [
        code::MALFORMED,
        code::UNSCANNABLE,
        code::LIMIT,
        code::UNREADABLE,
    ];
    let errors = report
        .findings
        .iter()
        .filter(|finding| could_not.contains(&finding.code));
    let error: Vec<&str> = errors.map(|finding| finding.message.as_str()).collect();
    let codes: Vec<&str> = report.findings.iter().map(|finding| finding.code).collect();
    json!({
        "TimeGenerated": Timestamp::now().to_rfc3339(),
        "PerformedBy_UPN": "atalaya model scan",
        "Operation": "scan",
        "Resource": "model_artifact",
        "ResourceName": report.path,
        "ResourceType": "artifact",
        "Result": "success",
        "Format": report.path.rsplit_once('.').map_or("", |(_, extension)| extension),
        "Magic": report.format,
        "SizeBytes": report.size_bytes,
        "Sha256": report.sha256,
        "TemplateSha256": report.templates.first().map_or("", |template| &template.sha256),
        "Signer": signer.map_or("", String::as_str),
        "SigVerified": signer.is_some(),
        // The table has no word for "could not be looked at": that is what `ScanError` says.
        "ScanVerdict": match report.verdict() {
            Verdict::Error => "suspicious",
            verdict => verdict.as_str(),
        },
        "ScanError": error.join("; "),
        "AdditionalFields": {"Findings": codes, "Globals": report.globals},
    })
    .to_string()
}
