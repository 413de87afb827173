//! What a scan says.

use atalaya_model::Severity;
use serde::Serialize;

/// Codes of findings: stable, for rules and exceptions.
pub mod code {
    /// A pickle names something that runs code.
    pub const DANGEROUS_GLOBAL: &str = "dangerous_global";
    /// A pickle names something that is not on the allow-list.
    pub const UNLISTED_GLOBAL: &str = "unlisted_global";
    /// A pickle computes what it names, or calls what it computed.
    pub const UNRESOLVED_GLOBAL: &str = "unresolved_global";
    /// A pickle, archive or header that cannot be parsed to its end.
    pub const MALFORMED: &str = "malformed";
    /// Bytes behind the end of a pickle that are none.
    pub const TRAILING_DATA: &str = "trailing_data";
    /// The first bytes are those of another format than the name says.
    pub const FORMAT_MISMATCH: &str = "format_mismatch";
    /// An archive or compression that is not opened here.
    pub const UNSCANNABLE: &str = "unscannable";
    /// A limit was reached: size, depth, number or ratio.
    pub const LIMIT: &str = "limit";
    /// An archive entry that would be written outside of its folder.
    pub const PATH_ESCAPE: &str = "path_escape";
    /// Two descriptions of the same archive entry disagree.
    pub const AMBIGUOUS_ARCHIVE: &str = "ambiguous_archive";
    /// A layer that holds code.
    pub const CODE_LAYER: &str = "code_layer";
    /// The model comes with code of its own that is run when it is loaded.
    pub const REMOTE_CODE: &str = "remote_code";
    /// A library or program of a machine, which a loader may load with the rights of its process.
    pub const NATIVE_CODE: &str = "native_code";
    /// An operator of a graph that reaches files or Python.
    pub const DANGEROUS_OPERATOR: &str = "dangerous_operator";
    /// A reference to data outside of the model's folder.
    pub const EXTERNAL_DATA: &str = "external_data";
    /// A chat template that does more than format a conversation.
    pub const SUSPICIOUS_TEMPLATE: &str = "suspicious_template";
    /// The digest is not the pinned one.
    pub const PIN_MISMATCH: &str = "pin_mismatch";
    /// The bytes could not be read.
    pub const UNREADABLE: &str = "unreadable";
}

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScanFinding {
    /// What kind; see [`code`].
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Where: the file, and the entries of archives that lead there, joined by `!`.
    pub path: String,
    /// Byte in that file or entry.
    pub offset: u64,
    /// What it is.
    pub message: String,
    /// ATLAS techniques that it is evidence for.
    pub atlas: &'static [&'static str],
}

/// A chat template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Template {
    /// Where.
    pub path: String,
    /// SHA-256 of its text, hexadecimal: the `TemplateSha256` of the audit log.
    pub sha256: String,
}

/// The worst of what was seen, in the words of the audit log's `ScanVerdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing to complain about.
    Clean,
    /// Something that should not be there, but runs nothing by itself.
    Suspicious,
    /// Not all of it could be looked at: treat it as if it were unsafe.
    Error,
    /// Loading it may run code.
    Unsafe,
}

impl Verdict {
    /// The name used in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Suspicious => "suspicious",
            Self::Error => "error",
            Self::Unsafe => "unsafe",
        }
    }
}

/// What a scan of one file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Name of the file.
    pub path: String,
    /// Format by its first bytes.
    pub format: &'static str,
    /// Size, bytes.
    pub size_bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// What was seen, in the order in which it lies in the file.
    pub findings: Vec<ScanFinding>,
    /// Findings that were left out because there were too many.
    pub findings_dropped: u64,
    /// Everything that pickles name, `module.name`, each once.
    pub globals: Vec<String>,
    /// Chat templates.
    pub templates: Vec<Template>,
    /// Files and archive entries that were looked at.
    pub parts: u64,
}

impl Report {
    /// The worst of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let of = |finding: &ScanFinding| match finding.code {
            code::MALFORMED | code::UNSCANNABLE | code::LIMIT | code::UNREADABLE => Verdict::Error,
            _ if finding.severity >= Severity::High => Verdict::Unsafe,
            _ if finding.severity >= Severity::Low => Verdict::Suspicious,
            _ => Verdict::Clean,
        };
        self.findings.iter().map(of).max().unwrap_or(Verdict::Clean)
    }
}
