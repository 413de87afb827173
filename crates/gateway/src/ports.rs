//! What the gateway needs from the rest of the world.

use std::future::Future;

use atalaya_model::Timestamp;

/// A record could not be made durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the decision log cannot be written: {0}")]
pub struct RecordError(pub String);

/// The decision log as the gateway sees it. Payloads are JSON objects, see [`crate::record`].
pub trait Recorder: Clone + Send + Sync + 'static {
    /// Resolves when the record is durable (or, in relaxed mode, safely queued).
    type Durable: Future<Output = Result<(), RecordError>>;
    /// Appends a decision.
    fn append(&self, payload: Vec<u8>) -> Self::Durable;
    /// Appends a settlement; it becomes durable with the next batch.
    fn append_detached(&self, payload: Vec<u8>);
}

/// Clock and identity, handed in so that tests can hold them still.
pub trait World: Send + Sync + 'static {
    /// Wall clock.
    fn now(&self) -> Timestamp;
    /// A new UUIDv7 (RFC 9562).
    fn new_id(&self) -> uuid::Uuid;
}

/// The real world.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemWorld;

impl World for SystemWorld {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn new_id(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}
