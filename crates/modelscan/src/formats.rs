//! Formats that are no archives.

pub(crate) mod config;
pub(crate) mod gguf;
pub(crate) mod keras;
pub(crate) mod npy;
pub(crate) mod onnx;
pub(crate) mod safetensors;
pub(crate) mod script;
pub(crate) mod template;

/// What a format's reader found: place, code, how bad, message.
pub(crate) struct Seen {
    pub(crate) offset: u64,
    pub(crate) code: &'static str,
    pub(crate) severity: atalaya_model::Severity,
    pub(crate) message: String,
}

impl Seen {
    pub(crate) fn malformed(offset: u64, message: impl Into<String>) -> Self {
        Self {
            offset,
            code: crate::report::code::MALFORMED,
            severity: atalaya_model::Severity::High,
            message: message.into(),
        }
    }

    pub(crate) fn new(
        offset: u64,
        code: &'static str,
        severity: atalaya_model::Severity,
        message: impl Into<String>,
    ) -> Self {
        Self {
            offset,
            code,
            severity,
            message: message.into(),
        }
    }
}
