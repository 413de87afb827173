//! The trained classifier: how much a text reads like an attack on a model.
//!
//! A text is cut into overlapping windows of two blocks of tokens ([`Kind::block_tokens`]); every token contributes
//! hashed [`features`] (words, pairs of words, and sequences of [`concepts`] that mean the same in
//! some thirty languages), whose weights lie in one table of bytes that fits a processor's cache.
//! The text scores what its worst window scores, so that an instruction inside of a long document
//! weighs as much as one that stands alone.
//!
//! Trade-off: a linear sum over windows instead of a network: microseconds per text, every score
//! can be taken apart into the words that made it, and training takes minutes on one core. What
//! only a reader of whole arguments would see (a plot over several paragraphs) is left out.

pub(crate) mod concepts;
pub(crate) mod features;
mod memo;
mod model;

pub use self::concepts::Concepts;
pub(crate) use self::concepts::is_unspaced;
pub use self::features::{FEATURES, Kind, Sink, extract};
pub use self::memo::Memo;
pub use self::model::{
    LENGTHS, LONG, Model, ModelError, Reason, SHORT, Score, Table, Windows, length_class, norm,
};
