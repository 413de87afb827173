//! Bound KQL to a DataFusion plan to rows, with Kusto's semantics.
//!
//! [`Engine`] runs a query over a [`TableSource`]: the lake, or [`FileTables`] that somebody names
//! on the command line. Functions and aggregates are Kusto's, one folder each
//! ([`functions`], [`aggregates`]); DataFusion contributes scans, joins, grouping and sorting.
//!
//! Left out: the language itself (`kql`), storage (`lake`).

pub mod aggregates;
mod answer;
mod empty;
mod engine;
mod files;
pub mod functions;
mod library;
mod lower;
mod memory;
mod places;
mod source;
mod truncation;
pub mod types;
mod udaf;
mod udf;
pub mod value;
mod windows;
pub mod write;

pub use engine::{Engine, EngineConfig, QueryError, QueryOptions, QueryResult, ResultColumn};
pub use files::{FileTableError, FileTables};
pub use library::{ExternalData, Library, LibraryError, LiveWatchlists};
pub use lower::Step;
pub use places::PlacesError;
pub use source::{SourceError, StoredFile, StoredTable, TableSource};
