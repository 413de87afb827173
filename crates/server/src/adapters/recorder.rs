//! The gateway writes the journal.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use atalaya_gateway::{RecordError, Recorder};
use atalaya_journal::{Append, Journal};

/// A journal as the gateway's decision log. Cheap to clone.
#[derive(Clone)]
pub struct JournalRecorder {
    journal: Journal,
    settlements_lost: Arc<AtomicU64>,
}

impl JournalRecorder {
    /// Writes to this journal.
    #[must_use]
    pub fn new(journal: Journal) -> Self {
        Self {
            journal,
            settlements_lost: Arc::default(),
        }
    }

    /// Settlements that found no place in the queue; their decisions stay unsettled in the log.
    #[must_use]
    pub fn settlements_lost(&self) -> u64 {
        self.settlements_lost.load(Relaxed)
    }
}

impl Recorder for JournalRecorder {
    type Durable = Durable;

    fn append(&self, payload: Vec<u8>) -> Durable {
        Durable(self.journal.append(payload))
    }

    fn append_detached(&self, payload: Vec<u8>) {
        if let Err(refused) = self.journal.append_detached(payload) {
            self.settlements_lost.fetch_add(1, Relaxed);
            tracing::warn!(error = %refused.error, "how a call ended could not be logged");
        }
    }
}

/// Resolves when the record is in the journal as durably as configured.
#[must_use = "the record is not known to be durable before this resolves"]
pub struct Durable(Append);

impl Future for Durable {
    type Output = Result<(), RecordError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|result| {
            result
                .map(|_| ())
                .map_err(|error| RecordError(error.to_string()))
        })
    }
}
