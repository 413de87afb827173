//! Journal records become Delta Lake tables on local disk, and every row can be queried from the
//! moment it is in the journal.
//!
//! ```text
//!             journal ──► follower ──► tail (Arrow, in memory) ──flush──► Parquet + Delta log
//!                                        │                                      │
//!                                        └──────────────── snapshot ◄───────────┘
//! ```
//!
//! # What is where
//!
//! One sub-folder of the lake per table of `atalaya-tables`, each a Delta Lake table that Spark,
//! DuckDB, Trino and others read as it is. Partitioned by [`DAY_COLUMN`], the UTC day of
//! `TimeGenerated`; files `day=YYYY-MM-DD/….zstd.parquet`, sorted by `TimeGenerated`, with page
//! statistics, and bloom filters on the columns that people search for. Column types: see
//! [`arrow_schema`].
//!
//! # Exactly once
//!
//! Each commit of a table carries two things at once: its new files, and, as a Delta application
//! transaction, the number W of the journal record up to which the table is complete. Whatever
//! was not committed is read again from the journal at the next start, and what was, is not taken
//! twice. The decision log is committed last in every flush and also carries the number of the
//! oldest decision without settlement, which is where reading begins again.
//!
//! # Decisions and settlements
//!
//! A decision is visible as soon as it is in the journal, with its settled columns null. Its row
//! goes to a file once it is settled; only then the access log and, if a model was reached, the
//! inference log get their rows, with the same id. What can go otherwise:
//!
//! - The process died: the calls it had open are settled as `interrupted` when the next one opens
//!   the journal.
//! - No settlement within `settle_wait`: the row goes to a file without. If the settlement still
//!   comes, the next flush replaces the row; it is never seen twice. Counted as late.
//! - More than `unsettled_max` wait: the oldest are flushed and no longer watched. A settlement
//!   that still comes stays in the journal only, and is counted as orphaned.
//!
//! Left out: queries (`query` reads the files), object storage, and retention of the journal
//! itself.

mod config;
mod core;
mod decode;
mod delta;
mod error;
mod flush;
mod follow;
mod gateway;
mod hold;
mod ingest;
mod lake;
mod maintain;
mod parquet_file;
mod project;
mod record;
mod schema;
mod snapshot;
mod time;

pub use config::{LakeConfig, Ports};
pub use error::LakeError;
pub use follow::Follower;
pub use hold::LegalHold;
pub use ingest::{
    IngestError, IngestFormat, IngestOptions, IngestProgress, IngestReport, MissingTime,
};
pub use lake::{Lake, LakeStats};
pub use maintain::MaintenanceReport;
pub use schema::{DAY_COLUMN, arrow_schema};
pub use snapshot::{DataFile, Snapshot};
