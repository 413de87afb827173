//! Runbooks end secrets of virtual keys, and bring them back.
//!
//! What the secrets were, as hashes, is kept under the step's key before they are ended: so that
//! a step that is done again after a crash ends them at the same time, and an undo knows what to
//! bring back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atalaya_access::KeySecret;
use atalaya_control::{Control, ControlError};
use atalaya_model::Timestamp;
use atalaya_respond::duration::micros;
use atalaya_respond::ports::{Keys, PortError};
use atalaya_store::{Document, DocumentStore as _, SqliteStore, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const KIND: &str = "key_rotation";

/// Control state's keys.
pub(super) struct ControlKeys {
    pub(super) control: Arc<Control>,
    pub(super) store: Arc<SqliteStore>,
}

/// What was ended, and when.
#[derive(Serialize, Deserialize)]
struct Ended {
    key_id: String,
    until_us: i64,
    before: Vec<KeySecret>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
fn retry(error: StoreError) -> PortError {
    PortError::Retry(error.to_string())
}

fn port(error: ControlError) -> PortError {
    match error {
        ControlError::Store(error) => retry(error),
        error => PortError::Final(error.to_string()),
    }
}

impl ControlKeys {
    async fn noted(&self, key: &str) -> Result<Option<Ended>, PortError> {
        let found = self.store.document(KIND, key).await.map_err(retry)?;
        Ok(found.and_then(|document| serde_json::from_str(&document.body).ok()))
    }

    /// What is to be ended, written down before it is.
    async fn note(&self, key_id: &str, overlap: Duration, key: &str) -> Result<Ended, PortError> {
        if let Some(known) = self.noted(key).await? {
            return Ok(known);
        }
        let now = Timestamp::now();
        let before = self.control.key(key_id).await.map_err(port)?.secrets;
        let ended = Ended {
            key_id: key_id.to_owned(),
            until_us: now.0.saturating_add(micros(overlap)),
            before,
        };
        let note = Document {
            kind: KIND.to_owned(),
            id: key.to_owned(),
            status: "ended".to_owned(),
            created: now,
            changed: now,
            facets: vec![("key".to_owned(), key_id.to_owned())],
            body: serde_json::to_string(&ended).unwrap_or_default(),
            ..Document::default()
        };
        self.store.insert_document(note).await.map_err(retry)?;
        Ok(ended)
    }
}

#[async_trait]
impl Keys for ControlKeys {
    async fn rotate(
        &self,
        key_id: &str,
        overlap: Duration,
        author: &str,
        key: &str,
    ) -> Result<Value, PortError> {
        let ended = self.note(key_id, overlap, key).await?;
        let until = Timestamp(ended.until_us);
        let ending = self.control.end_secrets(key_id, until, author).await;
        ending.map_err(port)?;
        Ok(json!({
            "key": key_id, "old_secret_valid_until": until.to_rfc3339(),
            "next": format!("give the owner a new secret with `atalaya keys rotate {key_id}`"),
        }))
    }

    async fn restore(&self, author: &str, key: &str) -> Result<bool, PortError> {
        let Some(ended) = self.noted(key).await? else {
            return Ok(false);
        };
        let reviving = self
            .control
            .revive_secrets(&ended.key_id, &ended.before, author);
        reviving.await.map_err(port)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use atalaya_control::{Control, NewKey, Rotation, Settings};
    use atalaya_model::Timestamp;
    use atalaya_respond::ports::Keys as _;
    use atalaya_store::{ControlStore, SqliteStore};

    use super::ControlKeys;

    async fn keys() -> (ControlKeys, String, String) {
        let store = Arc::new(SqliteStore::in_memory().unwrap());
        let control_store = Arc::clone(&store) as Arc<dyn ControlStore>;
        let control = Control::open(control_store, Settings::default())
            .await
            .unwrap();
        let new = NewKey {
            name: "batch".to_owned(),
            ..NewKey::default()
        };
        let made = control.create_key(new, "ann").await.unwrap();
        (ControlKeys { control, store }, made.key.id, made.secret)
    }

    /// Whether a secret opens the door at a time.
    fn opens(keys: &ControlKeys, secret: &str, seconds_from_now: i64) -> bool {
        let at = Timestamp(Timestamp::now().0 + seconds_from_now * 1_000_000);
        let snapshot = keys.control.access().snapshot();
        snapshot.key(secret.as_bytes(), at).is_some()
    }

    #[tokio::test]
    async fn a_leaked_secret_ends_at_once_and_comes_back_with_an_undo() {
        let (keys, id, secret) = keys().await;
        assert!(opens(&keys, &secret, 0));
        let answer = keys
            .rotate(&id, Duration::ZERO, "runbook:x", "run/step")
            .await
            .unwrap();
        assert!(
            answer["next"]
                .as_str()
                .unwrap()
                .contains("atalaya keys rotate")
        );
        assert!(!answer.to_string().contains(&secret));
        assert!(!opens(&keys, &secret, 0));
        assert!(keys.restore("ann", "run/step").await.unwrap());
        assert!(opens(&keys, &secret, 0));
        assert!(
            !keys.restore("ann", "run/other").await.unwrap(),
            "nothing was ended there"
        );
    }

    #[tokio::test]
    async fn an_overlap_counts_from_the_first_time_that_the_step_was_done() {
        let (keys, id, secret) = keys().await;
        let overlap = Duration::from_secs(3_600);
        let one = keys.rotate(&id, overlap, "runbook:x", "k").await.unwrap();
        let again = keys.rotate(&id, overlap, "runbook:x", "k").await.unwrap();
        assert_eq!(one, again);
        assert!(opens(&keys, &secret, 3_500));
        assert!(!opens(&keys, &secret, 3_700));
    }

    #[tokio::test]
    async fn an_owner_who_has_a_new_secret_does_not_get_the_old_one_back() {
        let (keys, id, secret) = keys().await;
        keys.rotate(&id, Duration::ZERO, "runbook:x", "k")
            .await
            .unwrap();
        let handed = keys
            .control
            .rotate_key(&id, Rotation::default(), "ann")
            .await
            .unwrap();
        assert!(opens(&keys, &handed.secret, 0));
        assert!(!keys.restore("ann", "k").await.unwrap());
        assert!(opens(&keys, &handed.secret, 0));
        assert!(!opens(&keys, &secret, 0));
    }
}
