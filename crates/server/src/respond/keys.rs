//! Runbooks rotate virtual keys.

use std::sync::Arc;

use async_trait::async_trait;
use atalaya_control::{Control, ControlError, Rotation};
use atalaya_model::Timestamp;
use atalaya_respond::ports::{Keys, PortError};
use atalaya_store::{Document, DocumentStore as _, SqliteStore};
use serde_json::{Value, json};

const KIND: &str = "key_rotation";

/// Control state's keys.
pub(super) struct ControlKeys {
    pub(super) control: Arc<Control>,
    pub(super) store: Arc<SqliteStore>,
}

#[async_trait]
impl Keys for ControlKeys {
    async fn rotate(&self, key_id: &str, author: &str, key: &str) -> Result<Value, PortError> {
        let retry = |error: atalaya_store::StoreError| PortError::Retry(error.to_string());
        let known = self.store.document(KIND, key).await.map_err(retry)?;
        let answer = json!({
            "key": key_id,
            "next": "the old secret has ended; give the owner a new one with `atalaya keys rotate`",
        });
        if known.is_some() {
            return Ok(answer);
        }
        // The new secret is nobody's: a secret that a machine passes on is a secret in a log.
        let rotated = self
            .control
            .rotate_key(key_id, Rotation { overlap_s: 0 }, author)
            .await;
        match rotated {
            Ok(_) => {}
            Err(ControlError::Store(error)) => return Err(retry(error)),
            Err(error) => return Err(PortError::Final(error.to_string())),
        }
        let now = Timestamp::now();
        let note = Document {
            kind: KIND.to_owned(),
            id: key.to_owned(),
            status: "done".to_owned(),
            created: now,
            changed: now,
            facets: vec![("key".to_owned(), key_id.to_owned())],
            body: "{}".to_owned(),
            ..Document::default()
        };
        self.store.insert_document(note).await.map_err(retry)?;
        Ok(answer)
    }
}
