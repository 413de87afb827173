//! [`SqliteStore`]: one file, one writer, WAL.
//!
//! SQLite blocks, so each operation runs on tokio's blocking pool, behind one mutex: control
//! state sees a few writes per second at most, and one connection makes each method a plain
//! transaction. `synchronous = FULL`: what was announced must survive a power cut.
//!
//! A node answers an attack with four writes before the one that stops it: alert, incident, run,
//! intent. With [`SqliteStore::syncing_with_the_next`] these go into the write-ahead log without
//! waiting for the disk, and the next write that waits (the enforcement, a step's outcome) waits for
//! them too, because the log is one file and only its beginning can survive. A killed process loses
//! nothing either way; [`SqliteStore::sync`] bounds what a power cut could.

mod alerts;
mod control;
mod documents;
mod migrations;
mod rules;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use atalaya_model::{Alert, AlertStatus, Timestamp};
use parking_lot::Mutex;
use rusqlite::Connection;

use crate::{AlertFilter, Growth, Insertion, NewAlert, RuleState, Store, StoreError, StoredAlert};

/// How long an operation waits for another process (`atalaya alerts` beside the server).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Control state in a SQLite file. Cheap to clone: clones share the connection.
#[derive(Clone)]
pub struct SqliteStore {
    connection: Arc<Mutex<Connection>>,
    /// Whether steps towards an effect wait for the disk with it, not each by itself.
    later: bool,
    /// Whether something was written that the disk may not have.
    unsynced: Arc<AtomicBool>,
}

impl SqliteStore {
    /// Opens the file, makes it and its folder if need be, and brings its schema up to date.
    ///
    /// # Errors
    /// If the folder or file cannot be made or read, or a later version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|source| StoreError::Folder {
                path: folder.to_owned(),
                source,
            })?;
        }
        Self::prepare(Connection::open(path).map_err(database("open the database"))?)
    }

    /// A store that is gone with the process, for tests.
    ///
    /// # Errors
    /// If SQLite cannot allocate it.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory().map_err(database("open a database in memory"))?)
    }

    fn prepare(mut connection: Connection) -> Result<Self, StoreError> {
        let settings = |c: &Connection| -> rusqlite::Result<()> {
            c.busy_timeout(BUSY_TIMEOUT)?;
            c.pragma_update(None, "journal_mode", "WAL")?;
            c.pragma_update(None, "synchronous", "FULL")?;
            c.pragma_update(None, "foreign_keys", "ON")
        };
        settings(&connection).map_err(database("configure the database"))?;
        migrations::run(&mut connection)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            later: false,
            unsynced: Arc::default(),
        })
    }

    /// The same store for a node: see the module. Whoever uses it calls [`Self::sync`] often.
    #[must_use]
    pub fn syncing_with_the_next(mut self) -> Self {
        self.later = true;
        self
    }

    /// Brings to disk what was written without waiting for it, if no later write did.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sync(&self) -> Result<(), StoreError> {
        if !self.unsynced.swap(false, Relaxed) {
            return Ok(());
        }
        let synced = self
            .with("bring writes to disk", |connection| {
                // Syncs the log before anything is taken out of it.
                connection
                    .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
                    .map_err(database("bring writes to disk"))
            })
            .await;
        if synced.is_err() {
            self.unsynced.store(true, Relaxed);
        }
        synced
    }

    /// A write on the way to an effect.
    async fn on_the_way<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if !self.later {
            return self.with(operation, work).await;
        }
        let unsynced = Arc::clone(&self.unsynced);
        self.with(operation, move |connection| {
            let wait = |connection: &Connection, mode: &str| {
                connection
                    .pragma_update(None, "synchronous", mode)
                    .map_err(database(operation))
            };
            wait(connection, "NORMAL")?;
            let done = work(connection);
            wait(connection, "FULL")?;
            unsynced.store(true, Relaxed);
            done
        })
        .await
    }

    async fn with<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        tokio::task::spawn_blocking(move || work(&mut connection.lock()))
            .await
            .unwrap_or(Err(StoreError::Interrupted { operation }))
    }
}

/// Names the operation in an error of the database.
fn database(operation: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Database { operation, source }
}

