//! What all workers share, read-mostly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use atalaya_inspect::Inspector;
use atalaya_policy::Policy;
use tokio::sync::Semaphore;

use crate::approve::Approvals;
use crate::canary::Canaries;
use crate::config::GatewayConfig;
use crate::door::Doorkeeper;
use crate::fingerprint::Fingerprints;
use crate::metrics::Metrics;
use crate::ports::{Recorder, World};
use crate::record::NodeFacts;
use crate::route::Routes;
use crate::session::Sessions;

/// The policy in force. Clones are the same slot.
#[derive(Clone, Debug)]
pub struct PolicySlot(Arc<ArcSwap<Policy>>);

impl PolicySlot {
    pub(crate) fn new(policy: Arc<Policy>) -> Self {
        Self(Arc::new(ArcSwap::new(policy)))
    }

    /// Puts another policy in force for the next call.
    pub fn set(&self, policy: Arc<Policy>) {
        self.0.store(policy);
    }

    pub(crate) fn get(&self) -> Arc<Policy> {
        self.0.load_full()
    }
}

/// State of a gateway.
pub(crate) struct Shared<R: Recorder> {
    pub(crate) config: GatewayConfig,
    pub(crate) routes: Routes,
    pub(crate) policy: PolicySlot,
    pub(crate) door: Doorkeeper,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) fingerprints: Fingerprints,
    /// `None` if none are put into calls.
    pub(crate) canaries: Option<Canaries>,
    pub(crate) approvals: Option<Arc<dyn Approvals>>,
    /// Long bodies that are looked at on threads of their own at the same time.
    pub(crate) large_inspections: Semaphore,
    pub(crate) inspector: Arc<Inspector>,
    pub(crate) recorder: R,
    pub(crate) world: Arc<dyn World>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) node: NodeFacts,
}

impl<R: Recorder> Shared<R> {
    /// The policy in force now.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.policy.get()
    }

    /// A place for one more call, unless there are too many.
    pub(crate) fn admit(&self) -> Option<CallPermit> {
        let max = u64::try_from(self.config.limits.calls_max).unwrap_or(u64::MAX);
        let metrics = Arc::clone(&self.metrics);
        if metrics.calls_in_flight.fetch_add(1, Relaxed) >= max {
            metrics.calls_in_flight.fetch_sub(1, Relaxed);
            metrics.calls_shed.fetch_add(1, Relaxed);
            return None;
        }
        Some(CallPermit { metrics })
    }
}

/// A call's place; given up when the answer has ended.
pub(crate) struct CallPermit {
    metrics: Arc<Metrics>,
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        self.metrics.calls_in_flight.fetch_sub(1, Relaxed);
    }
}

/// Counts a connection while it is open.
pub(crate) struct ConnectionPermit {
    metrics: Arc<Metrics>,
}

impl ConnectionPermit {
    pub(crate) fn take(metrics: &Arc<Metrics>, max: usize) -> Option<Self> {
        let open: &AtomicU64 = &metrics.connections;
        if open.fetch_add(1, Relaxed) >= u64::try_from(max).unwrap_or(u64::MAX) {
            open.fetch_sub(1, Relaxed);
            metrics.connections_refused.fetch_add(1, Relaxed);
            return None;
        }
        Some(Self {
            metrics: Arc::clone(metrics),
        })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.metrics.connections.fetch_sub(1, Relaxed);
    }
}
