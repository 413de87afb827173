//! What can go wrong with control state.

/// An operation on the store failed. The text names the operation, never the content.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or failed.
    #[error("store: cannot {operation}: {source}")]
    Database {
        /// What was attempted.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: rusqlite::Error,
    },
    /// A stored document is not what this version writes.
    #[error("store: {what} cannot be read: {source}")]
    Document {
        /// Which document.
        what: &'static str,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The file was written by a later version of the product.
    #[error(
        "store: the database has schema version {found}, this program knows up to {known}; \
         use the program that wrote it or a later one"
    )]
    FromTheFuture {
        /// Version in the file.
        found: i64,
        /// Latest version that this program knows.
        known: i64,
    },
    /// The folder of the database cannot be made.
    #[error("store: cannot make the folder {path}: {source}")]
    Folder {
        /// Which folder.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The worker thread of an operation went away.
    #[error("store: {operation} was interrupted")]
    Interrupted {
        /// What was attempted.
        operation: &'static str,
    },
}
