//! The keys of issuers of tokens, read from files or fetched, and kept.
//!
//! A key set that cannot be fetched again stays in force: an issuer's outage must not be ours. A
//! token that names a key nobody knows asks for a fetch, at most every ten seconds; that token
//! itself is refused and its caller may try again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use atalaya_access::{Claims, Issuer, JwtError, KeySet};
use atalaya_model::Timestamp;
use tokio::sync::{Notify, watch};

use crate::config::GatewayConfig;
use crate::fetch::fetch;

/// Least time between two fetches that tokens ask for.
const ASKED_FETCH_MIN: Duration = Duration::from_secs(10);
/// How soon a fetch that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// One issuer and its keys.
struct Kept {
    issuer: Issuer,
    keys: ArcSwapOption<KeySet>,
}

/// All issuers.
pub(crate) struct IssuerKeys {
    kept: Vec<Kept>,
    asked: Notify,
    is_asked: AtomicBool,
}

impl IssuerKeys {
    /// Reads the key sets that are files; those with a URL follow with [`IssuerKeys::keep`].
    ///
    /// # Errors
    /// If a file cannot be read or is no key set.
    pub(crate) fn new(issuers: &[Issuer]) -> Result<Self, String> {
        let mut kept = Vec::new();
        for issuer in issuers {
            let keys = if is_url(&issuer.jwks) {
                None
            } else {
                Some(read(issuer)?)
            };
            kept.push(Kept {
                issuer: issuer.clone(),
                keys: ArcSwapOption::from_pointee(keys),
            });
        }
        Ok(Self {
            kept,
            asked: Notify::new(),
            is_asked: AtomicBool::new(false),
        })
    }

    /// Checks a token; `None` for what is no token of these issuers.
    pub(crate) fn verify(
        &self,
        presented: &str,
        now: Timestamp,
    ) -> Option<Result<Claims, JwtError>> {
        if self.kept.is_empty() || !presented.starts_with("eyJ") {
            return None;
        }
        let (kept, key_id) = self.kept.iter().find_map(|kept| {
            let key_id = kept.issuer.claims(presented)?;
            Some((kept, key_id))
        })?;
        let keys = kept.keys.load();
        let is_missing = keys
            .as_ref()
            .is_none_or(|keys| key_id.as_deref().is_some_and(|id| !keys.has(id)));
        if is_missing && !self.is_asked.swap(true, Relaxed) {
            self.asked.notify_one();
        }
        let Some(keys) = keys.as_ref() else {
            return Some(Err(JwtError::UnknownKey));
        };
        Some(keys.verify(presented, &kept.issuer, now))
    }

    /// Fetches and reads again, on time and on demand, until the gateway drains.
    pub(crate) async fn keep(self: Arc<Self>, refresh: Duration, mut drain: watch::Receiver<bool>) {
        if self.kept.is_empty() {
            return;
        }
        let mut last = Instant::now();
        let mut wait = self.refresh().await.map_or(RETRY, |()| refresh);
        loop {
            let due = async {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.asked.notified() => {
                        tokio::time::sleep(ASKED_FETCH_MIN.saturating_sub(last.elapsed())).await;
                    }
                }
            };
            tokio::select! {
                _ = drain.wait_for(|drain| *drain) => return,
                () = due => {}
            }
            last = Instant::now();
            wait = self.refresh().await.map_or(RETRY, |()| refresh);
            self.is_asked.store(false, Relaxed);
        }
    }

    /// `None` if any key set could not be had.
    async fn refresh(&self) -> Option<()> {
        let mut all = Some(());
        for kept in &self.kept {
            let issuer = &kept.issuer;
            let fresh = if is_url(&issuer.jwks) {
                let text = fetch(&issuer.jwks).await;
                text.and_then(|text| KeySet::parse(&text))
            } else {
                read(issuer)
            };
            match fresh {
                Ok(keys) => kept.keys.store(Some(Arc::new(keys))),
                Err(why) => {
                    tracing::warn!(
                        issuer = issuer.issuer,
                        why,
                        "keys of an issuer cannot be had"
                    );
                    all = None;
                }
            }
        }
        all
    }
}

/// How often key sets are refreshed.
pub(crate) fn refresh_interval(config: &GatewayConfig) -> Duration {
    Duration::from_secs(config.callers.jwks_refresh_s.max(10))
}

fn is_url(source: &str) -> bool {
    source.starts_with("https://") || source.starts_with("http://")
}

fn read(issuer: &Issuer) -> Result<KeySet, String> {
    let text = std::fs::read_to_string(&issuer.jwks)
        .map_err(|error| format!("cannot read `{}`: {error}", issuer.jwks))?;
    KeySet::parse(&text).map_err(|why| format!("`{}`: {why}", issuer.jwks))
}
