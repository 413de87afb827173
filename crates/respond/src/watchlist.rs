//! Watchlists that response fills: what a runbook or an analyst wants to be looked at closer.
//!
//! They are control state, listed by the API, and queries read them by name:
//! `_GetWatchlist('extraction')`. A file of the query library under the same name comes first.

use atalaya_model::Timestamp;
use atalaya_store::{DocumentFilter, DocumentStore, StoreError};
use serde::{Deserialize, Serialize};

use crate::typed::{self, Stored};

/// One entry of a watchlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The list.
    pub list: String,
    /// Kind of entity.
    pub kind: String,
    /// Which one.
    pub value: String,
    /// Why.
    pub reason: String,
    /// Who added it.
    pub author: String,
    /// When.
    pub added: Timestamp,
}

impl Stored for Item {
    const KIND: &'static str = "watchlist";

    fn id(&self) -> String {
        id(&self.list, &self.kind, &self.value)
    }

    fn status(&self) -> String {
        "listed".to_owned()
    }

    fn facets(&self) -> Vec<(String, String)> {
        vec![("list".to_owned(), self.list.clone())]
    }
}

fn id(list: &str, kind: &str, value: &str) -> String {
    format!("{list}/{kind}/{value}")
}

/// Adds an entry; one that is there stays.
///
/// # Errors
/// If the store fails.
pub async fn add(store: &dyn DocumentStore, item: &Item) -> Result<(), StoreError> {
    typed::insert(store, item, item.added).await.map(|_| ())
}

/// Removes an entry. False if there was none.
///
/// # Errors
/// If the store fails.
pub async fn remove(
    store: &dyn DocumentStore,
    list: &str,
    kind: &str,
    value: &str,
) -> Result<bool, StoreError> {
    store
        .delete_document(Item::KIND, &id(list, kind, value))
        .await
}

/// The entries of a list; of all lists if the name is empty.
///
/// # Errors
/// If the store fails.
pub async fn items(store: &dyn DocumentStore, list: &str) -> Result<Vec<Item>, StoreError> {
    let filter = DocumentFilter::of(Item::KIND);
    let filter = if list.is_empty() {
        filter
    } else {
        filter.facet("list", list)
    };
    typed::list(store, filter).await
}
