//! One file, and everything in it.

mod archives;
mod pickles;

use std::collections::BTreeSet;

use atalaya_model::Severity;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::allow::AllowList;
use crate::archives::inflate::Method;
use crate::formats::npy::Items;
use crate::formats::{self, Seen};
use crate::magic::Format;
use crate::report::{Report, ScanFinding, Template, code};
use crate::source::{Part, Source};

/// How much is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Archives in archives.
    pub depth_max: u8,
    /// Entries of one archive.
    pub entries_max: usize,
    /// Decompressed bytes of one entry; what is longer is told and looked at so far.
    pub entry_bytes_max: u64,
    /// Decompressed bytes of one file, all entries together.
    pub inflated_bytes_max: u64,
    /// Opcodes of one pickle.
    pub opcodes_max: u64,
    /// Findings of one file; more are counted.
    pub findings_max: usize,
    /// Bytes of a JSON or ONNX file that are read into memory.
    pub text_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 5,
            entries_max: 100_000,
            entry_bytes_max: 256 << 20,
            inflated_bytes_max: 2 << 30,
            opcodes_max: 200_000_000,
            findings_max: 1_000,
            text_bytes_max: 256 << 20,
        }
    }
}

const SUPPLY_CHAIN: &[&str] = &["AML.T0011.000", "AML.T0018.002", "AML.T0010.003"];

/// Scans files.
#[derive(Clone, Debug)]
pub struct Scanner {
    allow: AllowList,
    limits: Limits,
}

impl Scanner {
    /// A scanner with that list and those limits.
    #[must_use]
    pub const fn new(allow: AllowList, limits: Limits) -> Self {
        Self { allow, limits }
    }

    /// What a file would do when it is loaded.
    #[must_use]
    pub fn scan(&self, name: &str, source: &dyn Source) -> Report {
        let mut scan = Scan {
            scanner: self,
            report: Report {
                path: name.to_owned(),
                size_bytes: source.len(),
                ..Report::default()
            },
            globals: BTreeSet::new(),
            inflated: 0,
        };
        let part = Part::whole(source);
        scan.report.sha256 = scan.digest(part);
        scan.report.format = scan.part(name, part, 0).name();
        scan.report.globals = std::mem::take(&mut scan.globals).into_iter().collect();
        scan.report
    }
}

struct Scan<'s> {
    scanner: &'s Scanner,
    report: Report,
    globals: BTreeSet<String>,
    inflated: u64,
}

fn is_template_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".jinja", ".jinja2", ".j2"]
        .iter()
        .any(|extension| name.ends_with(extension))
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

const fn atlas(code: &str) -> &'static [&'static str] {
    match code.as_bytes() {
        b"dangerous_global"
        | b"unlisted_global"
        | b"unresolved_global"
        | b"code_layer"
        | b"native_code"
        | b"dangerous_operator" => SUPPLY_CHAIN,
        b"malformed" | b"unscannable" | b"limit" | b"trailing_data" | b"ambiguous_archive" => {
            &["AML.T0076", "AML.T0119"]
        }
        b"format_mismatch" => &["AML.T0074"],
        b"suspicious_template" => &["AML.T0018.003"],
        b"remote_code" => &["AML.T0011.000"],
        b"external_data" | b"path_escape" => &["AML.T0119"],
        b"pin_mismatch" => &["AML.T0010.003", "AML.T0109"],
        _ => &[],
    }
}

impl<'s> Scan<'s> {
    fn tell(&mut self, path: &str, seen: Seen) {
        if self.report.findings.len() >= self.scanner.limits.findings_max {
            self.report.findings_dropped += 1;
            return;
        }
        self.report.findings.push(ScanFinding {
            code: seen.code,
            severity: seen.severity,
            path: path.to_owned(),
            offset: seen.offset,
            message: seen.message,
            atlas: atlas(seen.code),
        });
    }

