//! Documents, steps of runs and the custody log as rows.

use async_trait::async_trait;
use atalaya_model::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params, params_from_iter};
use sha2::{Digest as _, Sha256};

use super::{SqliteStore, database};
use crate::{
    CustodyEntry, DOCUMENTS_LISTED_MAX, Document, DocumentFilter, DocumentStore, Insertion,
    StepEntry, StoreError,
};

const COLUMNS: &str = "kind, id, version, status, created_us, changed_us, body";
const STEP_COLUMNS: &str = "run_id, step_id, key, intent, outcome, attempts, begun_us, ended_us";
const LIMIT_DEFAULT: u32 = 100;

impl SqliteStore {
    /// Documents that match, read on the calling thread: for what binds a query, which waits for
    /// nothing else. A list takes well under a millisecond.
    ///
    /// # Errors
    /// If the database fails.
    pub fn documents_now(&self, filter: &DocumentFilter) -> Result<Vec<Document>, StoreError> {
        list(&self.connection.lock(), filter)
    }
}

#[async_trait]
impl DocumentStore for SqliteStore {
    async fn insert_document(&self, document: Document) -> Result<Insertion, StoreError> {
        let work = move |c: &mut Connection| insert(c, &document);
        self.on_the_way("insert a document", work).await
    }

    async fn replace_document(&self, document: Document) -> Result<bool, StoreError> {
        let work = move |c: &mut Connection| replace(c, &document);
        self.on_the_way("replace a document", work).await
    }

    async fn document(&self, kind: &str, id: &str) -> Result<Option<Document>, StoreError> {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        self.with("find a document", move |c| find(c, &kind, &id))
            .await
    }

    async fn documents(&self, filter: &DocumentFilter) -> Result<Vec<Document>, StoreError> {
        let filter = filter.clone();
        self.with("list documents", move |c| list(c, &filter)).await
    }

    async fn delete_document(&self, kind: &str, id: &str) -> Result<bool, StoreError> {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        self.with("delete a document", move |c| {
            c.execute(
                "DELETE FROM documents WHERE kind = ?1 AND id = ?2",
                [kind, id],
            )
            .map(|changed| changed > 0)
            .map_err(database("delete a document"))
        })
        .await
    }

    async fn begin_step(&self, entry: StepEntry) -> Result<StepEntry, StoreError> {
        let work = move |c: &mut Connection| begin_step(c, &entry);
        self.on_the_way("begin a step", work).await
    }

    async fn end_step(
        &self,
        run_id: &str,
        step_id: &str,
        outcome: String,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (run_id, step_id) = (run_id.to_owned(), step_id.to_owned());
        self.with("end a step", move |c| {
            c.execute(
                "UPDATE run_steps SET outcome = ?3, ended_us = ?4
                 WHERE run_id = ?1 AND step_id = ?2 AND outcome IS NULL",
                params![run_id, step_id, outcome, at.0],
            )
            .map(|changed| changed > 0)
            .map_err(database("end a step"))
        })
        .await
    }

    async fn steps(&self, run_id: &str) -> Result<Vec<StepEntry>, StoreError> {
        let run_id = run_id.to_owned();
        self.with("list the steps of a run", move |c| {
            let read = || -> rusqlite::Result<Vec<StepEntry>> {
                c.prepare_cached(&format!(
                    "SELECT {STEP_COLUMNS} FROM run_steps WHERE run_id = ?1 ORDER BY rowid"
                ))?
                .query_map([&run_id], step)?
                .collect()
            };
            read().map_err(database("list the steps of a run"))
        })
        .await
    }

    async fn append_custody(&self, entry: CustodyEntry) -> Result<CustodyEntry, StoreError> {
        self.with("write the custody log", move |c| append_custody(c, entry))
            .await
    }

    async fn custody(&self, subject: &str) -> Result<Vec<CustodyEntry>, StoreError> {
        let subject = subject.to_owned();
        self.with("read the custody log", move |c| {
            let read = || -> rusqlite::Result<Vec<CustodyEntry>> {
                c.prepare_cached(
                    "SELECT seq, time_us, actor, action, subject, details, hash FROM custody
                     WHERE ?1 = '' OR subject = ?1 ORDER BY seq",
                )?
                .query_map([&subject], custody)?
                .collect()
            };
            read().map_err(database("read the custody log"))
        })
        .await
    }
}

