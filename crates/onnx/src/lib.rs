//! A second opinion: a bigger classifier of the user's choice, asked only where the built-in one
//! is in doubt.
//!
//! Takes what guard models are published as: an ONNX graph of a text classifier (Prompt Guard 2,
//! DeBERTa- and BERT-style guards, one's own) and its `tokenizer.json`. Both are read from disk,
//! nothing is ever downloaded. A long text is read in overlapping windows of tokens and scores
//! what its worst window scores.
//!
//! Trade-off: pure Rust on the CPU (tract), so that one binary stays one binary; a graphics card
//! would be faster. Time is checked between windows: a window that has begun is finished, which is
//! why [`OnnxModel::open`] measures one and refuses a model of which not even one fits the limit.
//!
//! Left out: training, quantisation, models with other inputs than tokens.

mod error;
mod model;
mod settings;
mod windows;

pub use self::error::OpenError;
pub use self::model::OnnxModel;
pub use self::settings::{
    MODEL_BYTES_MAX, Settings, TOKENIZER_BYTES_MAX, WINDOW_TOKENS_MAX, WINDOW_TOKENS_MIN,
};
