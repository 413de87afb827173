//! Why a model cannot be used.

use std::path::PathBuf;
use std::time::Duration;

/// A model that cannot be opened, with the remedy. None of the texts holds any prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file that cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file beyond the limit.
    #[error("{}: {bytes} bytes, and at most {limit} are read; help: take a smaller or quantised export", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A tokenizer that the library does not understand.
    #[error("{}: no tokenizer: {reason}; help: this is the file `tokenizer.json` that is published beside the model", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A graph that cannot be run.
    #[error("{}: no model that can be run: {reason}; help: export a text classifier to ONNX (opset 18 or lower), with weights in the same file or beside it", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An input that is not known.
    #[error("{}: input `{input}` is not known; help: text classifiers have `input_ids`, `attention_mask` and `token_type_ids`", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// Its name in the graph.
        input: String,
    },
    /// A setting that does not fit.
    #[error("{setting}: {reason}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// One window takes longer than a whole text may.
    #[error(
        "one window takes {took:?} and a text may take {limit:?}; help: lower window_tokens, raise time_max, or take a smaller or quantised model"
    )]
    TooSlow {
        /// The time of one window.
        took: Duration,
        /// The limit.
        limit: Duration,
    },
}