    fn digest(&mut self, part: Part<'_>) -> String {
        let mut hasher = Sha256::new();
        let mut at = 0;
        while at < part.length() {
            match part.bytes(at, 1 << 20) {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => {
                    hasher.update(&bytes);
                    at += bytes.len() as u64;
                }
                Err(error) => {
                    let path = self.report.path.clone();
                    self.tell(
                        &path,
                        Seen::new(at, code::UNREADABLE, Severity::High, error.to_string()),
                    );
                    return String::new();
                }
            }
        }
        hexadecimal(&hasher.finalize())
    }

    /// One file or entry; its format.
    fn part(&mut self, path: &str, part: Part<'_>, depth: u8) -> Format {
        self.report.parts += 1;
        let head = match part.bytes(0, 512) {
            Ok(head) => head,
            Err(error) => {
                self.tell(
                    path,
                    Seen::new(0, code::UNREADABLE, Severity::High, error.to_string()),
                );
                return Format::Unknown;
            }
        };
        if head.is_empty() {
            return Format::Unknown;
        }
        let format = Format::of(&head, part.length());
        let name = path.rsplit(['!', '/', '\\']).next().unwrap_or(path);
        if let Some(promised) = Format::promised(name)
            && !promised.contains(&format)
        {
            let message = format!(
                "the name promises another format, the bytes are {}",
                format.name()
            );
            self.tell(
                path,
                Seen::new(0, code::FORMAT_MISMATCH, Severity::High, message),
            );
        }
        match format {
            Format::Pickle => self.pickles(path, part, 0, true),
            Format::Zip => self.zip(path, part, depth),
            Format::Tar => self.tar(path, part, depth),
            Format::Gzip => self.compressed(path, part, Method::Gzip, depth),
            Format::Zlib => self.compressed(path, part, Method::Zlib, depth),
            Format::Compressed(_, method) => self.compressed(path, part, method, depth),
            Format::OldJoblib => self.old_joblib(path, part, depth),
            Format::Native(kind) => {
                let message = format!("it is native code ({kind})");
                let seen = Seen::new(0, code::NATIVE_CODE, Severity::High, message);
                self.tell(path, seen);
            }
            Format::Closed(kind) => {
                let message = format!("{kind} is not opened: unpack it and scan what comes out");
                let seen = Seen::new(0, code::UNSCANNABLE, Severity::High, message);
                self.tell(path, seen);
            }
            Format::Safetensors => self.safetensors(path, part),
            Format::Npy => self.npy(path, part),
            Format::Gguf => {
                let (seen, templates) = formats::gguf::check(part);
                seen.into_iter().for_each(|seen| self.tell(path, seen));
                templates
                    .iter()
                    .for_each(|(_, text)| self.template(path, text));
            }
            Format::Hdf5 => formats::keras::check_hdf5(part)
                .into_iter()
                .for_each(|seen| self.tell(path, seen)),
            Format::Json if !is_template_name(name) => self.json(path, name, part),
            Format::Json => self.unknown(path, name, part, format),
            Format::Onnx | Format::Unknown => self.unknown(path, name, part, format),
        }
        if !matches!(format, Format::Pickle | Format::Unknown) {
            self.disguised(path, part);
        }
        if format != Format::Zip {
            self.appended(path, part, format, depth);
        }
        format
    }

    fn text(&mut self, path: &str, part: Part<'_>) -> Option<Vec<u8>> {
        if part.length() > self.scanner.limits.text_bytes_max {
            let message = format!("it has {} bytes, more than are read at once", part.length());
            self.tell(path, Seen::new(0, code::LIMIT, Severity::High, message));
            return None;
        }
        part.bytes(0, part.length() as usize).ok()
    }

