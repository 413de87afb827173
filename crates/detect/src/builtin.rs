//! The rules that are compiled in. The files in `rules/` at the root of the repository are their
//! only source; a test holds this list to that folder.

/// A rule file with its test file.
pub(crate) struct BuiltinFile {
    /// Path below `rules/`.
    pub(crate) path: &'static str,
    /// The rule.
    pub(crate) text: &'static str,
    /// Its tests.
    pub(crate) test: &'static str,
}

macro_rules! rules {
    ($($path:literal),* $(,)?) => {
        &[$(BuiltinFile {
            path: concat!($path, ".yml"),
            text: include_str!(concat!("../../../rules/", $path, ".yml")),
            test: include_str!(concat!("../../../rules/", $path, ".test.yml")),
        }),*]
    };
}

/// Every built-in rule, by path.
#[rustfmt::skip]
pub(crate) const FILES: &[BuiltinFile] = rules![
    "kql/ai-attack-adaptation/adversarial_confidence_drops",
    "kql/ai-model-access/scripted_model_api_calls",
    "kql/execution/prompt_injection_decisions",
    "kql/persistence/training_data_modified",
];
