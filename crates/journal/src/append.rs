//! Waiting for a record to be durable. Knows of executors only the waker.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use crate::error::AppendError;
use crate::queue::Queue;

/// A record that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its number.
    pub seq: u64,
}

/// Resolves when the record is durable (strict), or at once (relaxed). Dropping it does not take
/// the record back.
#[must_use = "the record is not known to be durable before this resolves"]
pub struct Append {
    state: AppendState,
}

enum AppendState {
    Ready(Result<Appended, AppendError>),
    Waiting { queue: Arc<Queue>, slot: usize },
    Over,
}

impl Append {
    pub(crate) fn ready(result: Result<Appended, AppendError>) -> Self {
        Self {
            state: AppendState::Ready(result),
        }
    }

    pub(crate) fn waiting(queue: Arc<Queue>, slot: usize) -> Self {
        Self {
            state: AppendState::Waiting { queue, slot },
        }
    }

    /// Blocks the thread until the append is done; for callers outside of an executor.
    ///
    /// # Errors
    /// As the future.
    pub fn wait(mut self) -> Result<Appended, AppendError> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(result) => return result,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl Future for Append {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let AppendState::Waiting { queue, slot } = &self.state {
            let polled = queue.poll_slot(*slot, context.waker());
            if polled.is_ready() {
                self.state = AppendState::Over;
            }
            return polled;
        }
        match std::mem::replace(&mut self.state, AppendState::Over) {
            AppendState::Ready(result) => Poll::Ready(result),
            // Asked again after it was done, against the contract of futures.
            AppendState::Over | AppendState::Waiting { .. } => {
                Poll::Ready(Err(AppendError::Closed))
            }
        }
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        if let AppendState::Waiting { queue, slot } = &self.state {
            queue.abandon_slot(*slot);
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
