//! Documents as types: read, change and write back, again if somebody else was faster.

use atalaya_model::Timestamp;
use atalaya_store::{Document, DocumentFilter, DocumentStore, Insertion, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How often a change is tried again when others change the same object.
const TRIES_MAX: usize = 32;

/// Something that is kept as a document.
pub(crate) trait Stored: Serialize + DeserializeOwned + Send {
    /// The kind of document.
    const KIND: &'static str;
    /// Its id.
    fn id(&self) -> String;
    /// Where it stands.
    fn status(&self) -> String;
    /// What lists are filtered by.
    fn facets(&self) -> Vec<(String, String)>;
}

fn to_document<T: Stored>(value: &T, now: Timestamp, version: u64) -> Result<Document, StoreError> {
    Ok(Document {
        kind: T::KIND.to_owned(),
        id: value.id(),
        version,
        status: value.status(),
        created: now,
        changed: now,
        facets: value.facets(),
        body: serde_json::to_string(value).map_err(|source| StoreError::Document {
            what: T::KIND,
            source,
        })?,
    })
}

fn from_document<T: Stored>(document: &Document) -> Result<T, StoreError> {
    serde_json::from_str(&document.body).map_err(|source| StoreError::Document {
        what: T::KIND,
        source,
    })
}

/// Keeps a new object.
pub(crate) async fn insert<T: Stored>(
    store: &dyn DocumentStore,
    value: &T,
    now: Timestamp,
) -> Result<Insertion, StoreError> {
    store.insert_document(to_document(value, now, 0)?).await
}

/// One object.
pub(crate) async fn get<T: Stored>(
    store: &dyn DocumentStore,
    id: &str,
) -> Result<Option<T>, StoreError> {
    let found = store.document(T::KIND, id).await?;
    found.as_ref().map(from_document).transpose()
}

/// Objects that match; `filter.kind` is filled in.
pub(crate) async fn list<T: Stored>(
    store: &dyn DocumentStore,
    filter: DocumentFilter,
) -> Result<Vec<T>, StoreError> {
    let filter = DocumentFilter {
        kind: T::KIND.to_owned(),
        ..filter
    };
    store
        .documents(&filter)
        .await?
        .iter()
        .map(from_document)
        .collect()
}

/// Changes an object. `change` says whether there is anything to write, and may be called again
/// on a newer state. `None` if there is no such object.
pub(crate) async fn change<T: Stored, R: Send>(
    store: &dyn DocumentStore,
    id: &str,
    now: Timestamp,
    mut change: impl FnMut(&mut T) -> (bool, R) + Send,
) -> Result<Option<(T, R)>, StoreError> {
    for _ in 0..TRIES_MAX {
        let Some(document) = store.document(T::KIND, id).await? else {
            return Ok(None);
        };
        let mut value: T = from_document(&document)?;
        let (is_changed, result) = change(&mut value);
        if !is_changed {
            return Ok(Some((value, result)));
        }
        let mut changed = to_document(&value, now, document.version)?;
        changed.created = document.created;
        if store.replace_document(changed).await? {
            return Ok(Some((value, result)));
        }
    }
    Err(StoreError::Interrupted {
        operation: "changing an object that others keep changing",
    })
}