fn insert(connection: &mut Connection, document: &Document) -> Result<Insertion, StoreError> {
    let write = |connection: &mut Connection| -> rusqlite::Result<Insertion> {
        let transaction = connection.transaction()?;
        let changed = transaction.execute(
            &format!(
                "INSERT INTO documents ({COLUMNS}) VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO NOTHING"
            ),
            params![
                document.kind,
                document.id,
                document.status,
                document.created.0,
                document.changed.0,
                document.body
            ],
        )?;
        if changed == 0 {
            return Ok(Insertion::Duplicate);
        }
        insert_facets(&transaction, document)?;
        transaction.commit()?;
        Ok(Insertion::Inserted)
    };
    write(connection).map_err(database("insert a document"))
}

fn replace(connection: &mut Connection, document: &Document) -> Result<bool, StoreError> {
    let write = |connection: &mut Connection| -> rusqlite::Result<bool> {
        let transaction = connection.transaction()?;
        let changed = transaction.execute(
            "UPDATE documents SET version = version + 1, status = ?4, changed_us = ?5, body = ?6
             WHERE kind = ?1 AND id = ?2 AND version = ?3",
            params![
                document.kind,
                document.id,
                number(document.version),
                document.status,
                document.changed.0,
                document.body
            ],
        )?;
        if changed == 0 {
            return Ok(false);
        }
        transaction.execute(
            "DELETE FROM document_facets WHERE kind = ?1 AND id = ?2",
            [&document.kind, &document.id],
        )?;
        insert_facets(&transaction, document)?;
        transaction.commit()?;
        Ok(true)
    };
    write(connection).map_err(database("replace a document"))
}

fn insert_facets(transaction: &Transaction<'_>, document: &Document) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT OR IGNORE INTO document_facets (kind, id, name, value) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (name, value) in &document.facets {
        statement.execute([&document.kind, &document.id, name, value])?;
    }
    Ok(())
}

fn find(connection: &Connection, kind: &str, id: &str) -> Result<Option<Document>, StoreError> {
    let read = || -> rusqlite::Result<Option<Document>> {
        let found = connection
            .query_row(
                &format!("SELECT {COLUMNS} FROM documents WHERE kind = ?1 AND id = ?2"),
                [kind, id],
                document,
            )
            .optional()?;
        found
            .map(|document| with_facets(connection, document))
            .transpose()
    };
    read().map_err(database("find a document"))
}

fn list(connection: &Connection, filter: &DocumentFilter) -> Result<Vec<Document>, StoreError> {
    let mut sql = format!("SELECT {COLUMNS} FROM documents d WHERE kind = ?");
    let mut values: Vec<Value> = vec![filter.kind.clone().into()];
    if !filter.statuses.is_empty() {
        let places = vec!["?"; filter.statuses.len()].join(", ");
        sql.push_str(&format!(" AND status IN ({places})"));
        values.extend(filter.statuses.iter().cloned().map(Value::from));
    }
    for (name, value) in &filter.facets {
        sql.push_str(
            " AND EXISTS (SELECT 1 FROM document_facets f WHERE f.kind = d.kind AND f.id = d.id
             AND f.name = ? AND f.value = ?)",
        );
        values.push(name.clone().into());
        values.push(value.clone().into());
    }
    if let Some(since) = filter.since {
        sql.push_str(" AND changed_us >= ?");
        values.push(since.0.into());
    }
    let limit = match filter.limit {
        0 => LIMIT_DEFAULT,
        wanted => wanted.min(DOCUMENTS_LISTED_MAX),
    };
    sql.push_str(&format!(" ORDER BY changed_us DESC, id DESC LIMIT {limit}"));
    let read = || -> rusqlite::Result<Vec<Document>> {
        let found: Vec<Document> = connection
            .prepare_cached(&sql)?
            .query_map(params_from_iter(values), document)?
            .collect::<rusqlite::Result<_>>()?;
        found
            .into_iter()
            .map(|document| with_facets(connection, document))
            .collect()
    };
    read().map_err(database("list documents"))
}

