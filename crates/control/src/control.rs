//! The one place that changes control state.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use arc_swap::ArcSwap;
use atalaya_access::{Access, Entitlement, Snapshot};
use atalaya_model::Timestamp;
use atalaya_policy::Policy;
use atalaya_store::ControlStore;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::ControlError;

/// How often another process's changes are looked for.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(50);
/// How often the counts of limits are kept: what a crash may forget.
const USAGE_INTERVAL: Duration = Duration::from_secs(1);

type PolicyListener = Box<dyn Fn(Arc<Policy>) + Send + Sync>;

/// What control state needs besides its store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Entitlements of the configuration.
    pub entitlements: Vec<Entitlement>,
    /// Clock.
    pub clock: fn() -> Timestamp,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            entitlements: Vec::new(),
            clock: Timestamp::now,
        }
    }
}

/// See the crate.
pub struct Control {
    pub(crate) store: Arc<dyn ControlStore>,
    settings: Settings,
    access: Arc<Access>,
    pub(crate) policy: ArcSwap<Policy>,
    listener: Mutex<Option<PolicyListener>>,
    version: AtomicI64,
    /// Rung when approvals may have been decided.
    pub(crate) decided: Notify,
    pub(crate) tokens: ArcSwap<Vec<atalaya_store::AdminToken>>,
    /// Changes follow each other, so that an older snapshot never replaces a newer one.
    refreshing: tokio::sync::Mutex<()>,
    saved_usage: Mutex<Vec<(String, Vec<atalaya_access::MeterState>)>>,
}

impl Control {
    /// Reads everything and puts it in force. The built-in policy holds until another is adopted.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn open(
        store: Arc<dyn ControlStore>,
        settings: Settings,
    ) -> Result<Arc<Self>, ControlError> {
        let control = Arc::new(Self {
            store,
            settings,
            access: Arc::new(Access::default()),
            policy: ArcSwap::from_pointee(Policy::builtin()),
            listener: Mutex::new(None),
            version: AtomicI64::new(i64::MIN),
            decided: Notify::new(),
            tokens: ArcSwap::from_pointee(Vec::new()),
            refreshing: tokio::sync::Mutex::new(()),
            saved_usage: Mutex::new(Vec::new()),
        });
        control.access.restore(control.store.usage().await?);
        control
            .version
            .store(control.store.version().await?, SeqCst);
        control.refresh().await?;
        Ok(control)
    }

    /// What the gateway asks on every call.
    #[must_use]
    pub fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Who is told of every policy that comes into force; told of the present one at once.
    pub fn on_policy(&self, listener: impl Fn(Arc<Policy>) + Send + Sync + 'static) {
        listener(self.policy());
        *self.listener.lock() = Some(Box::new(listener));
    }

    pub(crate) fn put_in_force(&self, policy: Policy) {
        if policy.hash() == self.policy.load().hash() {
            return;
        }
        let policy = Arc::new(policy);
        self.policy.store(Arc::clone(&policy));
        tracing::info!(
            id = policy.id(),
            version = policy.version(),
            hash = policy.hash(),
            "a policy came into force"
        );
        if let Some(listener) = self.listener.lock().as_ref() {
            listener(policy);
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.settings.clock)()
    }

    /// Reads the store again and puts what it holds in force.
    ///
    /// # Errors
    /// If it cannot be read; everything stays as it was.
    pub async fn refresh(&self) -> Result<(), ControlError> {
        let _turn = self.refreshing.lock().await;
        let keys = self.store.keys().await?;
        let enforcements = self.store.enforcements(Some(self.now())).await?;
        self.tokens
            .store(Arc::new(self.store.admin_tokens().await?));
        let entitlements = self.settings.entitlements.clone();
        self.access
            .replace(Snapshot::new(keys, enforcements, entitlements));
        self.refresh_policy().await?;
        self.decided.notify_waiters();
        Ok(())
    }

    /// Looks for other processes' changes and keeps the counts of limits, until told to stop.
    pub async fn watch(self: Arc<Self>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut tick = tokio::time::interval(WATCH_INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut saved = tokio::time::Instant::now();
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = tick.tick() => {}
            }
            self.look().await;
            if saved.elapsed() >= USAGE_INTERVAL {
                saved = tokio::time::Instant::now();
                self.save_usage().await;
            }
        }
        self.save_usage().await;
    }

    async fn look(&self) {
        let version = match self.store.version().await {
            Ok(version) => version,
            Err(error) => {
                tracing::warn!(%error, "cannot see whether control state has changed");
                return;
            }
        };
        if self.version.swap(version, SeqCst) == version {
            return;
        }
        if let Err(error) = self.refresh().await {
            // Tried again with the next look.
            self.version.store(i64::MIN, SeqCst);
            tracing::error!(%error, "control state stays as it was");
        }
    }

    /// Keeps the counts of limits, so that a restart gives nobody a new quota.
    pub async fn save_usage(&self) {
        let usage = self.access.save();
        if usage == *self.saved_usage.lock() {
            return;
        }
        match self.store.put_usage(usage.clone()).await {
            Ok(()) => *self.saved_usage.lock() = usage,
            Err(error) => tracing::error!(%error, "the use of limits could not be kept"),
        }
    }
}

/// Random bytes of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], ControlError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ControlError::Random(error.to_string()))?;
    Ok(bytes)
}

/// A new id: UUIDv7.
pub(crate) fn new_id() -> String {
    uuid::Uuid::now_v7().hyphenated().to_string()
}