#[async_trait]
impl Store for SqliteStore {
    async fn insert_alert(&self, alert: NewAlert) -> Result<Insertion, StoreError> {
        self.on_the_way("insert an alert", move |c| alerts::insert(c, &alert))
            .await
    }

    async fn grow_alert(&self, alert_id: &str, growth: Growth) -> Result<bool, StoreError> {
        let id = alert_id.to_owned();
        self.with("grow an alert", move |c| alerts::grow(c, &id, &growth))
            .await
    }

    async fn latest_of_group(&self, group_key: &str) -> Result<Option<StoredAlert>, StoreError> {
        let key = group_key.to_owned();
        self.with("find an alert", move |c| alerts::latest_of_group(c, &key))
            .await
    }

    async fn alert(&self, alert_id: &str) -> Result<Option<Alert>, StoreError> {
        let id = alert_id.to_owned();
        self.with("find an alert", move |c| alerts::find(c, &id))
            .await
    }

    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<Alert>, StoreError> {
        let filter = filter.clone();
        self.with("list alerts", move |c| alerts::list(c, &filter))
            .await
    }

    async fn set_alert_status(
        &self,
        alert_id: &str,
        status: AlertStatus,
    ) -> Result<bool, StoreError> {
        let id = alert_id.to_owned();
        self.with("change an alert", move |c| {
            alerts::set_status(c, &id, status)
        })
        .await
    }

    async fn undelivered_alerts(&self, limit: u32) -> Result<Vec<Alert>, StoreError> {
        self.with("list alerts", move |c| alerts::undelivered(c, limit))
            .await
    }

    async fn mark_delivered(&self, alert_id: &str) -> Result<(), StoreError> {
        let id = alert_id.to_owned();
        self.with("change an alert", move |c| alerts::mark_delivered(c, &id))
            .await
    }

    async fn rule_state(&self, rule_id: &str) -> Result<Option<RuleState>, StoreError> {
        let id = rule_id.to_owned();
        self.with("read a rule's state", move |c| rules::find(c, &id))
            .await
    }

    async fn put_rule_state(&self, state: &RuleState) -> Result<(), StoreError> {
        let state = state.clone();
        self.with("write a rule's state", move |c| rules::put(c, &state))
            .await
    }

    async fn rule_states(&self) -> Result<Vec<RuleState>, StoreError> {
        self.with("read the rules' states", |c| rules::all(c)).await
    }

    async fn delete_closed_alerts(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.with("delete alerts", move |c| alerts::delete_closed(c, before))
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::SqliteStore;
    use crate::{Document, DocumentFilter, DocumentStore as _, StoreError};

    async fn mode(store: &SqliteStore) -> i64 {
        let read = store.with("read a setting", |connection| {
            connection
                .query_row("PRAGMA synchronous", [], |row| row.get(0))
                .map_err(super::database("read a setting"))
        });
        read.await.unwrap()
    }

    /// What SQLite calls FULL.
    const FULL: i64 = 2;

    #[tokio::test]
    async fn only_the_way_to_an_effect_does_not_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.db");
        let strict = SqliteStore::open(&path).unwrap();
        let node = strict.clone().syncing_with_the_next();
        let document = Document {
            kind: "run".to_owned(),
            id: "r1".to_owned(),
            body: "{}".to_owned(),
            ..Document::default()
        };
        strict.insert_document(document.clone()).await.unwrap();
        assert!(!strict.unsynced.load(Relaxed));
        let document = Document {
            id: "r2".to_owned(),
            ..document
        };
        node.insert_document(document).await.unwrap();
        assert!(node.unsynced.load(Relaxed));
        assert_eq!(mode(&node).await, FULL, "the next write waits again");
        let failed: Result<(), StoreError> = node
            .on_the_way("fail", |_| {
                Err(StoreError::Interrupted { operation: "fail" })
            })
            .await;
        assert!(failed.is_err());
        assert_eq!(mode(&node).await, FULL);
        node.sync().await.unwrap();
        assert!(!node.unsynced.load(Relaxed));
        let other = SqliteStore::open(&path).unwrap();
        let found = other.documents(&DocumentFilter::of("run")).await.unwrap();
        assert_eq!(found.len(), 2);
    }
}
