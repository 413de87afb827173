//! From a text to windows of tokens.

use tokenizers::utils::truncation::{TruncationDirection, TruncationParams, TruncationStrategy};
use tokenizers::{Encoding, Tokenizer};

use crate::OpenError;
use crate::settings::{Settings, WINDOW_TOKENS_MAX, WINDOW_TOKENS_MIN};

/// A tokenizer that cuts.
pub(crate) struct Windows {
    tokenizer: Tokenizer,
    padding: i64,
}

impl Windows {
    pub(crate) fn open(settings: &Settings, file: &[u8]) -> Result<Self, OpenError> {
        let wrong = |reason: String| OpenError::Tokenizer {
            path: settings.tokenizer.clone(),
            reason,
        };
        let mut tokenizer =
            Tokenizer::from_bytes(file).map_err(|error| wrong(error.to_string()))?;
        // What the file says of lengths is meant for training.
        tokenizer.with_padding(None);
        check_lengths(settings, tokenizer.get_post_processor().map_or(0, added))?;
        tokenizer
            .with_truncation(Some(TruncationParams {
                direction: TruncationDirection::Right,
                max_length: settings.window_tokens,
                strategy: TruncationStrategy::LongestFirst,
                stride: settings.overlap_tokens,
            }))
            .map_err(|error| wrong(error.to_string()))?;
        let padding = ["[PAD]", "<pad>", "<|pad|>"]
            .iter()
            .find_map(|token| tokenizer.token_to_id(token));
        Ok(Self {
            tokenizer,
            padding: padding.map_or(0, i64::from),
        })
    }

    /// The token that fills a window up.
    pub(crate) const fn padding(&self) -> i64 {
        self.padding
    }

    /// The windows of a text, special tokens included; `None` if the tokenizer gave up.
    pub(crate) fn cut(&self, text: &str) -> Option<Vec<Encoding>> {
        let mut first = self.tokenizer.encode_fast(text, true).ok()?;
        let rest = first.take_overflowing();
        Some(std::iter::once(first).chain(rest).collect())
    }
}

fn added(processor: &tokenizers::PostProcessorWrapper) -> usize {
    use tokenizers::PostProcessor as _;
    processor.added_tokens(false)
}

fn check_lengths(settings: &Settings, special: usize) -> Result<(), OpenError> {
    let window = settings.window_tokens;
    if !(WINDOW_TOKENS_MIN..=WINDOW_TOKENS_MAX).contains(&window) {
        return Err(OpenError::Setting {
            setting: "window_tokens",
            reason: format!("{window} is not between {WINDOW_TOKENS_MIN} and {WINDOW_TOKENS_MAX}"),
        });
    }
    let room = window.saturating_sub(special);
    if settings.overlap_tokens >= room {
        return Err(OpenError::Setting {
            setting: "overlap_tokens",
            reason: format!(
                "{} leaves no room in windows of {window} tokens, of which {special} are special; at most {}",
                settings.overlap_tokens,
                room.saturating_sub(1)
            ),
        });
    }
    Ok(())
}