fn with_facets(connection: &Connection, mut document: Document) -> rusqlite::Result<Document> {
    document.facets = connection
        .prepare_cached(
            "SELECT name, value FROM document_facets WHERE kind = ?1 AND id = ?2
             ORDER BY name, value",
        )?
        .query_map([&document.kind, &document.id], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(document)
}

fn begin_step(connection: &mut Connection, entry: &StepEntry) -> Result<StepEntry, StoreError> {
    let write = |connection: &mut Connection| -> rusqlite::Result<StepEntry> {
        let transaction = connection.transaction()?;
        transaction.execute(
            "INSERT INTO run_steps (run_id, step_id, key, intent, attempts, begun_us)
             VALUES (?1, ?2, ?3, ?4, 1, ?5)
             ON CONFLICT (run_id, step_id) DO UPDATE SET
               attempts = attempts + (outcome IS NULL)",
            params![
                entry.run_id,
                entry.step_id,
                entry.key,
                entry.intent,
                entry.begun.0
            ],
        )?;
        let known = transaction.query_row(
            &format!("SELECT {STEP_COLUMNS} FROM run_steps WHERE run_id = ?1 AND step_id = ?2"),
            [&entry.run_id, &entry.step_id],
            step,
        )?;
        transaction.commit()?;
        Ok(known)
    };
    write(connection).map_err(database("begin a step"))
}

fn append_custody(
    connection: &mut Connection,
    mut entry: CustodyEntry,
) -> Result<CustodyEntry, StoreError> {
    let write = |connection: &mut Connection| -> rusqlite::Result<CustodyEntry> {
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let last: Option<(i64, String)> = transaction
            .query_row(
                "SELECT seq, hash FROM custody ORDER BY seq DESC LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let (seq, before) = last.unwrap_or_default();
        entry.seq = u64::try_from(seq).unwrap_or(0) + 1;
        entry.hash = entry.chain_hash(&before);
        transaction.execute(
            "INSERT INTO custody (seq, time_us, actor, action, subject, details, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                number(entry.seq),
                entry.time.0,
                entry.actor,
                entry.action,
                entry.subject,
                entry.details,
                entry.hash
            ],
        )?;
        transaction.commit()?;
        Ok(entry)
    };
    write(connection).map_err(database("write the custody log"))
}

impl CustodyEntry {
    /// The hash of this entry after one with the hash `before`; lengths keep the parts apart.
    #[must_use]
    pub fn chain_hash(&self, before: &str) -> String {
        use std::fmt::Write as _;
        let mut hasher = Sha256::new();
        let (seq, time) = (self.seq.to_string(), self.time.0.to_string());
        for part in [
            before,
            &seq,
            &time,
            &self.actor,
            &self.action,
            &self.subject,
            &self.details,
        ] {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(part);
        }
        hasher
            .finalize()
            .iter()
            .fold(String::with_capacity(64), |mut out, byte| {
                let _ = write!(out, "{byte:02x}");
                out
            })
    }
}

fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        kind: row.get(0)?,
        id: row.get(1)?,
        version: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
        status: row.get(3)?,
        created: Timestamp(row.get(4)?),
        changed: Timestamp(row.get(5)?),
        facets: Vec::new(),
        body: row.get(6)?,
    })
}

fn step(row: &Row<'_>) -> rusqlite::Result<StepEntry> {
    Ok(StepEntry {
        run_id: row.get(0)?,
        step_id: row.get(1)?,
        key: row.get(2)?,
        intent: row.get(3)?,
        outcome: row.get(4)?,
        attempts: row.get(5)?,
        begun: Timestamp(row.get(6)?),
        ended: row.get::<_, Option<i64>>(7)?.map(Timestamp),
    })
}

fn custody(row: &Row<'_>) -> rusqlite::Result<CustodyEntry> {
    Ok(CustodyEntry {
        seq: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
        time: Timestamp(row.get(1)?),
        actor: row.get(2)?,
        action: row.get(3)?,
        subject: row.get(4)?,
        details: row.get(5)?,
        hash: row.get(6)?,
    })
}

/// SQLite has signed integers only.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
