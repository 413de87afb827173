//! A bigger model that is asked where the built-in classifier is in doubt.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A model of your own: an ONNX text classifier and its tokenizer, read from disk. Needs a binary
/// that was built with `--features onnx`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecondOpinionSection {
    /// The graph, `model.onnx`; there is no second opinion if this is absent.
    pub model: Option<PathBuf>,
    /// The tokenizer, `tokenizer.json`; the file of that name beside the model if this is absent.
    pub tokenizer: Option<PathBuf>,
    /// Scores of the built-in classifier for which the model is asked, both included. Inside of
    /// them its word is the score: 100 times the probability of an attack.
    pub band: (u8, u8),
    /// Numbers of the labels that mean attack, from 0.
    pub attack_labels: Vec<usize>,
    /// Logits are divided by this before they become probabilities: 1 leaves the model as it is,
    /// more is less sure.
    pub temperature: f32,
    /// Tokens of one window of a long text, special ones included.
    pub window_tokens: usize,
    /// Tokens that a window shares with the one before.
    pub overlap_tokens: usize,
    /// Windows of one text that are read, at most; the rest is `Unjudged`.
    pub windows_max: usize,
    /// Bytes of one text that are read, at most; the rest is `Unjudged`.
    pub text_bytes_max: usize,
    /// Time for one text, milliseconds; a model of which one window takes longer is refused.
    pub time_max_ms: u64,
}

impl Default for SecondOpinionSection {
    fn default() -> Self {
        Self {
            model: None,
            tokenizer: None,
            band: (20, 84),
            attack_labels: vec![1],
            temperature: 1.0,
            window_tokens: 128,
            overlap_tokens: 32,
            windows_max: 16,
            text_bytes_max: 64 * 1024,
            time_max_ms: 100,
        }
    }
}
