//! Logs of other systems become rows of our tables.
//!
//! A mapping is a small YAML file: which records a log holds, which column each field fills, and
//! how its value is read. It is data so that a new source is a folder with a sample and the rows
//! that the sample must become, and no code. What a mapping does not name is kept in
//! `AdditionalFields`; what it hashes or drops is not kept, because it may be prompt text.
//!
//! Left out: reaching a source (files are handed in, the network belongs to `server`), joins over
//! records, and types (the lake checks each value against its column).

mod apply;
mod builtin;
mod check;
mod mapping;
mod path;
mod read;
mod value;

pub use apply::{Mapped, Refusal};
pub use builtin::{BuiltinSource, find, names, sources};
pub use check::{Difference, check};
pub use mapping::{Format, Mapping};
pub use read::{MappedReader, Outcome, Refused};
