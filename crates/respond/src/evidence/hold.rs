//! Legal holds: what must not be deleted, whatever its retention says.

use atalaya_model::Timestamp;
use atalaya_store::{DocumentFilter, DocumentStore, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::custody;
use crate::typed::{self, Stored};

/// One hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id.
    pub hold_id: String,
    /// The incident or case.
    #[serde(default)]
    pub case_id: String,
    /// Tables that are held; all if empty.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Rows from here on…
    pub from: Timestamp,
    /// …up to here; without end if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Who ordered it.
    pub author: String,
    /// When.
    pub created: Timestamp,
    /// When it was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Timestamp>,
    /// By whom.
    #[serde(default)]
    pub released_by: String,
}

impl Stored for Hold {
    const KIND: &'static str = "hold";

    fn id(&self) -> String {
        self.hold_id.clone()
    }

    fn status(&self) -> String {
        if self.released.is_some() {
            "released".to_owned()
        } else {
            "active".to_owned()
        }
    }

    fn facets(&self) -> Vec<(String, String)> {
        vec![("case".to_owned(), self.case_id.clone())]
    }
}

/// Sets a hold; the same id again changes nothing.
///
/// # Errors
/// If the store fails.
pub async fn set_hold(store: &dyn DocumentStore, hold: &Hold) -> Result<(), StoreError> {
    let known = typed::insert(store, hold, hold.created).await?;
    if known == atalaya_store::Insertion::Inserted {
        let details = json!({
            "case": hold.case_id, "reason": hold.reason, "tables": hold.tables,
            "from": hold.from.to_rfc3339(), "until": hold.until.map(Timestamp::to_rfc3339),
        });
        let what = (hold.author.as_str(), "hold_set", hold.hold_id.as_str());
        custody::record(store, what, &details, hold.created).await?;
    }
    Ok(())
}

/// Releases a hold. False if there is none, or it was released before.
///
/// # Errors
/// If the store fails.
pub async fn release(
    store: &dyn DocumentStore,
    hold_id: &str,
    by: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = typed::change(store, hold_id, now, |hold: &mut Hold| {
        if hold.released.is_some() {
            return (false, false);
        }
        hold.released = Some(now);
        by.clone_into(&mut hold.released_by);
        (true, true)
    })
    .await?;
    let released = changed.is_some_and(|(_, released)| released);
    if released {
        custody::record(store, (by, "hold_released", hold_id), &json!({}), now).await?;
    }
    Ok(released)
}

/// All holds, or those that are in force.
///
/// # Errors
/// If the store fails.
pub async fn holds(store: &dyn DocumentStore) -> Result<Vec<Hold>, StoreError> {
    typed::list(store, DocumentFilter::of(Hold::KIND)).await
}

/// Holds that are in force.
///
/// # Errors
/// If the store fails.
pub async fn active_holds(store: &dyn DocumentStore) -> Result<Vec<Hold>, StoreError> {
    let filter = DocumentFilter {
        statuses: vec!["active".to_owned()],
        ..DocumentFilter::of(Hold::KIND)
    };
    typed::list(store, filter).await
}
