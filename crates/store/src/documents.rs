//! What response remembers: objects that people name (incidents, allowlists, labels, runs), the
//! steps that a run has taken, and who touched which evidence.
//!
//! Objects of response change shape often and are listed by few things, so each is one JSON
//! document of a kind, beside a status, times and *facets* that lists are filtered by. A write
//! names the version it read: of two writers one is told to look again. Steps are rows of their
//! own, because "was this step begun" has to be one atomic question. The custody log is a hash
//! chain that is only ever added to.
//!
//! Left out: what is in a document. The crates that own the nouns know.

use async_trait::async_trait;
use atalaya_model::Timestamp;

use crate::{Insertion, StoreError};

/// Most documents that one list gives back, whatever was asked for.
pub const DOCUMENTS_LISTED_MAX: u32 = 10_000;

/// One stored object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// What it is: `incident`, `run`, `allowlist`, …
    pub kind: String,
    /// Its id, unique in its kind.
    pub id: String,
    /// Counts its changes; 0 before it is stored.
    pub version: u64,
    /// Where it stands, in its own kind's words.
    pub status: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
    /// What lists are filtered by: name and value.
    pub facets: Vec<(String, String)>,
    /// The object itself, JSON.
    pub body: String,
}

/// Which documents to list. Empty members match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentFilter {
    /// The kind; required.
    pub kind: String,
    /// Any of these statuses.
    pub statuses: Vec<String>,
    /// All of these facets.
    pub facets: Vec<(String, String)>,
    /// Changed at or after.
    pub since: Option<Timestamp>,
    /// Most documents to give back; 0 means 100; never more than [`DOCUMENTS_LISTED_MAX`].
    pub limit: u32,
}

impl DocumentFilter {
    /// Everything of a kind.
    #[must_use]
    pub fn of(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            limit: DOCUMENTS_LISTED_MAX,
            ..Self::default()
        }
    }

    /// The same, with a facet that must be there.
    #[must_use]
    pub fn facet(mut self, name: &str, value: &str) -> Self {
        self.facets.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A step of a run, as far as it got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepEntry {
    /// The run.
    pub run_id: String,
    /// The step; an undo is a step of its own.
    pub step_id: String,
    /// Names this very step of this very run to the outside world.
    pub key: String,
    /// What the step is about to do, JSON; written before it does anything.
    pub intent: String,
    /// How it ended, JSON; `None` while nobody knows.
    pub outcome: Option<String>,
    /// How often it was begun; more than once after a crash or a retry.
    pub attempts: u32,
    /// When it was first begun.
    pub begun: Timestamp,
    /// When its outcome was written.
    pub ended: Option<Timestamp>,
}

/// One line of the chain of custody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustodyEntry {
    /// Its number, from 1.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// Who.
    pub actor: String,
    /// What was done: `created`, `verified`, `exported`, `hold_set`, …
    pub action: String,
    /// To what: the id of a bundle, a hold, an incident.
    pub subject: String,
    /// Details, JSON.
    pub details: String,
    /// SHA-256 over the hash before and this entry, hexadecimal.
    pub hash: String,
}

/// Where response keeps its state. Every method is one transaction.
#[async_trait]
pub trait DocumentStore: Send + Sync {
    /// Keeps a new document as version 1; one that is there already stays as it is.
    async fn insert_document(&self, document: Document) -> Result<Insertion, StoreError>;

    /// Replaces a document whose stored version is still `document.version`. False if it is not.
    async fn replace_document(&self, document: Document) -> Result<bool, StoreError>;

    /// One document.
    async fn document(&self, kind: &str, id: &str) -> Result<Option<Document>, StoreError>;

    /// Documents that match, youngest first.
    async fn documents(&self, filter: &DocumentFilter) -> Result<Vec<Document>, StoreError>;

    /// Removes a document. False if there was none.
    async fn delete_document(&self, kind: &str, id: &str) -> Result<bool, StoreError>;

    /// Notes that a step begins, and gives back what is known about it: if it has an outcome,
    /// it must not be carried out again. The first intent and key stay.
    async fn begin_step(&self, entry: StepEntry) -> Result<StepEntry, StoreError>;

    /// Writes the outcome of a step that has none yet. False if it had one, or never began.
    async fn end_step(
        &self,
        run_id: &str,
        step_id: &str,
        outcome: String,
        at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The steps of a run, in the order in which they began.
    async fn steps(&self, run_id: &str) -> Result<Vec<StepEntry>, StoreError>;

    /// Adds a line to the custody log; number and hash are filled in.
    async fn append_custody(&self, entry: CustodyEntry) -> Result<CustodyEntry, StoreError>;

    /// Lines about a subject (all, if it is empty), oldest first.
    async fn custody(&self, subject: &str) -> Result<Vec<CustodyEntry>, StoreError>;
}