    fn unknown(&mut self, path: &str, name: &str, part: Part<'_>, format: Format) {
        let lower = name.to_ascii_lowercase();
        let is_graph = lower.ends_with(".pb");
        if is_graph || (format == Format::Onnx && !lower.ends_with(".onnx")) {
            let seen = formats::keras::check_graph(part);
            seen.into_iter().for_each(|seen| self.tell(path, seen));
        }
        if is_graph {
            return;
        }
        if format == Format::Onnx || lower.ends_with(".onnx") {
            if let Some(bytes) = self.text(path, part) {
                let seen = formats::onnx::check(&bytes);
                seen.into_iter().for_each(|seen| self.tell(path, seen));
            }
            return;
        }
        if is_template_name(name) {
            if let Some(bytes) = self.text(path, part) {
                self.template(path, &String::from_utf8_lossy(&bytes));
            }
            return;
        }
        if path.contains('!') && lower.ends_with(".py") {
            self.python(path, part);
        }
        // Protocol 0 and 1 have no magic: what loaders would unpickle is, anything else is tried.
        self.pickles(path, part, 0, Format::is_pickle_name(name));
    }

    fn safetensors(&mut self, path: &str, part: Part<'_>) {
        let (seen, metadata) = formats::safetensors::check(part);
        seen.into_iter().for_each(|seen| self.tell(path, seen));
        let members = metadata.as_ref().and_then(Value::as_object);
        for text in members
            .into_iter()
            .flatten()
            .filter_map(|(_, text)| text.as_str())
        {
            if text.contains("{%") {
                self.template(path, text);
            }
        }
    }

    /// Python in an archive: `TorchScript`, which may only call operators, or a module that is
    /// imported when the archive is loaded.
    fn python(&mut self, path: &str, part: Part<'_>) {
        let Some(bytes) = self.text(path, part) else {
            return;
        };
        let text = String::from_utf8_lossy(&bytes);
        let seen = if path.contains("/code/") || path.contains("!code/") {
            formats::script::check(&text)
        } else {
            let message = "Python code lies beside the weights";
            vec![Seen::new(0, code::REMOTE_CODE, Severity::Medium, message)]
        };
        seen.into_iter().for_each(|seen| self.tell(path, seen));
    }

    fn npy(&mut self, path: &str, part: Part<'_>) {
        match formats::npy::header(part) {
            Ok((start, Items::Objects)) => self.pickles(path, part, start, true),
            Ok((start, Items::Unclear)) => {
                let message = "its header does not say plainly what the array holds";
                self.tell(path, Seen::malformed(start, message));
                self.pickles(path, part, start, false);
                let limits = self.pickle_limits();
                self.search(path, part, start, limits);
            }
            // What lies behind numbers is read by whoever reads on.
            Ok((start, Items::Numbers)) => {
                let limits = self.pickle_limits();
                self.search(path, part, start, limits);
            }
            Err(reason) => self.tell(path, Seen::malformed(0, reason)),
        }
    }

    fn json(&mut self, path: &str, name: &str, part: Part<'_>) {
        let Some(bytes) = self.text(path, part) else {
            return;
        };
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            // A pickle of protocol 0 may begin like an object.
            if !name.to_ascii_lowercase().ends_with(".json") {
                self.pickles(path, part, 0, Format::is_pickle_name(name));
            } else {
                self.tell(path, Seen::malformed(0, "it is no JSON"));
            }
            return;
        };
        let mut seen = Vec::new();
        if value.get("class_name").is_some() || value.get("config").is_some() {
            formats::keras::check_config(&value, &mut seen);
        }
        let (more, templates) = formats::config::check(&value);
        seen.extend(more);
        seen.into_iter().for_each(|seen| self.tell(path, seen));
        templates.iter().for_each(|text| self.template(path, text));
    }

    fn template(&mut self, path: &str, text: &str) {
        self.report.templates.push(Template {
            path: path.to_owned(),
            sha256: hexadecimal(&Sha256::digest(text.as_bytes())),
        });
        let seen = formats::template::check(text);
        seen.into_iter().for_each(|seen| self.tell(path, seen));
    }
}
