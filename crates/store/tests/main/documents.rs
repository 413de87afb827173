//! Documents, steps and custody, said against the trait only.

use std::sync::Arc;

use atalaya_model::Timestamp;
use atalaya_store::{
    CustodyEntry, Document, DocumentFilter, DocumentStore, Insertion, SqliteStore, StepEntry,
};

fn store() -> Arc<dyn DocumentStore> {
    Arc::new(SqliteStore::in_memory().unwrap())
}

fn document(id: &str, status: &str, facets: &[(&str, &str)], at: i64) -> Document {
    Document {
        kind: "k".into(),
        id: id.into(),
        status: status.into(),
        created: Timestamp(at),
        changed: Timestamp(at),
        facets: facets
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        body: "{}".into(),
        ..Document::default()
    }
}

#[tokio::test]
async fn of_two_writers_one_is_told_to_look_again() {
    let store = store();
    let first = document("a", "new", &[], 1);
    assert_eq!(
        store.insert_document(first.clone()).await.unwrap(),
        Insertion::Inserted
    );
    assert_eq!(
        store.insert_document(first).await.unwrap(),
        Insertion::Duplicate
    );
    let read = store.document("k", "a").await.unwrap().unwrap();
    assert_eq!(read.version, 1);
    assert!(store.replace_document(read.clone()).await.unwrap());
    assert!(!store.replace_document(read).await.unwrap());
    assert_eq!(store.document("k", "a").await.unwrap().unwrap().version, 2);
    assert!(store.delete_document("k", "a").await.unwrap());
    assert!(!store.delete_document("k", "a").await.unwrap());
}

#[tokio::test]
async fn documents_are_listed_by_status_facets_and_time() {
    let store = store();
    for document in [
        document("a", "new", &[("x", "1"), ("y", "1")], 1),
        document("b", "new", &[("x", "1"), ("x", "2")], 2),
        document("c", "old", &[("x", "2")], 3),
    ] {
        store.insert_document(document).await.unwrap();
    }
    let ids = async |filter: DocumentFilter| -> Vec<String> {
        let found = store.documents(&filter).await.unwrap();
        found.into_iter().map(|document| document.id).collect()
    };
    assert_eq!(ids(DocumentFilter::of("k")).await, ["c", "b", "a"]);
    assert_eq!(ids(DocumentFilter::of("other")).await, Vec::<String>::new());
    assert_eq!(
        ids(DocumentFilter::of("k").facet("x", "2")).await,
        ["c", "b"]
    );
    let both = DocumentFilter::of("k").facet("x", "1").facet("y", "1");
    assert_eq!(ids(both).await, ["a"]);
    let filter = DocumentFilter {
        statuses: vec!["new".into()],
        since: Some(Timestamp(2)),
        ..DocumentFilter::of("k")
    };
    assert_eq!(ids(filter).await, ["b"]);
    // Facets follow their document.
    let mut b = store.document("k", "b").await.unwrap().unwrap();
    b.facets = vec![("x".into(), "9".into())];
    store.replace_document(b).await.unwrap();
    assert_eq!(ids(DocumentFilter::of("k").facet("x", "2")).await, ["c"]);
}

#[tokio::test]
async fn a_step_has_one_intent_and_one_outcome() {
    let store = store();
    let entry = |intent: &str| StepEntry {
        run_id: "r".into(),
        step_id: "s".into(),
        key: "r/s".into(),
        intent: intent.into(),
        begun: Timestamp(1),
        ..StepEntry::default()
    };
    assert!(
        !store
            .end_step("r", "s", "x".into(), Timestamp(1))
            .await
            .unwrap()
    );
    assert_eq!(store.begin_step(entry("first")).await.unwrap().attempts, 1);
    let again = store.begin_step(entry("second")).await.unwrap();
    assert_eq!((again.intent.as_str(), again.attempts), ("first", 2));
    assert!(
        store
            .end_step("r", "s", "done".into(), Timestamp(2))
            .await
            .unwrap()
    );
    assert!(
        !store
            .end_step("r", "s", "other".into(), Timestamp(3))
            .await
            .unwrap()
    );
    let known = store.begin_step(entry("third")).await.unwrap();
    assert_eq!(
        (known.outcome.as_deref(), known.attempts),
        (Some("done"), 2)
    );
    assert_eq!(store.steps("r").await.unwrap(), [known]);
}

#[tokio::test]
async fn the_custody_log_is_chained_and_only_added_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let store = SqliteStore::open(&path).unwrap();
    let entry = |action: &str| CustodyEntry {
        actor: "ann".into(),
        action: action.into(),
        subject: "b1".into(),
        details: "{}".into(),
        ..CustodyEntry::default()
    };
    let first = store.append_custody(entry("created")).await.unwrap();
    let second = store.append_custody(entry("verified")).await.unwrap();
    assert_eq!((first.seq, second.seq), (1, 2));
    assert_eq!(first.chain_hash(""), first.hash);
    assert_eq!(second.chain_hash(&first.hash), second.hash);
    let connection = rusqlite::Connection::open(&path).unwrap();
    assert!(
        connection
            .execute("UPDATE custody SET actor = 'eve'", [])
            .is_err()
    );
    assert!(connection.execute("DELETE FROM custody", []).is_err());
}
