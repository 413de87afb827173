//! What is loaded, and within which bounds it is asked.

use std::path::PathBuf;
use std::time::Duration;

/// Bytes of a model file, at most: 2 GiB.
pub const MODEL_BYTES_MAX: u64 = 2 << 30;
/// Bytes of a tokenizer file, at most: 64 MiB.
pub const TOKENIZER_BYTES_MAX: u64 = 64 << 20;
/// Tokens of one window, at least.
pub const WINDOW_TOKENS_MIN: usize = 8;
/// Tokens of one window, at most: more than any guard model was trained with.
pub const WINDOW_TOKENS_MAX: usize = 8192;

/// A model, its tokenizer, and how they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The graph (`model.onnx`); inputs `input_ids` and, if it has them, `attention_mask` and
    /// `token_type_ids`, each `[1, tokens]`; the first output holds logits `[1, labels]`.
    pub model: PathBuf,
    /// The tokenizer (`tokenizer.json`).
    pub tokenizer: PathBuf,
    /// Numbers of the labels that mean attack, from 0; their probabilities are added up.
    pub attack_labels: Vec<usize>,
    /// Logits are divided by this before they become probabilities: above 1 is less sure.
    pub temperature: f32,
    /// Tokens of one window, special ones included.
    pub window_tokens: usize,
    /// Tokens that a window shares with the one before.
    pub overlap_tokens: usize,
    /// Windows of one text that are read, at most.
    pub windows_max: usize,
    /// Bytes of one text that are read, at most.
    pub text_bytes_max: usize,
    /// Time for one text.
    pub time_max: Duration,
}

impl Settings {
    /// The usual two-label guard: label 1 is the attack, windows of 128 tokens that overlap by a
    /// quarter, 100 ms for one text.
    #[must_use]
    pub fn new(model: impl Into<PathBuf>, tokenizer: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            tokenizer: tokenizer.into(),
            attack_labels: vec![1],
            temperature: 1.0,
            window_tokens: 128,
            overlap_tokens: 32,
            windows_max: 16,
            text_bytes_max: 64 * 1024,
            time_max: Duration::from_millis(100),
        }
    }
}
