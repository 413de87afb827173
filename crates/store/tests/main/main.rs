//! What every store must do, said against the trait only; then SQLite's own promises.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod documents;

use std::sync::Arc;

use atalaya_store::{SqliteStore, Store, StoreError};

#[tokio::test]
async fn sqlite_in_memory_conforms() {
    for (name, case) in conformance::CASES {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory().unwrap());
        println!("{name}");
        case(store).await;
    }
}

#[tokio::test]
async fn sqlite_on_disk_conforms_and_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    for (name, case) in conformance::CASES {
        let path = folder.path().join(name).join("control.db");
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).unwrap());
        case(store).await;
    }
    let path = folder.path().join("again.db");
    let alert = conformance::alert("a1", 10);
    {
        let store = SqliteStore::open(&path).unwrap();
        store.insert_alert(conformance::new(&alert)).await.unwrap();
    }
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.alert("a1").await.unwrap(), Some(alert));
}

#[tokio::test]
async fn two_processes_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let (one, other) = (
        SqliteStore::open(&path).unwrap(),
        SqliteStore::open(&path).unwrap(),
    );
    for i in 0..20 {
        let alert = conformance::alert(&format!("a{i}"), i);
        let writer = if i % 2 == 0 { &one } else { &other };
        writer.insert_alert(conformance::new(&alert)).await.unwrap();
    }
    assert_eq!(one.alerts(&Default::default()).await.unwrap().len(), 20);
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    drop(SqliteStore::open(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 999).unwrap();
    drop(connection);
    assert!(matches!(
        SqliteStore::open(&path),
        Err(StoreError::FromTheFuture { found: 999, .. })
    ));
}
