//! The rules that are compiled in. The files in `rules/` at the root of the repository are their
//! only source; `build.rs` lists them, sorted by path.

/// A rule file with its test file.
pub(crate) struct BuiltinFile {
    /// Path below `rules/`.
    pub(crate) path: &'static str,
    /// The rule.
    pub(crate) text: &'static str,
    /// Its tests.
    pub(crate) test: &'static str,
    /// The companion of a Sigma rule.
    pub(crate) companion: Option<&'static str>,
}

/// Every built-in rule, by path.
pub(crate) const FILES: &[BuiltinFile] = include!(concat!(env!("OUT_DIR"), "/builtin_files.rs"));
